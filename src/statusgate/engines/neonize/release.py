"""The release of the WhatsApp library that this version was written and tested for."""

from datetime import UTC, date, datetime
from importlib import metadata

VERSION = "0.5.2"
RELEASED = date(2026, 9, 21)
WARN_DAYS = 180
"""A guess: WhatsApp refuses clients that are too old (code 405), nobody knows from when on."""


class Unusable(Exception):
    """The library is missing or another; the text says which."""


def age_days() -> int:
    """Days since the release of the installed library, which is not loaded. Raises Unusable."""
    try:
        installed = metadata.distribution("neonize")
    except metadata.PackageNotFoundError:
        raise Unusable("neonize is not installed") from None
    if installed.version != VERSION:
        raise Unusable(f"neonize {installed.version} is installed, {VERSION} is needed")
    libraries = [
        file for file in installed.files or () if file.suffix in (".so", ".dylib", ".dll")
    ]
    if not any(installed.locate_file(file).exists() for file in libraries):  # type: ignore[attr-defined]
        raise Unusable("the wheel of neonize has no library for this machine")
    return (datetime.now(UTC).date() - RELEASED).days
