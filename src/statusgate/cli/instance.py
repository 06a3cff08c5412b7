"""``statusgate instance``: create, list, set and delete instances."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import click
import msgspec
from rich.table import Table

from statusgate.accounts.instances import Instances, NewInstance
from statusgate.cli.options import (
    InstanceNumber,
    console,
    faults_reported,
    load,
    on_journal,
    print_fields,
    settings_options,
)
from statusgate.domain.clock import SystemClock
from statusgate.domain.errors import InvalidRequest
from statusgate.domain.ids import InstanceId, is_token
from statusgate.domain.instance import EngineName, Instance
from statusgate.engines.options import OptionValue, check_options
from statusgate.engines.registry import ENGINES
from statusgate.journal import Transaction, open_journal
from statusgate.server.folders import make_parent, renew_server_key, server_key


@click.group()
def instance() -> None:
    """Create, list, set and delete instances, directly in the database.

    A running server notices within a second. --json prints one JSON value for programs.
    """


@contextlib.asynccontextmanager
async def _instances(
    config: Path | None, flags: dict[str, Any], *, create: bool = False
) -> AsyncIterator[Instances]:
    settings = load(config, **flags)
    if create:
        make_parent(settings.database)
    journal = open_journal(settings.database, exclusive=False, create=create)
    try:
        key = await server_key(settings.data_folder, journal)
        instances = Instances(journal, SystemClock(), key)
        await instances.refresh()
        yield instances
    finally:
        await journal.close()


def _fields(instance: Instance) -> dict[str, Any]:
    return {
        "idInstance": instance.id,
        "name": instance.name,
        "engine": instance.engine,
        "stateInstance": instance.state,
        "wid": instance.wid,
        "statusMethods": "on" if instance.status_methods else "off",
    }


def _engine_options(engine: EngineName, given: tuple[str, ...]) -> dict[str, OptionValue]:
    options: dict[str, OptionValue] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise click.BadParameter(
                f"{text!r} is not NAME=VALUE", param_hint="--engine-option"
            )
        options[name] = value
    try:
        check_options(ENGINES[engine].options, options)
    except InvalidRequest as error:
        raise click.BadParameter(error.detail, param_hint="--engine-option") from None
    return options


@instance.command()
@settings_options
@click.option("--name", default="", help="A name for people.")
@click.option(
    "--engine", type=click.Choice(list(ENGINES)), default="neonize", show_default=True,
    help="; ".join(f"{name}: {kind.about}" for name, kind in ENGINES.items()) + ".",
)  # fmt: skip
@click.option("--id", "instance_id", type=InstanceNumber(), help="[default: the next free one]")
@click.option(
    "--engine-option", "engine_options", multiple=True, metavar="NAME=VALUE",
    help="For sandboxes: profile=silent|lively|burst|hostile, auto_authorize=yes|no, …; for"
    " WhatsApp: recipient_addressing=auto|pn|lid, legacy_fonts=raw|map.",
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
        async with _instances(config, flags, create=True) as instances:
            made, secret = await instances.create(
                NewInstance(
                    name=name,
                    engine=engine,
                    engine_options=options,
                    id=instance_id,
                    token=token,
                )
            )
            return {**_fields(made), "apiTokenInstance": secret}

    with faults_reported():
        print_fields(asyncio.run(work()), as_json=as_json)


@instance.command("list")
@settings_options
@click.option("--json", "as_json", is_flag=True)
def list_(config: Path | None, as_json: bool, **flags: Any) -> None:
    """List instances, oldest first. Tokens are never shown."""
    instances = on_journal(config, flags, lambda journal: journal.read(Transaction.instances))
    rows = [_fields(one) for one in instances if one.deleted_ms is None]
    if as_json:
        click.echo(msgspec.json.encode(rows))
        return
    table = Table("id", "name", "engine", "state", "wid", "status methods")
    for row in rows:
        table.add_row(*(str(value) for value in row.values()))
    console().print(table)


@instance.command("set")
@settings_options
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
            return _fields(await instances.change(instance_id, **changes))

    with faults_reported():
        print_fields(asyncio.run(work()), as_json=as_json)


@instance.command("rotate-token")
@settings_options
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

    with faults_reported():
        print_fields(asyncio.run(work()), as_json=as_json)


@instance.command()
@settings_options
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

    with faults_reported():
        print_fields(asyncio.run(work()), as_json=as_json)


@instance.command("renew-key")
@settings_options
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--json", "as_json", is_flag=True)
def renew_key(config: Path | None, yes: bool, as_json: bool, **flags: Any) -> None:
    """Replace a lost server key. All tokens become void.

    Give every instance a new token afterwards (rotate-token) and restart the server.
    """
    if not yes:
        click.confirm("Make a new server key, so that no token is valid any more?", abort=True)

    async def work() -> dict[str, Any]:
        settings = load(config, **flags)
        journal = open_journal(settings.database, exclusive=False)
        try:
            return {"serverKey": str(await renew_server_key(settings.data_folder, journal))}
        finally:
            await journal.close()

    with faults_reported():
        print_fields(asyncio.run(work()), as_json=as_json)
