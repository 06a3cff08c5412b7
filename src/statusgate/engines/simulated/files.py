"""The sandbox's files: those that scripts bring, and built-in samples."""

import hashlib
import os
import shutil
from collections.abc import Sequence
from functools import cache
from importlib import resources
from pathlib import Path

import msgspec

from statusgate.domain.errors import LimitReached, MediaUnavailable
from statusgate.domain.media import MediaRef
from statusgate.domain.media_types import HEAD_SIZE, sniff
from statusgate.domain.status import Kind
from statusgate.engines.disk import make_private, write_durably

MOST_FILES = 10_000
MOST_BYTES = 1 << 30
KEPT_MS = 31 * 24 * 3600 * 1000
_SAMPLES = {Kind.IMAGE: "image.jpg", Kind.VIDEO: "video.mp4", Kind.AUDIO: "audio.ogg"}
_THUMBNAILS = {Kind.IMAGE: "image.thumbnail.jpg", Kind.VIDEO: "video.thumbnail.jpg"}


class _Handle(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a MediaRef of the sandbox carries; exactly one of the two is set."""

    sha256: str = ""
    sample: str = ""


_handles = msgspec.json.Decoder(_Handle)


class Files:
    """Files by content, in a folder. Calls block."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def check_room(self, contents: Sequence[bytes]) -> None:
        """Raise LimitReached if *contents* do not fit beside what is kept."""
        if not contents:
            return
        kept = self._directory.iterdir() if self._directory.is_dir() else ()
        sizes = {path.name: path.stat().st_size for path in kept}
        sizes |= {hashlib.sha256(one).hexdigest(): len(one) for one in contents}
        if len(sizes) > MOST_FILES:
            raise LimitReached(f"at most {MOST_FILES} sandbox files are kept")
        if sum(sizes.values()) > MOST_BYTES:
            raise LimitReached(f"at most {MOST_BYTES >> 20} MB of sandbox files are kept")

    def keep(self, content: bytes, until_ms: int) -> MediaRef:
        """Store a file, to be had at least KEPT_MS after *until_ms*; on disk on return."""
        digest = hashlib.sha256(content).hexdigest()
        path = self._directory / digest
        make_private(self._directory)
        known_ns = 0
        if path.exists():
            known_ns = path.stat().st_mtime_ns
        else:
            write_durably(path, content)
        until_ms = max(until_ms, known_ns // 1_000_000)
        os.utime(path, ns=(until_ms * 1_000_000, until_ms * 1_000_000))
        return _reference(_Handle(sha256=digest), content)

    def copy(self, ref: MediaRef, to: Path, limit: int) -> None:
        """Write a kept file or a sample to *to*.

        Raises MediaUnavailable if it is gone, over *limit* bytes, or not of the sandbox.
        """
        try:
            handle = _handles.decode(ref.handle)
        except msgspec.MsgspecError as error:
            raise MediaUnavailable("not a file of the sandbox", final=True) from error
        if handle.sample in _SAMPLES.values():
            content = _sample(handle.sample)
            _check_size(len(content), limit)
            to.write_bytes(content)
            return
        if len(handle.sha256) != 64 or not handle.sha256.isalnum():
            raise MediaUnavailable("not a file of the sandbox", final=True)
        try:
            with (self._directory / handle.sha256).open("rb") as source:
                _check_size(os.fstat(source.fileno()).st_size, limit)
                with to.open("wb") as target:
                    shutil.copyfileobj(source, target)
        except FileNotFoundError as error:
            raise MediaUnavailable("the sandbox no longer has the file", final=True) from error

    def prune(self, now_ms: int) -> None:
        """Remove what nobody can want any more."""
        if not self._directory.is_dir():
            return
        for path in self._directory.iterdir():
            if path.stat().st_mtime_ns // 1_000_000 < now_ms - KEPT_MS:
                path.unlink(missing_ok=True)


@cache
def sample(kind: Kind) -> tuple[MediaRef, bytes]:
    """Return the built-in file of a kind other than text, and its thumbnail."""
    name = _SAMPLES[kind]
    thumbnail = _sample(_THUMBNAILS[kind]) if kind in _THUMBNAILS else b""
    return _reference(_Handle(sample=name), _sample(name)), thumbnail


def _reference(handle: _Handle, content: bytes) -> MediaRef:
    return MediaRef(
        handle=msgspec.json.encode(handle),
        mimetype=sniff(content[:HEAD_SIZE]).mimetype,
        size=len(content),
        sha256=hashlib.sha256(content).digest(),
    )


def _sample(name: str) -> bytes:
    return (resources.files("statusgate.engines.simulated.samples") / name).read_bytes()


def _check_size(size: int, limit: int) -> None:
    if size > limit:
        raise MediaUnavailable(f"{size} bytes are over the limit of {limit}", final=True)
