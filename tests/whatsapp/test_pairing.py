"""Real engines become devices, by QR and by code, and leave again."""

from __future__ import annotations

import pytest

from tests.waiting import until
from tests.whatsapp.client import ControlError, FakeWhatsApp
from tests.whatsapp.conftest import NewPerson
from tests.whatsapp.engines import RawEngine

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("rules")]


def test_an_engine_pairs_by_qr_and_logs_out(
    fake: FakeWhatsApp, newcomer: RawEngine, new_person: NewPerson
) -> None:
    person = new_person()
    fake.quick_pairing(False)
    device = newcomer.pair(person, device=7)
    fake.quick_pairing()
    assert device == person.device(7)
    paired = newcomer.wait("PairStatusEv")["data"]
    assert (paired["ID"]["User"], paired["ID"]["Device"]) == (person.phone, 7)
    assert newcomer.call("lid_of", phone=person.phone) == person.lid
    until(lambda: (fake.device(device) or {}).get("keys") == 812, what="keys uploaded")
    newcomer.call("logout")
    until(lambda: fake.device(device) is None, what="device forgotten")


def test_a_session_survives_a_restart(fake: FakeWhatsApp, guest: RawEngine) -> None:
    guest.restart()
    guest.wait("ConnectedEv")
    assert guest.found("QR") == []
    assert fake.connected(guest.jid)


def test_a_qr_that_nobody_shows_is_refused(fake: FakeWhatsApp, new_person: NewPerson) -> None:
    with pytest.raises(ControlError, match="five parts"):
        fake.scan("not a qr", new_person())
    with pytest.raises(ControlError, match="unknown or has expired"):
        fake.scan("x#ref,AAAA,AAAA,AAAA,1", new_person())


def test_a_companion_refuses_a_forged_confirmation(
    fake: FakeWhatsApp, newcomer: RawEngine, new_person: NewPerson
) -> None:
    """With another secret the server's signature of the pairing cannot be right."""
    newcomer.call("connect")
    link, _, fragment = newcomer.wait("QR")["data"].partition("#")
    parts = fragment.split(",")
    parts[3] = "AAAA"
    with pytest.raises(ControlError, match="hmac-mismatch"):
        fake.scan(f"{link}#{','.join(parts)}", new_person())


def test_an_engine_pairs_by_code(
    fake: FakeWhatsApp, newcomer: RawEngine, new_person: NewPerson
) -> None:
    person = new_person()
    newcomer.call("connect")
    newcomer.wait("QR")
    code = newcomer.call("pair_phone", phone=person.phone)
    assert len(code) == 9
    device = fake.enter_code(code, person, device=3)
    newcomer.wait("ConnectedEv")
    assert fake.connected(device)
    assert newcomer.call("lid_of", phone=person.phone) == person.lid


def test_a_wrong_code_does_not_pair_and_a_new_one_does(
    fake: FakeWhatsApp, newcomer: RawEngine, new_person: NewPerson
) -> None:
    person = new_person()
    with pytest.raises(ControlError, match="no companion waits"):
        fake.enter_code("AAAA-AAAA", person)
    newcomer.call("connect")
    newcomer.wait("QR")
    newcomer.call("pair_phone", phone=person.phone)
    with pytest.raises(ControlError, match="wrong code"):
        fake.enter_code("AAAA-AAAA", person)
    assert newcomer.found("ConnectedEv") == []
    fake.enter_code(newcomer.call("pair_phone", phone=person.phone), person)
    newcomer.wait("ConnectedEv")


def test_an_engine_uploads_more_keys_when_few_are_left(
    fake: FakeWhatsApp, third: RawEngine
) -> None:
    fake.use_up_keys(third.jid, left=3)
    until(lambda: (fake.device(third.jid) or {})["keys"] > 50)
