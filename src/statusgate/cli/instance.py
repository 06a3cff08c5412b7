"""``statusgate instance``: create, list, set and delete instances."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import click
import msgspec
from rich.table import Table

from statusgate.accounts.instances import Instances, NewInstance
from statusgate.cli.options import (
    InstanceNumber,
    console,
    instance_argument,
    json_option,
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
from statusgate.journal import Journal, Transaction
from statusgate.server.folders import make_parent, renew_server_key, server_key
from statusgate.settings import Settings

T = TypeVar("T")


@click.group()
def instance() -> None:
    """Create, list, set and delete instances, directly in the database.

    A running server notices within a second. --json prints one JSON value for programs.
    """


def _on_instances(
    settings: Settings, work: Callable[[Instances], Awaitable[T]], *, create: bool = False
) -> T:
    async def run(journal: Journal) -> T:
        key = await server_key(settings.data_folder, journal, settings.server_key)
        instances = Instances(journal, SystemClock(), key)
        await instances.refresh()
        return await work(instances)

    return on_journal(settings, run, create=create)


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
@json_option
def create(
    settings: Settings,
    name: str,
    engine: Any,
    instance_id: InstanceId | None,
    token: str | None,
    engine_options: tuple[str, ...],
    as_json: bool,
) -> None:
    """Create an instance and print its id and token; the token is shown only this once."""
    if token is not None and not is_token(token):
        raise click.BadParameter("32 to 128 of A-Z a-z 0-9 _ -", param_hint="--token")
    options = _engine_options(engine, engine_options)
    new = NewInstance(
        name=name, engine=engine, engine_options=options, id=instance_id, token=token
    )
    make_parent(settings.database)
    made, secret = _on_instances(settings, lambda known: known.create(new), create=True)
    print_fields({**_fields(made), "apiTokenInstance": secret}, as_json=as_json)


@instance.command("list")
@settings_options
@json_option
def list_(settings: Settings, as_json: bool) -> None:
    """List instances, oldest first. Tokens are never shown."""
    instances = on_journal(settings, lambda journal: journal.read(Transaction.instances))
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
@instance_argument
@click.option(
    "--status-methods", type=click.Choice(["on", "off"]), help="off: they answer 403."
)
@click.option("--name", help="A name for people.")
@json_option
def set_(
    settings: Settings,
    instance_id: InstanceId,
    status_methods: str | None,
    name: str | None,
    as_json: bool,
) -> None:
    """Change what the operator decides of an instance."""
    changes: dict[str, Any] = {}
    if status_methods is not None:
        changes["status_methods"] = status_methods == "on"
    if name is not None:
        changes["name"] = name
    if not changes:
        raise click.UsageError("nothing to set: give --status-methods or --name")
    changed = _on_instances(settings, lambda known: known.change(instance_id, **changes))
    print_fields(_fields(changed), as_json=as_json)


@instance.command("rotate-token")
@settings_options
@instance_argument
@json_option
def rotate_token(settings: Settings, instance_id: InstanceId, as_json: bool) -> None:
    """Give an instance a new token and print it; the old one dies within a second."""
    token = _on_instances(settings, lambda known: known.rotate_token(instance_id))
    print_fields({"idInstance": instance_id, "apiTokenInstance": token}, as_json=as_json)


@instance.command()
@settings_options
@instance_argument
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
def delete(settings: Settings, instance_id: InstanceId, yes: bool, as_json: bool) -> None:
    """Delete an instance with its journal, contacts, media and token.

    The device stays in the phone's list of linked devices until it is removed there; to
    unlink it as well, call logout first.
    """
    if not yes:
        click.confirm(f"Delete instance {instance_id} and all its records?", abort=True)
    _on_instances(settings, lambda known: known.delete(instance_id))
    print_fields({"deleted": instance_id}, as_json=as_json)


@instance.command("renew-key")
@settings_options
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
def renew_key(settings: Settings, yes: bool, as_json: bool) -> None:
    """Replace a lost server key. All tokens become void.

    Give every instance a new token afterwards (rotate-token) and restart the server.
    """
    if not yes:
        click.confirm("Make a new server key, so that no token is valid any more?", abort=True)
    data, given = settings.data_folder, settings.server_key
    where = on_journal(settings, lambda journal: renew_server_key(data, journal, given))
    print_fields({"serverKey": where}, as_json=as_json)
