"""The memory of a gateway under traffic stays flat."""

import itertools
import os
import time
from pathlib import Path

import pytest

from tests.acceptance.processes import InstanceClient, ServerProcess

ACCOUNTS = 50
VIEWERS = 5
ANNA = "79001234567@c.us"
CONTACT = {"event": "contact", "id": ANNA, "name": "Anna", "contactName": "Anna K"}
SECONDS = float(os.environ.get("SOAK_SECONDS", "1800"))
"""As fast as one client can, which in half an hour is more than an hour of busy accounts."""


def one_round(account: InstanceClient, number: int) -> None:
    """A status of somebody, one of the account's own, those who saw it, and three reads."""
    seen = [
        {"event": "receipt", "idMessage": f"B{number}", "status": kind,
         "participant": f"7900{viewer:07d}@c.us"}
        for viewer in range(VIEWERS)
        for kind in ("delivered", "read")
    ]  # fmt: skip
    text = "x" * 300
    answer = account.simulate(
        {"event": "incomingStatus", "from": ANNA, "type": "text", "text": text},
        {"event": "phoneStatus", "type": "text", "text": text, "idMessage": f"B{number}"},
        *seen,
    )
    assert answer.status == 200, answer.body
    for method, query in (
        ("getIncomingStatuses", "minutes=60"),
        ("getOutgoingStatuses", "minutes=5"),
        ("getStatusStatistic", f"idMessage=B{number}"),
    ):
        assert account.get(method, query).status == 200


def resident_mb(pid: int) -> float:
    """Memory of a process that is in use, MB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise ValueError("no VmRSS")


@pytest.mark.soak
@pytest.mark.timeout(3 * SECONDS + 300)
def test_an_hour_of_traffic_on_fifty_accounts_does_not_grow_the_process(tmp_path: Path) -> None:
    """The memory of recent statuses is full early; what grows then are the database's caches,
    16 MB for each of four connections."""
    with ServerProcess(tmp_path, STATUSGATE_RECENT_MEMORY_MB="8") as server:
        accounts = [server.create_instance() for _ in range(ACCOUNTS)]
        for account in accounts:
            account.simulate(CONTACT)
        end, sizes = time.monotonic() + SECONDS, list[float]()
        for number in itertools.count():
            if time.monotonic() >= end:
                break
            for account in accounts:
                one_round(account, number)
            sizes.append(resident_mb(server.pid))
        third = len(sizes) // 3
        assert third, "too slow to measure"
        early, late = max(sizes[third : 2 * third]), max(sizes[2 * third :])
        print(f"{len(sizes)} rounds: {sizes[0]:.0f} MB, {early:.0f} MB, {late:.0f} MB")
        assert late <= early * 1.05 + 5
        assert server.stop() == 0
