"""The API reference as a page: ``/docs/api``, made of the OpenAPI document.

It has no scripts, and its stylesheet is part of it, so one answer is the whole page.
"""

import functools
import re
import shlex
from base64 import b64encode
from collections.abc import Iterable, Iterator
from hashlib import sha256
from html import escape
from importlib.resources import files
from typing import Any
from urllib.parse import urlencode

import msgspec

from statusgate.api.openapi import CODES, REFUSALS, described
from statusgate.api.reference import in_words
from statusgate.wire.fields import EXTENSION

_CODE = re.compile(r"`+([^`]+)`+")
_EMPHASIS = re.compile(r"\*(\w+)\*")
_TOKENS = {
    "/waInstance{idInstance}/": "/waInstance$ID/",
    "{apiTokenInstance}": "$TOKEN",
    "{partnerToken}": "$ADMIN_TOKEN",
}
_IN_PATH = frozenset({"idInstance", "apiTokenInstance", "partnerToken"})
_SHORT = 60
_TAKES_SETTINGS = "createInstance"
_CALLS = {
    "uploadFile": " -H 'Content-Type: image/png' --data-binary @picture.png",
    "exportStatuses": " -OJ",
    "events": " -N",
    "metrics": ' -H "Authorization: Bearer $ADMIN_TOKEN"',
}
"""what curl needs besides the address and the parameters"""


@functools.cache
def stylesheet() -> str:
    """Return the page's stylesheet."""
    return (files("statusgate.api") / "reference.css").read_text()


def style_source() -> str:
    """Return the one source of styles that the page's policy allows."""
    return f"'sha256-{b64encode(sha256(stylesheet().encode()).digest()).decode()}'"


def reference_page(url: str) -> bytes:
    """Return the page as HTML; *url* is the server's, ``/``: not known."""
    document = described(url)
    address = url if url != "/" else "http://127.0.0.1:8080"
    operations = list(_operations(document))
    topics = [
        (tag, [one for one in operations if tag["name"] in one[2]["tags"]])
        for tag in document["tags"]
    ]
    shown = _Operations(document["components"]["schemas"])
    info = document["info"]
    return f"""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>statusgate API</title>
<style>{stylesheet()}</style>
<header><h1>statusgate API</h1>
<p>{_text(info["description"])}</p>
<p class=soft>Version {escape(info["version"])} ·
<a href="../openapi.json">openapi.json</a></p></header>
<nav aria-label="Methods">
<h2>Contents</h2><ul>
<li><a href="#calling">Calling a method</a><li><a href="#errors">Errors</a></ul>
{"".join(_contents(*topic) for topic in topics)}</nav>
<main>
{_calling(address)}{_errors(document["components"]["responses"])}
{"".join(shown.topic(*topic) for topic in topics)}</main>
</html>
""".encode()


def _operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Path, verb and operation of everything described."""
    for paths in (document["paths"], document["webhooks"]):
        for path, verbs in paths.items():
            for verb, operation in verbs.items():
                yield path, verb.upper(), operation


def _contents(tag: dict[str, Any], operations: list[Any]) -> str:
    items = "".join(
        f'<li><a href="#{one["operationId"]}">{one["operationId"]}</a>'
        for _, _, one in operations
    )
    return f"<h2>{escape(tag['name'])}</h2><ul>{items}</ul>\n"


def _calling(address: str) -> str:
    return f"""<h2 id=calling>Calling a method</h2>
<p>The examples use these variables; <code>statusgate instance create</code> prints an id and a
token.</p>
<pre tabindex=0>API={escape(address)}
ID=1101000001
TOKEN=…
# with the token in the path, or in a header, which keeps it out of logs:
curl "$API/waInstance$ID/getStateInstance/$TOKEN"
curl "$API/waInstance$ID/getStateInstance" -H "Authorization: Bearer $TOKEN"</pre>
"""


def _errors(responses: dict[str, Any]) -> str:
    """The answers that methods share, once."""
    example = responses["BadRequest"]["content"]["application/json"]["example"]
    items = "".join(
        f"<dt><b>{code} {message}</b><dd>{_text(about)}\n"
        for code, (message, about) in REFUSALS.items()
    )
    return f"""<h2 id=errors>Errors</h2>
<p>One body for every error; <code>message</code> names the field and the fault. 429, 503 and
507 carry <code>Retry-After</code>. Where a method names no others: {", ".join(CODES)}.</p>
{_json(example)}<dl>{items}</dl>
"""


class _Operations:
    """Writes operations; *schemas* are the document's, by name."""

    def __init__(self, schemas: dict[str, Any]) -> None:
        self._schemas = schemas
        self._shown: set[str] = set()
        """objects that are already described on the page"""

    def topic(self, tag: dict[str, Any], operations: list[Any]) -> str:
        """Everything of one tag."""
        name = escape(tag["name"])
        shown = "".join(self._section(*one) for one in operations)
        return f"<h2>{name}</h2>\n<p>{_text(tag['description'])}</p>\n{shown}"

    def _section(self, path: str, verb: str, operation: dict[str, Any]) -> str:
        name = operation["operationId"]
        called = path.startswith("/")
        verb = "WebSocket" if "101" in operation["responses"] else verb
        parts = [
            f'<section id="{name}"><h3><a href="#{name}">{name}</a> '
            f"<span class=verb>{verb}</span>{_mark(operation)}</h3>\n",
            f"<p>{_text(operation['summary'])}</p>\n",
            self._parameters(operation),
            f"<pre tabindex=0>{escape(_curl(path, verb, operation), quote=False)}</pre>\n"
            if called
            else "",
            *self._answers(operation),
            _refusals(operation["responses"]),
        ]
        return "".join(parts) + "</section>\n"

    def _parameters(self, operation: dict[str, Any]) -> str:
        found = [
            (one["name"], one["required"], one["schema"])
            for one in operation.get("parameters", [])
            if one["name"] not in _IN_PATH
        ]
        schema = _content(operation.get("requestBody", {})).get("schema", {})
        if schema.get("type") == "array":
            shapes = "".join(self._shapes(schema))
            return f"<details><summary>Kinds of events</summary>{shapes}</details>\n"
        fields = [*found, *_properties(self._resolved(schema))]
        if operation["operationId"] != _TAKES_SETTINGS:
            return self._fields(fields)
        settings = self._schemas["SettingsChange"]["properties"]
        more = '<p>And any parameter of <a href="#setSettings">setSettings</a>.</p>\n'
        return self._fields(one for one in fields if one[0] not in settings) + more

    def _answers(self, operation: dict[str, Any]) -> Iterator[str]:
        sent = _content(operation.get("requestBody", {})).get("examples", {})
        for name, example in sent.items():
            yield f"<p><b>{escape(name)}</b></p>\n{_json(example['value'])}"
        answers = operation["responses"]
        kind = "frame" if "101" in answers else "answer"
        content = _content(answers.get("101") or answers.get("200", {}))
        if "example" in content:
            yield f"<p>{kind.capitalize()}:</p>\n{_json(content['example'])}"
        shapes = "".join(self._shapes(content.get("schema", {})))
        if shapes:
            yield f"<details><summary>Fields of the {kind}</summary>{shapes}</details>\n"

    def _shapes(self, schema: dict[str, Any]) -> Iterator[str]:
        """The objects of an answer that the page has not described yet, the outer first."""
        for name in _named(schema):
            shape = self._schemas[name]
            if name in self._shown or name == "PartnerProblem" or "properties" not in shape:
                continue
            self._shown.add(name)
            about = f": {_text(shape['description'])}" if shape.get("description") else ""
            yield f'<p id="{name}"><b>{name}</b>{about}</p>{self._fields(_properties(shape))}'
            for each in shape["properties"].values():
                yield from self._shapes(each)

    def _fields(self, fields: Iterable[tuple[str, bool, dict[str, Any]]]) -> str:
        items = "".join(
            f"<dt><code>{escape(name)}</code>{'' if required else ' <small>optional</small>'}"
            f"{_mark(schema)}<dd>{self._kind(schema)}\n"
            for name, required, schema in fields
        )
        return f"<dl>{items}</dl>\n" if items else ""

    def _kind(self, schema: dict[str, Any]) -> str:
        """A schema in words, or a link to where it is described."""
        names = [name for name in _named(schema) if "properties" in self._schemas[name]]
        if not names:
            found = next(iter(_named(schema)), None)
            words = _text(in_words(self._schemas[found] if found else schema))
            return words + (" or <code>null</code>" if _may_be_null(schema) else "")
        linked = " or ".join(f'<a href="#{name}">{name}</a>' for name in names)
        return f"array of {linked}" if schema.get("type") == "array" else linked

    def _resolved(self, schema: dict[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = next((self._schemas[name] for name in _named(schema)), schema)
        return found


def _mark(described: dict[str, Any]) -> str:
    """Says that an operation or a field is an extension."""
    ours = any(EXTENSION.items() <= one.items() for one in _variants(described))
    return " <span class=mark>extension</span>" if ours else ""


def _variants(schema: dict[str, Any]) -> list[dict[str, Any]]:
    return [schema, *schema.get("anyOf", ())]


def _may_be_null(schema: dict[str, Any]) -> bool:
    """Whether a field is null until there is a value; in requests null is the same as none."""
    return "default" not in schema and {"type": "null"} in schema.get("anyOf", ())


def _named(schema: dict[str, Any]) -> Iterator[str]:
    """Names of the schemas that *schema* refers to."""
    for one in _variants(schema):
        items = one.get("items") or {}
        reference = one.get("$ref") or items.get("$ref")
        if reference:
            yield reference.rpartition("/")[2]
        elif "anyOf" in items:
            yield from _named(items)


def _properties(schema: dict[str, Any]) -> list[tuple[str, bool, dict[str, Any]]]:
    """Name, whether it is always there, and schema of each field of an object."""
    required = schema.get("required", [])
    fields = schema.get("properties", {}).items()
    return [(name, name in required, field) for name, field in fields]


def _refusals(responses: dict[str, Any]) -> str:
    """The codes of a method, and its own reasons for them."""
    own = "".join(
        f"<br>{code}: {_text(one['description'])}"
        for code, one in responses.items()
        if "$ref" in one and "description" in one
    )
    codes = [code for code, one in responses.items() if "$ref" in one]
    usual = codes == [*CODES]
    named = "" if usual else f'<a href="#errors">Errors</a>: {", ".join(codes)}'
    shown = f"{named}{own}".removeprefix("<br>")
    return f"<p class=soft>{shown}</p>\n" if codes and shown else ""


def _curl(path: str, verb: str, operation: dict[str, Any]) -> str:
    """A command that calls the operation, with its example."""
    query = {}
    for one in operation.get("parameters", []):
        if "example" in one and one["in"] == "path":
            path = path.replace(f"{{{one['name']}}}", str(one["example"]))
        elif "example" in one:
            query[one["name"]] = one["example"]
    for name, variable in _TOKENS.items():
        path = path.replace(name, variable)
    path = path.replace("{idInstance}/{name}", "$ID/{key}.jpg")
    asked = f"?{urlencode(query, safe='@/')}" if query else ""
    body = _content(operation.get("requestBody", {})).get("example")
    data = "" if body is None else f" -d {shlex.quote(_body(body))}"
    no_data = verb == "POST" and not data and operation["operationId"] not in _CALLS
    if verb == "WebSocket":
        return f'websocat "${{API/http/ws}}{path}"'
    how = f" -X {verb}" if verb == "DELETE" or no_data else ""
    return f'curl{how} "$API{path}{asked}"{data}{_CALLS.get(operation["operationId"], "")}'


def _body(value: Any) -> str:
    """JSON on one line if it is short."""
    text = msgspec.json.encode(value)
    return (text if len(text) < _SHORT else msgspec.json.format(text, indent=1)).decode()


def _content(holder: dict[str, Any]) -> dict[str, Any]:
    """The content of a request or an answer, in its first form."""
    return next(iter(holder.get("content", {}).values()), {})


def _json(value: Any) -> str:
    is_text = isinstance(value, str)
    text = (
        value if is_text else msgspec.json.format(msgspec.json.encode(value), indent=1).decode()
    )
    return f"<pre tabindex=0>{escape(text, quote=False)}</pre>\n"


def _text(text: str) -> str:
    """A description, whose backquotes and asterisks mean code and emphasis."""
    coded = _CODE.sub(r"<code>\1</code>", escape(text, quote=False))
    return _EMPHASIS.sub(r"<em>\1</em>", coded)
