"""A proxy before PostgreSQL: it cuts a connection at its COMMIT, before or after it lands, and
counts how often a server is asked to answer."""

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Literal
from urllib.parse import quote

import psycopg
from psycopg.conninfo import conninfo_to_dict

Cut = Literal["before", "after"]


class Proxy:
    """Forwards connections to a server; the next COMMIT can be cut off."""

    def __init__(self, server: str) -> None:
        self._server = conninfo_to_dict(server)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._cut: Cut | None = None
        self._lock = threading.Lock()
        self._open: list[socket.socket] = []
        self.asked = 0
        """how often a client waited for the answers to all it had sent: one round trip each.
        A reader does not wait for the end of its transaction"""
        threading.Thread(target=self._accept, daemon=True).start()

    def url(self, server_url: str) -> str:
        """The address of *server_url* by way of the proxy."""
        port = self._listener.getsockname()[1]
        options = conninfo_to_dict(server_url)
        search_path = quote(str(options["options"]))
        return (
            f"postgresql://{options['user']}@127.0.0.1:{port}/{options['dbname']}"
            f"?sslmode=disable&gssencmode=disable&options={search_path}"
        )

    def cut_next_commit(self, cut: Cut) -> None:
        """Close the connection of the next COMMIT of a writer: *before* the server gets it, or
        *after*, without an answer."""
        with self._lock:
            self._cut = cut

    def close(self) -> None:
        self._listener.close()
        for one in self._open:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = self._connect()
                self._open += [client, server]
                for source, target, checks in (
                    (client, server, True),
                    (server, client, False),
                ):
                    threading.Thread(
                        target=self._forward, args=(source, target, checks), daemon=True
                    ).start()

    def _connect(self) -> socket.socket:
        folder = str(self._server["host"])
        if folder.startswith("/"):
            server = socket.socket(socket.AF_UNIX)
            server.connect(f"{folder}/.s.PGSQL.{self._server.get('port', 5432)}")
            return server
        return socket.create_connection((folder, int(str(self._server.get("port", 5432)))))

    def _forward(self, source: socket.socket, target: socket.socket, checks: bool) -> None:
        writes = reads = False
        messages = _Messages()
        with suppress(OSError):
            while data := source.recv(65536):
                if checks:
                    reads |= b"READ ONLY" in data
                    waited = b"HQ" if reads else b"HQS"
                    with self._lock:
                        self.asked += sum(kind in waited for kind in messages.kinds(data))
                writes |= b"INSERT" in data
                cut = self._taken() if checks and writes and b"COMMIT" in data else None
                if cut == "after":
                    source.shutdown(socket.SHUT_RDWR)  # nobody hears the answer
                    target.sendall(data)
                if cut is not None:
                    break
                target.sendall(data)
        for one in (source, target):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def _taken(self) -> Cut | None:
        with self._lock:
            cut, self._cut = self._cut, None
            return cut


class _Messages:
    """The kinds of messages in what a client sends."""

    def __init__(self) -> None:
        self._rest = b""
        self._begun = False

    def kinds(self, data: bytes) -> list[bytes]:
        """Those that are complete with *data*."""
        found: list[bytes] = []
        self._rest += data
        while True:
            head = 1 if self._begun else 0  # the very first message has no kind
            if len(self._rest) < head + 4:
                return found
            (size,) = struct.unpack_from("!I", self._rest, head)
            if len(self._rest) < head + size:
                return found
            found.append(self._rest[:1] if self._begun else b"startup")
            self._rest, self._begun = self._rest[head + size :], True


@contextmanager
def proxy_before(server: str) -> Iterator[Proxy]:
    """A running proxy before the server."""
    with psycopg.connect(server):  # it is there
        pass
    proxy = Proxy(server)
    try:
        yield proxy
    finally:
        proxy.close()
