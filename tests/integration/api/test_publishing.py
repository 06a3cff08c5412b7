"""Posting, the queue, deletion and reports over HTTP (contract 3.3-3.6, 7.3, 12)."""

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from statusgate.accounts.instances import NewInstance
from statusgate.domain.address import Address
from statusgate.domain.ids import InstanceId
from statusgate.domain.post import AudiencePrivacy
from statusgate.engines.simulated import SimulatedEngine
from tests.integration.api.running import Reply, Running, Tenant, running_gateway

ANNA, BOB, CARL = "79000000001@c.us", "79000000002@c.us", "79000000003@c.us"
SAMPLES = Path(__file__).parents[3] / "src/statusgate/engines/simulated/samples"
FONTS = "[SERIF, SANS_SERIF, NORICAN_REGULAR, BRYNDAN_WRITE, OSWALD_HEAVY]"
CHAT = "must be one of the next formats: 'phone_number@c.us' or 'chat_id@lid'"
THEIRS = {
    "event": "incomingStatus", "from": ANNA, "type": "text", "text": "x", "idMessage": "A1",
}  # fmt: skip
URL = "https://example.org/a.png"


async def people(tenant: Tenant) -> None:
    """Anna and Bob are contacts with names, Carl has none."""
    await tenant.simulate(
        {"event": "contact", "id": ANNA, "name": "Anna", "contactName": "Anna K"},
        {"event": "contact", "id": BOB, "name": "Bob", "contactName": "Bob B"},
        {"event": "contact", "id": CARL, "name": "Carl"},
    )
    await tenant.post("setSettings", {"delaySendMessagesMilliseconds": 500})


async def post(tenant: Tenant, message: str = "Hi", **more: Any) -> str:
    reply = await tenant.post("sendTextStatus", {"message": message, **more})
    assert reply.code == 200, reply.body
    assert set(reply.json()) == {"idMessage"}
    return str(reply.json()["idMessage"])


async def report_of(tenant: Tenant, status_id: str) -> dict[str, Any]:
    reply = await tenant.get("getStatus", f"idMessage={status_id}")
    assert reply.code == 200, reply.body
    found: dict[str, Any] = reply.json()
    return found


async def report(tenant: Tenant, status_id: str, more: str = "") -> dict[str, Any]:
    reply = await tenant.get("getStatusReport", f"idMessage={status_id}{more}")
    assert reply.code == 200, reply.body
    found: dict[str, Any] = reply.json()
    return found


async def until(
    ask: Callable[[], Awaitable[dict[str, Any]]], *wanted: str, seconds: float = 30
) -> dict[str, Any]:
    """Ask until ``statusMessage`` is one of *wanted*."""
    async with asyncio.timeout(seconds):
        while (answer := await ask())["statusMessage"] not in wanted:
            await asyncio.sleep(0.02)
        return answer


async def ended(tenant: Tenant, status_id: str) -> dict[str, Any]:
    return await until(
        lambda: report_of(tenant, status_id), "sent", "delivered", "read", "failed"
    )


async def test_a_text_goes_out_to_all_contacts_with_a_name(on_each: Tenant) -> None:
    await people(on_each)
    status_id = await post(on_each, backgroundColor="#22aa22", font="OSWALD_HEAVY")
    item = await ended(on_each, status_id)
    assert item["extendedTextMessage"] == {
        "text": "Hi",
        "backgroundColor": "#22AA22",
        "font": "OSWALD_HEAVY",
        "participants": [],
    }
    assert (item["statusMessage"], item["failure"], item["sendAt"]) == ("sent", None, None)
    assert item["sentAt"] >= item["acceptedAt"]
    assert item["counts"] == {
        "pending": 0, "sent": 2, "delivered": 0, "read": 0, "failed": 0, "total": 2,
    }  # fmt: skip
    rows = (await on_each.get("getStatusStatistic", f"idMessage={status_id}")).json()
    assert {row["participant"]: row["status"] for row in rows} == {ANNA: "sent", BOB: "sent"}
    (journaled,) = (await on_each.get("getOutgoingStatuses")).json()
    assert journaled.items() <= item.items()
    found = await report(on_each, status_id)
    assert found["audience"] == {"requested": None, "resolved": 2, "complete": True}
    assert found["fanOut"]["skipped"] == [
        {"reason": "noContactName", "count": 1, "participants": [CARL]}
    ]


async def test_participants_are_who_was_asked_for_and_the_rest_is_reported(
    on_each: Tenant,
) -> None:
    await people(on_each)
    me = (await on_each.get("getSettings")).json()["wid"]
    wanted = [CARL, BOB, CARL, "71234567890@c.us", me]
    dry = (await on_each.post("getStatusAudience", {"participants": wanted})).json()
    excluded = {one["id"]: one["reason"] for one in dry["excluded"]}
    assert excluded == {CARL: "duplicate", "71234567890@c.us": "unknown", me: "self"}
    assert [one["id"] for one in dry["participants"]] == [CARL, BOB]
    assert (dry["mode"], dry["total"], dry["maxAudience"]) == ("participants", 2, None)
    assert dry["excludedByReason"] == {"unknown": 1, "self": 1, "duplicate": 1}
    for limit in (0, 1):
        cut = {"participants": wanted, "limit": limit}
        assert (await on_each.post("getStatusAudience", cut)).json() == dry | {
            "participants": dry["participants"][:limit],
            "excluded": dry["excluded"][:limit],
        }
    item = await ended(on_each, await post(on_each, participants=wanted))
    assert item["participants"] == [CARL, BOB, "71234567890@c.us", me]
    found = await report(on_each, item["idMessage"])
    assert found["audience"] == {"requested": 5, "resolved": 2, "complete": True}
    assert {one["reason"]: one["participants"] for one in found["fanOut"]["skipped"]} == {
        "unknown": ["71234567890@c.us"], "self": [me], "duplicate": [CARL],
    }  # fmt: skip


async def test_a_status_that_none_of_those_named_can_get_fails_and_says_why(
    on_each: Tenant,
) -> None:
    await people(on_each)
    me = (await on_each.get("getSettings")).json()["wid"]
    unknown = [f"7123456789{number}@c.us" for number in range(4)]
    nobody = "None of the participants can get it: "
    some = ", ".join(f"{one} is not on WhatsApp" for one in unknown[:3])
    for wanted, description in (
        ([unknown[0]], f"{nobody}{unknown[0]} is not on WhatsApp"),
        ([me], f"{nobody}{me} is the account itself"),
        (unknown, f"{nobody}{some} and 1 more"),
    ):
        item = await ended(on_each, await post(on_each, participants=wanted))
        assert item["statusMessage"] == "failed"
        assert item["failure"] == {"reason": "noRecipients", "description": description}
        assert (item["sentAt"], item["counts"]["total"]) == (None, 0)
        found = await report(on_each, item["idMessage"])
        assert found["audience"]["resolved"] == 0
        assert sum(one["count"] for one in found["fanOut"]["skipped"]) == len(wanted)
    assert (await ended(on_each, await post(on_each, participants=[BOB])))["sentAt"]


async def test_whom_the_accounts_own_privacy_list_excludes_is_not_sent_to(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    await people(tenant)

    async def privacy(_: Any) -> AudiencePrivacy:
        return AudiencePrivacy("blacklist", (Address(phone=ANNA.partition("@")[0]),))

    monkeypatch.setattr(SimulatedEngine, "privacy", privacy)
    alone = await ended(tenant, await post(tenant, participants=[ANNA]))
    assert alone["failure"]["reason"] == "noRecipients"
    assert "excluded by the account's status privacy" in alone["failure"]["description"]
    both = await ended(tenant, await post(tenant, participants=[ANNA, BOB]))
    assert (both["statusMessage"], both["counts"]["total"]) == ("sent", 1)


async def test_without_contacts_a_status_is_sent_and_seen_by_its_owner_alone(
    tenant: Tenant,
) -> None:
    item = await ended(tenant, await post(tenant))
    assert (item["statusMessage"], item["counts"]["total"]) == ("sent", 0)


async def test_a_report_shows_when_it_was_seen(on_each: Tenant) -> None:
    await people(on_each)
    item = await ended(on_each, await post(on_each))
    at = item["sentAt"] // 3600 * 3600 - 7200
    for who, status, moment in (
        (ANNA, "delivered", at), (ANNA, "read", at + 61), (BOB, "read", at + 3600),
    ):  # fmt: skip
        await on_each.simulate(
            {"event": "receipt", "idMessage": item["idMessage"], "participant": who,
             "status": status, "timestamp": moment}
        )  # fmt: skip
    found = await until(lambda: report(on_each, item["idMessage"]), "read")
    assert found["reached"] == {"delivered": 2, "read": 2}
    assert (found["firstDelivered"], found["firstView"]) == (at, at + 61)
    assert found["lastView"] == at + 3600
    assert found["timeline"] == [
        {"time": at, "delivered": 1, "read": 1, "reactions": 0, "replies": 0},
        {"time": at + 3600, "delivered": 1, "read": 1, "reactions": 0, "replies": 0},
    ]
    minutes = await report(on_each, item["idMessage"], "&interval=minute")
    assert [one["time"] for one in minutes["timeline"]] == [at, at + 60, at + 3600]


async def test_the_first_so_many_get_it_where_there_is_a_limit(tmp_path: Path) -> None:
    async with running_gateway(tmp_path, max_audience=1) as gateway:
        tenant = await gateway.create()
        await people(tenant)
        dry = (await tenant.post("getStatusAudience", {})).json()
        assert (dry["mode"], dry["total"], dry["maxAudience"]) == ("contacts", 1, 1)
        assert {"id": BOB, "reason": "overLimit"} in dry["excluded"]
        item = await ended(tenant, await post(tenant, participants=[BOB, CARL, ANNA]))
        found = await report(tenant, item["idMessage"])
        assert item["counts"]["total"] == found["audience"]["resolved"] == 1
        assert found["fanOut"]["skipped"] == [
            {"reason": "overLimit", "count": 2, "participants": [BOB, CARL]}
        ]
        rows = (await tenant.get("getStatusStatistic", f"idMessage={item['idMessage']}")).json()
        assert [row["participant"] for row in rows] == [ANNA]


@pytest.mark.parametrize(("kind", "left"), [("blacklist", [ANNA]), ("whitelist", [BOB])])
async def test_a_dry_run_leaves_out_whom_the_accounts_own_privacy_list_excludes(
    running: Running, monkeypatch: pytest.MonkeyPatch, kind: Any, left: list[str]
) -> None:
    tenant = await running.create()
    await people(tenant)
    engine = running.built.accounts.engine(InstanceId(tenant.id))
    listed = AudiencePrivacy(kind, (Address(phone="79000000002"),))

    async def privacy() -> AudiencePrivacy:
        return listed

    monkeypatch.setattr(engine, "privacy", privacy)
    dry = (await tenant.post("getStatusAudience", {})).json()
    assert [one["id"] for one in dry["participants"]] == left
    (gone,) = {ANNA, BOB} - set(left)
    assert {"id": gone, "reason": "privacy"} in dry["excluded"]


async def test_what_waits_is_shown_in_order_and_can_be_taken_back(on_each: Tenant) -> None:
    await on_each.simulate({"event": "state", "state": "notAuthorized"})
    first, second, third = [await post(on_each, text) for text in ("one", "two", "three")]
    later = int(time.time()) + 3600
    scheduled = await post(on_each, "later", sendAt=later)
    shown = (await on_each.get("showMessagesQueue")).json()
    assert [one["messageID"] for one in shown] == [first, second, third, scheduled]
    assert shown[0] == {
        "messageID": first,
        "type": "sendTextStatus",
        "body": {
            "message": "one",
            "backgroundColor": "#000000",
            "font": "SANS_SERIF",
            "participants": [],
        },
    }
    assert shown[3]["body"]["sendAt"] == later
    assert (await on_each.get("getMessagesCount")).json() == {"count": 4}
    gone = await on_each.post("deleteStatus", {"idMessage": second})
    assert (gone.code, gone.body) == (200, b"")
    again = await on_each.post("deleteStatus", {"idMessage": second})
    assert (again.code, again.message) == (400, "ID message notfound")
    waiting = (await on_each.get("getOutgoingStatuses")).json()
    assert {one["idMessage"]: one["statusMessage"] for one in waiting} == {
        first: "pending", third: "pending",
    }  # fmt: skip
    assert (await report_of(on_each, scheduled))["sendAt"] == later
    assert (await report(on_each, scheduled))["audience"]["resolved"] is None
    assert (await on_each.get("clearMessagesQueue")).json() == {"isCleared": True}
    assert (await on_each.get("getMessagesCount")).json() == {"count": 0}
    assert (await on_each.get("showMessagesQueue")).json() == []
    assert (await on_each.get("getOutgoingStatuses")).json() == []
    assert (await on_each.get("getStatus", f"idMessage={scheduled}")).code == 400


async def test_what_waited_goes_out_in_order_and_spaced(tenant: Tenant) -> None:
    await people(tenant)
    await tenant.simulate({"event": "state", "state": "notAuthorized"})
    ids = [await post(tenant, f"text {number}") for number in range(3)]
    await tenant.simulate({"event": "state", "state": "authorized"})
    began = time.monotonic()
    for status_id in ids:
        await ended(tenant, status_id)
    assert time.monotonic() - began > 0.9
    sent = await tenant.running.built.journal.read(
        lambda tx: [tx.status(tenant.id, one) for one in ids]  # type: ignore[arg-type]
    )
    times = [one.sent_ms for one in sent if one and one.sent_ms]
    assert all(b - a >= 480 for a, b in itertools.pairwise(times)), times


async def test_a_scheduled_status_joins_when_it_is_due(tenant: Tenant) -> None:
    await people(tenant)
    due = int(time.time()) + 2
    await ended(tenant, await post(tenant, sendAt=due))
    assert time.time() >= due


async def test_a_scheduled_status_is_out_of_sight_until_it_is_due(
    on_each: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    await people(on_each)
    due = int(time.time()) + 3_600
    status_id = await post(on_each, sendAt=due)
    assert (await on_each.get("getOutgoingStatuses")).json() == []
    assert (await report_of(on_each, status_id))["counts"]["total"] == 0
    on_each.running.set_clock(due * 1000, monkeypatch)
    await post(on_each, sendAt=due + 3_600)  # wakes the schedule
    item = await ended(on_each, status_id)
    assert (item["sendAt"], item["statusMessage"]) == (due, "sent")
    assert item["acceptedAt"] <= due
    past = await ended(on_each, await post(on_each, sendAt=1))
    assert (past["statusMessage"], past["sendAt"]) == ("sent", None)


async def test_a_published_status_is_taken_back_while_authorized(on_each: Tenant) -> None:
    await people(on_each)
    item = await ended(on_each, await post(on_each))
    wish = {"idMessage": item["idMessage"]}
    await on_each.simulate({"event": "state", "state": "notAuthorized"})
    refused = await on_each.post("deleteStatus", wish)
    assert (refused.code, refused.message) == (400, "instance is starting or not authorized")
    await on_each.simulate({"event": "state", "state": "authorized"})
    assert (await on_each.post("deleteStatus", wish)).body == b""
    assert (await on_each.get("getOutgoingStatuses")).json() == []
    await on_each.simulate(THEIRS)
    theirs = await on_each.post("deleteStatus", {"idMessage": "A1"})
    assert (theirs.code, theirs.message) == (400, "ID message notfound")
    await on_each.simulate(
        {"event": "phoneStatus", "type": "text", "text": "x", "idMessage": "B1"}
    )
    assert (await on_each.post("deleteStatus", {"idMessage": "B1"})).code == 200


async def test_a_picture_of_our_own_store_is_posted(on_each: Tenant) -> None:
    await people(on_each)
    url = await upload(on_each, (SAMPLES / "image.jpg").read_bytes(), "image/jpeg")
    reply = await on_each.post(
        "sendMediaStatus", {"urlFile": url, "fileName": "Horse.JPG", "caption": "Little horse"}
    )
    item = await ended(on_each, reply.json()["idMessage"])
    assert (item["statusMessage"], item["typeMessage"]) == ("sent", "imageMessage")
    assert (item["caption"], item["originalFileName"]) == ("Little horse", "Horse.JPG")
    assert item["mimeType"] == "image/jpeg"
    assert item["jpegThumbnail"]
    assert item["downloadUrl"] != url
    file = await on_each.running.request("GET", item["downloadUrl"].partition(".org")[2])
    assert file.code == 200


async def test_a_file_is_fetched_from_where_the_operator_allows(tmp_path: Path) -> None:
    content = (SAMPLES / "image.jpg").read_bytes()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(content)}\r\n\r\n"
        writer.write(head.encode() + content)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    wish = {"urlFile": f"http://127.0.0.1:{port}/a.jpg", "fileName": "a.jpg"}
    outcomes = []
    async with server:
        for allowed in ("127.0.0.0/8", ""):
            folder = tmp_path / (allowed[:3] or "none")
            async with running_gateway(folder, outbound_allow=allowed) as gateway:
                tenant = await gateway.create()
                sent = await tenant.post("sendMediaStatus", wish)
                item = await ended(tenant, sent.json()["idMessage"])
                outcomes.append((item["statusMessage"], (item["failure"] or {}).get("reason")))
    assert outcomes == [("sent", None), ("failed", "fetchFailed")]


async def test_bad_files_fail_with_their_reason(tenant: Tenant) -> None:
    url = await upload(tenant, b"<svg onload=alert(1)></svg>", "image/png")
    reasons = {}
    for method, link, name in (
        ("sendMediaStatus", url, "a.png"),
        ("sendMediaStatus", url, "a.mp4"),
        ("sendVoiceStatus", url, "a.ogg"),
        ("sendVoiceStatus", "http://127.0.0.1:8080/a.ogg", "a.ogg"),
        ("sendMediaStatus", url.replace("1101000001/", "1101000001/0"), "a.png"),
    ):
        reply = await tenant.post(method, {"urlFile": link, "fileName": name})
        item = await ended(tenant, reply.json()["idMessage"])
        assert item["statusMessage"] == "failed"
        reasons[link, name] = item["failure"]["reason"]
    assert list(reasons.values()) == ["badMedia"] * 3 + ["fetchFailed"] * 2
    assert (await tenant.get("getMessagesCount")).json() == {"count": 0}


async def test_a_scheduled_status_with_a_bad_file_fails_at_once(tenant: Tenant) -> None:
    wish = {"urlFile": "http://127.0.0.1:8080/a.png", "fileName": "a.png",
            "sendAt": int(time.time()) + 900}  # fmt: skip
    item = await ended(tenant, (await tenant.post("sendMediaStatus", wish)).json()["idMessage"])
    assert item["failure"] == {
        "reason": "fetchFailed",
        "description": "File could not be fetched",
    }
    assert (await tenant.get("showMessagesQueue")).json() == []


async def test_a_refusal_and_a_lost_connection(running: Any) -> None:
    made, token = await running.built.instances.create(
        NewInstance(
            engine="simulated",
            engine_options={"profile": "hostile", "refuse_every": 2, "disconnect_every": 1000},
        )
    )
    tenant = Tenant(running, made.id, token)
    await tenant.state("authorized")
    await tenant.post("setSettings", {"delaySendMessagesMilliseconds": 500})
    codes = [(await ended(tenant, await post(tenant)))["failure"] for _ in range(2)]
    assert codes == [
        None,
        {"reason": "refused", "description": "Refused by WhatsApp (479)"},
    ]


async def test_reading_a_status_shows_its_author_that_it_was_seen(on_each: Tenant) -> None:
    await people(on_each)
    await on_each.simulate(THEIRS)
    before = await report_of(on_each, "A1")
    assert (before["viewed"], before["viewedAt"]) == (False, None)
    for _ in range(2):
        reply = await on_each.post("readStatus", {"idMessage": "A1", "chatId": ANNA})
        assert reply.json() == {"readStatus": True}
    after = await report_of(on_each, "A1")
    assert after["viewed"] is True
    assert after["viewedAt"] >= before["timestamp"]
    for wish in ({"idMessage": "A1", "chatId": BOB}, {"idMessage": "A2"}):
        refused = await on_each.post("readStatus", wish)
        assert (refused.code, refused.message) == (400, "ID message notfound")


async def test_a_failed_status_is_removed_in_any_state(on_each: Tenant) -> None:
    await people(on_each)
    failed = await post(on_each, participants=["71234567890@c.us"])
    await ended(on_each, failed)
    await on_each.simulate({"event": "state", "state": "notAuthorized"})
    gone = await on_each.post("deleteStatus", {"idMessage": failed})
    assert (gone.code, gone.body) == (200, b"")
    assert (await on_each.get("getOutgoingStatuses")).json() == []


async def test_only_incoming_statuses_are_read_and_only_while_authorized(
    on_each: Tenant,
) -> None:
    await people(on_each)
    ours = await post(on_each)
    await ended(on_each, ours)
    await on_each.simulate(THEIRS)
    refused = await on_each.post("readStatus", {"idMessage": ours})
    assert (refused.code, refused.message) == (400, "ID message notfound")
    await on_each.simulate({"event": "state", "state": "notAuthorized"})
    refused = await on_each.post("readStatus", {"idMessage": "A1"})
    assert (refused.code, refused.message) == (400, "instance is starting or not authorized")


GIVEN: list[tuple[str, dict[str, Any], str]] = [
    ("sendTextStatus", {}, "'message' is required"),
    ("sendTextStatus", {"message": ""}, "'message' is not allowed to be empty"),
    ("sendTextStatus", {"message": " \t\n"}, "'message' is not allowed to be empty"),
    ("sendTextStatus", {"message": 5}, "'message' must be a string"),
    ("sendTextStatus", {"message": "x" * 501},
     "'message' length must be less than or equal to 500 characters long"),
    ("sendTextStatus", {"message": "x", "backgroundColor": "red"},
     "'backgroundColor' must be in the format '#RRGGBB'"),
    ("sendTextStatus", {"message": "x", "font": "serif"}, f"'font' must be one of {FONTS}"),
    ("sendTextStatus", {"message": "x", "participants": "a"},
     "'participants' must be an array"),
    ("sendTextStatus", {"message": "x", "participants": ["1@g.us"]},
     f"'participants[0]' {CHAT}"),
    ("sendTextStatus", {"message": "x", "participants": [ANNA, 5]},
     "'participants[1]' must be a string"),
    ("sendTextStatus", {"message": "x", "sendAt": "soon"}, "'sendAt' must be a number"),
    ("sendTextStatus", {"message": "x", "sendAt": 99_999_999_999},
     "'sendAt' must be at most 365 days ahead"),
    ("sendTextStatus", {"message": "", "font": "no"}, "'message' is not allowed to be empty"),
    ("sendVoiceStatus", {"fileName": "a.mp3"}, "'urlFile' is required"),
    ("sendVoiceStatus", {"urlFile": ""}, "'urlFile' is not allowed to be empty"),
    ("sendVoiceStatus", {"urlFile": "ftp://x/a"}, "'urlFile' must be a valid uri"),
    ("sendVoiceStatus", {"urlFile": URL + "a" * 2048},
     "'urlFile' length must be less than or equal to 2048 characters long"),
    ("sendVoiceStatus", {"urlFile": URL}, "'fileName' is required"),
    ("sendVoiceStatus", {"urlFile": URL, "fileName": "voice"},
     "'fileName' must include a file extension"),
    ("sendVoiceStatus", {"urlFile": URL, "fileName": "v" * 252 + ".mp3"},
     "'fileName' length must be less than or equal to 255 characters long"),
    ("sendMediaStatus", {"urlFile": URL, "fileName": "a.exe"},
     "'fileName' must have an image or video extension"),
    ("sendMediaStatus", {"urlFile": URL, "fileName": ".png"},
     "'fileName' must include a file extension"),
    ("sendMediaStatus", {"urlFile": URL, "fileName": "a.png", "caption": "x" * 1025},
     "'caption' length must be less than or equal to 1024 characters long"),
    ("deleteStatus", {}, "'idMessage' is required"),
    ("readStatus", {"idMessage": ""}, "'idMessage' is not allowed to be empty"),
    ("getStatusAudience", {"participants": ["x"]}, f"'participants[0]' {CHAT}"),
    ("getStatusAudience", {"limit": -1}, "'limit' must be greater than or equal to 0"),
]  # fmt: skip


async def test_faults_are_named_in_the_words_of_the_contract(tenant: Tenant) -> None:
    for method, wish, detail in GIVEN:
        reply = await tenant.post(method, wish)
        assert reply.code == 400, (method, wish)
        assert reply.message == f"Validation failed. Details: {detail}"
    bad = await tenant.get("getStatusReport", "idMessage=x&interval=day")
    assert bad.message == "Validation failed. Details: 'interval' must be one of [minute, hour]"
    for method in ("getStatus", "getStatusReport"):
        assert (await tenant.get(method, "idMessage=x")).message == "ID message notfound"
    assert (await tenant.get("getMessagesCount")).json() == {"count": 0}


async def test_what_is_absent_is_filled_in(tenant: Tenant) -> None:
    wish = {"message": "😀" * 500, "backgroundColor": "", "font": None, "participants": None,
            "sendAt": "", "unknown": [1]}  # fmt: skip
    assert (await tenant.post("sendTextStatus", wish)).code == 200


async def upload(tenant: Tenant, body: bytes, kind: str = "", name: str = "") -> str:
    headers = {"Content-Type": kind} if kind else {}
    if name:
        headers["GA-Filename"] = name
    reply = await tenant.running.request("POST", tenant.path("uploadFile"), body, headers)
    assert reply.code == 200, reply.body
    return str(reply.json()["urlFile"])


FORM = (
    b'--x1\r\nContent-Disposition: form-data; name="note"\r\n\r\nhello\r\n'
    b'--x1\r\nContent-Disposition: form-data; name="file"; filename="my%20pic.png"\r\n'
    b"Content-Type: image/png\r\n\r\n\x89PNG\r\n--x\r\ndata\r\n--x1--\r\n"
)


@pytest.mark.parametrize(
    ("body", "kind", "name", "extension", "content"),
    [
        (b"abc", "image/png", "", "png", b"abc"),
        (b"abc", "image/png; charset=binary", "a.jpg", "png", b"abc"),
        (b"abc", "application/octet-stream", "My%20Song.MP3", "mp3", b"abc"),
        (b"abc", "", "a.wav", "wav", b"abc"),
        (b"abc", "", "", "bin", b"abc"),
        (b"abc", "application/x-www-form-urlencoded", "", "bin", b"abc"),
        (b"abc", "image/png\\..", "../../etc/passwd", "bin", b"abc"),
        (FORM, "multipart/form-data; boundary=x1", "", "png", b"\x89PNG\r\n--x\r\ndata"),
        (FORM, "image/jpeg", "", "png", b"\x89PNG\r\n--x\r\ndata"),
        (FORM, "", "", "png", b"\x89PNG\r\n--x\r\ndata"),
        (b"--x1\r\nplain", "text/plain", "", "txt", b"--x1\r\nplain"),
    ],
)
async def test_uploads_are_taken_in_every_form(
    tenant: Tenant, body: bytes, kind: str, name: str, extension: str, content: bytes
) -> None:
    url = await upload(tenant, body, kind, name)
    assert url.endswith(f".{extension}")
    file = await tenant.running.request("GET", url.partition(".org")[2])
    assert (file.code, file.body) == (200, content)
    assert not list((tenant.running.built.settings.data_folder / "staging").iterdir())


async def test_an_upload_must_not_be_empty(tenant: Tenant) -> None:
    empty = FORM.replace(b"\x89PNG\r\n--x\r\ndata", b"")
    for body in (b"", empty, b'--x1\r\nContent-Disposition: form-data; name="a"\r\n\r\nb'):
        reply = await tenant.running.request("POST", tenant.path("uploadFile"), body)
        assert (reply.code, reply.message) == (400, "bad request data"), body


async def test_an_upload_that_is_too_large_is_answered_413(tenant: Tenant) -> None:
    """The answer arrives although the client is still sending."""
    limit = 104_857_600
    head = f"POST {tenant.path('uploadFile')} HTTP/1.1\r\nHost: x\r\n"
    declared = await tenant.running.raw(
        f"{head}Content-Length: {limit + 70_000}\r\nExpect: 100-continue\r\n\r\n".encode()
    )
    assert declared.startswith(b"HTTP/1.1 413")
    reader, writer = await asyncio.open_connection("127.0.0.1", tenant.running.port)
    writer.write(f"{head}Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n".encode())
    piece = b"%x\r\n" % (1 << 20) + b"\0" * (1 << 20) + b"\r\n"
    for _ in range(102):
        writer.write(piece)
        await writer.drain()
    writer.write(b"0\r\n\r\n")
    async with asyncio.timeout(20):
        answer = await reader.read()
    writer.close()
    assert answer.startswith(b"HTTP/1.1 413"), answer[:100]


async def test_an_upload_that_does_not_fit_is_answered_507(tmp_path: Path) -> None:
    async with running_gateway(tmp_path, min_free_media_mb=1 << 40) as gateway:
        tenant = await gateway.create()
        reply = await tenant.running.request("POST", tenant.path("uploadFile"), b"abc")
        assert (reply.code, reply.message) == (507, "Insufficient Storage")
        assert int(reply.headers["retry-after"]) >= 1


async def test_an_upload_lives_15_days(tenant: Tenant) -> None:
    url = await upload(tenant, b"abc", "image/png")
    key = url.rpartition("/")[2].partition(".")[0]
    journal = tenant.running.built.journal
    file = await journal.read(lambda tx: tx.file(tenant.id, key, 0))  # type: ignore[arg-type]
    assert file is not None
    assert file.expires_ms == file.created_ms + 15 * 86_400_000


async def test_switched_off_means_403(running: Any, tenant: Tenant) -> None:
    await running.built.instances.change(tenant.id, status_methods=False)
    reply: Reply = await tenant.post("sendTextStatus", {"message": "x"})
    assert reply.code == 403
    assert "beta version of the status methods" in reply.message
    assert (await tenant.get("getMessagesCount")).code == 200
