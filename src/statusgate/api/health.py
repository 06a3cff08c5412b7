"""Routes of the operator; what is open to everybody says nothing but up or down."""

import asyncio
import math
import time

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from statusgate.api.account_metrics import account_metrics
from statusgate.api.answers import Answers, Call
from statusgate.api.auth import operator_token
from statusgate.api.context import Services
from statusgate.api.edge.problems import RETRY_SECONDS, UNAUTHORIZED, UNAVAILABLE, Refused
from statusgate.api.engine_metrics import engine_metrics
from statusgate.api.glance import get_instances_status
from statusgate.api.routes import BodyRoute, Gate
from statusgate.domain.errors import JournalUnavailable
from statusgate.journal import Journal
from statusgate.settings import Settings
from statusgate.telemetry import REGISTRY

_ASK_SECONDS = 1.0
_FRESH_SECONDS = 1.0
_NONE_SO_NEW = 2**62
UP = b'{"status":"up"}'


class Ready(BodyRoute):
    """``/health/ready``: start-up is finished and the record can be trusted; else 503."""

    def __init__(self, answers: Answers, journal: Journal) -> None:
        super().__init__("health/ready", "GET", answers)
        self._journal = journal

    async def answer(self, _call: Call) -> bytes:
        if not self._journal.healthy or not await self._answers_now():
            raise Refused(503, UNAVAILABLE, RETRY_SECONDS)
        return UP

    async def _answers_now(self) -> bool:
        """Whether the record can be read: a server's database may be away for a while."""
        try:
            async with asyncio.timeout(_ASK_SECONDS):
                await self._journal.read(lambda tx: tx.instances(_NONE_SO_NEW))
        except (JournalUnavailable, TimeoutError):
            return False
        return True


class Metrics(BodyRoute):
    """``/metrics``: for Prometheus, with the operator's token unless they are public (D39)."""

    content_type = CONTENT_TYPE_LATEST.encode()
    needs_start = False

    def __init__(
        self, answers: Answers, gate: Gate, services: Services, settings: Settings
    ) -> None:
        super().__init__("metrics", "GET", answers)
        self._gate = gate
        self._services = services
        self._public = settings.metrics_public
        self._most_accounts = settings.metrics_accounts
        self._text = b""
        self._made_at = -math.inf

    async def answer(self, call: Call) -> bytes:
        """Return the metrics, at most a second old; Refused 401 without the token."""
        if not self._public:
            token = operator_token(call.scope["headers"])
            if not self._gate.admits_operator(call.scope, token):
                raise Refused(401, UNAUTHORIZED)
        now = time.monotonic()
        if now - self._made_at >= _FRESH_SECONDS:
            accounts = await self._of_accounts()
            self._text = generate_latest(REGISTRY) + accounts + self._of_processes()
            self._made_at = now
        return self._text

    def _of_processes(self) -> bytes:
        few = len(self._services.instances.all()) <= self._most_accounts
        return engine_metrics(self._services.processes, each=few)

    async def _of_accounts(self) -> bytes:
        """Nothing if there are too many, or while the record cannot be read."""
        services = self._services
        if len(services.instances.all()) > self._most_accounts:
            return b""
        try:
            async with asyncio.timeout(_ASK_SECONDS):
                accounts = await get_instances_status(services, None)
        except (JournalUnavailable, TimeoutError):
            return b""
        return account_metrics(accounts, services.clock.now_ms() // 1000)


class Document(BodyRoute):
    """What never changes: ``/health/live``, while the process answers."""

    needs_start = False

    def __init__(self, label: str, answers: Answers, body: bytes) -> None:
        super().__init__(label, "GET", answers)
        self._body = body

    async def answer(self, _call: Call) -> bytes:
        return self._body
