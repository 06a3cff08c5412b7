"""Commands that show how accounts are, beside a running gateway."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from statusgate.cli.main import main
from tests.integration.api.running import ADMIN, Running, Tenant, running_gateway
from tests.integration.outbound.servers import answer, receiver, reply
from tests.waiting import eventually


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[Running]:
    """A gateway that may call receivers on this machine."""
    async with running_gateway(tmp_path, outbound_allow="127.0.0.0/8") as gateway:
        yield gateway


async def command(*arguments: str, **environment: str) -> Result:
    return await asyncio.to_thread(CliRunner().invoke, main, arguments, env=environment)


async def try_webhook(tenant: Tenant, *flags: str) -> Result:
    return await command(
        "notifications", "test", *flags,
        STATUSGATE_URL=tenant.running.url,
        STATUSGATE_INSTANCE=str(tenant.id),
        STATUSGATE_TOKEN=tenant.token,
    )  # fmt: skip


def last_line(done: Result) -> str:
    """What the command printed, after the lines of the gateway's log."""
    return done.stdout.splitlines()[-1]


@pytest.mark.parametrize(
    ("status", "shown", "code"),
    [("200 OK", "delivered: HTTP 200", 0), ("500 Oops", "failed: HTTP 500", 1)],
)
async def test_a_webhook_is_tested_from_the_command_line(
    running: Running, status: str, shown: str, code: int
) -> None:
    tenant = await running.create()
    async with receiver(reply(answer(status))) as hook:
        await tenant.post("setSettings", {"webhookUrl": hook.url})
        done = await try_webhook(tenant)
    assert (done.exit_code, last_line(done).partition(" after")[0]) == (code, shown)
    assert len(hook.requests) == 1


async def test_a_webhook_that_cannot_be_tested_is_named(running: Running) -> None:
    tenant = await running.create()
    unset = await try_webhook(tenant)
    assert (unset.exit_code, "'webhookUrl' is not set" in unset.stderr) == (1, True)
    await tenant.post("setSettings", {"webhookUrl": "http://127.0.0.1:1024/"})
    told = await try_webhook(tenant, "--json")
    assert told.exit_code == 1
    assert json.loads(last_line(told)) | {"seconds": 0} == {
        "status": None, "seconds": 0, "error": "unreachable",
    }  # fmt: skip


async def show(running: Running, *arguments: str, token: str = ADMIN) -> Result:
    return await command(
        "instance", "status", *arguments,
        STATUSGATE_URL=running.url, STATUSGATE_ADMIN_TOKEN=token,
    )  # fmt: skip


async def test_accounts_with_a_trouble_come_first_with_its_name(running: Running) -> None:
    well, failing, gone = [
        await running.create(name=name) for name in ("well", "failing\x1b[2J", "gone")
    ]
    await failing.post("sendTextStatus", {"message": "x", "participants": ["71234567890@c.us"]})

    async def failed() -> bool:
        return bool((await failing.get("getInstanceStatus")).json()["failed24h"])

    await eventually(failed, "the failure")
    await gone.simulate({"event": "state", "state": "notAuthorized"})
    await gone.state("notAuthorized")
    done = await show(running)
    assert done.exit_code == 0, done.output
    assert "\x1b" not in done.stdout
    lines = [line for line in done.stdout.splitlines() if line.startswith("│ 11010000")]
    assert [int(line.split()[1]) for line in lines] == [gone.id, failing.id, well.id]
    assert "not linked to a phone for" in lines[0]
    assert "1 post failed within 24 h" in lines[1]
    alone = await show(running, str(well.id), "--json")
    assert json.loads(last_line(alone)) == (await well.get("getInstanceStatus")).json()
    everybody = await show(running, "--json")
    ids = [one["idInstance"] for one in json.loads(last_line(everybody))]
    assert ids == [well.id, failing.id, gone.id]


async def test_a_status_that_cannot_be_had_says_why(running: Running) -> None:
    unknown = await show(running, "7")
    assert (unknown.exit_code, "there is no instance 7" in unknown.stderr) == (1, True)
    wrong = await show(running, token="w" * 20)
    assert (wrong.exit_code, "401: Unauthorized" in wrong.stderr) == (1, True)
    none = await show(running, token="")
    assert (none.exit_code, "no admin token" in none.stderr) == (2, True)
