"""The floor: a bare ASGI application under uvicorn, uvloop and httptools.

It answers bytes from memory and does nothing else; uvicorn is set as the product sets it, but
with its own protocol class instead of the product's stricter one. ``PUT /name`` keeps a body,
``GET /name`` answers it. Run as a process of its own: ``python -m bench.floor PORT``.
"""

import sys
from typing import Any

import uvicorn
import uvloop

HOST = "127.0.0.1"


class Bytes:
    """An ASGI application that knows a few bodies by path."""

    def __init__(self) -> None:
        self._answers: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {}

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        if scope["method"] == "PUT":
            self._answers[scope["path"]] = _answer(await _body(receive))
        start, body = self._answers.get(scope["path"], _EMPTY)
        await send(start)
        await send(body)


async def _body(receive: Any) -> bytes:
    parts = []
    while True:
        message = await receive()
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(parts)


def _answer(body: bytes) -> tuple[dict[str, Any], dict[str, Any]]:
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
    ]
    return (
        {"type": "http.response.start", "status": 200, "headers": headers},
        {"type": "http.response.body", "body": body},
    )


_EMPTY = _answer(b"[]")


def main() -> None:
    """Serve until told to stop."""
    config = uvicorn.Config(
        Bytes(),
        host=HOST,
        port=int(sys.argv[1]),
        http="httptools",
        ws="none",
        loop="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        log_level="warning",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=75,
    )
    uvloop.run(uvicorn.Server(config).serve())


if __name__ == "__main__":
    main()
