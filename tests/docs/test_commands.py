"""What the pages tell a reader to paste works against the demo as it stands there."""

import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
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
_SPEAKS = re.compile(r"\$URL|^statusgate (?:post|status)", re.MULTILINE)
README_NOT_RUN = {
    "git clone": "the repository is here",
    "cd statusgate": "the tests are in it",
    "make demo": "the fixture of this module starts the demo without make",
    "make test": "runs this very test",
    "pipx install .": "needs a registry; test_wheel installs the wheel in a clean environment",
    "statusgate demo": "the fixture of this module starts it",
    ". .venv/bin/activate": "the environment is that of the tests",
    ".venv/bin/statusgate instance create": "makes an account; test_tutorial does the same",
    ".venv/bin/statusgate serve": "does not end by itself; test_tutorial does the same",
}
EXPORTS = "docs/how-to/exports.md"
NOT_RUN = {
    "alerts": "needs Prometheus",
    "back-up": "its folders are examples; test_backup does the same",
    "container": "needs a container engine",
    "dashboard": "its one command is `make demo`",
    "delete-everything": "would delete the demo",
    "link-an-account": "needs a phone",
    "live-stream": "does not end by itself",
    "measure": "takes minutes",
    "move-to-postgresql": "needs a PostgreSQL server of its own; test_copying does the same",
    "proxy": "needs root and a domain",
    "replay": "its receipt ids are examples",
    "run": "starts servers",
    "s3": "needs a bucket; test_media_bucket does the same",
    "shell-completion": "changes the reader's shell",
    "systemd": "needs root",
    "several-nodes": "needs a PostgreSQL server of its own; test_nodes does the same",
    "twenty-accounts": "makes accounts beside the demo",
    "upgrade": "replaces the installation",
    "webhooks": "its receiver is an example",
}
"""Pages of docs/how-to whose commands this module does not run; test_pasting still checks that
the calls of ``statusgate`` in them are ones that it takes."""


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
    wanted = [block for block in blocks if _SPEAKS.search(block)]
    assert wanted, page
    return "\n".join(line for line in "\n".join(wanted).splitlines() if ". .venv/" not in line)


@pytest.mark.parametrize("page", PAGES)
def test_the_commands_of_a_page_work_as_they_stand(page: str, reader: dict[str, str]) -> None:
    shown = paste(f"{reader['PASTED']}\n{_blocks(page)}", ROOT, reader)
    assert "[]" not in shown.split()


def test_the_files_of_the_page_of_exports_are_what_its_program_reads(
    reader: dict[str, str], tmp_path: Path
) -> None:
    [program] = [text for label, text in fences(ROOT / EXPORTS) if label == "python"]
    blocks = "".join(text for label, text in fences(ROOT / EXPORTS) if label == "sh")
    script = f'{reader["PASTED"]}\n{blocks}\npython -c "$PROGRAM"'
    shown = paste(script, tmp_path, reader | {"PROGRAM": program})
    assert re.search(r"^textMessage +\d+$", shown, re.MULTILINE)


def test_every_page_with_commands_is_run_or_says_why_it_is_not() -> None:
    folder = ROOT / "docs/how-to"
    with_commands = {
        page.stem
        for page in folder.glob("*.md")
        if any(label in ("sh", "bash", "console") for label, _ in fences(page))
    }
    run = {Path(page).stem for page in [*PAGES, EXPORTS] if page != "README.md"}
    assert with_commands == run | NOT_RUN.keys()


def test_every_command_of_the_readme_is_run_or_says_why_it_is_not() -> None:
    blocks = [text for label, text in fences(ROOT / "README.md") if label == "sh"]
    lines = {line for block in blocks for line in block.splitlines() if line}
    left = lines - set(_blocks("README.md").splitlines())
    unrun = {reason for reason in README_NOT_RUN if any(x.startswith(reason) for x in left)}
    assert [line for line in left if not line.startswith(tuple(README_NOT_RUN))] == []
    assert unrun == README_NOT_RUN.keys()


def test_the_first_read_of_the_readme_runs_in_python_too(reader: dict[str, str]) -> None:
    [program] = [text for label, text in fences(ROOT / "README.md") if label == "python"]
    script = f'{reader["PASTED"]}\npython -c "$PROGRAM"'
    shown = paste(script, ROOT, reader | {"PROGRAM": program})
    assert re.search(r"^\w+ (sent|delivered|read) \d+$", shown, re.MULTILINE)
