"""What the pages tell a reader to paste works against the demo as it stands there."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from shutil import which

import pytest

from tests.acceptance.processes import command
from tests.docs.pages import ROOT, fences

pytestmark = pytest.mark.skipif(which("curl") is None, reason="the pages use curl")
PAGES = [
    "README.md",
    "docs/how-to/post.md",
    "docs/how-to/audience.md",
    "docs/how-to/schedule.md",
    "docs/how-to/report.md",
    "docs/how-to/statistics.md",
    "docs/how-to/sandbox.md",
]


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The environment of somebody who pasted what a running demo prints."""
    folder = tmp_path_factory.mktemp("demo")
    (folder / ".curlrc").write_text("fail\nsilent\nshow-error\n")
    programs = folder / "bin"
    programs.mkdir()
    for name, words in (("statusgate", "-m statusgate"), ("python", "")):
        (programs / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" {words} "$@"\n')
        (programs / name).chmod(0o755)
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
        clean = {key: value for key, value in os.environ.items() if "STATUSGATE" not in key}
        path = f"{programs}{os.pathsep}{os.environ['PATH']}"
        yield clean | {"PATH": path, "CURL_HOME": str(folder), "PASTED": pasted}
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
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", f"{reader['PASTED']}\n{_blocks(page)}"],
        cwd=ROOT,
        env=reader,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "[]" not in done.stdout.split()


def test_the_first_read_of_the_readme_runs_in_python_too(reader: dict[str, str]) -> None:
    [program] = [text for label, text in fences(ROOT / "README.md") if label == "python"]
    done = subprocess.run(
        ["bash", "-euc", f'{reader["PASTED"]}\npython -c "$PROGRAM"'],
        env=reader | {"PROGRAM": program},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert re.search(r"^\w+ (sent|delivered|read) \d+$", done.stdout, re.MULTILINE)
