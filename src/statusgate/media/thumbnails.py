"""Previews of foreign files, made in a child process."""

from pathlib import Path

from statusgate.media.frames import Made, MakeThumbnail
from statusgate.media.limits import THUMBNAIL_PIXELS
from statusgate.media.process import MediaChild


class Thumbnailer:
    """Makes previews; this process never decodes anything itself."""

    def __init__(self, child: MediaChild | None = None) -> None:
        """*child* may be given by tests."""
        self._child = child or MediaChild()

    async def thumbnail(self, source: Path, mimetype: str) -> bytes:
        """Return a JPEG of at most 72 pixels either way, ``b""`` if none can be made in 2 s.

        *mimetype* only tells whether to try; what the file is, its bytes decide.
        """
        if not mimetype.startswith(("image/", "video/")):
            return b""
        reply = await self._child.ask(MakeThumbnail(str(source), THUMBNAIL_PIXELS))
        return reply.content if isinstance(reply, Made) else b""

    async def close(self) -> None:
        """End the child process."""
        await self._child.close()
