"""The data folder: private, and the key of the server in it."""

import secrets
from pathlib import Path

from statusgate.engines.disk import write_durably


class StartError(Exception):
    """The gateway cannot start; the text is one clear line."""


def private_folder(folder: Path) -> Path:
    """Make a folder that only its owner may enter."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise StartError(f"cannot use the folder {folder}: {error.strerror}") from None
    return folder


def server_key(data: Path) -> bytes:
    """The 32 bytes that key the digests of tokens; made at the first start."""
    path = private_folder(data) / "server.key"
    try:
        if not path.exists():
            write_durably(path, secrets.token_hex(32).encode())
        key = bytes.fromhex(path.read_text().strip())
    except (OSError, ValueError) as error:
        raise StartError(f"cannot read the server key {path}: {error}") from None
    if len(key) != 32:
        raise StartError(f"the server key {path} is not 32 bytes in hex")
    return key
