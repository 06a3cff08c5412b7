"""Retention: what is too old is deleted in small steps."""

from collections.abc import Iterable
from typing import Any

from statusgate.domain.ids import InstanceId

from .instances import Instances
from .statuses import Statuses

EARLY_RECEIPTS_MS = 24 * 3600 * 1000
"""How long a receipt waits for its status (contract 3.1)."""
LOGGED_MS = 24 * 3600 * 1000
"""How long events can be resumed from (contract 12.7)."""
MOST_LOGGED = 10_000
"""As many events stay, whatever their age."""
_EVER = {"before_ms": 2**62, "held_before_ms": 2**62}
_KEPT_WITHOUT_STATUS = (
    "expire_deletions",
    "expire_gaps",
    "expire_early",
    "expire_early_replies",
    "expire_deliveries",
)
_EXPIRING = ("expire_files", "expire_ended_notifications", "expire_events")
_PURGED = ("purge_outbox", "purge_people", "purge_notifications", "purge_events", "purge_files")
_PURGED_AT_LAST = (
    "purge_state_history",
    "end_push_streak",
    "purge_counters",
    "purge_owner",
    "purge_instance",
)


class Retention(Instances, Statuses):
    def expire(self, now_ms: int, keep_ms: int, limit: int) -> tuple[int, list[str]]:
        """Delete about *limit* of what is older than *keep_ms*: statuses with rows and files,
        tombstones, early receipts (24 h), expired uploads, instances deleted long ago.
        A status goes with all its rows, so a step may end a little over the limit.

        Returns how many records went (0: nothing left to do) and the store paths
        (``instance/name``) of files to remove.
        """
        # One instance a step: transactions that lock several could deadlock.
        times = {
            "before_ms": now_ms - keep_ms,
            "held_before_ms": now_ms - EARLY_RECEIPTS_MS,
            "logged_before_ms": now_ms - LOGGED_MS,
            "most_logged": MOST_LOGGED,
            "now_ms": now_ms,
        }
        found = self._db.run("instance_with_expired", **times)
        if not found:
            return 0, []
        instance_id, is_dead = InstanceId(found[0].instance_id), found[0].is_dead == 1
        if is_dead:
            return self.purge_instance(instance_id, limit)
        self._db.lock([instance_id])
        statuses = self._db.run(
            "expired_statuses", instance_id=instance_id, limit=limit, **times
        )
        names = (*_KEPT_WITHOUT_STATUS, *_EXPIRING)
        return self._delete(instance_id, statuses, names, limit, times)

    def purge_instance(self, instance_id: InstanceId, limit: int) -> tuple[int, list[str]]:
        """Delete about *limit* records of a deleted instance; as ``expire``."""
        self._db.lock([instance_id])
        instance = self.instance(instance_id)
        if instance is None or instance.deleted_ms is None:
            return 0, []
        statuses = self._db.run("any_statuses", instance_id=instance_id, limit=limit)
        names = (*_KEPT_WITHOUT_STATUS, *_PURGED)
        gone, paths = self._delete(instance_id, statuses, names, limit, _EVER)
        if gone >= limit:
            return gone, paths
        for name in _PURGED_AT_LAST:
            self._db.send(name, instance_id=instance_id)
        return gone + 1, paths

    def _delete(
        self,
        instance_id: InstanceId,
        statuses: Iterable[Any],
        names: Iterable[str],
        limit: int,
        times: dict[str, int],
    ) -> tuple[int, list[str]]:
        """Delete *statuses*, then what the statements *names* find, until *limit* are gone."""
        gone = 0
        paths: list[str] = []
        for row in statuses:
            if gone < limit:
                key = {"instance_id": instance_id, "status_no": row.status_no}
                gone += 1 + int(self._db.run("count_rows", **key)[0].count)
                self._remove_status(instance_id, row.status_no)
        for name in names:
            if gone < limit:
                left = limit - gone
                rows = self._db.run(name, instance_id=instance_id, limit=left, **times)
                gone += len(rows)
                if name.endswith("_files"):
                    paths += [
                        f"{instance_id}/{row.key}.{row.extension}" for row in sorted(rows)
                    ]
        return gone, paths
