"""PostgreSQL's pipeline: statements are sent without waiting for the answers to earlier ones.

A round trip costs more than most statements, above all in a busy process, where a thread that
waited has to wait for the interpreter as well. psycopg's cursors wait for each statement, and
spend several times what libpq needs for one; so this speaks to libpq itself, through
``psycopg.pq`` (decision 49).
"""

from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from itertools import count
from select import POLLIN, POLLOUT, poll
from typing import Any

import psycopg
from psycopg.adapt import Transformer
from psycopg.errors import error_from_result
from psycopg.pq import ExecStatus, Format, PipelineStatus
from psycopg.pq.abc import PGresult

from .session import Scalar

_INFERRED, _BIGINT = 0, 20
_Prepared = tuple[str, tuple[int, ...]]
"""a statement and the types of its parameters"""
_DONE = (ExecStatus.COMMAND_OK, ExecStatus.TUPLES_OK, ExecStatus.PIPELINE_SYNC)


class Answer:
    """What the server says to one statement, once it has."""

    result: PGresult


class Pipeline:
    """A connection in pipeline mode. Its methods raise psycopg.Error."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection
        self._libpq = connection.pgconn
        self._libpq.nonblocking = 1
        self._libpq.enter_pipeline_mode()
        self._socket = poll()
        self._transformer = Transformer(connection)
        self._prepared: dict[_Prepared, bytes] = {}
        self._numbers = count()
        self._sent: deque[Answer | _Prepared | None] = deque()
        """what is not answered yet: statements, some of them being prepared; None is a Sync"""
        self.skipped = False
        """whether the last error kept the server from the statements behind it"""

    def send(self, sql: str, values: Sequence[Scalar] = ()) -> Answer:
        """Send a statement; its answer is there after the next ``wait`` or ``sync``.

        Those with parameters are prepared, once for each combination of their types.
        """
        if not values:
            self._libpq.send_query_params(sql.encode(), None, result_format=Format.BINARY)
            return self._expected()
        types = tuple(_BIGINT if isinstance(value, int) else _INFERRED for value in values)
        name = self._prepared.get((sql, types))
        if name is None:
            name = self._prepare(sql, types)
        self._libpq.send_query_prepared(
            name,
            [_encoded(value) for value in values],
            [Format.BINARY if isinstance(value, bytes) else Format.TEXT for value in values],
            Format.BINARY,
        )
        return self._expected()

    def wait(self) -> None:
        """Wait until all is answered that was sent."""
        self._libpq.send_flush_request()
        self._answers()

    def end(self) -> None:
        """Mark the end of a transaction, and do not wait for it."""
        self._libpq.pipeline_sync()
        self._sent.append(None)
        self._libpq.flush()

    def sync(self) -> None:
        """As ``wait``, at the end of a transaction."""
        self.end()
        self._answers()

    def undo(self, sql: str) -> None:
        """Run a rollback, whatever became of the statements before it."""
        with suppress(psycopg.Error):
            self.wait()
        self.send(sql)
        self.sync()

    def rows(self, result: PGresult) -> list[tuple[Any, ...]]:
        """The rows of an answer."""
        self._transformer.set_pgresult(result)
        return self._transformer.load_rows(0, result.ntuples, tuple)

    def run_script(self, text: str) -> list[tuple[Any, ...]]:
        """Run statements that a pipeline does not take; returns the rows of the last."""
        self.sync()
        self._libpq.exit_pipeline_mode()
        result = self._libpq.exec_(text.encode())
        if result.status not in _DONE:
            raise error_from_result(result)
        self._libpq.enter_pipeline_mode()
        return self.rows(result)

    def _prepare(self, sql: str, types: tuple[int, ...]) -> bytes:
        name = self._prepared[sql, types] = b"%d" % next(self._numbers)
        self._libpq.send_prepare(name, sql.encode(), types)
        self._sent.append((sql, types))
        return name

    def _expected(self) -> Answer:
        self._sent.append(answer := Answer())
        return answer

    def _answers(self) -> None:
        """Take all answers; raises the first error among them."""
        while self._libpq.flush():
            self._wait_for(POLLIN | POLLOUT)
        failed: PGresult | None = None
        while self._sent:
            sent = self._sent[0]
            result = self._result()
            self._sent.popleft()
            if isinstance(sent, Answer):
                sent.result = result
            if result.status not in _DONE:
                if failed is None:
                    failed = result
                    self.skipped = any(one is not None for one in self._sent)
                if isinstance(sent, tuple):
                    self._prepared.pop(sent, None)
            if sent is not None:
                self._libpq.get_result()  # the mark of its end
        if failed is not None:
            self._recover()
            raise error_from_result(failed)

    def _recover(self) -> None:
        """Make the server take statements again: after an error it skips them up to a Sync."""
        if self._libpq.pipeline_status == PipelineStatus.ABORTED:
            self.sync()

    def _result(self) -> PGresult:
        """Take the next answer. While it waits, other threads run."""
        while self._libpq.is_busy():
            self._wait_for(POLLIN)
        result = self._libpq.get_result()
        if result is None:
            raise psycopg.OperationalError("an answer is missing")
        return result

    def _wait_for(self, events: int) -> None:
        self._socket.register(self._libpq.socket, events)
        self._socket.poll()
        self._libpq.consume_input()


def _encoded(value: Scalar) -> bytes | None:
    if isinstance(value, str):
        return value.encode()
    return b"%d" % value if isinstance(value, int) else value
