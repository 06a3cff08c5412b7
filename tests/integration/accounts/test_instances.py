"""Instances: what another process changes is seen, whatever this one saves meanwhile."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from statusgate.accounts.instances import Denied, Instances, NewInstance
from statusgate.domain.clock import SystemClock
from statusgate.domain.ids import InstanceId
from statusgate.journal import open_journal
from tests.waiting import eventually

KEY = bytes(32)


class Two:
    """A server and a command over the same database."""

    def __init__(self, url: str) -> None:
        self.journals = [open_journal(url), open_journal(url, exclusive=False)]
        self.server, self.command = (
            Instances(journal, SystemClock(), KEY) for journal in self.journals
        )

    async def close(self) -> None:
        for journal in reversed(self.journals):
            await journal.close()


@pytest.fixture
async def two(lasting_url: str) -> AsyncIterator[Two]:
    both = Two(lasting_url)
    yield both
    await both.close()


async def test_a_token_rotated_beside_a_save_of_our_own_is_seen(two: Two) -> None:
    rotated, token = await two.server.create(NewInstance(engine="simulated"))
    busy, _ = await two.server.create(NewInstance(engine="simulated"))
    await two.command.refresh()
    new_token = await two.command.rotate_token(rotated.id)
    await two.server.change(busy.id, name="saved in the same second")
    await two.server.refresh()
    assert two.server.authenticate(str(rotated.id), token) is Denied.TOKEN
    assert two.server.authenticate(str(rotated.id), new_token) == two.server.get(rotated.id)


async def test_an_instance_deleted_beside_a_save_of_our_own_answers_no_more(two: Two) -> None:
    deleted, token = await two.server.create(NewInstance(engine="simulated"))
    busy, _ = await two.server.create(NewInstance(engine="simulated"))
    await two.command.delete(deleted.id)
    await two.server.change(busy.id, name="saved in the same second")
    await two.server.refresh()
    assert two.server.find(deleted.id) is None
    assert two.server.authenticate(str(deleted.id), token) is Denied.INSTANCE


async def test_the_server_keeps_up_by_itself(two: Two) -> None:
    running = asyncio.create_task(two.server.run())
    made, _ = await two.command.create(NewInstance(engine="simulated"))
    await eventually(lambda: two.server.find(made.id))
    running.cancel()
    await asyncio.wait([running])


steps = st.tuples(st.sampled_from(["server", "command"]), st.integers(0, 2))


@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(script=st.lists(st.lists(steps, max_size=4), max_size=5))
async def test_a_refresh_shows_all_that_is_committed_in_any_interleaving(
    two: Two, script: list[list[tuple[str, int]]]
) -> None:
    """Each round both sides save at once; then the server looks."""
    made = [await two.command.create(NewInstance(engine="simulated")) for _ in range(3)]
    ids = [instance.id for instance, _ in made]

    async def save(side: str, instance_id: InstanceId, name: str) -> Any:
        instances = two.server if side == "server" else two.command
        return await instances.change(instance_id, name=name)

    for number, together in enumerate(script):
        await asyncio.gather(
            two.server.refresh(),
            *(
                save(side, ids[which], f"{number} {place}")
                for place, (side, which) in enumerate(together)
            ),
        )
        await two.server.refresh()
        committed = await two.journals[0].read(lambda tx: tx.instances())
        assert {one.id: one for one in committed} == {
            one.id: one for one in two.server.all(deleted=True)
        }
