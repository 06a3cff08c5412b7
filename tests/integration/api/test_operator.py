"""The operator's token at the methods of instances (contract D42)."""

import io
from pathlib import Path

import pytest
import structlog

from statusgate.telemetry import configure_logs
from tests.integration.api.running import (
    ADMIN,
    OPERATOR,
    Reply,
    Running,
    Tenant,
    running_gateway,
)


async def ask(tenant: Tenant, method: str, verb: str = "GET", **headers: str) -> Reply:
    """Call a method without a token in its path."""
    body = b"{}" if verb == "POST" else None
    target = f"/waInstance{tenant.id}/{method}"
    return await tenant.running.request(verb, target, body, headers)


async def test_the_operators_token_opens_every_instance_as_bearer(running: Running) -> None:
    for tenant in [await running.create() for _ in range(2)]:
        own = await tenant.get("getSettings")
        reply = await ask(tenant, "getSettings", **OPERATOR)
        assert (reply.code, reply.body) == (200, own.body)
        assert (await ask(tenant, "getStatusAudience", "POST", **OPERATOR)).code == 200
        assert (
            await ask(tenant, "getSettings", Authorization=f"Bearer {tenant.token}")
        ).code == 200


async def test_never_in_the_path_or_the_query(tenant: Tenant) -> None:
    own = f"/waInstance{tenant.id}"
    for target in (
        f"{own}/getSettings/{ADMIN}",
        f"{own}/getIncomingStatuses?minutes=5/{ADMIN}",
    ):
        assert (await tenant.running.request("GET", target)).code == 401
        with_header = await tenant.running.request("GET", target, headers=OPERATOR)
        assert with_header.code == (401 if ADMIN in target.partition("?")[0] else 400)


async def test_an_unknown_instance_stays_unknown(running: Running) -> None:
    for target in ("/waInstance1101999999/getSettings", "/waInstancex/getSettings"):
        reply = await running.request("GET", target, headers=OPERATOR)
        assert (reply.code, reply.message) == (403, "Forbidden")


async def test_guessing_is_slow_whatever_the_instance_and_hurts_no_tenant(
    running: Running,
) -> None:
    tenants = [await running.create() for _ in range(4)]
    for number in range(10):
        wrong = await ask(tenants[number % 4], "getSettings", Authorization=f"Bearer g{number}")
        assert wrong.code == 401
    assert (await ask(tenants[0], "getSettings", **OPERATOR)).code == 429
    for tenant in tenants:
        bearer = f"Bearer {tenant.token}"
        assert (await ask(tenant, "getSettings", Authorization=bearer)).code == 200
        assert (await tenant.get("getSettings")).code == 200
    assert (await running.request("GET", f"/partner/getInstances/{ADMIN}")).code == 200


async def test_without_an_admin_token_nothing_opens(tmp_path: Path) -> None:
    database = f"sqlite:///{tmp_path}/journal.db"
    async with running_gateway(tmp_path, database) as running:
        tenant = await running.create()
    async with running_gateway(tmp_path, database, admin_token="") as running:
        for header in ("Bearer ", "Bearer", f"Bearer {ADMIN}"):
            reply = await ask(
                Tenant(running, tenant.id, ""), "getSettings", Authorization=header
            )
            assert reply.code == 401


async def test_such_calls_are_counted_and_logged_as_the_operators(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = io.StringIO()
    monkeypatch.setattr("sys.stderr", text)
    configure_logs("json", "info")
    async with running_gateway(tmp_path, access_log=True, metrics_public=True) as running:
        tenant = await running.create()
        await tenant.get("getSettings")
        assert '"operator": true' not in text.getvalue()
        await ask(tenant, "getSettings", **OPERATOR)
        await ask(tenant, "reboot", **OPERATOR)
        metrics = (await running.request("GET", "/metrics")).body.decode()
    structlog.reset_defaults()
    log = text.getvalue()
    assert log.count('"operator": true') == 2
    assert log.count('"operator.call"') == 1
    assert str(tenant.id) in log
    assert ADMIN not in log
    assert 'statusgate_operator_calls_total{method="reboot"}' in metrics
