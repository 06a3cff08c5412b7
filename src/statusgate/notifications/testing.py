"""Tests of webhooks, beside the queues (contract 12.18)."""

import secrets as randomness
import time
from collections.abc import Mapping, Sequence
from typing import Final

import structlog

from statusgate.domain.clock import Clock
from statusgate.domain.errors import InvalidRequest, LimitReached
from statusgate.domain.ids import InstanceId
from statusgate.domain.instance import Instance
from statusgate.domain.outbound_http import PushAnswer
from statusgate.notifications.dispatcher import Push
from statusgate.notifications.pushing import outcome_name
from statusgate.outbound.headers import push_headers
from statusgate.outbound.signing import Secret
from statusgate.wire.notifications import webhook_test_body
from statusgate.wire.pushes import WebhookTestAnswer, push_error

log = structlog.get_logger()
ANSWER_SECONDS: Final = 20
"""Somebody waits for the answer."""
PAUSE_SECONDS: Final = 5


class WebhookTests:
    """Sends test bodies where an instance's notifications go; one at a time an instance."""

    def __init__(
        self, push: Push, clock: Clock, secrets: Mapping[InstanceId, Sequence[Secret]]
    ) -> None:
        """*secrets* sign what is sent for their instances."""
        self._push = push
        self._clock = clock
        self._secrets = secrets
        self._free_ms: dict[InstanceId, int] = {}
        """when each instance may test again"""

    async def send(self, instance: Instance) -> WebhookTestAnswer:
        """Send one test body and say what came of it.

        InvalidRequest if no webhook is set, LimitReached soon after another test.
        """
        if not instance.settings.webhook_url:
            raise InvalidRequest("'webhookUrl' is not set")
        self._take(instance.id)
        try:
            return await self._send(instance)
        finally:
            self._free_ms[instance.id] = self._clock.now_ms() + PAUSE_SECONDS * 1000

    def _take(self, instance_id: InstanceId) -> None:
        """Begin a test, unless another is under way or has just ended."""
        now_ms = self._clock.now_ms()
        left_ms = self._free_ms.get(instance_id, 0) - now_ms
        if left_ms > 0:
            raise LimitReached(f"one test in {PAUSE_SECONDS} seconds", left_ms / 1000)
        self._free_ms[instance_id] = now_ms + (ANSWER_SECONDS + PAUSE_SECONDS) * 1000

    async def _send(self, instance: Instance) -> WebhookTestAnswer:
        settings = instance.settings
        now_ms, began = self._clock.now_ms(), time.perf_counter()
        body = webhook_test_body(instance, now_ms)
        headers = push_headers(
            settings.webhook_url_token,
            self._secrets.get(instance.id, ()),
            "test_" + randomness.token_hex(12),
            now_ms // 1000,
            body,
        )
        outcome = await self._push(
            settings.webhook_url, body, headers, ANSWER_SECONDS, instance.id
        )
        seconds = round(time.perf_counter() - began, 3)
        name = outcome_name(outcome)
        code = outcome.status if isinstance(outcome, PushAnswer) else None
        log.info("webhook.tested", instance=instance.id, outcome=name, code=code)
        return WebhookTestAnswer(status=code, seconds=seconds, error=push_error(name))
