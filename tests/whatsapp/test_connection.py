"""Connections that break, sessions that end, servers that refuse."""

from __future__ import annotations

import contextlib
import sqlite3

import pytest

from tests.waiting import until
from tests.whatsapp.client import End, FakeWhatsApp, people
from tests.whatsapp.engines import RawEngine

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("rules")]


def sessions(engine: RawEngine) -> int:
    """How many sessions the engine's store holds."""
    store = sqlite3.connect(f"file:{engine.directory / 'store.db'}?mode=ro", uri=True)
    with contextlib.closing(store):
        return int(store.execute("SELECT count(*) FROM whatsmeow_device").fetchone()[0])


@pytest.mark.parametrize("how", ["close", "rst", "midframe"])
def test_an_engine_comes_back_after_a_drop(
    fake: FakeWhatsApp, author: RawEngine, viewer: RawEngine, how: End
) -> None:
    author.know(viewer.person)
    before = len(fake.history())
    fake.drop(viewer.jid, how)
    until(lambda: fake.history(before, "closed", viewer.jid))
    sent = author.post(f"during {how}")
    viewer.message(sent)
    assert fake.history(before, "login", viewer.jid)


def test_a_silent_connection_keeps_what_was_sent_for_the_next_one(
    fake: FakeWhatsApp, author: RawEngine, third: RawEngine
) -> None:
    author.know(third.person)
    fake.drop(third.jid, "silent")
    sent = author.post("into silence")
    assert not fake.connected(third.jid)
    third.restart()
    third.message(sent)


def test_a_connection_may_break_after_some_stanzas(
    fake: FakeWhatsApp, author: RawEngine, viewer: RawEngine
) -> None:
    """Those which were not acknowledged come again."""
    viewers = people(620_000, 10)
    fake.fault("drop_after", author.jid, times=1, stanzas=5, how="rst")
    before = len(fake.history())
    author.events.clear()
    fake.receipts(author.jid, "BROKEN-OFF", viewers, "read")
    until(lambda: fake.history(before, "login", author.jid))
    for person in viewers:
        author.receipt("BROKEN-OFF", "READ", person.phone)
    until(lambda: (fake.device(author.jid) or {})["waiting"] == 0)
    again = [each for each in fake.history(before, "sent", author.jid) if each["offline"]]
    assert 5 <= len(again) <= 10
    assert len(author.found("ReceiptEv")) <= 15


def test_a_replaced_engine_stays_away(fake: FakeWhatsApp, guest: RawEngine) -> None:
    before = len(fake.history())
    fake.replaced(guest.jid)
    guest.wait("StreamReplacedEv")
    until(lambda: fake.history(before, "closed", guest.jid))
    assert fake.history(before, "login", guest.jid) == []


def test_a_removed_engine_is_logged_out(fake: FakeWhatsApp, guest: RawEngine) -> None:
    fake.removed(guest.jid)
    guest.wait("LoggedOutEv")
    assert fake.device(guest.jid) is None
    until(lambda: sessions(guest) == 0, what="session deleted")  # while the event is told
    guest.restart()
    guest.wait("QR")


@pytest.mark.parametrize(
    ("reason", "event", "field", "value"),
    [
        (401, "LoggedOutEv", "Reason", "LOGGED_OUT"),
        (402, "TemporaryBanEv", "Expire", "3600"),
        (403, "LoggedOutEv", "Reason", "MAIN_DEVICE_GONE"),
        (405, "ClientOutdatedEv", None, None),
        (406, "LoggedOutEv", "Reason", "UNKNOWN_LOGOUT"),
        (409, "ConnectFailureEv", "Reason", "BAD_USER_AGENT"),
        (503, "ConnectedEv", None, None),
    ],
)
def test_a_refused_login_is_reported(
    fake: FakeWhatsApp,
    guest: RawEngine,
    reason: int,
    event: str,
    field: str | None,
    value: str | None,
) -> None:
    fake.fault("failure", guest.jid, times=1, reason=reason, code=101, expire=3600)
    guest.events.clear()
    fake.drop(guest.jid)
    found = guest.wait(event)["data"]
    if field is not None:
        assert str(found[field]) == value


def test_a_stream_error_for_a_status_leaves_the_connection_dead_but_open(
    fake: FakeWhatsApp, guest: RawEngine
) -> None:
    fake.stream_error(guest.jid)
    found = guest.wait("StreamErrorEv")
    assert found["data"].get("Code", "") == ""
    assert fake.connected(guest.jid)


def test_a_stream_error_515_makes_the_engine_reconnect(
    fake: FakeWhatsApp, third: RawEngine
) -> None:
    before = len(fake.history())
    fake.stream_error(third.jid, 515)
    until(lambda: fake.history(before, "login", third.jid))


def test_a_slow_line_delays_but_loses_nothing(
    fake: FakeWhatsApp, author: RawEngine, viewer: RawEngine
) -> None:
    author.know(viewer.person)
    fake.fault("slow", viewer.jid, latency_ms=100, bytes_per_s=20_000)
    sent = [author.post(f"slow {n}") for n in range(3)]
    for each in sent:
        viewer.message(each)


@pytest.mark.soak
@pytest.mark.timeout(180)
def test_unanswered_pings_are_reported_and_recover(
    fake: FakeWhatsApp, guest: RawEngine
) -> None:
    """The library pings every 20 to 30 s and waits 10 s."""
    fake.fault("stall_keepalive", guest.jid)
    guest.wait("KeepAliveTimeoutEv", deadline=60)
    fake.clear_faults()
    guest.wait("KeepAliveRestoredEv", deadline=60)
