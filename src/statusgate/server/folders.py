"""The data folder: private, and the key of the server in it."""

import contextlib
import hmac
import os
import secrets
import shutil
from pathlib import Path

from statusgate.engines.disk import sync, write_durably
from statusgate.journal import Journal

KEY = "server.key"
_KEY_BYTES = 32
_RENEW = (
    "set the right one, or run 'statusgate instance renew-key' and give every instance a new"
    " token with 'rotate-token'"
)
_WHAT_TO_DO = (
    "put back the server.key of this database from a backup, or run"
    " 'statusgate instance renew-key' and give every instance a new token with 'rotate-token'"
)


class StartError(Exception):
    """The gateway cannot start; the text is one clear line."""


class BackupFailed(Exception):
    """Data could not be backed up or restored; the text is one clear line."""


def private_folder(folder: Path) -> Path:
    """Make a folder that only its owner may enter."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise StartError(f"cannot use the folder {folder}: {error.strerror}") from None
    return folder


def remove_folder(folder: Path) -> None:
    """Remove a folder with all that is in it; one that is not there is fine."""
    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree(folder)


def make_parent(database: str) -> None:
    """Make the folder of a database that is a file."""
    path = database.removeprefix("sqlite:///")
    if path not in (database, "", ":memory:"):
        private_folder(Path(path).parent)


async def server_key(data: Path, journal: Journal, given: str = "") -> bytes:
    """The 32 bytes that key the digests of tokens; made at the first start unless *given*.

    Raises StartError if there are tokens, and the key is missing or not the one they were
    made with; a *given* one must be that of all nodes, whether there are tokens or not.
    """
    if given:
        key = _given_key(given)
        digest = _digest(key)
        kept = await journal.write(None, lambda tx: tx.first_server_key_digest(digest))
        if not hmac.compare_digest(kept, digest):
            raise StartError(f"the setting server_key is not that of this database: {_RENEW}")
        return key
    path = private_folder(data) / KEY
    known, is_needed = await journal.read(
        lambda tx: (
            tx.server_key_digest(),
            any(instance.deleted_ms is None for instance in tx.instances()),
        )
    )
    if is_needed and not path.exists():
        raise StartError(f"the server key {path} is missing: {_WHAT_TO_DO}")
    key = _key_in(path)
    digest = _digest(key)
    if is_needed and known is not None and not hmac.compare_digest(known, digest):
        raise StartError(f"the server key {path} is not that of this database: {_WHAT_TO_DO}")
    if known != digest:
        await journal.write(None, lambda tx: tx.keep_server_key_digest(digest))
    return key


def key_fits(data: Path, known: bytes, given: str = "") -> bool:
    """Whether the key, *given* or in the data folder, has the digest that the database keeps.

    Raises StartError if there is none that can be read.
    """
    key = _given_key(given) if given else _read_key(data / KEY)
    return hmac.compare_digest(known, _digest(key))


async def renew_server_key(data: Path, journal: Journal, given: str = "") -> str:
    """Take a new key, *given* or made, which voids all tokens; returns where it is."""
    if given:
        digest = _digest(_given_key(given))
        await journal.write(None, lambda tx: tx.keep_server_key_digest(digest))
        return "the setting server_key"
    key = secrets.token_bytes(_KEY_BYTES)
    path = private_folder(data) / KEY
    try:
        write_durably(path, key.hex().encode())
    except OSError as error:
        raise StartError(f"cannot write the server key {path}: {error}") from None
    await journal.write(None, lambda tx: tx.keep_server_key_digest(_digest(key)))
    return str(path)


def _given_key(given: str) -> bytes:
    with contextlib.suppress(ValueError):
        if len(key := bytes.fromhex(given)) == _KEY_BYTES:
            return key
    raise StartError(f"the setting server_key is not {_KEY_BYTES} bytes in hex")


def _key_in(path: Path) -> bytes:
    """The key in a file, made if need be; if two processes start at once, one makes it."""
    try:
        if not path.exists():
            made = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
            write_durably(made, secrets.token_bytes(_KEY_BYTES).hex().encode())
            with contextlib.suppress(FileExistsError):
                os.link(made, path)
            made.unlink()
            sync(path.parent)
    except OSError as error:
        raise StartError(f"cannot make the server key {path}: {error}") from None
    return _read_key(path)


def _read_key(path: Path) -> bytes:
    try:
        key = bytes.fromhex(path.read_text().strip())
    except (OSError, ValueError) as error:
        raise StartError(f"cannot read the server key {path}: {error}") from None
    if len(key) != _KEY_BYTES:
        raise StartError(f"the server key {path} is not {_KEY_BYTES} bytes in hex")
    return key


def _digest(key: bytes) -> bytes:
    """What is kept in the database to recognize a key."""
    return hmac.digest(key, b"statusgate server key", "sha256")
