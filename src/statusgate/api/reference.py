"""Writes ``docs/reference/methods.md`` and the package's copy of the contract's examples:
``python -m statusgate.api.reference``."""

import re
from pathlib import Path
from typing import Any

import msgspec

from statusgate.api.method import Method
from statusgate.api.methods import METHODS, PARTNER_METHODS
from statusgate.api.openapi import EXAMPLES, parameter_schemas

_DOCS = Path("docs/reference")
_FENCE = re.compile(r"^```json (.+)\n((?:.*\n)*?)```$", re.MULTILINE)
_HEAD = """# Methods

Made from the table in `statusgate/api/methods.py` by `make docs`; do not edit.

Path: `/waInstance{idInstance}/{method}/{apiTokenInstance}`. The token may instead be sent as
`Authorization: Bearer {apiTokenInstance}`; that keeps it out of URLs. *Rate*: requests a second
for each instance where the server runs with `rate_profile = green-api`; otherwise there is no
limit. *Section*: of the [wire contract](contract.md).

| method | verb | parameters (`?` optional) | rate | kind | section |
|---|---|---|---|---|---|
"""
_PARTNER = """
## Partner methods

Path: `/partner/{method}/{partnerToken}`; the token is the operator's `admin_token`, also taken
as `Authorization: Bearer`. Closed while none is set.

| method | verb | parameters (`?` optional) | section |
|---|---|---|---|
"""
_OTHERS = """
## Everything else

| path | verb | answer |
|---|---|---|
| `/`, `/ui/…` | GET, HEAD | the dashboard, unless the setting `dashboard` is off |
| `/media/{idInstance}/{key}.{ext}` | GET, HEAD | a stored file; `Range` is supported |
| `/health/live` | GET | 200 while the process answers |
| `/health/ready` | GET | 200 once it has started and its record can be trusted, else 503 |
| `/metrics` | GET | metrics for Prometheus, with the admin token unless `metrics_public` |
| `/openapi.json` | GET | this table as OpenAPI 3.1 |
| `/docs/api` | GET | this table as a page with examples, unless `dashboard` is off |

Methods of the hosted service that are out of scope answer 404 `not offered: statuses only`; any
other path or name answers 404 `Not Found`, `OPTIONS` on any path 204.
"""
_NOTES = {
    "changes": "Changes something: no `HEAD`, and 403 for `Sec-Purpose: prefetch`.",
    "live": "Needs the open WhatsApp connection, else 400.",
    "status_access": "403 while the operator has the status methods off for the instance.",
    "sandbox": "404 for instances that are not simulated.",
}


def reference() -> str:
    """Return the page as Markdown."""
    rows = "".join(
        f"| [{method.name}](#{method.name.lower()}) | {_verb(method)} | {_parameters(method)} "
        f"| {method.rate or '–'} | {method.kind} | {method.section} |\n"
        for method in METHODS
    )
    partner_rows = "".join(
        f"| [{method.name}](#{method.name.lower()}) | {method.verb} | {_parameters(method)} "
        f"| {method.section} |\n"
        for method in PARTNER_METHODS
    )
    details = "".join(_details(method) for method in (*METHODS, *PARTNER_METHODS))
    return f"{_HEAD}{rows}{_PARTNER}{partner_rows}{_OTHERS}\n## Details\n{details}"


def _verb(method: Method) -> str:
    return "WebSocket" if method.verb == "WEBSOCKET" else method.verb


def _parameters(method: Method) -> str:
    if method.takes_array:
        return "array of events"
    if method.takes_file:
        return "the file"
    names = [
        name if required else f"{name}?" for name, required, _ in parameter_schemas(method)
    ]
    if len(names) > 8:
        return "any settings" if method.section == "4.2" else "name?, settings?, engine?, …"
    return ", ".join(names) or "–"


def _details(method: Method) -> str:
    notes = [note for flag, note in _NOTES.items() if getattr(method, flag)]
    lines = [f"\n### {method.name}\n", " ".join([method.about, *notes])]
    described = parameter_schemas(method)
    if described:
        lines += ["", "| parameter | required | type |", "|---|---|---|"]
        lines += [
            f"| {name} | {'yes' if required else 'no'} | {in_words(schema)} |"
            for name, required, schema in described
        ]
    return "\n".join(lines) + "\n"


def in_words(schema: dict[str, Any]) -> str:
    """A schema in words."""
    variants = [one for one in schema.get("anyOf", []) if one.get("type") != "null"]
    schema = {**schema, **variants[0]} if variants else schema
    words = [" or ".join(f"`{value}`" for value in schema.get("enum", []))]
    words = words if words[0] else [str(schema.get("type", ""))]
    bounds = {"minimum": "≥", "maximum": "≤", "exclusiveMaximum": "<", "maxLength": "length ≤"}
    words += [f"{sign} {schema[key]}" for key, sign in bounds.items() if key in schema]
    if schema.get("default") not in (None, ""):
        words.append(f"default `{schema['default']}`")
    if "description" in schema:
        words.append(schema["description"])
    return ", ".join(words)


def contract_examples(contract: str) -> dict[str, Any]:
    """Return the examples of the contract's text by method; of requests by ``method.request``.

    A block names its methods behind ``json``; the block ``examples`` is an object of several.
    """
    found: dict[str, Any] = {}
    for names, text in _FENCE.findall(contract):
        value = msgspec.json.decode(text)
        found |= value if names == "examples" else dict.fromkeys(names.split(", "), value)
    return found


def main() -> None:
    """Write both, from the repository's folder."""
    (_DOCS / "methods.md").write_text(reference())
    examples = contract_examples((_DOCS / "contract.md").read_text())
    text = msgspec.json.format(msgspec.json.encode(examples), indent=1) + b"\n"
    Path(__file__).with_name(EXAMPLES).write_bytes(text)


if __name__ == "__main__":
    main()
