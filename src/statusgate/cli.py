"""The command ``statusgate``."""

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import click
import msgspec
from rich.console import Console
from rich.table import Table

from statusgate import (
    __version__,
    link_command,
    notifications_command,
    post_command,
    simulate_command,
    telemetry,
    wiring,
)
from statusgate.demo import run_demo
from statusgate.domain.errors import InstanceUnknown, InvalidRequest, JournalUnavailable
from statusgate.domain.ids import InstanceId, is_token, parse_instance_id
from statusgate.domain.instance import Instance
from statusgate.engines.simulated.options import OptionValue, options_from
from statusgate.journal import migrate_journal, open_journal
from statusgate.services.instances import Instances, NewInstance
from statusgate.settings import Settings, SettingsError, load_settings
from statusgate.wiring import StartError, SystemClock

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


def _settings_options(command: Callable[..., Any]) -> Callable[..., Any]:
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


def _load(config: Path | None, **flags: Any) -> Settings:
    file = config or (Path(text) if (text := os.environ.get("STATUSGATE_CONFIG")) else None)
    return load_settings(file, os.environ, **flags)


@contextlib.contextmanager
def _faults_told() -> Any:
    """Turn an expected fault into one line on standard error and exit code 1."""
    try:
        yield
    except _FAULTS as error:
        click.echo(f"statusgate: {' '.join(str(error).split())}", err=True)
        sys.exit(EXIT_FAILED)
    except InstanceUnknown as error:
        click.echo(f"statusgate: there is no instance {error}", err=True)
        sys.exit(EXIT_FAILED)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 96})
@click.version_option(__version__, prog_name="statusgate")
def main() -> None:
    """A self-hosted gateway for WhatsApp Status.

    Settings come from --config FILE (TOML), then the environment (STATUSGATE_PORT, …), then
    flags; the later wins. Exit codes: 0 done, 1 it could not be done (one line says why),
    2 wrong usage, 70 the disk or database failed while serving.
    """


@main.command()
@_settings_options
@click.option("--host", help="Address to listen on.  [default: 127.0.0.1]")
@click.option("--port", type=int, help="Port to listen on; 0: any free one.  [default: 8080]")
@click.option("--media", help="Folder of media files.  [default: media in the data folder]")
@click.option("--public-url", help="How clients reach this server, for links to files.")
@click.option("--admin-token", help="Opens the partner API (better: STATUSGATE_ADMIN_TOKEN).")
@click.option("--log-format", type=click.Choice(["console", "json"]))
@click.option("--log-level", type=click.Choice(["debug", "info", "warning", "error"]))
@click.option("--access-log/--no-access-log", default=None, help="One line a request.")
def serve(config: Path | None, **flags: Any) -> None:
    """Run the gateway until SIGTERM or Ctrl-C; answers what is in flight, then exits 0."""
    with _faults_told():
        settings = _load(config, **flags)
        telemetry.configure_logs(settings.log_format, settings.log_level)
        sys.exit(wiring.run(settings))


@main.command()
@_settings_options
@click.option("--host", help="Address to listen on.  [default: 127.0.0.1]")
@click.option("--port", type=int, help="Port to listen on.  [default: 8080]")
@click.option(
    "--every", type=click.FloatRange(0.05), default=3.0, show_default=True,
    help="Seconds between new statuses and views.",
)  # fmt: skip
def demo(config: Path | None, every: float, **flags: Any) -> None:
    """Run a gateway with a sandbox account that has a day of statuses and keeps living.

    Nothing leaves this machine. The data stay in ./data/demo and go on at the next start.
    """
    with _faults_told():
        flags["database"] = flags.get("database") or "sqlite:///data/demo/statusgate.db"
        settings = _load(config, **flags)
        telemetry.configure_logs(settings.log_format, "warning")
        sys.exit(run_demo(settings, every_seconds=every))


@main.command()
@_settings_options
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def migrate(config: Path | None, as_json: bool, **flags: Any) -> None:
    """Bring the database to this version's schema; done already: changes nothing.

    `serve` does the same at its start. A database of a newer version is refused.
    """
    with _faults_told():
        settings = _load(config, **flags)
        applied = migrate_journal(settings.database)
        if as_json:
            click.echo(msgspec.json.encode({"applied": applied}))
        else:
            click.echo(f"applied: {', '.join(applied)}" if applied else "nothing to apply")


@main.group()
def instance() -> None:
    """Create, list, set and delete instances, directly in the database.

    A running server notices within a second. --json prints one JSON value for programs.
    """


@contextlib.asynccontextmanager
async def _instances(config: Path | None, flags: dict[str, Any]) -> AsyncIterator[Instances]:
    settings = _load(config, **flags)
    key = wiring.server_key(settings.data_folder)
    journal = open_journal(settings.database, exclusive=False)
    try:
        instances = Instances(journal, SystemClock(), key)
        await instances.refresh()
        yield instances
    finally:
        await journal.close()


def _told(instance: Instance) -> dict[str, Any]:
    return {
        "idInstance": instance.id,
        "name": instance.name,
        "engine": instance.engine,
        "stateInstance": instance.state,
        "wid": instance.wid,
        "statusMethods": "on" if instance.status_methods else "off",
    }


def _engine_options(engine: str, given: tuple[str, ...]) -> dict[str, OptionValue]:
    options: dict[str, OptionValue] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise click.BadParameter(
                f"{text!r} is not NAME=VALUE", param_hint="--engine-option"
            )
        options[name] = value
    if engine == "simulated":
        try:
            options_from(options)
        except InvalidRequest as error:
            raise click.BadParameter(error.detail, param_hint="--engine-option") from None
    return options


def _print(value: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        click.echo(msgspec.json.encode(value))
        return
    for key, text in value.items():
        click.echo(f"{key}: {text}")


@instance.command()
@_settings_options
@click.option("--name", default="", help="A name for people.")
@click.option(
    "--engine", type=click.Choice(["neonize", "simulated"]), default="neonize",
    show_default=True, help="neonize: WhatsApp; simulated: a sandbox account.",
)  # fmt: skip
@click.option("--id", "instance_id", type=InstanceNumber(), help="[default: the next free one]")
@click.option(
    "--engine-option", "engine_options", multiple=True, metavar="NAME=VALUE",
    help="For sandboxes: profile=silent|lively|burst|hostile, auto_authorize=yes|no, ….",
)  # fmt: skip
@click.option("--token", help="32-128 of A-Z a-z 0-9 _ -  [default: a new one]")
@click.option("--json", "as_json", is_flag=True)
def create(
    config: Path | None,
    name: str,
    engine: Any,
    instance_id: InstanceId | None,
    token: str | None,
    engine_options: tuple[str, ...],
    as_json: bool,
    **flags: Any,
) -> None:
    """Create an instance and print its id and token; the token is shown only this once."""
    if token is not None and not is_token(token):
        raise click.BadParameter("32 to 128 of A-Z a-z 0-9 _ -", param_hint="--token")
    options = _engine_options(engine, engine_options)

    async def work() -> dict[str, Any]:
        async with _instances(config, flags) as instances:
            made, secret = await instances.create(
                NewInstance(
                    name=name,
                    engine=engine,
                    engine_options=options,
                    id=instance_id,
                    token=token,
                )
            )
            return {**_told(made), "apiTokenInstance": secret}

    with _faults_told():
        _print(asyncio.run(work()), as_json=as_json)


@instance.command("list")
@_settings_options
@click.option("--json", "as_json", is_flag=True)
def list_(config: Path | None, as_json: bool, **flags: Any) -> None:
    """List instances, oldest first. Tokens are never shown."""

    async def work() -> list[dict[str, Any]]:
        async with _instances(config, flags) as instances:
            return [_told(one) for one in instances.all()]

    with _faults_told():
        rows = asyncio.run(work())
        if as_json:
            click.echo(msgspec.json.encode(rows))
            return
        table = Table("id", "name", "engine", "state", "wid", "status methods")
        for row in rows:
            table.add_row(*(str(value) for value in row.values()))
        Console().print(table)


@instance.command("set")
@_settings_options
@click.argument("instance_id", metavar="ID", type=InstanceNumber())
@click.option(
    "--status-methods", type=click.Choice(["on", "off"]), help="off: they answer 403."
)
@click.option("--name", help="A name for people.")
@click.option("--json", "as_json", is_flag=True)
def set_(
    config: Path | None,
    instance_id: InstanceId,
    status_methods: str | None,
    name: str | None,
    as_json: bool,
    **flags: Any,
) -> None:
    """Change what the operator decides of an instance."""
    changes: dict[str, Any] = {}
    if status_methods is not None:
        changes["status_methods"] = status_methods == "on"
    if name is not None:
        changes["name"] = name
    if not changes:
        raise click.UsageError("nothing to set: give --status-methods or --name")

    async def work() -> dict[str, Any]:
        async with _instances(config, flags) as instances:
            return _told(await instances.change(instance_id, **changes))

    with _faults_told():
        _print(asyncio.run(work()), as_json=as_json)


@instance.command("rotate-token")
@_settings_options
@click.argument("instance_id", metavar="ID", type=InstanceNumber())
@click.option("--json", "as_json", is_flag=True)
def rotate_token(
    config: Path | None, instance_id: InstanceId, as_json: bool, **flags: Any
) -> None:
    """Give an instance a new token and print it; the old one dies within a second."""

    async def work() -> dict[str, Any]:
        async with _instances(config, flags) as instances:
            token = await instances.rotate_token(instance_id)
            return {"idInstance": instance_id, "apiTokenInstance": token}

    with _faults_told():
        _print(asyncio.run(work()), as_json=as_json)


@instance.command()
@_settings_options
@click.argument("instance_id", metavar="ID", type=InstanceNumber())
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--json", "as_json", is_flag=True)
def delete(
    config: Path | None, instance_id: InstanceId, yes: bool, as_json: bool, **flags: Any
) -> None:
    """Delete an instance with its journal, contacts, media and token.

    The device stays in the phone's list of linked devices until it is removed there; to
    unlink it as well, call logout first.
    """
    if not yes:
        click.confirm(f"Delete instance {instance_id} and all its records?", abort=True)

    async def work() -> dict[str, Any]:
        async with _instances(config, flags) as instances:
            await instances.delete(instance_id)
            return {"deleted": instance_id}

    with _faults_told():
        _print(asyncio.run(work()), as_json=as_json)


@main.group()
def notifications() -> None:
    """See what waits to be told, and repair it, directly in the database.

    A running server notices within seconds.
    """


def _on_journal(config: Path | None, flags: dict[str, Any], work: Callable[..., Any]) -> Any:
    """Run ``work(journal)`` on the database that the settings name."""

    async def run() -> Any:
        journal = open_journal(_load(config, **flags).database, exclusive=False)
        try:
            return await work(journal)
        finally:
            await journal.close()

    with _faults_told():
        return asyncio.run(run())


_instance_argument = click.argument("instance_id", metavar="ID", type=InstanceNumber())
_receipts_argument = click.argument("receipts", metavar="RECEIPT…", type=int, nargs=-1)


@notifications.command("list")
@_settings_options
@_instance_argument
@click.option("--ended", is_flag=True, help="Those that are delivered, expired or dropped.")
@click.option("--limit", type=click.IntRange(1), default=100, show_default=True)
@click.option("--json", "as_json", is_flag=True)
def list_notifications(
    config: Path | None,
    instance_id: InstanceId,
    ended: bool,
    limit: int,
    as_json: bool,
    **flags: Any,
) -> None:
    """List an instance's notifications, oldest first, with their last attempt to push."""
    rows = _on_journal(
        config,
        flags,
        lambda journal: notifications_command.listed(
            journal, instance_id, waiting=not ended, limit=limit
        ),
    )
    if as_json:
        click.echo(msgspec.json.encode(rows))
        return
    table = Table("receipt", "created", "state", "attempts", "last attempt", "came of it")
    for row in rows:
        told = " ".join(str(row[key]) for key in ("lastOutcome", "lastCode") if row[key])
        table.add_row(
            str(row["receiptId"]), row["created"], row["state"], str(row["attempts"]),
            row["lastAttempt"], f"{told} {row['lastReason']}".strip(),
        )  # fmt: skip
    Console().print(table)


@notifications.command()
@_settings_options
@_instance_argument
@_receipts_argument
@click.option("--expired", is_flag=True, help="All that nobody took within 24 hours.")
@click.option("--json", "as_json", is_flag=True)
def replay(
    config: Path | None,
    instance_id: InstanceId,
    receipts: tuple[int, ...],
    expired: bool,
    as_json: bool,
    **flags: Any,
) -> None:
    """Queue ended notifications again: same body, same webhook-id, a new receipt id."""
    if not receipts and not expired:
        raise click.UsageError("nothing to replay: give receipt ids or --expired")
    rows = _on_journal(
        config,
        flags,
        lambda journal: notifications_command.replayed(
            journal, instance_id, receipts, expired=expired
        ),
    )
    if as_json:
        click.echo(msgspec.json.encode(rows))
        return
    for row in rows:
        click.echo(f"{row['receiptId']}: {row['newReceiptId'] or 'waits or is not there'}")


@notifications.command()
@_settings_options
@_instance_argument
@_receipts_argument
@click.option("--all", "everything", is_flag=True, help="All that wait.")
@click.option("--json", "as_json", is_flag=True)
def drop(
    config: Path | None,
    instance_id: InstanceId,
    receipts: tuple[int, ...],
    everything: bool,
    as_json: bool,
    **flags: Any,
) -> None:
    """Take waiting notifications out of the queue; they can be replayed."""
    if not receipts and not everything:
        raise click.UsageError("nothing to drop: give receipt ids or --all")
    count = _on_journal(
        config,
        flags,
        lambda journal: notifications_command.dropped(
            journal, instance_id, receipts, everything=everything
        ),
    )
    _print({"dropped": count}, as_json=as_json)


main.add_command(link_command.link)
main.add_command(simulate_command.simulate)
main.add_command(post_command.post)
main.add_command(post_command.status)
