"""People: their phones, LIDs and names."""

from abc import abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from statusgate.domain.address import Address
from statusgate.domain.contact import Contact, KnownContact
from statusgate.domain.ids import InstanceId

from .instances import Part, address_of
from .session import Call, clean


class Person(msgspec.Struct, frozen=True):
    """One row of people; *phone* and *lid* are None while unknown."""

    no: int
    phone: str | None
    lid: str | None
    name: str = ""
    contact_name: str = ""
    book_name: str | None = None
    known_no: int | None = None

    @property
    def address(self) -> Address:
        return Address(self.phone or "", self.lid or "")

    @property
    def shown_name(self) -> str:
        """The contact name in force: the account's own book wins over the synced one."""
        return self.contact_name if self.book_name is None else self.book_name

    @property
    def contact(self) -> KnownContact:
        """The person as others see them."""
        return KnownContact(
            no=self.no,
            address=self.address,
            name=self.name,
            contact_name=self.shown_name,
            rank=self.known_no,
        )


class Directory:
    """People by phone and by LID, as far as they were looked up."""

    def __init__(self, people: Iterable[Person] = ()) -> None:
        self._by_phone: dict[str, Person] = {}
        self._by_lid: dict[str, Person] = {}
        for person in people:
            self.add(person)

    def add(self, person: Person) -> None:
        if person.phone:
            self._by_phone[person.phone] = person
        if person.lid:
            self._by_lid[person.lid] = person

    def by_phone(self, address: Address) -> Person | None:
        return self._by_phone.get(address.phone)

    def by_lid(self, address: Address) -> Person | None:
        return self._by_lid.get(address.lid)

    def person(self, address: Address) -> Person | None:
        """The person with that address; if phone and LID disagree, the phone counts."""
        return self._by_phone.get(address.phone) or self._by_lid.get(address.lid)

    def agrees(self, address: Address) -> bool:
        """Whether the directory knows that both halves of *address* are one person."""
        return not (address.phone and address.lid) or (
            self.by_phone(address) is not None
            and self.by_phone(address) is self.by_lid(address)
        )


class People(Part):
    def contacts(self, instance_id: InstanceId) -> list[KnownContact]:
        """In the order in which they became known, then by id (contract 7.4)."""
        rows = self._db.run("contacts", instance_id=instance_id)
        return [_person_of(row).contact for row in rows]

    def contact(self, instance_id: InstanceId, address: Address) -> KnownContact | None:
        """A known person, a contact or only a viewer; None if unknown."""
        return self.known(instance_id, [address]).get(address)

    def known(
        self, instance_id: InstanceId, addresses: Sequence[Address]
    ) -> dict[Address, KnownContact]:
        """The known people among *addresses*, contacts or only viewers."""
        directory = self._look_up(instance_id, addresses)
        found = {one: person.no for one in addresses if (person := directory.person(one))}
        people = self._people(instance_id, set(found.values())) if found else {}
        return {address: people[number].contact for address, number in found.items()}

    def record_contacts(
        self, instance_id: InstanceId, contacts: Sequence[Contact]
    ) -> list[KnownContact]:
        """Update people from WhatsApp's contacts; returns those new or shown differently."""
        numbers = self._numbers(instance_id, [contact.address for contact in contacts])
        people = self._people(instance_id, set(numbers.values()))
        before = dict(people)
        for contact in contacts:
            number = numbers.get(contact.address)
            if number is not None:
                people[number] = _updated(people[number], contact)
        return self._save_contacts(instance_id, before, people)

    def record_name(self, instance_id: InstanceId, address: Address, name: str) -> bool:
        """Record a person's own name and addresses; True if the shown name changed."""
        number = self._number(instance_id, address)
        if number is None:
            return False
        person = self._person(instance_id, number)
        if person.name == clean(name):
            return False
        self._save(instance_id, [msgspec.structs.replace(person, name=name)])
        return True

    def name_contact(
        self, instance_id: InstanceId, address: Address, contact_name: str
    ) -> KnownContact:
        """Name a contact in the instance's own book; it wins over the synced name (7.4)."""
        number = self._number(instance_id, address)
        if number is None:
            # The account is not its own contact: answer as asked, keep nothing.
            return KnownContact(no=0, address=address, name="", contact_name=contact_name)
        before = self._person(instance_id, number)
        named = msgspec.structs.replace(before, book_name=clean(contact_name))
        self._save_contacts(instance_id, {number: before}, {number: named})
        return named.contact

    def learn_identity(self, instance_id: InstanceId, address: Address) -> bool:
        """Join phone and LID to one person; rows and statuses merge. False if known."""
        if not (address.phone and address.lid) or address.meets(self._account(instance_id)):
            return False
        known = self._look_up(instance_id, [address])
        return not known.agrees(address) and self._learn(instance_id, address, known)

    # -- for the other parts of the journal

    def _number(self, instance_id: InstanceId, address: Address) -> int | None:
        return self._numbers(instance_id, [address]).get(address)

    def _numbers(
        self, instance_id: InstanceId, addresses: Iterable[Address]
    ) -> dict[Address, int]:
        """As ``_persons``, by number."""
        persons = self._persons(instance_id, addresses)
        return {address: person.no for address, person in persons.items()}

    def _persons(
        self, instance_id: InstanceId, addresses: Iterable[Address]
    ) -> dict[Address, Person]:
        """Find people without their names; the unknown are added, the account left out."""
        asked = [one for one in dict.fromkeys(addresses) if one]
        account, people = self._db.run_each(
            ("account", {"instance_id": instance_id}), _by_address(instance_id, asked)
        )
        own = address_of(account)
        wanted = [one for one in asked if not one.meets(own)]
        known = _directory(people)
        self._meet(instance_id, wanted, known)
        if unknown := [address for address in wanted if not known.agrees(address)]:
            for address in unknown:
                self._learn(instance_id, address, self._look_up(instance_id, [address]))
            known = self._look_up(instance_id, wanted)
        return {one: person for one in wanted if (person := known.person(one))}

    def _look_up(self, instance_id: InstanceId, addresses: Sequence[Address]) -> Directory:
        (rows,) = self._db.run_each(_by_address(instance_id, addresses))
        return _directory(rows)

    def _meet(
        self, instance_id: InstanceId, wanted: Sequence[Address], known: Directory
    ) -> None:
        """Add a person for every address of which neither half is known."""
        strangers: list[Address] = []
        met = Directory()
        for address in sorted(wanted, key=lambda one: not (one.phone and one.lid)):
            if known.person(address) is None and met.person(address) is None:
                strangers.append(address)
                met.add(Person(0, address.phone, address.lid))
        if not strangers:
            return
        last = self._take_numbers(instance_id, "person_no", len(strangers))
        people = [
            Person(number, address.phone or None, address.lid or None)
            for number, address in enumerate(strangers, last - len(strangers) + 1)
        ]
        for person in people:
            known.add(person)
        rows = [[person.no, person.phone, person.lid] for person in people]
        self._db.send("add_people", instance_id=instance_id, people=rows)

    def _learn(self, instance_id: InstanceId, address: Address, known: Directory) -> bool:
        """Record that both halves of *address* are one person; False if nothing changed.

        Halves that already belong to other people stay theirs.
        """
        by_phone, by_lid = known.by_phone(address), known.by_lid(address)
        if by_phone is None and (by_lid is None or by_lid.phone is not None):
            stranger = address if by_lid is None else Address(phone=address.phone)
            self._meet(instance_id, [stranger], Directory())
            return by_lid is None
        if by_phone is None or by_phone is by_lid:
            return by_lid is not None and self._complete(instance_id, by_lid.no, address)
        if by_phone.lid is not None or (by_lid is not None and by_lid.phone is not None):
            return False
        if by_lid is not None:
            self._join_people(instance_id, by_phone.no, by_lid.no)
        return self._complete(instance_id, by_phone.no, address)

    def _complete(self, instance_id: InstanceId, number: int, address: Address) -> bool:
        self._db.send(
            "set_address",
            instance_id=instance_id,
            person_no=number,
            phone=address.phone,
            lid=address.lid,
        )
        return True

    @abstractmethod
    def _join_people(self, instance_id: InstanceId, into_no: int, from_no: int) -> None:
        """Move all that *from_no* has to *into_no* and delete *from_no* (merging.py)."""

    def _person(self, instance_id: InstanceId, number: int) -> Person:
        return self._people(instance_id, {number})[number]

    def _people(self, instance_id: InstanceId, numbers: set[int]) -> dict[int, Person]:
        rows = self._db.run(
            "people_by_number",
            instance_id=instance_id,
            numbers=[[number] for number in sorted(numbers)],
        )
        return {row.person_no: _person_of(row) for row in rows}

    def _save_contacts(
        self,
        instance_id: InstanceId,
        before: dict[int, Person],
        people: dict[int, Person],
    ) -> list[KnownContact]:
        """Save people as contacts; returns those that are new or shown differently."""
        changed = {
            number: person
            for number, person in people.items()
            if person != before[number] or person.known_no is None
        }
        if not changed:
            return []
        rank = int(self._db.run("last_known_no", instance_id=instance_id)[0].known_no)
        for number, person in changed.items():
            if person.known_no is None:
                rank += 1
                changed[number] = msgspec.structs.replace(person, known_no=rank)
        self._save(instance_id, changed.values())
        return [
            person.contact
            for number, person in changed.items()
            if before[number].known_no is None or person.contact != before[number].contact
        ]

    def _save(self, instance_id: InstanceId, people: Iterable[Person]) -> None:
        rows = [
            [one.no, one.name, one.contact_name, one.book_name, one.known_no] for one in people
        ]
        self._db.send("save_people", instance_id=instance_id, people=rows)


def _by_address(instance_id: InstanceId, addresses: Sequence[Address]) -> Call:
    return "people_by_address", {
        "instance_id": instance_id,
        "phones": [[address.phone] for address in addresses if address.phone],
        "lids": [[address.lid] for address in addresses if address.lid],
    }


def _directory(rows: Iterable[Any]) -> Directory:
    return Directory(Person(row.person_no, row.phone, row.lid) for row in rows)


def _person_of(row: Any) -> Person:
    return Person(
        no=row.person_no,
        phone=row.phone,
        lid=row.lid,
        name=row.name,
        contact_name=row.contact_name,
        book_name=row.book_name,
        known_no=row.known_no,
    )


def _updated(person: Person, contact: Contact) -> Person:
    """The person with what an engine reports; None leaves a name as it is."""
    return msgspec.structs.replace(
        person,
        name=person.name if contact.name is None else clean(contact.name),
        contact_name=(
            person.contact_name if contact.contact_name is None else clean(contact.contact_name)
        ),
    )
