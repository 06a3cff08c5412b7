"""Run the fake WhatsApp server alone: `python -m tests.whatsapp [DIRECTORY]`; Ctrl-C ends."""

from __future__ import annotations

import signal
import sys
import tempfile
from pathlib import Path

from tests.whatsapp.client import FakeWhatsApp


def main() -> None:
    """Start the server, say how to reach it, and wait."""
    folder = sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp(prefix="fake-whatsapp-")
    for number in (signal.SIGTERM, signal.SIGINT):  # a shell's background job ignores SIGINT
        signal.signal(number, signal.default_int_handler)
    with FakeWhatsApp(Path(folder)) as fake:
        try:
            print(f"proxy         {fake.proxy}")
            print(f"authority     {fake.ca}")
            print(f"root key      {fake.root_key}")
            print(f"control       {fake.control}")
            print(f"history       {fake.history_file}", flush=True)
            signal.pause()
        except KeyboardInterrupt:
            print("ended")


if __name__ == "__main__":
    main()
