"""``statusgate database``: copy the journal from one database to another."""

import sys
from typing import Any

import click
import msgspec

from statusgate.cli.options import faults_reported, json_option
from statusgate.journal.copying import copy_journal


@click.group()
def database() -> None:
    """Work on whole databases, while no server uses them."""


@database.command()
@click.argument("source")
@click.argument("target")
@json_option
def copy(source: str, target: str, as_json: bool) -> None:
    """Copy the journal from the database SOURCE to the empty database TARGET.

    Both are sqlite:///PATH or postgresql://…. SOURCE is only read. Every table is compared
    row by row at the end. An interrupted copy goes on when the command is run again; a server
    refuses the target until it is whole. Files are not copied: keep the data folder (--data).

    \b
    statusgate database copy sqlite:///data/statusgate.db postgresql://statusgate@db/statusgate
    """
    bar: Any
    with (
        faults_reported(),
        click.progressbar(
            length=1, label="copy", file=sys.stderr, hidden=not sys.stderr.isatty(),
            item_show_func=lambda table: table,
        ) as bar,
    ):  # fmt: skip

        def progress(table: str, done: int, total: int) -> None:
            bar.length = max(total, 1)
            bar.update(done - bar.pos, table)

        copied = copy_journal(source, target, progress)
    if as_json:
        click.echo(msgspec.json.encode({"tables": copied}))
        return
    for one in copied:
        click.echo(f"{one.table}: {one.rows}")
    click.echo("all rows are the same in both databases")
