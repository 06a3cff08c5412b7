"""People an account knows."""

import msgspec

from statusgate.domain.address import Address


class Contact(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What an engine reports of a person; None leaves what is known as it is."""

    address: Address
    name: str | None = None
    """the person's own name"""
    contact_name: str | None = None
    """the name in this account's address book, ``""`` if there is none"""


class KnownContact(msgspec.Struct, frozen=True, kw_only=True):
    """A person as the journal knows them; *contact_name* is the one in force (contract 7.4)."""

    no: int
    address: Address
    name: str
    contact_name: str
    rank: int | None = None
    """place in the order of ``getContacts``; None: met, but no contact"""
