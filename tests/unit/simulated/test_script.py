"""Scripts as developers send them (contract 12.9)."""

import base64
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from statusgate.api.edge.decode import json_from
from statusgate.domain.address import Address
from statusgate.domain.errors import BadRequestData, InvalidRequest
from statusgate.domain.instance import State
from statusgate.domain.receipt import Progress
from statusgate.domain.reply import ReplyKind
from statusgate.domain.script import Met, Moved, Posted, Reacted, Replied, Viewed, Withdrawn
from statusgate.domain.status import Font, Kind
from statusgate.wire.simulation import MAX_FILE_SIZE, script_from_json

ANNA = "79001234567@c.us"
STATUS: dict[str, Any] = {
    "event": "incomingStatus",
    "from": ANNA,
    "type": "text",
    "text": "Hello",
}
PHONE: dict[str, Any] = {"event": "phoneStatus", "type": "image"}
RECEIPT: dict[str, Any] = {
    "event": "receipt",
    "idMessage": "B1",
    "participant": ANNA,
    "status": "read",
}
REACTION: dict[str, Any] = {
    "event": "reaction",
    "idMessage": "B1",
    "participant": ANNA,
    "reaction": "💚",
}
REPLY: dict[str, Any] = {
    "event": "reply",
    "idMessage": "B1",
    "participant": ANNA,
    "text": "Is it open today?",
}
DELETION: dict[str, Any] = {"event": "deleteStatus", "idMessage": "A1", "from": ANNA}
CONTACT: dict[str, Any] = {"event": "contact", "id": ANNA}
STATE: dict[str, Any] = {"event": "state", "state": "authorized"}

EXAMPLE = """[
  {"event": "state", "state": "authorized"},
  {"event": "contact", "id": "79001234567@c.us", "name": "Anna", "contactName": "Anna K"},
  {"event": "incomingStatus", "from": "79001234567@c.us", "type": "text", "text": "Hello",
   "backgroundColor": "#228B22", "font": "SERIF", "idMessage": "A1"},
  {"event": "phoneStatus", "type": "image", "caption": "From my phone", "idMessage": "B1"},
  {"event": "receipt", "idMessage": "B1", "participant": "79001234567@c.us",
   "status": "read", "timestamp": 1710134811},
  {"event": "reaction", "idMessage": "B1", "participant": "79001234567@c.us",
   "reaction": "💚", "timestamp": 1710134900},
  {"event": "reply", "idMessage": "B1", "participant": "79001234567@c.us",
   "type": "text", "text": "Is it open today?", "timestamp": 1710134950, "replyId": "R1"},
  {"event": "deleteStatus", "idMessage": "A1", "from": "79001234567@c.us"}
]""".encode()


def test_the_contracts_example_is_read() -> None:
    anna = Address(phone="79001234567")
    assert script_from_json(json_from(EXAMPLE)) == [
        Moved(state=State.AUTHORIZED),
        Met(address=anna, name="Anna", contact_name="Anna K"),
        Posted(
            author=anna,
            kind=Kind.TEXT,
            text="Hello",
            background=0x228B22,
            font=Font.SERIF,
            status_id="A1",
        ),
        Posted(author=None, kind=Kind.IMAGE, text="From my phone", status_id="B1"),
        Viewed(status_id="B1", viewer=anna, kind=Progress.READ, timestamp=1710134811),
        Reacted(status_id="B1", viewer=anna, reaction="💚", timestamp=1710134900),
        Replied(
            status_id="B1",
            viewer=anna,
            kind=ReplyKind.TEXT,
            text="Is it open today?",
            timestamp=1710134950,
            reply_id="R1",
        ),
        Withdrawn(status_id="A1", author=anna),
    ]


CHAT_ID = "must be one of the next formats: 'phone_number@c.us' or 'chat_id@lid'"
FONTS = "SERIF, SANS_SERIF, NORICAN_REGULAR, BRYNDAN_WRITE, OSWALD_HEAVY"
RRGGBB = "must be in the format '#RRGGBB'"
STATES = "authorized, notAuthorized, blocked, starting, suspended"
KINDS_OF_EVENT = (
    "incomingStatus, phoneStatus, receipt, reaction, reply, deleteStatus, contact, state"
)
KINDS_OF_REPLY = "text, image, video, audio, document, sticker"
FAULTS = [
    ([5], "'[0]' must be an object"),
    ([{}], "'[0].event' is required"),
    ([{"event": None}], "'[0].event' is required"),
    ([{"event": 1}], "'[0].event' must be a string"),
    ([{"event": "burp"}], f"'[0].event' must be one of [{KINDS_OF_EVENT}]"),
    ([STATE, STATE, STATE, {"event": "incomingStatus"}], "'[3].from' is required"),
    ([{**STATUS, "from": ""}], "'[0].from' is not allowed to be empty"),
    ([{**STATUS, "from": 7}], "'[0].from' must be a string"),
    ([{**STATUS, "from": "1@g.us"}], f"'[0].from' {CHAT_ID}"),
    ([{**STATUS, "from": "+7@c.us"}], f"'[0].from' {CHAT_ID}"),
    ([{**STATUS, "from": "status@broadcast"}], f"'[0].from' {CHAT_ID}"),
    ([{"event": "phoneStatus"}], "'[0].type' is required"),
    (
        [{**STATUS, "type": "sticker"}],
        "'[0].type' must be one of [text, image, video, audio]",
    ),
    ([{**STATUS, "text": None}], "'[0].text' is required"),
    ([{**STATUS, "text": ""}], "'[0].text' is not allowed to be empty"),
    (
        [{**STATUS, "text": "x" * 501}],
        "'[0].text' length must be less than or equal to 500 characters long",
    ),
    (
        [{**PHONE, "caption": "x" * 1025}],
        "'[0].caption' length must be less than or equal to 1024 characters long",
    ),
    ([{**STATUS, "backgroundColor": "red"}], f"'[0].backgroundColor' {RRGGBB}"),
    ([{**STATUS, "backgroundColor": "#12345G"}], f"'[0].backgroundColor' {RRGGBB}"),
    ([{**STATUS, "font": "serif"}], f"'[0].font' must be one of [{FONTS}]"),
    ([{**STATUS, "timestamp": "soon"}], "'[0].timestamp' must be a number"),
    ([{**STATUS, "timestamp": True}], "'[0].timestamp' must be a number"),
    ([{**STATUS, "timestamp": 1.5}], "'[0].timestamp' must be a number"),
    ([{**STATUS, "timestamp": []}], "'[0].timestamp' must be a number"),
    ([{**STATUS, "timestamp": -1}], "'[0].timestamp' must be greater than or equal to 0"),
    (
        [{**STATUS, "timestamp": 10**12}],
        "'[0].timestamp' must be less than or equal to 253402300799",
    ),
    (
        [{**STATUS, "idMessage": "x" * 129}],
        "'[0].idMessage' length must be less than or equal to 128 characters long",
    ),
    ([{**PHONE, "file": "not base64!"}], "'[0].file' must be a valid base64 string"),
    ([{**PHONE, "file": "é"}], "'[0].file' must be a valid base64 string"),
    ([{**PHONE, "from": ANNA}], "'[0].from' is not allowed"),
    ([STATE, STATE, {**STATUS, "colour": "#FFFFFF"}], "'[2].colour' is not allowed"),
    ([{**RECEIPT, "idMessage": None}], "'[0].idMessage' is required"),
    ([{**RECEIPT, "participant": "x"}], f"'[0].participant' {CHAT_ID}"),
    ([{**RECEIPT, "status": "played"}], "'[0].status' must be one of [delivered, read]"),
    ([{**REACTION, "idMessage": ""}], "'[0].idMessage' is not allowed to be empty"),
    ([{**REACTION, "participant": None}], "'[0].participant' is required"),
    ([{**REACTION, "reaction": None}], "'[0].reaction' is required"),
    ([{**REACTION, "reaction": 7}], "'[0].reaction' must be a string"),
    (
        [{**REACTION, "reaction": "💚" * 33}],
        "'[0].reaction' length must be less than or equal to 32 characters long",
    ),
    ([{**REACTION, "timestamp": "soon"}], "'[0].timestamp' must be a number"),
    ([{**REACTION, "text": "x"}], "'[0].text' is not allowed"),
    ([{**REPLY, "participant": "x"}], f"'[0].participant' {CHAT_ID}"),
    ([{**REPLY, "type": "poll"}], f"'[0].type' must be one of [{KINDS_OF_REPLY}]"),
    ([{**REPLY, "text": None}], "'[0].text' is required"),
    ([{**REPLY, "text": ""}], "'[0].text' is not allowed to be empty"),
    (
        [{**REPLY, "text": "x" * 4097}],
        "'[0].text' length must be less than or equal to 4096 characters long",
    ),
    (
        [{**REPLY, "replyId": "x" * 129}],
        "'[0].replyId' length must be less than or equal to 128 characters long",
    ),
    ([{**REPLY, "reaction": "💚"}], "'[0].reaction' is not allowed"),
    ([{**DELETION, "from": None}], "'[0].from' is required"),
    ([{"event": "contact"}], "'[0].id' is required"),
    (
        [{**CONTACT, "name": "x" * 256}],
        "'[0].name' length must be less than or equal to 255 characters long",
    ),
    ([{**STATE, "state": "yellowCard"}], f"'[0].state' must be one of [{STATES}]"),
    (
        [{**STATE, "wid": "5@lid"}],
        "'[0].wid' must be one of the next formats: 'phone_number@c.us'",
    ),
    ([], "'length' must be greater than or equal to 1"),
    ([STATE] * 10_001, "'length' must be less than or equal to 10000"),
]


@pytest.mark.parametrize(("script", "detail"), FAULTS)
def test_a_fault_is_named(script: list[object], detail: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        script_from_json(script)
    assert caught.value.detail == detail


@pytest.mark.parametrize("value", [None, {}, "x", 5, {"event": "state"}])
def test_what_is_no_array_is_bad_data(value: object) -> None:
    with pytest.raises(BadRequestData):
        script_from_json(value)


@pytest.mark.parametrize("bad", ["a\0b", "\ud800", "\udfff!"])
@pytest.mark.parametrize("key", ["text", "idMessage", "caption", "from", "un\0known"])
def test_strings_that_no_database_keeps_are_bad_data(key: str, bad: str) -> None:
    with pytest.raises(BadRequestData):
        json_from(json.dumps([{**STATUS, key: bad}]).encode())


@pytest.mark.parametrize(
    ("value", "seconds"),
    [(60, 60), ("60", 60), (60.0, 60), (None, None), ("", None), (0, 0)],
)
def test_timestamps_are_read_leniently(value: object, seconds: int | None) -> None:
    (event,) = script_from_json([{**RECEIPT, "timestamp": value}])
    assert isinstance(event, Viewed)
    assert event.timestamp == seconds


def test_null_and_empty_optional_fields_count_as_absent() -> None:
    optional = ("text", "backgroundColor", "font", "caption", "file", "timestamp", "idMessage")
    for absent in (None, ""):
        (event,) = script_from_json([{**PHONE, **dict.fromkeys(optional, absent)}])
        assert event == Posted(author=None, kind=Kind.IMAGE)


def test_a_file_is_decoded_and_limited() -> None:
    (event,) = script_from_json([{**PHONE, "file": base64.b64encode(b"bytes").decode()}])
    assert isinstance(event, Posted)
    assert event.file == b"bytes"
    largest = base64.b64encode(bytes(MAX_FILE_SIZE)).decode()
    (event,) = script_from_json([{**PHONE, "file": largest}])
    assert isinstance(event, Posted)
    for more in (1, 3):
        larger = base64.b64encode(bytes(MAX_FILE_SIZE + more)).decode()
        with pytest.raises(InvalidRequest, match=r"file' length must be less than"):
            script_from_json([{**PHONE, "file": larger}])


def test_fields_without_a_meaning_for_the_type_are_left_out() -> None:
    voice = {**PHONE, "type": "audio", "backgroundColor": "#abcdef"}
    (event,) = script_from_json([{**voice, "caption": "x", "font": "SERIF"}])
    assert event == Posted(author=None, kind=Kind.AUDIO, background=0xABCDEF)


def test_a_lid_is_somebody() -> None:
    (event,) = script_from_json([{**CONTACT, "id": "12345@lid"}])
    assert event == Met(address=Address(lid="12345"))


def test_an_empty_reaction_takes_back() -> None:
    anna = Address(phone="79001234567")
    (event,) = script_from_json([{**REACTION, "reaction": ""}])
    assert event == Reacted(status_id="B1", viewer=anna, reaction="")


@pytest.mark.parametrize("kind", ["image", "video", "audio", "document", "sticker"])
def test_a_reply_with_a_file_needs_no_text(kind: str) -> None:
    (event,) = script_from_json([{**REPLY, "type": kind, "text": ""}])
    assert isinstance(event, Replied)
    assert (event.kind, event.text, event.reply_id) == (ReplyKind[kind.upper()], "", None)


# -- properties

chat_ids = st.from_regex(r"[0-9]{1,20}@(c\.us|lid)", fullmatch=True)
texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
ids = texts.filter(lambda text: 0 < len(text) <= 128)
times = st.none() | st.integers(0, 253402300799) | st.integers(0, 9**9).map(str)
colours = st.none() | st.from_regex(r"#[0-9A-Fa-f]{6}", fullmatch=True)
files = st.none() | st.binary(min_size=1, max_size=30).map(
    lambda b: base64.b64encode(b).decode()
)
fonts = st.none() | st.sampled_from(FONTS.split(", "))
posts: dict[str, st.SearchStrategy[Any]] = {
    "type": st.sampled_from(["text", "image", "video", "audio"]),
    "text": texts.filter(lambda text: 0 < len(text) <= 500),
    "backgroundColor": colours,
    "font": fonts,
    "caption": st.none() | texts,
    "file": files,
    "timestamp": times,
    "idMessage": st.none() | ids,
}
events = st.one_of(
    st.fixed_dictionaries({"event": st.just("incomingStatus"), "from": chat_ids, **posts}),
    st.fixed_dictionaries({"event": st.just("phoneStatus"), **posts}),
    st.fixed_dictionaries(
        {
            "event": st.just("receipt"),
            "idMessage": ids,
            "participant": chat_ids,
            "status": st.sampled_from(["delivered", "read"]),
            "timestamp": times,
        }
    ),
    st.fixed_dictionaries(
        {
            "event": st.just("reaction"),
            "idMessage": ids,
            "participant": chat_ids,
            "reaction": texts.filter(lambda text: len(text) <= 32),
            "timestamp": times,
        }
    ),
    st.fixed_dictionaries(
        {
            "event": st.just("reply"),
            "idMessage": ids,
            "participant": chat_ids,
            "type": st.sampled_from(KINDS_OF_REPLY.split(", ")),
            "text": texts.filter(lambda text: 0 < len(text) <= 4096),
            "timestamp": times,
            "replyId": st.none() | ids,
        }
    ),
    st.fixed_dictionaries(
        {"event": st.just("deleteStatus"), "idMessage": ids, "from": chat_ids}
    ),
    st.fixed_dictionaries(
        {"event": st.just("contact"), "id": chat_ids, "name": st.none() | texts}
    ),
    st.fixed_dictionaries(
        {
            "event": st.just("state"),
            "state": st.sampled_from([state.value for state in State]),
            "wid": st.none() | st.from_regex(r"[0-9]{1,20}@c\.us", fullmatch=True),
        }
    ),
)
junk = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda children: st.lists(children) | st.dictionaries(st.text(max_size=5), children),
    max_leaves=8,
)
spoiled = st.builds(lambda event, key, value: {**event, key: value}, events, st.text(), junk)


@given(st.lists(events, min_size=1, max_size=8))
@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
def test_every_accepted_script_says_what_its_events_say(script: list[dict[str, Any]]) -> None:
    read = script_from_json(json_from(json.dumps(script).encode()))
    assert len(read) == len(script)
    for written, event in zip(script, read, strict=True):
        assert _shown(event).items() <= {k: _plain(v) for k, v in written.items()}.items()


@given(junk | st.lists(junk | events | spoiled))
@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
def test_junk_raises_nothing_else(value: object) -> None:
    try:
        script_from_json(value)
    except InvalidRequest as error:
        error.detail.encode()
    except BadRequestData:
        pass


def _plain(value: object) -> object:
    return (
        int(value) if isinstance(value, str) and value.isascii() and value.isdigit() else value
    )


def _shown(event: object) -> dict[str, object]:
    """What an event must have kept, in the spelling of the script."""
    match event:
        case Posted():
            shown: dict[str, object] = {"type": event.kind.name.lower()}
            if event.author is not None:
                shown["from"] = event.author.chat_id
            if event.kind is Kind.TEXT:
                shown["text"] = _plain(event.text)
                shown["font"] = None if event.font is None else Font(event.font).name
            if event.timestamp is not None:
                shown["timestamp"] = event.timestamp
            return shown
        case Viewed():
            return {
                "idMessage": _plain(event.status_id),
                "participant": event.viewer.chat_id,
                "status": event.kind.name.lower(),
                "timestamp": event.timestamp,
            }
        case Reacted() | Replied():
            return _shown_engagement(event)
        case Withdrawn():
            return {"idMessage": _plain(event.status_id), "from": event.author.chat_id}
        case Met():
            return {"id": event.address.chat_id}
        case Moved():
            return {"state": event.state.value}
        case _:
            raise AssertionError(event)


def _shown_engagement(event: Reacted | Replied) -> dict[str, object]:
    shown: dict[str, object] = {
        "idMessage": _plain(event.status_id),
        "participant": event.viewer.chat_id,
        "timestamp": event.timestamp,
    }
    if isinstance(event, Reacted):
        return shown | {"reaction": _plain(event.reaction)}
    reply_id = None if event.reply_id is None else _plain(event.reply_id)
    kind = event.kind.name.lower()
    return shown | {"type": kind, "text": _plain(event.text), "replyId": reply_id}
