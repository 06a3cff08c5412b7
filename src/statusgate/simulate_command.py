"""``statusgate simulate``: make things happen on a sandbox account of a running server."""

import base64
import json
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import click

_SECONDS = 60.0


def post_script(url: str, instance: str, token: str, events: list[Any]) -> dict[str, Any]:
    """Post *events* to the simulate method; raises click.ClickException with the answer."""
    if not url.startswith(("http://", "https://")):
        raise click.BadParameter("an http or https URL", param_hint="--url")
    request = urllib.request.Request(  # noqa: S310 - the scheme is checked above
        f"{url.rstrip('/')}/waInstance{instance}/simulate",
        data=json.dumps(events).encode(),
        headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
        method="POST",
    )
    try:
        with urllib.request.urlopen(request, timeout=_SECONDS) as answer:  # noqa: S310
            told: dict[str, Any] = json.load(answer)
            return told
    except urllib.error.HTTPError as error:
        raise click.ClickException(f"{error.code}: {_message(error.read())}") from None
    except OSError as error:
        raise click.ClickException(f"cannot reach {url}: {error}") from None


def _message(body: bytes) -> str:
    try:
        return str(json.loads(body)["message"])
    except (ValueError, KeyError, TypeError):
        return "the server's answer is not in the contract's shape"


class _Target:
    """Where the events go."""

    def __init__(self, url: str, instance: str, token: str) -> None:
        self.url, self.instance, self.token = url, instance, token

    def send(self, *events: dict[str, Any]) -> None:
        told = post_script(
            self.url,
            self.instance,
            self.token,
            [
                {key: value for key, value in event.items() if value is not None}
                for event in events
            ],
        )
        click.echo(json.dumps(told))


@click.group()
@click.option(
    "--url", envvar="STATUSGATE_URL", default="http://127.0.0.1:8080", show_default=True
)
@click.option("--instance", envvar="STATUSGATE_INSTANCE", required=True, help="idInstance.")
@click.option("--token", envvar="STATUSGATE_TOKEN", required=True, help="apiTokenInstance.")
@click.pass_context
def simulate(context: click.Context, url: str, instance: str, token: str) -> None:
    """Make things happen on a sandbox account of a running server.

    Prints {"accepted": n} once all of it is recorded; all or nothing. URL, instance and token
    are also read from STATUSGATE_URL, STATUSGATE_INSTANCE and STATUSGATE_TOKEN.

    \b
    statusgate simulate contact 79001234567@c.us --name Anna --contact-name "Anna K"
    statusgate simulate incoming 79001234567@c.us --text Hello --id A1
    statusgate simulate receipt A1 79001234567@c.us read
    """
    context.obj = _Target(url, instance, token)


@simulate.command()
@click.argument("file", type=click.File("rb"))
@click.pass_obj
def script(target: _Target, file: Any) -> None:
    """Post a JSON array of events from FILE (- for standard input)."""
    try:
        events = json.load(file)
    except ValueError as error:
        raise click.ClickException(f"not JSON: {error}") from None
    if not isinstance(events, list):
        raise click.ClickException("not a JSON array of events")
    click.echo(json.dumps(post_script(target.url, target.instance, target.token, events)))


def _content(command: Any) -> Any:
    options = [
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
    ]  # fmt: skip
    for option in reversed(options):
        command = option(command)
    return command


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
def incoming(target: _Target, /, sender: str, **content: Any) -> None:
    """FROM (…@c.us) posts a status."""
    target.send(_posted("incomingStatus", content, **{"from": sender}))


@simulate.command()
@_content
@click.pass_obj
def phone(target: _Target, /, **content: Any) -> None:
    """The account posts a status on its phone."""
    target.send(_posted("phoneStatus", content))


@simulate.command()
@click.argument("status_id", metavar="ID")
@click.argument("participant")
@click.argument("status", type=click.Choice(["delivered", "read"]))
@click.option("--timestamp", type=int)
@click.pass_obj
def receipt(
    target: _Target, status_id: str, participant: str, status: str, timestamp: int | None
) -> None:
    """PARTICIPANT got or saw the status ID."""
    target.send(
        {
            "event": "receipt",
            "idMessage": status_id,
            "participant": participant,
            "status": status,
            "timestamp": timestamp,
        }
    )


@simulate.command("delete")
@click.argument("status_id", metavar="ID")
@click.argument("sender", metavar="FROM")
@click.pass_obj
def delete_status(target: _Target, status_id: str, sender: str) -> None:
    """FROM withdraws the status ID; FROM may be the account itself."""
    target.send({"event": "deleteStatus", "idMessage": status_id, "from": sender})


@simulate.command()
@click.argument("contact_id", metavar="ID")
@click.option("--name", help="The person's own name.")
@click.option("--contact-name", help="The name in the account's address book.")
@click.pass_obj
def contact(
    target: _Target, contact_id: str, name: str | None, contact_name: str | None
) -> None:
    """Add or replace a contact."""
    target.send(
        {"event": "contact", "id": contact_id, "name": name, "contactName": contact_name}
    )


@simulate.command()
@click.argument("state", metavar="STATE")
@click.option("--wid", help="…@c.us; counts only when linking.")
@click.pass_obj
def state(target: _Target, state: str, wid: str | None) -> None:
    """Change the account's state: authorized, notAuthorized, blocked, starting, suspended."""
    target.send({"event": "state", "state": state, "wid": wid})
