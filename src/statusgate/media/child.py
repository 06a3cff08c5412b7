"""The process that decodes foreign files: ``python -m statusgate.media.child [SOCKET]``.

It reads requests from stdin and answers on stdout, one at a time, until its parent hangs up.
Before the first request it gives up all it does not need, so that a hostile file can cost no
more than this process. With a socket (its number) it converts: the files of a request come
over it, opened by the parent, and nothing else can be opened.
"""

import math
import os
import resource
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, assert_never

from statusgate.domain.conversion import ImageWanted, VideoWanted, VoiceWanted, Wanted
from statusgate.media import films, images, limits, pictures, voices
from statusgate.media.frames import (
    Cause,
    Convert,
    Done,
    Failed,
    Made,
    MakeThumbnail,
    Progress,
    Ready,
    Reply,
    Request,
    pack,
    read_request,
)

_FILES_AT_ONCE = 2
_NICENESS = 10
_FILM_NICENESS = 9
"""on top, so that pictures are quick while films are converted; a child ends after each film"""


def main() -> None:
    requests, replies = _take_pipes()
    pictures.prepare()
    if len(sys.argv) > 1:
        with socket.socket(fileno=int(sys.argv[1])) as files:
            _limit_to_converting()
            _serve(requests, replies, files)
    else:
        _limit_to_looking()
        _serve(requests, replies, None)


def _serve(requests: BinaryIO, replies: BinaryIO, files: socket.socket | None) -> None:
    _send(replies, Ready())
    while (request := read_request(requests)) is not None:
        _limit_cpu(
            limits.LOOKING_CPU_SECONDS if files is None else limits.CONVERTING_CPU_SECONDS
        )
        _send(replies, _answer(request, replies, files))


def _answer(request: Request, replies: BinaryIO, files: socket.socket | None) -> Reply:
    try:
        return _dispatch(request, replies, files)
    except voices.TooLong:
        return Failed("the voice is too long", Cause.LENGTH)
    except pictures.TooManyPixels as error:
        return Failed(str(error), Cause.PIXELS)
    except pictures.FAULTS as error:
        full = isinstance(error, OSError) and error.errno in limits.NO_ROOM
        reason = f"{type(error).__name__}: {str(error)[:200]}"
        return Failed(reason, Cause.ROOM if full else Cause.FILE)


def _dispatch(request: Request, replies: BinaryIO, files: socket.socket | None) -> Reply:
    match request:
        case MakeThumbnail():
            return Made(pictures.thumbnail(Path(request.source), request.edge))
        case Convert():
            with _files_of_request(files) as (source, target):
                return _convert(request.wanted, source, target, replies)
        case _:
            assert_never(request)


def _convert(wanted: Wanted, source: BinaryIO, target: BinaryIO, replies: BinaryIO) -> Done:
    def report(seconds: float) -> None:
        _limit_cpu(limits.CONVERTING_CPU_SECONDS)
        _send(replies, Progress(seconds))

    match wanted:
        case ImageWanted():
            return images.convert(source, target)
        case VideoWanted():
            os.nice(_FILM_NICENESS)
            return films.convert(source, target, wanted.max_seconds, report)
        case VoiceWanted():
            return voices.convert(source, target, wanted.max_seconds, report)
        case _:
            assert_never(wanted)


@contextmanager
def _files_of_request(files: socket.socket | None) -> Iterator[tuple[BinaryIO, BinaryIO]]:
    """Take source and target from the socket; both unbuffered, the target empty."""
    if files is None:
        raise pictures.UnfitFile("this child converts nothing")
    _, received, _, _ = socket.recv_fds(files, 1, _FILES_AT_ONCE)
    if len(received) != _FILES_AT_ONCE:
        raise EOFError("no files came with the request")
    with os.fdopen(received[0], "rb", 0) as source, os.fdopen(received[1], "w+b", 0) as target:
        target.seek(0)  # an earlier child may have written; place and content are shared
        target.truncate(0)
        yield source, target


def _send(pipe: BinaryIO, reply: Reply) -> None:
    pipe.write(pack(reply))
    pipe.flush()


def _take_pipes() -> tuple[BinaryIO, BinaryIO]:
    """Keep the pipes to ourselves; what a library prints goes to stderr."""
    requests = os.fdopen(os.dup(0), "rb")
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    sys.stdin.close()
    return requests, replies


def _limit_to_looking() -> None:
    _forbid_more_than(limits.LOOKING_MEMORY_BYTES, files=limits.OPEN_FILES, written_bytes=0)


def _limit_to_converting() -> None:
    """The files of one request fill the last free places; nothing can be opened beside them."""
    os.nice(_NICENESS)
    places = [os.dup(2) for _ in range(_FILES_AT_ONCE)]
    for place in places:
        os.close(place)
    _forbid_more_than(
        limits.CONVERTING_MEMORY_BYTES,
        files=max(places) + 1,
        written_bytes=limits.OUTPUT_BYTES,
    )


def _forbid_more_than(more_memory_bytes: int, *, files: int, written_bytes: int) -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (written_bytes, written_bytes))
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
    memory = _address_space_bytes() + more_memory_bytes
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))


def _address_space_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    return pages * resource.getpagesize()


def _limit_cpu(more_seconds: int) -> None:
    """Give so many seconds from now on; the limit itself counts from the process's start."""
    seconds = math.ceil(time.process_time()) + more_seconds
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, hard))


if __name__ == "__main__":
    main()
