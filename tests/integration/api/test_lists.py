"""Lists and sums over HTTP (contract 12.10)."""

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
