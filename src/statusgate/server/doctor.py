"""Looking for what would keep a gateway from working, and saying what to do about it.

Nothing is changed, but for a file that is written to the media store and removed again.
"""

import asyncio
import contextlib
import errno
import shutil
import socket
import tempfile
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import Literal

import msgspec

from statusgate.domain.clock import now_ms
from statusgate.domain.errors import JournalUnavailable, MediaUnavailable
from statusgate.domain.ids import InstanceId, new_media_key
from statusgate.domain.outbound_http import FetchFailed
from statusgate.engines.neonize import release
from statusgate.journal.inspecting import Described, describe
from statusgate.media.store import MediaStore, endpoint, open_media_store
from statusgate.outbound.client import guarded_client
from statusgate.server.folders import KEY, StartError, key_fits
from statusgate.settings import Settings, admin_token_fault

State = Literal["ok", "warning", "fault"]
UP = b'{"status":"up"}'
_MIB = 1 << 20
_CLOCK_MS = 2_000
_SECONDS = 10.0
_NOBODY = InstanceId(0)


class Finding(msgspec.Struct, frozen=True):
    """What one check has found."""

    check: str
    state: State
    text: str
    advice: str = ""
    """what to do; ``""``: nothing"""


def examine(settings: Settings) -> list[Finding]:
    """Run every check, in the order in which faults matter."""
    findings, journal = _journal(settings)
    findings += _clock(journal)
    findings += _server_key(settings, journal)
    findings += _folder("data", settings.data_folder, settings.min_free_mb)
    findings += _media(settings)
    findings += _modes(settings)
    findings += _engine()
    findings += _admin_token(settings)
    findings += _network(settings)
    return findings


def worst(findings: list[Finding]) -> State:
    """The worst state among them."""
    order: list[State] = ["ok", "warning", "fault"]
    return max((finding.state for finding in findings), key=order.index)


def _journal(settings: Settings) -> tuple[list[Finding], Described | None]:
    try:
        journal = describe(settings.database)
    except JournalUnavailable as error:
        advice = (
            "check the setting 'database', and that its server runs or its file is readable"
        )
        return [Finding("database", "fault", str(error), advice)], None
    if journal is None:
        text = "there is none yet; the first 'statusgate serve' makes it"
        return [Finding("database", "ok", text)], None
    text = f"{journal.server}, {journal.size / _MIB:.1f} MB"
    if journal.pending:
        advice = "'statusgate migrate' or the next start applies them; back up first"
        text += f"; migrations to apply: {', '.join(journal.pending)}"
        return [Finding("database", "warning", text, advice)], journal
    return [Finding("database", "ok", text)], journal


def _clock(journal: Described | None) -> Iterator[Finding]:
    if journal is None:
        return
    here, advice = now_ms(), "set the clock by NTP (timedatectl set-ntp true)"
    if journal.now_ms is not None and abs(journal.now_ms - here) > _CLOCK_MS:
        apart = abs(journal.now_ms - here) / 1000
        yield Finding("clock", "fault", f"{apart:.0f} s away from that of the database", advice)
    elif journal.newest_ms is not None and journal.newest_ms > here + _CLOCK_MS:
        text = "the database has records of a later time: the clock has gone back"
        yield Finding("clock", "fault", text, advice)
    else:
        yield Finding("clock", "ok", "agrees with the database")


def _server_key(settings: Settings, journal: Described | None) -> Iterator[Finding]:
    if journal is None or journal.key_digest is None:
        return
    path = "the setting server_key" if settings.server_key else settings.data_folder / KEY
    try:
        fits = key_fits(settings.data_folder, journal.key_digest, settings.server_key)
    except StartError as error:
        fits, text = False, str(error)
    else:
        text = (
            f"{path} is that of the database" if fits else f"{path} is not that of the database"
        )
    advice = (
        "check the setting 'data'; put back the key from a backup, or run 'statusgate instance"
        " renew-key' and give every instance a new token with 'rotate-token'"
    )
    yield Finding("server key", "ok" if fits else "fault", text, "" if fits else advice)


def _folder(name: str, folder: Path, least_mb: int) -> Iterator[Finding]:
    if not folder.exists():
        yield Finding(name, "ok", f"{folder} will be made by the first start")
        return
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"statusgate")
        free_mb = shutil.disk_usage(folder).free // _MIB
    except OSError as error:
        advice = (
            "give the folder to the user that runs the server, on a disk that can be written"
        )
        yield Finding(name, "fault", f"{folder} cannot be written: {error.strerror}", advice)
        return
    advice = "free some space, or lower 'retention_days'"
    text = f"{folder} can be written, {free_mb} MB are free"
    if free_mb < least_mb:
        text += f"; below {least_mb} MB nothing is written"
        yield Finding(name, "fault", text, advice)
    elif free_mb < 2 * least_mb:
        yield Finding(name, "warning", f"{text}; writes end at {least_mb} MB", advice)
    else:
        yield Finding(name, "ok", text)


def _media(settings: Settings) -> Iterator[Finding]:
    if settings.media_folder is not None:
        yield from _folder("media", settings.media_folder, settings.min_free_media_mb)
        return
    where = f"{settings.media_store} on {endpoint() or 'Amazon S3'}"
    try:
        asyncio.run(_use(open_media_store(settings.media_store)))
    except (MediaUnavailable, TimeoutError, ValueError) as error:
        advice = (
            "check the setting 'media', AWS_ENDPOINT_URL, AWS_REGION, AWS_ACCESS_KEY_ID and"
            " AWS_SECRET_ACCESS_KEY, and that the key may put, get, list and delete there"
        )
        text = str(error) or f"no answer within {_SECONDS:.0f} s"
        yield Finding("media", "fault", f"{where}: {text}", advice)
    else:
        text = f"{where}: a file was written, read in part, listed and removed"
        yield Finding("media", "ok", text)


async def _use(store: MediaStore) -> None:
    """Do with a small file all that the gateway does with files."""
    path = f"{_NOBODY}/{new_media_key()}.bin"
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "file"
        source.write_bytes(b"statusgate")
        async with asyncio.timeout(_SECONDS):
            await store.put(path, source)
            part = [chunk async for chunk in store.read(path, 2, 6)]
            listed = [found.path async for found in store.list(_NOBODY)]
            await store.remove([path])
    if part != [b"atus"] or path not in listed:
        raise MediaUnavailable("what is read is not what was written", final=False)


def _modes(settings: Settings) -> Iterator[Finding]:
    """Whether other users of the machine can read what is secret or personal."""
    data = settings.data_folder
    if not data.exists():
        return
    secret = [data / "server.key", *data.glob("accounts/*/session.db")]
    if settings.database.startswith("sqlite:///"):
        secret.append(Path(settings.database.removeprefix("sqlite:///")))
    is_open = data.stat().st_mode & 0o077 != 0
    readable = [path for path in secret if path.exists() and path.stat().st_mode & 0o077]
    if readable:
        named = ", ".join(map(str, readable))
        yield Finding("modes", "fault", f"others may read {named}", f"chmod 600 {named}")
    elif is_open:
        yield Finding("modes", "warning", f"others may enter {data}", f"chmod 700 {data}")
    else:
        yield Finding("modes", "ok", "only the owner may read data and key")


def _engine() -> Iterator[Finding]:
    try:
        days = release.age_days()
    except release.Unusable as error:
        advice = "'make setup', or install the wheel again; sandboxes work without"
        yield Finding("engine", "fault", str(error), advice)
        return
    text = f"neonize {release.VERSION}, {days} days old"
    if days > release.WARN_DAYS:
        advice = "WhatsApp refuses clients that are too old: look for a newer statusgate"
        yield Finding("engine", "warning", text, advice)
    else:
        yield Finding("engine", "ok", text)


def _admin_token(settings: Settings) -> Iterator[Finding]:
    if fault := admin_token_fault(settings.admin_token, settings.host):
        advice = "set STATUSGATE_ADMIN_TOKEN to the output of: openssl rand -hex 32"
        yield Finding("admin token", "fault", fault, advice)
    else:
        state = "is set" if settings.admin_token else "none: partner API and metrics are closed"
        yield Finding("admin token", "ok", state)


def _network(settings: Settings) -> Iterator[Finding]:
    """The port, and if a server answers there, the public URL too."""
    where = f"{settings.host}:{settings.port}"
    try:
        is_free = _is_free(settings.host, settings.port)
    except OSError as error:
        advice = "check the settings 'host' and 'port'"
        yield Finding("port", "fault", f"cannot listen on {where}: {error.strerror}", advice)
        return
    if is_free:
        yield Finding("port", "ok", f"{where} is free: no server runs")
        return
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)  # noqa: S104
    url = (
        f"http://[{host}]:{settings.port}" if ":" in host else f"http://{host}:{settings.port}"
    )
    fault = asyncio.run(_fault_at(url, _own_address(host)))
    if fault:
        advice = "stop that program, or choose another 'port'"
        text = f"{where} is taken, and not by a statusgate that answers ({fault})"
        yield Finding("port", "fault", text, advice)
        return
    yield Finding("port", "ok", f"a statusgate answers on {where}")
    yield _public_url(settings)


def _public_url(settings: Settings) -> Finding:
    if not settings.public_url:
        text = "none: links to files name the address that the server listens on"
        return Finding("public url", "ok", text)
    fault = asyncio.run(_fault_at(settings.public_url.rstrip("/"), settings.outbound_allow))
    if not fault:
        return Finding("public url", "ok", f"{settings.public_url} leads here")
    advice = (
        "check name, certificate and proxy from another network; some routers cannot lead"
        " back to themselves"
    )
    return Finding(
        "public url",
        "warning",
        f"{settings.public_url} is not reached from here: {fault}",
        advice,
    )


def _is_free(host: str, port: int) -> bool:
    """Raises OSError unless the address can be listened on, or is in use."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind((host, port))
            tried.listen(1)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            return False
    return True


def _own_address(host: str) -> str:
    with contextlib.suppress(ValueError):
        return str(ip_address(host))
    return "127.0.0.1, ::1"


async def _fault_at(url: str, allowed: str) -> str:
    """Return why no statusgate answers at *url*, ``""`` if one does."""
    async with guarded_client(allowed, now_ms) as client:
        with tempfile.TemporaryDirectory() as folder:
            answer = Path(folder) / "answer"
            try:
                await client.fetch(f"{url}/health/live", answer, 4096, _SECONDS)
            except FetchFailed as error:
                return error.reason
            return "" if answer.read_bytes() == UP else "another program answers"
