"""Loudness as 64 bars."""

from array import array

from hypothesis import given
from hypothesis import strategies as st

from statusgate.media.waveforms import RATE, Loudness, bars

energies = st.lists(st.floats(0, 1e12), max_size=300)


@given(energies)
def test_bars_are_64_and_the_loudest_is_100(found: list[float]) -> None:
    waveform = bars(found)
    assert len(waveform) == 64
    if any(energy > 1e-3 for energy in found):
        assert max(waveform) == 100
    else:
        assert max(waveform) in (0, 100)


@given(st.floats(1, 1e9), st.integers(1, 500))
def test_an_even_tone_has_even_bars(energy: float, count: int) -> None:
    assert bars([energy] * count) == bytes([100]) * 64


def test_nothing_heard_is_silence() -> None:
    assert Loudness().waveform() == bytes(64)


@given(st.lists(st.integers(1, 999), min_size=1, max_size=20))
def test_it_does_not_matter_in_which_pieces_sound_comes(pieces: list[int]) -> None:
    sound = array("h", ((at * 37) % 2000 - 1000 for at in range(RATE)))
    whole, parts = Loudness(), Loudness()
    whole.listen(sound)
    at = 0
    for length in [*pieces, len(sound)]:
        parts.listen(sound[at : at + length])
        at += length
    assert parts.waveform() == whole.waveform()
