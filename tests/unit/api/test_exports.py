"""Rows of exports as CSV and JSON lines (contract 12.6)."""

import csv
import io
import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from statusgate.domain.media import StoredFile
from statusgate.domain.receipt import Progress, Reaction, Recipient, Row
from statusgate.domain.status import Counts, Failure, FailureReason, Kind
from statusgate.wire.exports import (
    ROWS,
    ReplyRow,
    encoded,
    head,
    reaction_row,
    receipt_row,
    status_row,
)
from tests.factories import NOON_MS, person, status

PUBLIC_URL = "https://status.example.org"
AT = NOON_MS // 1000
texts = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=20
)


def reply_row(text: str) -> ReplyRow:
    return ReplyRow(
        posted_at=1,
        id_message="A",
        participant="7@c.us",
        contact_name="",
        reply_id="B",
        timestamp=2,
        type_message="textMessage",
        text_message=text,
    )


def cells(raw: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(raw.decode(), newline="")))


def test_every_row_begins_with_the_time_to_go_on_from() -> None:
    for row in ROWS.values():
        assert row.__struct_encode_fields__[:2] == ("postedAt", "idMessage")


def test_a_csv_begins_with_its_header_and_json_lines_with_a_row() -> None:
    assert head("reactions", "csv") == (
        b"postedAt,idMessage,participant,contactName,reaction,timestamp\r\n"
    )
    assert head("reactions", "jsonl") == b""


@given(st.lists(texts, min_size=1))
def test_any_text_comes_back_from_a_csv(given_texts: list[str]) -> None:
    raw = encoded("csv", [reply_row(text) for text in given_texts])
    read = [row[-1] for row in cells(raw)]
    assert [text.removeprefix("'") for text in read] == [
        text.removeprefix("'") for text in given_texts
    ]
    assert raw.endswith(b"\r\n")


@given(texts)
def test_any_text_comes_back_from_json_lines_as_it_was(text: str) -> None:
    raw = encoded("jsonl", [reply_row(text)] * 2)
    first, second, rest = raw.split(b"\n")
    assert json.loads(first)["textMessage"] == json.loads(second)["textMessage"] == text
    assert rest == b""


@pytest.mark.parametrize("first", list("=+-@\t\r\n＝＋－＠"))
def test_no_cell_of_a_csv_is_a_formula(first: str) -> None:
    [read] = cells(encoded("csv", [reply_row(f"{first}1+1")]))
    assert read[-1] == f"'{first}1+1"
    [plain] = cells(encoded("csv", [reply_row(f"1{first}1")]))
    assert plain[-1] == f"1{first}1"


def test_an_outgoing_status_has_its_progress_and_counts() -> None:
    posted = status(
        7,
        outgoing=True,
        by_api=True,
        participants=("7@c.us", "8@lid"),
        failed_ms=NOON_MS + 1000,
        failure=Failure(FailureReason.REFUSED, "Refused by WhatsApp (479)"),
        counts=Counts(2, 1, 1, 0, 3),
    )
    [line] = encoded("csv", [status_row(posted, PUBLIC_URL)]).decode().splitlines()
    assert line == (
        f"{AT},{posted.status_id},outgoing,{AT + 1},extendedTextMessage,79000000001@c.us,,,"
        "status 7,#228B22,SERIF,,,,,failed,true,7@c.us 8@lid,2,1,1,0,3,refused"
    )


def test_an_incoming_status_has_its_author_and_no_counts() -> None:
    row = json.loads(encoded("jsonl", [status_row(status(7), PUBLIC_URL)]))
    assert (row["senderName"], row["senderContactName"]) == ("Anna", "Anna K")
    assert (row["type"], row["postedAt"], row["timestamp"]) == ("incoming", AT, AT)
    for absent in ("caption", "fileName", "statusMessage", "sendByApi", "read", "participants"):
        assert row[absent] is None


def test_a_status_with_a_file_says_where_it_is_once_it_is_there() -> None:
    file = StoredFile(
        key="k", extension="jpg", mimetype="image/jpeg", size=1, created_ms=1, expires_ms=None
    )
    shown = status_row(status(1, kind=Kind.IMAGE, text="Horse", file=file), PUBLIC_URL)
    assert shown.file_name == "k.jpg"
    assert (shown.download_url or "").startswith(PUBLIC_URL)
    assert (shown.mime_type, shown.caption, shown.text_message) == ("image/jpeg", "Horse", None)
    coming = status_row(status(1, kind=Kind.AUDIO, mimetype="audio/ogg"), PUBLIC_URL)
    assert (coming.file_name, coming.download_url, coming.caption) == (None, None, None)
    assert coming.mime_type == "audio/ogg"


def test_who_has_viewed_a_status_has_got_it() -> None:
    posted = status(1, outgoing=True, sent_ms=NOON_MS)
    row = Row(None, NOON_MS + 5_000, Reaction(NOON_MS + 9_000, "💚"))
    anna = Recipient(
        address=person(1), contact_name="Anna K", progress=Progress.READ, at_ms=NOON_MS + 5_000,
        row=row,
    )  # fmt: skip
    shown = receipt_row(posted, anna)
    assert (shown.sent_at, shown.delivered_at, shown.read_at) == (AT, AT + 5, AT + 5)
    assert (shown.status, shown.timestamp) == ("read", AT + 5)
    refused = receipt_row(posted, msgspec.structs.replace(anna, row=Row(), refused=479))
    assert (refused.sent_at, refused.delivered_at, refused.read_at) == (None, None, None)
    reacted = reaction_row(posted, anna)
    assert reacted is not None
    assert (reacted.reaction, reacted.timestamp) == ("💚", AT + 9)
