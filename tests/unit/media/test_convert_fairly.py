"""No instance's files keep those of another waiting for long."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from statusgate.domain.conversion import (
    ConversionFailed,
    Converted,
    ImageWanted,
    VideoWanted,
    VoiceWanted,
    Wanted,
)
from statusgate.domain.ids import InstanceId
from statusgate.media.converter import Converter
from statusgate.media.process import CONVERSIONS, MediaChild
from tests.unit.media import corpus, hostile
from tests.waiting import eventually

GREEDY, OTHER = InstanceId(1), InstanceId(2)
Outcome = Converted | ConversionFailed


class House:
    """A converter whose children can be counted, and files to give it."""

    def __init__(self, folder: Path, slow_film: Path) -> None:
        self.films, self.quick = ([MediaChild(CONVERSIONS) for _ in range(2)] for _ in range(2))
        self.converter = Converter(self.quick, self.films)
        self._folder = folder
        self._number = 0
        self.slow_film = slow_film

    def start(
        self, instance_id: InstanceId, source: Path, wanted: Wanted
    ) -> "asyncio.Task[Outcome]":
        self._number += 1
        target = self._folder / f"target-{self._number}"
        return asyncio.create_task(self.converter.convert(instance_id, source, wanted, target))

    def films_at_work(self) -> int:
        return sum(child.pid is not None for child in self.films)

    async def until_at_work(self) -> None:
        await eventually(lambda: self.films_at_work() > 0)


@pytest.fixture(scope="module")
def slow_film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("films") / "slow.mkv"
    return corpus.write_film(path, size=(1920, 1080), seconds=3, film_options={"crf": "40"})


@pytest.fixture
async def house(tmp_path: Path, slow_film: Path) -> AsyncIterator[House]:
    house = House(tmp_path, slow_film)
    yield house
    await house.converter.close()


async def test_behind_four_films_of_one_instance_anothers_files_are_next(house: House) -> None:
    greedy = [house.start(GREEDY, house.slow_film, VideoWanted(60)) for _ in range(4)]
    await house.until_at_work()
    film = house.start(OTHER, house.slow_film, VideoWanted(60))
    picture = house.start(OTHER, hostile.SAMPLES / "image.jpg", ImageWanted())
    voice = house.start(OTHER, hostile.SAMPLES / "audio.ogg", VoiceWanted(60))
    assert isinstance(await picture, Converted)
    assert isinstance(await voice, Converted)
    assert not film.done()
    assert sum(task.done() for task in greedy) <= 1
    assert isinstance(await film, Converted)
    assert sum(task.done() for task in greedy) <= 2
    for task in greedy:
        task.cancel()
    await asyncio.gather(*greedy, return_exceptions=True)


async def test_one_instance_has_one_film_in_work(house: House) -> None:
    greedy = [house.start(GREEDY, house.slow_film, VideoWanted(1)) for _ in range(3)]
    at_work = 0
    while not all(task.done() for task in greedy):
        at_work = max(at_work, house.films_at_work())
        await asyncio.sleep(0.01)
    assert at_work == 1
    assert all(isinstance(task.result(), Converted) for task in greedy)


async def test_a_cancelled_conversion_lets_go_at_once(house: House) -> None:
    first, waiting, last = (
        house.start(GREEDY, house.slow_film, VideoWanted(60)) for _ in range(3)
    )
    await house.until_at_work()
    ended = [child.pid for child in house.films]
    waiting.cancel()
    first.cancel()
    await asyncio.gather(first, waiting, return_exceptions=True)
    assert isinstance(await last, Converted)
    assert not any(Path(f"/proc/{pid}").exists() for pid in ended if pid)
