"""S4, S11, S15: nobody gets in but with the instance's own token.

The matrix is made from the table: a method that is new in it is tested without being named
here, and one without a valid request in ``REQUESTS`` fails.
"""

import json
import statistics
import time
from itertools import count
from typing import Any

import aiohttp
import pytest

from statusgate.api.method import Method
from statusgate.api.methods import METHODS, PARTNER_METHODS
from tests.integration.api.running import ADMIN, Running, Tenant

CHAT = {"chatId": "70000000002@c.us"}
REQUESTS: dict[str, Any] = {
    "getStatusStatistic": "idMessage=B1",
    "getIncomingStatuses": "minutes=60",
    "getOutgoingStatuses": "minutes=60",
    "getSettings": "",
    "setSettings": {"stateWebhook": "yes"},
    "getStateInstance": "",
    "getStatusInstance": "",
    "getStateInstanceHistory": "count=5",
    "getWaSettings": "",
    "getAccountSettings": "",
    "reboot": "",
    "logout": "",
    "updateApiToken": "",
    "qr": "",
    "scanqrcode": "",
    "getAuthorizationCode": {"phoneNumber": 79001234567},
    "downloadFile": CHAT | {"idMessage": "A1"},
    "getMessage": CHAT | {"idMessage": "A1"},
    "getContacts": "",
    "getContactInfo": CHAT,
    "getAvatar": CHAT,
    "checkWhatsapp": CHAT,
    "addContact": CHAT | {"firstName": "A"},
    "editContact": CHAT | {"firstName": "A"},
    "deleteContact": CHAT,
    "sendTextStatus": {"message": "Hi"},
    "sendVoiceStatus": {"urlFile": "https://example.org/a.mp3", "fileName": "a.mp3"},
    "sendMediaStatus": {"urlFile": "https://example.org/a.png", "fileName": "a.png"},
    "deleteStatus": {"idMessage": "B1"},
    "showMessagesQueue": "",
    "getMessagesCount": "",
    "clearMessagesQueue": "",
    "uploadFile": {"any": "bytes"},
    "getStatus": "idMessage=B1",
    "getStatusReport": "idMessage=B1",
    "getStatusAudience": {"participants": ["70000000002@c.us"]},
    "getStatusesSummary": "days=7",
    "getStatuses": "type=outgoing",
    "getStatusViewers": "idMessage=B1",
    "getStatusReactions": "idMessage=B1",
    "getStatusReplies": "idMessage=B1",
    "readStatus": {"idMessage": "A1"},
    "sendStatusReaction": CHAT | {"idMessage": "A1", "reaction": "💚"},
    "sendStatusReply": CHAT | {"idMessage": "A1", "message": "Hi"},
    "receiveNotification": "receiveTimeout=5",
    "deleteNotification": 7,
    "getWebhooksCount": "",
    "clearWebhooksQueue": None,
    "getInstanceStatus": "",
    "getNotifications": "ended=true",
    "testWebhook": {},
    "events": "",
    "exportStatuses": "minutes=60",
    "simulate": [{"event": "state", "state": "authorized"}],
}
CHANGING = ("setSettings", "reboot", "logout", "updateApiToken", "addContact", "simulate")


async def code_of(running: Running, method: Method, id: int | str, token: str | None) -> int:
    """What a method answers to somebody with that token (None: no token at all)."""
    request = REQUESTS[method.name]
    target = f"/waInstance{id}/{method.name}" + ("" if token is None else f"/{token}")
    if method.verb == "WEBSOCKET":
        return await _handshake(running.url + target)
    if method.verb == "GET":
        reply = await running.request("GET", f"{target}?{request}" if request else target)
    else:
        reply = await running.request(method.verb, target, json.dumps(request).encode())
    if reply.code >= 400:
        assert set(reply.json()) == {"statusCode", "timestamp", "path", "message"}
    return reply.code


async def _handshake(url: str) -> int:
    async with aiohttp.ClientSession() as session:
        try:
            socket = await session.ws_connect(url)
        except aiohttp.WSServerHandshakeError as refused:
            return refused.status
        await socket.close()
        return 200


def test_every_method_has_a_request() -> None:
    assert set(REQUESTS) == {method.name for method in METHODS}


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
async def test_matrix(running: Running, method: Method) -> None:
    mine, other = await running.create(), await running.create()
    rotated = mine.token
    fresh = (await mine.get("updateApiToken")).json()["apiTokenInstance"]
    settings = (await Tenant(running, mine.id, fresh).get("getSettings")).body
    wrong = {
        "none": None,
        "wrong": "0" * 50,
        "cut": fresh[:-1],
        "longer": fresh + "0",
        "upper case": fresh.upper(),
        "other tenant's": other.token,
        "rotated": rotated,
        "operator's": ADMIN,
        "empty": "%20",
    }
    for whose, token in wrong.items():
        assert await code_of(running, method, mine.id, token) == 401, whose
    for id in (999, f"0{mine.id}", f"{mine.id}x", "", "x" * 40):
        assert await code_of(running, method, id, fresh) == 403, id
    now = Tenant(running, mine.id, fresh)
    assert (await now.get("getSettings")).body == settings
    assert (await now.get("getStateInstance")).json() == {"stateInstance": "authorized"}
    assert (await now.get("getContacts")).body == b"[]"
    running.built.services.notifications.close()  # a poll ends at once
    assert await code_of(running, method, mine.id, fresh) in (200, 400)
    assert (await other.get("getContacts")).body == b"[]"


@pytest.mark.parametrize("method", PARTNER_METHODS, ids=lambda method: method.name)
async def test_partner_matrix(running: Running, method: Method) -> None:
    tenant = await running.create()
    for token in ("", "/wrong", f"/{tenant.token}", f"/{ADMIN}x", f"/{ADMIN[:-1]}"):
        body = json.dumps({"idInstance": tenant.id}).encode()
        reply = await running.request(method.verb, f"/partner/{method.name}{token}", body)
        assert reply.body == b'{"code":401,"description":"Unauthorized"}'
    assert len(running.built.instances.all()) == 1


async def test_the_eleventh_failure_waits_and_the_right_token_passes(
    running: Running,
) -> None:
    mine, other = await running.create(), await running.create()
    codes = [
        (await running.request("GET", f"/waInstance{mine.id}/logout/wrong")).code
        for _ in range(11)
    ]
    assert codes == [401] * 10 + [429]
    refused = await running.request("GET", f"/waInstance{mine.id}/getSettings/wrong")
    assert refused.message == "Too Many Requests"
    assert 1 <= int(refused.headers["retry-after"]) <= 60
    assert (await mine.get("getStateInstance")).json() == {"stateInstance": "authorized"}
    assert (await running.request("GET", f"/waInstance{other.id}/qr/wrong")).code == 401
    unknown = [
        (await running.request("GET", "/waInstance99/logout/wrong")).code for _ in range(11)
    ]
    assert unknown == [403] * 10 + [429]


async def test_forged_headers_change_nothing(running: Running) -> None:
    tenant = await running.create()
    forged = {"Host": "evil", "Origin": "https://evil", "X-Forwarded-Host": "evil",
              "X-Forwarded-Proto": "https", "Forwarded": "for=1.1.1.1", "X-Real-IP": "1.1.1.1",
              "X-Original-URL": "/metrics", "X-HTTP-Method-Override": "DELETE"}  # fmt: skip
    plain = await tenant.get("getSettings")
    reply = await running.request("GET", tenant.path("getSettings"), headers=forged)
    assert (reply.code, reply.body) == (200, plain.body)
    assert reply.headers["access-control-allow-origin"] == "*"
    assert "evil" not in str(reply.headers)
    codes = []
    for number in range(11):
        liar = forged | {"X-Forwarded-For": f"1.1.1.{number}"}
        target = f"/waInstance{tenant.id}/getSettings/wrong"
        codes.append((await running.request("GET", target, headers=liar)).code)
    assert codes == [401] * 10 + [429]


async def test_wrong_token_and_unknown_instance_take_the_same_time(
    running: Running,
) -> None:
    """Loose here: the application alone, no network; the long run is stricter."""
    tenant = await running.create()
    app = running.built.app
    strangers = (f"10.0.{number >> 8}.{number % 256}" for number in count())
    seen: dict[int, list[float]] = {401: [], 403: []}

    async def receive() -> dict[str, Any]:
        return {"type": "http.request"}

    async def ask(id: int) -> None:
        codes = []

        async def send(message: dict[str, Any]) -> None:
            codes.append(int(message.get("status", 0)))

        scope: dict[str, Any] = {
            "type": "http", "method": "GET", "headers": [], "query_string": b"",
            "raw_path": f"/waInstance{id}/getSettings/{'0' * 50}".encode(),
            "client": (next(strangers), 1),
        }  # fmt: skip
        began = time.perf_counter()
        await app(scope, receive, send)
        seen[codes[0]].append(time.perf_counter() - began)

    for _ in range(1000):
        await ask(tenant.id)
        await ask(tenant.id + 1)
    assert abs(_welch(_trimmed(seen[401]), _trimmed(seen[403]))) < 10


def _trimmed(times: list[float]) -> list[float]:
    """Without the slowest tenth, which is the machine's."""
    return sorted(times)[: len(times) * 9 // 10]


def _welch(one: list[float], other: list[float]) -> float:
    spread = statistics.variance(one) / len(one) + statistics.variance(other) / len(other)
    return float((statistics.mean(one) - statistics.mean(other)) / spread**0.5)
