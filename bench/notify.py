"""Notifications: pushed, polled, and how soon they come."""

from collections.abc import Callable, Iterator
from pathlib import Path

from bench import hearing, polls, pushes
from bench.figures import Figure
from bench.receiver import Receiver
from bench.seeding import Databases


def figures(
    databases: Databases, root: Path, tell: Callable[[str], None], *, full: bool
) -> Iterator[Figure]:
    """Measure all of it beside its floors."""
    with Receiver(root) as receiver:
        yield from pushes.figures(databases, root, receiver, tell, full=full)
        yield from hearing.figures(databases, root, receiver, tell, full=full)
    yield polls.figure(databases, root, tell, full=full)
