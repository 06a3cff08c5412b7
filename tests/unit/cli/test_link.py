"""The QR code in the terminal is the one the server shows, module for module."""

from base64 import b64decode

import pytest
import segno

from statusgate.cli.link import terminal_picture
from statusgate.wire.qr import qr_png_base64

UPPER_DARK = {"█": (0, 0), "▀": (0, 1), "▄": (1, 0), " ": (1, 1)}


def modules(text: str) -> list[list[int]]:
    """What a camera sees: 1 is dark; the quiet zone is cut off."""
    rows = []
    for line in text.splitlines():
        pairs = [UPPER_DARK[character] for character in line]
        rows += [[upper for upper, _ in pairs], [lower for _, lower in pairs]]
    dark = [(y, x) for y, row in enumerate(rows) for x, one in enumerate(row) if one]
    top, left = min(y for y, _ in dark), min(x for _, x in dark)
    bottom, right = max(y for y, _ in dark), max(x for _, x in dark)
    return [row[left : right + 1] for row in rows[top : bottom + 1]]


@pytest.mark.parametrize(
    "payload", ["sim:1", "https://wa.me/settings/linked_devices#" + "ref,noise,identity," * 12]
)
def test_the_picture_in_the_terminal_is_the_code(payload: str) -> None:
    shown = modules(terminal_picture(b64decode(qr_png_base64(payload))))
    code = segno.make(payload, error="l", micro=False)
    assert shown == [list(row) for row in code.matrix]
