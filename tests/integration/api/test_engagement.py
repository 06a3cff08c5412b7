"""What people did with a status: reactions and replies (contract 12.14, 12.15)."""

from typing import Any

import msgspec
import pytest

from tests import notified
from tests.integration.api.running import Tenant
from tests.waiting import eventually

ANNA, BORIS, CARL = (f"7900123450{n}@c.us" for n in range(3))
HOUR = 1_710_133_200
"""the start of an hour"""
STATUS = {"event": "phoneStatus", "type": "text", "text": "Mine", "idMessage": "B1"}
HELLO = {
    "event": "incomingStatus",
    "from": ANNA,
    "type": "text",
    "text": "Hi",
    "idMessage": "A1",
}
CONTACT = {"event": "contact", "id": ANNA, "name": "Anna", "contactName": "Anna K"}
WEBHOOKS = (
    "statusWebhook",
    "statusReceiptWebhook",
    "statusReactionWebhook",
    "statusReplyWebhook",
    "statusDeletedWebhook",
)


def reaction(participant: str, emoji: str, at: int) -> dict[str, Any]:
    return {"event": "reaction", "idMessage": "B1", "participant": participant,
            "reaction": emoji, "timestamp": HOUR + at}  # fmt: skip


def reply(participant: str, text: str, at: int, **more: str) -> dict[str, Any]:
    return {"event": "reply", "idMessage": "B1", "participant": participant, "text": text,
            "timestamp": HOUR + at, **more}  # fmt: skip


async def ask(tenant: Tenant, method: str, query: str = "idMessage=B1") -> Any:
    answer = await tenant.get(method, query)
    assert answer.code == 200, answer.body
    return answer.json()


async def test_reactions_are_one_row_a_person_newest_first(on_each: Tenant) -> None:
    tenant = on_each
    await tenant.simulate(
        CONTACT,
        STATUS,
        reaction(BORIS, "👍", 10),
        reaction(ANNA, "👍", 20),
        reaction(ANNA, "💚", 30),
        reaction(CARL, "😂", 40),
        reaction(CARL, "", 50),
    )
    assert await ask(tenant, "getStatusReactions") == [
        {
            "participant": ANNA,
            "contactName": "Anna K",
            "reaction": "💚",
            "timestamp": HOUR + 30,
        },
        {"participant": BORIS, "contactName": "", "reaction": "👍", "timestamp": HOUR + 10},
    ]


async def test_replies_are_newest_first_with_kind_and_text(on_each: Tenant) -> None:
    tenant = on_each
    await tenant.simulate(
        CONTACT,
        STATUS,
        reply(ANNA, "One", 10, replyId="R1"),
        reply(ANNA, "One", 10, replyId="R1"),
        reply(ANNA, "", 20, replyId="R2", type="sticker"),
        reply(BORIS, "Look", 30, replyId="R3", type="image"),
    )
    found = await ask(tenant, "getStatusReplies")
    assert found[0] == {
        "participant": BORIS,
        "contactName": "",
        "idMessage": "R3",
        "timestamp": HOUR + 30,
        "typeMessage": "imageMessage",
        "textMessage": "Look",
    }
    assert [
        (one["idMessage"], one["typeMessage"], one["textMessage"]) for one in found[1:]
    ] == [
        ("R2", "stickerMessage", ""),
        ("R1", "textMessage", "One"),
    ]
    assert found[1]["contactName"] == "Anna K"


@pytest.mark.parametrize("method", ["getStatusReactions", "getStatusReplies"])
async def test_a_status_that_is_unknown_or_not_ours_has_none(
    tenant: Tenant, method: str
) -> None:
    await tenant.simulate(CONTACT, HELLO)
    for status_id in ("A1", "NONE"):
        answer = await tenant.get(method, f"idMessage={status_id}")
        assert (answer.code, answer.body) == (200, b"[]")
    assert (await tenant.get(method)).message == (
        "Validation failed. Details: 'idMessage' is required"
    )


async def test_a_report_counts_reactions_and_replies_and_dates_them(on_each: Tenant) -> None:
    tenant = on_each
    await tenant.simulate(
        STATUS,
        reaction(ANNA, "💚", 10),
        reaction(BORIS, "💚", 3700),
        reaction(CARL, "👍", 3800),
        reply(ANNA, "One", 20),
        reply(ANNA, "Two", 7300),
    )
    report = await ask(tenant, "getStatusReport")
    assert report["reactions"] == {"total": 3, "byReaction": {"💚": 2, "👍": 1}}
    assert list(report["reactions"]["byReaction"]) == ["💚", "👍"]
    assert report["replies"] == 2
    assert report["timeline"] == [
        {"time": HOUR, "delivered": 1, "read": 1, "reactions": 1, "replies": 1},
        {"time": HOUR + 3600, "delivered": 2, "read": 2, "reactions": 2, "replies": 0},
        {"time": HOUR + 7200, "delivered": 0, "read": 0, "reactions": 0, "replies": 1},
    ]
    assert report["reached"] == {"delivered": 3, "read": 3}


async def test_a_report_names_the_fifty_most_frequent_reactions_and_counts_all(
    tenant: Tenant,
) -> None:
    people = [f"7900200{n:04d}@c.us" for n in range(120)]
    emojis = [f"e{n:03d}" for n in range(100)] + ["💚"] * 20
    await tenant.simulate(
        STATUS,
        *(
            reaction(one, emoji, n)
            for n, (one, emoji) in enumerate(zip(people, emojis, strict=True))
        ),
    )
    told = (await ask(tenant, "getStatusReport"))["reactions"]
    assert told["total"] == 120
    assert len(told["byReaction"]) == 50
    assert next(iter(told["byReaction"].items())) == ("💚", 20)


async def test_a_scheduled_status_has_neither_reactions_nor_replies(tenant: Tenant) -> None:
    wish = {"message": "Later", "sendAt": 4_000_000_000}
    refused = await tenant.post("sendTextStatus", wish)
    assert refused.code == 400  # more than a year ahead
    at = tenant.running.built.clock.now_ms() // 1000 + 3600
    made = (await tenant.post("sendTextStatus", {"message": "Later", "sendAt": at})).json()
    query = f"idMessage={made['idMessage']}"
    assert await ask(tenant, "getStatusReactions", query) == []
    assert await ask(tenant, "getStatusReplies", query) == []
    report = await ask(tenant, "getStatusReport", query)
    assert (report["reactions"], report["replies"]) == ({"total": 0, "byReaction": {}}, 0)


async def test_replies_are_not_kept_while_the_setting_is_no(tenant: Tenant) -> None:
    await tenant.post("setSettings", {"statusReplies": "no", "statusReplyWebhook": "yes"})
    await tenant.simulate(STATUS, reply(ANNA, "Secret", 10), reaction(ANNA, "💚", 20))
    await tenant.post("setSettings", {"statusReplies": "yes"})
    assert await ask(tenant, "getStatusReplies") == []
    assert len(await ask(tenant, "getStatusReactions")) == 1
    assert (await ask(tenant, "getStatusReport"))["replies"] == 0
    assert await ask(tenant, "getWebhooksCount", "") == {"count": 0}


async def test_reactions_are_not_kept_while_outgoing_webhook_is_no(tenant: Tenant) -> None:
    await tenant.simulate(STATUS)
    await tenant.post("setSettings", {"outgoingWebhook": "no"})
    await tenant.simulate(reaction(ANNA, "💚", 10), reply(ANNA, "Hi", 20))
    assert await ask(tenant, "getStatusReactions") == []
    assert len(await ask(tenant, "getStatusReplies")) == 1


async def test_reactions_and_replies_go_with_their_status(on_each: Tenant) -> None:
    tenant = on_each
    await tenant.simulate(STATUS, reaction(ANNA, "💚", 10), reply(ANNA, "Hi", 20))
    assert (await tenant.post("deleteStatus", {"idMessage": "B1"})).code == 200
    assert await ask(tenant, "getStatusReactions") == []
    assert await ask(tenant, "getStatusReplies") == []
    await tenant.simulate(STATUS, reaction(BORIS, "👍", 30), reply(BORIS, "Late", 40))
    assert await ask(tenant, "getStatusReactions") == []
    assert await ask(tenant, "getStatusReplies") == []


async def test_all_of_it_is_announced_over_the_queue_and_a_strict_consumer_takes_it(
    tenant: Tenant,
) -> None:
    await tenant.post("setSettings", dict.fromkeys(WEBHOOKS, "yes"))
    await tenant.simulate(
        CONTACT,
        STATUS,
        HELLO,
        reaction(ANNA, "💚", 10),
        reply(ANNA, "", 20, type="sticker"),
        {"event": "deleteStatus", "idMessage": "A1", "from": ANNA},
    )

    async def all_there() -> bool:
        return bool(await ask(tenant, "getWebhooksCount", "") == {"count": 5})

    await eventually(all_there)
    told = []
    for _ in range(5):
        entry = msgspec.json.decode(
            (await tenant.get("receiveNotification")).body, type=dict[str, msgspec.Raw]
        )
        told.append(notified.strictly(bytes(entry["body"])))
        path = f"{tenant.path('deleteNotification')}/{int(bytes(entry['receiptId']))}"
        assert (await tenant.running.request("DELETE", path)).json()["result"] is True
    messages = [one.messageData for one in told if isinstance(one, notified.Incoming)]
    assert [type(one) for one in messages] == [
        notified.ReactionMessage,
        notified.QuotedMessage,
        notified.DeletedMessage,
    ]
