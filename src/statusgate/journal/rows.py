"""Rows of the database made structs of the domain, by the names of their columns."""

from functools import cache
from typing import Any, TypeVar

import msgspec

from statusgate.domain.media import StoredFile

from .session import clean

S = TypeVar("S")

CHAT_IDS = msgspec.json.Decoder(tuple[str, ...])


@cache
def row_type(columns: tuple[str, ...]) -> type[Any]:
    """Return the class of rows that have these columns as attributes."""
    return msgspec.defstruct("Row", columns, array_like=True, order=True, gc=False)


def struct_of(kind: type[S], row: Any, **others: Any) -> S:
    """Make a struct of the columns that are named like its fields, and of *others*."""
    return msgspec.convert(msgspec.structs.asdict(row) | others, kind)


def file_of(row: Any) -> StoredFile | None:
    """Make a stored file of the columns of the part ``file``; None if there is none."""
    if row.file_key is None:
        return None
    return StoredFile(
        key=row.file_key,
        extension=row.file_extension,
        mimetype=row.file_mimetype,
        size=row.file_size,
        created_ms=row.file_created_ms,
        expires_ms=row.file_expires_ms,
    )


def chat_ids_json(participants: tuple[str, ...]) -> str:
    return msgspec.json.encode([clean(chat_id) for chat_id in participants]).decode()
