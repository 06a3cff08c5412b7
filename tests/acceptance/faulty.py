"""``statusgate`` on a disk that fails when told to.

``python -m tests.acceptance.faulty serve``; the file named by FAULT_FILE holds the fault:
``full`` (no room for a write), ``eio`` (a write or sync fails); empty or missing: none. Only
the database's own files are concerned.
"""

import os
from pathlib import Path
from typing import Any

import apsw

from statusgate.cli.main import main

FAULT = Path(os.environ["FAULT_FILE"])


def fail_if_told() -> None:
    """Raise what SQLite's own file system layer would."""
    try:
        fault = FAULT.read_text().strip()
    except OSError:
        return
    if fault == "full":
        raise apsw.FullError("told to be full")
    if fault == "eio":
        raise apsw.IOError("told to fail")


class FaultyFile(apsw.VFSFile):
    def xWrite(self, data: bytes, offset: int) -> None:
        fail_if_told()
        super().xWrite(data, offset)

    def xSync(self, flags: int) -> None:
        fail_if_told()
        super().xSync(flags)


class FaultyDisk(apsw.VFS):
    def __init__(self) -> None:
        super().__init__("faulty", "unix", makedefault=True)

    def xOpen(self, name: Any, flags: list[int]) -> FaultyFile:
        return FaultyFile("unix", name, flags)


if __name__ == "__main__":
    disk = FaultyDisk()
    main()
