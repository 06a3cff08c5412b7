"""What the journal asks of a database: one connection that runs named statements."""

import re
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Any, Generic, Protocol, TypeVar

import msgspec

from statusgate.domain.errors import JournalUnavailable
from statusgate.domain.ids import InstanceId

T = TypeVar("T")
Scalar = int | str | bytes | None
Value = Scalar | Sequence[Sequence[Scalar]]
Call = tuple[str, dict[str, Value]]
"""a statement and its parameters"""

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_LARGEST = 2**63 - 1


class Later(Generic[T]):
    """What a work returns that is known only after the commit."""

    def __init__(self, value: Callable[[], T]) -> None:
        self.value = value
        """called by the thread that has committed"""


class Health:
    """Shared by the connections of a journal: a fatal fault of one ends them all."""

    def __init__(self) -> None:
        self.fault = ""
        """what ended it; ``""``: nothing"""


class JournalRefused(JournalUnavailable):
    """The record must not be opened as it is: unsafe, too new, or in use."""


class Lost(JournalUnavailable):
    """The connection broke before a commit was asked for: nothing has changed."""


class InDoubt(JournalUnavailable):
    """The connection broke during a commit: it is not known whether it took place."""


class Collision(JournalUnavailable):
    """The database aborted this transaction in favour of another; it may be run again."""


class Session(Protocol):
    """One connection and its transaction.

    Raises JournalUnavailable and its subclasses; anything else is a fault of the caller.
    """

    def run(self, name: str, /, **parameters: Value) -> list[Any]:
        """Run a statement; each of its rows has its columns as attributes."""
        ...

    def run_each(self, *calls: Call) -> list[list[Any]]:
        """Run statements in this order; returns the rows of each."""
        ...

    def ask(self, name: str, /, **parameters: Value) -> Callable[[], list[Any]]:
        """As ``run``, but wait for nothing: the rows can be had after the next ``run``, or once
        the transaction is committed."""
        ...

    def send(self, name: str, /, **parameters: Value) -> None:
        """Run a statement of which nothing is asked, after all earlier and before all later
        ones. If it fails, a later ``run``, the end of a savepoint or ``commit`` may raise that.
        """
        ...

    def lock(self, instance_ids: Iterable[InstanceId]) -> None:
        """Keep other writers from these instances until the end of the transaction.

        All that a transaction needs are locked together, so that two never wait for each other.
        """
        ...

    def holds(self, instance_id: InstanceId | None) -> bool:
        """Whether a work for this instance, None: for no one, needs no further lock."""
        ...

    def token(self, instance_id: InstanceId) -> int:
        """The token of the node that owns a locked instance; 0: no node does."""
        ...

    def begin(self) -> None: ...

    def commit(self) -> None: ...

    def rollback(self) -> None:
        """Undo everything since ``begin``; never raises."""
        ...

    def savepoint(self) -> AbstractContextManager[None]:
        """Undo what happens within it, and only that, if it raises."""
        ...

    def maintain(self) -> None:
        """Do what a database needs between transactions."""
        ...

    def close(self) -> None: ...


def clean(text: str) -> str:
    """Return *text* as both databases can keep it: U+FFFD for NUL and lone surrogates."""
    return _UNSTORABLE.sub("\ufffd", text) if _UNSTORABLE.search(text) else text


def in_range(number: int) -> int:
    """Return *number*, or the nearest one that both databases can keep."""
    return max(-_LARGEST, min(number, _LARGEST))


def bound(parameters: dict[str, Value]) -> dict[str, Scalar]:
    """Return parameters as a driver takes them: clean text, lists as JSON, no huge numbers."""
    return {name: _bound(value) for name, value in parameters.items()}


def _bound(value: Value) -> Scalar:
    if isinstance(value, int):
        return in_range(int(value))
    if isinstance(value, str):
        return clean(str(value))
    if value is None or isinstance(value, bytes):
        return value
    return _json(value)


def _json(rows: Sequence[Sequence[Scalar]]) -> str:
    try:
        text = msgspec.json.encode(rows).decode()
    except UnicodeEncodeError:
        return _json(_cleaned(rows))
    return _json(_cleaned(rows)) if "\\u0000" in text and rows != _cleaned(rows) else text


def _cleaned(rows: Sequence[Sequence[Scalar]]) -> list[list[Scalar]]:
    return [[clean(item) if isinstance(item, str) else item for item in row] for row in rows]
