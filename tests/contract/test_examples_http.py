"""The JSON examples of the contract, copied here, against the shapes that the gateway has.

Answers: every example is exactly one of ours, key for key. Requests: every example is taken.
"""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from statusgate.accounts.linking import AccountData
from statusgate.api.methods import METHODS
from statusgate.api.partner_methods import PARTNER_METHODS
from statusgate.domain.outbox import Draft, Method
from statusgate.domain.script import Met, Moved, Posted, Viewed, Withdrawn
from statusgate.domain.status import Font, Kind
from statusgate.wire.errors import ErrorBody
from statusgate.wire.fields import reader
from statusgate.wire.publishing import SendMediaRequest, SendTextRequest
from statusgate.wire.settings import read_settings_change
from statusgate.wire.simulation import script_from_json

FOLDER = Path(__file__).parent / "examples"
EXAMPLES = {path.stem: path.read_bytes() for path in sorted(FOLDER.glob("*.json"))}
ANSWERS: dict[str, Any] = {
    **{method.name: method.answer for method in (*METHODS, *PARTNER_METHODS)},
    "error": ErrorBody,
    "scanqrcode.accountData": AccountData,
}
REQUESTS = {
    "setSettings.request",
    "simulate.request",
    "sendTextStatus.request",
    "sendMediaStatus.request",
}


@pytest.mark.parametrize("name", [name for name in EXAMPLES if name not in REQUESTS])
def test_an_example_of_an_answer_is_one_of_ours(name: str) -> None:
    told = msgspec.json.decode(EXAMPLES[name])
    ours = msgspec.convert(told, ANSWERS[name])
    assert msgspec.json.decode(msgspec.json.encode(ours)) == told


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
        method=Method.MEDIA,
        kind=Kind.IMAGE,
        text="Little horse",
        url="https://my.example.org/img/horse.png",
        file_name="horse.png",
    )


def test_the_example_of_a_script_is_taken() -> None:
    events = script_from_json(msgspec.json.decode(EXAMPLES["simulate.request"]))
    assert [type(event) for event in events] == [Moved, Met, Posted, Posted, Viewed, Withdrawn]
