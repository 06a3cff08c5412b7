"""The rules themselves: each breach is noticed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest

from tests.waiting import until
from tests.whatsapp import keys, routing
from tests.whatsapp.accounts import Device
from tests.whatsapp.client import FakeWhatsApp
from tests.whatsapp.engines import EngineError, RawEngine
from tests.whatsapp.history import History
from tests.whatsapp.jids import PHONES, STATUS, Jid
from tests.whatsapp.nodes import Attrs, Node, Tables, node
from tests.whatsapp.world import World

if TYPE_CHECKING:
    from tests.whatsapp.chat import Connection


class Line:
    """Stands in for a connection: keeps what is sent."""

    def __init__(self, world: World, device: Device) -> None:
        self.world, self.jid, self.number, self.sent = world, device.jid, 1, list[Node]()

    def send(self, item: Node) -> None:
        self.sent.append(item)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(Tables((), ()), History(tmp_path / "history.jsonl"), tmp_path)
    yield made
    made.history.close()


@pytest.fixture
def device(world: World) -> Device:
    """A companion without keys yet."""
    account = world.accounts.open("7901", "2201")
    account.devices[1] = Device(account, 1, identity=b"i" * 32)
    return account.devices[1]


def line(world: World, device: Device) -> Connection:
    return cast("Connection", Line(world, device))


def broken(world: World) -> list[str]:
    return [each["rule"] for each in world.history.violations(take=True)]


def upload(identity: bytes, values: list[bytes]) -> Node:
    one_time = [node("key", content=[node("value", content=value)]) for value in values]
    return node(
        "iq",
        content=[
            node("registration", content=b"1234"),
            node("type", content=b"\x05"),
            node("identity", content=identity),
            node("list", content=one_time),
            node("skey"),
        ],
    )


def test_a_one_time_key_is_handed_out_once_even_if_it_is_uploaded_twice(
    world: World, device: Device
) -> None:
    keys.upload_keys(line(world, device), device, upload(device.identity, [b"a", b"b"]))
    first = keys.take_one_time_key(world, device)
    assert first is not None
    keys.upload_keys(line(world, device), device, upload(device.identity, [b"a", b"c"]))
    values = []
    while key := keys.take_one_time_key(world, device):
        value = key.child("value")
        values.append(value.data if value else b"")
    assert values == [b"b", b"c"]
    assert broken(world) == ["one_time_key_twice"]


def test_keys_of_another_identity_are_not_taken(world: World, device: Device) -> None:
    keys.upload_keys(line(world, device), device, upload(b"x" * 32, [b"a"]))
    assert device.bundle is None
    assert broken(world) == ["bad_key_upload"]


def test_a_generated_contact_has_lasting_keys_only(world: World, device: Device) -> None:
    world.accounts.generate("7902", "2202")
    wanted = [node("user", {"jid": Jid("7902")}), node("user", {"jid": Jid("7999")})]
    question = node("iq", content=[node("key", content=wanted)])
    answer = keys.hand_out_keys(line(world, device), device, question)
    assert answer is not None
    (user,) = answer[0].children
    assert [each.tag for each in user.children] == ["registration", "type", "identity", "skey"]


@pytest.mark.parametrize(
    "jid",
    [
        pytest.param(Jid("7999"), id="nobody"),
        pytest.param(Jid("7902", device=4), id="no such device"),
        pytest.param(Jid("7901", device=1), id="the sender"),
    ],
)
def test_a_post_to_an_unknown_device_is_a_violation(
    world: World, device: Device, jid: Jid
) -> None:
    world.accounts.generate("7902", "2202")
    wanted = [node("to", {"jid": each}) for each in (jid, Jid("7902"))]
    message = node("message", {"id": "A", "to": STATUS}, [node("participants", content=wanted)])
    routing.on_message(line(world, device), device, message)
    assert world.posts[0]["recipients"] == ["7902@s.whatsapp.net"]
    assert broken(world) == ["to_unknown_device"]


def test_a_person_named_without_ciphertext_means_each_device_that_holds_the_key(
    world: World, device: Device
) -> None:
    viewer = world.accounts.open("7903", "2203")
    for number in (1, 2, 3):
        viewer.devices[number] = Device(viewer, number)

    def post(message_id: str, to: list[Node]) -> object:
        participants = [node("participants", content=to), node("enc", {"type": "skmsg"}, b"x")]
        message = node("message", {"id": message_id, "to": STATUS}, participants)
        routing.on_message(line(world, device), device, message)
        return world.posts[-1]["recipients"]

    key = [node("enc", {"type": "pkmsg"}, b"k")]
    first = [node("to", {"jid": Jid("7903", device=number)}, key) for number in (1, 3)]
    post("A", first)
    assert post("B", [node("to", {"jid": Jid("7903")})]) == [
        "7903:1@s.whatsapp.net",
        "7903:3@s.whatsapp.net",
    ]


def test_only_the_named_device_is_asked_to_retry(world: World, device: Device) -> None:
    """A retry goes to the device which sent, other receipts to all companions."""
    account = device.account
    account.devices[2] = Device(account, 2)
    viewer = world.accounts.open("7903", "2203")
    viewer.devices[1] = Device(viewer, 1)
    viewer.devices[1].received[account.phone, "A"] = {PHONES}
    for kind in ("retry", "read"):
        attrs: Attrs = {"id": "A", "to": STATUS, "participant": device.jid, "type": kind}
        routing.on_receipt(
            line(world, viewer.devices[1]), viewer.devices[1], node("receipt", attrs)
        )
    told = [[entry.stanza.text("type") for entry in each.queue] for each in account.companions]
    assert told == [["retry", "read"], ["read"]]
    assert broken(world) == []


@pytest.mark.e2e
def test_an_unknown_question_is_a_violation(fake: FakeWhatsApp, third: RawEngine) -> None:
    with pytest.raises(EngineError, match="missing <qr>"):
        third.call("contact_link")
    (found,) = until(lambda: fake.violations(take=True))
    assert (found["rule"], found["node"]["attrs"]["xmlns"]) == ("unknown_iq", "w:qr")


@pytest.mark.e2e
def test_an_unknown_stanza_is_a_violation(fake: FakeWhatsApp, third: RawEngine) -> None:
    third.call("typing", phone="79000000001")
    (found,) = until(lambda: fake.violations(take=True))
    assert (found["rule"], found["node"]["tag"]) == ("unknown_stanza", "chatstate")
