"""Journals with many sandbox accounts and nothing posted yet."""

import asyncio
import time
import urllib.error
from functools import partial
from pathlib import Path

import msgspec

from bench import workload
from bench.seeding import TOKEN, Databases, Place, empty_place, opened, token_digest
from bench.servers import Process, post_json
from statusgate.domain.contact import Contact
from statusgate.domain.ids import InstanceId
from statusgate.domain.instance import Instance, InstanceSettings
from statusgate.journal import Transaction

_LINK_SECONDS = 20.0


def account(number: int) -> InstanceId:
    """The id of the account with that number, from 0."""
    return InstanceId(workload.INSTANCE + number)


def path(number: int, method: str) -> str:
    """The path of a method of an account, as clients write it."""
    return f"/waInstance{account(number)}/{method}/{TOKEN}"


def accounts_place(
    databases: Databases,
    root: Path,
    name: str,
    count: int,
    *,
    contacts: int = 0,
    settings: InstanceSettings | None = None,
) -> Place:
    """A data directory with *count* accounts that know *contacts* people each."""
    place = empty_place(databases, root, name)
    asyncio.run(_seed(place, count, contacts, settings or InstanceSettings()))
    return place


async def _seed(place: Place, count: int, contacts: int, settings: InstanceSettings) -> None:
    now_ms = time.time_ns() // 1_000_000
    people = workload.contacts(contacts + 1)[1:]  # number 0 is the account itself
    async with opened(place.database) as journal:
        digest = await token_digest(journal, place.folder)
        for number in range(count):
            made = _instance(number, digest, now_ms, settings)
            await journal.write(made.id, partial(_create, made, people))


def _create(made: Instance, people: list[Contact], tx: Transaction) -> None:
    tx.create_instance(made)
    tx.record_contacts(made.id, people)


def _instance(number: int, digest: bytes, now_ms: int, settings: InstanceSettings) -> Instance:
    made = workload.instance(account(number), digest, now_ms)
    return msgspec.structs.replace(made, settings=settings)


def link(server: Process, count: int) -> None:
    """Let the sandbox accounts be linked, each once it runs."""
    event = {"event": "state", "state": "authorized", "wid": workload.OWN_WID}
    deadline = time.monotonic() + _LINK_SECONDS
    for number in range(count):
        url = f"{server.url}/waInstance{account(number)}/simulate"
        while True:
            try:
                post_json(url, TOKEN, [event])
                break
            except urllib.error.HTTPError:
                if time.monotonic() > deadline:
                    raise
            time.sleep(0.05)
