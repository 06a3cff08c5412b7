"""The test worker's intervention: the trusted key."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.whatsapp.client import REPOSITORY, ROOT_KEY

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("rules")]


def run(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=REPOSITORY,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_pinned_key_is_replaced_once_and_a_second_time_fails() -> None:
    code = (
        "from tests.whatsapp.worker import prepare\nprepare()\nprint('replaced')\nprepare()\n"
    )
    done = run(code, **{ROOT_KEY: "11" * 32})
    assert "replaced" in done.stdout
    assert done.returncode != 0
    assert "found it 0 times" in done.stderr


def test_a_process_without_the_library_has_no_tables() -> None:
    done = run("from tests.whatsapp.tokens import read_tables; read_tables()")
    assert done.returncode != 0
    assert "TablesNotFoundError" in done.stderr


def test_the_tables_have_the_known_shape() -> None:
    code = (
        "import neonize\n"
        "from tests.whatsapp.tokens import read_tables\n"
        "t = read_tables()\n"
        "print(len(t.single), [len(page) for page in t.double], 's.whatsapp.net' in t.single)\n"
    )
    assert "236 [256, 256, 256, 256] True" in run(code).stdout


def test_the_production_worker_runs_with_its_own_arguments(tmp_path: Path) -> None:
    """With a stand-in for the production module, which has tests of its own."""
    package = tmp_path / "statusgate" / "engines" / "neonize"
    package.mkdir(parents=True)
    for folder in (package, package.parent, package.parent.parent):
        (folder / "__init__.py").touch()
    (package / "host.py").write_text(
        "import sys\n"
        "def main():\n"
        "    print('ran', sys.argv[1:], file=sys.stderr)\n"
        "    return 7\n"
    )
    path = os.pathsep.join((str(tmp_path), str(REPOSITORY)))
    done = subprocess.run(
        [sys.executable, "-m", "tests.whatsapp.worker", "--fd", "3"],
        cwd=tmp_path,
        env={**os.environ, ROOT_KEY: "11" * 32, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 7
    assert "ran ['--fd', '3']" in done.stderr
    assert done.stdout == ""
