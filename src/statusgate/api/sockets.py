"""WebSocket handshakes: the same checks as for a request, then the method takes over."""

from contextlib import ExitStack
from typing import Any

import structlog

from statusgate.api.answers import Answers, Call, Send
from statusgate.api.context import Services
from statusgate.api.edge.body import Receive
from statusgate.api.edge.paths import INSTANCE, Scope, segments_of
from statusgate.api.edge.problems import (
    INTERNAL,
    NOT_FOUND,
    RETRY_SECONDS,
    UNAVAILABLE,
    Refused,
    refusal,
)
from statusgate.api.method import Method
from statusgate.api.methods import METHODS
from statusgate.api.routes import Gate
from statusgate.telemetry import Meter, meter

log = structlog.get_logger()
_SWITCHED = 101


class Sockets:
    """Serves the methods of the table that are WebSockets."""

    def __init__(self, services: Services, gate: Gate, answers: Answers) -> None:
        self._services = services
        self._gate = gate
        self._answers = answers
        self._methods = {
            method.name.lower(): (method, meter(method.name))
            for method in METHODS
            if method.verb == "WEBSOCKET"
        }
        self._unknown = meter("unknown socket")

    async def serve(self, scope: Scope, receive: Receive, send: Send, *, ready: bool) -> None:
        """Accept who may come in and let the method talk; others get an answer instead."""
        await receive()
        call = Call(scope, segments_of(scope), None, receive)
        method, meter = self._find(call.segments)
        with ExitStack() as counted:
            try:
                if method is None:
                    raise Refused(404, NOT_FOUND)  # noqa: TRY301 - all refusals go one way
                if not ready:
                    raise Refused(503, UNAVAILABLE, RETRY_SECONDS)  # noqa: TRY301
                instance, _ = self._gate.admit(call, method)
                counted.enter_context(self._gate.open_calls.one(instance.id, method.name))
            except Exception as error:  # noqa: BLE001 - _deny answers or logs it
                await self._deny(call, meter, error, send)
                return
            meter.note(_SWITCHED, 0.0)
            await send({"type": "websocket.accept", "headers": []})
            try:
                await method.handler(self._services, instance, receive, send)
            except Exception:
                log.exception("socket.failed", method=method.name)
                await send({"type": "websocket.close", "code": 1011})

    def _find(self, segments: list[str]) -> tuple[Method | None, Meter]:
        if len(segments) in (2, 3) and segments[0].lower().startswith(INSTANCE):
            return self._methods.get(segments[1].lower(), (None, self._unknown))
        return None, self._unknown

    async def _deny(self, call: Call, meter: Meter, error: Exception, send: Send) -> None:
        refused = refusal(error)
        request_id = self._answers.new_id()
        if refused is None:
            log.error("socket.failed", method=meter.label, request=request_id, exc_info=error)
            refused = Refused(500, INTERNAL)
        meter.note(refused.code, 0.0)
        headers, body = self._answers.refusal(refused, call.segments, request_id)
        start: dict[str, Any] = {
            "type": "websocket.http.response.start",
            "status": refused.code,
            "headers": headers,
        }
        await send(start)
        await send({"type": "websocket.http.response.body", "body": body})
