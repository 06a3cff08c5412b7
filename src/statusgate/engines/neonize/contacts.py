"""Watching the library's contact store, which raises no event when it changes."""

import logging
import re
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

from neonize.exc import NeonizeError
from neonize.proto import Neonize_pb2 as wire
from neonize.utils.jid import build_jid

from statusgate.domain.address import Address
from statusgate.domain.contact import Contact
from statusgate.engines.neonize.audience import LIDS, PHONES, Entry
from statusgate.engines.neonize.untrusted import MAX_NAME, clean, jid_address

log = logging.getLogger(__name__)

PER_EVENT = 200

_NUMBER = re.compile(r"[0-9]{7,}")
"""phone numbers and LIDs"""
_ADDRESS_BOOK_COMES = re.compile(
    r"Got server sync notification that app state critical_unblock_low"
    r"|Received app state sync key"
)
_ADDRESS_BOOK_ARRIVED = re.compile(
    r"(Full sync of|Synced) app state critical_unblock_low (completed|from version)"
)
_ADDRESS_BOOK_FAILED = re.compile(
    r"Failed to (sync app state|do initial fetch of app state critical_unblock_low)"
)
_LOOK_SECONDS = 0.02
_LONGEST_ARRIVAL = 30.0
"""seconds after which contacts that were on their way are no longer waited for"""


class ContactStore:
    """The library's contacts and its knowledge of who has which LID; all local, no network."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self._asked: set[str] = set()
        self._arriving_until = 0.0

    def expect(self) -> None:
        """Contacts are on their way from the phone; the library writes them when it likes."""
        self._arriving_until = time.monotonic() + _LONGEST_ARRIVAL

    def arrived(self) -> None:
        """No more contacts are on their way."""
        self._arriving_until = 0.0

    def settled(self, seconds: float) -> bool:
        """Wait until no contacts are on their way; return whether that came to pass in time."""
        end = time.monotonic() + seconds
        while time.monotonic() < self._arriving_until:
            if time.monotonic() > end:
                return False
            time.sleep(_LOOK_SECONDS)
        return True

    def entries(self) -> list[Entry]:
        """Return the rows of persons. Raises NeonizeError."""
        return [
            Entry(row.JID.User, row.JID.Server, row.Info.FirstName, row.Info.FullName)
            for row in self._client.get_all_contacts()
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
            self._client.put_all_contact_name(rows)

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

    def ask_lids(self, people: Iterable[Address], *, again: bool = True) -> None:
        """Ask WhatsApp for the LIDs that the library does not know; it then remembers them.

        With *again* false, whoever was asked about before is left out. Raises NeonizeError.
        """
        unknown = [
            one.phone
            for one in people
            if one.phone
            and (again or one.phone not in self._asked)
            and not self.complete(one).lid
        ]
        if unknown:
            self._client.get_user_info(*(build_jid(phone) for phone in unknown))
            self._asked.update(unknown)

    def contacts(self) -> dict[str, Contact]:
        """Return all persons with a name, by phone, or by LID while the phone is unknown.

        A person may have two rows, one for each address, with different names.
        """
        found: dict[str, Contact] = {}
        for row in self._client.get_all_contacts():
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


class AddressBookListener:
    """Tells *contacts* what is on its way, and calls *arrived* when the phone has sent it.

    The library raises no event for that, but writes a line to its log. Its warnings go on to
    the log of the process, without the numbers in them and under the name of *account*; the
    rest ends here, for it names people.
    """

    def __init__(
        self, account: str, contacts: ContactStore, arrived: Callable[[], None]
    ) -> None:
        self._account = account
        self._contacts = contacts
        self._arrived = arrived

    def hear(self, name: str, level: int, text: str) -> None:
        """Take a line of the library's log."""
        if _ADDRESS_BOOK_COMES.match(text):
            self._contacts.expect()
        elif _ADDRESS_BOOK_ARRIVED.match(text):
            self._contacts.arrived()
            self._arrived()
        elif _ADDRESS_BOOK_FAILED.match(text):
            self._contacts.arrived()
        if level >= logging.WARNING:
            line = f"{self._account}: {name}: {_NUMBER.sub('…', text)}"
            log.log(level, "%s", line)


class ContactWatch:
    """Compares the store with what was last reported; at first everything is new."""

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
        self._reported: dict[str, Contact] = {}

    def look(self) -> list[Address]:
        """Report what has changed; return everyone who has a name.

        Raises NeonizeError; the changes are then reported the next time.
        """
        with self._names_in_place:
            present = self._store.contacts()
        changed = {key: one for key, one in present.items() if self._reported.get(key) != one}
        for key in self._reported.keys() - present.keys():
            changed[key] = Contact(address=self._reported[key].address, contact_name="")
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
        self._reported = present
        return [contact.address for contact in present.values()]
