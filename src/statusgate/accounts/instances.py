"""Which instances there are, who may use them, and what they are set to."""

import hmac
from collections.abc import Callable
from enum import Enum, auto
from typing import Any

import msgspec
import structlog

from statusgate import telemetry
from statusgate.domain.clock import Clock
from statusgate.domain.errors import InstanceUnknown, JournalUnavailable, NotSupported
from statusgate.domain.ids import InstanceId, new_token, parse_instance_id
from statusgate.domain.instance import EngineName, Instance, InstanceSettings
from statusgate.engines.registry import check_engine_options, is_movable
from statusgate.journal import Journal, Transaction

log = structlog.get_logger()
_NOBODY = bytes(32)
_REFRESH_SECONDS = 0.5
"""The command promises that a running server notices within a second."""


class Denied(Enum):
    """Why credentials were refused (contract 2.2 step 2)."""

    INSTANCE = auto()
    """malformed, unknown or deleted"""
    TOKEN = auto()
    """wrong or missing"""


class NewInstance(msgspec.Struct, frozen=True, kw_only=True):
    """What ``createInstance`` asks for (contract 10)."""

    name: str = ""
    engine: EngineName = "neonize"
    engine_options: dict[str, str | int | float | bool] = {}
    settings: InstanceSettings = InstanceSettings()
    id: InstanceId | None = None
    """None: the next free one"""
    token: str | None = None
    """None: a new one"""


class Instances:
    """All instances, held in memory and changed through the journal."""

    def __init__(self, journal: Journal, clock: Clock, server_key: bytes) -> None:
        """*server_key*: 32 secret bytes that key the digests of tokens."""
        self._journal = journal
        self._clock = clock
        self._server_key = server_key
        self._by_id: dict[InstanceId, Instance] = {}
        self._seen_version = 0
        """everything up to it was read; only reads advance it, because a save of this process
        says nothing about earlier versions"""
        self._listeners: list[Callable[[Instance], None]] = []

    def listen(self, listener: Callable[[Instance], None]) -> None:
        """Call *listener* with every instance that is new or changed, deleted ones too."""
        self._listeners.append(listener)

    async def run(self) -> None:
        """Keep up with other processes until cancelled."""
        while True:
            await self._clock.sleep(_REFRESH_SECONDS)
            try:
                await self.refresh()
            except JournalUnavailable as error:
                log.warning("refresh.waits", reason=str(error))

    async def refresh(self) -> None:
        """Take over what others (another process, the command line) have changed."""
        seen = self._seen_version
        for instance in await self._journal.read(lambda tx: tx.instances(seen)):
            self.adopt(instance)
            self._seen_version = max(self._seen_version, instance.version)

    def adopt(self, instance: Instance) -> None:
        """Take over a committed change and call the listeners; an older version is ignored."""
        known = self._by_id.get(instance.id)
        if known is not None and known.version >= instance.version:
            return
        self._by_id[instance.id] = instance
        _count(known, instance)
        for listener in self._listeners:
            listener(instance)

    def find(self, instance_id: InstanceId) -> Instance | None:
        """The instance of that id, None if there is none or it is deleted."""
        instance = self._by_id.get(instance_id)
        return instance if instance is not None and instance.deleted_ms is None else None

    def get(self, instance_id: InstanceId) -> Instance:
        """As ``find``, but raises InstanceUnknown."""
        instance = self.find(instance_id)
        if instance is None:
            raise InstanceUnknown(str(instance_id))
        return instance

    def all(self, *, deleted: bool = False) -> list[Instance]:
        """Instances, oldest first; *deleted* adds those that were deleted."""
        found = [i for i in self._by_id.values() if deleted or i.deleted_ms is None]
        return sorted(found, key=lambda instance: (instance.created_ms, instance.id))

    def authenticate(self, id_text: str, token: str) -> Instance | Denied:
        """Return whose token this is; wrong id and wrong token take the same time."""
        instance_id = parse_instance_id(id_text)
        instance = self.find(instance_id) if instance_id is not None else None
        expected = _NOBODY if instance is None else instance.token_digest
        same = hmac.compare_digest(self.digest(token), expected)
        if instance is None:
            return Denied.INSTANCE
        return instance if same else Denied.TOKEN

    def still_admits(self, instance: Instance) -> bool:
        """Whether who was let in to read the statuses of *instance* would be let in now."""
        now = self.find(instance.id)
        return (
            now is not None and now.status_methods and now.token_digest == instance.token_digest
        )

    def digest(self, token: str) -> bytes:
        """What is stored of a token: HMAC-SHA-256 under the server's key."""
        return hmac.digest(self._server_key, token.encode(), "sha256")

    async def create(self, new: NewInstance) -> tuple[Instance, str]:
        """Add an instance; returns it and its token, which is not kept and shown only here.

        Raises InvalidRequest if the id is in use or an engine option is unknown or wrong,
        NotSupported if several nodes cannot run its engine.
        """
        token = new.token or new_token()
        wanted = Instance(
            id=new.id or InstanceId(0),
            name=new.name,
            engine=new.engine,
            engine_options=new.engine_options,
            token_digest=self.digest(token),
            settings=new.settings,
            created_ms=self._clock.now_ms(),
        )
        check_engine_options(wanted)
        if self._journal.node is not None and not is_movable(wanted.engine):
            raise NotSupported("several nodes run only sandbox accounts so far")
        instance = await self._journal.write(new.id, lambda tx: tx.create_instance(wanted))
        self.adopt(instance)
        return instance, token

    async def change(self, instance_id: InstanceId, **changes: Any) -> Instance:
        """Replace fields of an instance; other fields stay as they are in the journal."""

        return await self._change(
            instance_id, lambda _tx, instance: msgspec.structs.replace(instance, **changes)
        )

    async def change_settings(
        self, instance_id: InstanceId, changes: dict[str, Any]
    ) -> Instance:
        """Set some settings (by attribute); the others stay as they are in the journal."""

        def changed(tx: Transaction, instance: Instance) -> Instance:
            if "webhook_url" in changes:  # a pause of its pushes ends, also for the same URL
                tx.set_push_streak(instance_id, None)
            settings = msgspec.structs.replace(instance.settings, **changes)
            return msgspec.structs.replace(instance, settings=settings)

        return await self._change(instance_id, changed)

    async def _change(
        self, instance_id: InstanceId, change: Callable[[Transaction, Instance], Instance]
    ) -> Instance:
        def work(tx: Transaction) -> Instance:
            instance = tx.instance(instance_id)
            if instance is None or instance.deleted_ms is not None:
                raise InstanceUnknown(str(instance_id))
            return tx.save_instance(change(tx, instance))

        changed = await self._journal.write(instance_id, work)
        self.adopt(changed)
        return changed

    async def rotate_token(self, instance_id: InstanceId) -> str:
        """Give an instance a new token; the old one is void when this returns."""
        token = new_token()
        await self.change(instance_id, token_digest=self.digest(token))
        return token

    async def delete(self, instance_id: InstanceId) -> None:
        """Mark an instance deleted; its records are removed in the background."""
        await self.change(instance_id, deleted_ms=self._clock.now_ms(), token_digest=_NOBODY)


def _count(before: Instance | None, after: Instance) -> None:
    """Keep the gauge of instances by state; deleted ones do not count."""
    if before is not None and before.deleted_ms is None:
        telemetry.instances_by_state.labels(before.state).dec()
    if after.deleted_ms is None:
        telemetry.instances_by_state.labels(after.state).inc()
