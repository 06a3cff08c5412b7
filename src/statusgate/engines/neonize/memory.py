"""How much memory a process uses, as Linux tells it."""

import resource
from pathlib import Path


def resident_bytes(pid: int | str = "self") -> int:
    """Return what the process has in memory, also of what it shares; 0 if it is gone."""
    try:
        return int(_read(pid, "statm").split()[1]) * resource.getpagesize()
    except (OSError, IndexError):
        return 0


def _read(pid: int | str, name: str) -> str:
    return Path(f"/proc/{pid}/{name}").read_text()


def proportional_bytes(pid: int) -> int:
    """Return its own memory and its part of what it shares; 0 if that cannot be told."""
    try:
        lines = _read(pid, "smaps_rollup").splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
