"""What commands share: options that name settings, and how faults and results are printed."""

import asyncio
import contextlib
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import msgspec
from rich.console import Console

from statusgate.domain.errors import InstanceUnknown, InvalidRequest, JournalUnavailable
from statusgate.domain.ids import InstanceId, parse_instance_id
from statusgate.journal import open_journal
from statusgate.server.folders import StartError
from statusgate.settings import Settings, SettingsError, load_settings, unknown_variables

EXIT_FAILED = 1
_FAULTS = (SettingsError, StartError, JournalUnavailable, InvalidRequest)


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


def settings_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Options that name a server setting; each is also read from the environment and file."""
    options = [
        click.option(
            "--config", type=click.Path(path_type=Path), help="TOML file of settings."
        ),
        click.option("--database", help="sqlite:///PATH or postgresql://…"),
        click.option("--data", help="Folder of session stores, spools and the server's key."),
    ]
    for option in reversed(options):
        command = option(command)
    return command


def load(config: Path | None, **flags: Any) -> Settings:
    """Merge the settings; variables of the environment that mean nothing are named."""
    for complaint in unknown_variables(os.environ):
        click.echo(f"statusgate: {complaint}", err=True)
    file = config or (Path(text) if (text := os.environ.get("STATUSGATE_CONFIG")) else None)
    return load_settings(file, os.environ, **flags)


@contextlib.contextmanager
def faults_reported() -> Any:
    """Turn an expected fault into one line on standard error and exit code 1."""
    try:
        yield
    except _FAULTS as error:
        click.echo(f"statusgate: {' '.join(str(error).split())}", err=True)
        sys.exit(EXIT_FAILED)
    except InstanceUnknown as error:
        click.echo(f"statusgate: there is no instance {error}", err=True)
        sys.exit(EXIT_FAILED)


def on_journal(config: Path | None, flags: dict[str, Any], work: Callable[..., Any]) -> Any:
    """Run ``work(journal)`` on the database that the settings name."""

    async def run() -> Any:
        journal = open_journal(load(config, **flags).database, exclusive=False)
        try:
            return await work(journal)
        finally:
            await journal.close()

    with faults_reported():
        return asyncio.run(run())


def console() -> Console:
    """Standard output; where it is no terminal, nothing is cut or wrapped."""
    return Console(width=None if sys.stdout.isatty() else 10_000)


def print_fields(value: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        click.echo(msgspec.json.encode(value))
        return
    for key, text in value.items():
        click.echo(f"{key}: {text}")
