"""F12 with a virtual clock: attempts and pauses of the table are exact (reliability 2)."""

import asyncio
import base64
import json
import time
from datetime import UTC, datetime

import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError
from structlog.testing import capture_logs

from statusgate import telemetry
from statusgate.domain.ids import InstanceId
from statusgate.domain.outbound_http import Fault, PushAnswer, PushFailed, PushOutcome
from statusgate.notifications import dispatcher
from statusgate.outbound.signing import parse_secret
from tests.factories import INSTANCE
from tests.integration.notifications.pushing import URL, pushes, world

OTHER = InstanceId(1101000002)
TABLE: dict[str, tuple[PushOutcome, float]] = {
    "redirect": (PushAnswer(302), 60),
    "not modified": (PushAnswer(304), 60),
    "bad request": (PushAnswer(400), 60),
    "unauthorized": (PushAnswer(401), 60),
    "not found, with Retry-After": (PushAnswer(404, 900), 60),
    "timeout": (PushAnswer(408), 60),
    "too early": (PushAnswer(425, 120), 120),
    "too many, soon": (PushAnswer(429, 1), 60),
    "too many, later": (PushAnswer(429, 300), 300),
    "too many, never": (PushAnswer(429, 10**17), 3600),
    "gone": (PushAnswer(410), 3600),
    "gone, with Retry-After": (PushAnswer(410, 60), 3600),
    "server error": (PushAnswer(500), 60),
    "unavailable": (PushAnswer(503, 600), 600),
    "odd": (PushAnswer(599, 61), 61),
    "silent": (PushFailed(Fault.SILENT, "TimeoutError"), 60),
    "unreachable": (PushFailed(Fault.UNREACHABLE, "refused"), 60),
    "broken": (PushFailed(Fault.BROKEN, "reset"), 60),
    "blocked": (PushFailed(Fault.BLOCKED, "loopback"), 60),
}


def counted(event: str) -> float:
    name = "statusgate_operator_events_total"
    return telemetry.REGISTRY.get_sample_value(name, {"event": event}) or 0.0


def expired_so_far() -> float:
    return telemetry.REGISTRY.get_sample_value("statusgate_notifications_expired_total") or 0.0


@pytest.mark.parametrize("name", TABLE)
async def test_the_pause_is_exact_and_nothing_overtakes(name: str) -> None:
    outcome, pause = TABLE[name]
    async with world() as w:
        w.sender.outcomes = [outcome, outcome]
        await w.queue(b'{"n":1}', b'{"n":2}')
        await w.advance(2 * pause + 1)
        assert w.sender.times == [0, pause, 2 * pause, 2 * pause]
        assert w.sender.bodies == [b'{"n":1}'] * 3 + [b'{"n":2}']
        assert [one.outcome for one in await w.deliveries()][-1] == "delivered"
        assert len(await w.deliveries()) == 3
        assert await w.waiting() == []
        assert await w.streak() is None


@pytest.mark.parametrize("status", [200, 201, 204, 299])
async def test_any_2xx_is_delivered(status: int) -> None:
    async with world() as w:
        w.sender.outcomes = [PushAnswer(status)]
        await w.queue(b'{"n":1}', b'{"n":2}')
        await w.settle()
        assert w.sender.times == [0, 0]


@pytest.mark.parametrize(
    ("outcome", "event"),
    [
        (PushAnswer(404), "webhook.rejected"),
        (PushAnswer(410), "webhook.gone"),
        (PushFailed(Fault.BLOCKED, "loopback"), "webhook.blocked"),
    ],
)
async def test_the_operator_hears_once_a_streak(outcome: PushOutcome, event: str) -> None:
    async with world() as w:
        before = counted(event)
        w.sender.outcomes = [outcome, outcome, PushAnswer(200), outcome]
        await w.queue(b'{"n":1}', b'{"n":2}')
        await w.advance(7201)
        assert counted(event) == before + 2  # one streak a notification


async def test_a_receiver_that_fails_is_in_the_log_until_it_works_again() -> None:
    async with world() as w:
        w.sender.outcomes = [PushAnswer(500), PushFailed(Fault.SILENT, "TimeoutError")]
        with capture_logs() as lines:
            await w.queue(b'{"text":"secret"}')
            await w.advance(130)
        failed = [one for one in lines if one["event"] == "webhook.failed"]
        assert [(one["outcome"], one["code"], one["reason"]) for one in failed] == [
            ("failed", 500, ""), ("silent", None, "TimeoutError"),
        ]  # fmt: skip
        assert {(one["instance"], one["again_in_seconds"]) for one in failed} == {
            (INSTANCE, 60)
        }
        again = [one for one in lines if one["event"] == "webhook.works_again"]
        assert [one["after_seconds"] for one in again] == [120]
        assert "secret" not in repr(lines)
        assert URL not in repr(lines)


async def test_failing_for_an_hour_is_worth_one_notice() -> None:
    async with world() as w:
        before = counted("webhook.failing")
        w.sender.outcomes = [PushAnswer(500)] * 70
        await w.queue(b'{"n":1}')
        await w.advance(3500)
        assert counted("webhook.failing") == before
        await w.advance(600)
        assert counted("webhook.failing") == before + 1


async def test_after_24_hours_the_head_expires_and_is_counted() -> None:
    async with world() as w:
        before = expired_so_far()
        w.sender.outcomes = [PushAnswer(503, 3600)] * 24
        await w.queue(b'{"n":1}')
        await w.advance(12 * 3600)
        await w.queue(b'{"n":2}')
        await w.advance(11 * 3600 + 3000)
        assert len(await w.waiting()) == 2
        await w.advance(700)
        assert w.sender.bodies[-1] == b'{"n":2}'
        assert expired_so_far() == before + 1
        ended = await w.journal.read(lambda tx: tx.notification(INSTANCE, 1))
        assert ended is not None
        assert (ended.outcome, ended.attempts) == ("expired", 24)


@pytest.mark.parametrize("again", [URL, "https://other.example.org/"])
@pytest.mark.parametrize("outcome", [PushAnswer(410), PushAnswer(503, 3600), PushAnswer(500)])
async def test_writing_the_url_ends_a_pause(again: str, outcome: PushOutcome) -> None:
    async with world() as w:
        w.sender.outcomes = [outcome]
        await w.queue(b'{"n":1}')
        await w.advance(10)
        assert w.sender.times == [0]
        await w.instances.change_settings(INSTANCE, {"webhook_url": again})
        await w.settle()
        assert [(one.at, one.url) for one in w.sender.sent] == [(0, URL), (10, again)]


async def test_another_setting_leaves_the_pause() -> None:
    async with world() as w:
        w.sender.outcomes = [PushAnswer(500)]
        await w.queue(b'{"n":1}')
        await w.advance(10)
        await w.instances.change_settings(INSTANCE, {"state_webhook": True})
        await w.advance(49)
        assert w.sender.times == [0]
        await w.advance(2)
        assert w.sender.times == [0, 60]


async def test_a_cleared_url_ends_the_attempt_and_leaves_the_entry() -> None:
    async with world() as w:
        w.sender.hold[URL] = asyncio.Event()
        await w.queue(b'{"n":1}', b'{"n":2}')
        await w.settle()
        await w.instances.change_settings(INSTANCE, {"webhook_url": ""})
        await w.settle()
        assert pushes() == []
        assert [one.body for one in await w.waiting()] == [b'{"n":1}', b'{"n":2}']
        del w.sender.hold[URL]
        await w.instances.change_settings(INSTANCE, {"webhook_url": URL})
        await w.settle()
        assert w.sender.bodies == [b'{"n":1}', b'{"n":1}', b'{"n":2}']


async def test_a_receiver_that_hangs_delays_nobody_else() -> None:
    async with world() as w:
        await w.add(OTHER, "https://other.example.org/")
        w.sender.hold[URL] = asyncio.Event()
        await w.queue(b'{"n":1}')
        await w.queue(*(b'{"m":%d}' % n for n in range(50)), instance_id=OTHER)
        await w.settle()
        others = [one.body for one in w.sender.sent if one.url != URL]
        assert others == [b'{"m":%d}' % n for n in range(50)]
        assert len(await w.waiting()) == 1


async def test_a_pause_outlives_the_process_and_an_attempt_does_not() -> None:
    async with world() as w:
        w.sender.outcomes = [PushAnswer(500)]
        await w.queue(b'{"n":1}')
        await w.advance(10)
        await w.crash()
        w.start_dispatcher()
        w.run()
        await w.advance(49)
        assert w.sender.times == [0]
        w.sender.hold[URL] = asyncio.Event()
        await w.advance(2)
        assert w.sender.times == [0, 60]
        await w.crash()
        del w.sender.hold[URL]
        w.start_dispatcher()
        w.run()
        await w.settle()
        assert w.sender.times == [0, 60, 61]  # no lease of a dead process is waited for
        ids = {headers.get("webhook-id") for headers in (one.headers for one in w.sender.sent)}
        assert ids == {None}


async def test_a_stop_waits_a_while_for_an_attempt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatcher, "STOP_SECONDS", 0.5)
    async with world() as w:
        w.sender.hold[URL] = asyncio.Event()
        await w.queue(b'{"n":1}')
        await w.settle()
        began = time.monotonic()
        await w.stop()
        assert time.monotonic() - began > 0.4
        assert pushes() == []
        assert len(await w.waiting()) == 1


async def test_a_stop_ends_pauses_and_notes_what_was_answered() -> None:
    async with world() as w:
        await w.add(OTHER, "https://other.example.org/")
        w.sender.outcomes = [PushAnswer(500)]
        await w.queue(b'{"n":1}')
        await w.settle()
        w.sender.hold["https://other.example.org/"] = asyncio.Event()
        await w.queue(b'{"m":1}', b'{"m":2}', instance_id=OTHER)
        await w.settle()
        w.dispatcher.stop()
        w.sender.hold["https://other.example.org/"].set()
        await w.settle()
        assert pushes() == []
        assert [one.body for one in await w.waiting(OTHER)] == [b'{"m":2}']


async def test_pushes_are_signed_as_standard_webhooks_says() -> None:
    old, new = (
        "whsec_" + base64.b64encode(bytes(range(start, start + 32))).decode()
        for start in (0, 50)
    )
    secrets = {INSTANCE: [parse_secret(new), parse_secret(old)]}
    async with world(secrets=secrets) as w:
        w.sender.outcomes = [PushAnswer(500)]
        await w.queue(json.dumps({"typeWebhook": "stateInstanceChanged"}).encode())
        await w.advance(61)
        first, second = w.sender.sent
        assert first.body == second.body
        assert first.headers["webhook-id"] == second.headers["webhook-id"]
        stamps = [int(one.headers["webhook-timestamp"]) for one in (first, second)]
        assert stamps[1] - stamps[0] == 60
        for secret in (old, new):
            with pytest.MonkeyPatch.context() as patched:
                patched.setattr(
                    "standardwebhooks.webhooks.Webhook._Webhook__verify_timestamp",
                    lambda *_: datetime.fromtimestamp(stamps[1], UTC),
                )
                verified = Webhook(secret).verify(second.body, dict(second.headers))
                assert verified == {"typeWebhook": "stateInstanceChanged"}
                with pytest.raises(WebhookVerificationError):
                    Webhook(secret).verify(second.body + b" ", dict(second.headers))


async def test_what_another_node_owns_is_neither_pushed_nor_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """So that it is pushed by one node, and the sum over all nodes is what there is."""
    waiting = "statusgate_notifications_waiting"
    async with world() as w:
        with monkeypatch.context() as elsewhere:
            elsewhere.setattr(w.ownership, "owns", lambda _id: False)
            await w.queue(b'{"n":1}')
            await w.advance(1800)
            assert w.sender.bodies == []
            assert telemetry.REGISTRY.get_sample_value(waiting) == 0
        await w.advance(1800)
        assert w.sender.bodies == [b'{"n":1}']
