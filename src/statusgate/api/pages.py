"""The dashboard's files: ``/ui/``, to which ``/`` redirects.

The pages are a client of the contract like any other: these routes serve files, and in the demo
a link that signs in. Every file but the first has a digest of all of them in its path, so
browsers keep it for good and never mix two versions.
"""

import gzip
import hashlib
import secrets
from importlib.resources import files
from importlib.resources.abc import Traversable
from ipaddress import ip_address

import msgspec

from statusgate.api.answers import JSON, Answers, Call, Header, Send, send_answer
from statusgate.api.edge.problems import NOT_FOUND, Refused
from statusgate.api.routes import Route
from statusgate.domain.ids import InstanceId

_DIGEST = b"{digest}"
_TYPES = {
    "html": b"text/html; charset=utf-8",
    "css": b"text/css; charset=utf-8",
    "js": b"text/javascript; charset=utf-8",
    "svg": b"image/svg+xml",
}
_POLICY = (
    b"default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    b"img-src 'self' blob:; media-src 'self' blob:; form-action 'none'; base-uri 'none'; "
    b"frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)
_NOTHING_ALLOWED = b", ".join(
    name + b"=()"
    for name in (
        b"accelerometer", b"autoplay", b"camera", b"display-capture", b"geolocation",
        b"gyroscope", b"microphone", b"midi", b"payment", b"usb",
    )
)  # fmt: skip
GUARDS: list[Header] = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", _NOTHING_ALLOWED),
    (b"vary", b"Accept-Encoding"),
]
"""what every page has, whatever its policy"""
_FIXED: list[Header] = [(b"content-security-policy", _POLICY), *GUARDS]
_LONGEST_CODE = 64
ANEW = b"no-cache"
"""a browser asks each time whether what it has is still the newest"""
_FOR_GOOD = b"public, max-age=31536000, immutable"


def page_routes(answers: Answers) -> dict[str, Route]:
    """Return the routes of the dashboard by their path without slashes at its ends."""
    found = dict(sorted(_files_in(files("statusgate") / "ui", "")))
    content = b"".join(path.encode() + b"\0" + body for path, body in found.items())
    digest = digest_of(content)
    index = found.pop("index.html").replace(_DIGEST, digest.encode())
    routes: dict[str, Route] = {
        "": Redirect(answers, b"ui/"),
        "ui": Index(answers, _file(index, "index.html", digest, ANEW)),
    }
    for path, body in found.items():
        routes[f"ui/{digest}/{path}"] = Page(answers, _file(body, path, digest, _FOR_GOOD))
    return routes


def digest_of(content: bytes) -> str:
    """Return a digest that distinguishes versions of a file."""
    return hashlib.sha256(content).hexdigest()[:16]


def _file(body: bytes, path: str, digest: str, caching: bytes) -> "File":
    kind = _TYPES[path.rpartition(".")[2]]
    headers = [(b"content-type", kind), *_FIXED, (b"cache-control", caching)]
    return File(body, digest, headers)


class File:
    """A file as it is sent: whole or compressed, with its tag."""

    def __init__(self, body: bytes, digest: str, headers: list[Header]) -> None:
        self._body = body
        self._packed = gzip.compress(body, mtime=0)
        self._tag = b'"%b"' % digest.encode()
        self._headers = [*headers, (b"etag", self._tag)]

    async def respond(self, call: Call, send: Send) -> int:
        """Send the file; 304 if the browser has it."""
        asked = dict(call.scope["headers"])
        if asked.get(b"if-none-match", b"").removeprefix(b"W/") == self._tag:
            await send_answer(call, send, 304, self._headers, b"")
            return 304
        body, headers = self._body, self._headers
        if b"gzip" in asked.get(b"accept-encoding", b""):
            body, headers = self._packed, [*headers, (b"content-encoding", b"gzip")]
        headers = [*headers, (b"content-length", b"%d" % len(body))]
        await send_answer(call, send, 200, headers, body)
        return 200


class Page(Route):
    """One file of the dashboard."""

    needs_start = False

    def __init__(self, answers: Answers, file: File) -> None:
        super().__init__("ui", "GET", answers)
        self._file = file

    async def respond(self, call: Call, send: Send) -> int:
        """Send the file; 304 if the browser has it."""
        return await self._file.respond(call, send)


class Redirect(Route):
    """Leads to a page, relative, so also behind a proxy that adds a prefix."""

    needs_start = False

    def __init__(self, answers: Answers, target: bytes) -> None:
        super().__init__("ui", "GET", answers)
        self._headers = [
            *_FIXED,
            (b"location", target),
            (b"cache-control", ANEW),
            (b"content-length", b"0"),
        ]

    async def respond(self, call: Call, send: Send) -> int:
        """Send the browser there."""
        await send_answer(call, send, 302, self._headers, b"")
        return 302


class Index(Page):
    """The page itself, at ``/ui/``: what it names is relative to that."""

    def __init__(self, answers: Answers, file: File) -> None:
        super().__init__(answers, file)
        self._redirect = Redirect(answers, b"ui/")

    async def respond(self, call: Call, send: Send) -> int:
        """Send the page; without the slash at the end of the path, lead to it."""
        if not call.scope["raw_path"].endswith(b"/"):
            return await self._redirect.respond(call, send)
        return await super().respond(call, send)


class OneTimeLink(Route):
    """Signs a browser on this machine in to one account, once (``statusgate demo``).

    The page takes the code out of its address and posts it here; a code works once.
    """

    def __init__(self, answers: Answers, instance_id: InstanceId, token: str) -> None:
        super().__init__("ui/link", "POST", answers)
        self.code = secrets.token_urlsafe(24)
        self._left = {self.code}
        self._opened = msgspec.json.encode(
            {"idInstance": instance_id, "apiTokenInstance": token}
        )

    async def respond(self, call: Call, send: Send) -> int:
        """Answer id and token; Refused 404 if the code is wrong, used, or from elsewhere."""
        code = b"" if call.body is None else await call.body.read(_LONGEST_CODE)
        client = call.scope["client"]
        is_here = client is not None and ip_address(client[0]).is_loopback
        if not is_here or code.decode("latin-1") not in self._left:
            raise Refused(404, NOT_FOUND)
        self._left.clear()
        length = (b"content-length", b"%d" % len(self._opened))
        headers = [*_FIXED, (b"content-type", JSON), (b"cache-control", b"no-store"), length]
        await send_answer(call, send, 200, headers, self._opened)
        return 200


def _files_in(folder: Traversable, prefix: str) -> list[tuple[str, bytes]]:
    found = []
    for each in folder.iterdir():
        if each.is_dir():
            found += _files_in(each, f"{prefix}{each.name}/")
        elif each.name.rpartition(".")[2] in _TYPES:
            found.append((prefix + each.name, each.read_bytes()))
    return found
