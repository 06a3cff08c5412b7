"""The OpenAPI document, made from the table."""

from collections.abc import Iterable
from typing import Any

import msgspec

from statusgate.api.method import Method
from statusgate.api.methods import METHODS
from statusgate.api.partner_methods import PARTNER_METHODS
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
_REF = "#/components/schemas/{name}"


def openapi_document(version: str) -> bytes:
    """Return the document as JSON bytes (OpenAPI 3.1)."""
    documented = [method for method in METHODS if method.verb != "WEBSOCKET"]
    kinds = [kind for method in (*documented, *PARTNER_METHODS) for kind in _kinds(method)]
    schemas, components = msgspec.json.schema_components(
        [ErrorBody, PartnerProblem, *kinds], ref_template=_REF
    )
    by_kind = dict(zip(map(repr, [ErrorBody, PartnerProblem, *kinds]), schemas, strict=True))
    document = {
        "openapi": "3.1.0",
        "info": {"title": "statusgate", "version": version or "0", "description": _INFO},
        "paths": {
            **dict(_operation(method, by_kind) for method in documented),
            **dict(_partner_operation(method, by_kind) for method in PARTNER_METHODS),
            "/media/{idInstance}/{name}": {"get": _media_operation()},
        },
        "components": {"schemas": components},
    }
    return msgspec.json.format(msgspec.json.encode(document), indent=1)


def parameter_schemas(method: Method) -> list[tuple[str, bool, dict[str, Any]]]:
    """Name, whether required, and schema of each parameter, in the order of the table."""
    if method.request is None or method.name == "simulate":
        return []
    (schema,), components = msgspec.json.schema_components([method.request], ref_template=_REF)
    described = components[schema["$ref"].rpartition("/")[2]]
    required = described.get("required", [])
    return [(name, name in required, field) for name, field in described["properties"].items()]


def _kinds(method: Method) -> list[Any]:
    return [kind for kind in (method.request, method.answer) if kind is not None]


def _operation(method: Method, schemas: dict[str, Any]) -> tuple[str, Any]:
    operation = _common(method, schemas)
    operation["tags"] = [method.kind]
    operation["parameters"] = [
        _path_parameter("idInstance", {"type": "integer", "minimum": 1}),
        _path_parameter("apiTokenInstance", {"type": "string", "minLength": 1}),
        *_query(method),
    ]
    if method.stream:
        operation["responses"]["200"]["content"] = {"text/event-stream": {"schema": {}}}
    elif method.answer is not None:
        operation["responses"]["200"]["content"] = _json(schemas[repr(method.answer)])
    path = f"/waInstance{{idInstance}}/{method.name}/{{apiTokenInstance}}"
    return path, {method.verb.lower(): operation}


def _partner_operation(method: Method, schemas: dict[str, Any]) -> tuple[str, Any]:
    operation = _common(method, schemas)
    operation["tags"] = ["partner"]
    operation["parameters"] = [
        _path_parameter("partnerToken", {"type": "string", "minLength": 1})
    ]
    answers = [schemas[repr(method.answer)], schemas[repr(PartnerProblem)]]
    operation["responses"]["200"]["content"] = _json({"anyOf": answers})
    return f"/partner/{method.name}/{{partnerToken}}", {method.verb.lower(): operation}


def _media_operation() -> dict[str, Any]:
    answers = {"200": "The file.", "206": "A part of it.", "416": "No such part."}
    return {
        "operationId": "media",
        "summary": "A stored file; the key in its name is the only secret.",
        "tags": ["extension"],
        "parameters": [
            _path_parameter("idInstance", {"type": "integer", "minimum": 1}),
            _path_parameter("name", {"type": "string", "minLength": 1}),
        ],
        "responses": {
            **{
                code: {"description": text, "content": {"*/*": {}}}
                for code, text in answers.items()
            },
            **_refusals(("404", "500", "503")),
        },
    }


def _common(method: Method, schemas: dict[str, Any]) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": method.name,
        "summary": method.about,
        "responses": {"200": {"description": "Done."}, **_refusals(_REFUSALS)},
    }
    if method.rate is not None:
        operation["x-green-api-rate"] = method.rate
    if method.verb in ("POST", "DELETE") and method.request is not None:
        schema = schemas[repr(method.request)]
        operation["requestBody"] = {"required": True, "content": _json(schema)}
    if method.takes_file:
        operation["requestBody"] = {"required": True, "content": _FILE}
    return operation


def _query(method: Method) -> list[dict[str, Any]]:
    if method.verb != "GET":
        return []
    return [
        {"name": name, "in": "query", "required": required, "schema": schema}
        for name, required, schema in parameter_schemas(method)
    ]


def _refusals(codes: Iterable[str]) -> dict[str, Any]:
    schema = {"$ref": _REF.format(name=ErrorBody.__name__)}
    return {code: {"description": _REFUSALS[code], "content": _json(schema)} for code in codes}


def _path_parameter(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": schema}


def _json(schema: Any) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}
