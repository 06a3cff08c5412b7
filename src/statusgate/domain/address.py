"""Who a person is: a phone number, a hidden number (LID), or both."""

import re

import msgspec

_CHAT_ID = re.compile(r"([0-9]{1,20})@(c\.us|lid)")


class Address(msgspec.Struct, frozen=True, omit_defaults=True):
    """One person on WhatsApp; digits only, at least one of the two is set."""

    phone: str = ""
    lid: str = ""

    @property
    def chat_id(self) -> str:
        """The wire's form: ``<digits>@c.us``, or ``@lid`` while the phone is unknown."""
        if self.phone:
            return f"{self.phone}@c.us"
        return f"{self.lid}@lid" if self.lid else ""

    def __bool__(self) -> bool:
        return bool(self.phone or self.lid)

    def meets(self, other: "Address") -> bool:
        """Tell whether both name the same person, as far as they tell."""
        return (self.phone != "" and self.phone == other.phone) or (
            self.lid != "" and self.lid == other.lid
        )


def parse_chat_id(text: str) -> Address | None:
    """Return whom ``…@c.us`` or ``…@lid`` means, else None."""
    found = _CHAT_ID.fullmatch(text)
    if found is None:
        return None
    digits, server = found.groups()
    return Address(phone=digits) if server == "c.us" else Address(lid=digits)
