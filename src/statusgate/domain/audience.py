"""Who gets a status, and who does not and why (contract 3.1, 12.5)."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from enum import StrEnum

import msgspec

from statusgate.domain.address import Address
from statusgate.domain.contact import KnownContact
from statusgate.domain.outbox import MOST_LISTED, LeftOut


class Reason(StrEnum):
    """Why a recipient is left out (contract 12.5)."""

    NO_CONTACT_NAME = "noContactName"
    UNKNOWN = "unknown"
    SELF = "self"
    DUPLICATE = "duplicate"
    PRIVACY = "privacy"
    OVER_LIMIT = "overLimit"


class Excluded(msgspec.Struct, frozen=True):
    """One recipient who is left out; *chat_id* as it was given, or as the contact is shown."""

    chat_id: str
    reason: Reason


class Choice(msgspec.Struct, frozen=True):
    """An audience: *people* in the order of ``max_audience``; strangers have number 0."""

    people: tuple[KnownContact, ...]
    excluded: tuple[Excluded, ...]


def choose_contacts(
    contacts: Sequence[KnownContact], me: Address, most: int | None = None
) -> Choice:
    """Every contact with a contact name, *most* at the most, in ``getContacts`` order."""
    chosen, excluded = [], []
    for contact in contacts:
        if contact.address.meets(me):
            excluded.append(Excluded(contact.address.chat_id, Reason.SELF))
        elif not contact.contact_name:
            excluded.append(Excluded(contact.address.chat_id, Reason.NO_CONTACT_NAME))
        else:
            chosen.append(contact)
    return _capped(chosen, excluded, most)


def choose_named(
    wanted: Iterable[Address],
    known: Mapping[Address, KnownContact],
    me: Address,
    most: int | None = None,
) -> Choice:
    """Those who are *wanted*, named or not, each once and never the account itself.

    *known*: the people among them who have been met. A phone and a LID of the same person are
    one recipient.
    """
    chosen, excluded = [], []
    seen: set[int | Address] = set()
    for address in wanted:
        person = known.get(address)
        who: int | Address = person.no if person else address
        if address.meets(me) or (person is not None and person.address.meets(me)):
            excluded.append(Excluded(address.chat_id, Reason.SELF))
        elif who in seen:
            excluded.append(Excluded(address.chat_id, Reason.DUPLICATE))
        else:
            seen.add(who)
            chosen.append(person or stranger(address))
    if most is not None and len(chosen) > most:
        chosen.sort(key=lambda one: (one.rank is None, one.rank or 0))
    return _capped(chosen, excluded, most)


def stranger(address: Address) -> KnownContact:
    """A person of whom nothing is known."""
    return KnownContact(no=0, address=address, name="", contact_name="")


def without(choice: Choice, people: Collection[Address], reason: Reason) -> Choice:
    """The same audience without *people*, who are in it."""
    gone = frozenset(people)
    return Choice(
        tuple(one for one in choice.people if one.address not in gone),
        choice.excluded + tuple(Excluded(one.chat_id, reason) for one in people),
    )


def summary(
    excluded: Iterable[Excluded], earlier: Iterable[LeftOut] = ()
) -> tuple[LeftOut, ...]:
    """Those left out, after those of an *earlier* summary, counted by reason; 100 listed."""
    counts: Counter[str] = Counter()
    listed: dict[str, list[str]] = defaultdict(list)
    for part in earlier:
        counts[part.reason] += part.count
        listed[part.reason] += part.participants
    for one in excluded:
        counts[one.reason] += 1
        listed[one.reason].append(one.chat_id)
    return tuple(
        LeftOut(str(reason), counts[reason], tuple(listed[reason][:MOST_LISTED]))
        for reason in Reason
        if counts[reason]
    )


def _capped(chosen: list[KnownContact], excluded: list[Excluded], most: int | None) -> Choice:
    kept = len(chosen) if most is None else most
    over = (Excluded(one.address.chat_id, Reason.OVER_LIMIT) for one in chosen[kept:])
    return Choice(tuple(chosen[:kept]), (*excluded, *over))
