"""The journal port: people, their names, and that they are one person (contract 7.4)."""

import pytest

from statusgate.domain.address import Address
from statusgate.domain.contact import Contact
from statusgate.journal import Transaction
from tests.databases import OWN, Account
from tests.factories import INSTANCE, NOON_MS, new_status, person

PHONE, LID, BOTH = Address(phone="7900"), Address(lid="42"), Address("7900", "42")


async def names(account: Account) -> list[tuple[str, str, str]]:
    found = await account.read(lambda reader: reader.contacts(INSTANCE))
    return [(one.address.chat_id, one.name, one.contact_name) for one in found]


async def tell(account: Account, *contacts: Contact) -> list[str]:
    changed = await account.write(lambda tx: tx.record_contacts(INSTANCE, contacts))
    return [one.address.chat_id for one in changed]


async def test_contacts_keep_the_order_in_which_they_became_known(account: Account) -> None:
    await account.write(lambda tx: tx.record_name(INSTANCE, person(1), "met, no contact"))
    await tell(account, Contact(address=person(3), name="C"), Contact(address=person(2)))
    await tell(account, Contact(address=person(1), contact_name="A"))
    await account.write(lambda tx: tx.name_contact(INSTANCE, person(0), "Z"))
    await tell(account, Contact(address=person(3), name="C2"))
    assert await names(account) == [
        (person(3).chat_id, "C2", ""),
        (person(2).chat_id, "", ""),
        (person(1).chat_id, "met, no contact", "A"),
        (person(0).chat_id, "", "Z"),
    ]


async def test_only_contacts_that_changed_are_reported(account: Account) -> None:
    anna = Contact(address=person(1), name="Anna", contact_name="Anna K")
    who = person(1).chat_id
    assert await tell(account, anna) == [who]
    assert await tell(account, anna) == []
    assert await tell(account, Contact(address=person(1), name="Ann")) == [who]
    assert await tell(account, Contact(address=person(1))) == []
    assert await names(account) == [(who, "Ann", "Anna K")]


async def test_the_own_book_wins_over_the_synced_name(account: Account) -> None:
    who = person(1).chat_id
    await tell(account, Contact(address=person(1), contact_name="synced"))
    named = await account.write(lambda tx: tx.name_contact(INSTANCE, person(1), "mine"))
    assert named.contact_name == "mine"
    assert await tell(account, Contact(address=person(1), contact_name="synced anew")) == []
    assert await names(account) == [(who, "", "mine")]
    await account.write(lambda tx: tx.name_contact(INSTANCE, person(1), ""))
    assert await names(account) == [(who, "", "")]


async def test_a_name_is_news_once(account: Account) -> None:
    seen = [
        await account.write(lambda tx, name=name: tx.record_name(INSTANCE, PHONE, name))  # type: ignore[misc]
        for name in ("Anna", "Anna", "Ann")
    ]
    assert seen == [True, False, True]
    found = await account.read(lambda reader: reader.contact(INSTANCE, PHONE))
    assert found is not None
    assert found.name == "Ann"


async def test_an_unknown_address_is_no_contact(account: Account) -> None:
    assert await account.read(lambda reader: reader.contact(INSTANCE, PHONE)) is None
    assert await account.read(lambda reader: reader.contact(INSTANCE, Address())) is None


async def test_the_account_is_nobodys_contact(account: Account) -> None:
    assert await tell(account, Contact(address=OWN, name="me")) == []
    assert not await account.write(lambda tx: tx.record_name(INSTANCE, OWN, "me"))
    assert not await account.write(lambda tx: tx.learn_identity(INSTANCE, OWN))
    named = await account.write(lambda tx: tx.name_contact(INSTANCE, OWN, "me"))
    assert (named.address, named.contact_name) == (OWN, "me")
    assert await names(account) == []


@pytest.mark.parametrize("first", [PHONE, LID])
async def test_a_phone_learns_its_lid(account: Account, first: Address) -> None:
    await tell(account, Contact(address=first, name="Anna"))
    assert await account.write(lambda tx: tx.learn_identity(INSTANCE, BOTH))
    for half in (PHONE, LID, BOTH):
        found = await account.read(lambda reader, half=half: reader.contact(INSTANCE, half))  # type: ignore[misc]
        assert found is not None
        assert (found.address, found.name) == (BOTH, "Anna")
    assert await names(account) == [("7900@c.us", "Anna", "")]


async def test_two_halves_become_one_contact_in_the_better_place(account: Account) -> None:
    await tell(account, Contact(address=LID, name="by lid", contact_name="Anna K"))
    await tell(account, Contact(address=person(2)))
    await tell(account, Contact(address=PHONE, name="by phone"))
    await account.write(lambda tx: tx.name_contact(INSTANCE, LID, "mine"))
    assert await account.write(lambda tx: tx.learn_identity(INSTANCE, BOTH))
    assert await names(account) == [
        ("7900@c.us", "by phone", "mine"),
        (person(2).chat_id, "", ""),
    ]


async def test_an_address_with_both_halves_joins_them_anywhere(account: Account) -> None:
    await tell(account, Contact(address=LID, name="a"), Contact(address=PHONE, name="b"))
    assert len(await names(account)) == 2
    await tell(account, Contact(address=BOTH, name="c"))
    assert await names(account) == [("7900@c.us", "c", "")]


async def test_addresses_in_conflict_are_not_merged(account: Account) -> None:
    def work(tx: Transaction) -> list[bool]:
        return [
            tx.learn_identity(INSTANCE, Address("1", "91")),
            tx.learn_identity(INSTANCE, Address("2", "92")),
            tx.learn_identity(INSTANCE, Address("1", "92")),
            tx.learn_identity(INSTANCE, Address("3", "91")),
            tx.learn_identity(INSTANCE, Address("1", "93")),
        ]

    assert await account.write(work) == [True, True, False, False, False]

    def ask(reader: Transaction) -> list[str]:
        halves = [Address(lid="91"), Address(lid="92"), Address(phone="3")]
        found = [reader.contact(INSTANCE, half) for half in halves]
        return [one.address.chat_id if one else "" for one in found]

    assert await account.read(ask) == ["1@c.us", "2@c.us", "3@c.us"]


async def test_half_an_address_teaches_nothing(account: Account) -> None:
    assert not await account.write(lambda tx: tx.learn_identity(INSTANCE, PHONE))
    assert await account.read(lambda reader: reader.contact(INSTANCE, PHONE)) is None


async def test_one_batch_may_hold_all_spellings_of_strangers(account: Account) -> None:
    told = [PHONE, LID, BOTH, person(1), Address(person(1).phone, "77"), Address(lid="77")]
    await tell(account, *(Contact(address=one) for one in told))
    assert [one[0] for one in await names(account)] == ["7900@c.us", person(1).chat_id]


async def test_statuses_of_one_author_merge_and_the_earlier_copy_stays(
    account: Account,
) -> None:
    def work(tx: Transaction) -> None:
        tx.record_status(INSTANCE, new_status(1, author=PHONE, posted_ms=NOON_MS + 5, text="b"))
        tx.record_status(INSTANCE, new_status(1, author=LID, posted_ms=NOON_MS, text="a"))
        tx.record_status(INSTANCE, new_status(2, author=LID))
        tx.learn_identity(INSTANCE, BOTH)

    await account.write(work)
    found = await account.read(
        lambda reader: reader.statuses(INSTANCE, outgoing=False, since_ms=0)
    )
    assert [(one.text, one.author) for one in found] == [("status 2", BOTH), ("a", BOTH)]


async def test_a_deletion_by_phone_meets_its_status_by_lid(account: Account) -> None:
    key = new_status(1).status_id

    def work(tx: Transaction) -> None:
        tx.record_status(INSTANCE, new_status(1, author=LID))
        tx.record_deletion(INSTANCE, key, PHONE, NOON_MS)
        tx.record_gap(INSTANCE, new_status(2).status_id, LID, NOON_MS)
        tx.record_status(INSTANCE, new_status(2, author=PHONE))

    await account.write(work)
    assert await account.status(key) is not None
    await account.write(lambda tx: tx.learn_identity(INSTANCE, BOTH))
    assert await account.status(key) is None
    late = await account.write(lambda tx: tx.record_status(INSTANCE, new_status(1, author=LID)))
    assert late is None


async def test_ten_thousand_contacts_come_in_one_batch(account: Account) -> None:
    told = [Contact(address=Address(f"7{no}", f"9{no}"), name="x") for no in range(10_000)]
    assert len(await tell(account, *told)) == 10_000
    assert await tell(account, *told) == []
    assert len(await names(account)) == 10_000


async def test_many_people_are_looked_up_at_once_by_any_of_their_numbers(
    account: Account,
) -> None:
    await account.write(lambda tx: tx.learn_identity(INSTANCE, BOTH))
    await account.write(lambda tx: tx.record_name(INSTANCE, PHONE, "Anna"))
    await tell(account, Contact(address=person(1), name="B", contact_name="Boris"))
    wanted = [PHONE, LID, person(1), person(7)]
    found = await account.read(lambda tx: tx.known(INSTANCE, wanted))
    assert {who: (one.address, one.name, one.contact_name) for who, one in found.items()} == {
        PHONE: (BOTH, "Anna", ""),
        LID: (BOTH, "Anna", ""),
        person(1): (person(1), "B", "Boris"),
    }
    assert await account.read(lambda tx: tx.known(INSTANCE, [])) == {}
