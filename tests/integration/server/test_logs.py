"""One set-up for all log lines of the gateway's process, whoever writes them."""

import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from statusgate.engines.neonize import supervisor
from statusgate.telemetry import configure_logs


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    """Undo the set-up of the test."""
    root, ours = logging.getLogger(), logging.getLogger("statusgate")
    before = (root.handlers, root.level, ours.level)
    yield
    structlog.reset_defaults()
    root.handlers = before[0]
    root.setLevel(before[1])
    ours.setLevel(before[2])


def lines(written: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in written.readouterr().err.splitlines()]


def test_lines_of_the_engines_are_structured_and_keep_their_level(
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure_logs("json", "info")
    supervisor.log.debug("not asked for")
    supervisor.log.info("account %s: the worker runs", 7)
    supervisor.log.warning("account %s: no sign of life", 7)
    assert [(line["level"], line["event"], line["logger"]) for line in lines(capsys)] == [
        ("info", "account 7: the worker runs", "statusgate.engines.neonize.supervisor"),
        ("warning", "account 7: no sign of life", "statusgate.engines.neonize.supervisor"),
    ]


def test_other_libraries_are_heard_from_warnings_on(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("json", "debug")
    logging.getLogger("uvicorn.error").info("/waInstance1/secret")
    logging.getLogger("asyncio").error("Task was destroyed but it is pending!")
    assert [line["event"] for line in lines(capsys)] == [
        "Task was destroyed but it is pending!"
    ]


def test_a_traceback_and_hostile_text_come_in_one_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure_logs("json", "info")
    try:
        int("no")
    except ValueError:
        supervisor.log.exception("told by a stranger: \x1b[31m\nlevel=error")
    (line,) = lines(capsys)
    assert "\\x1b[31m\\nlevel=error" in line["event"]
    assert "ValueError: invalid literal" in line["exception"]


def test_setting_up_twice_writes_each_line_once(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("json", "info")
    configure_logs("json", "warning")
    supervisor.log.info("not asked for any more")
    supervisor.log.warning("once")
    assert [line["event"] for line in lines(capsys)] == ["once"]
