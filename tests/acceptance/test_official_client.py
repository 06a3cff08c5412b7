"""GREEN-API's own Python client against a started server, knowing nothing but its address."""

import asyncio
import json
import logging
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from whatsapp_api_client_python.API import GreenApi, GreenApiPartner
from whatsapp_chatbot_python import Bot, Notification

from tests.acceptance.processes import ADMIN_TOKEN, ServerProcess
from tests.waiting import until

SAMPLES = Path(__file__).parents[2] / "src/statusgate/engines/simulated/samples"
ANNA = "79001234567@c.us"
EVENTS: list[dict[str, Any]] = [
    {"event": "contact", "id": ANNA, "name": "Anna", "contactName": "Anna K"},
    {
        "event": "incomingStatus",
        "from": ANNA,
        "type": "text",
        "text": "Hello",
        "idMessage": "A1",
    },
    {"event": "phoneStatus", "type": "image", "caption": "Mine", "idMessage": "B1"},
    {"event": "receipt", "idMessage": "B1", "participant": ANNA, "status": "read"},
]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with ServerProcess(tmp_path_factory.mktemp("official")) as started:
        yield started


@pytest.fixture
def client(server: ServerProcess) -> Iterator[GreenApi]:
    """The client of a sandbox account on which something has happened."""
    logging.getLogger("whatsapp-api-client-python").handlers.clear()
    tenant = server.create_instance()
    assert tenant.simulate(*EVENTS).status == 200
    url = f"http://127.0.0.1:{server.port}"
    made = GreenApi(str(tenant.id), tenant.token, host=url, media=url)
    yield made
    made.session.close()


def ok(response: Any) -> Any:
    """What a call answered; it must have succeeded."""
    assert response.code == 200, (response.code, response.data, response.error)
    return response.data


def test_statuses(client: GreenApi) -> None:
    statuses = client.statuses
    for answer in (statuses.getIncomingStatuses(), statuses.getIncomingStatuses(minutes=60)):
        assert [item["idMessage"] for item in ok(answer)] == ["A1"]
    for answer in (statuses.getOutgoingStatuses(), statuses.getOutgoingStatuses(minutes=60)):
        assert [item["statusMessage"] for item in ok(answer)] == ["read"]
    rows = ok(statuses.getStatusStatistic("B1"))
    assert [(row["participant"], row["status"]) for row in rows] == [(ANNA, "read")]


def settled(client: GreenApi, status_id: str) -> str:
    """What the journal says of a status once it is known what became of it."""

    def outcome() -> str | None:
        items = {one["idMessage"]: one for one in ok(client.statuses.getOutgoingStatuses())}
        told = str(items[status_id]["statusMessage"])
        return None if told == "pending" else told

    return until(outcome)


def test_posting(client: GreenApi) -> None:
    statuses = client.statuses
    ok(client.account.setSettings({"delaySendMessagesMilliseconds": 500}))
    sent = ok(statuses.sendTextStatus("Hi", "#228B22", "SERIF", [ANNA]))["idMessage"]
    assert settled(client, sent) == "sent"
    assert [row["participant"] for row in ok(statuses.getStatusStatistic(sent))] == [ANNA]
    url = ok(client.sending.uploadFile(str(SAMPLES / "image.jpg")))["urlFile"]
    media = ok(statuses.sendMediaStatus(url, "horse.jpg", "Little horse"))["idMessage"]
    assert settled(client, media) == "sent"
    url = ok(client.sending.uploadFile(str(SAMPLES / "audio.ogg")))["urlFile"]
    voice = ok(statuses.sendVoiceStatus(url, "neigh.ogg", "#228B22"))["idMessage"]
    assert settled(client, voice) == "sent"
    for status_id in (sent, media, voice):
        assert statuses.deleteStatus(status_id).code == 200
    assert statuses.deleteStatus(sent).code == 400
    assert [one["idMessage"] for one in ok(statuses.getOutgoingStatuses())] == ["B1"]


def test_the_sending_queue(client: GreenApi) -> None:
    queues = client.queues
    ok(client.account.logout())
    waiting = ok(client.statuses.sendTextStatus("Waits"))["idMessage"]
    assert [one["messageID"] for one in ok(queues.showMessagesQueue())] == [waiting]
    assert ok(queues.getMessagesCount()) == {"count": 1}
    assert ok(queues.clearMessagesQueue()) == {"isCleared": True}
    assert ok(queues.getMessagesCount()) == {"count": 0}


async def test_posting_with_the_asynchronous_client(client: GreenApi) -> None:
    statuses, queues = client.statuses, client.queues
    await client.account.logoutAsync()
    text = ok(await statuses.sendTextStatusAsync("Hi", participants=[ANNA]))["idMessage"]
    wish = ("http://127.0.0.1/a.mp3", "a.mp3")  # refused by the guard, nobody is called
    voice = ok(await statuses.sendVoiceStatusAsync(*wish))["idMessage"]
    media = ok(await statuses.sendMediaStatusAsync(wish[0], "a.mp4"))["idMessage"]
    assert settled(client, voice) == settled(client, media) == "failed"
    shown = ok(await queues.showMessagesQueueAsync())
    assert [one["messageID"] for one in shown] == [text]
    assert ok(await queues.getMessagesCountAsync()) == {"count": 1}
    for status_id in (text, voice, media):
        assert (await statuses.deleteStatusAsync(status_id)).code == 200
    assert ok(await queues.clearMessagesQueueAsync()) == {"isCleared": True}


def test_account(client: GreenApi) -> None:
    account = client.account
    settings = ok(account.getSettings())
    assert ok(account.setSettings({"stateWebhook": "yes"})) == {"saveSettings": True}
    assert ok(account.getSettings()) == settings | {"stateWebhook": "yes"}
    assert ok(account.getWaSettings())["stateInstance"] == "authorized"
    assert ok(account.getStateInstance()) == {"stateInstance": "authorized"}
    assert ok(account.getStatusInstance()) == {"statusInstance": "online"}
    assert len(ok(account.getStateInstanceHistory(count=1))) == 1
    assert ok(account.qr())["type"] == "alreadyLogged"
    assert ok(account.getAuthorizationCode(79001234567)) == {"status": False, "code": ""}
    assert ok(account.reboot()) == {"isReboot": True}
    assert ok(account.logout()) == {"isLogout": True}
    client.apiTokenInstance = ok(account.updateApiToken())["apiTokenInstance"]
    assert ok(account.getStateInstance())["stateInstance"] in ("notAuthorized", "starting")


def test_contacts_and_single_messages(client: GreenApi) -> None:
    service = client.serviceMethods
    assert [one["contactName"] for one in ok(service.getContacts())] == ["Anna K"]
    assert ok(service.getContacts(group=True)) == []
    assert ok(service.getContactInfo(ANNA))["contactName"] == "Anna K"
    assert ok(service.getAvatar(ANNA))["existsWhatsapp"] is True
    assert ok(service.checkWhatsapp(79001234567))["chatId"] == ANNA
    assert ok(client.contacts.addContact(ANNA, "A", "B")) == {"addContact": True}
    assert ok(client.contacts.editContact(ANNA, "C")) == {"editContact": True}
    assert ok(client.contacts.deleteContact(ANNA)) == {"deleteContact": True}
    assert ok(client.journals.getMessage(ANNA, "A1"))["textMessage"] == "Hello"
    file = client.receiving.downloadFile("status@broadcast", "B1")
    assert file.code == 200
    assert "downloadUrl" in file.data


def test_errors_are_understood(client: GreenApi) -> None:
    refused = client.statuses.getStatusStatistic("")
    assert refused.code == 400
    assert "'idMessage' is not allowed to be empty" in str(refused.error or refused.data)
    client.apiTokenInstance = "wrong"
    assert client.account.getSettings().code == 401


async def test_the_asynchronous_client(client: GreenApi) -> None:
    """Its own getStatusStatisticAsync does not work: it loses the braces of its address."""
    statuses, account, service = client.statuses, client.account, client.serviceMethods
    for minutes in (None, 60):
        items = ok(await statuses.getIncomingStatusesAsync(minutes=minutes))
        assert [item["idMessage"] for item in items] == ["A1"]
        items = ok(await statuses.getOutgoingStatusesAsync(minutes=minutes))
        assert [item["idMessage"] for item in items] == ["B1"]
    assert ok(await account.getSettingsAsync())["outgoingWebhook"] == "yes"
    assert ok(await account.setSettingsAsync({"linkPreview": "no"})) == {"saveSettings": True}
    assert ok(await account.getWaSettingsAsync())["historySyncProgress"] == 100
    assert ok(await account.getStateInstanceAsync()) == {"stateInstance": "authorized"}
    assert len(ok(await account.getStateInstanceHistoryAsync())) == 1
    assert ok(await account.qrAsync())["type"] == "alreadyLogged"
    assert ok(await service.getContactsAsync())[0]["id"] == ANNA
    assert ok(await service.getContactInfoAsync(ANNA))["name"] == "Anna"
    assert ok(await service.getAvatarAsync(ANNA))["available"] is False
    assert ok(await service.checkWhatsappAsync(phoneNumber=79001234567))["existsWhatsapp"]
    assert ok(await client.contacts.addContactAsync(ANNA, "A")) == {"addContact": True}
    assert ok(await client.journals.getMessageAsync(ANNA, "A1"))["idMessage"] == "A1"
    codes = account.getAuthorizationCodeAsync(79001234567)
    assert ok(await codes) == {"status": False, "code": ""}
    assert ok(await account.rebootAsync()) == {"isReboot": True}
    assert ok(await account.logoutAsync()) == {"isLogout": True}


def test_the_partners_client(server: ServerProcess) -> None:
    partner = GreenApiPartner(ADMIN_TOKEN, host=f"http://127.0.0.1:{server.port}")
    made = ok(partner.partner.createInstance({"engine": "simulated", "name": "shop"}))
    listed = ok(partner.partner.getInstances())
    assert listed[-1]["idInstance"] == made["idInstance"]
    gone = partner.partner.deleteInstanceAccount(made["idInstance"])
    assert ok(gone) == {"deleteInstanceAccount": True}
    partner.partnerToken = "wrong"
    assert ok(partner.partner.getInstances()) == {"code": 401, "description": "Unauthorized"}
    made = asyncio.run(partner.partner.getInstancesAsync())
    assert json.loads(json.dumps(ok(made)))["code"] == 401
    partner.session.close()


def test_the_polling_loop(server: ServerProcess) -> None:
    """The client's own loop: receive, hand over, delete, until it is told to stop."""
    logging.getLogger("whatsapp-api-client-python").handlers.clear()
    tenant = server.create_instance()
    wanted = ("status", "state", "statusReaction", "statusReply", "statusDeleted")
    settings = {f"{name}Webhook": "yes" for name in wanted}
    assert tenant.post("setSettings", settings).status == 200
    client = GreenApi(
        str(tenant.id), tenant.token, host=f"http://127.0.0.1:{server.port}", media=""
    )
    states = [{"event": "state", "state": state} for state in ("suspended", "authorized")]
    ours = {"idMessage": "B1", "participant": ANNA}
    engagement = [
        {"event": "reaction", "reaction": "💚", **ours},
        {"event": "reply", "type": "sticker", "text": "", **ours},
        {"event": "deleteStatus", "idMessage": "A1", "from": ANNA},
    ]
    assert tenant.simulate(*EVENTS, *states).status == 200
    assert tenant.simulate(*engagement).status == 200
    told: list[tuple[str, dict[str, Any]]] = []

    def handle(kind: str, body: dict[str, Any]) -> None:
        told.append((kind, body))
        if len(told) == 7:
            client.webhooks.stopReceivingNotifications()

    polling = threading.Thread(
        target=client.webhooks.startReceivingNotifications, args=(handle,), daemon=True
    )
    polling.start()
    polling.join(30)
    assert not polling.is_alive(), told
    assert {kind for kind, _ in told} == {
        "incomingMessageReceived", "outgoingMessageReceived", "stateInstanceChanged",
    }  # fmt: skip
    messages = [body["messageData"] for _, body in told if "messageData" in body]
    assert {message["typeMessage"] for message in messages} == {
        "extendedTextMessage", "imageMessage", "reactionMessage", "quotedMessage",
        "deletedMessage",
    }  # fmt: skip
    assert ok(client.receiving.receiveNotification()) is None
    assert tenant.get("getWebhooksCount").json() == {"count": 0}
    client.session.close()


def test_the_chat_bot_library_takes_what_people_do_with_statuses(server: ServerProcess) -> None:
    """Its command filter looks at every text: an error there would repeat for ever."""
    tenant = server.create_instance()
    wanted = ("status", "statusReaction", "statusReply", "statusDeleted")
    settings = {f"{name}Webhook": "yes" for name in wanted}
    bot = Bot(
        str(tenant.id),
        tenant.token,
        raise_errors=True,
        host=f"http://127.0.0.1:{server.port}",
        settings=settings,
        delete_notifications_at_startup=False,
    )
    ours = {"idMessage": "B1", "participant": ANNA}
    assert tenant.simulate(*EVENTS).status == 200
    until(lambda: tenant.get("getWebhooksCount").json() == {"count": 2}, "both statuses")
    liked = {"event": "reaction", "reaction": "💚", **ours}
    assert tenant.simulate(liked).status == 200
    done = tenant.simulate(
        {**liked, "reaction": ""},
        {"event": "reply", "type": "sticker", "text": "", **ours},
        {"event": "reply", "text": "/help me", **ours},
        {"event": "deleteStatus", "idMessage": "A1", "from": ANNA},
        {"event": "incomingStatus", "from": ANNA, "type": "text", "text": "the end"},
    )
    assert done.status == 200, done.body
    told: list[tuple[str, str | None]] = []

    @bot.router.message(command="help")  # type: ignore[untyped-decorator]
    def helped(notification: Notification) -> None:
        told.append(("command", notification.message_text))

    @bot.router.message()  # type: ignore[untyped-decorator]
    def heard(notification: Notification) -> None:
        kind = notification.event["messageData"]["typeMessage"]
        told.append((kind, notification.message_text))
        if notification.message_text == "the end":
            raise KeyboardInterrupt  # how its loop is ended

    running = threading.Thread(target=bot.run_forever, daemon=True)
    running.start()
    running.join(30)
    assert not running.is_alive(), told
    bot.api.session.close()
    assert told == [
        ("extendedTextMessage", "Hello"),
        ("reactionMessage", None),
        ("reactionMessage", None),
        ("quotedMessage", "[sticker]"),
        ("command", "/help me"),
        ("deletedMessage", None),
        ("extendedTextMessage", "the end"),
    ]
