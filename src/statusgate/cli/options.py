"""What commands share: options that name settings, and how faults and results are printed."""

import asyncio
import contextlib
import functools
import os
import sys
import unicodedata
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar, cast

import click
import msgspec
from rich.console import Console
from rich.text import Text

from statusgate.domain.errors import InstanceUnknown, InvalidRequest, JournalUnavailable
from statusgate.domain.ids import InstanceId, parse_instance_id
from statusgate.journal import Journal, open_journal
from statusgate.server.folders import BackupFailed, StartError
from statusgate.settings import Settings, SettingsError, load_settings, unknown_variables

EXIT_FAILED = 1
_FAULTS = (
    SettingsError,
    StartError,
    BackupFailed,
    JournalUnavailable,
    InvalidRequest,
    InstanceUnknown,
)
_UNSEEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}
_JOINERS = "\u200c\u200d"
"""of emoji and of letters"""
T = TypeVar("T")


class InstanceNumber(click.ParamType[InstanceId]):
    """An idInstance: 1-18 digits without leading zero."""

    name = "id"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> InstanceId:
        parsed = parse_instance_id(str(value))
        if parsed is None:
            self.fail(f"{value!r} is not an instance id (1-18 digits)", param, ctx)
        return parsed


def together(*options: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return one decorator for several options, in the order in which --help shows them."""

    def decorate(command: Any) -> Any:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


instance_argument = click.argument("instance_id", metavar="ID", type=InstanceNumber())
json_option = click.option("--json", "as_json", is_flag=True, help="For programs.")
_settings_flags = together(
    click.option("--config", type=click.Path(path_type=Path), help="TOML file of settings."),
    click.option("--database", help="sqlite:///PATH or postgresql://…"),
    click.option("--data", help="Folder of session stores, spools and the server's key."),
)


def settings_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Options that name a server setting; each is also read from the environment and file.

    *command* gets all of them as ``settings``. An expected fault, also of the command itself,
    becomes one line on standard error and exit code 1.
    """

    @functools.wraps(command)
    def loaded(config: Path | None, **given: Any) -> Any:
        names = [name for name in Settings.__struct_fields__ if name in given]
        flags = {name: given.pop(name) for name in names}
        with faults_reported():
            return command(settings=_load(config, flags), **given)

    return cast("Callable[..., Any]", _settings_flags(loaded))


def _load(config: Path | None, flags: dict[str, Any]) -> Settings:
    """Merge the settings; variables of the environment that mean nothing are named."""
    for complaint in unknown_variables(os.environ):
        click.echo(f"statusgate: {complaint}", err=True)
    file = config or (Path(text) if (text := os.environ.get("STATUSGATE_CONFIG")) else None)
    return load_settings(file, os.environ, **flags)


@contextlib.contextmanager
def faults_reported() -> Any:
    """An expected fault becomes one line on standard error and exit code 1."""
    try:
        yield
    except _FAULTS as error:
        text = " ".join(str(error).split())
        fault = f"there is no instance {text}" if isinstance(error, InstanceUnknown) else text
        click.echo(f"statusgate: {fault}", err=True)
        sys.exit(EXIT_FAILED)


def on_journal(
    settings: Settings, work: Callable[[Journal], Awaitable[T]], *, create: bool = False
) -> T:
    """Run *work* on the database that the settings name."""

    async def run() -> T:
        journal = open_journal(settings.database, exclusive=False, create=create)
        try:
            return await work(journal)
        finally:
            await journal.close()

    return asyncio.run(run())


def console() -> Console:
    """Standard output; where it is no terminal, nothing is cut or wrapped."""
    return Console(width=None if sys.stdout.isatty() else 10_000)


def visible(text: str, cells: int | None = None) -> Text:
    """Text of strangers as it may be shown: control characters, and those that turn the
    direction of what follows, are written out; cut to *cells* of the terminal.
    """
    shown = Text("".join(_written_out(one) for one in text))
    if cells is not None:
        shown.truncate(cells, overflow="ellipsis")
    return shown


def _written_out(character: str) -> str:
    harmless = unicodedata.category(character) not in _UNSEEN or character in _JOINERS
    return character if harmless else character.encode("unicode_escape").decode("ascii")


def print_fields(value: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        click.echo(msgspec.json.encode(value))
        return
    for key, one in value.items():
        click.echo(f"{key}: {_in_words(one)}")


def _in_words(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return (", ".join(map(str, value)) or "none") if isinstance(value, list) else str(value)
