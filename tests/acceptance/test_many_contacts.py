"""10,000 contacts: accepted at once, sent in the background, told recipient by recipient."""

from functools import partial
from pathlib import Path
from typing import Any

from tests.acceptance.processes import InstanceClient, ServerProcess
from tests.waiting import until

CONTACTS = 10_000
NAMELESS = 500


def resident_mb(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise AssertionError("no VmRSS")


def settled(account: InstanceClient, status_id: str) -> dict[str, Any] | None:
    """The report of a status, once its outcome is known."""
    report: dict[str, Any] = account.get("getStatusReport", f"idMessage={status_id}").json()
    return None if report["statusMessage"] == "pending" else report


def test_ten_thousand_contacts(tmp_path: Path) -> None:
    with ServerProcess(tmp_path) as server:
        account = server.create_instance()
        account.post("setSettings", {"delaySendMessagesMilliseconds": 500})
        people = [f"7900{number:07d}@c.us" for number in range(CONTACTS)]
        account.simulate(
            *({"event": "contact", "id": one, "name": "N", "contactName": "" if no < NAMELESS
               else f"C {no}"} for no, one in enumerate(people))
        )  # fmt: skip
        before = resident_mb(server.pid)
        posted = [account.post("sendTextStatus", {"message": f"text {no}"}) for no in range(5)]
        named = account.post(
            "sendTextStatus", {"message": "named", "participants": people[-5000:]}
        )
        for answer in (*posted, named):
            status_id = answer.json()["idMessage"]
            report = until(partial(settled, account, status_id), seconds=60)
            expected = 5000 if answer is named else CONTACTS - NAMELESS
            assert report["statusMessage"] == "sent"
            assert report["counts"]["sent"] == report["audience"]["resolved"] == expected
            if answer is not named:
                (left_out,) = report["fanOut"]["skipped"]
                assert (left_out["count"], len(left_out["participants"])) == (NAMELESS, 100)
        assert resident_mb(server.pid) - before < 150
        gone = account.post("deleteStatus", {"idMessage": named.json()["idMessage"]})
        assert gone.status == 200
