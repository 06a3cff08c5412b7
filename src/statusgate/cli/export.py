"""``statusgate export``: everything that is kept, as a file."""

import os
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import IO, Any, Final, get_args

import click
import msgspec

from statusgate.cli.client import GatewayClient, Unavailable, target_options
from statusgate.cli.moments import PastMoment
from statusgate.wire.exports import Format, What

PAUSES: Final = (1, 2, 4, 8, 16, 30)
"""Seconds between tries to go on; after as many without a new row the export has failed."""
STDOUT: Final = "-"
_STEPS: Final = 1_000


class _PostedAt(msgspec.Struct, rename="camel"):
    posted_at: int


_decode = msgspec.json.Decoder(_PostedAt).decode


@click.command()
@click.argument("what", type=click.Choice(get_args(What)), default="statuses")
@click.option(
    "--format",
    "form",
    type=click.Choice(get_args(Format)),
    help="[default: as the output is named, else csv]",
)
@click.option(
    "--output",
    "-o",
    metavar="FILE",
    type=click.Path(dir_okay=False, allow_dash=True),
    help="-: standard output.  [default: WHAT-ID.FORMAT in this folder]",
)
@click.option("--since", type=PastMoment(), help="Only of statuses posted since then.")
@click.option("--until", type=PastMoment(), help="Only of statuses posted before then.")
@target_options
def export(
    target: GatewayClient,
    what: What,
    form: Format | None,
    output: str | None,
    since: datetime | None,
    until: datetime | None,
) -> None:
    """Write statuses, receipts, reactions or replies to a file, oldest status first.

    The file appears when it is whole; a connection that breaks is taken up where it broke.
    Times: unix seconds, 2026-11-01, "2026-11-01 09:00" or "7 days ago".

    \b
    statusgate export receipts --since "7 days ago"
    statusgate export replies -o replies.jsonl
    """
    kind: Format = form or ("jsonl" if (output or "").endswith(".jsonl") else "csv")
    query = {"what": what, "format": kind, "from": str(_seconds(since) or 0)}
    if until is not None:
        query["to"] = str(_seconds(until))
    if output == STDOUT:
        for record in records(target.download("exportStatuses", **query), kind):
            sys.stdout.buffer.write(record)
        return
    path = Path(output or f"{what}-{target.instance}.{kind}")
    with _replaced(path) as file:
        rows = _Download(target, query, kind, file).run()
    click.echo(f"{path}: {rows} rows")


class _Download:
    """An export on its way into a file, which is cut back to the last whole second of posting
    time when the connection breaks."""

    def __init__(
        self, client: GatewayClient, query: dict[str, str], kind: Format, file: IO[bytes]
    ) -> None:
        self._client = client
        self._query = query
        self._kind = kind
        self._file = file
        self._second: int | None = None
        """posting time of the statuses whose rows are coming"""
        self._kept = 0
        """bytes of the file before them"""
        self._rows_kept = self._rows = 0
        self._began: int | None = int(query["from"]) or None
        self._now = int(time.time())

    def run(self) -> int:
        """Return how many rows there are, once all are in the file."""
        tries, is_terminal = iter(PAUSES), sys.stderr.isatty()
        bar: Any
        with click.progressbar(
            length=_STEPS,
            label=self._query["what"],
            item_show_func=lambda rows: "" if rows is None else f"{rows} rows",
            file=sys.stderr,
            hidden=not is_terminal,
        ) as bar:
            while True:
                before = self._second
                try:
                    self._take_all(bar)
                except Unavailable as fault:
                    if self._second != before:
                        tries = iter(PAUSES)
                    pause = next(tries, None)
                    if self._second is None or pause is None:
                        raise
                    click.echo("\n" * is_terminal + f"{fault.message}; going on", err=True)
                    time.sleep(pause)
                else:
                    bar.update(_STEPS - bar.pos, self._rows)
                    return self._rows

    def _take_all(self, bar: Any) -> None:
        """Write what comes, after the rows that are kept."""
        self._file.seek(self._kept)
        self._file.truncate()
        self._rows = self._rows_kept
        if self._second is not None:
            self._query["from"] = str(self._second)
        coming = records(self._client.download("exportStatuses", **self._query), self._kind)
        if self._kind == "csv":
            header = next(coming, b"")
            if not self._kept:
                self._file.write(header)
        for record in coming:
            at = posted_at(record, self._kind)
            if at != self._second:
                self._second, self._kept = at, self._file.tell()
                self._rows_kept = self._rows
                bar.update(self._step(at) - bar.pos, self._rows)
            self._file.write(record)
            self._rows += 1

    def _step(self, at: int) -> int:
        """How far the export has come at the rows of that time."""
        self._began = at if self._began is None else self._began
        whole = max(self._now - self._began, 1)
        return min(_STEPS * max(at - self._began, 0) // whole, _STEPS)


def records(pieces: Iterable[bytes], kind: Format) -> Iterator[bytes]:
    """Rows with the ends of their lines. In a CSV, line ends may also stand within quotes."""
    record = rest = b""
    for piece in pieces:
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            record += line + b"\n"
            if kind == "jsonl" or record.count(b'"') % 2 == 0:
                yield record
                record = b""


def posted_at(record: bytes, kind: Format) -> int:
    """The time from which an export has this row and all after it."""
    return _decode(record).posted_at if kind == "jsonl" else int(record.partition(b",")[0])


@contextmanager
def _replaced(path: Path) -> Iterator[IO[bytes]]:
    """A new file, readable by its owner alone, that becomes *path* if the block ends well."""
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with open(handle, "w+b") as file:
                yield file
            os.replace(name, path)
        except BaseException:
            os.unlink(name)
            raise
    except OSError as error:
        raise click.ClickException(f"cannot write {path}: {error.strerror}") from None


def _seconds(moment: datetime | None) -> int | None:
    return None if moment is None else int(moment.timestamp())
