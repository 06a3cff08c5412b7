"""Several clients of a process without a gate: `python -m tests.whatsapp.ungated PROXY STORE…`

The first clients are called by four threads without pause; the last one begins and is stopped
again and again. The library is expected to end the process sooner or later; it prints a line
for each time.
"""

from __future__ import annotations

import itertools
import sys
import threading
from typing import Any

from tests.whatsapp.worker import prepare

_CALLERS = 4


def main() -> None:
    prepare()
    from neonize import client, events
    from neonize._binder import ProxySettings

    numbers = itertools.count(1)

    def begun(store: str) -> Any:
        made = client.NewClient(store, uuid=f"client-{next(numbers)}")
        made._stop_finalizer.detach()  # it would stop the client whenever it is collected
        opened = threading.Event()
        made.event(events.ConnectedEv)(lambda _client, _event: opened.set())
        settings = ProxySettings(sys.argv[1])
        threading.Thread(target=made.connect, args=(settings,), daemon=True).start()
        if not opened.wait(30):
            raise TimeoutError("not connected")
        return made

    *steady, restless = sys.argv[2:]
    called = [begun(store) for store in steady]

    def call(one: Any) -> None:
        while True:
            one.get_me()

    for one in itertools.islice(itertools.cycle(called), _CALLERS):
        threading.Thread(target=call, args=(one,), daemon=True).start()
    for times in itertools.count(1):
        begun(restless).stop()
        print(times, flush=True)


if __name__ == "__main__":
    main()
