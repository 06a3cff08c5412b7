"""The engines an instance can have; a new one is a row here and a name in ``EngineName``."""

from pathlib import Path

from statusgate.domain.instance import EngineName, Instance
from statusgate.engines.neonize.hosts import Hosts
from statusgate.engines.neonize.kind import NEONIZE
from statusgate.engines.options import check_options
from statusgate.engines.port import EngineKind, EngineProcesses
from statusgate.engines.simulated.kind import SIMULATED

ENGINES: dict[EngineName, EngineKind] = {"neonize": NEONIZE, "simulated": SIMULATED}


def engine_processes(accounts_per_process: int, logs: Path) -> EngineProcesses:
    """Return processes that the accounts of one gateway share, so many in each.

    They write to files in the folder *logs*.
    """
    return Hosts(accounts_per_process, logs=logs)


def kind_of(instance: Instance) -> EngineKind:
    """What the engine of *instance* is."""
    return ENGINES[instance.engine]


def is_movable(engine: str) -> bool:
    """Whether any node may run the accounts of an engine."""
    return any(kind.is_movable for name, kind in ENGINES.items() if name == engine)


def check_engine_options(instance: Instance) -> None:
    """Raise InvalidRequest that names the first engine option which is unknown or wrong."""
    check_options(kind_of(instance).options, instance.engine_options)
