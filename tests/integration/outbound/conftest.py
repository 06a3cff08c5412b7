"""A client that may call loopback, for tests of everything but the guard."""

from collections.abc import AsyncIterator

import pytest

from statusgate.outbound.addresses import parse_ranges
from statusgate.outbound.client import GuardedClient
from statusgate.outbound.guard import GuardedResolver
from tests.integration.outbound.servers import Names

LOCAL = parse_ranges(["127.0.0.0/8", "::1"])
NOW_MS = 1_710_134_000_000


@pytest.fixture
async def client() -> AsyncIterator[GuardedClient]:
    resolver = GuardedResolver(LOCAL, Names(["127.0.0.1"]))
    async with GuardedClient(resolver, now_ms=lambda: NOW_MS) as made:
        yield made
