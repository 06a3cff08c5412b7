"""The installed command as a process: start, ask, stop, kill."""

import http.client
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from click.testing import CliRunner

from statusgate.cli.main import main

ADMIN_TOKEN = "the-operators-own-token-0123456789abcdef"
OPERATOR = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
ROOT = Path(__file__).parents[2]
_START_SECONDS = 60.0


class Answer:
    """What came back over HTTP."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status = response.status
        self.headers = response.headers
        self.body = response.read()

    def json(self) -> Any:
        return json.loads(self.body)


def command(*arguments: str) -> list[str]:
    """The ``statusgate`` command line."""
    return [sys.executable, "-m", "statusgate", *arguments]


def run(
    *arguments: str, environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, in this process: without the second that a start takes."""
    ours = {name: None for name in os.environ if "STATUSGATE" in name}
    env = ours | (environment or {})
    done = CliRunner().invoke(main, arguments, env=env, prog_name="statusgate")
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return subprocess.CompletedProcess(arguments, done.exit_code, done.stdout, done.stderr)


def run_installed(
    *arguments: str, environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """As ``run``, in a process of its own."""
    return subprocess.run(
        command(*arguments),
        env=_environment(environment or {}),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def _environment(more: dict[str, str]) -> dict[str, str]:
    clean = {key: value for key, value in os.environ.items() if "STATUSGATE" not in key}
    return clean | more


class ServerProcess:
    """``statusgate serve`` on a free port over a folder; usable as a context manager."""

    def __init__(
        self,
        folder: Path,
        *,
        database: str = "",
        module: str = "statusgate",
        **environment: str,
    ) -> None:
        self.folder = folder
        self._module = module
        self._environment = {
            "STATUSGATE_DATABASE": database or f"sqlite:///{folder}/statusgate.db",
            "STATUSGATE_DATA": str(folder),
            "STATUSGATE_PORT": "0",
            "STATUSGATE_ADMIN_TOKEN": ADMIN_TOKEN,
            "STATUSGATE_LOG_FORMAT": "json",
            **environment,
        }
        self.port = 0
        self.log = folder / "server.log"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._process is not None and self._process.poll() is None:
            self.kill()

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Return once the server is ready."""
        self.begin()
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline:
            assert self._process is not None
            assert self._process.poll() is None, self.log.read_text()[-2000:]
            self.port = self._announced_port()
            if self.port:
                return
            time.sleep(0.02)
        raise TimeoutError(self.log.read_text()[-2000:])

    def begin(self) -> None:
        """Start the process without waiting for anything."""
        self._log_start = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", self._module, "serve"],
                env=_environment(self._environment),
                stderr=log,
                stdout=log,
                cwd=ROOT,
            )

    def _announced_port(self) -> int:
        with self.log.open("rb") as log:
            log.seek(self._log_start)
            for line in log.read().splitlines():
                if b'"ready"' in line:
                    return int(json.loads(line)["url"].rpartition(":")[2])
        return 0

    def kill(self) -> None:
        """SIGKILL, and wait for the end."""
        self.signal(signal.SIGKILL)
        self.wait()

    def stop(self, timeout: float = 60.0) -> int:
        """SIGTERM; returns the exit code."""
        self.signal(signal.SIGTERM)
        return self.wait(timeout)

    def signal(self, number: int) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def wait(self, timeout: float = 60.0) -> int:
        assert self._process is not None
        return self._process.wait(timeout)

    def request(
        self,
        verb: str,
        path: str,
        body: Any = None,
        headers: dict[str, str] | None = None,
        timeout: float = 60.0,
    ) -> Answer:
        """One request on a connection of its own; *body* is bytes or a JSON value."""
        raw = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            connection.request(verb, path, raw, headers or {})
            return Answer(connection.getresponse())
        finally:
            connection.close()

    def create_instance(self, **wanted: Any) -> "InstanceClient":
        """A new instance by the partner API; a sandbox unless said otherwise."""
        answer = self.request(
            "POST", f"/partner/createInstance/{ADMIN_TOKEN}", {"engine": "simulated"} | wanted
        )
        assert answer.status == 200, answer.body
        made = answer.json()
        return InstanceClient(self, made["idInstance"], made["apiTokenInstance"])


class InstanceClient:
    """One instance over the contract."""

    def __init__(self, server: ServerProcess, instance_id: int, token: str) -> None:
        self.server = server
        self.id = instance_id
        self.token = token

    def get(self, method: str, query: str = "", **options: Any) -> Answer:
        path = f"/waInstance{self.id}/{method}/{self.token}"
        return self.server.request("GET", path + (f"?{query}" if query else ""), **options)

    def post(self, method: str, body: Any, **options: Any) -> Answer:
        path = f"/waInstance{self.id}/{method}/{self.token}"
        return self.server.request("POST", path, body, **options)

    def simulate(self, *events: dict[str, Any]) -> Answer:
        return self.post("simulate", list(events))
