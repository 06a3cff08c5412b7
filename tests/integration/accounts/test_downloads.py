"""Downloads of incoming media: fair between instances, patient while an account is offline."""

import asyncio
import base64
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from statusgate.accounts import downloads
from statusgate.domain.errors import JournalUnavailable, MediaUnavailable
from statusgate.domain.ids import InstanceId
from statusgate.domain.media import Download
from statusgate.journal import Transaction
from tests.integration.api.running import Running, Tenant, running_gateway
from tests.integration.api.test_files import picture
from tests.integration.api.test_journals import CONTACT, HELLO, items_with_files
from tests.waiting import eventually, stays

FILE = base64.b64encode(picture()).decode()


def photo(number: int) -> dict[str, Any]:
    """An incoming picture."""
    return HELLO | {"type": "image", "file": FILE, "idMessage": f"A{number}"}


class Source:
    """Stands between an account and its engine's downloads."""

    def __init__(
        self,
        tenant: Tenant,
        monkeypatch: pytest.MonkeyPatch,
        before: Callable[[], Awaitable[None]],
    ) -> None:
        engine = tenant.running.built.accounts.engine(InstanceId(tenant.id))
        assert engine is not None
        self.asked = 0
        self.cancelled = 0
        download = engine.download

        async def faulty(*arguments: Any) -> None:
            self.asked += 1
            try:
                await before()
            except asyncio.CancelledError:
                self.cancelled += 1
                raise
            await download(*arguments)

        monkeypatch.setattr(engine, "download", faulty)


async def linked(running: Running) -> Tenant:
    tenant = await running.create(engineOptions={"profile": "silent"})
    await tenant.state("authorized")
    await tenant.simulate(CONTACT)
    return tenant


def later(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was postponed is due."""
    running.set_clock(running.built.clock.now_ms() + 60_000, monkeypatch)


async def hang() -> None:
    await asyncio.Event().wait()


async def fail() -> None:
    raise RuntimeError("a fault that nobody expected")


async def due(tenant: Tenant) -> list[Download]:
    """What an instance still has to fetch, whenever it is due."""
    owner = InstanceId(tenant.id)
    return await tenant.running.built.journal.read(
        lambda tx: tx.due_downloads(owner, 2**50, 100)
    )


async def test_slow_downloads_of_one_instance_do_not_keep_another_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running_gateway(tmp_path) as running:
        slow, quick = await linked(running), await linked(running)
        source = Source(slow, monkeypatch, hang)
        await slow.simulate(*(photo(number) for number in range(20)))
        await eventually(lambda: source.asked > 0)
        await quick.simulate(photo(1))
        (item,) = await items_with_files(quick, "getIncomingStatuses")
        assert item["downloadUrl"]
        assert source.asked <= 2


async def test_a_fault_postpones_a_download_and_keeps_no_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running_gateway(tmp_path) as running:
        tenant = await linked(running)
        with monkeypatch.context() as broken:
            source = Source(tenant, broken, fail)
            await tenant.simulate(*(photo(number) for number in range(9)))
            await eventually(lambda: source.asked >= 9)
        later(running, monkeypatch)
        await tenant.simulate(photo(9))
        assert len(await items_with_files(tenant, "getIncomingStatuses")) == 10


async def test_nothing_is_fetched_and_nothing_counts_while_an_account_is_offline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running_gateway(tmp_path) as running:
        tenant = await linked(running)

        async def lose_the_connection() -> None:
            await tenant.simulate({"event": "state", "state": "starting"})
            await eventually(
                lambda: not running.built.accounts.is_online(InstanceId(tenant.id))
            )
            raise MediaUnavailable("no connection", final=False)

        with monkeypatch.context() as broken:
            source = Source(tenant, broken, lose_the_connection)
            await tenant.simulate(photo(1))
            await eventually(lambda: source.asked == 1)
            await tenant.simulate(photo(2))  # wakes the downloads, to no avail
            await stays(lambda: source.asked == 1)
        assert [one.attempts for one in await due(tenant)] == [0, 0]
        later(running, monkeypatch)
        await tenant.simulate({"event": "state", "state": "authorized"})
        assert len(await items_with_files(tenant, "getIncomingStatuses")) == 2


async def test_a_download_ends_with_its_status(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running_gateway(tmp_path) as running:
        tenant = await linked(running)
        source = Source(tenant, monkeypatch, hang)
        await tenant.simulate(photo(1))
        await eventually(lambda: source.asked == 1)
        await tenant.simulate(
            {"event": "deleteStatus", "idMessage": "A1", "from": HELLO["from"]}
        )
        await eventually(lambda: source.cancelled == 1)


async def test_downloads_end_with_their_instance(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running_gateway(tmp_path) as running:
        tenant = await linked(running)
        source = Source(tenant, monkeypatch, hang)
        await tenant.simulate(photo(1), photo(2))
        await eventually(lambda: source.asked == 2)
        await running.built.instances.delete(InstanceId(tenant.id))
        await eventually(lambda: source.cancelled == 2)


async def test_a_file_that_is_gone_for_good_is_not_asked_for_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def gone() -> None:
        raise MediaUnavailable("gone", final=True)

    async with running_gateway(tmp_path) as running:
        tenant = await linked(running)
        source = Source(tenant, monkeypatch, gone)
        await tenant.simulate(photo(1))

        async def given_up() -> bool:
            return source.asked == 1 and not await due(tenant)

        await eventually(given_up)
        (item,) = (await tenant.get("getIncomingStatuses")).json()
        assert not item.get("downloadUrl")


async def test_what_keeps_downloads_from_the_journal_passes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(downloads, "_LOOK_SECONDS", 0.1)
    monkeypatch.setattr(downloads, "_RETRY_SECONDS", 0.1)
    faults = [
        ("downloads-", RuntimeError("unexpected")),
        ("downloads-", JournalUnavailable("away")),
        ("downloads", JournalUnavailable("away")),
    ]
    async with running_gateway(tmp_path) as running:
        tenant = await linked(running)
        read = running.built.journal.read

        async def away(work: Callable[[Transaction], Any]) -> Any:
            task = asyncio.current_task()
            if faults and task is not None and task.get_name().startswith(faults[-1][0]):
                raise faults.pop()[1]
            return await read(work)

        monkeypatch.setattr(running.built.journal, "read", away)
        await tenant.simulate(photo(1))
        (item,) = await items_with_files(tenant, "getIncomingStatuses")
        assert item["downloadUrl"]
        assert faults == []


async def test_a_file_whose_status_has_gone_meanwhile_is_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running_gateway(tmp_path) as running:
        tenant = await linked(running)
        store, owner = running.built.services.media, InstanceId(tenant.id)
        put = store.put

        async def put_late(key: str, path: Path) -> None:
            await put(key, path)
            (one,) = await due(tenant)
            await running.built.journal.write(
                owner, lambda tx: tx.drop_download(owner, one.status_no)
            )

        monkeypatch.setattr(store, "put", put_late)
        await tenant.simulate(photo(1))
        folder = Path(running.built.settings.media_store) / str(tenant.id)

        async def is_removed() -> bool:
            await running.built.retention.once()
            return not await due(tenant) and not [*folder.rglob("*.*")]

        await eventually(is_removed)


async def test_a_file_of_no_known_kind_is_kept_as_bytes(tmp_path: Path) -> None:
    async with running_gateway(tmp_path) as running:
        tenant = await linked(running)
        await tenant.simulate(photo(1) | {"file": base64.b64encode(b"no picture").decode()})
        (item,) = await items_with_files(tenant, "getIncomingStatuses")
        reply = await running.request("GET", item["downloadUrl"].partition(".org")[2])
        assert reply.body == b"no picture"
        assert item["mimeType"] == "application/octet-stream"
