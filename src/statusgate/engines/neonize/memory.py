"""How much memory a process uses, as Linux tells it."""

import resource
from pathlib import Path


def resident_bytes(pid: int | str = "self") -> int:
    """Return what the process has in memory, also of what it shares; 0 if it is gone."""
    try:
        pages = Path(f"/proc/{pid}/statm").read_text().split()[1]
    except (OSError, IndexError):
        return 0
    return int(pages) * resource.getpagesize()
