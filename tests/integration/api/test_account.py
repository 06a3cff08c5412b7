"""Settings, states, tokens and linking over HTTP (contract 4, 5)."""

import asyncio
import base64
import json

import aiohttp
import pytest

from tests.integration.api.running import Running, Tenant

EVERY_SETTING = {
    "countryInstance": "", "typeAccount": "", "proxyInstance": "", "typeInstance": "whatsapp",
    "webhookUrl": "", "webhookUrlToken": "", "delaySendMessagesMilliseconds": 1000,
    "outgoingWebhook": "yes", "autoTyping": 0, "linkPreview": True,
    "statusReplies": "yes", "enableLidMode": False,
    **dict.fromkeys(
        ("stateWebhook", "keepOnlineStatus", "statusWebhook", "statusReceiptWebhook",
         "statusReactionWebhook", "statusReplyWebhook", "statusDeletedWebhook",
         "outgoingMessageWebhook", "outgoingAPIMessageWebhook", "incomingWebhook",
         "markIncomingMessagesReaded", "markIncomingMessagesReadedOnReply", "sharedSession",
         "deviceWebhook", "statusInstanceWebhook", "enableMessagesHistory",
         "pollMessageWebhook", "incomingBlockWebhook", "incomingCallWebhook",
         "editedMessageWebhook", "deletedMessageWebhook", "incomingMessageStatusWebhook",
         "avatarInfoWebhook"), "no"),
}  # fmt: skip


async def test_settings_are_complete_and_can_be_posted_back(on_each: Tenant) -> None:
    told = (await on_each.get("getSettings")).json()
    wid = "7" + f"{on_each.id:010}"[-10:] + "@c.us"
    assert told == {"wid": wid, **EVERY_SETTING}
    changed = told | {"statusWebhook": "yes", "linkPreview": "no", "autoTyping": "7"}
    saved = await on_each.post("setSettings", changed)
    assert saved.body == b'{"saveSettings":true}'
    expected = told | {"statusWebhook": "yes", "linkPreview": False, "autoTyping": 7}
    assert (await on_each.get("getSettings")).json() == expected


async def test_one_bad_value_saves_nothing(tenant: Tenant) -> None:
    before = (await tenant.get("getSettings")).json()
    wish = {"statusWebhook": "yes", "delaySendMessagesMilliseconds": 499}
    refused = await tenant.post("setSettings", wish)
    assert refused.message == (
        "Validation failed. Details: 'delaySendMessagesMilliseconds' must be greater than or "
        "equal to 500"
    )
    assert (await tenant.post("setSettings", {"nothing": 1})).message == "bad request data"
    assert (await tenant.post("setSettings", b"")).message == "bad request data"
    assert (await tenant.get("getSettings")).json() == before


async def test_the_contracts_example_of_settings(tenant: Tenant) -> None:
    example = {
        "webhookUrl": "https://app.example.org/hook", "webhookUrlToken": "s3cret",
        "outgoingWebhook": "yes", "stateWebhook": "yes", "statusWebhook": "yes",
        "delaySendMessagesMilliseconds": 1000,
    }  # fmt: skip
    assert (await tenant.post("setSettings", example)).code == 200
    told = (await tenant.get("getSettings")).json()
    assert example.items() <= told.items()
    await tenant.post("setSettings", {"webhookUrl": "", "webhookUrlToken": ""})
    cleared = (await tenant.get("getSettings")).json()
    assert (cleared["webhookUrl"], cleared["webhookUrlToken"]) == ("", "")


async def test_settings_changed_at_once_do_not_undo_each_other(tenant: Tenant) -> None:
    switches = ["stateWebhook", "statusWebhook", "deviceWebhook", "incomingWebhook"]
    await asyncio.gather(*(tenant.post("setSettings", {key: "yes"}) for key in switches))
    told = (await tenant.get("getSettings")).json()
    assert [told[key] for key in switches] == ["yes"] * 4


async def test_the_linked_account_is_told_consistently(tenant: Tenant) -> None:
    told = (await tenant.get("getWaSettings")).json()
    phone = "7" + f"{tenant.id:010}"[-10:]
    assert told == {
        "avatar": "", "base64Avatar": "", "phone": phone, "stateInstance": "authorized",
        "deviceId": f"{phone}:1@s.whatsapp.net", "chatId": f"{phone}@c.us",
        "historySyncProgress": 100, "logoutProcess": False, "suspendedUntil": 0,
    }  # fmt: skip
    assert (await tenant.get("getAccountSettings")).json() == told
    assert (await tenant.get("getSettings")).json()["wid"] == told["chatId"]
    assert (await tenant.get("logout")).body == b'{"isLogout":true}'
    await tenant.state("notAuthorized")
    after = (await tenant.get("getWaSettings")).json()
    assert after == told | {
        "phone": "", "deviceId": "", "chatId": "", "stateInstance": "notAuthorized",
    }  # fmt: skip
    assert (await tenant.get("getSettings")).json()["wid"] == ""
    assert (await tenant.get("getStatusInstance")).json() == {"statusInstance": "offline"}
    assert (await tenant.get("logout")).body == b'{"isLogout":true}'


async def test_states_are_remembered_newest_first(on_each: Tenant) -> None:
    for state in ("blocked", "authorized", "suspended"):
        await on_each.simulate({"event": "state", "state": state})
        await on_each.state(state)
    lines = (await on_each.get("getStateInstanceHistory")).json()
    states = [line["stateInstance"] for line in lines]
    assert states == ["suspended", "authorized", "blocked", "authorized"]
    numbers = [line["phoneNumber"] for line in lines]
    assert numbers == ["", numbers[1], "", numbers[1]]
    assert numbers[1].isdigit()
    assert set(lines[0]) == {"stateInstance", "timestamp", "phoneNumber"}
    for query, body in (("count=2", None), ("", b'{"count": 2}'), ("", b'{"count": "2"}')):
        reply = await on_each.get("GetStateInstanceHistory", query, body)
        assert reply.json() == lines[:2]
    assert (await on_each.get("getStateInstanceHistory", "count=5000")).json() == lines
    refused = await on_each.get("getStateInstanceHistory", "count=0")
    assert refused.message.endswith("'count' must be greater than or equal to 1")


async def test_a_reboot_brings_the_account_back(tenant: Tenant) -> None:
    assert (await tenant.get("reboot")).body == b'{"isReboot":true}'
    await tenant.state("authorized")
    states = [line["stateInstance"] for line in (await history(tenant))]
    assert states[:2] == ["authorized", "starting"]


async def history(tenant: Tenant) -> list[dict[str, str]]:
    told: list[dict[str, str]] = (await tenant.get("getStateInstanceHistory")).json()
    return told


async def test_the_history_of_a_logout_carries_no_number(tenant: Tenant) -> None:
    await tenant.get("logout")
    await tenant.state("notAuthorized")
    latest = (await history(tenant))[0]
    assert (latest["stateInstance"], latest["phoneNumber"]) == ("notAuthorized", "")


async def test_a_new_token_kills_the_old_one_at_once(tenant: Tenant) -> None:
    reply = await tenant.get("updateApiToken")
    fresh = Tenant(tenant.running, tenant.id, reply.json()["apiTokenInstance"])
    assert len(fresh.token) == 50
    assert (await tenant.get("getStateInstance")).code == 401
    assert (await fresh.get("getStateInstance")).code == 200


@pytest.fixture
async def unlinked(running: Running) -> Tenant:
    tenant = await running.create()
    await tenant.get("logout")
    await tenant.state("notAuthorized")
    return tenant


async def code_shown(tenant: Tenant) -> str:
    async with asyncio.timeout(30):
        while (told := (await tenant.get("qr")).json())["type"] != "qrCode":
            assert told == {
                "type": "error",
                "message": "instance in starting process try later",
            }
            await asyncio.sleep(0.02)
    message: str = told["message"]
    return message


async def test_qr_shows_a_picture_until_linked(unlinked: Tenant) -> None:
    assert base64.b64decode(await code_shown(unlinked)).startswith(b"\x89PNG")
    await unlinked.simulate({"event": "state", "state": "authorized"})
    await unlinked.state("authorized")
    assert (await unlinked.get("qr")).json() == {
        "type": "alreadyLogged", "message": "instance account already authorized",
    }  # fmt: skip


async def test_a_pairing_code(unlinked: Tenant) -> None:
    for number in (79001234567, "79001234567"):
        told = (await unlinked.post("getAuthorizationCode", {"phoneNumber": number})).json()
        assert told["status"] is True
        assert len(told["code"]) == 8
        assert told["code"].isalnum()
    refused = await unlinked.post("getAuthorizationCode", {})
    assert refused.message.endswith("'phoneNumber' is required")
    await unlinked.simulate({"event": "state", "state": "authorized"})
    await unlinked.state("authorized")
    linked = await unlinked.post("getAuthorizationCode", {"phoneNumber": 79001234567})
    assert linked.body == b'{"status":false,"code":""}'


async def test_scanqrcode_tells_codes_and_then_the_account(unlinked: Tenant) -> None:
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(unlinked.running.url + unlinked.path("scanqrcode")) as socket,
    ):
        first = json.loads(await socket.receive_str(timeout=30))
        assert base64.b64decode(first.pop("message")).startswith(b"\x89PNG")
        assert first == {"type": "qrCode"}
        await unlinked.simulate({"event": "state", "state": "authorized"})
        last = json.loads(await socket.receive_str(timeout=30))
        phone = "7" + f"{unlinked.id:010}"[-10:]
        assert last.pop("pushname")
        assert last == {
            "type": "accountData", "wid": f"{phone}@c.us", "proxy": "", "webhookUrl": "",
        }  # fmt: skip
        end = await socket.receive(timeout=30)
        assert (end.type, socket.close_code) == (aiohttp.WSMsgType.CLOSE, 1000)
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(unlinked.running.url + unlinked.path("scanqrcode")) as socket,
    ):
        assert json.loads(await socket.receive_str(timeout=30)) == {
            "type": "alreadyLogged", "message": "instance account already authorized",
        }  # fmt: skip
        assert (await socket.receive(timeout=30)).type is aiohttp.WSMsgType.CLOSE


@pytest.mark.parametrize("state", ["blocked", "suspended"])
async def test_linking_says_that_whatsapp_refuses_the_account(
    unlinked: Tenant, state: str
) -> None:
    await unlinked.simulate({"event": "state", "state": state})
    await unlinked.state(state)
    refusal = {
        "type": "error",
        "message": f"instance account is {state} by WhatsApp; log out to link another one",
    }
    assert (await unlinked.get("qr")).json() == refusal
    code = await unlinked.post("getAuthorizationCode", {"phoneNumber": 79001234567})
    assert code.body == b'{"status":false,"code":""}'
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(unlinked.running.url + unlinked.path("scanqrcode")) as socket,
    ):
        assert json.loads(await socket.receive_str(timeout=30)) == refusal
        assert (await socket.receive(timeout=30)).type is aiohttp.WSMsgType.CLOSE
    await unlinked.get("logout")
    await unlinked.state("notAuthorized")
    assert base64.b64decode(await code_shown(unlinked)).startswith(b"\x89PNG")


async def test_scanqrcode_ends_with_its_instance(unlinked: Tenant) -> None:
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(unlinked.running.url + unlinked.path("scanqrcode")) as socket,
    ):
        await socket.receive_str(timeout=30)
        await unlinked.running.partner("deleteInstanceAccount", {"idInstance": unlinked.id})
        last = json.loads(await socket.receive_str(timeout=30))
        assert last["type"] == "error"
        assert (await socket.receive(timeout=30)).type is aiohttp.WSMsgType.CLOSE


async def test_scanqrcode_refuses_instead_of_upgrading(tenant: Tenant) -> None:
    targets = {
        f"/waInstance{tenant.id}/scanqrcode/wrong": 401,
        f"/waInstance{tenant.id}/scanqrcode": 401,
        f"/waInstance9/scanqrcode/{tenant.token}": 403,
        f"/waInstance{tenant.id}/getSettings/{tenant.token}": 404,
        "/nothing": 404,
    }
    async with aiohttp.ClientSession() as session:
        for target, code in targets.items():
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await session.ws_connect(tenant.running.url + target)
            assert refused.value.status == code


async def test_a_viewer_of_codes_may_leave(unlinked: Tenant) -> None:
    async with aiohttp.ClientSession() as session:
        socket = await session.ws_connect(
            unlinked.running.url + unlinked.path("scanqrcode").replace("scan", "SCAN")
        )
        await socket.receive_str(timeout=30)
        await socket.send_str("anything")
        await socket.close()
    assert await code_shown(unlinked)
