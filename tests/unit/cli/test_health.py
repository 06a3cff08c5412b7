"""What ``statusgate instance status`` calls a trouble."""

from typing import Any

import msgspec
import pytest

from statusgate.cli.health import troubles
from statusgate.wire.glance import InstanceStatus

NOW = 1_710_134_811
WELL: dict[str, Any] = {
    "idInstance": 1, "name": "", "engine": "neonize", "phone": "",
    "stateInstance": "authorized", "stateSince": NOW - 7200, "statusInstance": "online",
    "lastPostedAt": None,
    "lastReceivedAt": None, "failed24h": 0,
    "queue": {"waiting": 9, "scheduled": 0, "nextAt": None},
    "notifications": {"waiting": 2, "oldestAt": NOW - 3599},
    "webhook": {"set": False, "failingSince": None, "lastStatus": 500, "lastError": "failed",
                "nextAttemptAt": None},
}  # fmt: skip


def named(changes: dict[str, Any]) -> list[str]:
    one = msgspec.convert(WELL | changes, InstanceStatus)
    return [what for _, what in troubles(one, NOW)]


def webhook(status: int | None, error: str | None) -> dict[str, Any]:
    shown = {"failingSince": NOW - 180, "lastStatus": status, "lastError": error}
    return {"webhook": WELL["webhook"] | shown}


@pytest.mark.parametrize(
    ("changes", "trouble"),
    [
        ({"stateInstance": "blocked"}, "blocked by WhatsApp for 2 h"),
        ({"stateInstance": "suspended"}, "suspended by WhatsApp for 2 h"),
        ({"stateInstance": "notAuthorized"}, "not linked to a phone for 2 h"),
        ({"stateInstance": "starting", "stateSince": NOW + 3}, "starting for 0 s"),
        ({"statusInstance": "offline"}, "no connection to WhatsApp"),
        (webhook(502, "failed"), "webhook fails for 3 min (HTTP 502)"),
        (webhook(None, "unreachable"), "webhook fails for 3 min (unreachable)"),
        (
            {"notifications": {"waiting": 2, "oldestAt": NOW - 3600}},
            "nobody took a notification for 1 h",
        ),
        ({"failed24h": 1}, "1 post failed within 24 h"),
        ({"failed24h": 2}, "2 posts failed within 24 h"),
    ],
)
def test_a_trouble_is_named(changes: dict[str, Any], trouble: str) -> None:
    assert named(changes) == [trouble]


def test_the_worst_trouble_comes_first_and_a_healthy_account_has_none() -> None:
    assert named({}) == []
    assert named({"failed24h": 3, "stateInstance": "blocked"} | webhook(410, "gone")) == [
        "blocked by WhatsApp for 2 h",
        "webhook fails for 3 min (HTTP 410)",
        "3 posts failed within 24 h",
    ]
