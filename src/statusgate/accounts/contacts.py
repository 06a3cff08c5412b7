"""Contacts: WhatsApp's own and the instance's own book (contract 7.4)."""

from statusgate.accounts.manager import AccountManager
from statusgate.changes.changes import Changes
from statusgate.changes.publisher import ChangePublisher
from statusgate.domain.address import Address
from statusgate.domain.contact import KnownContact
from statusgate.domain.instance import Instance
from statusgate.domain.post import ContactInfo
from statusgate.journal import Journal, Transaction


class Contacts:
    """Names people by the book of the instance, and asks WhatsApp about them."""

    def __init__(
        self, journal: Journal, publisher: ChangePublisher, accounts: AccountManager
    ) -> None:
        self._journal = journal
        self._publisher = publisher
        self._accounts = accounts

    async def all(self, instance: Instance) -> list[KnownContact]:
        """Contacts in the order in which they became known."""
        return await self._journal.read(lambda tx: tx.contacts(instance.id))

    async def name(self, instance: Instance, address: Address, contact_name: str) -> None:
        """Name somebody in the instance's book; ``""`` takes the name away."""

        def work(tx: Transaction, changes: Changes) -> None:
            changes.contacts.append(tx.name_contact(instance.id, address, contact_name))
            changes.people_changed = True

        await self._publisher.record(instance.id, work)

    async def look_up(
        self, instance: Instance, address: Address
    ) -> tuple[ContactInfo, KnownContact | None]:
        """Ask WhatsApp about a number: a live query, NotAuthorized unless it is open.

        Returns what it answered, and the contact if it is known.
        """
        info = await self._accounts.live_engine(instance).look_up(address)
        return info, await self._journal.read(lambda tx: tx.contact(instance.id, address))
