"""The wheel alone, beside what ``requirements.lock`` names: it starts and answers."""

import http.client
import json
import os
import re
import subprocess
import sys
import zipfile
from contextlib import nullcontext, suppress
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pytest

from tests.docs.pages import ROOT
from tests.waiting import until

SOURCE = ROOT / "src"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built as for a release."""
    folder = tmp_path_factory.mktemp("dist")
    _run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder), at=ROOT)
    [built] = folder.glob("statusgate-*.whl")
    return built


def _run(*words: str, at: Path) -> None:
    done = subprocess.run(
        words, cwd=at, capture_output=True, text=True, timeout=90, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_wheel_has_every_file_of_the_package(wheel: Path) -> None:
    ours = {
        str(path.relative_to(SOURCE))
        for path in SOURCE.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert packed == ours


def _environment_with(wheel: Path, folder: Path) -> Path:
    """A new environment that has the wheel and its locked dependencies, and nothing else."""
    _run(sys.executable, "-m", "venv", "--without-pip", str(folder), at=folder.parent)
    python = folder / "bin/python"
    [packages] = folder.glob("lib/python*/site-packages")
    locked = (ROOT / "requirements.lock").read_text()
    for name, condition in re.findall(r"^([\w.-]+)==\S+( ;)?", locked, re.M):
        with suppress(PackageNotFoundError) if condition else nullcontext():
            _link(name, packages)
    _run(
        sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet",
        "--no-index", "--no-deps", "--disable-pip-version-check", str(wheel),
        at=folder.parent,
    )  # fmt: skip
    return folder / "bin/statusgate"


def _link(name: str, packages: Path) -> None:
    """Let *packages* have what this environment has of a distribution."""
    installed = distribution(name)
    tops = {Path(file).parts[0] for file in installed.files or []}
    for top in tops - {"..", "__pycache__"}:
        here = packages / top
        if not here.exists():
            here.symlink_to(Path(str(installed.locate_file(top))))


def test_the_wheel_starts_in_a_clean_environment_and_answers(
    wheel: Path, tmp_path: Path
) -> None:
    command = _environment_with(wheel, tmp_path / "env")
    clean = {name: value for name, value in os.environ.items() if "STATUSGATE" not in name}
    log = tmp_path / "log"
    with log.open("wb") as written:
        process = subprocess.Popen(
            [command, "serve", "--port", "0", "--log-format", "json"],
            cwd=tmp_path,
            env=clean,
            stderr=written,
        )
    try:
        announced = until(
            lambda: re.search(r'"url": "http://127.0.0.1:(\d+)"', log.read_text())
        )
        connection = http.client.HTTPConnection("127.0.0.1", int(announced[1]), timeout=60)
        connection.request("GET", "/openapi.json")
        document = json.load(connection.getresponse())
        connection.close()
    finally:
        process.terminate()
        code = process.wait(timeout=60)
    assert document["info"]["title"]
    assert code == 0, log.read_text()
