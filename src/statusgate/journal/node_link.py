"""A node's place among the others: it beats, looks who else does, and knows its lease.

All of that takes place on one connection, that of the lock of the node's name, so that nobody
is judged by what was seen before that connection broke.
"""

import secrets
import time
from collections.abc import Callable
from contextlib import suppress
from threading import Event

import structlog

from statusgate import __version__
from statusgate.domain.errors import JournalUnavailable
from statusgate.domain.nodes import Node, Observer, Times, boot_seconds

from .instances import OPERATOR
from .migrate import check_still_works
from .owners import Owners
from .server_lock import ServerLock
from .session import Health, JournalRefused

log = structlog.get_logger()


class NodeLink(ServerLock):
    """Keeps this process one of the nodes of a database, from a thread of its own.

    The lease is counted from before a beat was sent, and only if the beat is certainly
    committed. A node becomes one when it is told to ``join``, and so again, under another
    number, after others have expired it.
    """

    def __init__(self, url: str, health: Health, name: str, times: Times) -> None:
        """*name*: letters, digits, ``.``, ``_`` and ``-``. Raises JournalRefused if a node of
        that name lives, or a server that is no node serves the database."""
        self.take_sql = (
            "SELECT pg_try_advisory_lock_shared(7394022, hashtext(current_schema()::text))"
            " AND pg_try_advisory_lock(7394023,"
            f" hashtext(current_schema()::text || ' {name}'))"
        )
        self.taken = (
            f"a node named '{name}' serves the database already,"
            " or a server that was started without a name"
        )
        self._node_name = name
        self._times = times
        self._observer = Observer(times.expiry_seconds)
        self._connection = 0
        self._node = 0
        self._lease_end = 0.0
        self._may_join = Event()
        self._on_change: Callable[[], None] = lambda: None
        super().__init__(url, health)

    # -- for the event loop

    @property
    def node(self) -> int:
        """The number under which this process is a node; 0: it is none at the moment."""
        return self._node

    @property
    def lease_seconds(self) -> float:
        """How long what this node owns is surely its own; not above 0: no longer."""
        return self._lease_end - boot_seconds()

    def on_change(self, listener: Callable[[], None]) -> None:
        """Call *listener*, from the thread, after this node has joined or was expired."""
        self._on_change = listener

    def join(self) -> None:
        """Become a node, or one again; nothing that was owned before may run any more."""
        self._may_join.set()

    # -- in the thread

    def _pause(self) -> float:
        return self._times.beat_seconds if self._node else min(0.5, self._times.beat_seconds)

    def _held(self) -> None:
        asked, asked_boot = time.monotonic(), boot_seconds()
        if self._node:
            alive = self._beat()
        elif self._may_join.is_set():
            try:
                alive = self._join()
            except JournalRefused as error:
                self._health.fault = str(error)
                return
        else:
            return
        if alive:
            self._lease_end = asked_boot + self._times.lease_seconds
            self._observe(asked)

    def _join(self) -> bool:
        node = secrets.randbits(62) + 1
        with self._transaction():
            check_still_works(self._session)
            self._session.send(
                "join_nodes",
                instance_id=OPERATOR,
                node=node,
                name=self._node_name,
                session=self.name,
                version=__version__,
            )
        self._node = node
        log.info("node.joined", name=self._node_name)
        self._on_change()
        return True

    def _beat(self) -> bool:
        with self._transaction():
            beats = self._session.run("beat", instance_id=OPERATOR, node=self._node)
        if beats:
            return True
        self._may_join.clear()
        self._node, self._lease_end = 0, 0.0
        log.warning("node.expired", name=self._node_name)
        self._on_change()
        return False

    def _observe(self, asked: float) -> None:
        """Expire the nodes that have been silent for too long."""
        with self._transaction():
            others = [one for one in Owners(self._session).nodes() if one.node != self._node]
        if self._session.connections != self._connection:
            self._connection = self._session.connections
            self._observer.forget()
        for silent in self._observer.look(others, asked, time.monotonic()):
            self._expire(silent)

    def _expire(self, silent: Node) -> None:
        """Free what a node owned, unless it has beaten after all, and end its transactions."""
        with self._transaction():
            gone = self._session.run(
                "expire_node", instance_id=OPERATOR, node=silent.node, beats=silent.beats
            )
        if not gone:
            return
        log.warning("node.gone", name=silent.name)
        with self._transaction():
            self._session.send("end_sessions", session=silent.session)
        self._on_change()

    def _ended(self) -> None:
        """Say goodbye: others may take over at once. After a fault they have to wait: accounts
        may still be running here."""
        if self._node and not self._health.fault:
            with suppress(JournalUnavailable), self._transaction():
                self._session.send("leave_nodes", instance_id=OPERATOR, node=self._node)
