"""What the gateway knows of the real engine before it makes one."""

from pathlib import Path

import msgspec

from statusgate.domain.instance import Instance
from statusgate.engines.neonize.config import Addressing, LegacyFonts, Setup
from statusgate.engines.neonize.engine import NeonizeEngine
from statusgate.engines.neonize.hosts import Hosts
from statusgate.engines.neonize.ipc import VERSION
from statusgate.engines.options import read_options
from statusgate.engines.port import Engine, EngineContext, EngineKind


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """The engine options of a real account."""

    recipient_addressing: Addressing = "auto"
    """``pn``: by phone number, ``lid``: by hidden number, ``auto``: as it turns out to work"""
    legacy_fonts: LegacyFonts = "raw"
    """``map``: fonts 3 and 5, which newer phones do not list, become the similar 7 and 9"""


def _make(instance: Instance, folder: Path, context: EngineContext) -> Engine:
    options = read_options(Options, instance.engine_options)
    setup = Setup(
        version=VERSION,
        directory=str(folder.absolute()),
        proxy=context.proxy,
        addressing=options.recipient_addressing,
        legacy_fonts=options.legacy_fonts,
        min_free_bytes=context.min_free_bytes,
        memory_bytes=context.memory_bytes,
    )
    hosts = context.processes
    return NeonizeEngine(setup, hosts=hosts if isinstance(hosts, Hosts) else None)


NEONIZE = EngineKind(about="WhatsApp", make=_make, options=Options)
