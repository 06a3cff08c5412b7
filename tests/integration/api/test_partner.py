"""The partner API (contract 10)."""

import re
from pathlib import Path

from tests.integration.api.running import ADMIN, OPERATOR, Running, Tenant, running_gateway

WRONG = b'{"code":401,"description":"Unauthorized"}'
UNKNOWN = b'{"code":404,"description":"Not found"}'


async def test_an_instance_lives_and_is_deleted(on_each: Tenant) -> None:
    running = on_each.running
    example = {"name": "shop", "engine": "simulated", "statusWebhook": "yes"}
    made = (await running.partner("createInstance", example)).json()
    assert made["typeInstance"] == "whatsapp"
    assert made["idInstance"] == on_each.id + 1
    assert re.fullmatch("[0-9a-f]{50}", made["apiTokenInstance"])
    shop = Tenant(running, made["idInstance"], made["apiTokenInstance"])
    assert (await shop.get("getSettings")).json()["statusWebhook"] == "yes"
    assert (await shop.get("getStateInstance")).json() == {"stateInstance": "authorized"}
    items = (await running.request("GET", f"/partner/getInstances/{ADMIN}")).json()
    assert [item["idInstance"] for item in items] == [on_each.id, shop.id]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", items[1].pop("timeCreated"))
    assert items[1] == {
        "idInstance": shop.id, "name": "shop", "typeInstance": "whatsapp", "typeAccount": "",
        "partnerUserUiid": "", "timeDeleted": "", "apiTokenInstance": "", "deleted": False,
        "tariff": "SELF_HOSTED", "isFree": False, "isPartner": True,
        "expirationDate": "2099-12-31T00:00:00.000Z", "isExpired": False,
    }  # fmt: skip
    gone = await running.partner("deleteInstanceAccount", {"idInstance": str(shop.id)})
    assert gone.body == b'{"deleteInstanceAccount":true}'
    assert (await shop.get("getStateInstance")).code == 403
    again = await running.partner("deleteInstanceAccount", {"idInstance": shop.id})
    assert (again.code, again.body) == (200, UNKNOWN)
    items = (await running.request("GET", f"/partner/getInstances/{ADMIN}")).json()
    assert [item["deleted"] for item in items] == [False, True]
    assert items[1]["timeDeleted"]


async def test_an_imported_instance(running: Running) -> None:
    wish = {"engine": "simulated", "idInstance": 7, "apiTokenInstance": "A-_z" * 8}
    made = (await running.partner("createInstance", wish)).json()
    assert (made["idInstance"], made["apiTokenInstance"]) == (7, "A-_z" * 8)
    assert (await Tenant(running, 7, "A-_z" * 8).get("getSettings")).code == 200
    taken = await running.partner("createInstance", wish)
    assert taken.message == "Validation failed. Details: 'idInstance' is already in use"
    missing = await running.partner("deleteInstanceAccount", {})
    assert missing.message == "Validation failed. Details: 'idInstance' is required"


async def test_a_wrong_token_is_told_with_200(running: Running) -> None:
    tenant = await running.create()
    for method in ("createInstance", "deleteInstanceAccount"):
        for token in ("wrong", tenant.token):
            reply = await running.partner(method, {"idInstance": tenant.id}, token)
            assert (reply.code, reply.body) == (200, WRONG)
    assert (await running.request("GET", "/partner/getInstances")).body == WRONG
    bearer = {"Authorization": f"Bearer {ADMIN}"}
    listed = await running.request("GET", "/partner/getInstances", headers=bearer)
    assert listed.json()[0]["idInstance"] == tenant.id
    assert (await tenant.get("getStateInstance")).code == 200


async def test_guessing_the_operators_token_is_limited(running: Running) -> None:
    codes = [(await running.partner("createInstance", {}, "guess")).code for _ in range(11)]
    assert codes == [200] * 10 + [429]
    right = await running.request("GET", f"/partner/getInstances/{ADMIN}")
    assert (right.code, right.message) == (429, "Too Many Requests")
    assert 1 <= int(right.headers["retry-after"]) <= 60
    assert (await running.request("GET", "/metrics", headers=OPERATOR)).code == 429


async def test_guesses_from_elsewhere_do_not_shut_out_the_operator(tmp_path: Path) -> None:
    async with running_gateway(tmp_path, trusted_proxies="127.0.0.1") as running:
        guess = {"X-Forwarded-For": "203.0.113.9", "Authorization": "Bearer guess"}
        for _ in range(12):
            await running.request("GET", "/partner/getInstances", headers=guess)
        assert (
            await running.request("GET", "/partner/getInstances", headers=guess)
        ).code == 429
        assert (await running.request("GET", f"/partner/getInstances/{ADMIN}")).json() == []


async def test_without_an_admin_token_it_is_closed(tmp_path: Path) -> None:
    async with running_gateway(tmp_path, admin_token="") as running:
        for target in (
            "/partner/getInstances",
            "/partner/getInstances/",
            "/partner/getInstances/%20",
        ):
            assert (await running.request("GET", target)).body == WRONG
        empty = {"Authorization": "Bearer "}
        assert (
            await running.request("GET", "/partner/getInstances", headers=empty)
        ).body == WRONG
