"""The pages for operators: their shell blocks run as they stand, on a gateway's folder."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.databases import fresh_schema, postgres_server
from tests.docs.pages import ROOT, fences

__all__ = ["postgres_server"]

PAGES = ["back-up.md", "upgrade.md"]


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


def run(page: str, operator: dict[str, str]) -> str:
    """What the shell blocks of a page print, one after the other."""
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
    return done.stdout


@pytest.mark.parametrize("page", PAGES)
def test_the_commands_of_a_page_work_as_they_stand(page: str, operator: dict[str, str]) -> None:
    run(page, operator)


@pytest.mark.postgres
def test_an_account_moves_to_postgresql_as_the_page_says(
    operator: dict[str, str], postgres_server: str
) -> None:
    printed = run("move-to-postgresql.md", operator | {"TARGET": fresh_schema(postgres_server)})
    assert "all rows are the same in both databases" in printed
    assert "1101000001" in printed
