"""The accounts this process owns: their engines run here, and their events are recorded."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import cast

import msgspec
import structlog

from statusgate import telemetry
from statusgate.accounts.instances import Instances
from statusgate.accounts.linking import Linking
from statusgate.accounts.receiving import record_batch
from statusgate.changes.changes import Changes
from statusgate.changes.publisher import ChangePublisher
from statusgate.domain.clock import Clock
from statusgate.domain.errors import (
    EngineUnavailable,
    JournalUnavailable,
    NotAuthorized,
    NotOwned,
    NotSupported,
    StatusgateError,
)
from statusgate.domain.events import (
    EngineDied,
    EngineEvent,
    EngineState,
    LinkingEnded,
    QrCode,
    Sequenced,
    StateChanged,
)
from statusgate.domain.ids import InstanceId
from statusgate.domain.instance import Instance, State
from statusgate.domain.script import ScriptEvent
from statusgate.domain.waiting import cancel
from statusgate.engines.port import Engine, Sandbox
from statusgate.engines.registry import kind_of
from statusgate.journal import Journal, Transaction
from statusgate.ownership.ownership import Ownership

log = structlog.get_logger()
_BATCH = 256
_STARTS_AT_ONCE = 4
_RETRY_SECONDS = 1.0
_FIRST_LINK_SECONDS = 2.0
_UNLINK_SECONDS = 10.0
_START_SECONDS = 5.0
_LOOK_SECONDS = 0.02


class Account:
    """An account that runs here, and the state of it that is not recorded."""

    def __init__(self, instance_id: InstanceId) -> None:
        self.id = instance_id
        self.engine: Engine | None = None
        """None until it could be made"""
        self.online = False
        self.started = asyncio.Event()
        self.task: asyncio.Task[None] | None = None

    def pause(self) -> None:
        """Its task has ended; the engine is kept, and can be started again."""
        self.task = None
        self.online = False
        self.started.clear()


class AccountManager:
    """Starts, stops and listens to the engines of all instances.

    ``run`` may be called again after it failed: the engines stop at its end, and repeat what
    was not acknowledged when they are started again.
    """

    def __init__(
        self,
        journal: Journal,
        publisher: ChangePublisher,
        instances: Instances,
        linking: Linking,
        clock: Clock,
        ownership: Ownership,
        make_engine: Callable[[Instance], Engine],
    ) -> None:
        self._journal = journal
        self._publisher = publisher
        self._instances = instances
        self._linking = linking
        self._clock = clock
        self._ownership = ownership
        self._make_engine = make_engine
        self._accounts: dict[InstanceId, Account] = {}
        self._starts = asyncio.Semaphore(_STARTS_AT_ONCE)
        self._wake = asyncio.Event()
        self._on_online: list[Callable[[], None]] = []
        instances.listen(lambda _instance: self._wake.set())
        ownership.on_claim(lambda _id: self._wake.set())
        ownership.before_leaving(self._let_go)

    def on_online(self, listener: Callable[[], None]) -> None:
        """Call *listener* whenever the connection of an account has opened."""
        self._on_online.append(listener)

    # -- running

    async def run(self) -> None:
        """Run the engines of the instances owned here until cancelled, then stop them."""
        try:
            async with asyncio.TaskGroup() as group:
                while True:
                    self._wake.clear()
                    self._settle(group)
                    await self._wake.wait()
        finally:
            for account in self._accounts.values():
                account.pause()
            await asyncio.gather(*map(_stop, self._accounts.values()))

    def _settle(self, group: asyncio.TaskGroup) -> None:
        """Start instances that are new, end those that are deleted."""
        wanted = {instance.id: instance for instance in self._instances.all()}
        for instance_id in self._accounts.keys() - wanted.keys():
            account = self._accounts.pop(instance_id)
            group.create_task(_end(account), name=f"end-{instance_id}")
        for instance_id in filter(self._ownership.owns, wanted):
            account = self._accounts.setdefault(instance_id, Account(instance_id))
            if account.task is None:
                account.task = group.create_task(
                    self._live(account), name=f"account-{instance_id}"
                )

    async def _let_go(self, instance_id: InstanceId) -> None:
        """Stop the engine of an account that another node may take."""
        account = self._accounts.pop(instance_id, None)
        if account is not None:
            await _end(account)

    async def _live(self, account: Account) -> None:
        """Run one account until it is owned here no longer."""
        try:
            with self._ownership.acting(account.id):
                await self._keep_running(account)
        except NotOwned as error:
            log.warning("account.lost", instance=account.id, reason=str(error))
            account.online = False
            await _stop(account)
            self._ownership.look()

    async def _keep_running(self, account: Account) -> None:
        """Run one account; its faults never reach another one."""
        pause = _RETRY_SECONDS
        while True:
            try:
                if account.engine is None:
                    account.engine = self._make_engine(self._instances.get(account.id))
                async with self._starts:
                    cursor = await self._journal.read(lambda tx: tx.cursor(account.id))
                    await account.engine.start()
                account.started.set()
                await self._listen(account, account.engine, cursor)
                pause = _RETRY_SECONDS
                continue
            except JournalUnavailable as error:
                log.warning("account.waits", instance=account.id, reason=str(error))
            except NotOwned:
                raise
            except Exception:  # noqa: BLE001 - one account must not end the others
                telemetry.role_failed("account", instance=account.id)
            account.online = False
            await self._clock.sleep(pause)
            pause = min(pause * 2, 60.0)

    async def sandboxes_started(self, seconds: float) -> None:
        """Wait until the sandbox accounts have their state again, *seconds* at the most."""
        waiting = [
            asyncio.create_task(account.started.wait())
            for instance_id, account in self._accounts.items()
            if kind_of(self._instances.get(instance_id)).is_sandbox
        ]
        try:
            if waiting:
                await asyncio.wait(waiting, timeout=seconds)
        finally:
            await cancel(*waiting)

    async def _listen(self, account: Account, engine: Engine, cursor: int) -> None:
        waiting: asyncio.Queue[Sequenced] = asyncio.Queue(_BATCH)

        async def pump() -> None:
            async for sequenced in engine.events(cursor):
                await waiting.put(sequenced)

        pumping = asyncio.create_task(pump(), name=f"events-{account.id}")
        try:
            while batch := await _next_batch(waiting, pumping):
                durable = [sequenced for sequenced in batch if sequenced.seq]
                if durable:
                    await self._record(account.id, durable)
                    await engine.ack(durable[-1].seq)
                for event in (event for sequenced in batch for event in sequenced.events):
                    telemetry.events_total.labels(type(event).__name__).inc()
                    self._notice(account, event)
        finally:
            await cancel(pumping)

    async def _record(self, instance_id: InstanceId, batch: Sequence[Sequenced]) -> None:
        """Record a batch; an event that cannot be recorded is logged and skipped.

        While the journal cannot be written the engine is held back.
        """
        while True:
            try:
                await self._commit(instance_id, batch)
                return
            except JournalUnavailable as error:
                log.warning("account.waits", instance=instance_id, reason=str(error))
                await self._clock.sleep(_RETRY_SECONDS)
            except NotOwned:
                raise  # no fault of the event: whoever owns the account gets it
            except Exception:
                if len(batch) > 1:
                    for one in batch:
                        await self._record(instance_id, [one])
                    return
                if not batch[0].events:
                    raise
                log.exception("event.dropped", instance=instance_id, seq=batch[0].seq)
                batch = [Sequenced(batch[0].seq, ())]

    async def _commit(self, instance_id: InstanceId, batch: Sequence[Sequenced]) -> None:
        now_ms = self._clock.now_ms()

        def work(tx: Transaction, changes: Changes) -> int:
            record_batch(tx, changes, instance_id, batch, now_ms)
            return changes.gaps

        gaps = await self._publisher.record(instance_id, work)
        if gaps:
            telemetry.gaps_total.inc(gaps)
            log.warning("status.undecryptable", instance=instance_id, count=gaps)

    def _notice(self, account: Account, event: EngineEvent) -> None:
        """Keep the unrecorded state of an account up to date."""
        match event:
            case StateChanged():
                account.online = event.state is EngineState.OPEN
                if account.online:
                    for listener in self._on_online:
                        listener()
            case QrCode() | LinkingEnded():
                self._linking.take(account.id, event)
            case EngineDied():
                account.online = False
                telemetry.engine_restarts_total.inc()
                log.warning(
                    "engine.died",
                    instance=account.id,
                    exit_code=event.exit_code,
                    reason=event.reason,
                    alarm=event.alarm,
                )
            case _:
                pass

    # -- using an account

    def engine(self, instance_id: InstanceId) -> Engine | None:
        """The engine of an instance that is owned here; None: it has not started.

        Raises OwnedElsewhere.
        """
        self._ownership.require(instance_id)
        account = self._accounts.get(instance_id)
        return account.engine if account and account.started.is_set() else None

    def engine_of(self, instance: Instance) -> Engine:
        """The engine of an instance; NotAuthorized while it is not running yet.

        Raises OwnedElsewhere.
        """
        engine = self.engine(instance.id)
        if engine is None:
            raise NotAuthorized(starting=True)
        return engine

    def is_online(self, instance_id: InstanceId) -> bool:
        """Whether the WhatsApp connection of a linked account is open."""
        account = self._accounts.get(instance_id)
        if account is None or not self._ownership.owns(instance_id):
            return False
        return self._is_linked(instance_id) and account.online

    def seems_online(self, instance_id: InstanceId) -> bool:
        """As ``is_online``; of an account on another node, whether it is linked."""
        if self._ownership.owns(instance_id):
            return self.is_online(instance_id)
        return self._is_linked(instance_id)

    def _is_linked(self, instance_id: InstanceId) -> bool:
        instance = self._instances.find(instance_id)
        return instance is not None and instance.state is State.AUTHORIZED

    def live_engine(self, instance: Instance) -> Engine:
        """The engine for a live query (contract 8); NotAuthorized in any other state."""
        if instance.state is not State.AUTHORIZED:
            raise NotAuthorized(starting=instance.state is State.STARTING)
        return self.engine_of(instance)

    async def simulate(self, instance: Instance, events: Sequence[ScriptEvent]) -> None:
        """Let *events* happen on a sandbox account; returns once they are recorded."""
        if not kind_of(instance).is_sandbox:
            raise NotSupported("simulate")
        await self._once_running(
            instance, lambda engine: cast("Sandbox", engine).simulate(events)
        )

    async def logout(self, instance: Instance) -> None:
        """Unlink the device and say so at once; also when it is not linked."""
        await self._once_running(instance, lambda engine: engine.logout())
        await self._move(instance.id, State.NOT_AUTHORIZED)

    async def _once_running(
        self, instance: Instance, use: Callable[[Engine], Awaitable[None]]
    ) -> None:
        """Use an engine; one that is just starting (again) gets a moment to do so."""
        for _ in range(round(_START_SECONDS / _LOOK_SECONDS)):
            with suppress(EngineUnavailable, NotAuthorized):
                await use(self.engine_of(instance))
                return
            await asyncio.sleep(_LOOK_SECONDS)
        await use(self.engine_of(instance))

    async def reboot(self, instance: Instance) -> None:
        """Restart the engine; state ``starting`` until it is open again."""
        self._ownership.require(instance.id)
        account = self._accounts.get(instance.id)
        if account is None or account.engine is None:
            raise NotAuthorized(starting=True)
        if instance.state is State.AUTHORIZED:
            await self._move(instance.id, State.STARTING)
        await account.engine.stop()

    async def unlink(self, instance: Instance) -> None:
        """Log the device out before its instance is deleted, as far as that can be done now.

        Raises OwnedElsewhere: only the node on which the account runs can do that.
        """
        self._ownership.require(instance.id)
        try:
            async with asyncio.timeout(_UNLINK_SECONDS):
                if engine := self.engine(instance.id):
                    await engine.logout()
        except (StatusgateError, TimeoutError) as error:
            log.warning("instance.not_unlinked", instance=instance.id, reason=str(error))

    async def first_link(self, instance: Instance) -> None:
        """Wait a moment for a new account that links itself."""
        if not kind_of(instance).links_itself(instance):
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(_FIRST_LINK_SECONDS):
                while self._instances.get(instance.id).state is not State.AUTHORIZED:
                    await asyncio.sleep(_LOOK_SECONDS)

    async def _move(self, instance_id: InstanceId, state: State) -> None:
        at_ms = self._clock.now_ms()

        def work(tx: Transaction, changes: Changes) -> None:
            instance = tx.instance(instance_id)
            if instance is None or instance.state is state:
                return
            moved = tx.record_state(msgspec.structs.replace(instance, state=state), at_ms)
            changes.state_changed(moved, at_ms)

        with self._ownership.acting(instance_id):
            await self._publisher.record(instance_id, work)


async def _end(account: Account) -> None:
    try:
        await cancel(account.task)
    finally:
        await _stop(account)


async def _stop(account: Account) -> None:
    """Stop an engine; a fault is logged, so that the others are stopped as well."""
    try:
        if account.engine is not None:
            await account.engine.stop()
    except Exception:  # noqa: BLE001 - it is about to be dropped
        telemetry.role_failed("account")


async def _next_batch(
    waiting: asyncio.Queue[Sequenced], pumping: asyncio.Task[None]
) -> list[Sequenced]:
    """All that waits now, at least one; ``[]`` when the engine has ended."""
    getting = asyncio.create_task(waiting.get())
    try:
        await asyncio.wait({getting, pumping}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        getting.cancel()
    batch = [getting.result()] if getting.done() else []
    if not batch and waiting.empty():
        pumping.result()
    while not waiting.empty() and len(batch) < _BATCH:
        batch.append(waiting.get_nowait())
    return batch
