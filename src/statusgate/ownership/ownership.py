"""Claims of this node: taken in fair shares, and given up before others may have them."""

import asyncio
import secrets
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from contextlib import AbstractContextManager, suppress
from typing import TYPE_CHECKING

import msgspec
import structlog

from statusgate import telemetry
from statusgate.domain.claim import Claim, acting_on
from statusgate.domain.clock import Clock
from statusgate.domain.errors import JournalUnavailable, OwnedElsewhere
from statusgate.domain.ids import InstanceId
from statusgate.domain.nodes import fair_share, gives_one_away
from statusgate.domain.waiting import happens_within
from statusgate.journal import Journal, Owned

if TYPE_CHECKING:
    from statusgate.journal.node_link import NodeLink

log = structlog.get_logger()
LOOK_SECONDS = 1.0
"""How soon this node notices what others have committed."""
QUIET_SECONDS = 60.0
"""Nothing has moved for so long before an account moves only for the sake of fairness."""
_LEASE_LOOK_SECONDS = 0.5


class _Held(msgspec.Struct, frozen=True):
    claim: Claim
    node: int
    """the number that this node had when it took it"""


class Ownership:
    """Tells which accounts may run here, and has them stopped before others may run them.

    Without several nodes everything is owned, always, and nothing is asked of the database.
    """

    def __init__(
        self,
        journal: Journal,
        clock: Clock,
        *,
        movable: Callable[[str], bool] = lambda _engine: True,
    ) -> None:
        """*movable*: whether accounts of an engine can run on any node; others run on none."""
        self._journal = journal
        self._clock = clock
        self._movable = movable
        self._held: dict[InstanceId, _Held] = {}
        self._leaving: set[InstanceId] = set()
        self._owners: dict[InstanceId, str] = {}
        """the names of the nodes that owned accounts at the last look"""
        self._quiet_since = 0.0
        self._seen: list[Owned] = []
        self._wake = asyncio.Event()
        self._on_claim: list[Callable[[InstanceId], None]] = []
        self._before_leaving: list[Callable[[InstanceId], Awaitable[None]]] = []

    @property
    def is_shared(self) -> bool:
        """Whether other nodes serve the same database."""
        return self._journal.node is not None

    def owns(self, instance_id: InstanceId) -> bool:
        """Whether the account runs here, surely now."""
        link = self._journal.node
        if link is None:
            return True
        held = self._held.get(instance_id)
        return held is not None and held.node == link.node and link.lease_seconds > 0

    def require(self, instance_id: InstanceId) -> None:
        """Raise OwnedElsewhere unless the account runs here."""
        if not self.owns(instance_id):
            raise OwnedElsewhere(self._owners.get(instance_id, ""))

    def acting(self, instance_id: InstanceId) -> AbstractContextManager[None]:
        """What is written within, for this account, is written as its owner.

        Raises OwnedElsewhere; works within raise Fenced once the account is lost.
        """
        self.require(instance_id)
        held = self._held.get(instance_id)
        return acting_on(held.claim if held is not None else None)

    def on_claim(self, listener: Callable[[InstanceId], None]) -> None:
        """Call *listener* with each account that this node has taken."""
        self._on_claim.append(listener)

    def before_leaving(self, stop: Callable[[InstanceId], Awaitable[None]]) -> None:
        """Have *stop* end what runs for an account before another node may take it.

        One after the other, as they were built, the last first.
        """
        self._before_leaving.append(stop)

    def look(self) -> None:
        """Something has changed: look who owns what without waiting."""
        self._wake.set()

    # -- running

    async def run(self) -> None:
        """Take, keep and give up accounts until cancelled."""
        link = self._journal.node
        if link is None:
            return
        loop = asyncio.get_running_loop()

        def changed() -> None:
            with suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(self._wake.set)

        link.on_change(changed)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._keep_lease(link))
            group.create_task(self._keep_share(link))

    async def _keep_lease(self, link: "NodeLink") -> None:
        """Stop everything once the lease has ended, before others may begin."""
        while True:
            left = link.lease_seconds
            if left <= 0:
                await self._let_go([held.claim for held in self._held.values()])
                if not link.node:
                    link.join()
            await asyncio.sleep(max(0.05, min(left, _LEASE_LOOK_SECONDS)))

    async def _keep_share(self, link: "NodeLink") -> None:
        while True:
            self._wake.clear()
            try:
                if link.lease_seconds > 0:
                    await self._settle(link, link.node)
            except JournalUnavailable as error:
                log.warning("ownership.waits", reason=str(error))
            await happens_within(self._wake, self._clock, LOOK_SECONDS)

    async def _settle(self, link: "NodeLink", node: int) -> None:
        """Compare what is held with the database; take what is free, give away what is too
        much."""
        owned, nodes = await self._journal.read(lambda tx: (tx.owners(), tx.nodes()))
        names = {one.node: one.name for one in nodes}
        if node not in names:
            return  # expired; the link will notice
        self._owners = {one.instance_id: names.get(one.node, "") for one in owned}
        accounts = [one for one in owned if self._movable(one.engine)]
        tokens = {one.instance_id: one.token for one in accounts}
        await self._let_go(
            held.claim
            for held in [*self._held.values()]
            if tokens.get(held.claim.instance_id) != held.claim.token
        )
        free = [one.instance_id for one in accounts if self._is_free(one, node, names)]
        room = fair_share(len(accounts), len(names)) - len(self._held)
        taking = (self._take(link, one, node) for one in free[: max(0, room)])
        for fault in await asyncio.gather(*taking, return_exceptions=True):
            if fault is not None:
                raise fault
        if self._is_quiet(accounts, any_free=bool(free)) and self._held:
            count = Counter(one.node for one in accounts)
            if gives_one_away(node, {one: count[one] for one in names}):
                await self._give_away(max(self._held))

    def _is_free(self, account: Owned, node: int, nodes: Iterable[int]) -> bool:
        """Nobody has it; or this node has, by a claim of which it never heard the answer."""
        if account.instance_id in self._held or account.instance_id in self._leaving:
            return False
        return account.node == node or account.node not in nodes

    def _is_quiet(self, accounts: list[Owned], *, any_free: bool) -> bool:
        """Whether nothing has moved for a while."""
        now = time.monotonic()
        if any_free or accounts != self._seen:
            self._seen = accounts
            self._quiet_since = now
        return now - self._quiet_since >= QUIET_SECONDS

    async def _take(self, link: "NodeLink", instance_id: InstanceId, node: int) -> None:
        claim = Claim(instance_id, secrets.randbits(62) + 1)
        if not await self._journal.write(instance_id, lambda tx: tx.claim(claim, node)):
            return
        if link.node != node or link.lease_seconds <= 0:
            return  # too late; it is free for the next round
        self._held[instance_id] = _Held(claim, node)
        log.info("account.taken", instance=instance_id)
        for listener in self._on_claim:
            listener(instance_id)

    async def _give_away(self, instance_id: InstanceId) -> None:
        claim = self._held[instance_id].claim
        await self._let_go([claim])
        await self._journal.write(instance_id, lambda tx: tx.release(claim))
        log.info("account.given_away", instance=instance_id)

    async def _let_go(self, claims: Iterable[Claim]) -> None:
        """Stop what runs for accounts; returns once nothing of it does."""
        await asyncio.gather(*[self._stop(claim.instance_id) for claim in claims])

    async def _stop(self, instance_id: InstanceId) -> None:
        if self._held.pop(instance_id, None) is None:
            return
        self._leaving.add(instance_id)
        log.info("account.let_go", instance=instance_id)
        try:
            for stop in reversed(self._before_leaving):
                try:
                    await stop(instance_id)
                except Exception:  # noqa: BLE001 - the others must be stopped as well
                    telemetry.role_failed("ownership", instance=instance_id)
        finally:
            self._leaving.discard(instance_id)
