"""Keeps calls into the library apart from what writes its tables of clients (decision 46).

The library keeps its clients in maps without locks. They are read at the entry of every call
and written while a client begins or is stopped; a read at the moment of a write ends the
process. So calls share the gate, and whoever writes has it alone.
"""

import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

HOLD_UP = 0.1
"""seconds for which somebody who wants the gate alone holds new calls back, at a time"""

_LONGEST_PAUSE = 2.0
"""seconds between two tries, which grow"""

UNSETTLED_AFTER = 3.0
"""seconds after which calls no longer wait for a writer"""


class Gate:
    """One for each process; any number of threads."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._calls = 0
        self._writer: object | None = None
        self._calls_wait_until = 0.0

    @contextmanager
    def call(self) -> Iterator[None]:
        """Hold the gate together with other calls, for as long as the call lasts."""
        with self._changed:
            while (wait := self._calls_wait_until - time.monotonic()) > 0:
                self._changed.wait(wait)
            self._calls += 1
        try:
            yield
        finally:
            with self._changed:
                self._calls -= 1
                self._changed.notify_all()

    def enter(self, writer: object, seconds: float = 3600.0) -> bool:
        """Have the gate for *writer* alone; return whether it could be had in time.

        While a call runs, new ones wait for at most HOLD_UP; then they pass, and it is tried
        again, ever less often, so that a long call neither stalls the others nor is stalled.
        """
        end, pause = time.monotonic() + seconds, HOLD_UP / 2
        while (left := end - time.monotonic()) > 0:
            with self._changed:
                if not self._changed.wait_for(lambda: self._writer is None, left):
                    return False
                self._writer = writer
                self._calls_wait_until = time.monotonic() + HOLD_UP
                if self._changed.wait_for(lambda: self._calls == 0, HOLD_UP):
                    self._calls_wait_until = time.monotonic() + UNSETTLED_AFTER
                    return True
                self._release()
            time.sleep(random.uniform(pause / 2, pause))  # noqa: S311 - no secret
            pause = min(2 * pause, _LONGEST_PAUSE)
        return False

    def admit_calls(self, writer: object) -> None:
        """*writer* has written; it still keeps other writers out."""
        with self._changed:
            if self._writer is writer:
                self._calls_wait_until = 0.0
                self._changed.notify_all()

    def leave(self, writer: object) -> None:
        """*writer* is done; may be repeated."""
        with self._changed:
            if self._writer is writer:
                self._release()

    def _release(self) -> None:
        self._writer, self._calls_wait_until = None, 0.0
        self._changed.notify_all()
