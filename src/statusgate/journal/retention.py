"""Retention: what is too old is deleted in small steps."""

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
_END_OF_TIME = 2**62


class Step:
    """How much a step may still delete, and what it has found to remove."""

    def __init__(self, instance_id: InstanceId, limit: int) -> None:
        self.instance_id = instance_id
        self.gone = 0
        self.paths: list[str] = []
        self._limit = limit

    @property
    def left(self) -> int:
        return max(0, self._limit - self.gone)


class Retention(Instances, Statuses):
    def expire(self, now_ms: int, keep_ms: int, limit: int) -> tuple[int, list[str]]:
        """Delete about *limit* of what is older than *keep_ms*: statuses with rows and files,
        tombstones, early receipts (24 h), expired uploads, instances deleted long ago.
        A status goes with all its rows, so a step may end a little over the limit.

        Returns how many records went (0: nothing left to do) and the store paths
        (``instance/name``) of files to remove.
        """
        # One instance a step: transactions that lock several could deadlock.
        before_ms = now_ms - keep_ms
        held_before_ms = now_ms - EARLY_RECEIPTS_MS
        found = self._db.run(
            "instance_with_expired",
            before_ms=before_ms,
            held_before_ms=held_before_ms,
            logged_before_ms=now_ms - LOGGED_MS,
            most_logged=MOST_LOGGED,
            now_ms=now_ms,
        )
        if not found:
            return 0, []
        instance_id, is_dead = InstanceId(found[0].instance_id), found[0].is_dead == 1
        if is_dead:
            return self.purge_instance(instance_id, limit)
        self._db.lock(instance_id)
        step = Step(instance_id, limit)
        self._expire_statuses(step, before_ms)
        self._expire_notes(step, before_ms, held_before_ms)
        self._expire_files(step, now_ms)
        self._expire_notifications(step, before_ms, now_ms - LOGGED_MS)
        return step.gone, step.paths

    def purge_instance(self, instance_id: InstanceId, limit: int) -> tuple[int, list[str]]:
        """Delete about *limit* records of a deleted instance; as ``expire``."""
        self._db.lock(instance_id)
        instance = self.instance(instance_id)
        if instance is None or instance.deleted_ms is None:
            return 0, []
        step = Step(instance_id, limit)
        self._remove_statuses(step, self._some(step, "any_statuses"))
        self._expire_notes(step, _END_OF_TIME, _END_OF_TIME)
        step.gone += len(self._some(step, "purge_outbox"))
        step.gone += len(self._some(step, "purge_people"))
        step.gone += len(self._some(step, "purge_notifications"))
        step.gone += len(self._some(step, "expire_deliveries", before_ms=_END_OF_TIME))
        step.gone += len(self._some(step, "purge_events"))
        self._take_paths(step, self._some(step, "purge_files"))
        if step.left:
            for name in (
                "purge_state_history",
                "end_push_streak",
                "purge_counters",
                "purge_instance",
            ):
                self._db.run(name, instance_id=instance_id)
            step.gone += 1
        return step.gone, step.paths

    def _expire_statuses(self, step: Step, before_ms: int) -> None:
        self._remove_statuses(step, self._some(step, "expired_statuses", before_ms=before_ms))

    def _expire_notes(self, step: Step, before_ms: int, held_before_ms: int) -> None:
        """What is kept without a status: deletions, gaps, early receipts."""
        step.gone += len(self._some(step, "expire_deletions", before_ms=before_ms))
        step.gone += len(self._some(step, "expire_gaps", before_ms=before_ms))
        step.gone += len(self._some(step, "expire_early", before_ms=held_before_ms))

    def _expire_notifications(self, step: Step, before_ms: int, logged_before_ms: int) -> None:
        """Ended notifications, attempts to push them, the log behind the live stream."""
        step.gone += len(self._some(step, "expire_ended_notifications", before_ms=before_ms))
        step.gone += len(self._some(step, "expire_deliveries", before_ms=before_ms))
        logged = {"logged_before_ms": logged_before_ms, "most_logged": MOST_LOGGED}
        step.gone += len(self._some(step, "expire_events", **logged))

    def _expire_files(self, step: Step, now_ms: int) -> None:
        self._take_paths(step, self._some(step, "expire_files", now_ms=now_ms))

    def _some(self, step: Step, name: str, **when: int) -> list[Any]:
        if not step.left:
            return []
        return self._db.run(name, instance_id=step.instance_id, limit=step.left, **when)

    def _remove_statuses(self, step: Step, found: list[Any]) -> None:
        """A status goes with all its rows, so the last one may go over the limit."""
        for row in found:
            if not step.left:
                return
            key = {"instance_id": step.instance_id, "status_no": row.status_no}
            step.gone += 1 + int(self._db.run("count_rows", **key)[0].count)
            self._remove_status(step.instance_id, row.status_no)

    def _take_paths(self, step: Step, files: list[Any]) -> None:
        step.gone += len(files)
        step.paths += [
            f"{step.instance_id}/{file.key}.{file.extension}" for file in sorted(files)
        ]
