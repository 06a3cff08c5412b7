"""``statusgate status``: look at a status on a running server."""

import json
from datetime import datetime
from typing import Any

import click
from rich.table import Table

from statusgate.cli.client import GatewayClient, target_options
from statusgate.cli.options import console, json_option

_STEPS = ("pending", "sent", "delivered", "read")


@click.group()
def status() -> None:
    """Look at a status on a running server."""


@status.command("show")
@click.argument("status_id", metavar="ID")
@target_options
@json_option
def show_status(target: GatewayClient, status_id: str, as_json: bool) -> None:
    """Show what became of the status ID: who got it, who saw it, who did not and why."""
    answer = target.get("getStatusReport", idMessage=status_id)
    if as_json:
        click.echo(json.dumps(answer, ensure_ascii=False))
    else:
        show_report(answer)


def show_report(report: dict[str, Any]) -> None:
    """Print a report for people."""
    out = console()
    out.print(f"[bold]{report['idMessage']}[/bold]  {report['statusMessage']}")
    failure = report["fanOut"]["failure"]
    if failure:
        out.print(f"failed: {failure['description']}")
    times = Table("", "", show_header=False, box=None)
    for label, key in (
        ("accepted", "acceptedAt"),
        ("scheduled for", "sendAt"),
        ("sent", "sentAt"),
        ("first delivered", "firstDelivered"),
        ("first view", "firstView"),
        ("last view", "lastView"),
    ):
        if report[key] is not None:
            times.add_row(label, _moment(report[key]))
    out.print(times)
    counts = Table(*_STEPS, "failed", "total")
    counts.add_row(*(str(report["counts"][key]) for key in (*_STEPS, "failed", "total")))
    out.print(counts)
    for what in ("skipped", "refused"):
        for one in report["fanOut"][what]:
            some = ", ".join(one["participants"][:5]) + ("…" if one["count"] > 5 else "")
            out.print(f"{what}: {one['count']} {one['reason']} ({some})", highlight=False)


def _moment(seconds: int) -> str:
    return datetime.fromtimestamp(seconds).astimezone().isoformat(" ", "seconds")
