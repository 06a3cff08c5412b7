"""``statusgate post``: publish a status on a running server."""

import json
import os
import re
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from statusgate.cli.client import GatewayClient, target_options
from statusgate.cli.moments import FORMS, FutureMoment, shown
from statusgate.cli.options import EXIT_FAILED, json_option, together
from statusgate.cli.status import show_report
from statusgate.domain.address import parse_chat_id

_LOOK_SECONDS = 0.25
_WHY_LEFT_OUT = {
    "unknown": "is not on WhatsApp",
    "self": "is the account itself",
    "duplicate": "is named twice",
    "privacy": "is excluded by the account's status privacy",
    "overLimit": "is beyond the limit of recipients",
}
_NUMBER = re.compile(r"\+?[\d\s().-]{5,}")


class ChatId(click.ParamType[str]):
    """Somebody's id on WhatsApp: ``79001234567@c.us`` or ``12345678901234@lid``."""

    name = "chat id"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> str:
        text = str(value)
        if parse_chat_id(text) is not None:
            return text
        if not _NUMBER.fullmatch(text):
            fault = f"{text!r} is neither …@c.us nor …@lid"
        else:
            digits = "".join(filter(str.isdigit, text))
            fault = f"{text!r} is a phone number; write {digits}@c.us"
        raise click.BadParameter(fault, ctx, param)


_audience = together(
    click.option(
        "--to", "participants", multiple=True, metavar="CHAT_ID", type=ChatId(),
        help="…@c.us or …@lid, repeatable.  [default: all contacts with a name]",
    ),
    click.option(
        "--at", type=FutureMoment(), metavar="TIME",
        help=f"Publish then: {FORMS}. Local time of this machine.",
    ),
    click.option("--wait", is_flag=True, help="Until it is known what became of it."),
    click.option(
        "--timeout", type=click.FloatRange(min=0), default=120.0, show_default=True,
        help="Seconds that --wait waits.",
    ),
    target_options,
    json_option,
)  # fmt: skip
"""for whom, when, and whether to wait for it; on which server, and how to print"""


_file = click.argument(
    "file", shell_complete=lambda _ctx, _param, begun: [CompletionItem(begun, type="file")]
)


@click.group()
def post() -> None:
    """Publish a status on a running server; prints its id.

    URL, instance and token are also read from STATUSGATE_URL, STATUSGATE_INSTANCE and
    STATUSGATE_TOKEN. With --wait the exit code is 1 if the status failed.

    \b
    statusgate post text "We open at nine" --background "#228B22" --wait
    statusgate post image horse.png --caption "Little horse" --to 79001234567@c.us
    statusgate post text "Merry Christmas" --at "2026-12-24 09:00"
    """


@post.command()
@click.argument("message")
@click.option("--background", metavar="#RRGGBB")
@click.option("--font", help="One of the contract's five.")
@_audience
def text(message: str, background: str | None, font: str | None, **common: Any) -> None:
    """Publish a text."""
    wish = {"message": message, "backgroundColor": background, "font": font}
    _Post(common).send("sendTextStatus", wish)


@post.command()
@_file
@click.option("--caption")
@_audience
def image(file: str, caption: str | None, **common: Any) -> None:
    """Publish a picture: FILE is a local file or a URL."""
    _Post(common).send_file("sendMediaStatus", file, {"caption": caption})


@post.command()
@_file
@click.option("--caption")
@_audience
def video(file: str, caption: str | None, **common: Any) -> None:
    """Publish a video: FILE is a local file or a URL."""
    _Post(common).send_file("sendMediaStatus", file, {"caption": caption})


@post.command()
@_file
@click.option("--background", metavar="#RRGGBB")
@_audience
def voice(file: str, background: str | None, **common: Any) -> None:
    """Publish a sound as a voice note: FILE is a local file or a URL."""
    _Post(common).send_file("sendVoiceStatus", file, {"backgroundColor": background})


class _Post:
    """One publication from the command line."""

    def __init__(self, common: dict[str, Any]) -> None:
        self._client: GatewayClient = common["target"]
        self._common = common
        self._notes = Console(stderr=True, quiet=common["as_json"])

    def send_file(self, method: str, file: str, wish: dict[str, Any]) -> None:
        """Upload a local file first; a URL is given as it is."""
        if file.startswith(("http://", "https://")):
            name, url = file.partition("?")[0].rpartition("/")[2], file
        else:
            path = _readable(file)
            name, url = path.name, self._upload(path)
        self.send(method, {"urlFile": url, "fileName": name, **wish})

    def send(self, method: str, wish: dict[str, Any]) -> None:
        """Publish, print the id, and follow it if asked to."""
        wish |= {"participants": list(self._common["participants"])}
        at: datetime | None = self._common["at"]
        wish |= {"sendAt": int(at.timestamp()) if at else None}
        given = {key: value for key, value in wish.items() if value is not None}
        self._check_audience()
        report: dict[str, Any] = self._client.post(method, given)
        if at:
            self._notes.print(f"will be published {shown(at)}", highlight=False)
        if self._common["wait"]:
            self._say_why_it_waits()
            report = self._follow(report["idMessage"])
        elif not self._common["as_json"]:
            click.echo(report["idMessage"])
            return
        if self._common["as_json"]:
            click.echo(json.dumps(report, ensure_ascii=False))
        else:
            show_report(report)
        if report.get("statusMessage") == "failed":
            raise SystemExit(EXIT_FAILED)

    def _check_audience(self) -> None:
        """Say which of those named with --to cannot get it; fail if nobody can."""
        named = list(self._common["participants"])
        if not named:
            return
        found: dict[str, Any] = self._client.post("getStatusAudience", {"participants": named})
        left_out = [
            f"{one['id']} {_WHY_LEFT_OUT.get(one['reason'], one['reason'])}"
            for one in found["excluded"]
        ]
        if not found["total"]:
            raise click.ClickException("nobody to send to: " + "; ".join(left_out))
        for line in left_out:
            self._notes.print(f"left out: {line}", highlight=False)

    def _upload(self, path: Path) -> str:
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
        )
        with Progress(*columns, console=self._notes, transient=True) as progress:
            task = progress.add_task(path.name, total=path.stat().st_size)
            return self._client.upload(path, lambda sent: progress.advance(task, sent))

    def _say_why_it_waits(self) -> None:
        state = self._client.get("getStateInstance")["stateInstance"]
        if state != "authorized":
            click.echo(
                f"the account is {state}: the status goes out once it is authorized, within 24 "
                "hours (`statusgate link` links it)",
                err=True,
            )

    def _follow(self, status_id: str) -> dict[str, Any]:
        """The report, once the status is out or has failed."""
        deadline = time.monotonic() + self._common["timeout"]
        with self._notes.status("accepted"):
            while True:
                report: dict[str, Any] = self._client.get(
                    "getStatusReport", idMessage=status_id
                )
                if report["statusMessage"] != "pending":
                    return report
                if time.monotonic() > deadline:
                    raise click.ClickException(f"{status_id} is still pending")
                time.sleep(_LOOK_SECONDS)


def _readable(file: str) -> Path:
    """A local file with something in it, else a fault that says what *file* is instead."""
    path = Path(file)
    if path.is_dir():
        fault = f"{file} is a folder"
    elif not path.exists():
        fault = f"there is no file {file}"
    elif not os.access(path, os.R_OK):
        fault = f"{file} cannot be read: permission denied"
    elif path.stat().st_size == 0:
        fault = f"{file} is empty"
    else:
        return path
    raise click.BadParameter(fault, param_hint="FILE")
