"""Reads: the three journals' answers, from memory where it reaches, else by one query."""

from statusgate.domain.address import Address, parse_chat_id
from statusgate.domain.clock import Clock
from statusgate.domain.errors import BadRequestData, MessageNotFound
from statusgate.domain.ids import InstanceId
from statusgate.domain.instance import Instance
from statusgate.domain.media import StoredFile, media_url
from statusgate.domain.status import Status
from statusgate.history.cache import StatusCache
from statusgate.journal import Journal, Transaction
from statusgate.wire.engagement import ReactionItem, ReplyItem, reaction_items, reply_items
from statusgate.wire.statistics import encode_statistic
from statusgate.wire.statuses import IncomingItem, OutgoingItem, item

STATUS_BROADCAST = "status@broadcast"
_EMPTY = b"[]"
_MINUTE_MS = 60_000


class History:
    """What happened on an instance, as the contract shows it."""

    def __init__(
        self,
        journal: Journal,
        cache: StatusCache,
        clock: Clock,
        *,
        public_url: str,
        retention_days: int,
        contacts_only: bool,
    ) -> None:
        """*contacts_only*: incoming statuses of people without a contact name stay unseen
        (server setting ``incoming_from = contacts``)."""
        self._journal = journal
        self._cache = cache
        self._clock = clock
        self._public_url = public_url
        self._retention_minutes = retention_days * 24 * 60
        self._contacts_only = contacts_only

    async def outgoing(self, instance_id: InstanceId, minutes: int) -> bytes:
        """JSON array of the items posted within *minutes*, newest first (contract 3.9)."""
        return await self._window(instance_id, minutes, outgoing=True)

    async def incoming(self, instance_id: InstanceId, minutes: int) -> bytes:
        """JSON array of the items received within *minutes*, newest first (contract 3.8)."""
        return await self._window(instance_id, minutes, outgoing=False)

    async def statistic(self, instance_id: InstanceId, status_id: str) -> bytes:
        """JSON array of the rows of an outgoing status; ``[]`` for any other id (3.7)."""
        statistics = self._cache.statistics()
        kept = statistics.get(instance_id, status_id)
        if kept is not None:
            return kept

        def rows(tx: Transaction) -> tuple[bytes, int]:
            status = tx.status(instance_id, status_id)
            kept_ms = self._retention_minutes * _MINUTE_MS
            if status is None or not status.outgoing:
                return _EMPTY, self._clock.now_ms() + kept_ms
            return encode_statistic(tx.recipients(status)), status.posted_ms + kept_ms

        return await statistics.load(instance_id, status_id, lambda: self._journal.read(rows))

    async def reactions(self, instance_id: InstanceId, status_id: str) -> list[ReactionItem]:
        """Who reacted to an outgoing status, newest first; ``[]`` for any other id (12.14)."""

        def look(tx: Transaction) -> list[ReactionItem]:
            status = tx.status(instance_id, status_id)
            return [] if status is None else reaction_items(tx.reactions(status))

        return await self._journal.read(look)

    async def replies(self, instance_id: InstanceId, status_id: str) -> list[ReplyItem]:
        """Who answered an outgoing status, newest first; ``[]`` for any other id (12.15)."""

        def look(tx: Transaction) -> list[ReplyItem]:
            status = tx.status(instance_id, status_id)
            return [] if status is None else reply_items(tx.replies(status))

        return await self._journal.read(look)

    async def message(
        self, instance: Instance, chat_id: str, status_id: str
    ) -> IncomingItem | OutgoingItem:
        """The item of one status (contract 7.5). MessageNotFound if there is none."""
        return item(await self._status(instance, chat_id, status_id), self._public_url)

    async def file_url(self, instance: Instance, chat_id: str, status_id: str) -> str:
        """Where the file of a status is (contract 7.5). BadRequestData if it has none."""
        status = await self._status(instance, chat_id, status_id)
        if status.file is None:
            raise BadRequestData("the status has no file")
        return media_url(self._public_url, instance.id, status.file.name)

    async def file(self, instance_id: InstanceId, key: str) -> StoredFile | None:
        """A stored file that is alive (contract 7.2)."""
        now_ms = self._clock.now_ms()
        return await self._journal.read(lambda tx: tx.file(instance_id, key, now_ms))

    async def _status(self, instance: Instance, chat_id: str, status_id: str) -> Status:
        author = _author(chat_id, instance)
        status = await self._journal.read(lambda tx: tx.status(instance.id, status_id, author))
        if status is None:
            raise MessageNotFound(status_id)
        return status

    async def _window(self, instance_id: InstanceId, minutes: int, *, outgoing: bool) -> bytes:
        kept_minutes = min(minutes, self._retention_minutes)
        since_ms = self._clock.now_ms() - kept_minutes * _MINUTE_MS
        kept = self._cache.window(instance_id, outgoing=outgoing, since_ms=since_ms)
        if kept is not None:
            return kept
        contacts_only = self._contacts_only and not outgoing
        return await self._cache.load(
            instance_id,
            outgoing=outgoing,
            since_ms=since_ms,
            read=lambda: self._journal.read(
                lambda tx: tx.statuses(
                    instance_id,
                    outgoing=outgoing,
                    since_ms=since_ms,
                    contacts_only=contacts_only,
                )
            ),
        )


def _author(chat_id: str, instance: Instance) -> Address | None:
    """The author a ``chatId`` names; None for ``status@broadcast``, which names nobody."""
    if chat_id == STATUS_BROADCAST:
        return None
    return parse_chat_id(chat_id) or instance.me
