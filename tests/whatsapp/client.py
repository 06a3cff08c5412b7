"""The tests' end of the fake WhatsApp server: start it, steer it, ask it. Never loads neonize.

Calls block for a few milliseconds; from a test whose event loop also runs the gateway, use
`asyncio.to_thread(fake.scan, ...)` for the ones that wait for an engine (`scan`, `enter_code`).
"""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

from tests.whatsapp.history import Record

REPOSITORY = Path(__file__).resolve().parents[2]
ROOT_KEY = "STATUSGATE_TEST_ROOT_KEY"
CONTACTS = "STATUSGATE_TEST_CONTACTS"
SEEDED = ".seeded"
"""beside the file of contacts: which version of it an engine knows"""
RECEIVED = "STATUSGATE_TEST_RECEIVED"

Addressing = Literal["pn", "lid"]
End = Literal["close", "rst", "midframe", "silent"]
Found = TypeVar("Found")


class ControlError(Exception):
    """The server refused an operation."""


@dataclass(frozen=True, slots=True)
class Person:
    """A number and its hidden number; digits only."""

    phone: str
    lid: str

    def address(self, by: Addressing = "pn") -> str:
        return f"{self.lid}@lid" if by == "lid" else f"{self.phone}@s.whatsapp.net"

    def device(self, number: int) -> str:
        """The address by which operations name a companion of this person."""
        return f"{self.phone}:{number}@s.whatsapp.net"


def people(first: int, count: int) -> list[Person]:
    """Made-up persons with consecutive numbers."""
    return [
        Person(str(79_000_000_000 + n), str(222_000_000_000_000 + n))
        for n in range(first, first + count)
    ]


def version_of(path: Path) -> str:
    """What changes when the file is written again."""
    status = path.stat()
    return f"{status.st_ino} {status.st_mtime_ns}"


def is_seeded(path: Path) -> bool:
    """Whether an engine knows the contacts of the file as it is now."""
    seeded = path.with_suffix(SEEDED)
    return seeded.exists() and seeded.read_text() == version_of(path)


class FakeWhatsApp:
    """One server process."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        self.received = directory / "received.jsonl"
        """what workers decrypted of media, beyond what the gateway keeps"""
        with (directory / "server.log").open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.whatsapp.server", "--directory", str(directory)],
                cwd=REPOSITORY,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
            )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            told = (directory / "server.log").read_text(errors="replace")
            raise RuntimeError(f"the fake WhatsApp server did not start:\n{told}")
        ready = json.loads(line)
        self.proxy: str = ready["proxy"]
        self.ca = Path(ready["ca"])
        self.root_key: str = ready["root_key"]
        self.history_file = Path(ready["history"])
        self._port: int = ready["control"]
        self.control = f"http://127.0.0.1:{self._port}"

    def __enter__(self) -> FakeWhatsApp:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """End the process; safe to repeat."""
        process = self._process
        if process.stdin is not None:
            process.stdin.close()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()

    def environment(self, contacts: Path | None = None) -> dict[str, str]:
        """What a process of accounts needs to trust this server, and whom they shall know.

        A `*` in *contacts* stands for the name of an account's folder.
        """
        env = {"SSL_CERT_FILE": str(self.ca), ROOT_KEY: self.root_key}
        env[RECEIVED] = str(self.received)
        path = os.pathsep.join(filter(None, (str(REPOSITORY), os.environ.get("PYTHONPATH"))))
        env["PYTHONPATH"] = path
        env |= {name: text for name, text in os.environ.items() if name.startswith("COVERAGE")}
        if contacts is not None:
            env[CONTACTS] = str(contacts)
        return env

    # ------------------------------------------------------------ people and pairing

    def account(
        self,
        person: Person,
        *,
        name: str | None = None,
        privacy: Literal["contacts", "whitelist", "blacklist"] | None = None,
        listed: Iterable[str] = (),
        read_receipts: Literal["all", "none"] | None = None,
    ) -> Record:
        """Open or change an account; `listed` are addresses for a white or black list."""
        return self._record(
            "account",
            phone=person.phone,
            lid=person.lid,
            name=name,
            privacy=privacy,
            people=list(listed),
            read_receipts=read_receipts,
        )

    def rename(self, person: Person, contacts: Iterable[tuple[str, str | None, str]]) -> None:
        """Have the person's phone name contacts: (address, hidden number's address, name)."""
        self._call("rename", phone=person.phone, contacts=[list(each) for each in contacts])

    def app_state_key(self, person: Person) -> Record:
        """`{"id", "key"}` in hex: what an engine as the phone shares with companions."""
        return self._record("app_state_key", phone=person.phone)

    def generate_contacts(self, first: int, count: int) -> list[Person]:
        """Contacts without engines, each a phone with keys: `people(first, count)`."""
        made = people(first, count)
        if made:
            self._call(
                "generate_contacts",
                first_phone=int(made[0].phone),
                first_lid=int(made[0].lid),
                count=count,
            )
        return made

    def scan(self, qr: str, person: Person, device: int = 1, name: str | None = None) -> str:
        """Pair the companion that shows this QR; its address comes back."""
        return self._pair("scan", {"qr": qr}, person, device, name)

    def enter_code(
        self, code: str, person: Person, device: int = 1, name: str | None = None
    ) -> str:
        """Pair the companion that shows this code."""
        return self._pair("enter_code", {"code": code}, person, device, name)

    def link(
        self, person: Person, store: Path, device: int = 1, name: str | None = None
    ) -> str:
        """Make a companion that is linked already, its session store the new file *store*."""
        found = self._record(
            "link",
            phone=person.phone,
            lid=person.lid,
            device=device,
            store=str(store.absolute()),
            name=name,
        )
        return str(found["jid"])

    def quick_pairing(self, on: bool = True) -> None:
        """New companions upload 50 one-time keys, not 812 (each is a write to their disk)."""
        self._call("quick_pairing", on=on)

    def use_up_keys(self, device: str, left: int = 0) -> None:
        """Hand out one-time keys to nobody until `left` remain."""
        self._call("use_up_keys", device=device, left=left)

    # ------------------------------------------------------------ faults

    def fault(
        self, name: str, device: str | None = None, times: int | None = None, **params: Any
    ) -> None:
        """Switch a fault on (README.md lists them) for a device, a person or everyone."""
        self._call("fault", name=name, device=device, times=times, params=params)

    def clear_faults(self, name: str | None = None) -> None:
        self._call("clear_faults", name=name)

    def drop(self, device: str, how: End = "rst") -> None:
        self._call("drop", device=device, how=how)

    def replaced(self, device: str) -> None:
        self._call("replaced", device=device)

    def removed(self, device: str) -> None:
        self._call("removed", device=device)

    def stream_error(self, device: str, code: int | None = None) -> None:
        """Without a code: the error of a bad status, after which the server stays silent."""
        self._call("stream_error", device=device, code=None if code is None else str(code))

    def undecryptable(
        self,
        device: str,
        author: str,
        message_id: str,
        *,
        kind: Literal["random", "no_sender_key"] = "random",
        front: bool = False,
        hide: bool = False,
    ) -> None:
        """Queue a message to statuses that cannot be read.

        `front` puts it before all that waits; `hide` marks it as not worth a placeholder (a
        like, say).
        """
        self._call(
            "undecryptable",
            device=device,
            author=author,
            kind=kind,
            message_id=message_id,
            front=front,
            hide=hide,
        )

    # ------------------------------------------------------------ stanzas

    def push(self, device: str, stanza: Record, *, tracked: bool = True) -> None:
        """Any node: `{"tag", "attrs", "children" | "hex"}`; `@` before a value: an address."""
        self._call("push", device=device, stanza=stanza, tracked=tracked)

    def receipts(
        self,
        device: str,
        ids: str | Sequence[str],
        viewers: Iterable[Person],
        kind: Literal["", "read", "played", "inactive", "sender", "read-self"] = "",
        *,
        by: Addressing = "pn",
        both: bool = True,
        at: int | None = None,
        grouped: bool = False,
    ) -> int:
        """Receipts of people without engines, `""` is delivered; `both`: tell the other form.

        `grouped` puts all of them into one stanza (one id, no other form).
        """
        other: Addressing = "lid" if by == "pn" else "pn"
        shown = [
            [person.address(by), person.address(other) if both else None] for person in viewers
        ]
        ids = [ids] if isinstance(ids, str) else list(ids)
        found = self._record(
            "receipts",
            device=device,
            ids=ids,
            viewers=shown,
            kind=kind,
            at=at,
            grouped=grouped,
        )
        return int(found["count"])

    # ------------------------------------------------------------ questions

    def state(self) -> Record:
        return self._record("state")

    def device(self, device: str) -> Record | None:
        """`{"jid", "connected", "waiting", "keys"}` of a companion; None when unknown."""
        for account in self.state()["accounts"]:
            for found in account["devices"]:
                if found["jid"] == device:
                    return dict(found)
        return None

    def connected(self, device: str) -> bool:
        found = self.device(device)
        return found is not None and bool(found["connected"])

    def posts(self, after: int = 0, device: str | None = None) -> list[Record]:
        """Messages of clients: id, device, to, type, edit, recipients, error, t."""
        return self._records("posts", after=after, device=device)

    def history(
        self, after: int = 0, event: str | None = None, device: str | None = None
    ) -> list[Record]:
        """Numbered records: connected, login, paired, received, queued, sent, acked …"""
        return self._records("history", after=after, event=event, device=device)

    def violations(self, *, take: bool = False) -> list[Record]:
        """Rules that were broken; `take` empties the list."""
        return self._records("violations", take=take)

    def require_lawful(self) -> None:
        """Switch all faults off; AssertionError if a rule was broken meanwhile."""
        self.clear_faults()
        broken = self.violations(take=True)
        assert not broken, broken

    def remember(self, most: int) -> None:
        """Have `history` go back so many records and no further, for long trials."""
        self._call("remember", most=most)

    def ack_deadline(self, seconds: float) -> None:
        """How long a connected device may leave a stanza unacknowledged (10 s)."""
        self._call("ack_deadline", seconds=seconds)

    # ------------------------------------------------------------ the wire

    def _pair(
        self, operation: str, proof: Record, person: Person, device: int, name: str | None
    ) -> str:
        found = self._record(
            operation, **proof, phone=person.phone, lid=person.lid, device=device, name=name
        )
        return str(found["jid"])

    def _record(self, operation: str, **params: Any) -> Record:
        found = self._call(operation, **params)
        assert isinstance(found, dict)
        return found

    def _records(self, operation: str, **params: Any) -> list[Record]:
        found = self._call(operation, **params)
        assert isinstance(found, list)
        return found

    def _call(self, operation: str, **params: Any) -> Any:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
        try:
            connection.request("POST", f"/{operation}", json.dumps(params))
            answer = json.loads(connection.getresponse().read())
        finally:
            connection.close()
        if "error" in answer:
            raise ControlError(answer["error"])
        return answer.get("result")
