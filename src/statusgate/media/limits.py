"""What the child process may use up, and how long its parent waits for it.

Every limit is also an answer to "what can the worst file cost": that much, and no more.
"""

from statusgate.domain.conversion import ImageWanted, VideoWanted, VoiceWanted, Wanted

MEBIBYTE = 1024 * 1024
LOOKING_MEMORY_BYTES = 176 * MEBIBYTE
"""for thumbnails and probes, beyond what the libraries take; together below 256 MiB"""
CONVERTING_MEMORY_BYTES = 384 * MEBIBYTE
"""for conversions, likewise; the libraries' own part is about 40 MiB resident"""
LOOKING_CPU_SECONDS = 3
CONVERTING_CPU_SECONDS = 40
"""between two steps of progress"""
OUTPUT_BYTES = 100 * MEBIBYTE
OPEN_FILES = 32

THUMBNAIL_PIXELS = 72
"""longer edge of every thumbnail"""
STEP_SECONDS = 2.0
"""so much content between two reports of progress"""
_PATIENCE_SECONDS = 20.0
"""for a step of progress, however short the content"""
_FILM_RATIO = 6.0
"""seconds of waiting that a second of film earns; a film of 60 s may take 380 s"""
_SOUND_RATIO = 0.5
_LONGEST_SECONDS = 1800.0


def allowed_seconds(wanted: Wanted, converted_seconds: float) -> float:
    """Return how long a conversion may have run that has come so far.

    Each second of content earns time, whatever the file's headers claim of its length; the
    ceiling is that of the longest content wanted.
    """
    match wanted:
        case ImageWanted():
            return _PATIENCE_SECONDS
        case VideoWanted():
            earned = _FILM_RATIO * min(converted_seconds, wanted.max_seconds)
        case VoiceWanted():
            earned = _SOUND_RATIO * min(converted_seconds, wanted.max_seconds)
    return min(_PATIENCE_SECONDS + earned, _LONGEST_SECONDS)
