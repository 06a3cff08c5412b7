"""Exports: everything that is kept of an instance, streamed from the oldest status on.

Each page is a short read of its own, and all exports together read one at a time, so that
neither memory nor other requests notice how long an export is.
"""

from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Final, NamedTuple

from statusgate.domain.address import Address
from statusgate.domain.clock import Clock
from statusgate.domain.instance import Instance
from statusgate.domain.receipt import Recipient
from statusgate.domain.status import Status
from statusgate.journal import Journal, Transaction
from statusgate.journal.exports import FIRST_PERSON, FIRST_REACTION, FIRST_REPLY, Key
from statusgate.wire.exports import (
    Row,
    What,
    encoded,
    head,
    reaction_row,
    receipt_row,
    reply_row,
    status_row,
)
from statusgate.wire.requests import ExportRequest

PAGE: Final = 200
"""Rows that end a page; it has fewer than twice as many. Large pages keep others waiting."""
LOOK: Final = 100
"""Statuses that a page looks at."""
_DAY_MS: Final = 86_400_000


class Position(NamedTuple):
    """A status of the export."""

    posted_ms: int
    status_no: int
    key: Key | None
    """the last of its rows that was read; None: all were"""

    @property
    def before_next(self) -> tuple[int, int]:
        """The key of a status after which the next page looks."""
        return self.posted_ms, self.status_no - (self.key is not None)


Rows = tuple[Sequence[Row], Key | None]
"""Some rows of a status, and the key of the last one unless there are no more."""


class Exports:
    """Streams of rows (contract 12.6)."""

    def __init__(
        self,
        journal: Journal,
        clock: Clock,
        *,
        public_url: str,
        retention_days: int,
        contacts_only: bool,
    ) -> None:
        """*contacts_only*: as for ``History``."""
        self._journal = journal
        self._clock = clock
        self._public_url = public_url
        self._retention_ms = retention_days * _DAY_MS
        self._contacts_only = contacts_only

    async def pages(
        self, instance: Instance, request: ExportRequest
    ) -> AsyncGenerator[bytes, None]:
        """The file that *request* asks for, in pieces; rows of the oldest status come first.

        What was committed before the first page is in it, some of it perhaps twice.
        """
        now_ms = self._clock.now_ms()
        since_ms = max(request.since_ms(now_ms), now_ms - self._retention_ms)
        page, at = await self._read(instance, request, Position(since_ms, 0, None))
        yield head(request.what, request.format) + page
        while at is not None:
            page, at = await self._read(instance, request, at)
            if page:
                yield page

    async def _read(
        self, instance: Instance, request: ExportRequest, at: Position
    ) -> tuple[bytes, Position | None]:
        """The rows after *at*, and where the next page goes on; None: there is none."""

        def read(tx: Transaction) -> tuple[bytes, Position | None]:
            rows, end = self._page(tx, instance, request, at)
            return encoded(request.format, rows), end

        return await self._journal.scan(read)

    def _page(
        self, tx: Transaction, instance: Instance, request: ExportRequest, at: Position
    ) -> tuple[list[Row], Position | None]:
        rows: list[Row] = []
        posted_ms, status_no = at.before_next
        looked = size = 0
        for status in tx.statuses_after(
            instance.id,
            posted_ms,
            status_no,
            before_ms=request.before_ms,
            outgoing_only=request.what != "statuses",
            limit=LOOK,
        ):
            key = at.key if status.no == at.status_no else None
            found, key = self._rows_of(tx, instance, request.what, status, key)
            rows += found
            size += len(found) + len(status.participants)
            at = Position(status.posted_ms, status.no, key)
            looked += 1
            if key is not None or size >= PAGE:
                return rows, at
        return rows, at if looked == LOOK else None

    def _rows_of(
        self, tx: Transaction, instance: Instance, what: What, status: Status, key: Key | None
    ) -> Rows:
        counts, me = status.counts, instance.me
        match what:
            case "statuses":
                shown = status.outgoing or status.author_contact_name or not self._contacts_only
                return [status_row(status, self._public_url)] if shown else [], None
            case "receipts" if counts.recipients:
                people = _People(tx.recipients_after, FIRST_PERSON, receipt_row)
                return people.rows(status, me, counts.recipients, key)
            case "reactions" if counts.reactions:
                people = _People(tx.reactions_after, FIRST_REACTION, reaction_row)
                return people.rows(status, me, counts.reactions, key)
            case "replies" if counts.replies:
                replies = tx.replies_after(status, key or FIRST_REPLY, PAGE)
                return [reply_row(status, reply) for _, reply in replies], _end_of(replies)
            case _:
                return [], None


class _People(NamedTuple):
    """How to read rows of which a person has one."""

    after: Callable[[Status, Key, int], list[tuple[Key, Recipient]]]
    first: Key
    row: Callable[[Status, Recipient], Row | None]

    def rows(self, status: Status, me: Address, count: int, key: Key | None) -> Rows:
        """A part of the *count* rows of *status*.

        What needs several pages is read twice: first people known by LID alone, then the
        others. If two people turn out to be one meanwhile, rows of the first kind become rows
        of the second, and are still to come.
        """
        step, key = key or ("all" if count < PAGE else "hidden", self.first)
        found = self.after(status, key, PAGE)
        rows = [
            row
            for _, one in found
            if (step == "all" or (step == "hidden") == (one.address.phone == ""))
            and not one.address.meets(me)
            and (row := self.row(status, one))
        ]
        if end := _end_of(found):
            return rows, (step, end)
        return rows, ("known", self.first) if step == "hidden" else None


def _end_of(found: Sequence[tuple[Key, object]]) -> Key | None:
    """The key of the last row of a full page; None: no more rows follow."""
    return found[-1][0] if len(found) == PAGE else None
