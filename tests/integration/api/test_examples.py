"""The examples of the contract against real answers: the same keys, the same types."""

import json
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

from statusgate.api.method import Method
from statusgate.api.methods import METHODS, PARTNER_METHODS
from statusgate.api.openapi import examples
from tests.integration.api.running import ADMIN, Reply, Running, Tenant
from tests.waiting import eventually

EXAMPLES = examples()
STRANGER = "79001234567@c.us"
ELSEWHERE = {
    "simulate", "uploadFile", "testWebhook", "scanqrcode", "events", "exportStatuses",
}  # fmt: skip
"""asked before the others, in need of a receiver, or no request with one answer"""
LAST = ["clearMessagesQueue", "clearWebhooksQueue", "reboot", "logout", "updateApiToken"]
"""what takes away what the other methods show"""


def differences(example: Any, real: Any, place: str = "") -> Iterator[str]:
    """Where a real answer has other keys or types than an example.

    null fits everything; lists are compared as far as both go.
    """
    if example is None or real is None:
        return
    if type(example) is not type(real):
        yield f"{place}: {example!r} and {real!r}"
    elif isinstance(example, dict):
        if example.keys() != real.keys():
            yield f"{place}: {sorted(example.keys() ^ real.keys())}"
        for name in example.keys() & real.keys():
            yield from differences(example[name], real[name], f"{place}.{name}")
    elif isinstance(example, list):
        for index, (one, other) in enumerate(_pairs(example, real)):
            yield from differences(one, other, f"{place}[{index}]")


def _pairs(example: list[Any], real: list[Any]) -> Iterator[tuple[Any, Any]]:
    """Statuses with those of the same type; anything else by its place."""
    for one, other in zip(example, real, strict=False):
        if isinstance(one, dict) and "typeMessage" in one:
            kind = one["typeMessage"]
            yield one, next(each for each in real if each["typeMessage"] == kind)
        else:
            yield one, other


def test_a_difference_is_found() -> None:
    assert not [*differences({"a": [1, 2], "b": None}, {"a": [3], "b": "x"})]
    assert [*differences({"a": 1}, {"a": "1"})] == [".a: 1 and '1'"]
    assert [*differences([{"a": 1}], [{"b": 1}])] == ["[0]: ['a', 'b']"]


class Account:
    """A sandbox account that has something of everything."""

    def __init__(self, tenant: Tenant) -> None:
        self.tenant = tenant
        self.asked: dict[str, dict[str, Any]] = {}
        """what requests ask for in the place of the example's"""

    async def fill(self) -> None:
        """Post, receive, view, react and answer as the examples have it."""
        tenant = self.tenant
        await self._simulated(EXAMPLES["simulate.request"])
        await tenant.post("setSettings", {"stateWebhook": "yes"})
        await self._simulated(
            [
                {"event": "incomingStatus", "from": STRANGER, "type": "text", "text": "Hi",
                 "timestamp": int(time.time()) - 60, "idMessage": "TEXT"},
                {"event": "incomingStatus", "from": STRANGER, "type": "image",
                 "idMessage": "IMAGE"},
                {"event": "state", "state": "blocked"},
                {"event": "state", "state": "authorized"},
            ]
        )  # fmt: skip
        sent = (await tenant.post("sendTextStatus", {"message": "Hi"})).json()["idMessage"]

        async def published() -> bool:
            found = await tenant.get("getStatus", f"idMessage={sent}")
            return bool(found.json()["statusMessage"] == "sent")

        await eventually(published, "published")
        seen = {"idMessage": sent, "participant": STRANGER}
        await self._simulated(
            [
                {"event": "reaction", "reaction": "💚", **seen},
                {"event": "reply", "text": "Nice", **seen},
            ]
        )
        later = {"sendAt": int(time.time()) + 86_400}
        stored = await tenant.post("uploadFile", b"a file")
        file = {"urlFile": stored.json()["urlFile"], **later}
        incoming = {"idMessage": "TEXT", "chatId": STRANGER}
        self.asked = {
            "sendTextStatus": later,
            **dict.fromkeys(["sendVoiceStatus", "sendMediaStatus"], file),
            **dict.fromkeys(["sendStatusReaction", "sendStatusReply"], incoming),
            **dict.fromkeys(["getMessage", "readStatus"], incoming),
            "downloadFile": {"idMessage": "IMAGE", "chatId": STRANGER},
            "setSettings": {"webhookUrl": ""},
            **{
                name: {"idMessage": sent}
                for name in (
                    "getStatus",
                    "getStatusStatistic",
                    "getStatusReport",
                    "getStatusViewers",
                    "getStatusReactions",
                    "getStatusReplies",
                )
            },
        }

    async def ask(self, method: Method) -> Reply:
        """Call a method as its example does."""
        given = EXAMPLES.get(f"{method.name}.request", {}) | self.asked.get(method.name, {})
        if method.verb == "POST":
            return await self.tenant.post(method.name, given)
        if method.verb == "GET":
            return await self.tenant.get(method.name, urlencode(given))
        tail = f"/{given[method.tail]}" if method.tail else ""
        target = f"{self.tenant.path(method.name)}{tail}"
        return await self.tenant.running.request(method.verb, target)

    async def _simulated(self, events: list[dict[str, Any]]) -> None:
        reply = await self.tenant.post("simulate", events)
        assert reply.json() == {"accepted": len(events)}


async def test_every_example_has_the_shape_of_the_real_answer(running: Running) -> None:
    account = Account(await running.create(name="shop"))
    await account.fill()
    asked = [one for one in METHODS if one.name in EXAMPLES.keys() - ELSEWHERE]
    for method in sorted(
        asked, key=lambda one: LAST.index(one.name) if one.name in LAST else -1
    ):
        reply = await account.ask(method)
        assert reply.code == 200, (method.name, reply.body)
        assert [*differences(EXAMPLES[method.name], reply.json())] == [], method.name


async def test_the_example_of_an_export_has_its_columns_and_is_of_its_request(
    tenant: Tenant,
) -> None:
    query = urlencode(EXAMPLES["exportStatuses.request"])
    real = (await tenant.get("exportStatuses", query)).body.decode()
    header, row, end = EXAMPLES["exportStatuses"].split("\r\n")
    assert header in real
    assert len(row.split(",")) == len(header.split(","))
    assert end == ""


async def test_every_example_of_a_partner_method_has_the_shape_of_the_real_answer(
    running: Running,
) -> None:
    made = (await running.create()).id
    for method in PARTNER_METHODS:
        given = EXAMPLES.get(f"{method.name}.request", {})
        if method.name == "deleteInstanceAccount":
            given = {"idInstance": made}
        target, body = f"/partner/{method.name}/{ADMIN}", json.dumps(given).encode()
        reply = await running.request(method.verb, target, body)
        assert [*differences(EXAMPLES[method.name], reply.json())] == [], method.name
