"""Finds the file in a form, also where the Content-Type says something else (7.1)."""

import mmap
import re
from email.parser import BytesHeaderParser
from pathlib import Path
from urllib.parse import unquote

import msgspec

_LONGEST_BOUNDARY = 200
_LONGEST_HEAD = 16 * 1024
_MOST_PARTS = 100
_OPENING = re.compile(
    rb"\A(?:\r\n)?--([^\r\n]{1,200})\r\n(?=(?:[^\r\n]{1,1000}\r\n){0,8}?content-disposition:"
    rb"[ \t]*form-data)",
    re.IGNORECASE,
)


class Part(msgspec.Struct, frozen=True):
    """Where a file is within a body, and what is declared about it."""

    start: int
    size: int
    name: str = ""
    mimetype: str = ""


def find_file(path: Path) -> Part | None:
    """The part ``file`` of a form, else its first part that is a file.

    None if the body is no form; its bytes decide. The file is not read into memory.
    """
    if path.stat().st_size == 0:
        return None
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as body:
        opening = _OPENING.match(body[: _LONGEST_HEAD + _LONGEST_BOUNDARY])
        if opening is None:
            return None
        parts = _parts(body, b"--" + opening[1], opening.end())
    named = [part for field, part in parts if field == "file"]
    files = [part for _, part in parts if part.name]
    return next(iter([*named, *files]), Part(0, 0))


def _parts(body: mmap.mmap, boundary: bytes, start: int) -> list[tuple[str, Part]]:
    """Field name and content of each part, of at most 100."""
    found: list[tuple[str, Part]] = []
    closing = b"\r\n" + boundary
    while len(found) < _MOST_PARTS:
        head_end = body.find(b"\r\n\r\n", start, start + _LONGEST_HEAD)
        end = body.find(closing, max(start, head_end))
        if head_end < 0 or end < 0:
            return found
        content = head_end + 4
        found.append(_part(body[start:head_end], content, max(0, end - content)))
        start = end + len(closing)
        if body[start : start + 2] != b"\r\n":
            return found
        start += 2
    return found


def _part(head: bytes, start: int, size: int) -> tuple[str, Part]:
    headers = BytesHeaderParser().parsebytes(head + b"\r\n\r\n")
    field = headers.get_param("name", "", "content-disposition")
    mimetype = str(headers.get("content-type", ""))
    return str(field), Part(start, size, unquote(headers.get_filename("") or ""), mimetype)
