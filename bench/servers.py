"""Real processes: the gateway as its users start it, and the floor. Ended by their own pid."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import msgspec

HOST = "127.0.0.1"
REPOSITORY = Path(__file__).resolve().parents[1]
_READY_SECONDS = 60.0
_STOP_SECONDS = 20.0
_POLL_SECONDS = 0.005
_MB = 1_000_000


class ServerFailed(Exception):
    """A process did not come up; the text holds the end of what it said."""


class Memory(msgspec.Struct, frozen=True, kw_only=True):
    """Memory of a process and its children, in MB of 1,000,000 bytes."""

    rss: float
    pss: float
    peak: float
    """highest resident size so far, summed"""
    processes: int


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        return int(listener.getsockname()[1])


class Process:
    """A child with a port; use it as a context."""

    def __init__(
        self,
        arguments: Sequence[str],
        port: int,
        log: Path,
        ready_path: str,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.url = f"http://{HOST}:{port}"
        self._log = log
        begun = time.perf_counter()
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", *arguments],
                cwd=REPOSITORY,
                env=_environment(environment or {}),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        try:
            self._wait_until_ready(ready_path)
        except BaseException:
            self.stop()
            raise
        self.ready_after = time.perf_counter() - begun
        """seconds from its start to its first good answer"""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """End it as an operator would; repeats are fine."""
        if self._process.poll() is not None:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def memory(self) -> Memory:
        """Memory now, workers included."""
        return memory_of(family(self._process.pid))

    @property
    def pid(self) -> int:
        return self._process.pid

    def _wait_until_ready(self, path: str) -> None:
        deadline = time.monotonic() + _READY_SECONDS
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                raise ServerFailed(f"ended with {self._process.returncode}: {self._said()}")
            if _answers(self.url + path):
                return
            time.sleep(_POLL_SECONDS)
        raise ServerFailed(f"not ready after {_READY_SECONDS:.0f} s: {self._said()}")

    def _said(self) -> str:
        return self._log.read_text(errors="replace")[-600:].strip()


def gateway(database: str, data: Path, **settings: str) -> Process:
    """Start ``statusgate serve`` with settings by environment, as shipped otherwise.

    Links to files always look the same, so that answers do not depend on the port.
    """
    port = free_port()
    told = {
        "database": database,
        "data": str(data),
        "port": str(port),
        "public_url": "http://127.0.0.1:8080",
        "log_level": "warning",
        **settings,
    }
    environment = {f"STATUSGATE_{name.upper()}": value for name, value in told.items()}
    return Process(
        ["statusgate", "serve"], port, data / "serve.log", "/health/ready", environment
    )


def floor(folder: Path) -> Process:
    """Start the bare server."""
    port = free_port()
    return Process(["bench.floor", str(port)], port, folder / "floor.log", "/")


def keep(server: Process, name: str, body: bytes) -> str:
    """Let the bare server answer *body*; returns the URL that does."""
    url = f"{server.url}/{name}"
    with urllib.request.urlopen(
        urllib.request.Request(url, data=body, method="PUT"), timeout=10
    ) as response:
        response.read()
    return url


def post_json(url: str, token: str, value: Any) -> Any:
    """POST JSON with the token as Bearer; returns the decoded answer."""
    request = urllib.request.Request(
        url,
        data=msgspec.json.encode(value),
        headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
        method="POST",
    )
    with urllib.request.urlopen(request, timeout=30) as response:
        return msgspec.json.decode(response.read())


def family(pid: int) -> list[int]:
    """Return a process and all that descend from it."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                told = (entry / "stat").read_text()
            except OSError:
                continue  # it has just ended
            parents[int(entry.name)] = int(told.rpartition(")")[2].split()[1])
    found = [pid]
    for one in found:  # grows while it is walked
        found.extend(child for child, parent in parents.items() if parent == one)
    return found


def memory_of(pids: Sequence[int]) -> Memory:
    """Add up what the kernel says of these processes."""
    rss = pss = peak = 0
    counted = 0
    for pid in pids:
        try:
            status = _kilobytes(Path(f"/proc/{pid}/status"))
            shares = _kilobytes(Path(f"/proc/{pid}/smaps_rollup"))
        except OSError:
            continue
        counted += 1
        rss += status.get("VmRSS", 0)
        peak += status.get("VmHWM", 0)
        pss += shares.get("Pss", 0)
    return Memory(
        rss=rss * 1024 / _MB, pss=pss * 1024 / _MB, peak=peak * 1024 / _MB, processes=counted
    )


def _kilobytes(file: Path) -> dict[str, int]:
    found = {}
    for line in file.read_text().splitlines():
        name, _, rest = line.partition(":")
        if rest.endswith(" kB"):
            found[name] = int(rest.split()[0])
    return found


def _environment(more: Mapping[str, str]) -> dict[str, str]:
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith("STATUSGATE_")
    }
    return {**kept, **more}


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as response:
            return bool(response.status == 200)
    except (urllib.error.URLError, OSError):
        return False
