"""Made-up contacts for demonstrations."""

from random import Random

from statusgate.domain.address import Address
from statusgate.domain.script import Met

_FIRST = (
    "Anna", "Boris", "Chiara", "David", "Elif", "Farid", "Greta", "Hana", "Ivan", "Julia",
    "Kofi", "Lea", "Mira", "Noam", "Olga", "Pedro", "Qing", "Rosa", "Sami", "Tara",
)  # fmt: skip
_LAST = ("Berg", "Costa", "Duval", "Ito", "Khan", "Levi", "Novak", "Okafor", "Petrov", "Silva")


def made_up_contacts(count: int, draw: Random) -> list[Met]:
    """Return *count* named contacts; every tenth is known by LID only."""
    return [_contact(number, draw) for number in range(1, count + 1)]


def _contact(number: int, draw: Random) -> Met:
    first, last = draw.choice(_FIRST), draw.choice(_LAST)
    hidden = number % 10 == 0
    return Met(
        address=Address(lid=f"2220{number:011d}")
        if hidden
        else Address(phone=f"7999{number:07d}"),
        name=first,
        contact_name=f"{first} {last}",
    )
