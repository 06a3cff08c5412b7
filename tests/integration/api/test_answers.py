"""Reactions and replies to the statuses of others (contract 12.13)."""

from typing import Any

import msgspec
import pytest

from statusgate.domain.address import Address
from statusgate.domain.errors import EngineRejected
from statusgate.domain.post import Quoted, SentAnswer, StatusAnswer
from statusgate.domain.status import Kind
from statusgate.engines.simulated import SimulatedEngine
from tests import notified
from tests.integration.api.running import Tenant
from tests.integration.api.test_events import stream
from tests.waiting import eventually

ANNA, BORIS = "79000000001@c.us", "222000000000001@lid"
TEXT = {"event": "incomingStatus", "type": "text", "text": "Sunny"}
CHAT = "must be one of the next formats: 'phone_number@c.us' or 'chat_id@lid'"
Given = dict[str, Any]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[StatusAnswer]:
    """What the sandbox is asked to send, in order."""
    found: list[StatusAnswer] = []
    answer_status = SimulatedEngine.answer_status

    async def noted(self: SimulatedEngine, answer: StatusAnswer) -> SentAnswer:
        found.append(answer)
        return await answer_status(self, answer)

    monkeypatch.setattr(SimulatedEngine, "answer_status", noted)
    return found


async def ready(tenant: Tenant, *, away: bool = False) -> None:
    """Anna posted A1, Boris A2; *away*: nothing can be sent for now."""
    await tenant.simulate(
        {"event": "contact", "id": ANNA, "name": "Anna", "contactName": "Anna K"},
        TEXT | {"from": ANNA, "idMessage": "A1"},
        TEXT | {"from": BORIS, "idMessage": "A2", "type": "image", "caption": "Sea"},
    )
    if away:
        await tenant.simulate({"event": "state", "state": "suspended"})
        await tenant.state("suspended")
    settings = {"statusWebhook": "yes", "delaySendMessagesMilliseconds": 500}
    assert (await tenant.post("setSettings", settings)).code == 200


async def react(tenant: Tenant, reaction: str, status: str = "A1", to: str = ANNA) -> str:
    wish = {"idMessage": status, "chatId": to, "reaction": reaction}
    return await sent_id(tenant, "sendStatusReaction", wish)


async def reply(tenant: Tenant, message: str, status: str = "A1", to: str = ANNA) -> str:
    wish = {"idMessage": status, "chatId": to, "message": message}
    return await sent_id(tenant, "sendStatusReply", wish)


async def sent_id(tenant: Tenant, method: str, wish: Given) -> str:
    answer = await tenant.post(method, wish)
    assert answer.code == 200, answer.body
    assert set(answer.json()) == {"idMessage"}
    return str(answer.json()["idMessage"])


async def outcome(tenant: Tenant) -> notified.Told:
    """The next notification, strictly decoded."""
    answer = await tenant.get("receiveNotification", "receiveTimeout=30")
    entry = msgspec.json.decode(answer.body, type=dict[str, msgspec.Raw])
    target = f"{tenant.path('deleteNotification')}/{bytes(entry['receiptId']).decode()}"
    assert (await tenant.running.request("DELETE", target)).code == 200
    return notified.strictly(bytes(entry["body"]))


async def test_answers_go_to_the_author_in_order_and_their_outcome_is_told(
    on_each: Tenant, asked: list[StatusAnswer]
) -> None:
    await ready(on_each)
    async with stream(on_each) as client:
        ids = [
            await react(on_each, "💚"),
            await reply(on_each, "Where is that?", "A2", BORIS),
            await react(on_each, ""),
        ]
        told = [await outcome(on_each) for _ in ids]
        events = await client.events(3)
    anna, boris = Address(phone="79000000001"), Address(lid="222000000000001")
    thumbnail = asked[1].quoted.thumbnail if asked[1].quoted else b""
    assert thumbnail.startswith(b"\xff\xd8")
    assert asked == [
        StatusAnswer(key=ids[0], wire_id="A1", author=anna, reaction="💚"),
        StatusAnswer(
            key=ids[1], wire_id="A2", author=boris, text="Where is that?",
            quoted=Quoted(kind=Kind.IMAGE, text="Sea", thumbnail=thumbnail),
        ),
        StatusAnswer(key=ids[2], wire_id="A1", author=anna, reaction=""),
    ]  # fmt: skip
    assert [
        (one.chatId, one.idMessage, one.status, one.sendByApi)
        for one in told
        if isinstance(one, notified.Outcome)
    ] == [
        (ANNA, ids[0], "sent", True),
        (BORIS, ids[1], "sent", True),
        (ANNA, ids[2], "sent", True),
    ]
    for (_, name, data), answer_id, chat_id in zip(
        events, ids, (ANNA, BORIS, ANNA), strict=True
    ):
        assert (name, data["idMessage"], data["chatId"]) == (
            "answerChanged",
            answer_id,
            chat_id,
        )
        assert (data["status"], data["failure"]) == ("sent", None)
        assert data["timestamp"] > 1_700_000_000
    assert (await on_each.get("getOutgoingStatuses")).json() == []
    assert (await on_each.get("getStatus", f"idMessage={ids[0]}")).message == (
        "ID message notfound"
    )


async def test_answers_wait_among_the_statuses_of_the_queue(
    on_each: Tenant, asked: list[StatusAnswer]
) -> None:
    await ready(on_each, away=True)
    first = await react(on_each, "👍🏽", "A2", BORIS)
    (await on_each.post("sendTextStatus", {"message": "Good morning"})).json()
    second = await reply(on_each, "Nice")
    third = await reply(on_each, "Not that")
    shown = (await on_each.get("showMessagesQueue")).json()
    assert [one["type"] for one in shown] == [
        "sendStatusReaction", "sendTextStatus", "sendStatusReply", "sendStatusReply",
    ]  # fmt: skip
    assert shown[0] == {
        "messageID": first,
        "type": "sendStatusReaction",
        "body": {"idMessage": "A2", "chatId": BORIS, "reaction": "👍🏽"},
    }
    assert shown[2]["body"] == {"idMessage": "A1", "chatId": ANNA, "message": "Nice"}
    assert (await on_each.get("getMessagesCount")).json() == {"count": 4}
    for method in ("getStatus", "getStatusReport"):
        answer = await on_each.get(method, f"idMessage={second}")
        assert (answer.code, answer.message) == (400, "ID message notfound")
    assert (await on_each.post("deleteStatus", {"idMessage": third})).code == 200
    await on_each.simulate({"event": "state", "state": "authorized"})
    await eventually(lambda: len(asked) == 2)
    assert [one.key for one in asked] == [first, second]
    assert asked[1].quoted == Quoted(kind=Kind.TEXT, text="Sunny")


async def test_clearing_the_queue_removes_answers(
    on_each: Tenant, asked: list[StatusAnswer]
) -> None:
    await ready(on_each, away=True)
    await react(on_each, "💚")
    await reply(on_each, "Nice")
    assert (await on_each.get("clearMessagesQueue")).json() == {"isCleared": True}
    assert (await on_each.get("showMessagesQueue")).json() == []
    await on_each.simulate({"event": "state", "state": "authorized"})
    last = await react(on_each, "👍")
    told = await outcome(on_each)
    assert isinstance(told, notified.Outcome)
    assert told.idMessage == last
    assert [one.key for one in asked] == [last]


async def test_an_answer_that_fails_says_why(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    await ready(tenant, away=True)

    async def refuse(_: SimulatedEngine, answer: StatusAnswer) -> SentAnswer:
        raise EngineRejected(479 if answer.reaction else 0, "no such thing")

    monkeypatch.setattr(SimulatedEngine, "answer_status", refuse)
    await react(tenant, "💚")
    await reply(tenant, "Nice")
    await reply(tenant, "Where?", "A2", BORIS)
    await tenant.simulate({"event": "deleteStatus", "idMessage": "A2", "from": BORIS})
    await tenant.simulate({"event": "state", "state": "authorized"})
    told = [await outcome(tenant) for _ in range(3)]
    assert [
        (one.chatId, one.status, one.description)
        for one in told
        if isinstance(one, notified.Outcome)
    ] == [
        (ANNA, "failed", "Refused by WhatsApp (479)"),
        (ANNA, "failed", "The engine could not send the answer: no such thing"),
        (BORIS, "failed", "The status that it answers was deleted"),
    ]


REACTION: Given = {"idMessage": "A1", "chatId": ANNA, "reaction": "💚"}
REPLY: Given = {"idMessage": "A1", "chatId": ANNA, "message": "Nice"}
EMOJI = "'reaction' must be one emoji, or empty to take the reaction back"
NO_AUTHOR = "'chatId' must be the author of the status"
OURS = "'idMessage' must be the id of an incoming status"
LONG = "'message' length must be less than or equal to 4096 characters long"
REFUSED: list[tuple[str, Given, str]] = [
    ("Reaction", {}, "'idMessage' is required"),
    ("Reaction", {"idMessage": "A1"}, "'chatId' is required"),
    ("Reaction", {"idMessage": "A1", "chatId": ANNA}, "'reaction' is required"),
    ("Reaction", REACTION | {"reaction": "ok"}, EMOJI),
    ("Reaction", REACTION | {"reaction": "💚💚"}, EMOJI),
    ("Reaction", REACTION | {"reaction": 5}, "'reaction' must be a string"),
    ("Reaction", REACTION | {"chatId": "Anna"}, f"'chatId' {CHAT}"),
    ("Reaction", REACTION | {"chatId": BORIS}, NO_AUTHOR),
    ("Reaction", REACTION | {"idMessage": "B1"}, OURS),
    ("Reply", {"idMessage": "A1", "chatId": ANNA}, "'message' is required"),
    ("Reply", REPLY | {"message": " \n"}, "'message' is not allowed to be empty"),
    ("Reply", REPLY | {"message": "x" * 4097}, LONG),
    ("Reply", REPLY | {"idMessage": "B1"}, OURS),
]


async def test_what_cannot_be_answered_is_refused_by_name_and_not_queued(
    tenant: Tenant, asked: list[StatusAnswer]
) -> None:
    await ready(tenant)
    await tenant.simulate(
        {"event": "phoneStatus", "type": "text", "text": "x", "idMessage": "B1"}
    )
    for what, wish, fault in REFUSED:
        answer = await tenant.post(f"sendStatus{what}", wish)
        assert answer.code == 400, wish
        assert answer.message == f"Validation failed. Details: {fault}"
    for what, wish in (("Reaction", REACTION), ("Reply", REPLY)):
        answer = await tenant.post(f"sendStatus{what}", wish | {"idMessage": "UNKNOWN"})
        assert (answer.code, answer.message) == (400, "ID message notfound")
    assert (await tenant.get("getMessagesCount")).json() == {"count": 0}
    me = (await tenant.get("getSettings")).json()["wid"]
    own = await tenant.post("sendStatusReply", REPLY | {"idMessage": "B1", "chatId": me})
    assert own.message == f"Validation failed. Details: {OURS}"
    await reply(tenant, "x" * 4096)
    await eventually(lambda: len(asked) == 1)
    assert len(asked[0].text) == 4096
