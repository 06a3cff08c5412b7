"""Exports as pandas reads them: by the program of the how-to page, and with its defaults."""

import os
import subprocess
import sys
from io import BytesIO
from pathlib import Path

import pandas as pd
import pytest

from statusgate.domain.receipt import Progress, Recipient, Row
from statusgate.domain.reply import Reply, ReplyKind
from statusgate.domain.status import Counts
from statusgate.wire.exports import (
    ROWS,
    What,
    encoded,
    head,
    receipt_row,
    reply_row,
    status_row,
)
from tests.docs.pages import ROOT, fences
from tests.factories import NOON_MS, person, status

AT = NOON_MS // 1000
DIGITS = "00712345678901234567890"
POSTED = status(1, outgoing=True, status_id=DIGITS, sent_ms=NOON_MS, counts=Counts(3, 2, 1))
TEXT = {"keep_default_na": False, "na_values": [""]}


def recipient(number: int, row: Row, name: str) -> Recipient:
    return Recipient(
        address=person(number),
        contact_name=name,
        progress=row.progress or Progress.SENT,
        at_ms=NOON_MS,
        row=row,
    )


RECEIPTS = [
    receipt_row(POSTED, recipient(1, Row(NOON_MS, NOON_MS + 60_000), "Anna")),
    receipt_row(POSTED, recipient(2, Row(NOON_MS), "NA")),
    receipt_row(POSTED, recipient(3, Row(), "")),
]
REPLIES = [
    reply_row(
        POSTED,
        Reply(
            wire_id="W", viewer=person(1), reply_id="R", kind=ReplyKind.TEXT, text=text,
            at_ms=NOON_MS,
        ),
    )
    for text in ("=1+1", "007", "null", "two\r\nlines 💚")
]  # fmt: skip
STATUSES = [status_row(POSTED, ""), status_row(status(2), "")]


def exported(what: What) -> bytes:
    rows = {"receipts": RECEIPTS, "replies": REPLIES, "statuses": STATUSES}[what]
    return head(what, "csv") + encoded("csv", rows)  # type: ignore[arg-type]


def test_the_program_of_the_page_reads_what_is_there(tmp_path: Path) -> None:
    [program] = [
        text for label, text in fences(ROOT / "docs/how-to/exports.md") if label == "python"
    ]
    (tmp_path / "receipts-1101000001.csv").write_bytes(exported("receipts"))
    (tmp_path / "replies.jsonl").write_bytes(encoded("jsonl", REPLIES))
    checks = (
        f"assert receipts['idMessage'].tolist() == ['{DIGITS}'] * 3\n"
        "assert receipts['contactName'].tolist()[:2] == ['Anna', 'NA']\n"
        "assert receipts['readAt'].dt.tz is not None and receipts['readAt'].count() == 1\n"
        f"assert receipts['readAt'][0].timestamp() == {AT + 60}\n"
        f"assert replies['textMessage'].tolist() == {[row.text_message for row in REPLIES]}\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program + checks],
        cwd=tmp_path,
        env=os.environ,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("what", ["statuses", "receipts", "replies"])
def test_columns_are_those_of_the_contract_and_times_and_counts_are_numbers(
    what: What,
) -> None:
    frame = pd.read_csv(BytesIO(exported(what)))
    assert tuple(frame.columns) == ROWS[what].__struct_encode_fields__
    for name in frame.columns:
        if name.endswith("At") or name in ("timestamp", "recipients", "delivered", "replies"):
            assert pd.api.types.is_numeric_dtype(frame[name]), name


def test_booleans_and_counts_that_may_be_absent_have_types_for_that() -> None:
    kinds = {"idMessage": "string", "sendByApi": "boolean", "read": "Int64"}
    frame = pd.read_csv(BytesIO(exported("statuses")), dtype=kinds, **TEXT)
    assert frame["idMessage"].tolist() == [DIGITS, STATUSES[1].id_message]
    assert frame["sendByApi"].tolist() == [False, pd.NA]
    assert frame["read"].tolist() == [1, pd.NA]


def test_json_lines_keep_their_types() -> None:
    frame = pd.read_json(BytesIO(encoded("jsonl", STATUSES)), lines=True, dtype=False)
    assert frame["idMessage"][0] == DIGITS
    assert frame["timestamp"].tolist() == [AT, AT]
    assert frame["sendByApi"].tolist()[:1] == [False]
    assert frame["participants"][0] == []
