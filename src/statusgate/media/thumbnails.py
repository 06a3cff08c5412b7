"""Previews of untrusted files, made in a child process."""

import os
from pathlib import Path

from statusgate.media.frames import Made, MakeThumbnail
from statusgate.media.process import THUMBNAILS, MediaChild


class Thumbnailer:
    """Makes previews; this process never decodes anything itself."""

    def __init__(self, child: MediaChild | None = None) -> None:
        """*child* may be given by tests."""
        self._child = child or MediaChild(THUMBNAILS)

    async def thumbnail(self, source: Path, mimetype: str) -> bytes:
        """Return a JPEG of at most 72 pixels either way, ``b""`` if none can be made in 2 s.

        *mimetype* only decides whether to try; what the file is, its bytes say.
        """
        if not mimetype.startswith(("image/", "video/")):
            return b""
        try:
            reading = os.open(source, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError:
            return b""
        try:
            reply = await self._child.ask(MakeThumbnail(), [reading])
        finally:
            os.close(reading)
        return reply.content if isinstance(reply, Made) else b""

    async def close(self) -> None:
        """End the child process."""
        await self._child.close()
