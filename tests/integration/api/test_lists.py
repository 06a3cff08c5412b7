"""Lists and sums over HTTP (contract 12.10-12.12)."""

from datetime import UTC, datetime
from typing import Any

import pytest

from tests.integration.api.running import Tenant

PEOPLE = [f"7900000000{number}@c.us" for number in range(1, 10)]


def phone_status(status_id: str, **more: Any) -> dict[str, Any]:
    return {
        "event": "phoneStatus", "type": "text", "text": f"text of {status_id}",
        "idMessage": status_id,
    } | more  # fmt: skip


def receipt(status_id: str, participant: str, status: str, at: int) -> dict[str, Any]:
    return {
        "event": "receipt", "idMessage": status_id, "participant": participant,
        "status": status, "timestamp": at,
    }  # fmt: skip


def details(detail: str) -> tuple[int, str]:
    return 400, f"Validation failed. Details: {detail}"


async def test_a_summary_has_every_day_and_every_hour(on_each: Tenant) -> None:
    now = on_each.running.built.clock.now_ms() // 1000
    posted = now - 86_400
    await on_each.simulate(
        phone_status("B1", timestamp=posted),
        receipt("B1", PEOPLE[0], "read", now),
        receipt("B1", PEOPLE[1], "delivered", now),
    )
    when = datetime.fromtimestamp(posted, UTC)
    told = (await on_each.get("getStatusesSummary", "days=3")).json()
    assert told["timezone"] == "UTC"
    [day] = [day for day in told["days"] if day["posted"]]
    assert day == {
        "date": when.date().isoformat(), "posted": 1, "recipients": 2, "delivered": 2,
        "read": 1, "reactions": 0, "replies": 0,
    }  # fmt: skip
    assert [hour for hour in told["byHour"] if hour["posted"]] == [
        {"hour": when.hour, "posted": 1, "read": 1}
    ]
    assert (len(told["days"]), len(told["byHour"])) == (3, 24)
    everything = (await on_each.get("getStatusesSummary")).json()
    assert (len(everything["days"]), sum(day["read"] for day in everything["days"])) == (30, 1)


@pytest.mark.parametrize(
    ("query", "detail"),
    [
        ("days=0", "'days' must be greater than or equal to 1"),
        ("days=367", "'days' must be less than or equal to 366"),
        ("days=many", "'days' must be a number"),
        ("timezone=Mars/Utopia", "'timezone' must be the name of an IANA time zone"),
    ],
)
async def test_a_summary_names_what_is_wrong(tenant: Tenant, query: str, detail: str) -> None:
    reply = await tenant.get("getStatusesSummary", query)
    assert (reply.code, reply.message) == details(detail)


async def pages(tenant: Tenant, query: str) -> list[list[dict[str, Any]]]:
    """All pages of getStatuses, from the first to the last."""
    found, before = [], ""
    while True:
        reply = await tenant.get("getStatuses", query + before)
        assert reply.code == 200, reply.body
        told = reply.json()
        found.append(told["items"])
        if told["next"] is None:
            return found
        before = f"&before={told['next']}"


async def listed(tenant: Tenant, query: str) -> list[str]:
    """The ids of all items."""
    return [item["idMessage"] for page in await pages(tenant, query) for item in page]


async def test_statuses_come_in_pages_with_counts(on_each: Tenant) -> None:
    now = on_each.running.built.clock.now_ms() // 1000
    anna = PEOPLE[0]
    await on_each.simulate(
        {"event": "contact", "id": anna, "name": "Anna", "contactName": "Anna K"},
        *(phone_status(f"B{number}", timestamp=now - number) for number in range(1, 6)),
        receipt("B2", anna, "read", now),
        receipt("B2", PEOPLE[1], "delivered", now),
        {"event": "incomingStatus", "from": anna, "type": "image", "idMessage": "A1"},
        {"event": "incomingStatus", "from": anna, "type": "text", "text": "x",
         "idMessage": "A2", "timestamp": now - 3600},
        {"event": "incomingStatus", "from": PEOPLE[5], "type": "text", "text": "x",
         "idMessage": "A3"},
    )  # fmt: skip
    found = await pages(on_each, "type=outgoing&limit=2")
    assert [[item["idMessage"] for item in page] for page in found] == [
        ["B1", "B2"], ["B3", "B4"], ["B5"],
    ]  # fmt: skip
    item = found[0][1]
    shown = (await on_each.get("getStatus", "idMessage=B2")).json()
    del shown["participants"], shown["extendedTextMessage"]["participants"]
    assert item == shown | {
        "audience": {"requested": None, "resolved": None, "complete": False},
        "reached": {"delivered": 2, "read": 1}, "reactions": 0, "replies": 0,
    }  # fmt: skip
    assert item["counts"]["total"] == 2
    assert await listed(on_each, "type=incoming") == ["A1", "A2"]
    for query, ids in {
        "type=incoming&typeMessage=imageMessage": ["A1"],
        f"type=incoming&chatId={anna}&limit=1": ["A1", "A2"],
        f"type=incoming&chatId={PEOPLE[7]}": [],
        "type=incoming&statusMessage=sent": [],
        f"type=incoming&to={now - 60}": ["A2"],
        f"type=outgoing&from={now - 3}&to={now - 1}": ["B2", "B3"],
        "type=outgoing&statusMessage=read": ["B2"],
        f"type=outgoing&chatId={anna}": [],
        f"type=outgoing&chatId={item['chatId']}&limit=200": ["B1", "B2", "B3", "B4", "B5"],
    }.items():
        assert await listed(on_each, query) == ids, query
    incoming = (await on_each.get("getStatuses", "type=incoming&limit=1")).json()["items"]
    assert incoming == [(await on_each.get("getStatus", "idMessage=A1")).json()]


async def test_what_waits_is_listed_in_its_order(on_each: Tenant) -> None:
    now = on_each.running.built.clock.now_ms() // 1000
    await on_each.simulate({"event": "state", "state": "notAuthorized"})
    await on_each.state("notAuthorized")

    async def send(message: str, **more: Any) -> str:
        reply = await on_each.post("sendTextStatus", {"message": message} | more)
        return str(reply.json()["idMessage"])

    late = await send("late", sendAt=now + 7200)
    soon = await send("soon", sendAt=now + 3600, participants=[PEOPLE[0]])
    first = await send("first")
    second = await send("second", participants=PEOPLE[:3])
    assert await listed(on_each, "type=queued&limit=1") == [first, second, soon, late]
    assert await listed(on_each, f"type=queued&from={now + 3600}&to={now + 7200}") == [soon]
    assert await listed(on_each, "type=queued&typeMessage=imageMessage") == []
    assert await listed(on_each, "type=queued&statusMessage=sent") == []
    assert len(await listed(on_each, "type=queued&statusMessage=pending")) == 4
    [found] = await pages(on_each, "type=queued")
    for item in found:
        shown = (await on_each.get("getStatus", f"idMessage={item['idMessage']}")).json()
        del shown["participants"], shown["extendedTextMessage"]["participants"]
        assert item | shown == item
    audiences = [item["audience"] for item in found]
    assert [one["requested"] for one in audiences] == [None, 3, 1, None]
    assert [one["resolved"] for one in audiences] == [0, 3, None, None]


@pytest.mark.parametrize(
    ("query", "detail"),
    [
        ("", "'type' is required"),
        ("type=mine", "'type' must be one of [incoming, outgoing, queued]"),
        ("type=queued&limit=201", "'limit' must be less than or equal to 200"),
        ("type=queued&from=-1", "'from' must be greater than or equal to 0"),
        ("type=queued&to=now", "'to' must be a number"),
        ("type=queued&before=WzEsMl0", "'before' is not a cursor of this list"),
        ("type=incoming&before=WzEsMCwwLCJ4Il0", "'before' is not a cursor of this list"),
        (
            "type=incoming&chatId=Anna",
            "'chatId' must be one of the next formats: 'phone_number@c.us' or 'chat_id@lid'",
        ),
    ],
)
async def test_a_list_names_what_is_wrong(tenant: Tenant, query: str, detail: str) -> None:
    reply = await tenant.get("getStatuses", query)
    assert (reply.code, reply.message) == details(detail)


async def test_viewers_come_by_name_with_all_they_did(on_each: Tenant) -> None:
    anna, boris, carla = PEOPLE[:3]
    now = on_each.running.built.clock.now_ms() // 1000
    await on_each.simulate(
        {"event": "contact", "id": anna, "name": "Anna", "contactName": "Anna K"},
        phone_status("B1", timestamp=now - 90),
        receipt("B1", boris, "delivered", now - 60),
        receipt("B1", anna, "delivered", now - 80),
        receipt("B1", anna, "read", now - 30),
        receipt("B1", carla, "read", now - 50),
    )
    nothing = {"reaction": None, "repliedAt": None, "sentAt": now - 90}
    told = {
        "Anna": nothing | {
            "participant": anna, "contactName": "Anna K", "name": "Anna", "status": "read",
            "deliveredAt": now - 80, "readAt": now - 30,
        },
        "Boris": nothing | {
            "participant": boris, "contactName": "", "name": "", "status": "delivered",
            "deliveredAt": now - 60, "readAt": None,
        },
        "Carla": nothing | {
            "participant": carla, "contactName": "", "name": "", "status": "read",
            "deliveredAt": now - 50, "readAt": now - 50,
        },
    }  # fmt: skip

    async def page(query: str = "") -> Any:
        reply = await on_each.get("getStatusViewers", f"idMessage=B1{query}")
        assert reply.code == 200, reply.body
        return reply.json()

    everybody = [told["Anna"], told["Carla"], told["Boris"]]
    assert await page() == {"items": everybody, "next": None}
    assert (await page("&show=read"))["items"] == everybody[:2]
    assert (await page("&show=unread"))["items"] == everybody[2:]
    assert await page("&show=failed") == {"items": [], "next": None}
    first = await page("&limit=2")
    assert first["items"] == everybody[:2]
    await on_each.simulate(receipt("B1", PEOPLE[4], "read", now))
    rest = await page(f"&limit=2&after={first['next']}")
    assert rest == {"items": everybody[2:], "next": None}


@pytest.mark.parametrize(
    ("query", "detail"),
    [
        ("limit=0", "'limit' must be greater than or equal to 1"),
        ("limit=501", "'limit' must be less than or equal to 500"),
        ("show=all", "'show' must be one of [failed, read, unread]"),
        ("after=W10", "'after' is not a cursor of this list"),
        ("after=WzFd", "'after' is not a cursor of this list"),
        ("after=%2e%2e%2f", "'after' is not a cursor of this list"),
        (f"after={'x' * 257}", "'after' length must be less than or equal to 256"),
    ],
)
async def test_viewers_name_what_is_wrong(tenant: Tenant, query: str, detail: str) -> None:
    await tenant.simulate(phone_status("B1"))
    reply = await tenant.get("getStatusViewers", f"idMessage=B1&{query}")
    assert reply.code == 400
    assert reply.message.startswith(details(detail)[1])


async def test_only_outgoing_statuses_have_viewers(tenant: Tenant) -> None:
    await tenant.simulate(
        {"event": "incomingStatus", "from": PEOPLE[0], "type": "text", "text": "x",
         "idMessage": "A1"}
    )  # fmt: skip
    for unknown in ("A1", "B1"):
        reply = await tenant.get("getStatusViewers", f"idMessage={unknown}")
        assert (reply.code, reply.message) == (400, "ID message notfound")
    later = tenant.running.built.clock.now_ms() // 1000 + 3600
    reply = await tenant.post("sendTextStatus", {"message": "later", "sendAt": later})
    scheduled = reply.json()["idMessage"]
    reply = await tenant.get("getStatusViewers", f"idMessage={scheduled}")
    assert reply.json() == {"items": [], "next": None}
