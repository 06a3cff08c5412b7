"""``python -m bench``: measure, print, keep."""

import shutil
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

import click
from rich.console import Console

from bench import conversion, hosts, ingest, load, memory, notify, post, post_engine, start
from bench.aims import CAVEATS
from bench.children import ChildFailed
from bench.figures import Figure
from bench.plans import Plan, full_plan, lists_plan, short_plan
from bench.provenance import provenance
from bench.reads import Reads
from bench.report import Report, save, show
from bench.seeding import Databases, SqliteFiles
from bench.servers import Process, ServerFailed, floor

DATABASES = ("sqlite", "postgresql")
PARTS = (
    "reads",
    "ingest",
    "memory",
    "accounts",
    "start",
    "post",
    "notify",
    "conversion",
    "lists",
)
EXIT_FAILED = 1
EXIT_NO_WRK = 2
_WIDTH = 104
_SETTINGS = {
    "rate profile": "off",
    "access log": "off",
    "TLS": "off",
    "compression": "none",
    "server processes": "1",
    "wrk threads": "1",
    "warm-up": f"{load.WARM_UP_SECONDS} s",
}


class Bench:
    """One run over one or two databases."""

    def __init__(
        self, root: Path, plan: Plan, parts: set[str], progress: Console, *, full: bool
    ) -> None:
        self._root = root
        self._plan = plan
        self._parts = parts
        self._progress = progress
        self._full = full
        self._begun = time.monotonic()

    def figures(self, databases: Databases) -> Iterator[Figure]:
        """Measure the chosen parts."""
        if "start" in self._parts:
            self._tell("starting five times")
            yield from start.figures(databases, self._root)
        if "memory" in self._parts:
            self._tell("memory at rest")
            yield memory.idle(databases, self._root)
        if "ingest" in self._parts:
            self._tell("ingesting receipts")
            yield ingest.figure(databases, self._root, max(3, self._plan.runs))
        if "post" in self._parts:
            yield from post.figures(databases, self._root, self._tell, full=self._full)
        if "notify" in self._parts:
            yield from notify.figures(databases, self._root, self._tell, full=self._full)
        if "reads" in self._parts:
            with floor(self._root) as bare:
                yield from self._reads(databases, bare)
        if "lists" in self._parts and (self._full or self._parts == {"lists"}):
            plan = lists_plan(self._plan.seconds, self._plan.runs)
            with floor(self._root) as bare:
                yield from Reads(databases, bare, self._root, plan, self._tell).figures()

    def once(self) -> Iterator[Figure]:
        """Measure the engine and conversions, once: the database does not matter."""
        if "accounts" in self._parts:
            yield from hosts.figures(self._root, self._tell)
        if "post" in self._parts:
            yield from post_engine.figures(self._root, self._tell, full=self._full)
        if "conversion" in self._parts:
            self._tell("converting a sound")
            yield from conversion.measure_sound()
            if self._full or self._parts == {"conversion"}:
                self._tell("converting a film")
                yield from conversion.measure_film(runs=3 if self._full else 1)

    def _reads(self, databases: Databases, bare: Process) -> Iterator[Figure]:
        reads = Reads(databases, bare, self._root, self._plan, self._tell)
        yield from reads.figures()
        if reads.peak_mb:
            yield memory.peak(databases.name, reads.peak_mb)

    def _tell(self, doing: str) -> None:
        self._progress.print(f"{time.monotonic() - self._begun:6.0f} s  {doing}", style="dim")


_CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 96}


@click.command(context_settings=_CONTEXT)
@click.option("--full", is_flag=True, help="The whole table, SQLite and PostgreSQL.")
@click.option(
    "--only", type=click.Choice(PARTS), multiple=True,
    help="Only this part; may be given several times.",
)  # fmt: skip
@click.option(
    "--database", "databases", type=click.Choice(DATABASES), multiple=True,
    help="Only this one; may be given several times.  [default: sqlite; full: both]",
)  # fmt: skip
@click.option(
    "--seconds", type=click.IntRange(1), help="Seconds a run of wrk.  [default: 1; full: 7]"
)
@click.option(
    "--runs", type=click.IntRange(1), help="Runs of each read; the medians count.  [default: 3]"
)
@click.option(
    "--folder", type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Where to put the journals: the disk that is measured.  [default: a temporary one]",
)  # fmt: skip
@click.option("--no-save", is_flag=True, help="Print only, write no result file.")
def main(
    full: bool,
    only: tuple[str, ...],
    databases: tuple[str, ...],
    seconds: int | None,
    runs: int | None,
    folder: Path | None,
    no_save: bool,
) -> None:
    """Measure this gateway beside the floors of this machine.

    Every figure stands beside its floor, measured in the same pass: for reads a bare uvicorn
    application that answers the same bytes from memory, for ingest the database driver's
    executemany. The ratios hold on any machine; rates are of this one only. Missed aims are
    printed as missed, and a figure with a wrong or failed answer among its requests is void.

    \b
    reads   the journals and statistics over HTTP, by wrk: warm, cold (the memory of encoded
            answers off), while 200 receipts a second arrive, with 100,000 older statuses
    ingest  receipts a second from the engine port to durable rows
    memory  the gateway at rest and at its peak
    accounts
            the processes of 1, 20 and 100 linked accounts on the tests' WhatsApp server:
            memory, the time until all are online after a start and after a kill, and how soon
            an event is in the journal while 16 accounts are busy
    start   from the command to ready, and the first reads after it
    post    how long sendTextStatus takes at 200 a second, and the real engine to 1 and to
            1,000 contacts on the tests' WhatsApp server
    notify  webhooks a second, from an event to its webhook, receive and delete by polling
    conversion
            a WAV, and with --full or alone a film: time, and the child's memory
    lists   only with --full or alone: the summary, pages of statuses and viewers and the
            report, with a million receipts beside without

    Without options it takes about six minutes: the cells that matter, on SQLite. --full takes
    about three hours. wrk must be installed. On a machine that does other things meanwhile,
    believe the ratios only roughly and the rest not at all.

    Prints the report and writes bench/results/<UTC date-time>.json. Exit codes: 0 measured,
    1 a figure is void or a part could not run, 2 wrk is missing or wrong usage.
    """
    parts = set(only or PARTS)
    if parts & {"reads", "lists"}:
        try:
            load.find_wrk()
        except load.WrkMissing as error:
            click.echo(error, err=True)
            sys.exit(EXIT_NO_WRK)
    plan = full_plan(seconds or 7, runs or 3) if full else short_plan(seconds or 1, runs or 3)
    root = Path(tempfile.mkdtemp(prefix="statusgate-bench-", dir=folder)).absolute()
    begun = time.monotonic()
    try:
        chosen = databases or (DATABASES if full else DATABASES[:1])
        figures, postgresql = _measure(root, plan, parts, chosen, full=full)
    except (ServerFailed, ChildFailed, ingest.IngestFailed) as error:
        click.echo(f"bench: {error}", err=True)
        sys.exit(EXIT_FAILED)
    finally:
        shutil.rmtree(root, ignore_errors=True)
    report = Report(
        provenance=provenance(_told(sys.argv[1:]), postgresql),
        seconds=time.monotonic() - begun,
        settings=_SETTINGS,
        caveats=CAVEATS,
        figures=figures,
    )
    show(report, _console())
    if not no_save:
        click.echo(f"written: {save(report)}")
    sys.exit(EXIT_FAILED if any(figure.void for figure in figures) else 0)


def _console() -> Console:
    """The terminal as it is; anything else gets lines of a readable length."""
    console = Console()
    return console if console.is_terminal else Console(width=_WIDTH)


def _measure(
    root: Path, plan: Plan, parts: set[str], databases: Sequence[str], *, full: bool
) -> tuple[list[Figure], str]:
    bench = Bench(root, plan, parts, Console(stderr=True), full=full)
    figures = []
    if "sqlite" in databases:
        figures += [*bench.figures(SqliteFiles()), *bench.once()]
    if "postgresql" not in databases:
        return figures, ""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from bench.postgres import PostgresServer

        server = PostgresServer(root / "postgres")
    try:
        figures += bench.figures(server)
    finally:
        server.close()
    return figures, server.version


def _told(arguments: list[str]) -> list[str]:
    """The command without the one option that names a path."""
    told = []
    skip = False
    for one in arguments:
        if skip or one.startswith("--folder"):
            skip = not skip and one == "--folder"
            continue
        told.append(one)
    return told


if __name__ == "__main__":
    main()
