"""Routes: one object a method, with everything prepared that a request of it needs."""

import hmac
from abc import ABC, abstractmethod
from typing import Any

import msgspec
import structlog

from statusgate.accounts.instances import Denied
from statusgate.api import partner
from statusgate.api.answers import (
    AT_ONCE,
    JSON,
    Answers,
    Call,
    Send,
    encoded,
    send_answer,
    while_there,
)
from statusgate.api.auth import ClientAddress, FailureBudget, bearer_token, is_prefetch
from statusgate.api.context import Services
from statusgate.api.edge.decode import json_from, parameters, query_pairs
from statusgate.api.edge.limits import OpenCalls, RateLimits
from statusgate.api.edge.paths import INSTANCE, token_of
from statusgate.api.edge.problems import (
    FORBIDDEN,
    NO_ACCESS,
    NOT_FOUND,
    TOO_MANY,
    UNAUTHORIZED,
    Refused,
)
from statusgate.api.method import MIB, Method
from statusgate.api.uploads import Upload
from statusgate.domain.errors import BadRequestData
from statusgate.domain.ids import parse_instance_id
from statusgate.domain.instance import Instance
from statusgate.engines.registry import kind_of
from statusgate.settings import Settings
from statusgate.telemetry import meter, operator_calls_total
from statusgate.wire.fields import Given, names_of

log = structlog.get_logger()
_PARTNER_DOOR, _INSTANCES_DOOR = "partner", "instances"
"""where the operator's token is taken; each has a budget of failures of its own"""
_WITHOUT_TOKEN = 2
_LONGEST_KEPT = 200
_PLAIN_SEGMENTS = 3
_QUERIES_KEPT = 256
_NO_EXTENSIONS: dict[str, Any] = {}
_encode = msgspec.json.Encoder().encode


class Gate:
    """Lets in whose token is right; everybody else has ten tries a minute (contract 2.2).

    Ten wrong operator's tokens close that door to their address for the rest of the minute, so
    that guessing is slow whatever the token is.
    """

    def __init__(self, services: Services, settings: Settings) -> None:
        self._instances = services.instances
        self._admin_token = settings.admin_token
        self._failures = FailureBudget()
        self._operator_failures = FailureBudget()
        self.addresses = ClientAddress(settings.trusted_proxies)
        self.open_calls = OpenCalls(
            {
                "receiveNotification": settings.max_open_polls,
                "events": settings.max_open_streams,
                "scanqrcode": settings.max_open_qr_sockets,
                "exportStatuses": settings.max_open_exports,
            }
        )
        self._limits = RateLimits() if settings.rate_profile == "green-api" else None
        services.instances.listen(self._instance_changed)

    def admit(self, call: Call, method: Method) -> tuple[Instance, bytes]:
        """Return whose call it is, and its query without a token; Refused 401, 403 or 429.

        The operator's token opens every instance, as Bearer only (D42).
        """
        id_text = call.segments[0][len(INSTANCE) :]
        token, query = token_of(call.scope, call.segments)
        found = self._instances.authenticate(id_text, token)
        if not isinstance(found, Instance):
            found = self._for_operator(call, id_text, method) or found
        if not isinstance(found, Instance):
            self._count_failure(call.scope, id_text)
            unknown = found is Denied.INSTANCE
            raise Refused(403, FORBIDDEN) if unknown else Refused(401, UNAUTHORIZED)
        self._check(method, found)
        return found, query

    def admits_operator(
        self, scope: dict[str, Any], token: str, door: str = _PARTNER_DOOR
    ) -> bool:
        """Whether *token* is the operator's; Refused 429 after too many wrong ones."""
        address = self.addresses.of(scope)
        wait = self._operator_failures.wait(address, door)
        if wait:
            raise Refused(429, TOO_MANY, wait)
        if self._admin_token and hmac.compare_digest(
            self._admin_token.encode(), token.encode()
        ):
            return True
        if token:
            self._operator_failures.fail(address, door)
        return False

    def _for_operator(self, call: Call, id_text: str, method: Method) -> Instance | None:
        """Return the instance if the operator asks for it; the call is counted and logged."""
        bearer = None
        if self._admin_token and len(call.segments) == _WITHOUT_TOKEN:
            bearer = bearer_token(call.scope["headers"])
        if not bearer or not self.admits_operator(call.scope, bearer, _INSTANCES_DOOR):
            return None
        instance_id = parse_instance_id(id_text)
        instance = self._instances.find(instance_id) if instance_id is not None else None
        if instance is None:
            raise Refused(403, FORBIDDEN)
        call.by_operator = True
        operator_calls_total.labels(method.name).inc()
        if method.verb != "GET" or method.changes:
            log.info("operator.call", method=method.name, instance=instance.id)
        return instance

    def _check(self, method: Method, instance: Instance) -> None:
        """Refuse a method that the instance does not have, may not use, or uses too often."""
        if method.sandbox and not kind_of(instance).is_sandbox:
            raise Refused(404, NOT_FOUND)
        if method.status_access and not instance.status_methods:
            raise Refused(403, NO_ACCESS)
        if self._limits is not None and method.rate is not None:
            wait = self._limits.take(instance.id, method.name, method.rate)
            if wait:
                raise Refused(429, TOO_MANY, wait)

    def _count_failure(self, scope: dict[str, Any], budget: str) -> None:
        wait = self._failures.fail(self.addresses.of(scope), budget)
        if wait:
            raise Refused(429, TOO_MANY, wait)

    def _instance_changed(self, instance: Instance) -> None:
        if instance.deleted_ms is not None and self._limits is not None:
            self._limits.forget(instance.id)


class Route(ABC):
    """Something that answers requests."""

    body_limit = MIB
    content_type = JSON
    needs_start = True
    """whether it can answer before start-up is finished"""
    takes_tail = False
    """whether its path may have one more segment than others"""

    def __init__(self, label: str, verb: str, answers: Answers, *, head: bool = True) -> None:
        self.verbs = frozenset({verb, "HEAD"} if verb == "GET" and head else {verb})
        self.meter = meter(label)
        self.headers = answers.typed(self.content_type)
        self._head = encoded(self.headers)

    @abstractmethod
    async def respond(self, call: Call, send: Send) -> int:
        """Answer; returns the code."""


class BodyRoute(Route):
    """A route whose answers are one body each."""

    async def respond(self, call: Call, send: Send) -> int:
        body = await self.answer(call)
        at_once = call.scope.get("extensions", _NO_EXTENSIONS).get(AT_ONCE)
        if call.body is None and at_once is not None and at_once(call.scope, self._head, body):
            call.started = True
        else:
            length = (b"content-length", b"%d" % len(body))
            await send_answer(call, send, 200, [*self.headers, length], body)
        return 200

    @abstractmethod
    async def answer(self, call: Call) -> bytes:
        """Return the body of a 200."""


class MethodRoute(BodyRoute):
    """A method of the table."""

    def __init__(
        self, method: Method, label: str, services: Services, gate: Gate, answers: Answers
    ) -> None:
        super().__init__(label, method.verb, answers, head=not method.changes)
        self.method = method
        self.body_limit = method.body_limit
        self.takes_tail = method.tail != ""
        self._services = services
        self._gate = gate
        self._answers = answers
        self._read = method.read
        self._names = names_of(method.request) if method.verb == "GET" and self._read else None
        self._seen: dict[bytes, Any] = {}
        """requests by the queries they were read from: pollers ask the same again and again"""

    async def _request(self, call: Call, query: bytes) -> Any:
        """Read the parameters; Refused or InvalidRequest for the first fault."""
        if self.method.takes_file:
            return Upload(call.scope["headers"], call.body, self.body_limit)
        if self._read is None:
            if call.body is not None:
                call.body.check(self.body_limit)
            return None
        if call.body is None and self._names is not None:
            return self._remember(query)
        return self._read(await self._given(call, query))

    def _remember(self, query: bytes) -> Any:
        """Read the parameters of a GET without body, and keep what was read."""
        request = self._read(parameters(query_pairs(query))) if self._read else None
        if len(query) <= _LONGEST_KEPT:
            if len(self._seen) >= _QUERIES_KEPT:
                self._seen.clear()
            self._seen[query] = request
        return request

    async def _given(self, call: Call, query: bytes) -> Given:
        """Parameters: of a POST from the body, of a GET from the query, else from the body."""
        if call.body is not None:
            call.body.check(self.body_limit)
        if len(call.segments) > _PLAIN_SEGMENTS:
            return {self.method.tail: call.segments[-1]}
        if self._names is None:
            body: Given = await self._body(call)
            return body
        asked = parameters(query_pairs(query))
        return asked if self._names <= asked.keys() else {**await self._body(call), **asked}

    async def _body(self, call: Call) -> Any:
        """The body as parameters; a bare integer stands for the parameter that it may mean."""
        body = json_from(b"" if call.body is None else await call.body.read(self.body_limit))
        if isinstance(body, dict) or self.method.takes_array:
            return body
        if self.method.bare_integer and type(body) is int:
            return {self.method.bare_integer: body}
        raise BadRequestData("not an object")


class InstanceRoute(MethodRoute):
    """``/waInstance{idInstance}/{method}/{apiTokenInstance}``"""

    async def answer(self, call: Call) -> bytes:
        """Check in the order of contract 2.2, then let the method answer."""
        instance, query = self._admit(call)
        request = self._seen.get(query) if call.body is None else None
        if request is None:
            request = await self._request(call, query)
        is_head = call.scope["method"] == "HEAD"
        handler = self.method.head if is_head and self.method.head else self.method.handler
        return _encoded(await handler(self._services, instance, request))

    def _admit(self, call: Call) -> tuple[Instance, bytes]:
        """Return whose call it is, and the query without a token."""
        if self.method.changes and is_prefetch(call.scope["headers"]):
            raise Refused(403, FORBIDDEN)
        return self._gate.admit(call, self.method)


class WaitingRoute(InstanceRoute):
    """A method whose calls wait, of which an instance may have only so many at a time."""

    async def answer(self, call: Call) -> bytes:
        if call.scope["method"] == "HEAD":  # does not wait
            return await super().answer(call)
        instance, query = self._admit(call)
        with self._gate.open_calls.one(instance.id, self.method.name):
            request = await self._request(call, query)
            async with while_there(call):
                return _encoded(await self.method.handler(self._services, instance, request))


class PartnerRoute(MethodRoute):
    """``/partner/{method}/{partnerToken}``"""

    async def answer(self, call: Call) -> bytes:
        """A wrong token is answered with HTTP 200 (contract 10)."""
        token, query = token_of(call.scope, call.segments)
        if not self._gate.admits_operator(call.scope, token):
            return _encode(partner.UNAUTHORIZED)
        request = await self._request(call, query)
        return _encode(await self.method.handler(self._services, request))


def _encoded(answer: Any) -> bytes:
    """A handler's answer as a body; hot reads answer bytes, which are one already."""
    return answer if type(answer) is bytes else _encode(answer)
