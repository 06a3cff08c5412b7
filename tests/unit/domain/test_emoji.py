"""What may be sent as a reaction (contract 12.13)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from statusgate.domain.emoji import is_one_emoji

ZWJ, VS16, KEYCAP = "\u200d", "\ufe0f", "\u20e3"
ENGLAND = "\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f"
PLAIN = ["💚", "👍", "😂", "🙏", "😮", "⌚", "🥲", "🪿", "🫶", "🟰", "☀", "™", "㊗", "🈁"]
PEOPLE = ["👍", "🧑", "👩", "🤝", "🫱"]
WHOLE = [
    *PLAIN, "❤️", "☺️", "©️", "1️⃣", "#⃣", "🇺🇦", "🇯🇵", "👍🏿", "✌🏽", ENGLAND,
    "🏳️‍🌈", "🏴‍☠️", "🧑‍💻", "👩🏽‍🚀", "👩🏻‍❤️‍💋‍👨🏿", "👨‍👩‍👧‍👦", "🫱🏻‍🫲🏿", "🧑‍🧑‍🧒‍🧒",
    "❤️‍🔥", "🐦‍🔥",
]  # fmt: skip


@pytest.mark.parametrize("text", WHOLE)
def test_what_a_phone_shows_as_one_picture_is_one_emoji(text: str) -> None:
    assert is_one_emoji(text)


@pytest.mark.parametrize(
    "text",
    ["", " ", "a", "1", "#", "12", "ok", "💚 ", " 💚", "💚\n", "💚💚", "🇺", "🇺🇦🇯", "🇺🇦🇯🇵",
     "👍👍🏿", ":)", "é", "中", "🄰", "♩", VS16, ZWJ, KEYCAP, f"a{KEYCAP}", f"💚{ZWJ}",
     f"{ZWJ}💚", f"💚{ZWJ}a", f"💚{VS16}{VS16}", "\U000e0067\U000e007f", ENGLAND[:-1],
     ZWJ.join("👩" * 11), "\x00", "\ud83d"],
)  # fmt: skip
def test_anything_else_is_none(text: str) -> None:
    assert not is_one_emoji(text)


emoji = st.one_of(
    st.sampled_from(WHOLE),
    st.builds("{}{}".format, st.sampled_from(PLAIN), st.sampled_from(["", VS16])),
    st.builds("{}{}".format, st.sampled_from(PEOPLE), st.sampled_from("🏻🏼🏽🏾🏿")),
    st.lists(st.sampled_from(PEOPLE), min_size=2, max_size=10).map(ZWJ.join),
    st.builds("{}{}".format, *[st.sampled_from("🇦🇧🇨🇾🇿")] * 2),
    st.builds("{}{}{}".format, st.sampled_from("0123456789#*"), st.just(VS16), st.just(KEYCAP)),
)


@given(emoji, emoji)
def test_one_is_one_and_two_are_not(one: str, other: str) -> None:
    assert is_one_emoji(one)
    assert not is_one_emoji(one + other)


letters = st.text(st.characters(max_codepoint=0x24F, exclude_characters="©®"), min_size=1)


@given(emoji, letters)
def test_an_emoji_with_text_around_it_is_not_one(one: str, text: str) -> None:
    assert not is_one_emoji(text)
    assert not is_one_emoji(one + text)
    assert not is_one_emoji(text + one)
