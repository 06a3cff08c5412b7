"""The engine worker under test: trusts the fake server, then runs the production worker.

`python -m tests.whatsapp.worker ARGUMENTS` takes the same arguments as the production worker.
Environment: STATUSGATE_TEST_ROOT_KEY (hex), SSL_CERT_FILE, STATUSGATE_TEST_CONTACTS (a JSON
file, see `seeding.py`) and STATUSGATE_TEST_RECEIVED (where to note
received media); `FakeWhatsApp.environment()` gives all of them.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
import weakref
from pathlib import Path
from typing import Any

from tests.whatsapp.client import CONTACTS, RECEIVED, ROOT_KEY
from tests.whatsapp.rootkey import replace_root_key

_PRODUCTION = "statusgate.engines.neonize.host"


def prepare() -> None:
    """Load the library, replace its pinned key, and seed contacts where asked for."""
    import neonize  # noqa: F401  it has to be mapped

    replace_root_key(bytes.fromhex(os.environ[ROOT_KEY]))
    contacts = os.environ.get(CONTACTS)
    if contacts:
        from tests.whatsapp import seeding

        seeding.install(Path(contacts))
    received = os.environ.get(RECEIVED)
    if received:
        note_media(Path(received))
        hold_beginnings()


def hold_beginnings() -> None:
    """Let a client whose account's folder has a file `hold` begin once that is gone.

    A file `held` tells that it waits. So a test can lock the session store after the product
    has looked into it, and before the library does.
    """
    client: Any = importlib.import_module("statusgate.engines.neonize.library").Client
    make, connect = client.__init__, client.connect
    folders: weakref.WeakKeyDictionary[Any, Path] = weakref.WeakKeyDictionary()

    def made(self: Any, store: Path, *args: Any, **kwargs: Any) -> None:
        folders[self] = store.parent
        make(self, store, *args, **kwargs)

    def held(self: Any, *args: Any) -> None:
        while (folders[self] / "hold").exists():
            (folders[self] / "held").touch()
            time.sleep(0.01)
        connect(self, *args)

    client.__init__, client.connect = made, held


def note_media(file: Path) -> None:
    """Write down what each decrypted media message says and the gateway does not keep."""
    convert: Any = importlib.import_module("statusgate.engines.neonize.convert")
    reference = convert.reference_to

    def noting(kind: Any, media: Any) -> Any:
        told = {"kind": kind.name, "size": media.fileLength, "mimetype": media.mimetype}
        for name in ("seconds", "width", "height", "PTT", "backgroundArgb", "caption"):
            told[name] = getattr(media, name, None)
        told["waveform"] = bytes(getattr(media, "waveform", b"")).hex()
        with file.open("a") as notes:
            notes.write(json.dumps(told) + "\n")
        return reference(kind, media)

    convert.reference_to = noting


def main() -> None:
    os.dup2(2, 1)  # the library prints while it loads; the worker redirects both later
    prepare()
    production = importlib.import_module(_PRODUCTION)
    sys.exit(production.main())


if __name__ == "__main__":
    main()
