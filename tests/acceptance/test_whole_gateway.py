"""The whole gateway on the real WhatsApp library: link by QR, post, view, read.

Two accounts of one gateway, each with its own worker process, talk through our own protocol
server; what happened is read with the official client over HTTP.
"""

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self, TypeVar

import msgspec
import pytest
import requests
from whatsapp_api_client_python.API import GreenAPI

from statusgate.domain.events import QrCode, Sequenced
from statusgate.domain.instance import Instance
from statusgate.engines.neonize.config import Setup
from statusgate.engines.neonize.engine import NeonizeEngine
from statusgate.engines.neonize.ipc import VERSION
from statusgate.engines.port import Engine, EngineContext
from statusgate.engines.registry import ENGINES
from statusgate.server import run
from statusgate.server.wiring import Gateway
from statusgate.settings import Settings
from statusgate.wire.qr import qr_png_base64
from tests import notified
from tests.acceptance.processes import ADMIN_TOKEN, ServerProcess
from tests.acceptance.receivers import RecordingReceiver
from tests.waiting import until
from tests.whatsapp.client import FakeWhatsApp, Person, people

pytestmark = pytest.mark.e2e
T = TypeVar("T")


class WatchedEngine(NeonizeEngine):
    """The real engine; the codes it shows are kept, as a phone's camera would read them."""

    codes: list[str]

    async def events(self, after: int) -> AsyncIterator[Sequenced]:
        async for sequenced in super().events(after):
            for event in sequenced.events:
                if isinstance(event, QrCode) and event.payload:
                    self.codes.append(event.payload)
            yield sequenced


class Running:
    """A gateway in a thread of its own, so that blocking clients can be used as they are."""

    def __init__(self, fake: FakeWhatsApp, folder: Path) -> None:
        self._fake = fake
        self._folder = folder
        self.engines: dict[str, WatchedEngine] = {}
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> Self:
        self._real = ENGINES["neonize"]
        ENGINES["neonize"] = msgspec.structs.replace(self._real, make=self._engine)
        self._thread.start()
        assert self._ready.wait(60)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(60)
        ENGINES["neonize"] = self._real
        assert not self._thread.is_alive()

    def contacts_file(self, instance: int | str) -> Path:
        return self._folder / f"contacts-{instance}.json"

    def run(self, work: Callable[[Gateway], Any]) -> Any:
        """Await ``work(gateway)`` in the gateway's loop."""
        return asyncio.run_coroutine_threadsafe(work(self.gateway), self._loop).result(60)

    def _engine(self, _instance: Instance, folder: Path, _context: EngineContext) -> Engine:
        contacts = self.contacts_file(folder.name)
        if not contacts.exists():
            contacts.write_text("[]")
        engine = WatchedEngine(
            Setup(
                version=VERSION,
                directory=str(folder.absolute()),
                proxy=self._fake.proxy,
                min_free_bytes=1 << 20,
            ),
            worker_module="tests.whatsapp.worker",
            environment=self._fake.environment(contacts),
        )
        engine.codes = []
        self.engines[folder.name] = engine
        return engine

    def _serve(self) -> None:
        asyncio.run(self._main())

    async def _main(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        settings = Settings(
            database=f"sqlite:///{self._folder}/statusgate.db",
            port=0,
            admin_token=ADMIN_TOKEN,
            outbound_allow="127.0.0.0/8",
            min_free_mb=1,
            min_free_media_mb=1,
        )

        async def on_ready(gateway: Gateway, url: str) -> None:
            self.gateway, self.url = gateway, url
            self._ready.set()

        serving = asyncio.create_task(
            run.serve(settings, on_ready=on_ready, stopped=self._stop)
        )
        assert await serving == 0


class Account:
    """One instance, used as its owner would: over HTTP, with the official client."""

    def __init__(self, running: Running, person: Person, instance: int, token: str) -> None:
        self.running, self.person, self.id, self.token = running, person, instance, token
        self.client = GreenAPI(str(instance), token, host=running.url, media=running.url)

    def link(self, fake: FakeWhatsApp, contacts: list[Person]) -> None:
        names = [{"phone": one.phone, "name": f"Name {one.phone[-3:]}"} for one in contacts]
        self.running.contacts_file(self.id).write_text(json.dumps(names))
        shown = until(lambda: self._code(), "a QR code")
        code = self.running.engines[str(self.id)].codes[-1]
        assert shown == qr_png_base64(code)
        fake.scan(code, self.person, 1, f"Push {self.person.phone}")
        until(lambda: self.state() == "authorized", "authorized")

    def _code(self) -> str | None:
        told = self.client.account.qr().data
        return told["message"] if told["type"] == "qrCode" else None

    def state(self) -> str:
        return str(self.client.account.getStateInstance().data["stateInstance"])

    def is_online(self) -> bool:
        return bool(self.client.account.getStatusInstance().data["statusInstance"] == "online")

    def incoming(self) -> list[dict[str, Any]]:
        return list(self.client.statuses.getIncomingStatuses(60).data)

    def outgoing(self) -> list[dict[str, Any]]:
        return list(self.client.statuses.getOutgoingStatuses(60).data)

    def viewers(self, status_id: str) -> dict[str, str]:
        rows = self.client.statuses.getStatusStatistic(status_id).data
        return {row["participant"]: row["status"] for row in rows}

    def contacts(self) -> dict[str, str]:
        return {
            one["id"]: one["contactName"]
            for one in self.client.serviceMethods.getContacts().data
        }

    def post(self, words: str) -> str:
        """Post a text to all contacts; returns its id once it is out."""
        told = self.client.statuses.sendTextStatus(words, "#228B22", "NORICAN_REGULAR").data
        return self.until_sent(told["idMessage"])

    def until_sent(self, status_id: str) -> str:
        until(lambda: self.ask("GET", "getStatus", status_id)["sentAt"], "acknowledgement")
        return status_id

    def ask(self, verb: str, method: str, status_id: str, **more: str) -> Any:
        """One of our own methods, which the official client does not have."""
        named = {"idMessage": status_id, **more}
        answer = requests.request(
            verb,
            f"{self.running.url}/waInstance{self.id}/{method}/{self.token}",
            params=named if verb == "GET" else None,
            json=None if verb == "GET" else named,
            timeout=20,
        )
        assert answer.status_code == 200, answer.text
        return answer.json()

    def row(self, viewer: Person, status_id: str) -> dict[str, Any]:
        """What this viewer did with a status."""
        items = self.ask("GET", "getStatusViewers", status_id)["items"]
        (row,) = [one for one in items if one["participant"] == f"{viewer.phone}@c.us"]
        return dict(row)

    def view(self, status_id: str) -> None:
        """Look at an incoming status, for its author to see."""
        assert self.ask("POST", "readStatus", status_id) == {"readStatus": True}


@pytest.fixture
def fake(tmp_path: Path) -> Iterator[FakeWhatsApp]:
    with FakeWhatsApp(tmp_path / "whatsapp") as server:
        server.quick_pairing()
        yield server
        assert server.violations() == []


def make_account(running: Running, person: Person) -> Account:
    answer = requests.post(
        f"{running.url}/partner/createInstance/{ADMIN_TOKEN}", json={}, timeout=10
    )
    made = answer.json()
    return Account(running, person, made["idInstance"], made["apiTokenInstance"])


def test_two_accounts_post_view_and_know_it(fake: FakeWhatsApp, tmp_path: Path) -> None:
    one, other = people(900, 2)
    folder = tmp_path / "gateway"
    folder.mkdir()
    with ExitStack() as stack, Running(fake, folder) as running:
        a, b = make_account(running, one), make_account(running, other)
        a.link(fake, [other])
        b.link(fake, [one])
        until(lambda: a.contacts().get(f"{other.phone}@c.us"), "contact of A")
        until(lambda: b.contacts().get(f"{one.phone}@c.us"), "contact of B")

        hook = stack.enter_context(RecordingReceiver())
        b.client.account.setSettings({"webhookUrl": hook.url, "statusWebhook": "yes"})
        status_id = a.post("Good morning from A")
        (push,) = until(lambda: list(hook.got), "the webhook at B")
        told = notified.strictly(push.body)
        assert isinstance(told, notified.Incoming)
        assert told.senderData.sender == f"{one.phone}@c.us"
        assert told.instanceData.wid == f"{other.phone}@c.us"
        (item,) = until(b.incoming, "status at B")
        assert item["textMessage"] == "Good morning from A"
        assert item["extendedTextMessage"] == {
            "text": "Good morning from A",
            "backgroundColor": "#228B22",
            "font": "NORICAN_REGULAR",
        }
        assert item["chatId"] == item["senderId"] == f"{one.phone}@c.us"
        assert item["senderContactName"] == f"Name {one.phone[-3:]}"

        viewer = f"{other.phone}@c.us"
        until(lambda: a.viewers(status_id).get(viewer) == "delivered", "delivered at A")
        b.view(item["idMessage"])
        until(lambda: a.viewers(status_id).get(viewer) == "read", "read at A")
        author = {"chatId": f"{one.phone}@c.us"}
        for emoji, shown in (("💚", "💚"), ("", None)):
            b.ask("POST", "sendStatusReaction", item["idMessage"], **author, reaction=emoji)
            until(lambda: a.row(other, status_id)["reaction"] == shown, f"like {shown} at A")  # noqa: B023
        b.ask("POST", "sendStatusReply", item["idMessage"], **author, message="Good morning, A")
        until(lambda: a.row(other, status_id)["repliedAt"], "reply at A")
        (mine,) = a.outgoing()
        assert (mine["idMessage"], mine["statusMessage"]) == (status_id, "read")
        assert mine["sendByApi"] is True
        assert mine["chatId"] == f"{one.phone}@c.us"
        tokens = (a.token, b.token)

    with Running(fake, folder) as running:  # restart: no pairing again, nothing forgotten
        a = Account(running, one, a.id, tokens[0])
        b = Account(running, other, b.id, tokens[1])
        until(lambda: a.is_online() and b.is_online(), "both online again")
        assert a.state() == b.state() == "authorized"
        assert a.viewers(status_id) == {viewer: "read"}
        second = a.post("Still here")
        until(lambda: len(b.incoming()) == 2, "the second status at B")
        until(lambda: a.viewers(second).get(viewer) == "delivered", "delivered again")


def test_the_installed_command_names_the_engine(tmp_path: Path) -> None:
    """A neonize instance without WhatsApp in reach: linking says so, nothing hangs."""
    with ServerProcess(tmp_path, STATUSGATE_PROXY="http://127.0.0.1:9") as server:
        account = server.create_instance(engine="neonize")
        assert account.get("getStateInstance").json() == {"stateInstance": "notAuthorized"}
        told = account.get("qr").json()
        assert told["type"] == "error"
        assert account.post("simulate", []).status == 404
        assert server.stop() == 0
