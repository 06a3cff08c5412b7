"""What this project changes inside uvicorn is still there, in the release that is installed."""

import inspect

import pytest
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from statusgate.api.edge.connections import Guarded
from statusgate.api.edge.server import Connection, Server, Socket

PAIRS: list[tuple[type, type]] = [
    (Connection, HttpToolsProtocol),
    (Guarded, HttpToolsProtocol),
    (Socket, WebSocketsSansIOProtocol),
    (Guarded, WebSocketsSansIOProtocol),
    (Server, uvicorn.Server),
]
OWN = {"release", "answer_at_once"}
OVERRIDDEN = [
    (ours, theirs, name)
    for ours, theirs in PAIRS
    for name, value in vars(ours).items()
    if inspect.isfunction(value) and not name.startswith("_") and name not in OWN
]


@pytest.mark.parametrize(("ours", "theirs", "name"), OVERRIDDEN, ids=lambda one: str(one))
def test_every_overridden_method_is_one_of_uvicorn(ours: type, theirs: type, name: str) -> None:
    replaced = getattr(theirs, name, None)
    assert replaced is not None, f"uvicorn has no {theirs.__name__}.{name} any more"
    parameters = inspect.signature(replaced).parameters
    assert list(inspect.signature(getattr(ours, name)).parameters) == list(parameters)


async def test_a_connection_has_the_state_that_the_limits_read() -> None:
    async def app(scope: object, receive: object, send: object) -> None: ...

    config = uvicorn.Config(app, loop="none", ws="websockets-sansio")
    config.load()
    connection = Connection(config, uvicorn.Server(config).server_state, {})
    for name in ("client", "cycle", "flow", "headers", "loop", "parser", "pipeline"):
        assert hasattr(connection, name), f"uvicorn's connection has no {name} any more"
    for name in ("_get_upgrade", "_should_upgrade", "_unset_keepalive_if_required"):
        assert callable(getattr(connection, name)), name
    socket = Socket(config, uvicorn.Server(config).server_state, {})
    assert socket.handshake_complete is False
    assert socket.conn.handshake_exc is None
