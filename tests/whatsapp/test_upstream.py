"""What is wrong with the library: a test that fails here allows for less code of ours."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.whatsapp.client import REPOSITORY, FakeWhatsApp
from tests.whatsapp.conftest import NewPerson

_SECONDS = 300.0


@pytest.mark.soak
@pytest.mark.timeout(600)
def test_clients_that_begin_beside_calls_end_their_process(
    fake: FakeWhatsApp, new_person: NewPerson, tmp_path: Path
) -> None:
    """If no longer so, try without the gate (decision 47)."""
    stores = [tmp_path / str(number) / "store.db" for number in range(3)]
    for store in stores:
        fake.link(new_person(), store)
    with (tmp_path / "said").open("wb") as output:
        done = subprocess.run(
            [sys.executable, "-m", "tests.whatsapp.ungated", fake.proxy, *map(str, stores)],
            cwd=REPOSITORY,
            env={**os.environ, **fake.environment()},
            stdout=subprocess.PIPE,
            stderr=output,
            timeout=_SECONDS,
            check=False,
        )
    said = (tmp_path / "said").read_text(errors="replace")
    print(f"\nended after {len(done.stdout.splitlines())} lines")
    assert done.returncode
    assert "concurrent map" in said or "nil pointer dereference" in said
    fake.violations(take=True)
