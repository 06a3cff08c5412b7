"""Rows of ``getStatusStatistic`` (contract 3.7)."""

from collections.abc import Iterable

import msgspec

from statusgate.domain.receipt import PROGRESS_NAMES, Recipient

_encode = msgspec.json.Encoder().encode


class StatisticRow(msgspec.Struct, frozen=True):
    """One recipient: who, when the row reached its status (unix seconds), and the status."""

    participant: str
    timestamp: int
    status: str


def encode_statistic(recipients: Iterable[Recipient]) -> bytes:
    """Return the rows as JSON bytes, in the order given."""
    return _encode(
        [
            StatisticRow(
                recipient.address.chat_id,
                recipient.at_ms // 1000,
                PROGRESS_NAMES[recipient.progress],
            )
            for recipient in recipients
        ]
    )
