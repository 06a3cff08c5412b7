"""Signals by which the parts of publishing wake each other."""

import asyncio
from collections.abc import Callable

from statusgate.changes.changes import Changes
from statusgate.changes.publisher import ChangePublisher
from statusgate.domain.ids import InstanceId


class Signals:
    """Events that save polling the journal."""

    def __init__(self, publisher: ChangePublisher) -> None:
        """*publisher*: its commits give signals, by ``Changes.outbox``."""
        self.files = asyncio.Event()
        """there is a file to fetch"""
        self.schedule = asyncio.Event()
        """there is a new scheduled status"""
        self._on_queue: list[Callable[[InstanceId], None]] = []
        self._on_removed: list[Callable[[InstanceId, str], None]] = []
        publisher.follow(self._follow)

    def on_queue(self, wake: Callable[[InstanceId], None]) -> None:
        """Call *wake* when something of an instance's queue has changed."""
        self._on_queue.append(wake)

    def queue(self, instance_id: InstanceId) -> None:
        """Something of an instance's queue, or of what it waits for, has changed."""
        for wake in self._on_queue:
            wake(instance_id)

    def on_removed(self, stop: Callable[[InstanceId, str], None]) -> None:
        """Call *stop* with an accepted status that was removed before it was published."""
        self._on_removed.append(stop)

    def _follow(self, instance_id: InstanceId, changes: Changes) -> None:
        for status_id in changes.unposted:
            for stop in self._on_removed:
                stop(instance_id, status_id)
        if "files" in changes.outbox:
            self.files.set()
        if "schedule" in changes.outbox:
            self.schedule.set()
        if "queue" in changes.outbox:
            self.queue(instance_id)
