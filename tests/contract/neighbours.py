"""Accounts that share a process, and the traffic among them."""

import asyncio
import itertools
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from statusgate.domain.errors import EngineUnavailable, EngineUncertain, MediaUnavailable
from statusgate.domain.events import (
    EngineDied,
    EngineEvent,
    StateChanged,
    StatusReceipt,
    StatusReceived,
)
from statusgate.domain.media import MediaRef
from statusgate.domain.post import StatusPost
from statusgate.domain.receipt import Progress
from statusgate.domain.status import Kind
from tests.contract.test_engine_neonize_support import Account, by_phone, text
from tests.waiting import eventually

PICTURE = bytes(range(256)) * 40
_GATHER_SECONDS = 0.02
_keys = itertools.count(1)


class Traffic:
    """Each account posts to the next one without pause, which views it and fetches its picture.

    Every post has words of its own, by which it is found again.
    """

    def __init__(
        self,
        accounts: Sequence[Account],
        folder: Path,
        *,
        pause: float = 0.0,
        pictures: int = 5,
    ) -> None:
        """*pause* is between two posts of an account; every *pictures*-th has a picture."""
        self.accounts = accounts
        self.posted: set[str] = set()
        """words of posts that were sent for certain"""
        self.refused: set[str] = set()
        """words of posts that were not sent: the account was not connected"""
        self.doubtful: set[str] = set()
        """words of posts that were perhaps sent"""
        self.arrived: Counter[str] = Counter()
        self.viewed: set[str] = set()
        """WhatsApp's ids of those whose author was told of the view"""
        self.downloads = 0
        self.disturbances: list[tuple[str, EngineEvent]] = []
        """changes of state and deaths, and whose"""
        self._ids: set[str] = set()
        self._pause = pause
        self._pictures = pictures
        self._picture = folder / "picture.jpg"
        self._picture.write_bytes(PICTURE)
        self._folder = folder
        self._ending = asyncio.Event()

    @property
    def missing(self) -> set[str]:
        """Words of what was sent and has not arrived."""
        return self.posted - self.arrived.keys()

    @property
    def twice(self) -> list[str]:
        """Words of what has arrived more than once."""
        return [words for words, times in self.arrived.items() if times > 1]

    def stop(self) -> None:
        """Post no more."""
        self._ending.set()

    async def settle(self) -> None:
        """Post no more; return once all that was posted has arrived, and its views as well."""
        self.stop()
        await eventually(lambda: not self.missing, "what was posted", 60)
        await eventually(lambda: self._ids <= self.viewed, "that it was viewed", 60)

    async def run(self) -> None:
        """Post, view and fetch until it is settled."""
        ring = [*self.accounts[1:], self.accounts[0]]
        async with asyncio.TaskGroup() as tasks:
            for author, reader in zip(self.accounts, ring, strict=True):
                tasks.create_task(self._post(author, reader))

    async def watch(self) -> None:
        """Take in what all accounts report, for ever."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                for one in self.accounts:
                    events, one.heard = one.heard, []
                    for event in events:
                        self._note(one, event, tasks)
                await asyncio.sleep(_GATHER_SECONDS)

    async def _post(self, author: Account, reader: Account) -> None:
        for number in itertools.count():
            if self._ending.is_set():
                return
            words = f"{author.person.phone} {number}"
            post = self._picture_of(words) if number % self._pictures == 1 else text(words)
            try:
                sent = await author.engine.post_status(post, [by_phone(reader.person)])
                self.posted.add(words)
                self._ids.add(sent.wire_id)
            except EngineUncertain:
                self.doubtful.add(words)
            except EngineUnavailable:
                self.refused.add(words)
                await asyncio.sleep(0.1)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._ending.wait(), self._pause)

    def _picture_of(self, words: str) -> StatusPost:
        return StatusPost(
            key=f"PIC{next(_keys)}",
            kind=Kind.IMAGE,
            text=words,
            media_path=str(self._picture),
            mimetype="image/jpeg",
            width=8,
            height=8,
        )

    def _note(self, account: Account, event: EngineEvent, tasks: asyncio.TaskGroup) -> None:
        match event:
            case StatusReceived(from_me=False):
                self.arrived[event.text] += 1
                tasks.create_task(self._look_at(account, event))
            case StatusReceipt(kind=Progress.READ):
                self.viewed.update(event.wire_ids)
            case StateChanged() | EngineDied():
                self.disturbances.append((account.person.phone, event))

    async def _look_at(self, account: Account, status: StatusReceived) -> None:
        while True:
            try:
                await account.engine.mark_viewed(status.wire_id, status.author)
                if status.media is not None:
                    await self._download(account, status.media)
                return
            except (EngineUnavailable, MediaUnavailable):
                await asyncio.sleep(0.1)

    async def _download(self, account: Account, ref: MediaRef) -> None:
        copy = self._folder / f"copy-{next(_keys)}"
        await account.engine.download(ref, copy, 1 << 20)
        assert copy.read_bytes() == PICTURE
        copy.unlink()
        self.downloads += 1


@asynccontextmanager
async def traffic(
    accounts: Sequence[Account], folder: Path, *, pause: float = 0.0, pictures: int = 5
) -> AsyncIterator[Traffic]:
    """Traffic among *accounts* for as long as the block lasts, and until all has arrived."""
    made = Traffic(accounts, folder, pause=pause, pictures=pictures)
    for one in accounts:
        one.heard.clear()
    watching = asyncio.create_task(made.watch())
    running = asyncio.create_task(made.run())
    try:
        yield made
        await made.settle()
        await running
    finally:
        for task in (running, watching):
            task.cancel()
        await asyncio.gather(running, watching, return_exceptions=True)
