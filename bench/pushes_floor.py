"""The floor of pushing: aiohttp posts the same bytes, and nothing else.

One task a lane, in each one request after the other, one session with kept connections.
With a journal, each answer is written to a table of its own and committed, as durably as the
product does, before the next request: nothing that keeps strict order can be faster.
``python -m bench.pushes_floor`` reads Lanes from standard input.
"""

import asyncio
from collections.abc import Callable

import aiohttp
import apsw
import msgspec
import psycopg
import uvloop

from bench import children

_HEADERS = {
    "User-Agent": "bench",
    "Accept": "*/*",
    "Accept-Encoding": "identity",
    "Content-Type": "application/json",
}


class Lane(msgspec.Struct, frozen=True):
    """What one account would push."""

    url: str
    bodies: list[bytes]


class Lanes(msgspec.Struct, frozen=True):
    """All of it."""

    lanes: list[Lane]
    journal: str = ""
    """URL of an empty database; only for one lane"""


Commit = Callable[[int, bytes], None]
"""Writes one row, durable on return."""


async def post_all(work: Lanes, commit: Commit | None) -> bool:
    """Post everything; whether every answer was a 200."""
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0), cookie_jar=aiohttp.DummyCookieJar()
    ) as session:
        lanes = (_post(session, lane, commit) for lane in work.lanes)
        return all(await asyncio.gather(*lanes))


async def _post(session: aiohttp.ClientSession, lane: Lane, commit: Commit | None) -> bool:
    good = True
    for number, body in enumerate(lane.bodies):
        async with session.post(lane.url, data=body, headers=_HEADERS) as answer:
            await answer.read()
            good = good and answer.status == 200
        if commit is not None:
            commit(number, body)
    return good


def committing(url: str) -> Commit:
    """Open a database for single rows."""
    return _sqlite(url) if url.startswith("sqlite:///") else _postgres(url)


def _sqlite(url: str) -> Commit:
    connection = apsw.Connection(url.removeprefix("sqlite:///"))
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("CREATE TABLE floor (number INTEGER PRIMARY KEY, body BLOB) STRICT")

    def commit(number: int, body: bytes) -> None:
        connection.execute("INSERT INTO floor VALUES (?, ?)", (number, body))

    return commit


def _postgres(url: str) -> Commit:
    connection = psycopg.connect(url, autocommit=True)
    connection.execute("CREATE TABLE floor (number INTEGER PRIMARY KEY, body BYTEA)")

    def commit(number: int, body: bytes) -> None:
        connection.execute("INSERT INTO floor VALUES (%s, %s)", (number, body))

    return commit


def main() -> None:
    """Post once."""
    work = children.told(Lanes)
    commit = committing(work.journal) if work.journal else None
    children.answer(uvloop.run(post_all(work, commit)))


if __name__ == "__main__":
    main()
