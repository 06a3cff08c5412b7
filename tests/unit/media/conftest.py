"""Fixtures for conversion: one converter a test, one corpus a run."""

from collections.abc import AsyncIterator, Awaitable, Callable
from itertools import count
from pathlib import Path

import pytest

from statusgate.domain.conversion import ConversionFailed, Converted, Wanted
from statusgate.domain.ids import InstanceId
from statusgate.media.converter import Converter
from tests.unit.media import corpus

Convert = Callable[[Path, Wanted], Awaitable[Converted | ConversionFailed]]


@pytest.fixture
async def converter() -> AsyncIterator[Converter]:
    converter = Converter()
    yield converter
    await converter.close()


@pytest.fixture
def convert(converter: Converter, tmp_path: Path) -> Convert:
    """Convert into a new file of the test's own folder."""
    numbers = count()

    def convert_next(source: Path, wanted: Wanted) -> Awaitable[Converted | ConversionFailed]:
        target = tmp_path / f"target-{next(numbers)}"
        return converter.convert(InstanceId(1), source, wanted, target)

    return convert_next


@pytest.fixture(scope="session")
def fine_film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds of which phones can show every packet."""
    return corpus.write_fine_film(tmp_path_factory.mktemp("films") / "fine.mp4")


@pytest.fixture(scope="session")
def fine_voice(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds of Ogg/Opus, mono."""
    path = tmp_path_factory.mktemp("voices") / "fine.ogg"
    return corpus.write_sound(path, "libopus")
