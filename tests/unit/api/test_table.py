"""The table of methods against the contract, and what is made from it."""

import json
from pathlib import Path

from statusgate.api.methods import METHODS
from statusgate.api.openapi import openapi_document
from statusgate.api.partner_methods import PARTNER_METHODS
from statusgate.api.reference import reference

CONTRACT_RATES = {
    "getStatusStatistic": 1, "getIncomingStatuses": 1, "getOutgoingStatuses": 1,
    "getSettings": 1, "setSettings": 1, "getStateInstance": 1, "getStatusInstance": 1,
    "getStateInstanceHistory": None, "getWaSettings": 1, "getAccountSettings": None,
    "reboot": 1, "logout": 1, "updateApiToken": None, "qr": 3, "scanqrcode": 1,
    "getAuthorizationCode": None, "downloadFile": 5, "getMessage": 10, "getContacts": 1,
    "getContactInfo": 1, "getAvatar": 10, "checkWhatsapp": 10, "addContact": None,
    "editContact": None, "deleteContact": None, "simulate": None,
    "sendTextStatus": 5, "sendVoiceStatus": 5, "sendMediaStatus": 5, "deleteStatus": 10,
    "showMessagesQueue": 1, "getMessagesCount": None, "clearMessagesQueue": 1,
    "uploadFile": None, "getStatus": None, "getStatusReport": None,
    "getStatusAudience": None, "readStatus": None,
    "receiveNotification": 100, "deleteNotification": 100, "getWebhooksCount": None,
    "clearWebhooksQueue": None, "events": None,
}  # fmt: skip
POSTS = {
    "setSettings", "getAuthorizationCode", "downloadFile", "getMessage", "getContactInfo",
    "getAvatar", "checkWhatsapp", "addContact", "editContact", "deleteContact", "simulate",
    "sendTextStatus", "sendVoiceStatus", "sendMediaStatus", "deleteStatus", "uploadFile",
    "getStatusAudience", "readStatus",
}  # fmt: skip
STATUS_METHODS = {
    "getStatusStatistic", "getIncomingStatuses", "getOutgoingStatuses", "downloadFile",
    "getMessage", "sendTextStatus", "sendVoiceStatus", "sendMediaStatus", "deleteStatus",
    "getStatus", "getStatusReport", "getStatusAudience", "readStatus", "events",
}  # fmt: skip
DOCUMENT = Path(__file__).parents[3] / "docs/reference/methods.md"


def test_the_table_holds_the_methods_of_the_contract() -> None:
    assert {method.name: method.rate for method in METHODS} == CONTRACT_RATES
    assert {method.name for method in METHODS if method.verb == "POST"} == POSTS
    assert {method.name for method in METHODS if method.status_access} == STATUS_METHODS
    assert {method.name for method in METHODS if method.changes} == {
        "reboot", "logout", "updateApiToken", "clearMessagesQueue",
    }  # fmt: skip
    assert {method.name for method in METHODS if method.live} == {
        "getContactInfo", "getAvatar", "checkWhatsapp", "readStatus",
    }  # fmt: skip


def test_the_reference_is_the_one_made_from_the_table() -> None:
    assert DOCUMENT.read_text() == reference(), "run python -m statusgate.api.reference"


def test_the_openapi_document_names_every_method() -> None:
    document = json.loads(openapi_document("1"))
    named = {
        operation["operationId"]
        for path in document["paths"].values()
        for operation in path.values()
    }
    tables = {method.name for method in (*METHODS, *PARTNER_METHODS)}
    assert named == (tables | {"media"}) - {"scanqrcode"}
