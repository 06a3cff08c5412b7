"""``statusgate instance status``: how the accounts of a running server are."""

import time
from collections.abc import Iterator

import click
import msgspec
from prometheus_client.parser import text_string_to_metric_families
from rich.table import Table

from statusgate.cli.client import Client, url_option
from statusgate.cli.options import (
    InstanceNumber,
    console,
    json_option,
    settings_options,
    visible,
)
from statusgate.domain.errors import InstanceUnknown
from statusgate.domain.ids import InstanceId
from statusgate.domain.instance import State
from statusgate.settings import Settings
from statusgate.wire.glance import InstanceStatus, WebhookGlance

_LONG_SECONDS = 3600
_UNITS = (("d", 86_400), ("h", 3600), ("min", 60))
_STATES = {
    State.BLOCKED: (0, "blocked by WhatsApp"),
    State.SUSPENDED: (1, "suspended by WhatsApp"),
    State.NOT_AUTHORIZED: (2, "not linked to a phone"),
    State.STARTING: (7, "starting"),
}
HEALTHY = 9
"""comes after every trouble"""
Trouble = tuple[int, str]


@click.command()
@settings_options
@url_option
@click.argument("instance_id", metavar="[ID]", type=InstanceNumber(), required=False)
@json_option
def health(settings: Settings, url: str, instance_id: InstanceId | None, as_json: bool) -> None:
    """Show how each account is: first those with a trouble, and which it is.

    Asks a running server, with the admin token of --config or STATUSGATE_ADMIN_TOKEN. With ID:
    that account alone.
    """
    if not settings.admin_token:
        raise click.UsageError("no admin token: set STATUSGATE_ADMIN_TOKEN, or give --config")
    found = _ask(Client(url, "partner", settings.admin_token))
    if instance_id is not None:
        found = [one for one in found if one.id_instance == instance_id]
        if not found:
            raise InstanceUnknown(str(instance_id))
    if as_json:
        click.echo(msgspec.json.encode(found if instance_id is None else found[0]))
    else:
        metrics = Client(url, "", settings.admin_token).text("metrics")
        console().print(_table(found, processes(metrics), round(time.time())))


def troubles(one: InstanceStatus, now: int) -> list[Trouble]:
    """What is wrong with an account, the worst first; *now* in unix seconds."""
    return sorted(_troubles(one, now))


def _troubles(one: InstanceStatus, now: int) -> Iterator[Trouble]:
    if one.state_instance in _STATES:
        rank, what = _STATES[one.state_instance]
        yield rank, f"{what} for {_duration(now - one.state_since)}"
    elif one.status_instance == "offline":
        yield 3, "no connection to WhatsApp"
    if one.webhook.failing_since is not None:
        yield (
            4,
            (
                f"webhook fails for {_duration(now - one.webhook.failing_since)}"
                f" ({_last_push(one.webhook)})"
            ),
        )
    elif one.notifications.oldest_at is not None:
        waited = now - one.notifications.oldest_at
        if waited >= _LONG_SECONDS:
            yield 5, f"nobody took a notification for {_duration(waited)}"
    if one.failed_24h:
        posts = "1 post" if one.failed_24h == 1 else f"{one.failed_24h} posts"
        yield 6, f"{posts} failed within 24 h"


def _ask(client: Client) -> list[InstanceStatus]:
    answer = client.get("getInstancesStatus")
    if isinstance(answer, dict):  # the partner API's way to refuse
        raise click.ClickException(f"{answer.get('code')}: {answer.get('description')}")
    return msgspec.convert(answer, list[InstanceStatus])


def processes(metrics: str) -> dict[str, str]:
    """Return where the engine of each account runs, by idInstance: ``1, 71 MB, 2 restarts``."""
    values: dict[str, dict[str, float]] = {}
    for family in text_string_to_metric_families(metrics):
        for sample in family.samples:
            label = sample.labels.get("account") or sample.labels.get("process", "")
            values.setdefault(sample.name, {})[label] = sample.value
    memory = values.get("statusgate_engine_process_memory_bytes", {})
    restarts = values.get("statusgate_account_restarts_total", {})
    return {
        account: f"{number:.0f}, {memory.get(f'{number:.0f}', 0) / 1e6:.0f} MB,"
        f" {restarts.get(account, 0):.0f} restarts"
        for account, number in values.get("statusgate_account_process", {}).items()
    }


def _table(found: list[InstanceStatus], places: dict[str, str], now: int) -> Table:
    table = Table(
        *("id", "name", "state", "last post", "queue", "scheduled", "notifications"),
        *("process", "trouble"),
    )
    wrong = [troubles(one, now) for one in found]
    rows = list(zip(found, wrong, strict=True))
    rows.sort(key=lambda row: row[1][0][0] if row[1] else HEALTHY)
    for one, reasons in rows:
        posted = one.last_posted_at
        table.add_row(
            str(one.id_instance),
            visible(one.name, 24),
            str(one.state_instance),
            "never" if posted is None else f"{_duration(now - posted)} ago",
            str(one.queue.waiting),
            str(one.queue.scheduled),
            str(one.notifications.waiting),
            places.get(str(one.id_instance), ""),
            "; ".join(what for _, what in reasons),
        )
    return table


def _last_push(webhook: WebhookGlance) -> str:
    if webhook.last_status is not None:
        return f"HTTP {webhook.last_status}"
    return webhook.last_error or "no answer"


def _duration(seconds: int) -> str:
    """The greatest unit that fits: ``3 h``."""
    for unit, length in _UNITS:
        if seconds >= length:
            return f"{seconds // length} {unit}"
    return f"{max(seconds, 0)} s"
