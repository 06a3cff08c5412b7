"""What a child process cannot do any more, whatever takes it over."""

import subprocess
import sys
from pathlib import Path

import pytest

from statusgate.domain.conversion import ImageWanted
from statusgate.domain.ids import InstanceId
from statusgate.media.converter import Converter
from statusgate.media.process import CONVERSIONS, THUMBNAILS, MediaChild
from statusgate.media.thumbnails import Thumbnailer
from tests.unit.media import hostile

PICTURE = hostile.SAMPLES / "image.jpg"
CONFINED = """
import ctypes, os, resource, signal, socket, subprocess, sys, threading
unix, _ = socket.socketpair()
parent, ours = os.getppid(), os.open(sys.argv[1], os.O_RDWR)
from statusgate.media.seccomp import give_up_system_calls
if not give_up_system_calls():
    sys.exit(77)
libc = ctypes.CDLL(None, use_errno=True)
"""
REFUSED = {
    "a socket": "socket.socket()",
    "a connection": "unix.connect('/nowhere')",
    "a message": "unix.sendmsg([b'x'])",
    "a program": "os.execv('/bin/true', ['true'])",
    "a process": "os.fork()",
    "a child": "subprocess.run(['/bin/true'])",
    "a signal": "os.kill(parent, 0)",
    "tracing": "sys.exit(3) if libc.ptrace(0, 0, 0, 0) == 0 else os.open(sys.argv[1], 0)",
    "a file to read": "open(sys.argv[1])",
    "a file to write": "open(sys.argv[1], 'w')",
    "removing": "os.unlink(sys.argv[1])",
    "renaming": "os.rename(sys.argv[1], sys.argv[1] + 'x')",
    "a folder": "os.mkdir(sys.argv[1] + 'x')",
    "a link": "os.symlink('/', sys.argv[1] + 'x')",
    "others' limits": "resource.prlimit(parent, resource.RLIMIT_CORE, (0, 0))",
}
ALLOWED = {
    "threads": "t = threading.Thread(target=lambda: None); t.start(); t.join()",
    "own limits": "resource.setrlimit(resource.RLIMIT_CORE, (0, 0))",
    "open files": "os.pwrite(ours, b'x', 0); os.ftruncate(ours, 0); os.pread(ours, 1, 0)",
    "memory": "bytearray(50 * 2**20)",
    "lower priority": "os.nice(1)",
}


def run_confined(code: str, file: Path) -> "subprocess.CompletedProcess[str]":
    done = subprocess.run(
        [sys.executable, "-c", CONFINED + code, str(file)],
        check=False,
        capture_output=True,
        text=True,
    )
    if done.returncode == 77:
        pytest.skip("this kernel has no seccomp")
    return done


@pytest.mark.parametrize("what", REFUSED)
def test_a_confined_process_is_refused(tmp_path: Path, what: str) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"precious")
    done = run_confined(REFUSED[what], file)
    assert done.returncode == 1, (done.returncode, done.stderr)
    assert "PermissionError: [Errno 1]" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert file.read_bytes() == b"precious"


@pytest.mark.parametrize("what", ALLOWED)
def test_a_confined_process_can_still_work(tmp_path: Path, what: str) -> None:
    file = tmp_path / "file"
    file.touch()
    done = run_confined(ALLOWED[what], file)
    assert done.returncode == 0, done.stderr


def confinement_of(child: MediaChild) -> dict[str, str]:
    lines = Path(f"/proc/{child.pid}/status").read_text().splitlines()
    fields = dict(line.split(":\t", 1) for line in lines)
    return {name: fields[name] for name in ("NoNewPrivs", "Seccomp")}


async def test_both_kinds_of_children_are_confined(tmp_path: Path) -> None:
    run_confined("", PICTURE)  # skips without seccomp
    thumbnails, conversions = MediaChild(THUMBNAILS), MediaChild(CONVERSIONS)
    thumbnailer, converter = Thumbnailer(thumbnails), Converter([conversions], [conversions])
    assert await thumbnailer.thumbnail(PICTURE, "image/jpeg")
    await converter.convert(InstanceId(1), PICTURE, ImageWanted(), tmp_path / "target")
    for child in (thumbnails, conversions):
        assert confinement_of(child) == {"NoNewPrivs": "1", "Seccomp": "2"}
    await thumbnailer.close()
    await converter.close()
