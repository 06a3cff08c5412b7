"""The pages for operators: their shell blocks run as they stand, on a gateway's folder."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.pages import ROOT, fences

PAGES = ["back-up.md"]


@pytest.fixture
def operator(tmp_path: Path) -> dict[str, str]:
    """The environment of somebody in a folder with a gateway's data and a passphrase."""
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "statusgate").write_text(
        f'#!/bin/sh\nexec "{sys.executable}" -m statusgate "$@"\n'
    )
    (programs / "statusgate").chmod(0o755)
    (tmp_path / "passphrase.txt").write_text("correct horse battery staple\n")
    clean = {key: value for key, value in os.environ.items() if "STATUSGATE" not in key}
    return clean | {"PATH": f"{programs}{os.pathsep}{os.environ['PATH']}", "PWD": str(tmp_path)}


@pytest.mark.parametrize("page", PAGES)
def test_the_commands_of_a_page_work_as_they_stand(page: str, operator: dict[str, str]) -> None:
    blocks = [text for label, text in fences(ROOT / "docs/how-to" / page) if label == "sh"]
    assert blocks
    begin = "statusgate instance create --engine simulated > created.txt"
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", "\n".join([begin, *blocks])],
        cwd=operator["PWD"],
        env=operator,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert done.returncode == 0, done.stderr
