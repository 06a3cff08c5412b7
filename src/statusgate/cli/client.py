"""Calls to a running server over HTTP, for the command line."""

import functools
import http.client
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast
from urllib.parse import SplitResult, quote, urlencode, urlsplit

import click

from statusgate.cli.options import together
from statusgate.domain.media_types import of_name

_SECONDS = 60.0
_CHUNK = 256 * 1024
_LATER = (429, 503)


class Unavailable(click.ClickException):
    """What may be had later: the server cannot be reached, or says that it is busy."""


class Client:
    """Methods below one path of a running server; a refusal is a click.ClickException."""

    def __init__(self, url: str, path: str, token: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise click.BadParameter("an http or https URL", param_hint="--url")
        self._url = url
        self._connect = (
            http.client.HTTPSConnection
            if parts.scheme == "https"
            else http.client.HTTPConnection
        )
        self._host, self._port = parts.hostname, _port(parts)
        self._base = parts.path.rstrip("/") + (f"/{path}" if path else "")
        self._token = token

    def get(self, method: str, **query: str) -> Any:
        """The answer of a GET, decoded."""
        asked = f"?{urlencode(query)}" if query else ""
        return self._answer("GET", method + asked, None, {})

    def text(self, path: str) -> str:
        """The answer of a GET as text."""
        return b"".join(self._pieces("GET", path, None, {})).decode()

    def post(self, method: str, wish: Any) -> Any:
        """The answer of a POST, decoded; None if its body is empty."""
        body = json.dumps(wish).encode()
        return self._answer("POST", method, body, {"Content-Type": "application/json"})

    def upload(self, path: Path, sent: Callable[[int], None]) -> str:
        """Upload a file and return its URL; *sent* is called with the size of each piece."""

        def pieces() -> Iterator[bytes]:
            with path.open("rb") as file:
                while chunk := file.read(_CHUNK):
                    yield chunk
                    sent(len(chunk))

        headers = {
            "Content-Type": of_name(path.name).mimetype,
            "Content-Length": str(path.stat().st_size),
            "GA-Filename": quote(path.name),
        }
        return str(self._answer("POST", "uploadFile", pieces(), headers)["urlFile"])

    def download(self, method: str, **query: str) -> Iterator[bytes]:
        """The answer of a GET as it comes; Unavailable if it breaks off."""
        return self._pieces("GET", f"{method}?{urlencode(query)}", None, {})

    def _answer(
        self, verb: str, target: str, body: bytes | Iterator[bytes] | None, headers: Any
    ) -> Any:
        text = b"".join(self._pieces(verb, target, body, headers))
        return json.loads(text) if text else None

    def _pieces(
        self, verb: str, target: str, body: bytes | Iterator[bytes] | None, headers: Any
    ) -> Iterator[bytes]:
        connection = self._connect(self._host, self._port, timeout=_SECONDS)
        fault = "cannot reach"
        try:
            connection.request(
                verb,
                f"{self._base}/{target}",
                body,
                {"Authorization": f"Bearer {self._token}", **headers},
            )
            answer = connection.getresponse()
            fault = "lost the connection to"
            if answer.status != 200:
                raise _refusal(answer.status, answer.read())
            while piece := answer.read1(_CHUNK):
                yield piece
            if answer.length:  # read1 does not complain
                raise http.client.IncompleteRead(b"", answer.length)
        except (OSError, http.client.HTTPException) as error:
            raise Unavailable(f"{fault} {self._url}: {error}") from None
        finally:
            connection.close()


class GatewayClient(Client):
    """One instance of a running server."""

    def __init__(self, url: str, instance: str, token: str) -> None:
        super().__init__(url, f"waInstance{quote(instance, safe='')}", token)
        self.instance = instance


url_option = click.option(
    "--url", envvar="STATUSGATE_URL", default="http://127.0.0.1:8080", show_default=True,
    help="The server.",
)  # fmt: skip
_target_flags = together(
    url_option,
    click.option(
        "--instance", envvar="STATUSGATE_INSTANCE", required=True, help="idInstance."
    ),
    click.option(
        "--token", envvar="STATUSGATE_TOKEN", required=True, help="apiTokenInstance."
    ),
)  # fmt: skip


def target_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Options that name an instance of a running server; also read from the environment.

    *command* gets them as ``target``.
    """

    @functools.wraps(command)
    def aimed(*args: Any, url: str, instance: str, token: str, **given: Any) -> Any:
        return command(*args, target=GatewayClient(url, instance, token), **given)

    return cast("Callable[..., Any]", _target_flags(aimed))


def _port(parts: SplitResult) -> int | None:
    try:
        return parts.port
    except ValueError:
        raise click.BadParameter(
            f"{parts.netloc} has no port from 1 to 65535", param_hint="--url"
        ) from None


def _refusal(code: int, body: bytes) -> click.ClickException:
    fault = Unavailable if code in _LATER else click.ClickException
    return fault(f"{code}: {_message(body)}")


def _message(body: bytes) -> str:
    try:
        return str(json.loads(body)["message"])
    except (ValueError, KeyError, TypeError):
        return "the server's answer is not in the contract's shape"
