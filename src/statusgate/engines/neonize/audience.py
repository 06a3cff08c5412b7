"""Who gets a status: the plan behind the names in the library's contact store.

The library takes no list of recipients. It sends a status to every contact of its store whose
full name is not empty, less those the account's privacy setting excludes; or to exactly the
people of the setting's list. So for a post the names are written such that this rule yields
the wanted people, and put back afterwards.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Literal

import msgspec

from statusgate.domain.address import Address
from statusgate.domain.post import AudiencePrivacy, Skipped

PHONES = "s.whatsapp.net"
LIDS = "lid"

Form = Literal["pn", "lid"]


class Entry(msgspec.Struct, frozen=True):
    """A row of the library's contact store; *full* is the name in the phone's address book."""

    user: str
    server: str
    first: str = ""
    full: str = ""

    @property
    def address(self) -> Address:
        """The one form of the person's address that the row holds."""
        return Address(lid=self.user) if self.server == LIDS else Address(phone=self.user)

    @property
    def key(self) -> tuple[str, str]:
        """What identifies the row."""
        return self.user, self.server


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What to do for one post."""

    recipients: tuple[Address, ...]
    skipped: tuple[Skipped, ...] = ()
    writes: tuple[Entry, ...] = ()
    """rows to write before the post"""
    restores: tuple[Entry, ...] = ()
    """the same rows as they are to be afterwards"""
    unwanted: tuple[Address, ...] = ()
    """people whom the privacy setting adds although they were not chosen"""
    by_name: bool = True
    """names decide who gets it; else a fixed list of the privacy setting does"""


class People:
    """A set of persons, each known by phone, LID or both."""

    def __init__(self, people: Iterable[Address] = ()) -> None:
        self._phones: set[str] = set()
        self._lids: set[str] = set()
        for person in people:
            self.add(person)

    def add(self, person: Address) -> None:
        """Add a person under every form that is known."""
        if person.phone:
            self._phones.add(person.phone)
        if person.lid:
            self._lids.add(person.lid)

    def __contains__(self, person: Address) -> bool:
        return person.phone in self._phones or person.lid in self._lids


def plan_audience(
    entries: Sequence[Entry],
    privacy: AudiencePrivacy,
    chosen: Sequence[Address] | None,
    *,
    form: Form,
    own: Address,
    complete: Callable[[Address], Address],
) -> Plan:
    """Return how to reach *chosen* (None: every contact with a name), named by *form*.

    *complete* adds the other form of an address where it is known.
    """
    wanted = _wanted(entries, chosen, own, complete)
    listed = [complete(person) for person in privacy.people]
    if privacy.kind == "whitelist":
        return _fixed_list(wanted, listed, everybody=chosen is None, own=own)
    allowed, skipped = _apart(wanted, People(listed))
    targets: dict[tuple[str, str], Address] = {}
    for person in allowed:
        key = _row_of(person, form)
        if key is None:
            skipped.append(Skipped(person, "noAddress"))
        else:
            targets[key] = person
    writes, restores = _names(entries, targets)
    return Plan(
        recipients=tuple(targets.values()),
        skipped=tuple(skipped),
        writes=writes,
        restores=restores,
    )


def _wanted(
    entries: Sequence[Entry],
    chosen: Sequence[Address] | None,
    own: Address,
    complete: Callable[[Address], Address],
) -> list[Address]:
    """Return each wanted person once, without the account itself."""
    if chosen is None:
        chosen = [entry.address for entry in entries if entry.full]
    found: list[Address] = []
    seen = People([own])
    for person in map(complete, chosen):
        if person and person not in seen:
            seen.add(person)
            found.append(person)
    return found


def _fixed_list(
    wanted: list[Address], listed: list[Address], *, everybody: bool, own: Address
) -> Plan:
    listed = [person for person in listed if not person.meets(own)]
    reached, outside = People(listed), People(wanted)
    return Plan(
        recipients=tuple(listed),
        skipped=tuple(Skipped(one, "privacy") for one in wanted if one not in reached),
        unwanted=() if everybody else tuple(one for one in listed if one not in outside),
        by_name=False,
    )


def _apart(wanted: list[Address], excluded: People) -> tuple[list[Address], list[Skipped]]:
    allowed = [person for person in wanted if person not in excluded]
    return allowed, [Skipped(person, "privacy") for person in wanted if person in excluded]


def _row_of(person: Address, form: Form) -> tuple[str, str] | None:
    """Return the row under which *person* is addressed; by LID if the phone is unknown."""
    if form == "pn" and person.phone:
        return person.phone, PHONES
    return (person.lid, LIDS) if person.lid else None


def _names(
    entries: Sequence[Entry], targets: dict[tuple[str, str], Address]
) -> tuple[tuple[Entry, ...], tuple[Entry, ...]]:
    """Return rows to write so that exactly *targets* have names, and how they were."""
    rows = {entry.key: entry for entry in entries}
    writes, restores = [], []
    for key, entry in rows.items():
        if entry.full and key not in targets:
            writes.append(Entry(*key, entry.first, ""))
            restores.append(entry)
    for key in targets:
        before = rows.get(key, Entry(*key))
        if not before.full:
            writes.append(Entry(*key, before.first, before.user))
            restores.append(before)
    return tuple(writes), tuple(restores)
