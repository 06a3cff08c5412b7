"""The fake WhatsApp server as a process: `python -m tests.whatsapp.server --directory DIR`.

One line of JSON on stdout tells ports, CA file and root key once it is ready. It ends on
SIGTERM and when stdin closes, so that it never outlives the tests.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import sys
from pathlib import Path

_CHECK_EVERY = 0.5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--directory", type=Path, required=True)
    arguments = parser.parse_args()
    answer = os.dup(1)
    os.dup2(2, 1)  # the native library prints
    asyncio.run(serve(arguments.directory, answer))


async def serve(directory: Path, answer: int) -> None:
    """Run until told to stop."""
    import neonize  # noqa: F401  the tables are read from the library it loads

    from tests.whatsapp.certificates import make_certificates
    from tests.whatsapp.control import start_control
    from tests.whatsapp.delivery import check_late
    from tests.whatsapp.history import History
    from tests.whatsapp.proxy import Proxy
    from tests.whatsapp.tokens import read_tables
    from tests.whatsapp.world import World

    history_file = directory / "history.jsonl"
    ca_file, tls = make_certificates(directory)
    world = World(read_tables(), History(history_file), directory)
    proxy = Proxy(world, tls)
    proxy_port = await proxy.start()
    control, control_port = await start_control(world)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    loop.add_reader(sys.stdin.fileno(), _on_input, stop)
    ready = {
        "proxy": f"http://127.0.0.1:{proxy_port}",
        "control": control_port,
        "ca": str(ca_file),
        "root_key": world.root.public.hex(),
        "history": str(history_file),
    }
    os.write(answer, json.dumps(ready).encode() + b"\n")
    while not stop.is_set():
        check_late(world)
        try:
            await asyncio.wait_for(stop.wait(), _CHECK_EVERY)
        except TimeoutError:
            continue
    await proxy.stop()
    await control.cleanup()
    world.history.close()
    os._exit(0)  # the native library keeps threads


def _on_input(stop: asyncio.Event) -> None:
    if not os.read(sys.stdin.fileno(), 4096):
        stop.set()


if __name__ == "__main__":
    main()
