"""Writing small files so that a crash leaves the old content or the new, never a part."""

import os
from pathlib import Path

_PRIVATE_FILE = 0o600
_PRIVATE_FOLDER = 0o700


def make_private(directory: Path) -> None:
    """Create a folder, and what it stands in, for this user alone."""
    directory.mkdir(mode=_PRIVATE_FOLDER, parents=True, exist_ok=True)


def write_durably(path: Path, content: bytes) -> None:
    """Replace the file at *path*; on disk when this returns."""
    temporary = path.with_name(path.name + ".tmp")
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
    with os.fdopen(os.open(temporary, flags, _PRIVATE_FILE), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    sync(path.parent)


def sync(path: Path) -> None:
    """Bring what is known of a file or folder to the disk."""
    opened = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
