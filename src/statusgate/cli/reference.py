"""Writes ``docs/reference/command-line.md``: ``python -m statusgate.cli.reference``."""

from collections.abc import Iterator
from pathlib import Path

import click

from statusgate.cli.main import main as statusgate

FILE = Path("docs/reference/command-line.md")
_HEAD = """# Command line

What `--help` says of every command ([where it is found](../how-to/run.md#the-command)); made by `make docs`, do not edit.

| exit code | means |
|---|---|
| 0 | done; `serve`: stopped by SIGTERM or Ctrl-C |
| 1 | it could not be done: one line on standard error says why. `doctor`: there is a fault. `post --wait`: the status failed. `notifications`: one of the named could not be changed, or the test failed. Also after Ctrl-C in any other command |
| 2 | wrong usage: an unknown option, or a value that cannot be |
| 70 | `serve`: the disk or database failed; start it again |

Programs read `--json` where a command has it: one JSON value on standard output. Notes and progress go to standard error.
"""  # noqa: E501 - rows of a table


def reference() -> str:
    """Return the page."""
    return "\n".join([_HEAD, *_sections("statusgate", statusgate)])


def _sections(name: str, command: click.Command) -> Iterator[str]:
    context = click.Context(
        command, info_name=name, terminal_width=96, **statusgate.context_settings
    )
    yield f"## {name}\n\n```text\n{command.get_help(context)}\n```\n"
    if isinstance(command, click.Group):
        for word in command.list_commands(context):
            yield from _sections(f"{name} {word}", command.commands[word])


if __name__ == "__main__":
    FILE.write_text(reference())
