"""Conversion of foreign files to what phones show, in child processes."""

import asyncio
import os
from pathlib import Path

from statusgate.domain.conversion import (
    ConversionFailed,
    Converted,
    ImageWanted,
    VideoWanted,
    VoiceWanted,
    Wanted,
    bad_media,
    voice_too_long,
)
from statusgate.domain.errors import MediaFull, MediaUnavailable
from statusgate.domain.media_types import HEAD_SIZE, MAX_FILE_BYTES, sniff
from statusgate.media.frames import Cause, Convert, Done, Failed, Progress, Reply
from statusgate.media.limits import NO_ROOM, allowed_seconds
from statusgate.media.process import COMMAND, MediaChild

_PRIVATE_FILE = 0o600
_READ = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW
_WRITE = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
_KINDS: dict[type[Wanted], tuple[str, ...]] = {
    ImageWanted: ("image",),
    VideoWanted: ("video",),
    VoiceWanted: ("audio", "video"),
}


class Converter:
    """Converts files; this process never decodes anything itself.

    Films and the rest have a child each, so that a picture never waits for a film. A child
    converts one file at a time. No file is given up because of those before it: what a used
    child fails at is tried once more by a fresh one.
    """

    def __init__(
        self, quick: MediaChild | None = None, films: MediaChild | None = None
    ) -> None:
        self._quick = _Lane(quick or MediaChild(command=COMMAND, takes_files=True))
        self._films = _Lane(films or MediaChild(command=COMMAND, takes_files=True))

    async def convert(
        self, source: Path, wanted: Wanted, target: Path
    ) -> Converted | ConversionFailed:
        """Make what is *wanted* of *source*; only its bytes decide what it is.

        *target* must not exist. It does afterwards only if the result says that it is the
        path. Raises MediaFull if there is no room for it, MediaUnavailable (not final) if
        the files cannot be opened or no child process can be started: not the file's fault.
        """
        reading = _open(source, _READ)
        try:
            fault = await asyncio.to_thread(_fault_at_first_sight, reading, wanted)
            if fault:
                return bad_media(fault)
            return await self._convert(reading, source, wanted, target)
        finally:
            os.close(reading)

    async def close(self) -> None:
        """End the child processes."""
        await self._quick.close()
        await self._films.close()

    async def _convert(
        self, reading: int, source: Path, wanted: Wanted, target: Path
    ) -> Converted | ConversionFailed:
        writing = _open(target, _WRITE)
        written = False
        try:
            lane = self._films if isinstance(wanted, VideoWanted) else self._quick
            reply = await lane.convert(wanted, (reading, writing))
            written = isinstance(reply, Done) and not reply.passed_through
            return _outcome(reply, wanted, target if written else source)
        finally:
            os.close(writing)
            if not written:
                _remove(target)


class _Lane:
    """A child and those who wait for it."""

    def __init__(self, child: MediaChild) -> None:
        self._child = child
        self._turn = asyncio.Lock()

    async def convert(self, wanted: Wanted, files: tuple[int, int]) -> Reply:
        """Return the child's answer; a failure is always the verdict of a fresh child."""
        async with self._turn:
            reply = await self._ask(wanted, files)
            if isinstance(reply, Failed) and reply.cause is Cause.FILE and self._child.used:
                await self._child.close()
                reply = await self._ask(wanted, files)
            if isinstance(reply, Failed) or isinstance(wanted, VideoWanted):
                await self._child.close()
            return reply

    async def close(self) -> None:
        await self._child.close()

    async def _ask(self, wanted: Wanted, files: tuple[int, int]) -> Reply:
        def allowance(progress: Progress) -> float:
            return allowed_seconds(wanted, progress.seconds)

        return await self._child.ask(Convert(wanted), files, allowance)


def _outcome(reply: Reply, wanted: Wanted, path: Path) -> Converted | ConversionFailed:
    match reply:
        case Done():
            return _converted(reply, path)
        case Failed(cause=Cause.LENGTH) if isinstance(wanted, VoiceWanted):
            return voice_too_long(wanted.max_seconds)
        case Failed(cause=Cause.ROOM):
            raise MediaFull(reply.reason)
        case Failed(cause=Cause.CHILD):
            raise MediaUnavailable(reply.reason, final=False)
        case Failed():
            return bad_media(reply.reason)
        case _:
            return bad_media("a wrong answer")


def _converted(done: Done, path: Path) -> Converted:
    return Converted(
        path=path,
        mimetype=done.mimetype,
        extension=done.extension,
        seconds=max(1, int(done.seconds + 0.5)) if done.seconds else 0,
        width=done.width,
        height=done.height,
        thumbnail=done.thumbnail,
        waveform=done.waveform,
        passed_through=done.passed_through,
    )


def _fault_at_first_sight(reading: int, wanted: Wanted) -> str:
    """Say what is wrong with a file that no decoder need be asked about; ``""`` if nothing."""
    if os.fstat(reading).st_size > MAX_FILE_BYTES:
        return "too large"
    found = sniff(os.pread(reading, HEAD_SIZE, 0))
    is_wanted = found.kind in _KINDS[type(wanted)]
    return "" if is_wanted else f"{found.mimetype} is not what is wanted"


def _open(path: Path, flags: int) -> int:
    try:
        return os.open(path, flags, _PRIVATE_FILE)
    except OSError as error:
        if error.errno in NO_ROOM:
            raise MediaFull(f"{path.name}: {error.strerror}") from error
        raise MediaUnavailable(f"{path.name}: {error.strerror}", final=False) from error


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)
