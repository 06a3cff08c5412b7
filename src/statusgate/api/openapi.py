"""The OpenAPI document, made from the table and from the contract's examples."""

import functools
from collections.abc import Collection, Iterable
from importlib.resources import files
from typing import Any

import msgspec

from statusgate import __version__
from statusgate.accounts.linking import AccountData, Frame
from statusgate.api.edge.problems import NOT_OPEN
from statusgate.api.method import Method
from statusgate.api.methods import METHODS, PARTNER_METHODS
from statusgate.wire.errors import ErrorBody, PartnerProblem
from statusgate.wire.fields import EXTENSION

EXAMPLES = "examples.json"
"""the contract's, copied into the package by ``make docs``"""
REFUSALS = {
    "400": ("Bad Request", "Malformed or invalid input, or the account's state forbids it."),
    "401": ("Unauthorized", "Wrong or missing token."),
    "403": ("Forbidden", "Unknown instance, or not allowed."),
    "404": ("Not Found", "No such method or file."),
    "413": ("Payload Too Large", "The body is too large."),
    "416": ("Range Not Satisfiable", "No such part of the file."),
    "429": ("Too Many Requests", "Too many requests, open calls, kept files or failed logins."),
    "500": ("Internal Server Error", "A fault of the server."),
    "503": ("Service Unavailable", "The record cannot be written just now, or not yet."),
    "507": ("Insufficient Storage", "No room for media."),
}
"""by code: the message, and when; the message of 400 says more"""
_WAIT = frozenset({"429", "503", "507"})
_PARTNER_CODES = ("400", "404", "413", "429", "500", "503")
CODES = ("400", "401", "403", *_PARTNER_CODES[1:])
_STORING = frozenset({"uploadFile", "simulate"})
"""methods that answer 507; a file of a post is stored after the answer"""
_INFO = """Wire-compatible with the status methods of GREEN-API; what is marked as an extension
is statusgate's own. Times are unix seconds (UTC) unless a field says otherwise. The token is
the last segment of the path, or is sent as `Authorization: Bearer` with a path that ends after
the method; so sent, the admin token opens every instance."""
_TOPICS = {
    "3": ("Statuses", "Post, take back, and read what was posted and who viewed it."),
    "4": ("Account", "State and settings of the linked account."),
    "5": ("Linking", "Link a phone by QR code or by a code to type."),
    "6": ("Notifications", "What happened, in order: polled, or pushed to `webhookUrl`."),
    "7": ("Files, queue, contacts", "Upload files, see what waits, and whom a status reaches."),
    "10": ("Partner", "Instances, for whoever holds the admin token. A wrong token or an "
           "unknown instance is answered with HTTP 200 and a `code`."),
    "12": ("Extensions", "Methods that the hosted service does not have."),
    "": ("Server", "Files, health and metrics."),
}  # fmt: skip
"""by the section of the contract"""
_FILE = {
    "*/*": {"schema": {"type": "string", "format": "binary"}},
    "multipart/form-data": {
        "schema": {
            "type": "object",
            "properties": {"file": {"type": "string", "format": "binary"}},
        }
    },
}
_ID_INSTANCE = {
    "name": "idInstance",
    "in": "path",
    "required": True,
    "schema": {"type": "integer", "minimum": 1},
}
_STREAMED = {"events": ["text/event-stream"], "file": ["text/csv", "application/x-ndjson"]}
_UP = {"type": "object", "properties": {"status": {"const": "up"}}, "required": ["status"]}
_REF = "#/components/schemas/{name}"
_ALL = (*METHODS, *PARTNER_METHODS)
_FRAMES = (Frame, AccountData)


@functools.cache
def openapi_document(url: str = "/") -> bytes:
    """Return the document as JSON bytes (OpenAPI 3.1); *url* is the server's."""
    return msgspec.json.encode(described(url))


def described(url: str) -> dict[str, Any]:
    """Return the document; *url* is the server's, ``/``: where the document came from."""
    requests = [one.request for one in _ALL if one.request is not None]
    answers = [one.answer for one in _ALL if one.answer is not None]
    kinds = [*requests, *answers, *_FRAMES, ErrorBody, PartnerProblem]
    schemas, components = msgspec.json.schema_components(kinds, ref_template=_REF)
    _, asked = msgspec.json.schema_components(requests, ref_template=_REF)
    _require_what_is_always_there(components, asked.keys())
    shown = examples()
    document = _Document(dict(zip(map(repr, kinds), schemas, strict=True)), shown)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "statusgate",
            "version": __version__,
            "description": _INFO,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": url}],
        "tags": [{"name": name, "description": about} for name, about in _TOPICS.values()],
        "paths": {
            **{_instance_path(one): document.operation(one) for one in METHODS},
            **{_partner_path(one): document.operation(one) for one in PARTNER_METHODS},
            **_fixed_paths(),
        },
        "webhooks": {"notification": {"post": document.notification()}},
        "components": {
            "schemas": components,
            "responses": dict(_refusal(code, shown["error"]) for code in REFUSALS),
            "securitySchemes": {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "The instance's token or, for every instance, the partner "
                    "methods and the metrics, the admin token.",
                }
            },
        },
    }


def examples() -> dict[str, Any]:
    """Return the contract's examples by method; of requests by ``method.request``."""
    text = (files("statusgate.api") / EXAMPLES).read_bytes()
    found: dict[str, Any] = msgspec.json.decode(text)
    return found


def parameter_schemas(method: Method) -> list[tuple[str, bool, dict[str, Any]]]:
    """Name, whether required, and schema of each parameter, in the order of the table."""
    if method.request is None or method.takes_array:
        return []
    (schema,), components = msgspec.json.schema_components([method.request], ref_template=_REF)
    described = components[schema["$ref"].rpartition("/")[2]]
    required = described.get("required", [])
    return [(name, name in required, field) for name, field in described["properties"].items()]


class _Document:
    """Makes operations of methods."""

    def __init__(self, by_kind: dict[str, Any], shown: dict[str, Any]) -> None:
        self._by_kind = by_kind
        self._examples = shown

    def operation(self, method: Method) -> dict[str, Any]:
        """The method as the one operation of its path."""
        is_partner = method in PARTNER_METHODS
        is_socket = method.verb == "WEBSOCKET"
        operation: dict[str, Any] = {
            "operationId": method.name,
            "summary": method.about,
            "tags": [_TOPICS[method.section.partition(".")[0]][0]],
            "parameters": [
                *([] if is_partner else [_ID_INSTANCE]),
                _segment("partnerToken" if is_partner else "apiTokenInstance"),
                *self._parameters(method),
            ],
            "responses": {
                **(self._frames() if is_socket else self._done(method, is_partner=is_partner)),
                **_refusals(_codes(method, is_partner=is_partner)),
                **_own_refusals(method),
            },
            "security": [{}, {"bearer": []}],
            "x-statusgate-section": method.section,
        }
        if method.kind == "extension":
            operation |= EXTENSION
        if method.rate is not None:
            operation["x-green-api-rate"] = method.rate
        if method.takes_file:
            operation["requestBody"] = {"required": True, "content": _FILE}
        elif method.verb == "POST" and method.request is not None:
            body = self._json(self._by_kind[repr(method.request)], f"{method.name}.request")
            operation["requestBody"] = {"required": True} | body
        return {"get" if is_socket else method.verb.lower(): operation}

    def notification(self) -> dict[str, Any]:
        """What is pushed to ``webhookUrl``, by example."""
        shown = {
            name.removeprefix("notification."): {"value": value}
            for name, value in self._examples.items()
            if name.startswith("notification.")
        }
        body = {"schema": {"type": "object"}, "examples": shown}
        return {
            "operationId": "notification",
            "summary": "A notification, pushed to `webhookUrl` or polled by "
            "`receiveNotification`; a 2xx ends it, anything else is tried again for 24 hours.",
            "tags": [_TOPICS["6"][0]],
            "requestBody": {"content": {"application/json": body}},
            "responses": {"2XX": {"description": "Taken."}},
        }

    def _parameters(self, method: Method) -> list[dict[str, Any]]:
        """Parameters in the query, or behind the token (contract 2.1)."""
        if method.verb == "POST":
            return []
        shown = self._examples.get(f"{method.name}.request", {})
        return [
            {
                "name": name,
                "in": "path" if method.tail == name else "query",
                "required": required,
                "schema": schema,
                **({"example": shown[name]} if name in shown else {}),
            }
            for name, required, schema in parameter_schemas(method)
        ]

    def _done(self, method: Method, *, is_partner: bool) -> dict[str, Any]:
        answer = self._answer(method, is_partner=is_partner)
        return {"200": {"description": "Done.", **answer}}

    def _frames(self) -> dict[str, Any]:
        """What a WebSocket sends; OpenAPI has no words of its own for that."""
        schema = {"anyOf": [self._by_kind[repr(kind)] for kind in _FRAMES]}
        sent = self._json(schema, "scanqrcode.accountData")
        return {"101": {"description": "A WebSocket, whose text frames are these.", **sent}}

    def _answer(self, method: Method, *, is_partner: bool) -> dict[str, Any]:
        if method.streams:
            first, *others = _STREAMED[method.streams]
            text: dict[str, Any] = {"schema": {}}
            shown = text | {"example": self._examples[method.name]}
            return {"content": {first: shown, **dict.fromkeys(others, text)}}
        if method.answer is None:
            return {}
        schema = self._by_kind[repr(method.answer)]
        if is_partner:
            schema = {"anyOf": [schema, self._by_kind[repr(PartnerProblem)]]}
        return self._json(schema, method.name)

    def _json(self, schema: Any, name: str) -> dict[str, Any]:
        """JSON content, with the example of that name."""
        shown = {"example": self._examples[name]} if name in self._examples else {}
        return {"content": {"application/json": {"schema": schema} | shown}}


def _require_what_is_always_there(components: dict[str, Any], asked: Collection[str]) -> None:
    """Answers have every field, also one that has a default; of requests it is optional."""
    for name, schema in components.items():
        if name in asked:
            continue
        for field, described in schema.get("properties", {}).items():
            if "default" in described:
                del described["default"]
                schema["required"].append(field)


def _instance_path(method: Method) -> str:
    tail = f"/{{{method.tail}}}" if method.tail else ""
    return f"/waInstance{{idInstance}}/{method.name}/{{apiTokenInstance}}{tail}"


def _partner_path(method: Method) -> str:
    return f"/partner/{method.name}/{{partnerToken}}"


def _fixed_paths() -> dict[str, Any]:
    """What is no method."""
    up = {"content": {"application/json": {"schema": _UP, "example": {"status": "up"}}}}
    text = {"content": {"text/plain": {"schema": {"type": "string"}}}}
    file: dict[str, Any] = {"content": {"*/*": {}}}
    return {
        "/media/{idInstance}/{name}": _fixed(
            "media",
            "A stored file; the key in its name is the only secret.",
            {"200": {"description": "The file.", **file}}
            | {"206": {"description": "A part of it, as `Range` asked.", **file}}
            | {"307": {"description": "It is in a bucket, at `Location` (`media_links`)."}},
            ("403", "404", "416", "500", "503"),
            parameters=[_ID_INSTANCE, _segment("name")],
        ),
        "/health/live": _fixed(
            "live", "Whether the process answers.", {"200": {"description": "Yes.", **up}}
        ),
        "/health/ready": _fixed(
            "ready",
            "Whether it has started and its record can be trusted.",
            {"200": {"description": "Yes.", **up}},
            ("503",),
        ),
        "/metrics": _fixed(
            "metrics",
            "Metrics for Prometheus, with the admin token unless `metrics_public`.",
            {"200": {"description": "The metrics.", **text}},
            ("401", "429"),
            security=[{"bearer": []}],
        ),
    }


def _fixed(
    name: str, about: str, answers: dict[str, Any], codes: Iterable[str] = (), **more: Any
) -> dict[str, Any]:
    operation = {"operationId": name, "summary": about, "tags": [_TOPICS[""][0]], **more}
    operation["responses"] = {**answers, **_refusals(codes)}
    return {"get": operation | EXTENSION}


def _codes(method: Method, *, is_partner: bool) -> list[str]:
    """What a method may answer instead of 200."""
    codes = [*(_PARTNER_CODES if is_partner else CODES)]
    return [*codes, "507"] if method.name in _STORING else codes


def _own_refusals(method: Method) -> dict[str, Any]:
    """Refusals of which this method's own reason is known."""
    reasons = {
        "400": method.live and f"Needs the open WhatsApp connection: `{NOT_OPEN}`.",
        "403": method.status_access
        and "Unknown instance, or the operator has these methods off.",
        "404": method.sandbox and "The instance is no sandbox.",
    }
    return {
        code: {"$ref": _response(code), "description": reason}
        for code, reason in reasons.items()
        if reason
    }


def _refusals(codes: Iterable[str]) -> dict[str, Any]:
    return {code: {"$ref": _response(code)} for code in codes}


def _response(code: str) -> str:
    return f"#/components/responses/{_response_name(code)}"


def _response_name(code: str) -> str:
    return REFUSALS[code][0].replace(" ", "")


def _refusal(code: str, example: Any) -> tuple[str, dict[str, Any]]:
    """An answer other than 200, by its name."""
    message, about = REFUSALS[code]
    if code != "400":
        example = example | {"statusCode": int(code), "message": message}
    schema = {"$ref": _REF.format(name=ErrorBody.__name__)}
    content = {"application/json": {"schema": schema, "example": example}}
    answer: dict[str, Any] = {"description": about, "content": content}
    if code in _WAIT:
        whole = {"type": "integer", "minimum": 1}
        about_wait = "seconds to wait before the next try"
        header = {"schema": whole, "description": about_wait, "required": True}
        answer["headers"] = {"Retry-After": header}
    return _response_name(code), answer


def _segment(name: str) -> dict[str, Any]:
    """A parameter in the path."""
    schema = {"type": "string", "minLength": 1}
    return {"name": name, "in": "path", "required": True, "schema": schema}
