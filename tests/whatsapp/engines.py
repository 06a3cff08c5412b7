"""The tests' end of `raw_engine.py`: an unmodified client in a process, and its events."""

from __future__ import annotations

import base64
import itertools
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from tests.waiting import until
from tests.whatsapp.client import REPOSITORY, FakeWhatsApp, Person

Event = dict[str, Any]

DEADLINE = 30.0  # generous: a busy machine is no failure


class EngineError(Exception):
    """The library raised."""


class RawEngine:
    """One engine; `directory` keeps its session, so it can be stopped and started again."""

    command: tuple[str, ...] = (sys.executable, "-m", "tests.whatsapp.raw_engine")
    store = "store.db"

    def __init__(self, fake: FakeWhatsApp, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.fake, self.directory = fake, directory
        self.person = Person("", "")
        self.jid = ""
        self.events: list[Event] = []
        self._numbers = itertools.count(1)
        self._answers: dict[int, Event] = {}
        self._arrived = threading.Condition()
        self._process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        env = {**os.environ, **self.environment()}
        env |= {"FAKE_PROXY": self.fake.proxy, "FAKE_STORE": str(self.directory / self.store)}
        with (self.directory / "engine.log").open("ab") as log:
            process = subprocess.Popen(
                self.command,
                cwd=REPOSITORY,
                env=env,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
            )
        threading.Thread(target=self._read, args=(process,), daemon=True).start()
        return process

    def environment(self) -> dict[str, str]:
        """What the process needs to trust the fake server."""
        return self.fake.environment()

    def _read(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            said = json.loads(line)
            with self._arrived:
                if "event" in said:
                    self.events.append(said)
                else:
                    self._answers[said["id"]] = said
                self._arrived.notify_all()

    # ------------------------------------------------------------ life

    def pair(self, person: Person, device: int = 1, name: str | None = None) -> str:
        """Connect, show a QR, have it scanned, wait until open."""
        self.call("connect")
        qr = self.wait("QR")["data"]
        self.person = person
        self.jid = self.fake.scan(qr, person, device, name)
        self.wait("ConnectedEv")
        return self.jid

    @property
    def ended(self) -> bool:
        """Whether the process has ended by itself."""
        return self._process.poll() is not None

    def log(self) -> str:
        """What the library and the process have printed."""
        return (self.directory / "engine.log").read_text(errors="replace")

    def kill(self) -> None:
        """SIGKILL, as a power cut would."""
        self._process.kill()
        self._end()

    def restart(self) -> None:
        """A new process on the same session; it connects, events begin afresh."""
        self.stop()
        self.events = []
        self._process = self._start()
        self.call("connect")

    def stop(self) -> None:
        if self._process.poll() is None:
            assert self._process.stdin is not None
            self._process.stdin.close()
        self._end()

    def _end(self) -> None:
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()

    # ------------------------------------------------------------ operations

    def begin(self, operation: str, **params: Any) -> int:
        """Start an operation; `result` waits for it."""
        number = next(self._numbers)
        assert self._process.stdin is not None
        line = json.dumps({"id": number, "op": operation, "p": params})
        self._process.stdin.write(line.encode() + b"\n")
        self._process.stdin.flush()
        return number

    def result(self, number: int, deadline: float = DEADLINE) -> Any:
        with self._arrived:
            if not self._arrived.wait_for(lambda: number in self._answers, deadline):
                raise AssertionError(f"no answer within {deadline} s")
            answer = self._answers.pop(number)
        if "error" in answer:
            raise EngineError(answer["error"])
        return answer["ok"]

    def call(self, operation: str, deadline: float = DEADLINE, **params: Any) -> Any:
        return self.result(self.begin(operation, **params), deadline)

    def post(self, text: str, **params: Any) -> str:
        """Post a text status; its id."""
        return str(self.call("post_text", text=text, **params)["id"])

    def post_file(self, kind: str, data: bytes, **params: Any) -> str:
        encoded = base64.b64encode(data).decode()
        return str(self.call(f"post_{kind}", data=encoded, **params)["id"])

    def know(self, *people: Person, by: str = "pn") -> None:
        """The audience is these people and nobody else."""
        server = "lid" if by == "lid" else "s.whatsapp.net"
        wanted = {(person.lid if by == "lid" else person.phone, server) for person in people}
        before = {tuple(address.split("@")) for address in self.call("contacts")}
        blanks = [(*address, "") for address in before - wanted]
        names = [(*address, f"Contact {address[0]}") for address in wanted]
        self.call("seed", contacts=blanks + names)

    # ------------------------------------------------------------ events

    def found(self, name: str, check: Callable[[Any], bool] | None = None) -> list[Event]:
        return [
            event
            for event in list(self.events)
            if event["event"] == name and (check is None or check(event["data"]))
        ]

    def wait(
        self, name: str, check: Callable[[Any], bool] | None = None, deadline: float = DEADLINE
    ) -> Event:
        """The first such event, which may have come already."""
        return until(lambda: self.found(name, check), name, deadline)[0]

    def message(self, message_id: str, deadline: float = DEADLINE) -> Event:
        """The content event of this message; the one with only a sender key is passed over."""

        def content(data: Event) -> bool:
            keys = set(data.get("Message", {})) - {"messageContextInfo"}
            same = data["Info"]["ID"] == message_id
            return same and bool(keys - {"senderKeyDistributionMessage"})

        found: Event = self.wait("MessageEv", content, deadline)["data"]
        return found

    def receipt(
        self, message_id: str, kind: str, viewer: str | None = None, deadline: float = DEADLINE
    ) -> Event:
        """The receipt of this kind (DELIVERED, READ …), of this viewer (a user)."""

        def fits(data: Event) -> bool:
            sender = data["MessageSource"]["Sender"]["User"]
            right = data.get("Type", "DELIVERED") == kind
            return right and message_id in data["MessageIDs"] and viewer in (None, sender)

        found: Event = self.wait("ReceiptEv", fits, deadline)["data"]
        return found

    def texts(self, since: int = 0) -> list[str]:
        """The texts of status messages in the order in which they came."""
        messages: Iterable[Event] = (
            event["data"].get("Message", {})
            for event in list(self.events)[since:]
            if event["event"] == "MessageEv"
        )
        return [
            each["extendedTextMessage"]["text"]
            for each in messages
            if "extendedTextMessage" in each
        ]
