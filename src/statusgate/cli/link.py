"""``statusgate link``: show the QR code of an instance in the terminal, until it is scanned."""

import time
from base64 import b64decode
from io import BytesIO
from typing import Any

import click

from statusgate.accounts.linking import STARTING
from statusgate.cli.client import GatewayClient, target_options

_POLL_SECONDS = 1.0
_HALVES = {(0, 0): "█", (0, 1): "▀", (1, 0): "▄", (1, 1): " "}
"""upper and lower module (1: dark) in a character; light ones are drawn: terminals are dark"""


@click.command()
@target_options
@click.option(
    "--phone",
    metavar="NUMBER",
    help="Link with an eight-character code instead: the account's number, digits only.",
)
@click.option(
    "--seconds", type=click.IntRange(10), default=170, show_default=True,
    help="Give up after this time.",
)  # fmt: skip
def link(target: GatewayClient, phone: str | None, seconds: int) -> None:
    """Link a WhatsApp account to an instance of a running server.

    Shows QR codes, each until the next one comes: scan with Linked devices → Link a device.
    With --phone it prints a code to type there instead. Ends with exit code 0 once linked.
    """
    if phone is not None:
        _print_pairing_code(target, phone)
    deadline = time.monotonic() + seconds
    shown = fault = ""
    while time.monotonic() < deadline:
        answer = target.get("qr")
        if answer["type"] == "alreadyLogged":
            click.echo(f"linked: {target.get('getSettings')['wid']}")
            return
        if phone is None and answer["type"] == "qrCode" and answer["message"] != shown:
            shown = answer["message"]
            click.echo(terminal_picture(b64decode(shown)))
        elif answer["type"] == "error" and answer["message"] not in (STARTING, fault):
            fault = answer["message"]
            click.echo(f"{fault}; trying again. {_log_of(target)}", err=True)
        time.sleep(_POLL_SECONDS)
    raise click.ClickException(f"not linked within {seconds} seconds")


def _log_of(target: GatewayClient) -> str:
    return f"More is in accounts/{target.instance}/worker.log in the server's data folder."


def _print_pairing_code(target: GatewayClient, phone: str) -> None:
    deadline = time.monotonic() + 20
    while True:
        answer: dict[str, Any] = target.post("getAuthorizationCode", {"phoneNumber": phone})
        if answer["status"]:
            click.echo(f"type on the phone: {answer['code'][:4]}-{answer['code'][4:]}")
            return
        if target.get("qr")["type"] == "alreadyLogged":
            return
        if time.monotonic() > deadline:
            raise click.ClickException(f"no code can be had now. {_log_of(target)}")
        time.sleep(_POLL_SECONDS)


def terminal_picture(png: bytes) -> str:
    """Return a QR picture (PNG, square modules) as lines of half blocks."""
    from PIL import Image  # only this command needs it, and only for our own pictures

    picture = Image.open(BytesIO(png)).convert("1")
    size = _module_size(picture)
    count = picture.width // size
    dark = [
        [int(picture.getpixel((x * size, y * size)) == 0) for x in range(count)]
        for y in range(count)
    ]
    dark += [[0] * count] * (count % 2)
    rows = zip(dark[::2], dark[1::2], strict=True)
    return "\n".join("".join(_HALVES[pair] for pair in zip(*row, strict=True)) for row in rows)


def _module_size(picture: Any) -> int:
    """Pixels of a module: the finder pattern at the top left begins with seven dark ones."""
    middle = next(
        y for y in range(picture.height)
        if any(picture.getpixel((x, y)) == 0 for x in range(picture.width))
    )  # fmt: skip
    first = next(x for x in range(picture.width) if picture.getpixel((x, middle)) == 0)
    last = next(x for x in range(first, picture.width) if picture.getpixel((x, middle)) != 0)
    return int((last - first) // 7)
