"""Where methods are, and in which order a request is checked (contract 2.1, 2.2, 2.6, 8)."""

import base64
import re
from pathlib import Path

import pytest

from statusgate.api.out_of_scope import OUT_OF_SCOPE
from tests.integration.api.running import (
    ADMIN,
    OPERATOR,
    Reply,
    Running,
    Tenant,
    parse,
    running_gateway,
)
from tests.waiting import eventually

STATE = {"stateInstance": "authorized"}


async def test_every_form_of_address_reaches_the_method(tenant: Tenant) -> None:
    id, token = tenant.id, tenant.token
    bearer = {"Authorization": f"Bearer {token}"}
    forms: list[tuple[str, dict[str, str]]] = [
        (f"/waInstance{id}/getStateInstance/{token}", {}),
        (f"//waInstance{id}/getStateInstance/{token}", {}),
        (f"/waInstance{id}//getStateInstance///{token}//", {}),
        (f"/WAINSTANCE{id}/GetStateInstance/{token}", {}),
        (f"/wainstance{id}/GETSTATEINSTANCE/{token}/?x=1", {}),
        (f"/waInstance{id}/get%53tateInstance/%{ord(token[0]):x}{token[1:]}", {}),
        (f"/waInstance{id}/getStateInstance", bearer),
        (f"/waInstance{id}/getStateInstance/", bearer),
        (f"/waInstance{id}/getStateInstance?a=b/c", bearer),
        (f"/waInstance{id}/getStateInstance/{token}", {"Authorization": "Bearer wrong"}),
        (f"/waInstance{id}/getStateInstance?x=1/{token}", {}),
        (f"/waInstance{id}/getStateInstance?x=1&y=/{token}", {}),
        (f"http://other.example/waInstance{id}/getStateInstance/{token}", {}),
    ]
    for target, headers in forms:
        reply = await tenant.running.request("GET", target, headers=headers)
        assert (reply.code, reply.body) == (200, b'{"stateInstance":"authorized"}'), target


async def test_what_is_no_address_is_404_without_credentials(tenant: Tenant) -> None:
    id, token = tenant.id, tenant.token
    wrong: list[tuple[str, str]] = [
        ("POST", "/"),
        ("GET", "/nothing"),
        ("GET", f"/waInstance{id}"),
        ("GET", f"/waInstance{id}/getSettings/{token}/more"),
        ("GET", f"/instance{id}/getSettings/{token}"),
        ("GET", f"/waInstance{id}/getSettings%2F{token}"),
        ("GET", f"/x/../waInstance{id}/getSettings/{token}"),
        ("POST", f"/waInstance{id}/getSettings/{token}"),
        ("GET", f"/waInstance{id}/setSettings/{token}"),
        ("HEAD", f"/waInstance{id}/setSettings/{token}"),
        ("PUT", f"/waInstance{id}/setSettings/{token}"),
        ("DELETE", f"/waInstance{id}/getSettings/{token}"),
        ("GET", f"/waInstance{id}/scanqrcode/{token}"),
        ("GET", f"/partner/createInstance/{ADMIN}"),
        ("POST", f"/partner/getInstances/{ADMIN}"),
        ("POST", f"/partner/nothing/{ADMIN}"),
        ("POST", "/health/live"),
    ]
    for verb, target in wrong:
        reply = await tenant.running.request(verb, target)
        assert reply.code == 404, (verb, target)
        if verb != "HEAD":
            assert reply.message == "Not Found"
        assert token not in reply.body.decode()


async def test_an_out_of_scope_method_is_refused_without_its_body(tenant: Tenant) -> None:
    head = b"POST /waInstance1/sendMessage/x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
    raw = await tenant.running.raw(head + b"Expect: 100-continue\r\nContent-Length: 9\r\n\r\n")
    assert raw.startswith(b"HTTP/1.1 404")


def shape(reply: Reply) -> tuple[object, ...]:
    told = reply.json()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", told["timestamp"])
    return sorted(told), told["statusCode"], told["path"], told["message"]


async def test_errors_have_one_shape_and_show_no_token(tenant: Tenant) -> None:
    keys = ["message", "path", "statusCode", "timestamp"]
    request = tenant.running.request
    own = f"/waInstance{tenant.id}/getSettings"
    assert shape(await request("GET", f"{own}/wrong")) == (
        keys, 401, f"{own}/***", "Unauthorized",
    )  # fmt: skip
    assert shape(await request("GET", own)) == (keys, 401, own, "Unauthorized")
    assert shape(await request("GET", f"/waInstance9/getSettings/{tenant.token}")) == (
        keys, 403, "/waInstance9/getSettings/***", "Forbidden",
    )  # fmt: skip
    for malformed in ("", "x", "01101000001", "-1", "1" * 19, "%EF%BC%91"):
        reply = await request("GET", f"/waInstance{malformed}/getSettings/t", headers={})
        assert reply.code == 403, malformed


async def test_checks_come_in_the_order_of_the_contract(tmp_path: Path) -> None:
    async with running_gateway(tmp_path, rate_profile="green-api") as running:
        tenant = await running.create()
        large = b" " * ((1 << 20) + 1)
        own = f"/waInstance{tenant.id}"
        request = running.request
        assert (await request("POST", f"{own}/nothing/wrong", large)).code == 404
        assert (await request("POST", f"{own}/setSettings/wrong", large)).code == 401
        await running.built.instances.change(
            running.built.instances.all()[0].id, status_methods=False
        )
        refused = await tenant.get("getIncomingStatuses", "minutes=x")
        assert refused.code == 403
        assert refused.message == (
            "There is no access to the functionality of the beta version of the status methods"
        )
        assert (await tenant.post("setSettings", {"stateWebhook": "yes"})).code == 200
        limited = await tenant.post("setSettings", large)
        assert (limited.code, limited.headers["retry-after"]) == (429, "1")
        assert limited.message == "Too Many Requests"
        assert (await tenant.post("addContact", large)).code == 413
        assert (await tenant.post("addContact", b"{")).code == 400
        await tenant.simulate({"event": "state", "state": "blocked"})
        live = await tenant.post("getAvatar", {"chatId": "x"})
        assert "'chatId' must be one of" in live.message
        live = await tenant.post("getAvatar", {"chatId": "70000000002@c.us"})
        assert live.message == "instance is starting or not authorized"


async def test_head_answers_like_get_without_a_body(tenant: Tenant) -> None:
    get = await tenant.get("getSettings")
    head = await tenant.running.request("HEAD", tenant.path("getSettings"))
    assert (head.code, head.body) == (200, b"")
    assert head.headers["content-length"] == str(len(get.body))


@pytest.mark.parametrize("method", ["reboot", "logout", "updateApiToken"])
async def test_gets_that_change_something_have_neither_head_nor_prefetch(
    tenant: Tenant, method: str
) -> None:
    request = tenant.running.request
    assert (await request("HEAD", tenant.path(method))).code == 404
    prefetch = {"Sec-Purpose": "prefetch;prerender"}
    refused = await request("GET", tenant.path(method), headers=prefetch)
    assert (refused.code, refused.message) == (403, "Forbidden")
    assert (await tenant.get("getStateInstance")).json() == STATE


async def test_options_needs_no_credentials(tenant: Tenant) -> None:
    for target in ("/waInstance1/uploadFile/x", "/partner/createInstance/x", "/anything"):
        reply = await tenant.running.request("OPTIONS", target)
        assert (reply.code, reply.body) == (204, b"")
        assert reply.headers["access-control-allow-origin"] == "*"
        assert reply.headers["access-control-allow-methods"] == (
            "GET, HEAD, POST, DELETE, OPTIONS"
        )
        assert reply.headers["access-control-allow-headers"] == (
            "Authorization, Content-Type, GA-Filename, Last-Event-ID"
        )
        assert reply.headers["access-control-max-age"] == "86400"


async def test_every_answer_has_the_common_headers(tmp_path: Path) -> None:
    origin = "https://app.example.org"
    async with running_gateway(tmp_path, cors_allow_origin=origin) as running:
        tenant = await running.create()
        for target in (tenant.path("getSettings"), "/waInstance1/x/y", "/waInstance1/qr/y"):
            headers = (await running.request("GET", target)).headers
            assert headers["content-type"] == "application/json"
            assert headers["cache-control"] == "no-store"
            assert headers["referrer-policy"] == "no-referrer"
            assert headers["access-control-allow-origin"] == origin
            assert headers["access-control-expose-headers"] == (
                "Retry-After, Content-Disposition"
            )
            assert "server" not in headers


async def test_limits_of_the_hosted_service_have_no_side_effect(tmp_path: Path) -> None:
    async with running_gateway(tmp_path, rate_profile="green-api") as running:
        tenant, other = await running.create(), await running.create()
        assert (await tenant.get("logout")).code == 200
        await tenant.state("notAuthorized")
        assert (await tenant.get("logout")).code in (200, 429)
        codes = [(await tenant.get("qr")).code for _ in range(5)]
        assert codes[:3] == [200] * 3
        assert 429 in codes[3:]
        assert (await other.get("qr")).code == 200
        unlimited = [(await tenant.get("getStateInstanceHistory")).code for _ in range(20)]
        assert set(unlimited) == {200}


async def test_nothing_but_health_answers_before_start_up_is_finished(tenant: Tenant) -> None:
    running = tenant.running
    running.built.app.ready = False
    refused = await tenant.get("getSettings")
    assert (refused.code, refused.message) == (503, "Service Unavailable")
    assert int(refused.headers["retry-after"]) >= 1
    assert (await running.request("GET", "/health/ready")).code == 503
    assert (await running.request("GET", "/health/live")).body == b'{"status":"up"}'
    running.built.app.ready = True
    assert (await running.request("GET", "/health/ready")).body == b'{"status":"up"}'


async def test_a_method_that_is_left_out_on_purpose_says_so(tenant: Tenant) -> None:
    for name in (*OUT_OF_SCOPE, "GetChats", "LASTINCOMINGMESSAGES"):
        for verb, target in (("POST", tenant.path(name)), ("GET", f"/waInstance1/{name}")):
            reply = await tenant.running.request(verb, target)
            assert (reply.code, reply.message) == (404, "not offered: statuses only")
    text = (Path(__file__).parents[3] / "docs/reference/contract.md").read_text()
    listed = text.partition("**Out of scope.**")[2].partition("\n## ")[0]
    assert all(name in listed for name in OUT_OF_SCOPE)
    assert set(re.findall(r"\b[a-z]+[A-Z][A-Za-z]+\b", listed)) == OUT_OF_SCOPE
    for name in ("sendMessages", "toString"):
        reply = await tenant.get(name)
        assert (reply.code, reply.message) == (404, "Not Found")
    assert (await tenant.running.request("GET", "/partner/sendMessage")).message == "Not Found"


async def test_metrics_need_the_operators_token(running: Running) -> None:
    pair = base64.b64encode(f"prometheus:{ADMIN}".encode()).decode()
    for header in (f"Bearer {ADMIN}", f"Basic {pair}"):
        reply = await running.request("GET", "/metrics", headers={"Authorization": header})
        assert reply.headers["content-type"].startswith("text/plain")
        assert b"statusgate_http_requests_total" in reply.body
    tenant = await running.create()
    for header in (
        "",
        "Bearer ",
        "Bearer x",
        f"Bearer {tenant.token}",
        "Basic x",
        "Basic eA==",
    ):
        reply = await running.request("GET", "/metrics", headers={"Authorization": header})
        assert (reply.code, reply.message) == (401, "Unauthorized"), header


async def test_metrics_may_be_public_and_are_made_at_most_once_a_second(
    tmp_path: Path,
) -> None:
    async with running_gateway(tmp_path, metrics_public=True) as running:
        texts = [(await running.request("GET", "/metrics")).body for _ in range(10)]
        assert len(set(texts)) <= 2
        before = texts[-1]

        async def changed() -> bool:
            return (await running.request("GET", "/metrics")).body != before

        await eventually(changed)


async def test_an_answer_is_the_same_on_a_connection_that_stays_and_one_that_ends(
    tenant: Tenant,
) -> None:
    target = tenant.path("getSettings")
    request = f"GET {target} HTTP/1.1\r\nHost: x\r\n"
    last = f"{request}Connection: close\r\n\r\n"
    raw = await tenant.running.raw(f"{request}\r\n{request}\r\n{last}".encode())
    answers = [b"HTTP/1.1 200 OK" + part for part in raw.split(b"HTTP/1.1 200 OK")[1:]]
    assert len(answers) == 3
    *stays, ends = [parse(answer) for answer in answers]
    assert ends.headers.pop("connection") == "close"
    for reply in (*stays, ends):
        assert reply.headers.pop("date")
    for reply in stays:
        assert (reply.headers, reply.body) == (ends.headers, ends.body)


async def test_every_answer_is_counted_by_method_and_code(running: Running) -> None:
    async def count(code: int) -> float:
        reply = await running.request("GET", "/metrics", headers=OPERATOR)
        name = f'statusgate_http_requests_total{{code="{code}",method="health/live"}}'
        (line,) = [one for one in reply.body.decode().splitlines() if one.startswith(name)] or [
            "x 0"
        ]
        return float(line.rpartition(" ")[2])

    before = await count(200)
    for _ in range(3):
        await running.request("GET", "/health/live")

    async def counted() -> bool:
        return await count(200) == before + 3

    await eventually(counted)
    text = (await running.request("GET", "/metrics", headers=OPERATOR)).body.decode()
    buckets = re.findall(
        r'request_seconds_bucket{le="([^"]+)",method="health/live"} ([0-9.]+)', text
    )
    assert [bound for bound, _ in buckets][-2:] == ["60.0", "+Inf"]
    numbers = [float(number) for _, number in buckets]
    assert numbers == sorted(numbers)
    assert numbers[-1] >= before + 3


async def test_what_is_open_to_everybody(running: Running) -> None:
    document = await running.request("GET", "/openapi.json")
    assert document.json()["openapi"] == "3.1.0"
    for closed in ("/docs", "/debug", "/admin", "/dashboard", "/favicon.ico", "/robots.txt"):
        assert (await running.request("GET", closed)).code == 404
