"""The conversion part of the bench measures what it says."""

from bench import conversion


def test_times_and_memory_of_both_kinds() -> None:
    figures = conversion.measure(seconds=1, runs=1)
    assert [figure.unit for figure in figures] == ["s", "MB", "s", "MB"]
    for figure in figures:
        assert figure.section == conversion.SECTION
        assert figure.value is not None
        assert figure.value > 0
    film_mb, sound_mb = (figures[at].value for at in (1, 3))
    assert film_mb is not None
    assert sound_mb is not None
    assert 30 < sound_mb < film_mb < 448
