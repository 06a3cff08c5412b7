"""Scripts of ``simulate`` in any order: the API shows what a model says they mean."""

from typing import Any

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.integration.api.running import Running, Tenant

START = 1_710_134_000
ENGAGED = {
    "idMessage": st.sampled_from(["B1", "B2"]),
    "participant": st.sampled_from(["79000000001@c.us", "22200000000002@lid"]),
    "timestamp": st.integers(START, START + 5),
}
ENGAGEMENTS: st.SearchStrategy[dict[str, Any]] = st.one_of(
    st.fixed_dictionaries(
        {"event": st.just("receipt"), "status": st.sampled_from(["delivered", "read"])}
        | ENGAGED
    ),
    st.fixed_dictionaries(
        {"event": st.just("reaction"), "reaction": st.sampled_from(["💚", "👍", ""])} | ENGAGED
    ),
    st.fixed_dictionaries(
        {"event": st.just("reply"), "type": st.sampled_from(["text", "sticker"])}
        | {"text": st.just("Yes"), "replyId": st.sampled_from(["R1", "R2"])}
        | ENGAGED
    ),
)
POSTS = [
    {"event": "phoneStatus", "type": "text", "text": "Hi", "idMessage": status_id}
    for status_id in ("B1", "B2")
]
DELETIONS = st.sampled_from([[], [], [{"event": "deleteStatus", "idMessage": "B2"}]])
SCRIPTS = st.builds(
    lambda engagements, deletions: [*POSTS, *engagements, *deletions],
    st.lists(ENGAGEMENTS, min_size=5, max_size=25),
    DELETIONS,
).flatmap(st.permutations)


class Row(msgspec.Struct):
    """What one person did with one status."""

    delivered: int | None = None
    read: int | None = None
    reaction: tuple[int, bool, str] | None = None
    replies: dict[str, int] = msgspec.field(default_factory=dict)

    def receive(self, at: int) -> None:
        self.delivered = min(at, self.delivered or at)

    def view(self, at: int) -> None:
        self.read = min(at, self.read or at)

    @property
    def shown(self) -> dict[str, Any] | None:
        """As getStatusViewers has it; None: nothing but replies, which make no recipient."""
        if self.read is None and self.delivered is None:
            return None
        return {
            "status": "delivered" if self.read is None else "read",
            "deliveredAt": min(at for at in (self.delivered, self.read) if at is not None),
            "readAt": self.read,
            "reaction": (self.reaction[2] or None) if self.reaction else None,
            "repliedAt": max(self.replies.values(), default=None),
        }


class Model:
    """What a script makes of the account's statuses."""

    def __init__(self) -> None:
        self.posted: set[str] = set()
        self._deleted: set[str] = set()
        self._rows: dict[str, dict[str, Row]] = {}

    def take(self, event: dict[str, Any]) -> None:
        status_id = event["idMessage"]
        if event["event"] == "deleteStatus":
            self._deleted.add(status_id)
            self.posted.discard(status_id)
        elif event["event"] == "phoneStatus":
            self.posted |= {status_id} - self._deleted
        else:
            self._engage(status_id, event)

    def _engage(self, status_id: str, event: dict[str, Any]) -> None:
        rows = self._rows.setdefault(status_id, {})
        row, at = rows.setdefault(event["participant"], Row()), event["timestamp"]
        match event["event"], event.get("status"):
            case "receipt", "delivered":
                row.receive(at)
            case "receipt", _:
                row.view(at)
            case "reaction", _:
                row.view(at)
                latest = (at, not event["reaction"], event["reaction"])
                row.reaction = max(latest, row.reaction or latest)
            case _:
                row.replies.setdefault(event["replyId"], at)

    def viewers(self, status_id: str) -> dict[str, dict[str, Any]]:
        rows = self._rows.get(status_id, {})
        return {person: shown for person, row in rows.items() if (shown := row.shown)}

    def reactions(self, status_id: str) -> set[tuple[str, str, int]]:
        rows = self._rows.get(status_id, {})
        latest = {person: row.reaction for person, row in rows.items() if row.reaction}
        return {(person, emoji, at) for person, (at, _, emoji) in latest.items() if emoji}

    def replies(self, status_id: str) -> set[tuple[str, str, int]]:
        rows = self._rows.get(status_id, {})
        return {
            (person, reply_id, at)
            for person, row in rows.items()
            for reply_id, at in row.replies.items()
        }

    def totals(self) -> dict[str, int]:
        rows = [row for one in self.posted for row in self._rows.get(one, {}).values()]
        shown = [one for row in rows if (one := row.shown)]
        return {
            "posted": len(self.posted),
            "recipients": len(shown),
            "delivered": len(shown),
            "read": sum(one["status"] == "read" for one in shown),
            "reactions": sum(one["reaction"] is not None for one in shown),
            "replies": sum(len(row.replies) for row in rows),
        }


async def viewers(tenant: Tenant, status_id: str) -> dict[str, dict[str, Any]]:
    """Who did what with a status, as the API has it."""
    page = (await tenant.get("getStatusViewers", f"idMessage={status_id}")).json()
    keys = Row(delivered=START).shown or {}
    return {one["participant"]: {key: one[key] for key in keys} for one in page["items"]}


async def engaged(tenant: Tenant, what: str, status_id: str, key: str) -> set[Any]:
    """Person, *key* and time of each reaction or reply, as the API has it."""
    found = (await tenant.get(f"getStatus{what}", f"idMessage={status_id}")).json()
    shown = {(one["participant"], one[key], one["timestamp"]) for one in found}
    assert len(shown) == len(found)
    return shown


async def totals(tenant: Tenant) -> dict[str, int]:
    days = (await tenant.get("getStatusesSummary", "days=2")).json()["days"]
    return {key: sum(day[key] for day in days) for key in days[0] if key != "date"}


@given(script=SCRIPTS, cut=st.integers(0, 25))
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
async def test_a_script_in_any_order_gives_what_its_events_say(
    running: Running, script: list[dict[str, Any]], cut: int
) -> None:
    tenant, model = await running.create(), Model()
    for part in (script[:cut], script[cut:], script):  # all of it again changes nothing
        for event in part:
            model.take(event)
        if part:
            await tenant.simulate(*(_by(tenant, event) for event in part))
        for status_id in model.posted:
            assert await viewers(tenant, status_id) == model.viewers(status_id)
            reactions = await engaged(tenant, "Reactions", status_id, "reaction")
            assert reactions == model.reactions(status_id)
            replies = await engaged(tenant, "Replies", status_id, "idMessage")
            assert replies == model.replies(status_id)
        assert await totals(tenant) == model.totals()


def _by(tenant: Tenant, event: dict[str, Any]) -> dict[str, Any]:
    """An event; what is deleted is deleted by the account itself."""
    own = f"7{tenant.id:010d}@c.us"
    return event | ({"from": own} if event["event"] == "deleteStatus" else {})
