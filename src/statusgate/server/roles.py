"""Background roles: each is run for as long as the server, whatever befalls it."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, NamedTuple

import structlog

from statusgate import telemetry
from statusgate.domain.clock import Clock

log = structlog.get_logger()
FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 60.0
SETTLED_SECONDS = 60.0


class Role(NamedTuple):
    """Something that runs beside the server; ``run`` may be called again after it failed."""

    name: str
    run: Callable[[], Coroutine[Any, Any, None]]


async def supervise(role: Role, clock: Clock) -> None:
    """Run *role* until it returns or is cancelled.

    A fault is logged with its traceback, counted (``statusgate_role_failures_total``) and
    answered by a new start after a pause, which doubles from one second to a minute while the
    role keeps failing and begins anew once it has run for a minute.
    """
    pause = FIRST_PAUSE_SECONDS
    while True:
        begun_ms = clock.now_ms()
        try:
            await role.run()
            return
        except asyncio.CancelledError:
            return
        except Exception:
            telemetry.role_failures_total.labels(role.name).inc()
            log.exception("role.failed", role=role.name, again_in_seconds=pause)
        if clock.now_ms() - begun_ms >= SETTLED_SECONDS * 1000:
            pause = FIRST_PAUSE_SECONDS
        await clock.sleep(pause)
        pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
