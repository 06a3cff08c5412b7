"""When a worker that ended is started again."""

import random
from collections import deque

import msgspec

from statusgate.engines.neonize.config import Exit, Timing

_RESTING = frozenset(
    {Exit.DRAINED, Exit.LOGGED_OUT, Exit.BLOCKED, Exit.LINKING_ENDED, Exit.STORE_LOST}
)
"""a new worker could do nothing before somebody asks for something"""

_NO_DEATH = frozenset({Exit.UNREACHABLE, Exit.LOCKED, Exit.NO_ROOM, Exit.HOST_DIED})
"""not the account's fault: backed off like a death, but no reason for an alarm"""

_REPORTED_BY_STATE = frozenset(
    {
        Exit.DRAINED,
        Exit.LOGGED_OUT,
        Exit.BLOCKED,
        Exit.LINKING_ENDED,
        Exit.BANNED,
        Exit.MOVED,
        Exit.CROWDED,
    }
)
_OPERATOR_NEEDED = frozenset({Exit.STORE_LOST, Exit.OUTDATED})

_AFTER_BAN = 5.0


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What follows the end of a worker."""

    delay: float | None
    """seconds until the next start; None: not before it is asked for"""
    reported: bool
    """whether the world should hear of the end as such"""
    alarm: bool = False
    held: bool = False
    """WhatsApp does not want us for a while; nothing hastens the next start"""


class Restarts:
    """Back-off with full jitter, and a slow lane for workers that keep dying."""

    def __init__(self, timing: Timing) -> None:
        self._timing = timing
        self._tries = 0
        self._deaths: deque[float] = deque()

    def after(
        self,
        code: int,
        *,
        lived: float,
        now: float,
        banned_for: float = 0,
        culprit: bool = False,
    ) -> Verdict:
        """Judge an end with *code* after *lived* seconds; *now* and *lived* are monotonic.

        *culprit*: the account was found to end the process that it shared with others.
        """
        reported = code not in _REPORTED_BY_STATE
        alarm = code in _OPERATOR_NEEDED or (culprit and reported)
        holds: dict[int, float] = {
            Exit.REPLACED: self._timing.replaced_hold,
            Exit.OUTDATED: self._timing.outdated_hold,
            Exit.BANNED: max(banned_for, 0.0) + _AFTER_BAN,
        }
        if code in (Exit.MOVED, Exit.CROWDED):
            return Verdict(delay=0.0, reported=False)
        if code in _RESTING:
            self._tries = 0
            return Verdict(delay=None, reported=reported, alarm=alarm)
        if code in holds:
            return Verdict(delay=holds[code], reported=reported, alarm=alarm, held=True)
        if lived >= self._timing.settled_after:
            self._tries = 0
            self._deaths.clear()
        if code not in _NO_DEATH and self._too_many_deaths(now):
            return Verdict(delay=self._timing.slow, reported=reported, alarm=True)
        delay = self._jittered()
        if code == Exit.RESTART and self._tries == 1:
            delay = 0.0
        return Verdict(delay=delay, reported=reported, alarm=alarm)

    def _too_many_deaths(self, now: float) -> bool:
        self._deaths.append(now)
        while self._deaths[0] < now - self._timing.deaths_within:
            self._deaths.popleft()
        return len(self._deaths) >= self._timing.deaths

    def _jittered(self) -> float:
        most = min(self._timing.restart_first * 2**self._tries, self._timing.restart_most)
        self._tries = min(self._tries + 1, 30)
        return random.uniform(0, most)  # noqa: S311 - spreads restarts, no secret
