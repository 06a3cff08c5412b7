"""Routes of the operator, open to everybody, without anything secret."""

import asyncio

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from statusgate.api.answers import Answers, Call
from statusgate.api.edge.problems import RETRY_SECONDS, UNAVAILABLE, Refused
from statusgate.api.routes import BodyRoute
from statusgate.domain.errors import JournalUnavailable
from statusgate.journal import Journal
from statusgate.telemetry import REGISTRY

_ASK_SECONDS = 1.0
_NONE_SO_NEW = 2**62
_UP = b'{"status":"up"}'


class Live(BodyRoute):
    """``/health/live``: the process answers."""

    needs_start = False

    def __init__(self, answers: Answers) -> None:
        super().__init__("health/live", "GET", answers)

    async def answer(self, _call: Call) -> bytes:
        return _UP


class Ready(BodyRoute):
    """``/health/ready``: start-up is finished and the record can be trusted; else 503."""

    def __init__(self, answers: Answers, journal: Journal) -> None:
        super().__init__("health/ready", "GET", answers)
        self._journal = journal

    async def answer(self, _call: Call) -> bytes:
        if not self._journal.healthy or not await self._answers_now():
            raise Refused(503, UNAVAILABLE, RETRY_SECONDS)
        return _UP

    async def _answers_now(self) -> bool:
        """Whether the record can be read: a server's database may be away for a while."""
        try:
            async with asyncio.timeout(_ASK_SECONDS):
                await self._journal.read(lambda tx: tx.instances(_NONE_SO_NEW))
        except (JournalUnavailable, TimeoutError):
            return False
        return True


class Metrics(BodyRoute):
    """``/metrics``: for Prometheus."""

    needs_start = False

    def __init__(self, answers: Answers) -> None:
        super().__init__("metrics", "GET", answers)
        self.headers = answers.typed(CONTENT_TYPE_LATEST.encode())

    async def answer(self, _call: Call) -> bytes:
        return generate_latest(REGISTRY)


class Document(BodyRoute):
    """A document that never changes, such as ``/openapi.json``."""

    needs_start = False

    def __init__(self, label: str, answers: Answers, body: bytes) -> None:
        super().__init__(label, "GET", answers)
        self._body = body

    async def answer(self, _call: Call) -> bytes:
        return self._body
