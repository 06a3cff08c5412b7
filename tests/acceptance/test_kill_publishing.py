"""kill -9 at every step of publishing: nothing accepted is lost, nothing is out twice."""

import http.client
import json
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.crashing import ANSWER_STEPS, STEPS
from tests.acceptance.processes import InstanceClient, ServerProcess
from tests.waiting import until
from tests.whatsapp.client import FakeWhatsApp, people

MOMENTS = [f"{when} {step}" for step in STEPS for when in ("before", "after")]
FILE_STEPS = ("fetch", "keep", "store")
ANSWER_MOMENTS = [f"after {step}" for step in ANSWER_STEPS] + ["before answer"]
ANNA = "79000000001@c.us"
SAMPLE = Path(__file__).parents[2] / "src/statusgate/engines/simulated/samples/image.jpg"


class Victim:
    """An account of a server that is killed and started again."""

    def __init__(self, server: ServerProcess, crash: Path) -> None:
        self.server = server
        self._crash = crash
        self.account: InstanceClient | None = None

    @property
    def client(self) -> InstanceClient:
        assert self.account is not None
        return self.account

    def post_and_die(self, moment: str) -> str | None:
        """Post a picture or a text, die at *moment*, start again. The id, if it was told."""
        method, wish = "sendTextStatus", {"message": moment}
        if moment.endswith(FILE_STEPS):
            url = self.client.post("uploadFile", SAMPLE.read_bytes()).json()["urlFile"]
            method, wish = "sendMediaStatus", {"urlFile": url, "fileName": "a.jpg"}
            wish["caption"] = moment
        return self._send_and_die(moment, method, wish)

    def answer_and_die(self, moment: str) -> str | None:
        """Reply to Anna's status, die at *moment*, start again. The id, if it was told."""
        wish = {"idMessage": "A1", "chatId": ANNA, "message": moment}
        return self._send_and_die(moment, "sendStatusReply", wish)

    def _send_and_die(self, moment: str, method: str, wish: dict[str, str]) -> str | None:
        self._crash.write_text(moment)
        try:
            status_id = str(self.client.post(method, wish).json()["idMessage"])
        except (OSError, http.client.HTTPException):
            status_id = None
        until(lambda: not self._crash.exists(), f"crash {moment}")
        self.server.wait()
        self.server.start()
        return status_id

    def announced(self) -> dict[str, Any]:
        """The one notification there is, once there is one."""
        waiting = until(lambda: self.client.get("getWebhooksCount").json()["count"])
        assert waiting == 1
        assert self.client.get("getMessagesCount").json() == {"count": 0}
        found = self.client.get("receiveNotification").json()
        path = f"/waInstance{self.client.id}/deleteNotification/{self.client.token}"
        self.server.request("DELETE", f"{path}/{found['receiptId']}")
        return dict(found["body"])

    def outgoing(self, words: str) -> list[dict[str, Any]]:
        items = self.client.get("getOutgoingStatuses").json()
        return [one for one in items if words in (one.get("textMessage"), one.get("caption"))]

    def settled(self, words: str) -> dict[str, Any]:
        """The one status with these words, once it is known what became of it."""
        (found,) = until(
            lambda: [one for one in self.outgoing(words) if one["statusMessage"] != "pending"],
            words,
        )
        report = self.client.get("getStatusReport", f"idMessage={found['idMessage']}").json()
        assert report["statusMessage"] == found["statusMessage"]
        assert len(self.outgoing(words)) == 1
        assert self.client.get("getMessagesCount").json() == {"count": 0}
        return dict(report)


def test_a_sandbox_post_survives_every_step(tmp_path: Path) -> None:
    crash = tmp_path / "crash"
    server = ServerProcess(
        tmp_path,
        module="tests.acceptance.crashing",
        CRASH_FILE=str(crash),
        STATUSGATE_PUBLIC_URL="https://status.example.org",
    )
    with server:
        victim = Victim(server, crash)
        victim.account = server.create_instance()
        victim.client.post("setSettings", {"delaySendMessagesMilliseconds": 500})
        victim.client.simulate(
            {"event": "contact", "id": ANNA, "name": "A", "contactName": "A"}
        )
        for moment in MOMENTS:
            status_id = victim.post_and_die(moment)
            victim.client.server = server
            if moment == "before accept":
                assert victim.outgoing(moment) == []
                continue
            report = victim.settled(moment)
            assert report["idMessage"] == status_id or status_id is None
            assert report["statusMessage"] == "sent", moment
            assert report["counts"]["sent"] == report["audience"]["resolved"] == 1
        victim.client.simulate(
            {"event": "incomingStatus", "from": ANNA, "type": "text", "text": "Hi",
             "idMessage": "A1"}
        )  # fmt: skip
        victim.client.post("setSettings", {"statusWebhook": "yes"})
        for moment in ANSWER_MOMENTS:
            answer_id = victim.answer_and_die(moment)
            victim.client.server = server
            told = victim.announced()
            assert told["idMessage"] == answer_id or answer_id is None
            assert (told["chatId"], told["status"]) == (ANNA, "sent"), moment
        assert victim.client.get("getWebhooksCount").json() == {"count": 0}
        assert server.stop() == 0


@pytest.mark.e2e
def test_on_the_wire_at_most_once(tmp_path: Path) -> None:
    """The real engine against our protocol server, which counts what it is sent."""
    me, *friends = people(950, 4)
    with FakeWhatsApp(tmp_path / "whatsapp") as fake:
        fake.quick_pairing()
        fake.generate_contacts(951, 3)
        contacts, crash, codes = (tmp_path / name for name in ("contacts", "crash", "codes"))
        contacts.write_text(
            json.dumps([{"phone": one.phone, "name": f"N {one.phone}"} for one in friends])
        )
        told = {
            "proxy": fake.proxy,
            "environment": fake.environment(contacts),
            "codes": str(codes),
        }
        server = ServerProcess(
            tmp_path,
            module="tests.acceptance.crashing",
            CRASH_FILE=str(crash),
            FAKE_WHATSAPP=json.dumps(told),
            STATUSGATE_MIN_FREE_MB="1",
        )
        with server:
            victim = Victim(server, crash)
            victim.account = server.create_instance(engine="neonize")
            until(lambda: victim.client.get("qr").json()["type"] == "qrCode", "a QR code")
            device = fake.scan(codes.read_text(), me, 1, "Me")
            until(lambda: len(victim.client.get("getContacts").json()) == 3, "contacts")
            victim.client.post("setSettings", {"delaySendMessagesMilliseconds": 500})
            for moment in MOMENTS:
                if moment.endswith(("accept", *FILE_STEPS)):
                    continue
                before = len(fake.posts(device=device))
                victim.post_and_die(moment)
                report = victim.settled(moment)
                sent = len(fake.posts(device=device)) - before
                assert sent <= 1, moment
                if report["statusMessage"] == "failed":
                    assert report["fanOut"]["failure"]["reason"] == "engineError", moment
                else:
                    assert (sent, report["counts"]["total"]) == (1, 3), moment
            assert server.stop() == 0
