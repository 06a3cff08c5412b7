"""How the command asks a running server, at the URL its user gives."""

import json
import urllib.error
import urllib.request
from typing import Any

import click
import msgspec

_SECONDS = 60.0


class Target(msgspec.Struct, frozen=True):
    """An instance of a running server."""

    url: str
    instance: str
    token: str

    def ask(self, method: str, body: Any = None) -> Any:
        """GET a method, or POST *body* to it; returns the answer's JSON value.

        Raises click.ClickException with the server's own message.
        """
        if not self.url.startswith(("http://", "https://")):
            raise click.BadParameter("an http or https URL", param_hint="--url")
        request = urllib.request.Request(  # noqa: S310 - the scheme is checked above
            f"{self.url.rstrip('/')}/waInstance{self.instance}/{method}",
            data=None if body is None else json.dumps(body).encode(),
            headers={
                "Authorization": f"Bearer {self.token}",
                "Content-Type": "application/json",
            },
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
