"""The contract's page against the gateway: its examples and its table of methods.

Answers: every example is exactly one of ours, key for key. Requests: every example is taken.
"""

import re
from typing import Any

import msgspec
import pytest

from statusgate.accounts.linking import AccountData
from statusgate.api.method import Method
from statusgate.api.methods import METHODS, PARTNER_METHODS
from statusgate.api.openapi import examples
from statusgate.api.reference import contract_examples
from statusgate.domain import outbox
from statusgate.domain.audience import Reason
from statusgate.domain.media_types import extensions
from statusgate.domain.outbox import Draft
from statusgate.domain.script import Met, Moved, Posted, Reacted, Replied, Viewed, Withdrawn
from statusgate.domain.status import FailureReason, Font, Kind
from statusgate.wire.errors import ErrorBody
from statusgate.wire.fields import reader
from statusgate.wire.publishing import (
    SendMediaRequest,
    SendReactionRequest,
    SendReplyRequest,
    SendTextRequest,
)
from statusgate.wire.settings import SettingsAnswer, read_settings_change
from statusgate.wire.simulation import script_from_json
from tests.docs.pages import ROOT, headings, prose
from tests.notified import strictly

CONTRACT = ROOT / "docs/reference/contract.md"
TEXT = prose(CONTRACT)
EXAMPLES = {
    name: msgspec.json.encode(value)
    for name, value in contract_examples(CONTRACT.read_text()).items()
}
ALL_METHODS = (*METHODS, *PARTNER_METHODS)
ANSWERS: dict[str, Any] = {
    **{method.name: method.answer for method in ALL_METHODS},
    "error": ErrorBody,
    "scanqrcode.accountData": AccountData,
}
NOTIFICATIONS = [name for name in EXAMPLES if name.startswith("notification.")]
STREAMED = [method.name for method in METHODS if method.streams]
REQUESTS = [name for name in EXAMPLES if name.endswith(".request")]


def test_every_method_of_the_gateway_is_in_the_table_of_section_14_and_no_other() -> None:
    rows = re.findall(
        r"^\| (\w+)(?: \(.*\))? \| (\w+) \|.*\| (\w+)[^|]* \| (\d+|–) \|$", TEXT, re.M
    )
    assert {name: (verb.upper(), kind, rate) for name, verb, kind, rate in rows} == {
        method.name: (method.verb, method.kind, str(method.rate or "–")) for method in METHODS
    }
    partner = re.findall(r"^\| `/partner/(\w+)/.*?` \| (\w+) \|.* – \|$", TEXT, re.M)
    assert dict(partner) == {method.name: method.verb for method in PARTNER_METHODS}


def test_the_section_that_a_method_names_is_one_of_the_contract() -> None:
    numbers = {heading.split()[0].rstrip(".") for heading in headings(CONTRACT)}
    assert {method.section for method in (*METHODS, *PARTNER_METHODS)} <= numbers


def section(number: str) -> str:
    """The text of a section, up to the next heading."""
    found = re.search(rf"^#+ {re.escape(number)} .*\n((?:(?!#).*\n)*)", TEXT, re.M)
    assert found, number
    return found[1]


def test_the_file_extensions_of_section_3_4_are_those_that_are_accepted() -> None:
    for kind, word in (("image", "Pictures"), ("video", "Videos")):
        named = re.search(rf"{word}: `([a-z0-9 ]+)`", section("3.4"))
        assert named
        assert sorted(named[1].split()) == extensions(kind)


def test_the_reasons_of_a_failure_are_those_of_section_3_5() -> None:
    named = re.findall(r"^\| `(\w+)` \|", section("3.5"), re.M)
    assert sorted(named) == sorted(FailureReason)


def test_the_reasons_of_an_exclusion_are_those_of_section_12_5() -> None:
    named = re.findall(r"`(\w+)`", section("12.5").partition("`reason`: ")[2])
    assert set(named) - {"max_audience"} == set(Reason)


def test_the_settings_of_section_4_2_are_those_that_an_instance_has() -> None:
    rows = re.findall(r"^\| (\w[\w, ]*) \| ", section("4.2"), re.M)
    named = {name for row in rows for name in row.split(", ")} - {"key"}
    assert named == set(SettingsAnswer.__struct_encode_fields__)


@pytest.mark.parametrize(
    "name", sorted(EXAMPLES.keys() - {*REQUESTS, *NOTIFICATIONS, *STREAMED})
)
def test_an_example_of_an_answer_is_one_of_ours(name: str) -> None:
    ours = msgspec.json.decode(EXAMPLES[name], type=ANSWERS[name])
    assert msgspec.json.decode(msgspec.json.encode(ours)) == msgspec.json.decode(EXAMPLES[name])


@pytest.mark.parametrize("method", ALL_METHODS, ids=lambda method: method.name)
def test_every_method_has_examples_and_takes_its_own(method: Method) -> None:
    if (method.answer is not None or method.streams) and method.verb != "WEBSOCKET":
        assert method.name in EXAMPLES
    if method.read is not None:
        method.read(msgspec.json.decode(EXAMPLES[f"{method.name}.request"]))


def test_the_package_has_the_examples_of_the_contract() -> None:
    assert examples() == contract_examples(CONTRACT.read_text()), (
        "run python -m statusgate.api.reference"
    )


def test_every_example_belongs_to_something() -> None:
    known = {*ANSWERS, *NOTIFICATIONS, *(f"{method.name}.request" for method in ALL_METHODS)}
    assert EXAMPLES.keys() <= known


@pytest.mark.parametrize("name", NOTIFICATIONS)
def test_an_example_of_a_notification_is_one_that_a_strict_client_reads(name: str) -> None:
    assert strictly(EXAMPLES[name]) is not None


def test_the_example_of_settings_is_taken() -> None:
    assert read_settings_change(msgspec.json.decode(EXAMPLES["setSettings.request"])) == {
        "webhook_url": "https://app.example.org/hook",
        "webhook_url_token": "s3cret",
        "outgoing_webhook": True,
        "state_webhook": True,
        "status_webhook": True,
        "delay_send_messages_milliseconds": 1000,
    }


def test_the_examples_of_statuses_are_taken() -> None:
    text = reader(SendTextRequest)(msgspec.json.decode(EXAMPLES["sendTextStatus.request"]))
    assert text.draft == Draft(
        text="I use statusgate!",
        background=0x228B22,
        font=Font.SERIF.value,
        participants=("70000001234@c.us", "440000001234@c.us"),
    )
    media = reader(SendMediaRequest)(msgspec.json.decode(EXAMPLES["sendMediaStatus.request"]))
    assert media.draft == Draft(
        method=outbox.Method.MEDIA,
        kind=Kind.IMAGE,
        text="Little horse",
        url="https://my.example.org/img/horse.png",
        file_name="horse.png",
    )


def test_the_examples_of_answers_are_taken() -> None:
    reaction = reader(SendReactionRequest)(
        msgspec.json.decode(EXAMPLES["sendStatusReaction.request"])
    )
    reply = reader(SendReplyRequest)(msgspec.json.decode(EXAMPLES["sendStatusReply.request"]))
    assert (reaction.draft.method, reaction.draft.text) == (outbox.Method.REACTION, "💚")
    assert (reply.draft.method, reply.draft.text) == (outbox.Method.REPLY, "Where is that?")


def test_the_example_of_a_script_is_taken() -> None:
    events = script_from_json(msgspec.json.decode(EXAMPLES["simulate.request"]))
    kinds = [Moved, Met, Posted, Posted, Viewed, Reacted, Replied, Withdrawn]
    assert [type(event) for event in events] == kinds
