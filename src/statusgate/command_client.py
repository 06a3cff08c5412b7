"""How the command asks a running server, at the URL its user gives."""

import json
import mimetypes
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click
import msgspec

_SECONDS = 60.0
_PIECE = 256 * 1024


class Target(msgspec.Struct, frozen=True):
    """An instance of a running server."""

    url: str
    instance: str
    token: str

    def ask(self, method: str, body: Any = None) -> Any:
        """GET a method, or POST *body* to it; returns the answer's JSON value.

        Raises click.ClickException with the server's own message.
        """
        data = None if body is None else json.dumps(body).encode()
        return self._ask(method, data, {"Content-Type": "application/json"})

    def upload(self, path: Path, told: Callable[[int], None]) -> str:
        """Upload a file and return its URL; *told* hears of the bytes of each piece.

        Raises as ``ask``.
        """

        def pieces() -> Iterator[bytes]:
            with path.open("rb") as file:
                while chunk := file.read(_PIECE):
                    yield chunk
                    told(len(chunk))

        headers = {
            "Content-Type": mimetypes.guess_type(path.name)[0] or "application/octet-stream",
            "Content-Length": str(path.stat().st_size),
            "GA-Filename": quote(path.name),
        }
        return str(self._ask("uploadFile", pieces(), headers)["urlFile"])

    def _ask(
        self, method: str, data: bytes | Iterator[bytes] | None, headers: dict[str, str]
    ) -> Any:
        if not self.url.startswith(("http://", "https://")):
            raise click.BadParameter("an http or https URL", param_hint="--url")
        request = urllib.request.Request(  # noqa: S310 - the scheme is checked above
            f"{self.url.rstrip('/')}/waInstance{self.instance}/{method}",
            data=data,
            headers={"Authorization": f"Bearer {self.token}", **headers},
        )
        try:
            with urllib.request.urlopen(request, timeout=_SECONDS) as answer:  # noqa: S310
                return json.load(answer)
        except urllib.error.HTTPError as error:
            raise click.ClickException(f"{error.code}: {_message(error.read())}") from None
        except (OSError, ValueError) as error:
            raise click.ClickException(f"cannot reach {self.url}: {error}") from None


def target_options(command: Any) -> Any:
    """Options that name an instance of a running server; also read from the environment."""
    options = [
        click.option(
            "--url", envvar="STATUSGATE_URL", default="http://127.0.0.1:8080",
            show_default=True, help="The server.",
        ),
        click.option(
            "--instance", envvar="STATUSGATE_INSTANCE", required=True, help="idInstance."
        ),
        click.option(
            "--token", envvar="STATUSGATE_TOKEN", required=True, help="apiTokenInstance."
        ),
    ]  # fmt: skip
    for option in reversed(options):
        command = option(command)
    return command


def _message(body: bytes) -> str:
    try:
        return str(json.loads(body)["message"])
    except (ValueError, KeyError, TypeError):
        return "the server's answer is not in the contract's shape"
