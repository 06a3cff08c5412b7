"""What simulated viewers do with a post: the profiles of the sandbox."""

from collections.abc import Callable, Iterable, Iterator
from random import Random

from statusgate.domain.address import Address
from statusgate.domain.events import StatusReaction, StatusReceipt, StatusReply
from statusgate.domain.receipt import Progress
from statusgate.domain.reply import Reply, ReplyKind
from statusgate.engines.simulated.account import Scheduled
from statusgate.engines.simulated.options import Profile
from statusgate.engines.simulated.people import REACTIONS, reply_of


class _Viewer:
    """Somebody in front of a status; times are milliseconds after the post."""

    def __init__(
        self, wire_id: str, address: Address, name: str, since_ms: int, pace: int, draw: Random
    ) -> None:
        self.draw = draw
        self._wire_id = wire_id
        self._address = address
        self._name = name
        self._since_ms = since_ms
        self._pace = pace

    def receives(self, kind: Progress, after_ms: int) -> Scheduled:
        receipt = StatusReceipt(
            wire_ids=(self._wire_id,),
            viewer=self._address,
            kind=kind,
            at_ms=self._time(after_ms),
        )
        return Scheduled(self._due(after_ms), receipt)

    def reacts(self, reaction: str, after_ms: int) -> Scheduled:
        event = StatusReaction(
            wire_id=self._wire_id,
            viewer=self._address,
            reaction=reaction,
            at_ms=self._time(after_ms),
        )
        return Scheduled(self._due(after_ms), event)

    def replies(self, after_ms: int) -> Scheduled:
        reply = Reply(
            wire_id=self._wire_id,
            viewer=self._address,
            reply_id=f"3EB0{self.draw.getrandbits(64):016X}",
            kind=ReplyKind.TEXT,
            text=reply_of(self._name, self.draw),
            at_ms=self._time(after_ms),
        )
        return Scheduled(self._due(after_ms), StatusReply(reply=reply))

    def _due(self, after_ms: int) -> int:
        return self._since_ms + after_ms * self._pace

    def _time(self, after_ms: int) -> int:
        return max(self._since_ms, self._due(after_ms))


def responses(
    profile: Profile,
    wire_id: str,
    audience: Iterable[tuple[Address, str]],
    since_ms: int,
    draw: Random,
    *,
    pace: int = 1,
) -> tuple[Scheduled, ...]:
    """Return what the people of *audience*, each with a name, do with a post.

    Some of ``hostile`` is due before the post. With a *pace* of 60 minutes pass for seconds.
    """
    behave = _PROFILES.get(profile)
    if behave is None:
        return ()
    viewers = (
        _Viewer(wire_id, address, name, since_ms, pace, draw) for address, name in audience
    )
    return tuple(response for viewer in viewers for response in behave(viewer))


def _lively(viewer: _Viewer) -> Iterator[Scheduled]:
    """Delivered within seconds; most look at it within a minute, some react or answer."""
    draw = viewer.draw
    delivered_ms = draw.randrange(500, 8_000)
    yield viewer.receives(Progress.DELIVERED, delivered_ms)
    if draw.random() < 0.7:
        read_ms = delivered_ms + draw.randrange(1_000, 45_000)
        yield viewer.receives(Progress.READ, read_ms)
        if draw.random() < 0.2:
            yield from _reacting(viewer, read_ms)
        if draw.random() < 0.06:
            yield viewer.replies(read_ms + draw.randrange(4_000, 20_000))


def _reacting(viewer: _Viewer, read_ms: int) -> Iterator[Scheduled]:
    """One in eight thinks again: reacts otherwise, or takes it back."""
    draw = viewer.draw
    reacted_ms = read_ms + draw.randrange(1_000, 8_000)
    yield viewer.reacts(draw.choice(REACTIONS), reacted_ms)
    if draw.random() < 1 / 8:
        yield viewer.reacts(
            draw.choice(("", *REACTIONS)), reacted_ms + draw.randrange(1_000, 8_000)
        )


def _burst(viewer: _Viewer) -> Iterator[Scheduled]:
    """Everybody, within a second."""
    delivered_ms = viewer.draw.randrange(0, 500)
    yield viewer.receives(Progress.DELIVERED, delivered_ms)
    yield viewer.receives(Progress.READ, delivered_ms + viewer.draw.randrange(0, 500))


def _hostile(viewer: _Viewer) -> Iterator[Scheduled]:
    """Repeated, in any order, some ahead of the acknowledgement of the post."""
    draw = viewer.draw
    for kind in (Progress.READ, Progress.DELIVERED):
        for _ in range(draw.randint(1, 3)):
            yield viewer.receives(kind, draw.randrange(-1_000, 5_000))
    for _ in range(draw.randint(0, 3)):
        reaction = viewer.reacts(draw.choice(("", *REACTIONS)), draw.randrange(-1_000, 5_000))
        yield from (reaction, reaction)
    if draw.random() < 0.2:
        reply = viewer.replies(draw.randrange(-1_000, 5_000))
        yield from (reply, reply)


_PROFILES: dict[Profile, Callable[[_Viewer], Iterator[Scheduled]]] = {
    "lively": _lively,
    "burst": _burst,
    "hostile": _hostile,
}
