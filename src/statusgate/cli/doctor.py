"""``statusgate doctor``: what would keep the gateway from working."""

import sys

import click
import msgspec

from statusgate.cli.options import EXIT_FAILED, json_option, settings_options
from statusgate.settings import Settings

_COLOURS = {"ok": "green", "warning": "yellow", "fault": "red"}


@click.command()
@settings_options
@click.option("--host", help="Address that the server listens on.  [default: 127.0.0.1]")
@click.option("--port", type=click.IntRange(0, 65535), help="Its port.  [default: 8080]")
@click.option(
    "--media",
    help="Folder of media files, or s3://bucket/prefix.  [default: media in the data folder]",
)
@click.option("--public-url", help="How clients reach this server.")
@json_option
def doctor(settings: Settings, as_json: bool) -> None:
    """Check database, clock, key, folders, engine and network, with the server's settings.

    Nothing is changed; the server may run. Exit codes: 0 no fault (there may be warnings),
    1 at least one fault, each with what to do about it.
    """
    from statusgate.server.doctor import examine, worst

    findings = examine(settings)
    if as_json:
        click.echo(msgspec.json.encode({"state": worst(findings), "findings": findings}))
    else:
        for finding in findings:
            state = click.style(f"{finding.state:7}", fg=_COLOURS[finding.state])
            click.echo(f"{state} {finding.check}: {finding.text}")
            if finding.advice:
                click.echo(f"        {finding.advice}")
    sys.exit(EXIT_FAILED if worst(findings) == "fault" else 0)
