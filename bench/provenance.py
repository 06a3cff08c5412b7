"""On what and with what a run was made: versions and machine, no names and no paths."""

import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import apsw
import msgspec

from bench.servers import REPOSITORY

_LIBRARIES = ("uvicorn", "uvloop", "httptools", "msgspec", "apsw", "psycopg")


class Provenance(msgspec.Struct, frozen=True, kw_only=True):
    """What has to be known to compare two results."""

    at: str
    """UTC"""
    command: str
    commit: str
    changed: bool
    """the work tree differed from the commit"""
    statusgate: str
    python: str
    sqlite: str
    postgresql: str
    libraries: dict[str, str]
    system: str
    cpu: str
    cores: int


def provenance(arguments: list[str], postgresql: str = "") -> Provenance:
    """Describe this run."""
    return Provenance(
        at=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        command=" ".join(["python -m bench", *arguments]),
        commit=_git("rev-parse", "HEAD") or "none",
        changed=bool(_git("status", "--porcelain", "--untracked-files=all", "--", "src")),
        statusgate=_version("statusgate"),
        python=platform.python_version(),
        sqlite=apsw.sqlite_lib_version(),
        postgresql=postgresql or "not measured",
        libraries={name: _version(name) for name in _LIBRARIES},
        system=f"{platform.system()} {platform.release()} {platform.machine()}",
        cpu=_cpu(),
        cores=_cores(),
    )


def _cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 0


def _git(*arguments: str) -> str:
    done = subprocess.run(
        ["git", *arguments], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    return done.stdout.strip() if done.returncode == 0 else ""


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _cpu() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or "unknown"
