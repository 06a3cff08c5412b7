"""``statusgate backup`` and ``statusgate restore``."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from statusgate.cli.options import json_option, print_fields, settings_options
from statusgate.settings import Settings

FOLDER = click.Path(path_type=Path, file_okay=False)
_media_option = click.option(
    "--media",
    help="Folder of media files, or s3://bucket/prefix.  [default: media in the data folder]",
)
_passphrase_option = click.option(
    "--passphrase-file", type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="File whose first line is the passphrase.  [default: asked at the terminal]",
)  # fmt: skip
_PG_DUMP = (
    "the journal is in PostgreSQL and not in this backup; save it with"
    ' pg_dump --format=custom --file=journal.pgdump "$STATUSGATE_DATABASE"'
)
_PG_RESTORE = "load the journal with pg_restore before the first start"
_NO_MEDIA = (
    "the media are in the bucket and not in this backup; keep them by its versions or a copy"
)
_NO_SECRETS = (
    "session stores and server key are not in it: accounts must be linked anew, and tokens"
    " renewed with 'statusgate instance renew-key' and 'rotate-token'"
)


@click.command()
@click.argument("folder", type=FOLDER)
@settings_options
@_media_option
@click.option(
    "--with-secrets", is_flag=True,
    help="Also session stores of linked accounts and the server key, encrypted.",
)  # fmt: skip
@_passphrase_option
@json_option
def backup(
    settings: Settings,
    folder: Path,
    with_secrets: bool,
    passphrase_file: Path | None,
    as_json: bool,
) -> None:
    """Save journal and media to the new FOLDER; the server may go on running.

    The journal has messages, phone numbers and webhook tokens: keep FOLDER as safe as the
    server. PostgreSQL is saved by pg_dump; the rest is saved here.

    \b
    statusgate backup /backups/2026-11-21
    statusgate backup /backups/2026-11-21 --with-secrets --passphrase-file ~/.backup-passphrase
    """
    from statusgate.server import backup as backups

    passphrase = _passphrase(passphrase_file, confirm=True) if with_secrets else None
    with _progress("backup") as progress:
        made = backups.back_up(settings, folder, passphrase, progress)
    if made.database == "postgresql":
        click.echo(f"statusgate: {_PG_DUMP}", err=True)
    if made.media == "bucket":
        click.echo(f"statusgate: {_NO_MEDIA}", err=True)
    if not made.has_secrets:
        click.echo(f"statusgate: {_NO_SECRETS}", err=True)
    fields = {"folder": str(folder), "files": len(made.files), "bytes": made.size}
    print_fields(fields | {"secrets": made.has_secrets}, as_json=as_json)


@click.command()
@click.argument("folder", type=FOLDER)
@settings_options
@_media_option
@click.option("--without-secrets", is_flag=True, help="Leave those of the backup out.")
@_passphrase_option
@json_option
def restore(
    settings: Settings,
    folder: Path,
    without_secrets: bool,
    passphrase_file: Path | None,
    as_json: bool,
) -> None:
    """Put the backup FOLDER into new, empty folders and bring its database up to date.

    Every file is compared with its hash first. Never let two servers run with the same linked
    accounts: WhatsApp ends both links.

    \b
    statusgate restore /backups/2026-11-21 --database sqlite:////var/lib/statusgate/statusgate.db
    """
    from statusgate.server import backup as backups

    manifest = backups.read_manifest(folder)
    wanted = manifest.has_secrets and not without_secrets
    passphrase = _passphrase(passphrase_file, confirm=False) if wanted else None
    with _progress("restore") as progress:
        applied = backups.restore(folder, settings, passphrase, progress)
    if manifest.database == "postgresql":
        click.echo(f"statusgate: {_PG_RESTORE}", err=True)
    if not wanted:
        click.echo(f"statusgate: {_NO_SECRETS}", err=True)
    fields = {"files": len(manifest.files), "bytes": manifest.size, "secrets": wanted}
    print_fields(fields | {"applied": applied}, as_json=as_json)


def _passphrase(file: Path | None, *, confirm: bool) -> str:
    """Raises click.ClickException if there is none."""
    if file is not None:
        try:
            given = file.read_text().partition("\n")[0]
        except (OSError, UnicodeDecodeError) as error:
            raise click.ClickException(f"cannot read {file}: {error}") from None
    elif sys.stdin.isatty():
        given = str(click.prompt("Passphrase", hide_input=True, confirmation_prompt=confirm))
    else:
        raise click.ClickException("a passphrase is needed: --passphrase-file")
    if not given:
        raise click.ClickException("the passphrase is empty")
    return given


@contextmanager
def _progress(label: str) -> Iterator[Any]:
    """A bar on a terminal; what is yielded gets the bytes done and the bytes in all."""
    bar: Any
    with click.progressbar(
        length=1, label=label, file=sys.stderr, hidden=not sys.stderr.isatty()
    ) as bar:

        def progress(done: int, total: int) -> None:
            bar.length = max(total, 1)
            bar.update(done - bar.pos)

        yield progress
