"""``statusgate simulate``: make things happen on a sandbox account of a running server."""

import base64
import json
from pathlib import Path
from typing import Any

import click

from statusgate.cli.client import GatewayClient, target_options
from statusgate.cli.options import together


def _send(target: GatewayClient, event: dict[str, Any]) -> None:
    given = {key: value for key, value in event.items() if value is not None}
    click.echo(json.dumps(target.post("simulate", [given])))


@click.group()
@target_options
@click.pass_context
def simulate(context: click.Context, target: GatewayClient) -> None:
    """Make things happen on a sandbox account of a running server.

    Prints {"accepted": n} once all of it is recorded; all or nothing. URL, instance and token
    are also read from STATUSGATE_URL, STATUSGATE_INSTANCE and STATUSGATE_TOKEN.

    \b
    statusgate simulate contact 79001234567@c.us --name Anna --contact-name "Anna K"
    statusgate simulate incoming 79001234567@c.us --text Hello --id A1
    statusgate simulate receipt B1 79001234567@c.us read
    statusgate simulate reaction B1 79001234567@c.us 💚
    statusgate simulate reply B1 79001234567@c.us "Is it open today?"
    """
    context.obj = target


@simulate.command()
@click.argument("file", type=click.File("rb"))
@click.pass_obj
def script(target: GatewayClient, file: Any) -> None:
    """Post a JSON array of events from FILE (- for standard input)."""
    try:
        events = json.load(file)
    except ValueError as error:
        raise click.ClickException(f"not JSON: {error}") from None
    if not isinstance(events, list):
        raise click.ClickException("not a JSON array of events")
    click.echo(json.dumps(target.post("simulate", events)))


_content = together(
    click.option(
        "--type", "kind", type=click.Choice(["text", "image", "video", "audio"]),
        default="text", show_default=True,
    ),
    click.option("--text", help="The text of a text status."),
    click.option("--caption", help="Under a picture or video."),
    click.option("--background", help="#RRGGBB"),
    click.option("--font", help="One of the contract's five."),
    click.option(
        "--file", type=click.Path(exists=True, dir_okay=False, path_type=Path),
        help="The picture, video or sound; without it a small sample is used.",
    ),
    click.option("--timestamp", type=int, help="Unix seconds; a future one waits."),
    click.option("--id", "status_id", help="idMessage; without it a new one."),
)  # fmt: skip


def _posted(event: str, content: dict[str, Any], **more: Any) -> dict[str, Any]:
    file: Path | None = content["file"]
    return {
        "event": event,
        **more,
        "type": content["kind"],
        "text": content["text"],
        "caption": content["caption"],
        "backgroundColor": content["background"],
        "font": content["font"],
        "file": base64.b64encode(file.read_bytes()).decode() if file else None,
        "timestamp": content["timestamp"],
        "idMessage": content["status_id"],
    }


@simulate.command()
@click.argument("sender", metavar="FROM")
@_content
@click.pass_obj
def incoming(target: GatewayClient, /, sender: str, **content: Any) -> None:
    """FROM (…@c.us) posts a status."""
    _send(target, _posted("incomingStatus", content, **{"from": sender}))


@simulate.command()
@_content
@click.pass_obj
def phone(target: GatewayClient, /, **content: Any) -> None:
    """The account posts a status on its phone."""
    _send(target, _posted("phoneStatus", content))


@simulate.command()
@click.argument("status_id", metavar="ID")
@click.argument("participant")
@click.argument("status", type=click.Choice(["delivered", "read"]))
@click.option("--timestamp", type=int)
@click.pass_obj
def receipt(
    target: GatewayClient, status_id: str, participant: str, status: str, timestamp: int | None
) -> None:
    """PARTICIPANT got or saw the status ID."""
    _send(
        target,
        {
            "event": "receipt",
            "idMessage": status_id,
            "participant": participant,
            "status": status,
            "timestamp": timestamp,
        },
    )


@simulate.command()
@click.argument("status_id", metavar="ID")
@click.argument("participant")
@click.argument("reaction")
@click.option("--timestamp", type=int)
@click.pass_obj
def reaction(
    target: GatewayClient,
    status_id: str,
    participant: str,
    reaction: str,
    timestamp: int | None,
) -> None:
    """PARTICIPANT reacts to the status ID with an emoji; "" takes it back."""
    _send(
        target,
        {
            "event": "reaction",
            "idMessage": status_id,
            "participant": participant,
            "reaction": reaction,
            "timestamp": timestamp,
        },
    )


@simulate.command()
@click.argument("status_id", metavar="ID")
@click.argument("participant")
@click.argument("text", default="")
@click.option(
    "--type",
    "kind",
    default="text",
    show_default=True,
    type=click.Choice(["text", "image", "video", "audio", "document", "sticker"]),
)
@click.option("--timestamp", type=int)
@click.option("--id", "reply_id", help="Id of the private message; without it a new one.")
@click.pass_obj
def reply(
    target: GatewayClient, status_id: str, participant: str, text: str, kind: str,
    timestamp: int | None, reply_id: str | None,
) -> None:  # fmt: skip
    """PARTICIPANT answers the status ID privately; TEXT of a file is its caption."""
    _send(
        target,
        {
            "event": "reply",
            "idMessage": status_id,
            "participant": participant,
            "type": kind,
            "text": text,
            "timestamp": timestamp,
            "replyId": reply_id,
        },
    )


@simulate.command("delete")
@click.argument("status_id", metavar="ID")
@click.argument("sender", metavar="FROM")
@click.pass_obj
def delete_status(target: GatewayClient, status_id: str, sender: str) -> None:
    """FROM withdraws the status ID; FROM may be the account itself."""
    _send(target, {"event": "deleteStatus", "idMessage": status_id, "from": sender})


@simulate.command()
@click.argument("contact_id", metavar="ID")
@click.option("--name", help="The person's own name.")
@click.option("--contact-name", help="The name in the account's address book.")
@click.pass_obj
def contact(
    target: GatewayClient, contact_id: str, name: str | None, contact_name: str | None
) -> None:
    """Add or replace a contact."""
    _send(
        target,
        {"event": "contact", "id": contact_id, "name": name, "contactName": contact_name},
    )


@simulate.command()
@click.argument("state", metavar="STATE")
@click.option("--wid", help="…@c.us; counts only when linking.")
@click.pass_obj
def state(target: GatewayClient, state: str, wid: str | None) -> None:
    """Change the account's state: authorized, notAuthorized, blocked, starting, suspended."""
    _send(target, {"event": "state", "state": state, "wid": wid})
