"""What existing clients send, byte for byte in spirit (contract 11)."""

from typing import Any

import pytest

from tests.integration.api.running import Reply, Running, Tenant, parse
from tests.integration.api.test_journals import CONTACT, HELLO, PHOTO


@pytest.fixture
async def used(tenant: Tenant) -> Tenant:
    """A tenant with a contact, an incoming and an outgoing status."""
    await tenant.simulate(CONTACT, HELLO, PHOTO)
    return tenant


async def send(tenant: Tenant, recorded: str, body: str = "") -> Reply:
    """Send a recorded request; ID, TOKEN and LENGTH are filled in."""
    head = recorded.strip().replace("ID", str(tenant.id)).replace("TOKEN", tenant.token)
    head = head.replace("LENGTH", str(len(body))).replace("\n", "\r\n")
    raw = f"{head}\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n{body}"
    return parse(await tenant.running.raw(raw.encode()))


async def ids(reply: Reply) -> list[str]:
    assert reply.code == 200, reply.body
    return [item["idMessage"] for item in reply.json()]


PYTHON = (
    "User-Agent: Python/3.11 aiohttp/3.9.5\nContent-Type: application/json\n"
    "Content-Length: LENGTH"
)
OKHTTP = (
    "User-Agent: okhttp/4.12.0\nAccept-Encoding: gzip\n"
    "Content-Type: application/json; charset=UTF-8"
)


async def test_python_async_sends_parameters_as_a_body(used: Tenant) -> None:
    for body in ('{"minutes": 60}', "{}"):
        head = f"GET /waInstanceID/getIncomingStatuses/TOKEN HTTP/1.1\n{PYTHON}"
        assert await ids(await send(used, head, body)) == ["A1"]
        head = f"GET /waInstanceID/getOutgoingStatuses/TOKEN HTTP/1.1\n{PYTHON}"
        assert await ids(await send(used, head, body)) == ["B1"]


async def test_java_sends_a_bare_integer_or_an_object_as_the_body_of_a_get(
    used: Tenant,
) -> None:
    for name in ("getIncomingStatuses", "getOutgoingStatuses"):
        head = f"GET /waInstanceID/{name}/TOKEN HTTP/1.1\n{OKHTTP}\nContent-Length: LENGTH"
        assert len(await ids(await send(used, head, "60"))) == 1
    head = (
        "GET /waInstanceID/GetStateInstanceHistory/TOKEN HTTP/1.1\n"
        f"{OKHTTP}\nTransfer-Encoding: chunked"
    )
    told = await send(used, head, 'd\r\n{"count": 10}\r\n0\r\n\r\n')
    assert [line["stateInstance"] for line in told.json()] == ["authorized"]
    settings = (await used.get("getSettings")).json()
    assert (settings["linkPreview"], settings["enableLidMode"]) == (True, False)


async def test_php_and_java_write_methods_in_pascal_case(used: Tenant) -> None:
    for name in ("GetSettings", "GetStateInstanceHistory", "getsettings", "GetWaSettings"):
        head = f"GET /waInstanceID/{name}/TOKEN HTTP/1.1\nUser-Agent: GuzzleHttp/7"
        assert (await send(used, head)).code == 200


async def test_the_web_chat_glues_urls_and_calls_from_a_browser(used: Tenant) -> None:
    browser = "Origin: https://chat.example\nSec-Fetch-Mode: cors\nUser-Agent: Mozilla/5.0"
    for path in ("//waInstanceID/getContacts/TOKEN", "/waInstanceID/getContacts/TOKEN/"):
        reply = await send(used, f"GET {path} HTTP/1.1\n{browser}")
        assert reply.code == 200
        assert reply.headers["access-control-allow-origin"] == "*"
    preflight = f"OPTIONS /waInstanceID/uploadFile/TOKEN HTTP/1.1\n{browser}"
    asked = "\nAccess-Control-Request-Method: POST\nAccess-Control-Request-Headers: ga-filename"
    reply = await send(used, preflight + asked)
    assert reply.code == 204
    assert "GA-Filename" in reply.headers["access-control-allow-headers"]
    journal = await send(
        used, "GET /waInstanceID/getIncomingStatuses/TOKEN?minutes=1440 HTTP/1.1"
    )
    assert all(item["timestamp"] > 0 for item in journal.json())
    wa = (await used.get("getWaSettings")).json()
    wid = (await used.get("getSettings")).json()["wid"]
    outgoing = (await used.get("getOutgoingStatuses")).json()
    assert {wa["chatId"], wid, f"{wa['phone']}@c.us"} == {outgoing[0]["chatId"]}


async def test_n8n_puts_the_token_behind_the_query(used: Tenant) -> None:
    for query in ("minutes=60/TOKEN", "minutes=/TOKEN", "minutes=1440&x=/TOKEN"):
        head = f"GET /waInstanceID/getIncomingStatuses?{query} HTTP/1.1\nUser-Agent: axios/1.8"
        assert await ids(await send(used, head)) == ["A1"]
    body = '{"idMessage":"B1","minutes":"","participants":[],"chatId":"","typingTime":0}'
    head = f"GET /waInstanceID/getStatusStatistic/TOKEN HTTP/1.1\n{PYTHON}"
    assert (await send(used, head, body)).body == b"[]"
    every = '{"minutes":"","idMessage":"","participants":[],"linkPreview":""}'
    head = f"GET /waInstanceID/getIncomingStatuses/TOKEN HTTP/1.1\n{PYTHON}"
    assert await ids(await send(used, head, every)) == ["A1"]


async def test_n8n_trigger_sets_and_clears_the_webhook(used: Tenant) -> None:
    for url in ("https://n8n.example/webhook/1", ""):
        reply = await used.post("setSettings", {"webhookUrl": url, "webhookUrlToken": ""})
        assert reply.json() == {"saveSettings": True}
        assert (await used.get("getSettings")).json()["webhookUrl"] == url


async def test_go_needs_arrays(running: Running) -> None:
    tenant = await running.create()
    for name in ("getIncomingStatuses", "getOutgoingStatuses", "getContacts",
                 "getStatusStatistic?idMessage=NONE"):  # fmt: skip
        method, _, query = name.partition("?")
        reply = await tenant.get(method, query)
        assert (reply.body, reply.headers["content-length"]) == (b"[]", "2")


async def test_chatbot_python_finds_its_settings_at_start(tenant: Tenant) -> None:
    settings: dict[str, Any] = (await tenant.get("getSettings")).json()
    for key in ("incomingWebhook", "outgoingMessageWebhook", "outgoingAPIMessageWebhook"):
        assert settings[key] == "no"


async def test_every_success_is_200_with_a_length(used: Tenant) -> None:
    for name in ("getSettings", "getContacts", "qr", "getWaSettings"):
        reply = await used.get(name)
        assert reply.code == 200
        assert int(reply.headers["content-length"]) == len(reply.body)
        assert "transfer-encoding" not in reply.headers
        assert not reply.body.startswith(b"\xef\xbb\xbf")
