"""The OpenAPI document, made from the table."""

import functools
from collections.abc import Iterable
from typing import Any

import msgspec

from statusgate.api.method import Method
from statusgate.api.methods import METHODS, PARTNER_METHODS
from statusgate.wire.errors import ErrorBody, PartnerProblem

_REFUSALS = {
    "400": "Malformed or invalid input, or the state of the instance does not allow it.",
    "401": "Wrong or missing token.",
    "403": "Unknown instance, or not allowed.",
    "404": "No such method.",
    "413": "The body is too large.",
    "429": "Too many requests, or too many failed authentications.",
    "500": "A fault of the server.",
    "503": "The record cannot be written just now.",
    "507": "No room for media.",
}
_INFO = """Wire-compatible with the status methods of GREEN-API.
The token may also be sent as `Authorization: Bearer` instead of the last path segment."""
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
_REF = "#/components/schemas/{name}"


@functools.cache  # half of what a gateway takes to start
def openapi_document(version: str) -> bytes:
    """Return the document as JSON bytes (OpenAPI 3.1)."""
    documented = [method for method in METHODS if method.verb != "WEBSOCKET"]
    described = [
        kind
        for method in (*documented, *PARTNER_METHODS)
        for kind in (method.request, method.answer)
        if kind is not None
    ]
    kinds = [ErrorBody, PartnerProblem, *described]
    schemas, components = msgspec.json.schema_components(kinds, ref_template=_REF)
    by_kind = dict(zip(map(repr, kinds), schemas, strict=True))
    document = {
        "openapi": "3.1.0",
        "info": {"title": "statusgate", "version": version, "description": _INFO},
        "paths": {
            **{
                f"/waInstance{{idInstance}}/{method.name}/{{apiTokenInstance}}": _operation(
                    method, by_kind, method.kind, (_ID_INSTANCE, _segment("apiTokenInstance"))
                )
                for method in documented
            },
            **{
                f"/partner/{method.name}/{{partnerToken}}": _operation(
                    method, by_kind, "partner", (_segment("partnerToken"),)
                )
                for method in PARTNER_METHODS
            },
            "/media/{idInstance}/{name}": {"get": _media_operation()},
        },
        "components": {"schemas": components},
    }
    return msgspec.json.format(msgspec.json.encode(document), indent=1)


def parameter_schemas(method: Method) -> list[tuple[str, bool, dict[str, Any]]]:
    """Name, whether required, and schema of each parameter, in the order of the table."""
    if method.request is None or method.takes_array:
        return []
    (schema,), components = msgspec.json.schema_components([method.request], ref_template=_REF)
    described = components[schema["$ref"].rpartition("/")[2]]
    required = described.get("required", [])
    return [(name, name in required, field) for name, field in described["properties"].items()]


def _operation(
    method: Method, by_kind: dict[str, Any], tag: str, path: Iterable[dict[str, Any]]
) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": method.name,
        "summary": method.about,
        "tags": [tag],
        "parameters": [*path, *_query(method)],
        "responses": {
            "200": {"description": "Done.", **_answer(method, by_kind, tag)},
            **_refusals(_REFUSALS),
        },
    }
    if method.rate is not None:
        operation["x-green-api-rate"] = method.rate
    if method.takes_file:
        operation["requestBody"] = {"required": True, "content": _FILE}
    elif method.verb != "GET" and method.request is not None:
        operation["requestBody"] = {"required": True} | _json(by_kind[repr(method.request)])
    return {method.verb.lower(): operation}


def _answer(method: Method, by_kind: dict[str, Any], tag: str) -> dict[str, Any]:
    if method.streams:
        return {"content": {kind: {"schema": {}} for kind in _STREAMED[method.streams]}}
    if method.answer is None:
        return {}
    schema = by_kind[repr(method.answer)]
    if tag == "partner":
        schema = {"anyOf": [schema, by_kind[repr(PartnerProblem)]]}
    return _json(schema)


def _media_operation() -> dict[str, Any]:
    answers = {"200": "The file.", "206": "A part of it.", "416": "No such part."}
    return {
        "operationId": "media",
        "summary": "A stored file; the key in its name is the only secret.",
        "tags": ["extension"],
        "parameters": [_ID_INSTANCE, _segment("name")],
        "responses": {
            **{
                code: {"description": text, "content": {"*/*": {}}}
                for code, text in answers.items()
            },
            **_refusals(("404", "500", "503")),
        },
    }


def _query(method: Method) -> list[dict[str, Any]]:
    if method.verb != "GET":
        return []
    return [
        {"name": name, "in": "query", "required": required, "schema": schema}
        for name, required, schema in parameter_schemas(method)
    ]


def _refusals(codes: Iterable[str]) -> dict[str, Any]:
    schema = {"$ref": _REF.format(name=ErrorBody.__name__)}
    return {code: {"description": _REFUSALS[code]} | _json(schema) for code in codes}


def _segment(name: str) -> dict[str, Any]:
    """A parameter in the path."""
    schema = {"type": "string", "minLength": 1}
    return {"name": name, "in": "path", "required": True, "schema": schema}


def _json(schema: Any) -> dict[str, Any]:
    return {"content": {"application/json": {"schema": schema}}}
