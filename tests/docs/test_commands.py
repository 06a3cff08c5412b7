"""What the pages tell a reader to paste works against the demo as it stands there."""

import re
import signal
import subprocess
from collections.abc import Iterator
from shutil import which

import pytest

from tests.acceptance.processes import command
from tests.docs.pages import ROOT, fences
from tests.docs.reader import paste, terminal

pytestmark = pytest.mark.skipif(which("curl") is None, reason="the pages use curl")
PAGES = [
    "README.md",
    "docs/how-to/post.md",
    "docs/how-to/audience.md",
    "docs/how-to/schedule.md",
    "docs/how-to/report.md",
    "docs/how-to/statistics.md",
    "docs/how-to/sandbox.md",
    "docs/how-to/move-from-green-api.md",
]


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The environment of somebody who pasted what a running demo prints."""
    folder = tmp_path_factory.mktemp("demo")
    theirs = terminal(folder)
    process = subprocess.Popen(
        command("demo", "--port", "0", "--every", "60"),
        cwd=folder,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        exports = ""
        while "Ctrl-C" not in exports:
            line = process.stdout.readline()
            assert line, "the demo ended"
            exports += line
        pasted = "\n".join(re.findall(r"^ *export .*$", exports, re.MULTILINE))
        yield theirs | {"PASTED": pasted}
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)


def _blocks(page: str) -> str:
    """The page's shell blocks that speak to an account, one after the other."""
    blocks = [text for label, text in fences(ROOT / page) if label == "sh"]
    wanted = [block for block in blocks if "$URL" in block or "statusgate post" in block]
    assert wanted, page
    return "\n".join(line for line in "\n".join(wanted).splitlines() if ". .venv/" not in line)


@pytest.mark.parametrize("page", PAGES)
def test_the_commands_of_a_page_work_as_they_stand(page: str, reader: dict[str, str]) -> None:
    shown = paste(f"{reader['PASTED']}\n{_blocks(page)}", ROOT, reader)
    assert "[]" not in shown.split()


def test_the_first_read_of_the_readme_runs_in_python_too(reader: dict[str, str]) -> None:
    [program] = [text for label, text in fences(ROOT / "README.md") if label == "python"]
    script = f'{reader["PASTED"]}\npython -c "$PROGRAM"'
    shown = paste(script, ROOT, reader | {"PROGRAM": program})
    assert re.search(r"^\w+ (sent|delivered|read) \d+$", shown, re.MULTILINE)
