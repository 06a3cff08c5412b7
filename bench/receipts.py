"""New receipts at a steady pace, by ``simulate``, while reads are measured."""

import threading
import time
import urllib.error

from bench import workload
from bench.seeding import TOKEN
from bench.servers import Process, post_json

A_SECOND = 200
_TOGETHER = 10
"""receipts a call; each call answers once they are on disk"""
_SENDERS = 4


class Arriving:
    """Within it, receipts arrive, and go on arriving when it is entered again.

    A few senders keep the pace, so that one slow answer does not break it; ``rate`` tells how
    many a second were really taken.
    """

    def __init__(self, server: Process) -> None:
        self._url = f"{server.url}/waInstance{workload.INSTANCE}/simulate"
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._calls = 0
        self._done = 0
        self._first = 0
        self._seconds = 0.0
        self._begun = 0.0
        self.fault = ""

    @property
    def rate(self) -> float:
        """Receipts a second so far."""
        return self._done * _TOGETHER / self._seconds if self._seconds else 0.0

    def __enter__(self) -> "Arriving":
        self._stop.clear()
        self._begun = time.monotonic()
        self._first = self._calls
        self._threads = [
            threading.Thread(target=self._run, name=f"receipts-{n}") for n in range(_SENDERS)
        ]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._seconds += time.monotonic() - self._begun
        for thread in self._threads:
            thread.join()

    def _run(self) -> None:
        while True:
            with self._lock:
                call = self._calls
                self._calls += 1
            due = self._begun + (call - self._first) * _TOGETHER / A_SECOND
            if self._stop.wait(max(0.0, due - time.monotonic())):
                return
            self._send(call)

    def _send(self, call: int) -> None:
        serials = range(call * _TOGETHER, (call + 1) * _TOGETHER)
        try:
            post_json(self._url, TOKEN, [_event(serial) for serial in serials])
        except (urllib.error.URLError, OSError) as error:
            self.fault = str(error)
            self._stop.set()
            return
        with self._lock:
            self._done += 1


def _event(serial: int) -> dict[str, object]:
    status_id, viewer, kind = workload.moving_receipts(serial)
    return {
        "event": "receipt",
        "idMessage": status_id,
        "participant": viewer,
        "status": kind,
    }
