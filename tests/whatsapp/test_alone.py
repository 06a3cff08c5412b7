"""The server as a stranger starts it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from tests.whatsapp.client import REPOSITORY


@pytest.mark.e2e
def test_the_server_runs_alone_and_answers_on_its_control_channel(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "tests.whatsapp", str(tmp_path)],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        told = dict(process.stdout.readline().split(maxsplit=1) for _ in range(3))
        root_of_control = process.stdout.readline().split()[-1]
        assert told["proxy"].startswith("http://127.0.0.1:")
        assert Path(told["authority"].strip()).exists()
        with urllib.request.urlopen(f"{root_of_control}/state", b"{}", timeout=60) as answer:  # noqa: S310
            assert json.loads(answer.read())["result"]["accounts"] == []
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
