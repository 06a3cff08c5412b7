"""Who gets a status, and who does not and why."""

from hypothesis import given
from hypothesis import strategies as st

from statusgate.domain.address import Address
from statusgate.domain.audience import (
    Choice,
    Excluded,
    Reason,
    choose_contacts,
    choose_named,
    stranger,
    summary,
    without,
)
from statusgate.domain.contact import KnownContact
from statusgate.domain.outbox import MOST_LISTED, LeftOut
from tests.factories import person

ME = Address(phone="79990000000", lid="111")


def contact(number: int, name: str = "Name", **more: object) -> KnownContact:
    values = {"no": number, "address": person(number), "name": "", "contact_name": name}
    return KnownContact(**(values | {"rank": number} | more))  # type: ignore[arg-type]


def test_all_contacts_are_those_with_a_name() -> None:
    named, nameless = contact(1), contact(2, "")
    own = contact(3, address=Address(phone=ME.phone))
    choice = choose_contacts([named, nameless, own], ME)
    assert choice.people == (named,)
    assert choice.excluded == (
        Excluded(person(2).chat_id, Reason.NO_CONTACT_NAME),
        Excluded(f"{ME.phone}@c.us", Reason.SELF),
    )


def test_a_phone_and_a_lid_of_one_person_are_one_recipient() -> None:
    both = contact(1, address=Address(phone="5", lid="6"))
    by_phone, by_lid = Address(phone="5"), Address(lid="6")
    choice = choose_named([by_lid, by_phone], {by_lid: both, by_phone: both}, ME)
    assert choice == Choice((both,), (Excluded("5@c.us", Reason.DUPLICATE),))


def test_the_account_never_gets_its_own_under_any_address() -> None:
    choice = choose_named([Address(phone=ME.phone), Address(lid=ME.lid)], {}, ME)
    assert choice.people == ()
    assert {one.reason for one in choice.excluded} == {Reason.SELF}


def test_a_limit_keeps_the_first_known_and_strangers_last() -> None:
    wanted = [person(9), person(3), person(1)]
    known = {person(3): contact(3), person(1): contact(1)}
    choice = choose_named(wanted, known, ME, 2)
    assert [one.no for one in choice.people] == [1, 3]
    assert choice.excluded == (Excluded(person(9).chat_id, Reason.OVER_LIMIT),)
    assert [one.no for one in choose_named(wanted, known, ME).people] == [0, 3, 1]


def test_those_whom_whatsapp_does_not_know_are_told() -> None:
    choice = without(Choice((contact(1), stranger(person(2))), ()), [person(2)], Reason.UNKNOWN)
    assert choice == Choice((contact(1),), (Excluded(person(2).chat_id, Reason.UNKNOWN),))


@given(
    st.lists(
        st.tuples(st.integers(1, 30), st.sampled_from(["", "N"])), unique_by=lambda x: x[0]
    ),
    st.one_of(st.none(), st.integers(1, 20)),
)
def test_everybody_is_either_in_or_out(people: list[tuple[int, str]], most: int | None) -> None:
    contacts = [contact(number, name) for number, name in people]
    for choice in (
        choose_contacts(contacts, ME, most),
        choose_named(
            [one.address for one in contacts], {one.address: one for one in contacts}, ME, most
        ),
    ):
        told = [one.address.chat_id for one in choice.people]
        told += [one.chat_id for one in choice.excluded]
        assert sorted(told) == sorted(one.address.chat_id for one in contacts)
        assert most is None or len(choice.people) <= most


def test_a_summary_counts_all_and_lists_some() -> None:
    many = [Excluded(f"{number}@c.us", Reason.UNKNOWN) for number in range(MOST_LISTED + 7)]
    (told,) = summary(many)
    assert (told.reason, told.count, len(told.participants)) == ("unknown", 107, 100)
    more = summary([Excluded("x", Reason.SELF), *many[:1]], [told])
    assert more == (
        LeftOut("unknown", 108, told.participants),
        LeftOut("self", 1, ("x",)),
    )
