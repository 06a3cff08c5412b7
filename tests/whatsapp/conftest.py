"""One fake server for the session, engines that stay paired, and the rules after every test."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import pytest

from tests.whatsapp.client import FakeWhatsApp, Person, people
from tests.whatsapp.engines import RawEngine

_numbers = itertools.count(1)

NewPerson = Callable[[], Person]


@pytest.fixture(scope="session")
def fake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FakeWhatsApp]:
    with FakeWhatsApp(tmp_path_factory.mktemp("fake")) as server:
        server.quick_pairing()
        yield server


@pytest.fixture
def rules(fake: FakeWhatsApp) -> Iterator[None]:
    """The server's faults are off and its rules unbroken when a test ends."""
    yield
    fake.require_lawful()


@pytest.fixture(scope="session")
def new_person() -> NewPerson:
    """A number nobody had before in this session."""
    return lambda: people(next(_numbers), 1)[0]


@pytest.fixture(scope="session")
def author(
    fake: FakeWhatsApp, new_person: NewPerson, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RawEngine]:
    yield from _paired(fake, new_person(), tmp_path_factory, "Author")


@pytest.fixture(scope="session")
def viewer(
    fake: FakeWhatsApp, new_person: NewPerson, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RawEngine]:
    yield from _paired(fake, new_person(), tmp_path_factory, "Viewer")


@pytest.fixture(scope="session")
def third(
    fake: FakeWhatsApp, new_person: NewPerson, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RawEngine]:
    """For tests which stop and restart theirs, and leave it connected."""
    yield from _paired(fake, new_person(), tmp_path_factory, "Third")


@pytest.fixture(scope="session")
def spare(
    fake: FakeWhatsApp, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[], RawEngine]]:
    """Hands out engines; the next one loads its library while a test runs."""

    def make() -> RawEngine:
        return RawEngine(fake, tmp_path_factory.mktemp("newcomer"))

    waiting = [make()]

    def take() -> RawEngine:
        waiting.append(make())
        return waiting.pop(0)

    yield take
    for engine in waiting:
        engine.stop()


@pytest.fixture
def newcomer(spare: Callable[[], RawEngine]) -> Iterator[RawEngine]:
    """An engine that is not paired, for tests which use theirs up."""
    engine = spare()
    yield engine
    engine.stop()


@pytest.fixture
def second(spare: Callable[[], RawEngine]) -> Iterator[RawEngine]:
    """Another newcomer."""
    engine = spare()
    yield engine
    engine.stop()


@pytest.fixture
def guest(newcomer: RawEngine, new_person: NewPerson) -> RawEngine:
    """A newcomer that has been paired."""
    newcomer.pair(new_person(), name="Guest")
    return newcomer


def _paired(
    fake: FakeWhatsApp, person: Person, folders: pytest.TempPathFactory, name: str
) -> Iterator[RawEngine]:
    engine = RawEngine(fake, folders.mktemp(name))
    try:
        engine.pair(person, name=name)
        yield engine
    finally:
        engine.stop()
