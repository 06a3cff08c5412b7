"""The command ``statusgate``: its groups, and the commands that run or prepare a server."""

import sys

import click
import msgspec

from statusgate import __version__, telemetry
from statusgate.cli.backup import backup, restore
from statusgate.cli.database import database
from statusgate.cli.doctor import doctor
from statusgate.cli.export import export
from statusgate.cli.health import health
from statusgate.cli.instance import instance
from statusgate.cli.link import link
from statusgate.cli.notifications import notifications
from statusgate.cli.options import json_option, settings_options
from statusgate.cli.post import post
from statusgate.cli.simulate import simulate
from statusgate.cli.status import status
from statusgate.journal import migrate_journal
from statusgate.settings import Settings

PORT = click.IntRange(0, 65535)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 96})
@click.version_option(__version__, prog_name="statusgate")
def main() -> None:
    """A self-hosted gateway for WhatsApp Status.

    Settings come from --config FILE (TOML), then the environment (STATUSGATE_PORT, …), then
    flags; the later wins. Exit codes: 0 done, 1 it could not be done (one line says why),
    2 wrong usage, 70 the disk or database failed while serving.
    """


@main.command()
@settings_options
@click.option("--host", help="Address to listen on.  [default: 127.0.0.1]")
@click.option("--port", type=PORT, help="Port to listen on; 0: any free one.  [default: 8080]")
@click.option(
    "--media",
    help="Folder of media files, or s3://bucket/prefix.  [default: media in the data folder]",
)
@click.option("--node", help="Experimental: name of this node among several on one database.")
@click.option("--public-url", help="How clients reach this server, for links to files.")
@click.option("--admin-token", help="Opens the partner API (better: STATUSGATE_ADMIN_TOKEN).")
@click.option("--log-format", type=click.Choice(["console", "json"]))
@click.option("--log-level", type=click.Choice(["debug", "info", "warning", "error"]))
@click.option("--access-log/--no-access-log", default=None, help="One line a request.")
def serve(settings: Settings) -> None:
    """Run the gateway until SIGTERM or Ctrl-C; answers what is in flight, then exits 0."""
    from statusgate.server import run  # other commands need no server, and start sooner

    telemetry.configure_logs(settings.log_format, settings.log_level)
    sys.exit(run.run(settings))


@main.command(
    context_settings={"default_map": {"database": "sqlite:///data/demo/statusgate.db"}}
)
@settings_options
@click.option("--host", help="Address to listen on.  [default: 127.0.0.1]")
@click.option("--port", type=PORT, help="Port to listen on.  [default: 8080]")
@click.option(
    "--every", type=click.FloatRange(0.05), default=3.0, show_default=True,
    help="Seconds between new statuses and views.",
)  # fmt: skip
def demo(settings: Settings, every: float) -> None:
    """Run a gateway with a sandbox account that has a week of statuses and keeps living.

    Nothing leaves this machine. The data stay in ./data/demo and go on at the next start.
    """
    from statusgate.cli.demo import run_demo

    telemetry.configure_logs(settings.log_format, "warning")
    sys.exit(run_demo(settings, every_seconds=every))


@main.command()
@settings_options
@json_option
def migrate(settings: Settings, as_json: bool) -> None:
    """Bring the database to this version's schema; done already: changes nothing.

    `serve` does the same at its start. A database of a newer version is refused.
    """
    applied = migrate_journal(settings.database)
    if as_json:
        click.echo(msgspec.json.encode({"applied": applied}))
    else:
        click.echo(f"applied: {', '.join(applied)}" if applied else "nothing to apply")


instance.add_command(health, "status")
for command in (
    instance,
    notifications,
    link,
    simulate,
    post,
    status,
    export,
    backup,
    restore,
    database,
    doctor,
):
    main.add_command(command)
