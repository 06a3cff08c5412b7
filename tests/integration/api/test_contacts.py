"""Contacts over HTTP (contract 7.4)."""

from typing import Any

import pytest

from tests.integration.api.running import Tenant

ANNA = {"id": "70000000002@c.us", "name": "Anna", "contactName": "Anna K", "type": "user"}
BORIS = {"id": "70000000003@c.us", "name": "Boris", "contactName": "", "type": "user"}


def met(contact: dict[str, Any]) -> dict[str, Any]:
    shown = {key: contact[key] for key in ("id", "name", "contactName")}
    return {"event": "contact", **shown}


async def test_contacts_come_in_the_order_they_became_known(on_each: Tenant) -> None:
    await on_each.simulate(met(BORIS), met(ANNA))
    assert (await on_each.get("getContacts")).json() == [BORIS, ANNA]
    for query in ("count=1", "count=1&group=false", "group=&count=1"):
        assert (await on_each.get("getContacts", query)).json() == [BORIS]
    assert (await on_each.get("getContacts", "group=true")).body == b"[]"
    refused = await on_each.get("getContacts", "count=0")
    assert refused.message.endswith("'count' must be greater than or equal to 1")


async def test_names_of_the_own_book_win_and_can_be_taken_back(on_each: Tenant) -> None:
    await on_each.simulate(met(ANNA))
    wish = {"chatId": ANNA["id"], "firstName": "A", "lastName": "B", "saveInAddressbook": True}
    assert (await on_each.post("addContact", wish)).body == b'{"addContact":true}'
    assert (await on_each.get("getContacts")).json() == [ANNA | {"contactName": "A B"}]
    wish = {"chatId": ANNA["id"], "firstName": "C"}
    assert (await on_each.post("editContact", wish)).body == b'{"editContact":true}'
    assert (await on_each.get("getContacts")).json() == [ANNA | {"contactName": "C"}]
    gone = await on_each.post("deleteContact", {"chatId": ANNA["id"]})
    assert gone.body == b'{"deleteContact":true}'
    assert (await on_each.get("getContacts")).json() == [ANNA | {"contactName": ""}]
    stranger = {"chatId": "70000000009@c.us", "firstName": "New"}
    await on_each.post("addContact", stranger)
    assert (await on_each.get("getContacts")).json()[1]["contactName"] == "New"


async def test_a_live_look_at_a_contact(tenant: Tenant) -> None:
    await tenant.simulate(met(ANNA))
    info = (await tenant.post("getContactInfo", {"chatId": ANNA["id"]})).json()
    assert info.pop("avatar") == ""
    assert info == {
        "name": "Anna", "contactName": "Anna K", "email": "", "category": "",
        "description": "", "products": [], "chatId": ANNA["id"], "lastSeen": None,
        "isArchive": False, "isDisappearing": False, "isMute": False, "messageExpiration": 0,
        "muteExpiration": None, "isBusiness": False,
    }  # fmt: skip
    assert (await tenant.post("getAvatar", {"chatId": ANNA["id"]})).json() == {
        "urlAvatar": "", "available": False, "existsWhatsapp": True, "reason": "",
        "base64Avatar": "",
    }  # fmt: skip
    for question in ({"phoneNumber": 70000000002}, {"phoneNumber": "70000000002"},
                     {"chatId": ANNA["id"], "force": True}):  # fmt: skip
        assert (await tenant.post("checkWhatsapp", question)).json() == {
            "existsWhatsapp": True, "chatId": ANNA["id"], "username": "",
            "phoneNumber": ANNA["id"], "fromCache": False,
        }  # fmt: skip
    nobody = await tenant.post("checkWhatsapp", {"force": False, "phoneNumber": None})
    assert nobody.message == "Validation failed. Details: 'phoneNumber' is required"


@pytest.mark.parametrize("method", ["getContactInfo", "getAvatar", "checkWhatsapp"])
async def test_live_queries_need_the_open_connection(tenant: Tenant, method: str) -> None:
    question = {"chatId": ANNA["id"]}
    for state, text in (("starting", "instance in starting process try later"),
                        ("blocked", "instance is starting or not authorized")):  # fmt: skip
        await tenant.simulate({"event": "state", "state": state})
        await tenant.state(state)
        refused = await tenant.post(method, question)
        assert (refused.code, refused.message) == (400, text)


async def test_names_work_in_every_state(tenant: Tenant) -> None:
    await tenant.get("logout")
    await tenant.state("notAuthorized")
    wish = {"chatId": ANNA["id"], "firstName": "A"}
    assert (await tenant.post("addContact", wish)).code == 200
    assert (await tenant.get("getContacts")).json()[0]["contactName"] == "A"
