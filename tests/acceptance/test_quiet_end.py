"""A server that is stopped in the midst of everything ends without a word of complaint."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.processes import ServerProcess
from tests.waiting import until

_COMPLAINTS = (
    "Task was destroyed", "never retrieved", "never awaited", "Traceback", "Unclosed",
    "ASGI callable", "ResourceWarning",
)  # fmt: skip


class SilentHost:
    """Accepts connections and never answers."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.connections: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                self.connections.append(self._listener.accept()[0])

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        for one in (self._listener, *self.connections):
            one.close()


@pytest.fixture
def host() -> Iterator[SilentHost]:
    made = SilentHost()
    yield made
    made.close()


def test_a_stop_in_the_midst_of_everything_is_quiet(tmp_path: Path, host: SilentHost) -> None:
    with ServerProcess(
        tmp_path, STATUSGATE_OUTBOUND_ALLOW="127.0.0.0/8", PYTHONWARNINGS="default"
    ) as server:
        polled, pushed = server.create_instance(), server.create_instance()
        pushed.post("setSettings", {
            "webhookUrl": f"http://127.0.0.1:{host.port}/", "statusWebhook": "yes",
        })  # fmt: skip
        for one in (polled, pushed):
            url = f"http://127.0.0.1:{host.port}/a.jpg"
            assert (
                one.post("sendMediaStatus", {"urlFile": url, "fileName": "a.jpg"}).status == 200
            )
            assert one.post("sendTextStatus", {"message": "Hi"}).status == 200
            one.simulate(
                {"event": "phoneStatus", "type": "text", "text": "x", "idMessage": "B1"}
            )
        waiting = [
            threading.Thread(target=_ask, args=(server.port, target))
            for target in (
                f"/waInstance{polled.id}/receiveNotification/{polled.token}?receiveTimeout=60",
                f"/waInstance{polled.id}/events/{polled.token}",
            )
        ]
        for thread in waiting:
            thread.start()
        until(lambda: len(host.connections) >= 3, "two files and a notification")
        assert server.stop() == 0
        for thread in waiting:
            thread.join(30)
        log = server.log.read_text()
    assert not [line for line in log.splitlines() if any(word in line for word in _COMPLAINTS)]


def _ask(port: int, target: str) -> None:
    with socket.create_connection(("127.0.0.1", port), 30) as client:
        client.sendall(f"GET {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        while client.recv(1 << 16):
            pass
