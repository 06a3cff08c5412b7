"""Conversion of untrusted files to what phones show, in child processes."""

import asyncio
import contextlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from statusgate.domain.conversion import (
    ConversionFailed,
    Converted,
    ImageWanted,
    VideoWanted,
    VoiceWanted,
    Wanted,
)
from statusgate.domain.errors import MediaFull, MediaUnavailable
from statusgate.domain.fairness import FairShares
from statusgate.domain.ids import InstanceId
from statusgate.domain.media_types import HEAD_SIZE, MAX_FILE_BYTES, sniff
from statusgate.domain.status import FailureReason
from statusgate.media.frames import Cause, Failed, Reply
from statusgate.media.limits import (
    MAX_FILM_PIXELS,
    MAX_JPEG_PIXELS,
    MAX_PICTURE_PIXELS,
    NO_ROOM,
)
from statusgate.media.process import CONVERSIONS, MediaChild

_PRIVATE_FILE = 0o600
_READ = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW
_WRITE = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
_MOST_PIXELS: dict[type[Wanted], str] = {
    ImageWanted: f"Picture exceeds the limit of {MAX_PICTURE_PIXELS // 10**6} megapixels"
    f" ({MAX_JPEG_PIXELS // 10**6} for JPEG)",
    VideoWanted: f"Video exceeds the limit of {MAX_FILM_PIXELS // 10**6} megapixels a frame",
}
_CHILDREN = 2
"""for films, and as many for the rest"""


class Converter:
    """Converts files; this process never decodes anything itself.

    Films have children of their own, so that a picture never waits for a film. Each instance
    has one film and one other file in work, and instances take turns: after any
    number of files of one instance, another's is next. No file is given up because of those
    before it: what a used child fails at is tried once more by a fresh one.
    """

    def __init__(
        self, quick: Sequence[MediaChild] = (), films: Sequence[MediaChild] = ()
    ) -> None:
        """Two children for films and two for the rest, unless tests bring their own."""
        self._quick = _Lane(quick)
        self._films = _Lane(films)

    async def convert(
        self, instance_id: InstanceId, source: Path, wanted: Wanted, target: Path
    ) -> Converted | ConversionFailed:
        """Make what is *wanted* of *source*; only its bytes decide what it is.

        *target* must not exist; it does afterwards if the result is Converted. If the caller
        is cancelled, the child at work is ended at once. Raises MediaFull if there is no room
        for the target, MediaUnavailable (not final) if the files cannot be opened or no child
        process can be started: not the file's fault.
        """
        with _opened(source, _READ) as reading:
            fault = await asyncio.to_thread(_fault_at_first_sight, reading, wanted)
            if fault:
                return ConversionFailed(detail=fault)
            lane = self._films if isinstance(wanted, VideoWanted) else self._quick
            reply: Reply | None = None
            with _opened(target, _WRITE) as writing:
                try:
                    reply = await lane.convert(instance_id, wanted, (reading, writing))
                finally:
                    if not isinstance(reply, Converted):
                        _remove(target)
            return reply if isinstance(reply, Converted) else _failure(reply, wanted)

    async def close(self) -> None:
        """End the child processes."""
        await self._quick.close()
        await self._films.close()


class _Lane:
    """Children that convert one file each, shared fairly between instances."""

    def __init__(self, children: Sequence[MediaChild]) -> None:
        self._children = children or [MediaChild(CONVERSIONS) for _ in range(_CHILDREN)]
        self._idle = list(self._children)
        self._shares = FairShares[InstanceId](total=len(self._idle), each=1)

    async def convert(
        self, instance_id: InstanceId, wanted: Wanted, files: tuple[int, int]
    ) -> Reply:
        """Return a child's answer; only a fresh child's failure counts."""
        async with self._shares.place(instance_id):
            child = self._idle.pop()
            try:
                reply = await child.ask(wanted, files)
                if isinstance(reply, Failed) and reply.cause is Cause.FILE and child.used:
                    await child.close()
                    reply = await child.ask(wanted, files)
                if isinstance(reply, Failed) or isinstance(wanted, VideoWanted):
                    await child.close()
                return reply
            finally:
                self._idle.append(child)

    async def close(self) -> None:
        for child in self._children:
            await child.close()


def _failure(reply: Reply, wanted: Wanted) -> ConversionFailed:
    match reply:
        case Failed(cause=Cause.LENGTH) if isinstance(wanted, VoiceWanted):
            description = f"Voice is longer than {wanted.max_seconds} seconds"
            return ConversionFailed(FailureReason.VOICE_TOO_LONG, description)
        case Failed(cause=Cause.PIXELS):
            return ConversionFailed(description=_MOST_PIXELS[type(wanted)], detail=reply.reason)
        case Failed(cause=Cause.ROOM):
            raise MediaFull(reply.reason)
        case Failed(cause=Cause.CHILD):
            raise MediaUnavailable(reply.reason, final=False)
        case Failed():
            return ConversionFailed(detail=reply.reason)
        case _:
            return ConversionFailed(detail="a wrong answer")


def _fault_at_first_sight(reading: int, wanted: Wanted) -> str:
    """Say what is wrong with a file that no decoder need be asked about; ``""`` if nothing."""
    if os.fstat(reading).st_size > MAX_FILE_BYTES:
        return "too large"
    found = sniff(os.pread(reading, HEAD_SIZE, 0))
    return "" if found.kind in wanted.kinds else f"{found.mimetype} is not what is wanted"


@contextlib.contextmanager
def _opened(path: Path, flags: int) -> Iterator[int]:
    try:
        number = os.open(path, flags, _PRIVATE_FILE)
    except OSError as error:
        if error.errno in NO_ROOM:
            raise MediaFull(f"{path.name}: {error.strerror}") from error
        raise MediaUnavailable(f"{path.name}: {error.strerror}", final=False) from error
    try:
        yield number
    finally:
        os.close(number)


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)
