"""Companions that are linked without pairing are as good as paired ones."""

from __future__ import annotations

import pytest

from tests.waiting import until
from tests.whatsapp.client import FakeWhatsApp
from tests.whatsapp.conftest import NewPerson
from tests.whatsapp.engines import RawEngine

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("rules")]


@pytest.fixture
def linked(fake: FakeWhatsApp, newcomer: RawEngine, new_person: NewPerson) -> RawEngine:
    newcomer.person = new_person()
    newcomer.jid = fake.link(newcomer.person, newcomer.directory / newcomer.store, device=3)
    return newcomer


def test_a_device_linked_at_once_logs_in_posts_and_receives(
    fake: FakeWhatsApp, linked: RawEngine, viewer: RawEngine
) -> None:
    linked.call("connect")
    linked.wait("ConnectedEv")
    assert linked.found("QR") == linked.found("PairStatusEv") == []
    assert linked.jid == linked.person.device(3)
    assert fake.connected(linked.jid)
    linked.know(viewer.person)
    viewer.know(linked.person)
    posted = linked.post("from a device that never paired")
    assert viewer.message(posted)["Message"]["extendedTextMessage"]["text"].startswith("from")
    linked.receipt(posted, "INACTIVE")
    answered = viewer.post("to a device that never paired")
    assert linked.message(answered)["Info"]["ID"] == answered


def test_it_keeps_its_session_over_a_restart_and_has_keys_left(
    fake: FakeWhatsApp, linked: RawEngine
) -> None:
    linked.call("connect")
    linked.wait("ConnectedEv")
    linked.restart()
    linked.wait("ConnectedEv")
    fake.use_up_keys(linked.jid, left=3)
    until(lambda: (fake.device(linked.jid) or {})["keys"] > 50, "more keys")


def test_a_poisoned_login_ends_the_client_s_process(
    fake: FakeWhatsApp, linked: RawEngine
) -> None:
    fake.fault("poison", linked.jid)
    linked.call("connect")
    until(lambda: linked.ended, "the process")
    assert "panic: interface conversion" in linked.log()
    assert fake.history(event="login", device=linked.jid)
    fake.clear_faults()
    linked.restart()
    linked.wait("ConnectedEv")
