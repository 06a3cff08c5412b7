"""Metrics of the engine processes, made when somebody asks."""

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from statusgate.engines.port import EngineProcesses


class _Processes(Collector):
    """What *processes* use, and with *each* which accounts live in them."""

    def __init__(self, processes: EngineProcesses, *, each: bool) -> None:
        self._processes = processes
        self._each = each

    def collect(self) -> Iterator[Metric]:
        memory = GaugeMetricFamily(
            "statusgate_engine_process_memory_bytes",
            "Resident memory of an engine process",
            labels=("process",),
        )
        accounts = GaugeMetricFamily(
            "statusgate_engine_process_accounts",
            "Accounts that live in an engine process",
            labels=("process",),
        )
        place = GaugeMetricFamily(
            "statusgate_account_process",
            "Number of the engine process in which the account lives",
            labels=("account",),
        )
        restarts = CounterMetricFamily(
            "statusgate_account_restarts",
            "How often the engine of the account was started again",
            labels=("account",),
        )
        for one in self._processes.running():
            number = str(one.number)
            memory.add_metric((number,), one.memory_bytes)
            accounts.add_metric((number,), len(one.restarts))
            for account, times in one.restarts.items() if self._each else ():
                place.add_metric((account,), one.number)
                restarts.add_metric((account,), times)
        yield from (memory, accounts, place, restarts)
        yield CounterMetricFamily(
            "statusgate_engine_process_deaths",
            "Engine processes that ended unasked",
            value=self._processes.deaths,
        )
        yield GaugeMetricFamily(
            "statusgate_engine_accounts_isolated",
            "Accounts that ended the processes they shared with others, and live alone",
            value=len(self._processes.isolated()),
        )


def engine_metrics(processes: EngineProcesses, *, each: bool) -> bytes:
    """Return the metrics of *processes* as text for Prometheus; *each*: also by account."""
    registry = CollectorRegistry()
    registry.register(_Processes(processes, each=each))
    return generate_latest(registry)
