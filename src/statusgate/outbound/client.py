"""The one HTTP client of the gateway: fetches files, pushes notifications."""

import asyncio
import io
import re
import ssl
import time
from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import Final, TypeVar

import aiohttp
from yarl import URL

from statusgate.domain.errors import MediaFull
from statusgate.domain.outbound_http import (
    Fault,
    Fetched,
    FetchFailed,
    FileMoved,
    FileTooLarge,
    PushAnswer,
    PushFailed,
    PushOutcome,
)
from statusgate.outbound.addresses import parse_ranges
from statusgate.outbound.connector import Exchange, GuardedConnector, listening
from statusgate.outbound.guard import GuardedResolver, Refused, check_url
from statusgate.outbound.headers import FIXED, check_headers, parse_retry_after

CONNECT_SECONDS: Final = 10.0
MOST_OF_AN_ANSWER: Final = 64 * 1024
GRACE_SECONDS: Final = 2.0
"""For what follows a push's status line: it can change nothing any more."""
KEPT_SECONDS: Final = 1.5
"""Shorter than common servers wait (2 to 5 s): a push that meets a server just closing an
idle connection would cost its queue a minute."""
KEPT_PER_HOST: Final = 128

T = TypeVar("T")

_HEAD_ALLOWANCE = 2 * 1024 * 1024
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_CHUNK = 256 * 1024
_LARGE_BODY = 1024 * 1024
_MIMETYPE = re.compile(r"[a-z0-9!#$&^_.+-]{1,127}/[a-z0-9!#$&^_.+-]{1,127}")


class GuardedClient:
    """Calls only what the guard passes; follows nothing, decompresses nothing, keeps no
    cookies and asks no proxy. To be made inside the running loop, and closed.

    *tls* replaces the system's certificate authorities, never the check. *now_ms* is what a
    date in Retry-After is compared with.
    """

    def __init__(
        self,
        resolver: GuardedResolver | None = None,
        *,
        tls: ssl.SSLContext | None = None,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
        connect_seconds: float = CONNECT_SECONDS,
    ) -> None:
        resolver = resolver or GuardedResolver()
        self._now_ms = now_ms
        self._pushing: Counter[tuple[str, str | None, int | None]] = Counter()
        self._fetches = _session(GuardedConnector(resolver, 0, tls), connect_seconds)
        self._pushes = _session(GuardedConnector(resolver, KEPT_SECONDS, tls), connect_seconds)

    async def __aenter__(self) -> "GuardedClient":
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close all connections; requests under way fail."""
        await self._fetches.close()
        await self._pushes.close()

    async def fetch(
        self, url: str, to: Path, limit_bytes: int, deadline: float, owner: Hashable = ""
    ) -> Fetched:
        """Write the file at *url* to *to*, within *deadline* seconds in all.

        *owner* is whose request it is: lookups of one owner do not delay those of others.

        Raises FileTooLarge or FetchFailed, or MediaFull if it cannot be written; there is no
        file then.
        """
        exchange = Exchange(2 * limit_bytes + _HEAD_ALLOWANCE, owner=owner)
        try:
            where = _where(url)
            async with listening(exchange, deadline):
                request = self._fetches.get(where, headers=FIXED, allow_redirects=False)
                async with request as answer:
                    _check_answer(answer, limit_bytes)
                    size = await _save(answer.content, to, limit_bytes)
                    return Fetched(_mimetype(answer), size)
        except (Refused, aiohttp.ClientError, OSError) as error:
            raise FetchFailed(_reason(error)) from error

    async def push(
        self,
        url: str,
        body: bytes,
        headers: Mapping[str, str],
        deadline: float,
        owner: Hashable = "",
    ) -> PushOutcome:
        """POST *body* to *url*; the answer is a complete status line within *deadline* seconds.

        *owner* is whose request it is: lookups of one owner do not delay those of others.

        Never raises but for a header that is not one of a push's (ValueError).
        """
        unfit = check_headers(headers)
        if unfit is not None:
            return PushFailed(Fault.BLOCKED, unfit)
        try:
            where = _where(url)
        except Refused as error:
            return PushFailed(Fault.BLOCKED, error.reason)
        key = (where.scheme, where.raw_host, where.port)
        self._pushing[key] += 1
        keep = self._pushing[key] <= KEPT_PER_HOST
        exchange = Exchange(MOST_OF_AN_ANSWER, GRACE_SECONDS, owner=owner, keep=keep)
        try:
            return await self._post(where, body, headers, deadline, exchange)
        finally:
            self._pushing[key] -= 1
            if not self._pushing[key]:
                del self._pushing[key]

    async def _post(
        self,
        where: URL,
        body: bytes,
        headers: Mapping[str, str],
        deadline: float,
        exchange: Exchange,
    ) -> PushOutcome:
        retry_after = None
        try:
            async with listening(exchange, deadline):
                request = self._pushes.post(
                    where,
                    data=body if len(body) < _LARGE_BODY else io.BytesIO(body),
                    headers={**FIXED, **headers},
                    allow_redirects=False,
                )
                async with request as answer:
                    exchange.status = answer.status
                    retry_after = self._retry_after(answer)
                    await answer.read()
        except (Refused, aiohttp.ClientError, OSError) as error:
            if exchange.status is None:
                return PushFailed(_fault(error), _reason(error))
        return PushAnswer(exchange.status, retry_after)

    def _retry_after(self, answer: aiohttp.ClientResponse) -> int | None:
        text = answer.headers.get("Retry-After")
        return None if text is None else parse_retry_after(text, self._now_ms())


def _session(connector: GuardedConnector, connect_seconds: float) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None, connect=connect_seconds, sock_connect=None),
        auto_decompress=False,
        trust_env=False,
    )


@lru_cache(maxsize=4096)
def _where(text: str) -> URL:
    """The URL as aiohttp wants it; Refused unless it passes, or if two parsers disagree."""
    target = check_url(text)
    url = URL(target.url, encoded=True)
    if (url.scheme, url.raw_host, url.port) != (target.scheme, target.host, target.port):
        raise Refused("ambiguous URL")
    return url


def _check_answer(answer: aiohttp.ClientResponse, limit_bytes: int) -> None:
    if answer.status in _REDIRECTS:
        raise FileMoved(f"answered {answer.status}")
    if answer.status != 200:
        raise FetchFailed(f"answered {answer.status}")
    if answer.headers.get("Content-Encoding", "identity").strip().lower() != "identity":
        raise FetchFailed("compressed")
    if answer.headers.get("Transfer-Encoding", "chunked").strip().lower() != "chunked":
        raise FetchFailed("transfer encoding")
    if (answer.content_length or 0) > limit_bytes:
        raise FileTooLarge(f"{answer.content_length} bytes announced")


async def _save(content: aiohttp.StreamReader, to: Path, limit_bytes: int) -> int:
    """Write what comes to *to*; returns its size."""
    size = 0
    with _created(to) as file:
        async for chunk in content.iter_chunked(_CHUNK):
            size += len(chunk)
            if size > limit_bytes:
                raise FileTooLarge(f"more than {limit_bytes} bytes")
            await asyncio.to_thread(_on_disk, file.write, chunk)
    return size


@contextmanager
def _created(to: Path) -> Iterator[io.BufferedWriter]:
    """A new file, which is gone again if anything fails."""
    file = _on_disk(lambda: to.open("wb"))
    try:
        yield file
        _on_disk(file.close)
    except BaseException:
        with suppress(OSError):
            file.close()
        to.unlink(missing_ok=True)
        raise


def _on_disk(call: Callable[..., T], *arguments: object) -> T:
    """Do something to our own disk, whose faults are not the server's."""
    try:
        return call(*arguments)
    except OSError as error:
        raise MediaFull(str(error)) from error


def _mimetype(answer: aiohttp.ClientResponse) -> str:
    stated = answer.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    return stated if _MIMETYPE.fullmatch(stated) else ""


def _fault(error: Exception) -> Fault:
    match error:
        case Refused():
            return Fault.BLOCKED
        case aiohttp.ConnectionTimeoutError() | aiohttp.ClientConnectorError():
            return Fault.UNREACHABLE
        case TimeoutError():
            return Fault.SILENT
        case _:
            return Fault.BROKEN


def _reason(error: Exception) -> str:
    """For logs: what happened, in one line, without the URL, whose query may be secret."""
    match error:
        case Refused():
            text = error.reason
        case aiohttp.ClientResponseError():
            text = f"{type(error).__name__}: {error.message}"
        case TimeoutError():
            text = type(error).__name__
        case _:
            text = f"{type(error).__name__}: {error}"
    return " ".join(text.split())[:300]


def guarded_client(outbound_allow: str, now_ms: Callable[[], int]) -> GuardedClient:
    """The client for foreign URLs; to be made in the running loop.

    *outbound_allow*: addresses or networks, comma-separated, that may be called although they
    are not public.
    """
    allowed = [part.strip() for part in outbound_allow.split(",") if part.strip()]
    try:
        ranges = parse_ranges(allowed)
    except ValueError as error:
        raise ValueError(f"outbound_allow: {error}") from None
    return GuardedClient(GuardedResolver(ranges), now_ms=now_ms)
