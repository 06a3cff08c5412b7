"""Giving one status or answer to its engine."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

import msgspec

from statusgate.domain.address import Address
from statusgate.domain.audience import Reason
from statusgate.domain.errors import EngineUnavailable, MessageNotFound
from statusgate.domain.outbox import Method, Outgoing, Phase
from statusgate.domain.post import (
    Quoted,
    SentAnswer,
    SentStatus,
    Skipped,
    StatusAnswer,
    StatusPost,
)
from statusgate.engines.port import Engine
from statusgate.journal import Journal, Transaction
from statusgate.media.store import MediaStore
from statusgate.publishing.accepting import status_answered

T = TypeVar("T")

_LOOK_UPS_AT_ONCE = 8
_LOOK_UPS_IN_A_SLICE = 500
_PRIVACY_SECONDS = 10.0


class Sending:
    """Composes what the engine publishes, and records that the engine may have it."""

    def __init__(self, journal: Journal, store: MediaStore, staging: Path) -> None:
        """*staging*: a private folder for files on their way."""
        self._journal = journal
        self._store = store
        self._staging = staging.absolute()

    async def audience(
        self, engine: Engine, head: Outgoing
    ) -> tuple[list[Address], list[Skipped]]:
        """The recipients of a status, and separately those of them who cannot get it.

        Only people who were named are checked, strangers by looking them up, and nobody when
        the engine had the status before: it decides by the key. Raises EngineUnavailable.
        """

        def rows(tx: Transaction) -> tuple[list[Address], list[Address]]:
            status = head.status_no and tx.status_by_no(head.instance_id, head.status_no)
            if not status:
                return [], []
            people = [row.address for row in tx.recipients(status)]
            if not _is_checked(head):
                return people, []
            known = tx.known_people(head.instance_id, people)
            return people, [
                one for one in people if one not in known or known[one].rank is None
            ]

        people, strangers = await self._journal.read(rows)
        skipped = [
            Skipped(one, str(Reason.UNKNOWN))
            for one in await not_on_whatsapp(engine, strangers)
        ]
        if _is_checked(head):
            skipped += [
                Skipped(one, str(Reason.PRIVACY)) for one in await excluded(engine, people)
            ]
        gone = {one.address for one in skipped}
        return [one for one in people if one not in gone], skipped

    async def post(
        self, engine: Engine, head: Outgoing, audience: Sequence[Address]
    ) -> SentStatus | None:
        """Publish to *audience*; None if the status was deleted meanwhile.

        That the engine may have it is recorded before it has. A repeat after a crash
        publishes nothing: the engine knows the key and reports the outcome of the first call.

        Raises EngineRejected, EngineUncertain; EngineUnavailable, MediaUnavailable or
        JournalUnavailable if it can be tried again.
        """
        async with self._file(head) as path:
            post = _post_of(head, path)
            return await self._ask(head, lambda: engine.post_status(post, audience))

    async def answer(self, engine: Engine, head: Outgoing) -> SentAnswer | None:
        """Send a reaction or a reply, once as ``post`` does; None if it was removed meanwhile.

        Raises MessageNotFound if the status that it answers is gone, and what ``post`` raises.
        """
        answer = await self._journal.read(lambda tx: _answer_of(tx, head))
        return await self._ask(head, lambda: engine.answer_status(answer))

    async def _ask(self, head: Outgoing, engine: Callable[[], Awaitable[T]]) -> T | None:
        """Ask the *engine*; that it may have the head is recorded before."""
        if not await self._set_phase(head, Phase.SENDING):
            return None
        try:
            return await engine()
        except EngineUnavailable:
            if head.phase is not Phase.SENDING:
                await self._set_phase(head, Phase.READY)
            raise

    async def _set_phase(self, head: Outgoing, phase: Phase) -> bool:
        return await self._journal.write(
            head.instance_id,
            lambda tx: tx.set_phase(head.instance_id, head.status_id, phase),
        )

    @asynccontextmanager
    async def _file(self, head: Outgoing) -> AsyncIterator[Path | None]:
        """A copy of the stored file for the engine to read."""
        if head.prepared is None:
            yield None
            return
        self._staging.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.TemporaryDirectory(dir=self._staging) as folder:
            path = Path(folder) / head.prepared.file.name
            await copy_out(
                self._store, f"{head.instance_id}/{path.name}", head.prepared.file.size, path
            )
            yield path


async def not_on_whatsapp(engine: Engine, people: Sequence[Address]) -> list[Address]:
    """Those of *people* who are not on WhatsApp. Raises EngineUnavailable."""
    turn = asyncio.Semaphore(_LOOK_UPS_AT_ONCE)

    async def exists(address: Address) -> bool:
        async with turn:
            return (await engine.look_up(address)).exists

    missing: list[Address] = []
    for start in range(0, len(people), _LOOK_UPS_IN_A_SLICE):  # others have their turn between
        some = people[start : start + _LOOK_UPS_IN_A_SLICE]
        found = await asyncio.gather(*map(exists, some))
        missing += [one for one, there in zip(some, found, strict=True) if not there]
    return missing


async def excluded(engine: Engine, people: Sequence[Address]) -> list[Address]:
    """Those of *people* whom the account's own privacy list excludes, if it can be read."""
    try:
        async with asyncio.timeout(_PRIVACY_SECONDS):
            privacy = await engine.privacy()
    except (EngineUnavailable, TimeoutError):
        return []
    return privacy.excluded(people)


def _is_checked(head: Outgoing) -> bool:
    return bool(head.draft.participants) and head.phase is not Phase.SENDING


async def copy_out(store: MediaStore, name: str, size: int, to: Path) -> None:
    """Write a stored file to *to*. Raises MediaUnavailable."""
    with to.open("wb") as file:
        async for chunk in store.read(name, 0, size):
            await asyncio.to_thread(file.write, chunk)


def _post_of(head: Outgoing, path: Path | None) -> StatusPost:
    draft, prepared = head.draft, head.prepared
    post = StatusPost(
        key=head.status_id,
        kind=draft.kind,
        text=draft.text,
        background=draft.background,
        font=draft.font,
    )
    if prepared is None or path is None:
        return post
    return msgspec.structs.replace(
        post, media_path=str(path), mimetype=prepared.file.mimetype, **prepared.preview()
    )


def _answer_of(tx: Transaction, head: Outgoing) -> StatusAnswer:
    draft = head.draft
    status = status_answered(tx, head.instance_id, draft)
    if status is None:
        raise MessageNotFound(draft.answered_id)
    wire_id = status.wire_id or status.status_id
    answer = StatusAnswer(
        key=head.status_id, wire_id=wire_id, author=status.author, by_lid=status.by_lid
    )
    if draft.method is Method.REACTION:
        return msgspec.structs.replace(answer, reaction=draft.text)
    quoted = Quoted(kind=status.kind, text=status.text, thumbnail=status.thumbnail)
    return msgspec.structs.replace(answer, text=draft.text, quoted=quoted)
