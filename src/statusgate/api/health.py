"""Routes of the operator, open to everybody, without anything secret."""

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from statusgate.api.answers import Answers, Call
from statusgate.api.problems import RETRY_SECONDS, UNAVAILABLE, Refused
from statusgate.api.routes import Route
from statusgate.ports import Journal
from statusgate.telemetry import REGISTRY

_UP = b'{"status":"up"}'


class Live(Route):
    """``/health/live``: the process answers."""

    needs_start = False

    def __init__(self, answers: Answers) -> None:
        super().__init__("health/live", "GET", answers)

    async def answer(self, _call: Call) -> bytes:
        return _UP


class Ready(Route):
    """``/health/ready``: start-up is finished and the record can be trusted; else 503."""

    def __init__(self, answers: Answers, journal: Journal) -> None:
        super().__init__("health/ready", "GET", answers)
        self._journal = journal

    async def answer(self, _call: Call) -> bytes:
        if not self._journal.healthy:
            raise Refused(503, UNAVAILABLE, RETRY_SECONDS)
        return _UP


class Metrics(Route):
    """``/metrics``: for Prometheus."""

    needs_start = False

    def __init__(self, answers: Answers) -> None:
        super().__init__("metrics", "GET", answers)
        self.headers = answers.typed(CONTENT_TYPE_LATEST.encode())

    async def answer(self, _call: Call) -> bytes:
        return generate_latest(REGISTRY)


class Document(Route):
    """A document that never changes, such as ``/openapi.json``."""

    needs_start = False

    def __init__(self, label: str, answers: Answers, body: bytes) -> None:
        super().__init__(label, "GET", answers)
        self._body = body

    async def answer(self, _call: Call) -> bytes:
        return self._body
