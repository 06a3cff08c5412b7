"""The ASGI application: finds the route of a request, lets it answer, says what went wrong.

Plain ASGI, and the table is looked up directly, so that a hot read costs little more than its
bytes.
"""

import time

import structlog

from statusgate.api.answers import Answers, Call, Send, send_answer
from statusgate.api.context import Services
from statusgate.api.documents import OpenApi, ReferencePage
from statusgate.api.edge.body import Body, Receive, declared_length
from statusgate.api.edge.paths import INSTANCE, Scope, segments_of
from statusgate.api.edge.problems import (
    INTERNAL,
    NOT_FOUND,
    NOT_OFFERED,
    RETRY_SECONDS,
    UNAVAILABLE,
    Disconnected,
    Refused,
    refusal,
)
from statusgate.api.files import FileRoute
from statusgate.api.health import UP, Document, Metrics, Ready
from statusgate.api.method import Method
from statusgate.api.methods import METHODS, PARTNER_METHODS
from statusgate.api.out_of_scope import OUT_OF_SCOPE
from statusgate.api.pages import OneTimeLink, page_routes
from statusgate.api.routes import Gate, InstanceRoute, PartnerRoute, Route, WaitingRoute
from statusgate.api.sockets import Sockets
from statusgate.api.streams import ExportRoute, StreamRoute
from statusgate.domain.ids import InstanceId
from statusgate.settings import Settings
from statusgate.telemetry import meter

log = structlog.get_logger()
_LEFT_OUT = frozenset(name.lower() for name in OUT_OF_SCOPE)
_GONE = 499
"""in metrics and logs only: the client left before its answer"""


class Api:
    """The ASGI application; ValueError if an option is wrong.

    Set ``ready`` once start-up is finished.
    """

    body_idle_seconds = 30.0
    """longest silence within a request body"""

    def __init__(self, services: Services, settings: Settings) -> None:
        self.ready = False
        self._access_log = settings.access_log
        self._answers = answers = Answers(services.clock, settings.cors_allow_origin)
        self._gate = gate = Gate(services, settings)
        self._unknown = meter("unknown")
        self._preflights = meter("preflight")
        self._sockets = Sockets(services, gate, answers)
        self._methods: dict[str, Route] = {
            method.name.lower(): _kind_of_route(method, gate)(
                method, method.name, services, gate, answers
            )
            for method in METHODS
            if method.verb != "WEBSOCKET"
        }
        self._partner: dict[str, Route] = {
            method.name.lower(): PartnerRoute(
                method, f"partner/{method.name}", services, gate, answers
            )
            for method in PARTNER_METHODS
        }
        self._files = FileRoute(answers, services)
        url = settings.public_url.rstrip("/") or "/"
        self._fixed: dict[str, Route] = {
            "health/live": Document("health/live", answers, UP),
            "health/ready": Ready(answers, services.journal),
            "metrics": Metrics(answers, gate, services, settings),
            "openapi.json": OpenApi(answers, url),
        }
        if settings.dashboard:
            self._fixed |= page_routes(answers)
            self._fixed["docs/api"] = ReferencePage(answers, url)

    def sign_in_link(self, instance_id: InstanceId, token: str) -> str:
        """Return a path that signs a browser on this machine in to an account, once; it takes
        the place of the link before. ``""`` without the dashboard.
        """
        if "ui" not in self._fixed:
            return ""
        link = self._fixed["ui/link"] = OneTimeLink(self._answers, instance_id, token)
        return f"/ui/#link={link.code}"

    def trusts(self, address: str) -> bool:
        """Whether an address is one of the operator's proxies."""
        return self._gate.addresses.is_trusted(address)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, as ASGI has it."""
        if scope["type"] == "websocket":
            await self._sockets.serve(scope, receive, send, ready=self.ready)
            return
        began = time.perf_counter()
        length = declared_length(scope["headers"])
        body = Body(receive, length, self.body_idle_seconds) if length else None
        call = Call(scope, segments_of(scope), body, receive)
        if scope["method"] == "OPTIONS":
            await send_answer(call, send, 204, self._answers.preflight, b"")
            self._preflights.note(204, time.perf_counter() - began)
            return
        route = self._route(call.segments)
        try:
            if route is None or scope["method"] not in route.verbs:
                raise _missing(call.segments)  # noqa: TRY301 - all refusals go one way
            if route.needs_start and not self.ready:
                raise Refused(503, UNAVAILABLE, RETRY_SECONDS)  # noqa: TRY301
            code = await route.respond(call, send)
        except Disconnected:
            code = _GONE
        except Exception as error:  # noqa: BLE001 - _refuse answers or logs it
            code = await self._refuse(call, route, error, send)
        noted = route.meter if route else self._unknown
        seconds = time.perf_counter() - began
        noted.note(code, seconds)
        if self._access_log:
            self._log(call, noted.label, code, seconds)

    def _route(self, segments: list[str]) -> Route | None:
        """The route of a path, whatever its verb."""
        if len(segments) == 4 and segments[0].lower().startswith(INSTANCE):
            route = self._methods.get(segments[1].lower())
            return route if route is not None and route.takes_tail else None
        if len(segments) in (2, 3):
            first = segments[0].lower()
            if first.startswith(INSTANCE):
                return self._methods.get(segments[1].lower())
            if first == "partner":
                return self._partner.get(segments[1].lower())
            if first == "media" and len(segments) == 3:
                return self._files
        return self._fixed.get("/".join(segments))

    async def _refuse(
        self, call: Call, route: Route | None, error: Exception, send: Send
    ) -> int:
        """Answer an error; an internal error is logged and shown as 500."""
        request_id = self._answers.new_id()
        refused = refusal(error)
        if refused is None or call.started:
            label = route.meter.label if route else self._unknown.label
            log.error("request.failed", method=label, request=request_id, exc_info=error)
            refused = Refused(500, INTERNAL)
        if not call.started:
            headers, body = self._answers.refusal(refused, call.segments, request_id)
            drained = route.body_limit if route and refused.code == 413 else 0
            await send_answer(call, send, refused.code, headers, body, drained)
        return refused.code

    def _log(self, call: Call, label: str, code: int, seconds: float) -> None:
        """One line a request: the route's name, never its path."""
        log.info(
            "request",
            method=label,
            verb=call.scope["method"],
            code=code,
            operator=call.by_operator,
            client=self._gate.addresses.of(call.scope),
            milliseconds=round(seconds * 1000, 2),
        )


def _kind_of_route(method: Method, gate: Gate) -> type[InstanceRoute]:
    if method.streams:
        return StreamRoute if method.streams == "events" else ExportRoute
    return WaitingRoute if gate.open_calls.are_limited(method.name) else InstanceRoute


def _missing(segments: list[str]) -> Refused:
    """Return the 404 for a path without route, which says where a method is out of scope."""
    is_method = len(segments) > 1 and segments[0].lower().startswith(INSTANCE)
    left_out = is_method and segments[1].lower() in _LEFT_OUT
    return Refused(404, NOT_OFFERED if left_out else NOT_FOUND)
