"""Metrics of each account, made when somebody asks; bounded by the number of accounts."""

from collections.abc import Callable, Iterator, Sequence

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from statusgate.domain.instance import State
from statusgate.wire.glance import InstanceStatus

Measure = Callable[[InstanceStatus, int], int | None]
_MEASURES: tuple[tuple[str, str, Measure], ...] = (
    (
        "online",
        "1 while the WhatsApp connection is open, else 0",
        lambda one, _now: int(one.status_instance == "online"),
    ),
    (
        "queue",
        "Statuses and answers that wait to be sent, without the scheduled ones",
        lambda one, _now: one.queue.waiting,
    ),
    (
        "failed_24h",
        "Statuses that failed within 24 hours",
        lambda one, _now: one.failed_24h,
    ),
    (
        "last_posted_seconds",
        "Unix time of the newest status that WhatsApp took",
        lambda one, _now: one.last_posted_at,
    ),
    (
        "notifications_waiting",
        "Notifications that wait",
        lambda one, _now: one.notifications.waiting,
    ),
    (
        "oldest_notification_seconds",
        "Age of the oldest notification that waits",
        lambda one, now: _age(one.notifications.oldest_at, now),
    ),
    (
        "webhook_failing_seconds",
        "For how long every push has failed; 0: they succeed",
        lambda one, now: _age(one.webhook.failing_since, now),
    ),
)


class _Accounts(Collector):
    """Gauges of *accounts*, each with its id as a label."""

    def __init__(self, accounts: Sequence[InstanceStatus], now: int) -> None:
        self._accounts = accounts
        self._now = now

    def collect(self) -> Iterator[Metric]:
        state = GaugeMetricFamily(
            "statusgate_account_state",
            "1 for the state that the account is in, 0 for the others",
            labels=("account", "state"),
        )
        for one in self._accounts:
            for each in State:
                labels = (str(one.id_instance), str(each))
                state.add_metric(labels, int(one.state_instance is each))
        yield state
        for name, about, measure in _MEASURES:
            gauge = GaugeMetricFamily(f"statusgate_account_{name}", about, labels=("account",))
            for one in self._accounts:
                value = measure(one, self._now)
                if value is not None:
                    gauge.add_metric((str(one.id_instance),), value)
            yield gauge


def account_metrics(accounts: Sequence[InstanceStatus], now: int) -> bytes:
    """Return the metrics of *accounts* as text for Prometheus; *now* in unix seconds."""
    registry = CollectorRegistry()
    registry.register(_Accounts(accounts, now))
    return generate_latest(registry)


def _age(since: int | None, now: int) -> int:
    return 0 if since is None else max(0, now - since)
