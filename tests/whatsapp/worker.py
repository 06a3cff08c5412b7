"""The engine worker under test: trusts the fake server, then runs the production worker.

`python -m tests.whatsapp.worker ARGUMENTS` takes the same arguments as the production worker.
Environment: STATUSGATE_TEST_ROOT_KEY (hex), SSL_CERT_FILE, and STATUSGATE_TEST_CONTACTS
(a JSON file, see `seeding.py`); `FakeWhatsApp.environment()` gives all of them.
"""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path

from tests.whatsapp.client import CONTACTS, ROOT_KEY
from tests.whatsapp.rootkey import replace_root_key

_PRODUCTION = "statusgate.engines.neonize.worker"


def prepare() -> None:
    """Load the library, replace its pinned key, and seed contacts where asked for."""
    import neonize  # noqa: F401  it has to be mapped

    replace_root_key(bytes.fromhex(os.environ[ROOT_KEY]))
    contacts = os.environ.get(CONTACTS)
    if contacts:
        from tests.whatsapp import seeding

        seeding.install(Path(contacts))


def main() -> None:
    os.dup2(2, 1)  # the library prints while it loads; the worker redirects both later
    prepare()
    production = importlib.import_module(_PRODUCTION)
    sys.exit(production.main())


if __name__ == "__main__":
    main()
