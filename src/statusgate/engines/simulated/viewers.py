"""What simulated viewers do with a post: the profiles of the sandbox."""

from collections.abc import Callable, Iterator, Sequence
from random import Random

from statusgate.domain.address import Address
from statusgate.domain.events import StatusReceipt
from statusgate.domain.receipt import Progress
from statusgate.engines.simulated.account import Scheduled
from statusgate.engines.simulated.options import Profile

_Times = Callable[[Random], Iterator[tuple[Progress, int]]]
"""Receipts of one viewer: what, and how many milliseconds after the post"""


def receipts_of(
    profile: Profile, wire_id: str, audience: Sequence[Address], now_ms: int, draw: Random
) -> tuple[Scheduled, ...]:
    """Return the receipts that a post will get; some of ``hostile`` are due before the post."""
    times = _TIMES.get(profile)
    if times is None:
        return ()
    return tuple(
        Scheduled(
            now_ms + after_ms,
            StatusReceipt(
                wire_ids=(wire_id,), viewer=viewer, kind=kind, at_ms=now_ms + max(0, after_ms)
            ),
        )
        for viewer in audience
        for kind, after_ms in times(draw)
    )


def _lively(draw: Random) -> Iterator[tuple[Progress, int]]:
    """Delivered within seconds; most look at it within a minute."""
    delivered_ms = draw.randrange(500, 8_000)
    looks, read_ms = draw.random() < 0.7, delivered_ms + draw.randrange(1_000, 45_000)
    yield Progress.DELIVERED, delivered_ms
    if looks:
        yield Progress.READ, read_ms


def _burst(draw: Random) -> Iterator[tuple[Progress, int]]:
    """Everybody, within a second."""
    delivered_ms = draw.randrange(0, 500)
    yield Progress.DELIVERED, delivered_ms
    yield Progress.READ, delivered_ms + draw.randrange(0, 500)


def _hostile(draw: Random) -> Iterator[tuple[Progress, int]]:
    """Repeated, in any order, some ahead of the acknowledgement of the post."""
    for kind in (Progress.READ, Progress.DELIVERED):
        for _ in range(draw.randint(1, 3)):
            yield kind, draw.randrange(-1_000, 5_000)


_TIMES: dict[Profile, _Times] = {"lively": _lively, "burst": _burst, "hostile": _hostile}
