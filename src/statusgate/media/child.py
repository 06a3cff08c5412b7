"""The process that decodes untrusted files: ``statusgate.media.child PROFILE SOCKET``.

It reads requests from stdin and answers on stdout, one at a time, until its parent hangs up.
The files of a request come over the socket whose number is given, opened by the parent. Before
the first request the process gives up all it does not need, so that a hostile file can cost no
more than this process: its profile limits what it may use up, and the kernel refuses it
sockets, programs, other processes and any other file.
"""

import io
import math
import os
import resource
import socket
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO, assert_never

from statusgate.domain.conversion import ImageWanted, VideoWanted, VoiceWanted
from statusgate.media import films, images, limits, pictures, voices
from statusgate.media.frames import (
    Cause,
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
from statusgate.media.seccomp import give_up_system_calls
from statusgate.media.sources import start_over

_FILES_AT_ONCE = 2
_FILM_NICENESS = 9
"""on top, so that pictures are quick while films are converted; a child ends after each film"""


def main() -> None:
    requests, replies = _take_pipes()
    pictures.prepare()
    profile = limits.PROFILES[sys.argv[1]]
    with socket.socket(fileno=int(sys.argv[2])) as files:
        is_confined = _confine(profile)
        Child(profile, requests, replies, files).serve(is_confined)


class Child:
    """Answers requests, one at a time."""

    def __init__(
        self,
        profile: limits.Profile,
        requests: BinaryIO,
        replies: BinaryIO,
        files: socket.socket,
    ) -> None:
        self._profile = profile
        self._requests = requests
        self._replies = replies
        self._files = files
        self._reported = 0.0

    def serve(self, is_confined: bool) -> None:
        """Say that it is up, and answer until the parent hangs up."""
        self._send(Ready(is_confined))
        while (request := read_request(self._requests)) is not None:
            self._reported = 0.0
            self._limit_cpu()
            self._send(self._answer(request))

    def _answer(self, request: Request) -> Reply:
        try:
            with ExitStack() as opened:
                return self._make(request, *self._files_of_request(opened))
        except pictures.UnfitFile as error:
            return Failed(str(error), error.cause)
        except pictures.FAULTS as error:
            full = isinstance(error, OSError) and error.errno in limits.NO_ROOM
            reason = f"{type(error).__name__}: {str(error)[:200]}"
            return Failed(reason, Cause.ROOM if full else Cause.FILE)

    def _make(self, request: Request, source: BinaryIO, *targets: BinaryIO) -> Reply:
        found = pictures.type_of(source, request.kinds)
        if isinstance(request, MakeThumbnail):
            make = pictures.thumbnail if found.kind == "image" else films.thumbnail
            return Made(make(source, found))
        target = targets[0]
        start_over(source, target)  # an earlier child may have written
        match request:
            case ImageWanted():
                return images.convert(source, found, target)
            case VideoWanted(most):
                os.nice(_FILM_NICENESS)
                return films.convert(source, found, target, most, self._report)
            case VoiceWanted(most):
                return voices.convert(source, found, target, most, self._report)
            case _:
                assert_never(request)

    def _files_of_request(self, opened: ExitStack) -> list[BinaryIO]:
        """Take the files of a request from the socket, unbuffered."""
        _, received, _, _ = socket.recv_fds(self._files, 1, _FILES_AT_ONCE)
        return [
            opened.enter_context(io.FileIO(number, mode))
            for number, mode in zip(received, ("r", "r+"), strict=False)
        ]

    def _report(self, seconds: float) -> None:
        """Tell the parent, in steps, how much is done; a film that is encoded counts anew."""
        if abs(seconds - self._reported) >= limits.STEP_SECONDS:
            self._reported = seconds
            self._limit_cpu()
            self._send(Progress(seconds))

    def _send(self, reply: Reply) -> None:
        self._replies.write(pack(reply))
        self._replies.flush()

    def _limit_cpu(self) -> None:
        """Give so many seconds from now on; the limit itself counts from the start."""
        seconds = math.ceil(time.process_time()) + self._profile.cpu_seconds
        _, hard = resource.getrlimit(resource.RLIMIT_CPU)
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, hard))


def _take_pipes() -> tuple[BinaryIO, BinaryIO]:
    """Keep the pipes to ourselves; what a library prints goes to stderr."""
    requests = os.fdopen(os.dup(0), "rb")
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    sys.stdin.close()
    return requests, replies


def _confine(profile: limits.Profile) -> bool:
    """Give up what decoding does not need; False if the kernel cannot refuse system calls.

    The files of one request fill the last free places; there is no place for any other.
    """
    os.nice(profile.niceness)
    places = [os.dup(2) for _ in range(_FILES_AT_ONCE)]
    for place in places:
        os.close(place)
    most_files = max(places) + 1
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (profile.written_bytes, profile.written_bytes))
    resource.setrlimit(resource.RLIMIT_NOFILE, (most_files, most_files))
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    memory = pages * resource.getpagesize() + profile.memory_bytes
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    return give_up_system_calls()


if __name__ == "__main__":
    main()
