"""F2: kill -9 while notifications are pushed: none lost, order kept, few told twice."""

import base64
import random
import time
from itertools import groupby
from pathlib import Path

import pytest

from statusgate.domain.ids import FIRST_INSTANCE_ID
from tests import notified
from tests.acceptance.processes import InstanceClient, ServerProcess
from tests.acceptance.receivers import Push, RecordingReceiver
from tests.waiting import until

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
ANNA = "79001234567@c.us"
PER_ROUND = 40


def tell(account: InstanceClient, first: int, count: int) -> None:
    """Make *count* facts: a status of a contact and a reply to ours in turn."""
    answer = account.simulate(*(fact(n) for n in range(first, first + count)))
    assert answer.status == 200, answer.body


def fact(number: int) -> dict[str, str]:
    fact_id = f"A{number:06d}"
    if number % 2:
        return {"event": "reply", "idMessage": "B1", "participant": f"7900{number:07d}@c.us",
                "text": "Hi", "replyId": fact_id}  # fmt: skip
    return {"event": "incomingStatus", "from": ANNA, "type": "text", "text": str(number),
            "idMessage": fact_id}  # fmt: skip


def set_up(account: InstanceClient, receiver: RecordingReceiver) -> None:
    """A contact, a status of ours, and a webhook for what follows."""
    account.simulate(
        {"event": "contact", "id": ANNA, "contactName": "Anna"},
        {"event": "phoneStatus", "type": "text", "text": "Mine", "idMessage": "B1"},
    )
    account.post(
        "setSettings",
        {"webhookUrl": receiver.url, "webhookUrlToken": "s3cret", "statusWebhook": "yes",
         "statusReplyWebhook": "yes"},
    )  # fmt: skip


def numbers(got: list[Push]) -> list[int]:
    """Which facts were told, in order; each strictly decoded."""
    found = []
    for push in got:
        told = notified.strictly(push.body)
        assert isinstance(told, notified.Incoming)
        found.append(int(told.idMessage[1:]))
    return found


def until_told(receiver: RecordingReceiver, count: int, seconds: float = 30.0) -> None:
    until(lambda: len({push.webhook_id for push in receiver.got}) >= count, f"{count}", seconds)


def check(got: list[Push], count: int, kills: int) -> None:
    """None lost, none mixed up; a repeat has the same id and bytes and follows its first."""
    runs = [list(group) for _, group in groupby(got, key=lambda push: push.webhook_id)]
    assert numbers([run[0] for run in runs]) == list(range(count))
    for run in runs:
        assert len({push.body for push in run}) == 1
    assert len(got) - count <= kills


def kill_while_pushing(folder: Path, kills: int, seed: int) -> None:
    chance = random.Random(seed)
    server = ServerProcess(
        folder,
        STATUSGATE_OUTBOUND_ALLOW="127.0.0.0/8",
        STATUSGATE_SIGNING_SECRETS=f"{FIRST_INSTANCE_ID}={SECRET}",
    )
    with RecordingReceiver() as receiver, server:
        account = server.create_instance()
        set_up(account, receiver)
        for number in range(kills):
            tell(account, number * PER_ROUND, PER_ROUND)
            time.sleep(chance.uniform(0.0, 0.1))
            server.kill()
            server.start()
        until_told(receiver, kills * PER_ROUND)
        check(receiver.got, kills * PER_ROUND, kills)
        assert {push.authorization for push in receiver.got} == {"Bearer s3cret"}
        assert server.stop() == 0


def test_eight_kills_lose_nothing(tmp_path: Path) -> None:
    kill_while_pushing(tmp_path, kills=8, seed=2)


@pytest.mark.soak
def test_a_hundred_kills_lose_nothing(tmp_path: Path) -> None:
    kill_while_pushing(tmp_path, kills=100, seed=200)


def test_the_first_attempt_comes_right_after_the_restart(tmp_path: Path) -> None:
    """The receiver hangs; the process is killed; the next one does not wait for it."""
    slow = [True]

    def behave(_push: Push) -> int:
        if slow.pop():
            time.sleep(20)
        slow.append(False)
        return 200

    server = ServerProcess(tmp_path, STATUSGATE_OUTBOUND_ALLOW="127.0.0.0/8")
    with RecordingReceiver(behave) as receiver, server:
        account = server.create_instance()
        account.post("setSettings", {"webhookUrl": receiver.url, "stateWebhook": "yes"})
        account.simulate({"event": "state", "state": "suspended"})
        until(lambda: receiver.got)
        slow.append(False)
        server.kill()
        server.start()
        until(lambda: len(receiver.got) >= 2, seconds=15)  # it hangs for 20
        assert [push.body for push in receiver.got[:2]] == [receiver.got[0].body] * 2
        assert server.stop() == 0


def test_a_backlog_is_drained_in_order(tmp_path: Path) -> None:
    """1,000 wait while the receiver is off; then all come, in order."""
    off = [True]
    server = ServerProcess(
        tmp_path,
        STATUSGATE_OUTBOUND_ALLOW="127.0.0.0/8",
        STATUSGATE_SIGNING_SECRETS=f"{FIRST_INSTANCE_ID}={SECRET}",
    )
    with RecordingReceiver(lambda _push: 500 if off[0] else 200) as receiver, server:
        account = server.create_instance()
        set_up(account, receiver)
        tell(account, 0, 1000)
        assert account.get("getWebhooksCount").json() == {"count": 1000}
        refused = len(receiver.got)
        assert refused <= 1
        off[0] = False
        account.post("setSettings", {"webhookUrl": receiver.url})
        until_told(receiver, 1000, 100)
        check(receiver.got[refused:], 1000, 0)
        assert server.stop() == 0
