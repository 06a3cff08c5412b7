"""The tutorial, done from its first line to its last, and its translations."""

import json
from pathlib import Path
from shutil import which

import pytest

from tests.acceptance.processes import InstanceClient, ServerProcess
from tests.docs.pages import ROOT, fences
from tests.docs.reader import paste, terminal
from tests.waiting import until

TUTORIAL = ROOT / "docs/tutorial/first-status.md"
NOT_RUN = ("make setup", ". .venv/", "statusgate serve", "rm -r")
"""Done otherwise here: the environment is that of the tests, the server a process beside it."""


def _commands(page: Path) -> list[str]:
    return [text for label, text in fences(page) if label == "sh"]


def _runnable(blocks: list[str]) -> str:
    lines = "".join(blocks).splitlines()
    return "\n".join(line for line in lines if not line.startswith(NOT_RUN))


@pytest.mark.skipif(which("curl") is None, reason="the tutorial uses curl")
def test_somebody_who_follows_the_tutorial_is_viewed_liked_and_answered(tmp_path: Path) -> None:
    (tmp_path / "src").symlink_to(ROOT / "src")
    server = ServerProcess(tmp_path)
    theirs = terminal(tmp_path) | {
        "STATUSGATE_DATABASE": f"sqlite:///{tmp_path}/statusgate.db",
        "STATUSGATE_DATA": str(tmp_path),
    }
    blocks = _commands(TUTORIAL)
    start = next(at for at, block in enumerate(blocks) if "statusgate serve" in block)
    made = json.loads(paste(_runnable(blocks[:start]), tmp_path, theirs))
    with server:
        account = InstanceClient(server, made["idInstance"], made["apiTokenInstance"])
        until(lambda: len(account.get("getContacts").json()) == 40, "forty people")
        script = _runnable(blocks[start:])
        assert "http://127.0.0.1:8080" in script
        shown = paste(
            script.replace("http://127.0.0.1:8080", f"http://127.0.0.1:{server.port}"),
            tmp_path,
            theirs,
        )
    assert '{"stateInstance":"authorized"}' in shown
    assert '"total":40' in shown
    assert '"reaction":"💚"' in shown
    assert '"textMessage":"Keep one for me!"' in shown
    assert (tmp_path / "receipts.csv").read_text().count("\n") > 40


@pytest.mark.parametrize("language", ["ru", "he"])
def test_a_translation_has_the_commands_of_the_original(language: str) -> None:
    assert list(fences(TUTORIAL.with_suffix(f".{language}.md"))) == list(fences(TUTORIAL))
