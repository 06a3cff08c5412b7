"""What the child process may use up, and how long its parent waits for it.

Every limit is also an answer to "what can the worst file cost": that much, and no more.
"""

import errno

import msgspec

from statusgate.domain.conversion import ImageWanted, VideoWanted
from statusgate.domain.media_types import MAX_FILE_BYTES
from statusgate.media.frames import MakeThumbnail, Request

MEBIBYTE = 1024 * 1024


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """What a child process may use up."""

    memory_bytes: int
    """beyond what the libraries take, which is about 40 MiB resident"""
    cpu_seconds: int
    """for a request, or between two steps of progress; what stops a decoder that loops"""
    written_bytes: int
    niceness: int


PROFILES = {
    "thumbnails": Profile(
        memory_bytes=176 * MEBIBYTE,  # with the libraries below 256 MiB
        cpu_seconds=3,
        written_bytes=0,
        niceness=0,
    ),
    "conversions": Profile(
        memory_bytes=448 * MEBIBYTE, cpu_seconds=20, written_bytes=MAX_FILE_BYTES, niceness=10
    ),
}
NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT})
"""errors that say that a disk is full"""

MAX_PICTURE_PIXELS = 50_000_000
MAX_JPEG_PIXELS = 200_000_000
"""phones take such photos; a JPEG is made smaller while it is decoded"""
MAX_FILM_PIXELS = 16_000_000
"""of each frame"""
THUMBNAIL_PIXELS = 72
"""longer edge of every thumbnail"""
STEP_SECONDS = 2.0
"""so much content between two reports of progress"""
_THUMBNAIL_SECONDS = 2.0
_PATIENCE_SECONDS = 60.0
"""however short the content; generous, as a busy machine is not the file's fault"""
_FILM_RATIO = 6.0
"""seconds of waiting that a second of film earns; a film of 60 s may take 420 s"""
_SOUND_RATIO = 0.5
_LONGEST_SECONDS = 1800.0


def allowed_seconds(request: Request, converted_seconds: float) -> float:
    """Return how long a request may have run that has come so far.

    Each second of content earns time, whatever the file's headers claim of its length; the
    ceiling is that of the longest content wanted.
    """
    if isinstance(request, MakeThumbnail):
        return _THUMBNAIL_SECONDS
    if isinstance(request, ImageWanted):
        return _PATIENCE_SECONDS
    ratio = _FILM_RATIO if isinstance(request, VideoWanted) else _SOUND_RATIO
    earned = ratio * min(converted_seconds, request.max_seconds)
    return min(_PATIENCE_SECONDS + earned, _LONGEST_SECONDS)
