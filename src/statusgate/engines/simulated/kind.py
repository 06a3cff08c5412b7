"""What the gateway knows of the sandbox engine before it makes one."""

from pathlib import Path

from statusgate.domain.instance import Instance
from statusgate.engines.options import read_options
from statusgate.engines.port import Engine, EngineContext, EngineKind
from statusgate.engines.simulated.engine import SimulatedEngine
from statusgate.engines.simulated.options import Options


def _make(instance: Instance, folder: Path, context: EngineContext) -> Engine:
    return SimulatedEngine(
        instance.id, folder, context.clock, instance.engine_options, context.seed
    )


def _links_itself(instance: Instance) -> bool:
    return read_options(Options, instance.engine_options).auto_authorize


SIMULATED = EngineKind(
    about="a sandbox account",
    make=_make,
    options=Options,
    is_movable=True,
    is_sandbox=True,
    links_itself=_links_itself,
)
