"""Contacts: WhatsApp's own and the instance's own book (contract 7.4)."""

import msgspec

from statusgate.domain.address import Address
from statusgate.domain.contact import KnownContact
from statusgate.domain.instance import Instance
from statusgate.domain.posting import ContactInfo
from statusgate.ports import Journal, Transaction
from statusgate.services.changes import Changes
from statusgate.services.commits import Commits
from statusgate.services.ownership import Ownership


class ContactView(msgspec.Struct, frozen=True, kw_only=True):
    """A contact and what WhatsApp told of it just now."""

    known: KnownContact | None
    info: ContactInfo


class Contacts:
    """Names people by the book of the instance, and asks WhatsApp about them."""

    def __init__(self, journal: Journal, commits: Commits, ownership: Ownership) -> None:
        self._journal = journal
        self._commits = commits
        self._ownership = ownership

    async def all(self, instance: Instance) -> list[KnownContact]:
        """Contacts in the order in which they became known."""
        return await self._journal.read(lambda tx: tx.contacts(instance.id))

    async def name(self, instance: Instance, address: Address, contact_name: str) -> None:
        """Name somebody in the instance's book; ``""`` takes the name away."""

        def work(tx: Transaction, changes: Changes) -> None:
            changes.contacts.append(tx.name_contact(instance.id, address, contact_name))
            changes.people_changed = True

        await self._commits.record(instance.id, work)

    async def look_up(self, instance: Instance, address: Address) -> ContactView:
        """Ask WhatsApp about a number: a live query, NotAuthorized unless it is open."""
        engine = self._ownership.live_engine(instance)
        info = await engine.look_up(address)
        known = await self._journal.read(lambda tx: tx.contact(instance.id, address))
        return ContactView(known=known, info=info)
