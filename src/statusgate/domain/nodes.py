"""Rules by which several nodes share accounts; pure, so that they can be tested alone."""

import time
from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

BEAT_SECONDS: Final = 2.5
LEASE_SECONDS: Final = 10.0
"""A node that could not beat for so long has let go of its accounts."""
EXPIRY_SECONDS: Final = 15.0
"""A node that others have not seen beating for so long has lost its accounts. What is between
the two is the time that a node has to stop what it runs."""
LOOKS: Final = 5
"""So often at least others must have looked: one late look says nothing of a node."""


class Node(msgspec.Struct, frozen=True):
    """A living node, as the database has it."""

    node: int
    """random, and another one each time it joins"""
    name: str
    session: str
    """what the names of its connections end in"""
    version: str
    """of statusgate"""
    beats: int
    """rises as long as it lives"""


class Times(msgspec.Struct, frozen=True):
    """How long a node may be silent; tests have less patience."""

    beat_seconds: float = BEAT_SECONDS
    lease_seconds: float = LEASE_SECONDS
    expiry_seconds: float = EXPIRY_SECONDS


def boot_seconds() -> float:
    """A clock that never jumps and goes on while the machine sleeps."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


class _Sighting(msgspec.Struct):
    """Since when a counter has been seen at the same value, and how often."""

    beats: int
    since: float
    looks: int


class Observer:
    """Tells which nodes have stopped beating. It trusts no clock but its own, and nothing that
    it saw before its connection broke: after a restart of the database everybody is late."""

    def __init__(self, expiry_seconds: float = EXPIRY_SECONDS) -> None:
        self._expiry_seconds = expiry_seconds
        self._sightings: dict[int, _Sighting] = {}

    def forget(self) -> None:
        """The connection has broken: begin anew."""
        self._sightings.clear()

    def look(self, nodes: Iterable[Node], asked: float, answered: float) -> list[Node]:
        """Take in a look, between two times in seconds; return who may be expired.

        Expiring is still conditional on the counter that was seen.
        """
        silent = []
        before, self._sightings = self._sightings, {}
        for node in nodes:
            seen = before.get(node.node)
            if seen is None or seen.beats != node.beats:
                seen = _Sighting(node.beats, answered, 0)
            seen.looks += 1
            self._sightings[node.node] = seen
            if seen.looks >= LOOKS and asked - seen.since >= self._expiry_seconds:
                silent.append(node)
        return silent


def fair_share(accounts: int, nodes: int) -> int:
    """How many accounts a node may take, so that all are taken."""
    return -(-accounts // max(1, nodes))


def gives_one_away(node: int, held: Mapping[int, int]) -> bool:
    """Whether it is this node that should let go of an account; *held*: how many each has.

    One node at a time: the one with the most, if another has at least two fewer.
    """
    most = max(held, key=lambda one: (held[one], one))
    return node == most and held[most] - min(held.values()) >= 2
