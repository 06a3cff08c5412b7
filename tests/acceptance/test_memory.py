"""The memory of a gateway: flat under traffic, and hardly more with a dashboard."""

import http.client
import itertools
import os
import re
import time
from importlib.resources import files
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


def proportional_mb(pid: int) -> float:
    """Memory of a process, with its part of what it shares with others, MB."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1024
    raise ValueError("no Pss")


def fetch(port: int, path: str) -> bytes:
    """Fetch a file as a browser that decompresses nothing."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.request("GET", path)
    answer = connection.getresponse()
    assert answer.status == 200, path
    body = answer.read()
    connection.close()
    return body


def test_a_dashboard_that_was_looked_at_costs_less_than_three_megabytes(tmp_path: Path) -> None:
    """Measured: 0.3 MB more than without it, after every file was fetched ten times."""
    folder = Path(str(files("statusgate"))) / "ui"
    pages = [one.relative_to(folder) for one in folder.rglob("*.*") if one.suffix != ".html"]
    sizes = {}
    for dashboard in ("false", "true"):
        place = tmp_path / dashboard
        place.mkdir()
        with ServerProcess(place, STATUSGATE_DASHBOARD=dashboard) as server:
            if dashboard == "true":
                [digest] = re.findall(r"\w+(?=/app.js)", fetch(server.port, "/ui/").decode())
                for page in 10 * pages:
                    fetch(server.port, f"/ui/{digest}/{page}")
            else:
                for _ in 10 * pages:
                    fetch(server.port, "/health/live")
            sizes[dashboard] = proportional_mb(server.pid)
    print(sizes)
    assert sizes["true"] <= sizes["false"] + 3, sizes


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
