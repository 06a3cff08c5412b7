"""Signals by which the parts of publishing wake each other."""

import asyncio
from collections.abc import Callable

from statusgate.domain.ids import InstanceId


class Signals:
    """Events that save polling the journal."""

    def __init__(self) -> None:
        self.files = asyncio.Event()
        """there is a file to fetch"""
        self.schedule = asyncio.Event()
        """there is a new scheduled status"""
        self._on_queue: list[Callable[[InstanceId], None]] = []
        self._on_removed: list[Callable[[InstanceId, str], None]] = []

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

    def removed(self, instance_id: InstanceId, status_id: str) -> None:
        """An accepted status was removed before it was published."""
        for stop in self._on_removed:
            stop(instance_id, status_id)
