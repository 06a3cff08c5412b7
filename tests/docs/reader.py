"""The terminal of somebody who pastes what a page says."""

import os
import subprocess
import sys
from pathlib import Path


def terminal(folder: Path) -> dict[str, str]:
    """Environment in which ``statusgate`` and ``python`` are those of the tests and
    curl fails for answers that are no success. *folder* gets what that needs."""
    (folder / ".curlrc").write_text("fail\nsilent\nshow-error\n")
    programs = folder / "bin"
    programs.mkdir()
    for name, words in (("statusgate", "-m statusgate"), ("python", "")):
        (programs / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" {words} "$@"\n')
        (programs / name).chmod(0o755)
    clean = {key: value for key, value in os.environ.items() if "STATUSGATE" not in key}
    path = f"{programs}{os.pathsep}{os.environ['PATH']}"
    return clean | {"PATH": path, "CURL_HOME": str(folder)}


def paste(script: str, folder: Path, environment: dict[str, str]) -> str:
    """Run *script* in *folder* up to its first failure; what it printed."""
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
