"""Databases, buckets, and linked accounts on our own WhatsApp server, for this folder."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from statusgate.engines.neonize.hosts import Hosts
from tests.buckets import bucket, s3_server
from tests.contract import test_engine_neonize_support as real
from tests.contract.simulated_house import House
from tests.contract.test_engine_neonize_support import Account, strangers
from tests.databases import account, database_url, journal, lasting_url, postgres_server
from tests.whatsapp.client import FakeWhatsApp

__all__ = [
    "account", "bucket", "database_url", "journal", "lasting_url", "postgres_server",
    "s3_server",
]  # fmt: skip


@pytest.fixture(scope="session")
def fake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FakeWhatsApp]:
    with FakeWhatsApp(tmp_path_factory.mktemp("whatsapp")) as server:
        server.quick_pairing()
        yield server


@pytest.fixture(
    scope="module",
    params=[16, pytest.param(1, marks=pytest.mark.soak)],
    ids=["shared", "alone"],
)
def hosts(fake: FakeWhatsApp, request: pytest.FixtureRequest) -> Iterator[Hosts]:
    """The processes in which accounts live: up to 16 in one, or each in its own."""
    with real.living_in(real.new_hosts(fake, request.param)) as made:
        yield made


@pytest.fixture
def lawful(fake: FakeWhatsApp, hosts: Hosts) -> Iterator[None]:
    """Whatever a test does, the engine keeps to the protocol's rules."""
    yield
    fake.require_lawful()


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def anna(
    fake: FakeWhatsApp, hosts: Hosts, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Account]:
    """A linked account for all tests of a file."""
    async with real.account(fake, tmp_path_factory.mktemp("anna"), strangers(1)[0]) as made:
        yield made


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def boris(
    fake: FakeWhatsApp, hosts: Hosts, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Account]:
    """Another one."""
    async with real.account(fake, tmp_path_factory.mktemp("boris"), strangers(1)[0]) as made:
        yield made


@pytest_asyncio.fixture(loop_scope="module")
async def mine(fake: FakeWhatsApp, hosts: Hosts, tmp_path: Path) -> AsyncIterator[Account]:
    """A linked account of one test, which may break it."""
    async with real.account(fake, tmp_path, strangers(1)[0]) as made:
        yield made


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """A sandbox account in a folder of its own."""
    house = House(tmp_path)
    yield house
    await house.end()
