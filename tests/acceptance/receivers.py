"""A plain webhook receiver, as somebody's program would have it: it keeps what it got."""

import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self

import msgspec


class Push(msgspec.Struct, frozen=True):
    """One push as it came."""

    webhook_id: str
    authorization: str
    body: bytes


class RecordingReceiver:
    """Answers 200 and remembers; *behave* may answer otherwise."""

    def __init__(self, behave: Callable[[Push], int] | None = None) -> None:
        self.got: list[Push] = []
        self.behave = behave or (lambda _push: 200)
        recorder = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                length = int(self.headers["Content-Length"])
                push = Push(
                    self.headers.get("webhook-id", ""),
                    self.headers.get("Authorization", ""),
                    self.rfile.read(length),
                )
                recorder.got.append(push)
                self.send_response(recorder.behave(push))
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *arguments: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/hook"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
