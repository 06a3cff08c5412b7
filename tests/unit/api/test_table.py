"""The table of methods against the contract, and what is made from it."""

import json
from pathlib import Path

from statusgate.api.methods import METHODS, PARTNER_METHODS
from statusgate.api.openapi import openapi_document
from statusgate.api.reference import reference

STATUS_METHODS = {
    "getStatusStatistic", "getIncomingStatuses", "getOutgoingStatuses", "downloadFile",
    "getMessage", "sendTextStatus", "sendVoiceStatus", "sendMediaStatus", "deleteStatus",
    "getStatus", "getStatusReport", "getStatusAudience", "readStatus", "events",
    "getStatusesSummary", "getStatuses", "getStatusViewers",
    "exportStatuses",
    "sendStatusReaction", "sendStatusReply",
    "getStatusReactions", "getStatusReplies",
}  # fmt: skip
DOCUMENT = Path(__file__).parents[3] / "docs/reference/methods.md"


def test_the_table_says_which_methods_are_guarded_or_change_something() -> None:
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
    document = json.loads(openapi_document())
    named = {
        operation["operationId"]
        for path in document["paths"].values()
        for operation in path.values()
    }
    tables = {method.name for method in (*METHODS, *PARTNER_METHODS)}
    assert named == tables | {"media", "live", "ready", "metrics"}


def test_the_openapi_document_names_no_module_of_ours() -> None:
    names = json.loads(openapi_document())["components"]["schemas"]
    assert not [name for name in names if "." in name]
