"""``statusgate status``: look at statuses on a running server, and answer those of others."""

import json
import time
from datetime import datetime
from typing import Any

import click
from rich.table import Table
from rich.text import Text

from statusgate.cli.client import GatewayClient, target_options
from statusgate.cli.options import console, json_option, visible

_STEPS = ("pending", "sent", "delivered", "read")
_KINDS = {
    "extendedTextMessage": "text",
    "imageMessage": "image",
    "videoMessage": "video",
    "audioMessage": "voice",
}
_LARGEST_PAGE = 200
_LONGEST_TEXT = 40
_LONGEST_NAME = 30


@click.group()
def status() -> None:
    """Look at statuses on a running server: posts, viewers, days; answer those of others.

    URL, instance and token are also read from STATUSGATE_URL, STATUSGATE_INSTANCE and
    STATUSGATE_TOKEN. Times are those of this machine's zone, today's without the date; --json
    prints one JSON value as the server answers, with unix seconds. Exit code 1: the server
    refused, or is not there.

    \b
    statusgate status list --days 7
    statusgate status viewers 3EB0C767D097B7C7C030
    statusgate status summary --days 14 --timezone Europe/Berlin
    statusgate status reply 3EB0A1B2C3D4E5F60718 "Where is that?"
    """


_author = click.option(
    "--author", metavar="CHAT_ID",
    help="Whose status, if people have statuses of the same ID.  [default: the newest]",
)  # fmt: skip


@status.command("list")
@click.option(
    "--days", type=click.IntRange(1), help="Posts of so many days (24 hours each), all of them."
)
@click.option(
    "--limit", type=click.IntRange(1), help="At most so many.  [default: 20; with --days: all]"
)
@target_options
@json_option
def list_statuses(
    target: GatewayClient, days: int | None, limit: int | None, as_json: bool
) -> None:
    """List what was posted, newest first: to how many, and how many did what.

    got: it was delivered to them, viewers included. A dash: whom a post from the phone went to
    is not known. What is scheduled is not listed.
    """
    query = {"type": "outgoing"}
    if days is not None:
        query["from"] = str(int(time.time()) - days * 86_400)
    most = 20 if days is None and limit is None else limit
    found = _pages(target, "getStatuses", "before", most, query)
    if as_json:
        _print_json(found)
        return
    table = Table("posted", "kind", "text", "status", box=None, pad_edge=False)
    for name in ("to", "got", "viewed", "likes", "replies"):
        table.add_column(name, justify="right")
    table.add_column("id", no_wrap=True)
    for item in found:
        audience = item["counts"]["total"] if item["audience"]["complete"] else "–"
        reached = item["reached"]
        table.add_row(
            _minute(item["sendAt"] or item["acceptedAt"]),
            _KINDS[item["typeMessage"]],
            visible(item.get("textMessage") or item.get("caption") or "", _LONGEST_TEXT),
            item["statusMessage"],
            *map(str, (audience, reached["delivered"], reached["read"])),
            *map(str, (item["reactions"], item["replies"])),
            visible(item["idMessage"]),
        )
    console().print(table)


@status.command("viewers")
@click.argument("status_id", metavar="ID")
@click.option(
    "--show", type=click.Choice(["read", "unread", "failed"]),
    help="Only those who viewed it, did not as far as is known, or could not get it.",
)  # fmt: skip
@target_options
@json_option
def list_viewers(
    target: GatewayClient, status_id: str, show: str | None, as_json: bool
) -> None:
    """List who the status ID went to, by name: when each got it, viewed it and replied.

    People who switched receipts off cannot be seen to view it; a reaction proves a view.
    """
    query = {"idMessage": status_id} | ({"show": show} if show else {})
    found = _pages(target, "getStatusViewers", "after", None, query)
    if as_json:
        _print_json(found)
        return
    table = Table("name", box=None, pad_edge=False)
    table.add_column("id", no_wrap=True)
    for name in ("status", "got", "viewed", "like", "replied"):
        table.add_column(name)
    for one in found:
        table.add_row(
            visible(one["contactName"] or one["name"], _LONGEST_NAME),
            visible(one["participant"]),
            one["status"],
            *(_minute(one[name]) for name in ("deliveredAt", "readAt")),
            visible(one["reaction"] or ""),
            _minute(one["repliedAt"]),
        )
    console().print(table)


@status.command("summary")
@click.option("--days", type=click.IntRange(1, 366), default=30, show_default=True)
@click.option(
    "--timezone", default="UTC", show_default=True, help="IANA name: where days begin."
)
@target_options
@json_option
def summary(target: GatewayClient, days: int, timezone: str, as_json: bool) -> None:
    """Sum up the account's days, oldest first, and the hours in which it posted.

    Everything belongs to the day and hour of the post, also what came later.
    """
    answer = target.get("getStatusesSummary", days=str(days), timezone=timezone)
    if as_json:
        _print_json(answer)
        return
    out = console()
    names = ("posted", "recipients", "delivered", "read", "reactions", "replies")
    out.print(_sums("date", names, answer["days"]))
    out.print(f"\nby hour of the post ({answer['timezone']})", highlight=False)
    busy = [hour for hour in answer["byHour"] if hour["posted"]]
    out.print(_sums("hour", ("posted", "read"), busy))


@status.command("show")
@click.argument("status_id", metavar="ID")
@target_options
@json_option
def show_status(target: GatewayClient, status_id: str, as_json: bool) -> None:
    """Show what became of the status ID: who got it, who saw it, who did not and why."""
    answer = target.get("getStatusReport", idMessage=status_id)
    if as_json:
        _print_json(answer)
    else:
        show_report(answer)


@status.command("react")
@click.argument("status_id", metavar="ID")
@click.argument("emoji")
@_author
@target_options
@json_option
def react(
    target: GatewayClient, status_id: str, emoji: str, author: str | None, as_json: bool
) -> None:
    """React to somebody's status ID with one EMOJI; "" takes the reaction back.

    Only the author gets it. Prints the id of the reaction, which waits in the queue of posts.
    """
    _answer(target, "sendStatusReaction", status_id, author, as_json, reaction=emoji)


@status.command("reply")
@click.argument("status_id", metavar="ID")
@click.argument("message")
@_author
@target_options
@json_option
def reply(
    target: GatewayClient, status_id: str, message: str, author: str | None, as_json: bool
) -> None:
    """Reply to somebody's status ID with a private message that quotes it.

    Only the author gets it. Prints the id of the reply, which waits in the queue of posts.
    """
    _answer(target, "sendStatusReply", status_id, author, as_json, message=message)


def _answer(
    target: GatewayClient,
    method: str,
    status_id: str,
    author: str | None,
    as_json: bool,
    **content: str,
) -> None:
    chat_id = author or target.get("getStatus", idMessage=status_id)["chatId"]
    answer: dict[str, Any] = target.post(
        method, {"idMessage": status_id, "chatId": chat_id, **content}
    )
    if as_json:
        _print_json(answer)
    else:
        click.echo(answer["idMessage"])


def show_report(report: dict[str, Any]) -> None:
    """Print a report for people."""
    out = console()
    out.print(Text.assemble((report["idMessage"], "bold"), "  ", report["statusMessage"]))
    failure = report["fanOut"]["failure"]
    if failure:
        out.print(Text("failed: ").append_text(visible(failure["description"])))
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
    by_reaction = report["reactions"]["byReaction"].items()
    likes = ", ".join(f"{count} {emoji}" for emoji, count in by_reaction) or "none"
    out.print(Text("likes: ").append_text(visible(likes)))
    out.print(Text(f"replies: {report['replies']}"))
    for what in ("skipped", "refused"):
        for one in report["fanOut"][what]:
            some = ", ".join(one["participants"][:5]) + ("…" if one["count"] > 5 else "")
            out.print(f"{what}: {one['count']} {one['reason']} ({some})", highlight=False)


def _pages(
    target: GatewayClient, method: str, goes_on: str, most: int | None, query: dict[str, str]
) -> list[dict[str, Any]]:
    """The items of all pages, at most *most*; *goes_on* is the parameter for ``next``."""
    found: list[dict[str, Any]] = []
    more = {"limit": str(min(most or _LARGEST_PAGE, _LARGEST_PAGE))}
    while True:
        answer = target.get(method, **query, **more)
        found += answer["items"]
        if answer["next"] is None or (most is not None and len(found) >= most):
            return found[:most]
        more[goes_on] = answer["next"]


def _sums(first: str, names: tuple[str, ...], rows: list[dict[str, Any]]) -> Table:
    table = Table(first, box=None, pad_edge=False)
    for name in names:
        table.add_column(name, justify="right")
    for row in rows:
        table.add_row(*(str(row[name]) for name in (first, *names)))
    return table


def _print_json(value: Any) -> None:
    click.echo(json.dumps(value, ensure_ascii=False))


def _minute(seconds: int | None) -> str:
    """Return the minute; without the date if it is today's, so that tables fit 80 columns."""
    if seconds is None:
        return ""
    moment = _local(seconds)
    is_today = moment.date() == _local(int(time.time())).date()
    return f"{moment:%H:%M}" if is_today else f"{moment:%Y-%m-%d %H:%M}"


def _moment(seconds: int) -> str:
    return _local(seconds).isoformat(" ", "seconds")


def _local(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds).astimezone()
