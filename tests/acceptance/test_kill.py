"""F1: kill -9 while receipts, reactions and replies arrive.

What was acknowledged is there, nothing is there twice.
"""

import http.client
import random
import threading
from pathlib import Path

import pytest

from tests.acceptance.processes import InstanceClient, ServerProcess

STATUSES = 20
VIEWERS = 500
PER_REQUEST = 50
REACTING = 5
"""one of so many viewers"""
NOW = 1_710_134_811


def requests() -> list[list[dict[str, object]]]:
    """10,000 views: each viewer sees each status once, in arrays of 50.

    Every fifth viewer is seen by a reaction. Each array has one reply as well.
    """
    views = [view(viewer, status) for viewer in range(VIEWERS) for status in range(STATUSES)]
    arrays = [views[i : i + PER_REQUEST] for i in range(0, len(views), PER_REQUEST)]
    return [[*array, reply(number)] for number, array in enumerate(arrays)]


def view(viewer: int, status: int) -> dict[str, object]:
    told = {"event": "receipt", "status": "read"}
    if viewer % REACTING == 0:
        told = {"event": "reaction", "reaction": "💚"}
    return {
        "idMessage": f"B{status}",
        "participant": f"7900{viewer:07d}@c.us",
        "timestamp": NOW + viewer,
        **told,
    }


def reply(number: int) -> dict[str, object]:
    return {
        "event": "reply",
        "idMessage": f"B{number % STATUSES}",
        "participant": "79001234567@c.us",
        "text": "Nice!",
        "replyId": f"R{number}",
        "timestamp": NOW,
    }


class Upstream:
    """Posts arrays in order; one that got no answer is posted again after the restart."""

    def __init__(self, account: InstanceClient) -> None:
        self._account = account
        self._waiting = requests()
        self.acknowledged = 0

    @property
    def done(self) -> bool:
        return not self._waiting

    def post_until_the_server_dies(self) -> None:
        while self._waiting:
            try:
                answer = self._account.simulate(*self._waiting[0])
            except (OSError, http.client.HTTPException):
                return
            assert answer.status == 200, answer.body
            assert answer.json() == {"accepted": PER_REQUEST + 1}
            del self._waiting[0]
            self.acknowledged += PER_REQUEST


def rows(account: InstanceClient) -> list[tuple[str, str, int]]:
    """Every row of every status, as the contract tells them."""
    found = []
    for number in range(STATUSES):
        for row in account.get("getStatusStatistic", f"idMessage=B{number}").json():
            assert row["status"] == "read"
            found.append((f"B{number}", row["participant"], row["timestamp"]))
    return found


def kill_at_random_points(folder: Path, kills: int, seed: int) -> None:
    chance = random.Random(seed)
    server = ServerProcess(folder)
    with server:
        account = server.create_instance()
        account.simulate(
            *({"event": "phoneStatus", "type": "text", "text": "x", "idMessage": f"B{n}"}
              for n in range(STATUSES))
        )  # fmt: skip
        upstream = Upstream(account)
        for _ in range(kills):
            posting = threading.Thread(target=upstream.post_until_the_server_dies)
            posting.start()
            posting.join(chance.uniform(0.0, 0.12))
            server.kill()
            posting.join()
            server.start()
            found = rows(account)
            assert len(found) == len(set(found))
            assert upstream.acknowledged <= len(found) <= upstream.acknowledged + PER_REQUEST
        upstream.post_until_the_server_dies()
        assert upstream.done
        found = rows(account)
        assert len(found) == len(set(found)) == STATUSES * VIEWERS
        for number in range(STATUSES):
            reactions = account.get("getStatusReactions", f"idMessage=B{number}").json()
            assert len(reactions) == VIEWERS // REACTING
            replies = account.get("getStatusReplies", f"idMessage=B{number}").json()
            posted = STATUSES * VIEWERS // PER_REQUEST
            wanted = {f"R{one}" for one in range(number, posted, STATUSES)}
            assert sorted(one["idMessage"] for one in replies) == sorted(wanted)


def test_eight_kills_lose_nothing_acknowledged(tmp_path: Path) -> None:
    kill_at_random_points(tmp_path, kills=8, seed=20)


@pytest.mark.soak
def test_a_hundred_kills_lose_nothing_acknowledged(tmp_path: Path) -> None:
    kill_at_random_points(tmp_path, kills=100, seed=100)
