"""Fixtures for conversion: one converter a test, one corpus a run."""

from collections.abc import AsyncIterator, Awaitable, Callable
from itertools import count
from pathlib import Path

import msgspec
import pytest

from statusgate.domain.conversion import ConversionFailed, Converted, Wanted
from statusgate.domain.ids import InstanceId
from statusgate.media.converter import Converter
from tests.unit.media import corpus


class ConvertedFile(Converted, frozen=True, kw_only=True):
    """What was converted, and where it is."""

    path: Path


Convert = Callable[[Path, Wanted], Awaitable[ConvertedFile | ConversionFailed]]


@pytest.fixture
async def converter() -> AsyncIterator[Converter]:
    converter = Converter()
    yield converter
    await converter.close()


@pytest.fixture
def convert(converter: Converter, tmp_path: Path) -> Convert:
    """Convert into a new file of the test's own folder."""
    numbers = count()

    async def convert_next(source: Path, wanted: Wanted) -> ConvertedFile | ConversionFailed:
        target = tmp_path / f"target-{next(numbers)}"
        made = await converter.convert(InstanceId(1), source, wanted, target)
        if isinstance(made, ConversionFailed):
            return made
        return ConvertedFile(path=target, **msgspec.structs.asdict(made))

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
