"""Logs and metrics; nothing secret gets into either."""

import collections
import logging
import sys
from bisect import bisect_left
from collections.abc import Iterator
from functools import partial
from itertools import accumulate
from typing import Literal

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

LogFormat = Literal["console", "json"]

REGISTRY = CollectorRegistry()
_BOUNDS = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 60.0)


class Meter:
    """Answers of one route, counted in plain numbers, since every read comes by here; they
    become metrics when somebody asks for them."""

    def __init__(self, label: str) -> None:
        self.label = label
        self.codes = collections.Counter({200: 0})
        self.buckets = [0] * (len(_BOUNDS) + 1)
        self.seconds = 0.0

    def note(self, code: int, seconds: float) -> None:
        """Count an answer of *code* that took *seconds*."""
        self.codes[code] += 1
        self.buckets[bisect_left(_BOUNDS, seconds)] += 1
        self.seconds += seconds


_meters: dict[str, Meter] = {}


def meter(label: str) -> Meter:
    """Return the meter of that label; there is one for the whole process."""
    return _meters.setdefault(label, Meter(label))


class _Answers(Collector):
    """The metrics of all meters."""

    def collect(self) -> Iterator[Metric]:
        requests = CounterMetricFamily(
            "statusgate_http_requests",
            "HTTP requests by method of the contract and answer code",
            labels=("method", "code"),
        )
        times = HistogramMetricFamily(
            "statusgate_http_request_seconds",
            "Time to answer, by method of the contract",
            labels=("method",),
        )
        names = [*map(floatToGoString, _BOUNDS), "+Inf"]
        for one in _meters.values():
            for code, number in one.codes.items():
                requests.add_metric((one.label, str(code)), number)
            buckets = list(zip(names, accumulate(one.buckets), strict=True))
            times.add_metric((one.label,), buckets, one.seconds)
        yield requests
        yield times


REGISTRY.register(_Answers())

_counter = partial(Counter, registry=REGISTRY)
_gauge = partial(Gauge, registry=REGISTRY)

events_total = _counter(
    "statusgate_engine_events", "Engine events recorded, by kind", ("kind",)
)
role_failures_total = _counter(
    "statusgate_role_failures",
    "Unexpected faults of background roles; each is started again",
    ("role",),
)
gaps_total = _counter("statusgate_status_gaps", "Statuses that came but could not be read")
engine_restarts_total = _counter("statusgate_engine_restarts", "Engine processes that died")
instances_by_state = _gauge("statusgate_instances", "Instances by state", ("state",))
downloads_total = _counter(
    "statusgate_media_downloads", "Media fetched from WhatsApp", ("outcome",)
)
notifications_waiting = _gauge("statusgate_notifications_waiting", "Notifications that wait")
oldest_notification_seconds = _gauge(
    "statusgate_oldest_notification_seconds", "Age of the oldest notification that waits"
)
notifications_expired_total = _counter(
    "statusgate_notifications_expired", "Notifications that were not received within 24 hours"
)
pushes_total = _counter("statusgate_pushes", "Attempts to push, by outcome", ("outcome",))
push_seconds = Histogram(
    "statusgate_push_seconds",
    "Time until a receiver answered or an attempt failed",
    buckets=(0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 30, 180),
    registry=REGISTRY,
)
operator_events_total = _counter(
    "statusgate_operator_events", "Things an operator should look at, by kind", ("event",)
)
operator_calls_total = _counter(
    "statusgate_operator_calls",
    "Calls for an instance that the admin token opened, by method",
    ("method",),
)
expired_total = _counter("statusgate_expired_records", "Records removed by retention")


def role_failed(role: str, **where: object) -> None:
    """Log the exception that is being handled, with its traceback, and count it.

    *where* names what it concerns, such as ``instance``.
    """
    role_failures_total.labels(role).inc()
    structlog.get_logger().exception("role.failed", role=role, **where)


def configure_logs(log_format: LogFormat, level: str) -> None:
    """Send structured lines to standard error, one an event, hostile text escaped.

    What is logged with the standard library goes the same way: our own engines at *level*,
    other libraries from warnings on, because below that they name people and show paths.
    """
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if log_format == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            _escape,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.getLevelNamesMapping()[level.upper()]
        ),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    root = logging.getLogger()
    others = [handler for handler in root.handlers if not isinstance(handler, _Bridge)]
    root.handlers = [*others, _Bridge()]
    root.setLevel(logging.WARNING)
    logging.getLogger("statusgate").setLevel(level.upper())


class _Bridge(logging.Handler):
    """Hands records of the standard library's logging to structlog."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            structlog.get_logger().log(
                record.levelno,
                record.getMessage(),
                logger=record.name,
                exc_info=record.exc_info,
            )
        except Exception:  # noqa: BLE001 - as every handler: a log line must not break its caller
            self.handleError(record)


def _escape(
    _logger: object, _name: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    """Make control and direction characters of foreign text visible, and cap its length."""
    for key, value in event.items():
        if isinstance(value, str) and key != "exception":
            event[key] = "".join(c if c.isprintable() else repr(c)[1:-1] for c in value[:2000])
    return event
