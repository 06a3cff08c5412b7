"""Changes to the record, and everyone who must follow once they are committed."""

from collections.abc import Callable
from typing import TypeVar

from statusgate.changes.changes import Changes
from statusgate.domain.ids import InstanceId
from statusgate.journal import Journal, Transaction

T = TypeVar("T")
Follower = Callable[[InstanceId, Changes], None]
Announce = Callable[[Transaction, InstanceId, Changes], None]


class ChangePublisher:
    """Runs work on the journal and tells the followers what it changed, in commit order."""

    def __init__(self, journal: Journal, announce: Announce | None = None) -> None:
        """*announce* is run within each transaction, after its work: what it writes is on disk
        with the fact behind it."""
        self._journal = journal
        self._announce = announce
        self._followers: list[Follower] = []

    def follow(self, follower: Follower) -> None:
        """Call *follower* after every commit that came through here; it must not block."""
        self._followers.append(follower)

    async def record(
        self, instance_id: InstanceId, work: Callable[[Transaction, Changes], T]
    ) -> T:
        """Return the result of *work* once it is on disk; *work* notes what it changes.

        *work* may run twice; it gets fresh changes each time.
        """

        def run(tx: Transaction) -> tuple[T, Changes]:
            changes = Changes()
            result = work(tx, changes)
            if self._announce is not None:
                self._announce(tx, instance_id, changes)
            return result, changes

        result, changes = await self._journal.write(instance_id, run)
        for follower in self._followers:
            follower(instance_id, changes)
        return result
