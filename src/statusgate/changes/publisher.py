"""Recording changes, and notifying followers once they are committed."""

from collections.abc import Callable
from typing import TypeVar

from statusgate.changes.changes import Changes
from statusgate.domain.ids import InstanceId
from statusgate.journal import Journal, Transaction

T = TypeVar("T")
Follower = Callable[[InstanceId, Changes], None]
Announce = Callable[[Transaction, InstanceId, Changes], None]


class ChangePublisher:
    """Runs work on the journal and notifies followers of its changes, in commit order."""

    def __init__(self, journal: Journal, announce: Announce | None = None) -> None:
        """*announce* runs within each transaction, after its work: what it writes is committed
        with the changes it announces."""
        self._journal = journal
        self._announce = announce
        self._followers: list[Follower] = []

    def follow(self, follower: Follower) -> None:
        """Call *follower* after every commit that came through here; it must not block.

        If it is not known whether a commit took place, the changes are ``in_doubt``.
        """
        self._followers.append(follower)

    async def record(
        self, instance_id: InstanceId, work: Callable[[Transaction, Changes], T]
    ) -> T:
        """Return the result of *work* once it is on disk; *work* notes what it changes.

        *work* may run more than once; it gets fresh changes each time. Followers are notified
        even if the caller is cancelled.
        """

        def run(tx: Transaction) -> tuple[T, Changes]:
            changes = Changes()
            result = work(tx, changes)
            if self._announce is not None:
                self._announce(tx, instance_id, changes)
            return result, changes

        def notify(committed: tuple[T, Changes], certain: bool) -> None:
            changes = committed[1] if certain else committed[1].doubted()
            for follower in self._followers:
                follower(instance_id, changes)

        result, _ = await self._journal.write(instance_id, run, notify)
        return result
