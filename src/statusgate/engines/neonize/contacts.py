"""Watching the library's contact store, which tells nothing of its changes."""

import logging
import threading
from collections.abc import Callable, Iterable
from typing import Any

from neonize.exc import NeonizeError
from neonize.proto import Neonize_pb2 as wire
from neonize.utils.jid import build_jid

from statusgate.domain.address import Address
from statusgate.domain.contact import Contact
from statusgate.engines.neonize.audience import LIDS, PHONES, Entry
from statusgate.engines.neonize.convert import MAX_NAME, clean, jid_address

log = logging.getLogger(__name__)

PER_EVENT = 200


class ContactStore:
    """The library's contacts and its knowledge of who has which LID; all local, no network."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def entries(self) -> list[Entry]:
        """Return the rows of persons. Raises NeonizeError."""
        return [
            Entry(row.JID.User, row.JID.Server, row.Info.FirstName, row.Info.FullName)
            for row in self._client.contact.get_all_contacts()
            if jid_address(row.JID) is not None
        ]

    def write(self, entries: Iterable[Entry]) -> None:
        """Replace the names of rows; missing ones are added. Raises NeonizeError."""
        rows = [
            wire.ContactEntry(
                JID=build_jid(entry.user, entry.server),
                FirstName=entry.first,
                FullName=entry.full,
            )
            for entry in entries
        ]
        if rows:
            self._client.contact.put_all_contact_name(rows)

    def complete(self, person: Address) -> Address:
        """Add the other form of an address if the library knows it."""
        try:
            if person.phone and not person.lid:
                found = self._client.get_lid_from_pn(build_jid(person.phone, PHONES))
            elif person.lid and not person.phone:
                found = self._client.get_pn_from_lid(build_jid(person.lid, LIDS))
            else:
                return person
        except NeonizeError:
            return person
        other = jid_address(found)  # an unknown one is empty, no error
        if other is None:
            return person
        return Address(phone=person.phone or other.phone, lid=person.lid or other.lid)

    def contacts(self) -> dict[str, Contact]:
        """Return all persons with a name, by phone, or by LID while the phone is unknown.

        Somebody may have two rows, one for each address; each may tell something else.
        """
        found: dict[str, Contact] = {}
        for row in self._client.contact.get_all_contacts():
            address = jid_address(row.JID)
            own_name = clean(row.Info.PushName or row.Info.BusinessName, MAX_NAME)
            contact_name = clean(row.Info.FullName, MAX_NAME)
            if address is None or not (own_name or contact_name):
                continue
            if address.lid:
                address = self.complete(address)
            key = address.phone or address.lid
            before = found.get(key)
            found[key] = Contact(
                address=address if before is None or address.lid else before.address,
                name=own_name or (before.name if before else None),
                contact_name=contact_name or (before.contact_name if before else ""),
            )
        return found


class ContactWatch:
    """Compares the store with what was told last; everything is news at first."""

    def __init__(
        self,
        store: ContactStore,
        names_in_place: threading.Lock,
        own: Callable[[], Address],
        tell: Callable[[list[Contact]], None],
    ) -> None:
        """*names_in_place* is held by posts while they change names, which is no news."""
        self._store = store
        self._names_in_place = names_in_place
        self._own = own
        self._tell = tell
        self._told: dict[str, Contact] = {}

    def look(self) -> None:
        """Tell what has changed. Raises NeonizeError; then it is told the next time."""
        with self._names_in_place:
            present = self._store.contacts()
        changed = {key: one for key, one in present.items() if self._told.get(key) != one}
        for key in self._told.keys() - present.keys():
            changed[key] = Contact(address=self._told[key].address, contact_name="")
        news = [
            Contact(
                address=self._store.complete(contact.address),
                name=contact.name,
                contact_name=contact.contact_name,
            )
            for contact in changed.values()
            if not contact.address.meets(self._own())
        ]
        for start in range(0, len(news), PER_EVENT):
            self._tell(news[start : start + PER_EVENT])
        self._told = present
