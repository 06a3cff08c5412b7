"""Why a worker ends before it has anything to do: the code tells the gateway."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from statusgate.engines.neonize.config import Exit, Setup
from statusgate.engines.neonize.ipc import VERSION, Drain, From, Hello, pack


class Worker:
    """A worker process, and the gateway's end of the socket to it."""

    def __init__(self, process: subprocess.Popen[bytes], ours: socket.socket) -> None:
        self.process = process
        self.socket = ours

    def send(self, *frames: object) -> None:
        self.socket.sendall(b"".join(map(pack, frames)))

    def ended(self) -> Exit:
        self.socket.close()
        return Exit(self.process.wait(60))


@contextmanager
def worker() -> Iterator[Worker]:
    control, inside = socket.socketpair()
    ours, theirs = socket.socketpair()
    with ours:
        process = subprocess.Popen(
            [sys.executable, "-m", "statusgate.engines.neonize.host", str(inside.fileno())],
            pass_fds=[inside.fileno()],
            stderr=subprocess.DEVNULL,
        )
        socket.send_fds(control, [b"+"], [theirs.fileno()])
        inside.close()
        theirs.close()
        try:
            yield Worker(process, ours)
        finally:
            control.close()
            process.kill()
            process.wait()


@pytest.mark.parametrize(
    ("said", "code"),
    [
        (b"", Exit.DRAINED),
        (b"\0\0\0\5nonsense", Exit.PROTOCOL),
        (pack(Drain()), Exit.PROTOCOL),
        (pack(Setup(version=VERSION + 1, directory="/")), Exit.PROTOCOL),
    ],
    ids=["nothing", "nonsense", "no setup", "another version"],
)
def test_a_worker_that_is_not_set_up_ends(said: bytes, code: Exit) -> None:
    with worker() as made:
        made.socket.sendall(said)
        assert made.ended() is code


def test_a_worker_without_a_usable_folder_ends(tmp_path: Path) -> None:
    (tmp_path / "account.db").mkdir()
    with worker() as made:
        made.send(Setup(version=VERSION, directory=str(tmp_path)))
        assert made.ended() is Exit.NO_ROOM


def test_a_frame_that_no_gateway_sends_ends_the_worker(tmp_path: Path) -> None:
    with worker() as made:
        made.send(Setup(version=VERSION, directory=str(tmp_path)))
        made.send(Hello(v=VERSION, pid=1))
        assert made.process.wait(60) == Exit.PROTOCOL


def test_a_lost_session_that_is_given_up_is_put_aside_and_told(tmp_path: Path) -> None:
    (tmp_path / "linked").write_text('{"phone":"1"}')
    (tmp_path / "session.db").write_bytes(b"spoiled")
    with worker() as made:
        made.send(Setup(version=VERSION, directory=str(tmp_path), forget=True))
        made.send(From(seq=0, acked=0))
        assert made.process.wait(60) == Exit.LOGGED_OUT
    assert [path.read_bytes() for path in tmp_path.glob("session.db.aside-*")] == [b"spoiled"]
    assert not (tmp_path / "linked").exists()
