"""The OpenAPI document as a whole, and the page that is made of it."""

import gzip
import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

import pytest

from statusgate.api.methods import METHODS, PARTNER_METHODS
from statusgate.api.openapi import openapi_document
from statusgate.api.reference_page import reference_page

DOCUMENT = json.loads(openapi_document())
OPERATIONS = {
    operation["operationId"]: operation
    for verbs in DOCUMENT["paths"].values()
    for operation in verbs.values()
}
LARGEST_PAGE = 20_000


class Page(HTMLParser):
    """What the page consists of."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def values(self, name: str) -> list[str]:
        return [value for each, value in self.attributes if each == name]


PAGE = reference_page("https://status.example.org").decode()
READ = Page(PAGE)


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for one in value.values():
            yield from references(one)
    elif isinstance(value, list):
        for one in value:
            yield from references(one)


def found(reference: str) -> Any:
    place: Any = DOCUMENT
    for part in reference.removeprefix("#/").split("/"):
        place = place[part]
    return place


def test_every_reference_of_the_document_leads_somewhere() -> None:
    named = set(references(DOCUMENT))
    assert len(named) > 50
    for reference in named:
        assert found(reference)


def test_extensions_are_marked_and_nothing_else() -> None:
    marked = {name for name, one in OPERATIONS.items() if "x-statusgate-extension" in one}
    ours = {one.name for one in (*METHODS, *PARTNER_METHODS) if one.kind == "extension"}
    assert marked == ours | {"media", "live", "ready", "metrics"}
    send_at = DOCUMENT["components"]["schemas"]["SendTextRequest"]["properties"]["sendAt"]
    assert "x-statusgate-extension" in json.dumps(send_at)


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_operation_has_an_about_a_topic_and_examples(name: str) -> None:
    operation = OPERATIONS[name]
    assert operation["summary"].strip()
    assert set(operation["tags"]) <= {tag["name"] for tag in DOCUMENT["tags"]}
    responses = operation["responses"]
    bodies = [operation.get("requestBody", {}), responses.get("200") or responses["101"]]
    for body in bodies:
        for kind, content in body.get("content", {}).items():
            assert "example" in content or kind != "application/json", kind


def test_a_field_of_an_answer_is_required_if_it_is_always_there() -> None:
    schemas = DOCUMENT["components"]["schemas"]
    assert "typeInstance" in schemas["CreateInstanceAnswer"]["required"]
    assert "lastSeen" in schemas["ContactInfoAnswer"]["required"]
    assert "leftTime" not in schemas["WebhooksClearedAnswer"]["required"]
    assert "backgroundColor" not in schemas["SendTextRequest"]["required"]


def test_the_server_of_the_document_is_where_it_came_from_or_the_public_url() -> None:
    assert DOCUMENT["servers"] == [{"url": "/"}]
    elsewhere = json.loads(openapi_document("https://status.example.org/gate"))
    assert elsewhere["servers"] == [{"url": "https://status.example.org/gate"}]


def test_the_page_has_an_anchor_for_every_operation_and_every_link_its_target() -> None:
    ids = READ.values("id")
    assert len(ids) == len(set(ids))
    assert OPERATIONS.keys() <= set(ids)
    targets = {link.removeprefix("#") for link in READ.values("href") if link.startswith("#")}
    assert targets <= set(ids)


def test_the_page_loads_nothing_and_runs_nothing() -> None:
    assert not {"script", "link", "img", "iframe", "form", "base"} & set(READ.tags)
    assert not [name for name, _ in READ.attributes if name.startswith("on") or name == "style"]
    outside = [link for link in READ.values("href") if not link.startswith("#")]
    assert outside == ["../openapi.json"]
    assert not re.search(r"@import|url\(", PAGE)


def test_the_page_travels_in_20_kilobytes() -> None:
    assert len(gzip.compress(PAGE.encode())) <= LARGEST_PAGE


def test_every_event_of_a_script_is_described_with_its_members() -> None:
    content = OPERATIONS["simulate"]["requestBody"]["content"]["application/json"]
    kinds = [found(one["$ref"]) for one in content["schema"]["items"]["anyOf"]]
    described = {kind["properties"]["event"]["enum"][0]: kind for kind in kinds}
    assert described.keys() == {
        *("incomingStatus", "phoneStatus", "receipt", "reaction", "reply"),
        *("deleteStatus", "contact", "state"),
    }
    assert described["receipt"]["required"] == ["event", "idMessage", "participant", "status"]
    assert all(kind["additionalProperties"] is False for kind in kinds)
    for event in content["example"]:
        kind = described[event["event"]]
        assert set(kind["required"]) <= event.keys() <= kind["properties"].keys()
        assert f"<code>{event['event']}</code>" in PAGE


def test_the_websocket_is_described_as_one() -> None:
    operation = OPERATIONS["scanqrcode"]
    assert "200" not in operation["responses"]
    frames = operation["responses"]["101"]["content"]["application/json"]["schema"]["anyOf"]
    assert {one["$ref"].rpartition("/")[2] for one in frames} == {"Frame", "AccountData"}
    assert 'websocat "${API/http/ws}/waInstance$ID/scanqrcode/$TOKEN"' in PAGE


def test_the_page_calls_every_operation_as_the_document_has_it() -> None:
    calls = re.findall(r"^<pre tabindex=0>((?:curl|websocat) .*)", PAGE, re.M)
    assert len(calls) == len(OPERATIONS)
    assert (
        'curl "$API/waInstance$ID/getStatusViewers/$TOKEN'
        '?idMessage=BAE5018000000000&amp;show=read&amp;limit=100"</pre>'
    ) in calls
    assert (
        'curl -X DELETE "$API/waInstance$ID/deleteNotification/$TOKEN/1234567"</pre>' in calls
    )
    assert "API=https://status.example.org\n" in PAGE
