"""Made-up people for demonstrations: their names, and what they say to a status."""

from random import Random

import msgspec

from statusgate.domain.address import Address
from statusgate.domain.script import Met

REACTIONS = ("💚", "👍", "😂", "❤️", "😍", "🙏", "🔥")


class _Language(msgspec.Struct, frozen=True):
    first_names: tuple[str, ...]
    last_names: tuple[str, ...]
    replies: tuple[str, ...]


_ENGLISH = _Language(
    first_names=(
        "Anna", "Boris", "Chiara", "David", "Elif", "Farid", "Greta", "Hana", "Ivan", "Julia",
        "Kofi", "Lea", "Mira", "Noam", "Olga", "Pedro", "Qing", "Rosa", "Sami", "Tara",
    ),
    last_names=(
        "Berg", "Costa", "Duval", "Ito", "Khan", "Levi", "Novak", "Okafor", "Petrov", "Silva",
    ),
    replies=(
        "Love it!", "Do you still have it?", "What time do you open?", "How much is it?",
        "Congratulations!", "See you tomorrow", "Where is that?", "Keep one for me, please",
    ),
)  # fmt: skip
_RUSSIAN = _Language(
    first_names=("Алина", "Борис", "Вера", "Глеб", "Дарья", "Игорь", "Марина", "Тимур"),
    last_names=("Бондаренко", "Гринберг", "Коваль", "Мороз", "Ткач", "Шевченко"),
    replies=(
        "Красота!", "Ещё есть?", "Во сколько открываетесь?", "Сколько стоит?",
        "Поздравляю!", "До завтра!", "А где это?", "Отложите мне один, пожалуйста",
    ),
)  # fmt: skip
_HEBREW = _Language(
    first_names=("אורי", "גיל", "דנה", "יעל", "מאיה", "נועם", "רון", "תמר"),
    last_names=("אברהם", "ברק", "כהן", "לוי", "מזרחי", "פרץ"),
    replies=(
        "איזה יופי!", "עוד נשאר?", "מתי פותחים?", "כמה זה עולה?",
        "מזל טוב!", "נתראה מחר", "איפה זה?", "אפשר לשמור לי אחד?",
    ),
)  # fmt: skip
_MIX = (_ENGLISH, _ENGLISH, _RUSSIAN, _HEBREW)


def made_up_contacts(count: int, draw: Random) -> list[Met]:
    """Return *count* named contacts; every tenth is known by LID only."""
    return [_contact(number, draw) for number in range(1, count + 1)]


def reply_of(name: str, draw: Random) -> str:
    """Return what somebody of that name may answer, in the language of the name."""
    return draw.choice(_language_of(name).replies)


def _contact(number: int, draw: Random) -> Met:
    language = draw.choice(_MIX)
    first, last = draw.choice(language.first_names), draw.choice(language.last_names)
    hidden = number % 10 == 0
    return Met(
        address=Address(lid=f"2220{number:011d}")
        if hidden
        else Address(phone=f"7999{number:07d}"),
        name=first,
        contact_name=f"{first} {last}",
    )


def _language_of(name: str) -> _Language:
    if any("\u0400" <= letter <= "\u04ff" for letter in name):
        return _RUSSIAN
    return _HEBREW if any("\u0590" <= letter <= "\u05ff" for letter in name) else _ENGLISH
