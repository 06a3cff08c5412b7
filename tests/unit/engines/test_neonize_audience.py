"""Who gets a status, and which names bring that about."""

from hypothesis import given
from hypothesis import strategies as st

from statusgate.domain.address import Address
from statusgate.domain.post import AudiencePrivacy, Skipped
from statusgate.engines.neonize.audience import (
    LIDS,
    PHONES,
    Entry,
    Form,
    Plan,
    plan_audience,
)

OWN = Address(phone="100", lid="900")
ANNA, BORIS, CLARA = (Address(phone=f"10{n}", lid=f"90{n}") for n in (1, 2, 3))
BOOK = {person.phone: person for person in (OWN, ANNA, BORIS, CLARA)}


def complete(address: Address) -> Address:
    for person in BOOK.values():
        if person.meets(address):
            return person
    return address


def plan(
    entries: list[Entry],
    chosen: list[Address] | None = None,
    privacy: AudiencePrivacy | None = None,
    form: Form = "pn",
) -> Plan:
    return plan_audience(
        entries, privacy or AudiencePrivacy(), chosen, form=form, own=OWN, complete=complete
    )


def library_sends_to(
    entries: list[Entry], privacy: AudiencePrivacy, made: Plan
) -> set[tuple[str, str]]:
    """The library's own rule, on the store as the plan leaves it."""
    rows = {entry.key: entry for entry in [*entries, *made.writes]}
    listed = {(one.phone, PHONES) for one in privacy.people}
    if privacy.kind == "whitelist":
        return listed
    named = {key for key, entry in rows.items() if entry.full}
    return named - listed if privacy.kind == "blacklist" else named


def row(person: Address, name: str = "Name") -> Entry:
    return Entry(person.phone, PHONES, name, name)


def test_everybody_with_a_name_without_a_single_write() -> None:
    nameless = Entry(CLARA.phone, PHONES, "", "")
    made = plan([row(ANNA), row(BORIS), nameless])
    assert made.recipients == (ANNA, BORIS)
    assert made.writes == made.restores == ()


def test_the_account_itself_is_no_recipient() -> None:
    assert plan([row(OWN), row(ANNA)]).recipients == (ANNA,)
    assert plan([row(ANNA)], [Address(lid=OWN.lid)]).recipients == ()


def test_a_chosen_few_keep_their_names_and_the_others_lose_them() -> None:
    made = plan([row(ANNA), row(BORIS)], [Address(phone=BORIS.phone)])
    assert made.recipients == (BORIS,)
    assert made.writes == (Entry(ANNA.phone, PHONES, "Name", ""),)
    assert made.restores == (row(ANNA),)


def test_a_chosen_stranger_gets_a_name_for_the_time_being() -> None:
    made = plan([], [Address(phone="555")])
    assert made.recipients == (Address(phone="555"),)
    assert made.writes == (Entry("555", PHONES, "", "555"),)
    assert made.restores == (Entry("555", PHONES, "", ""),)


def test_somebody_with_two_rows_is_reached_once() -> None:
    both = [row(ANNA), Entry(ANNA.lid, LIDS, "Name", "Name")]
    made = plan(both)
    assert made.recipients == (ANNA,)
    assert library_sends_to(both, AudiencePrivacy(), made) == {(ANNA.phone, PHONES)}
    assert plan([], [Address(phone=ANNA.phone), Address(lid=ANNA.lid)]).recipients == (ANNA,)


def test_by_lid_those_without_one_are_left_out() -> None:
    unknown = Address(phone="555")
    made = plan([row(ANNA)], [ANNA, unknown], form="lid")
    assert made.recipients == (ANNA,)
    assert made.skipped == (Skipped(unknown, "noAddress"),)
    assert library_sends_to([row(ANNA)], AudiencePrivacy(), made) == {(ANNA.lid, LIDS)}


def test_a_person_known_by_lid_alone_is_addressed_so() -> None:
    hidden = Address(lid="777")
    made = plan([Entry("777", LIDS, "X", "X")])
    assert made.recipients == (hidden,)
    assert made.writes == ()


def test_a_blacklist_holds_whatever_form_it_is_told_in() -> None:
    privacy = AudiencePrivacy("blacklist", (Address(lid=BORIS.lid),))
    made = plan([row(ANNA), row(BORIS)], privacy=privacy)
    assert made.recipients == (ANNA,)
    assert made.skipped == (Skipped(BORIS, "privacy"),)
    assert made.writes == (Entry(BORIS.phone, PHONES, "Name", ""),)


def test_a_whitelist_cannot_be_narrowed_and_says_so() -> None:
    privacy = AudiencePrivacy("whitelist", (BORIS, CLARA))
    entries = [row(ANNA), row(BORIS)]
    everybody = plan(entries, privacy=privacy)
    assert everybody.recipients == (BORIS, CLARA)
    assert everybody.skipped == (Skipped(ANNA, "privacy"),)
    assert everybody.unwanted == ()
    chosen = plan(entries, [BORIS], privacy)
    assert chosen.unwanted == (CLARA,)
    assert plan(entries, [ANNA, BORIS, CLARA], privacy).unwanted == ()


people = st.builds(
    lambda n, known: (
        Address(phone=str(n), lid=str(n + 800)) if known else Address(phone=str(n))
    ),
    st.integers(100, 112),
    st.just(False),
)
entries_of_phones = st.lists(
    st.builds(
        Entry,
        st.integers(100, 112).map(str),
        st.just(PHONES),
        st.just("F"),
        st.sampled_from(["", "Full"]),
    ),
    unique_by=lambda entry: entry.key,
    max_size=13,
)


@given(
    entries=entries_of_phones,
    chosen=st.none() | st.lists(people, max_size=8),
    listed=st.lists(people, max_size=4),
    kind=st.sampled_from(["contacts", "blacklist", "whitelist"]),
)
def test_the_library_reaches_exactly_the_recipients_and_names_come_back(
    entries: list[Entry], chosen: list[Address] | None, listed: list[Address], kind: str
) -> None:
    privacy = AudiencePrivacy(kind, tuple(listed) if kind != "contacts" else ())  # type: ignore[arg-type]
    made = plan(entries, chosen, privacy)
    sent = {user for user, _ in library_sends_to(entries, privacy, made)} - {OWN.phone}
    assert {person.phone for person in made.recipients} == sent
    rows = {entry.key: entry for entry in entries}
    after = rows | {e.key: e for e in made.writes} | {e.key: e for e in made.restores}
    assert {key: entry for key, entry in after.items() if entry.full} == {
        key: entry for key, entry in rows.items() if entry.full
    }
    reached = {person.phone for person in made.recipients}
    assert not reached & {skipped.address.phone for skipped in made.skipped}


def test_who_is_excluded_by_the_accounts_own_list() -> None:
    listed = (Address(lid=BORIS.lid),)
    both = Address(phone=BORIS.phone, lid=BORIS.lid)
    people = [ANNA, both]
    assert AudiencePrivacy("contacts", listed).excluded(people) == []
    assert AudiencePrivacy("blacklist", listed).excluded(people) == [both]
    assert AudiencePrivacy("whitelist", listed).excluded(people) == [ANNA]
