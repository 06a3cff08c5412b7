"""Background roles: each runs as long as the server, whatever fault it meets."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, NamedTuple

from statusgate import telemetry
from statusgate.domain.clock import Clock

FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 60.0
SETTLED_SECONDS = 60.0


class Role(NamedTuple):
    """Work that runs beside the server; ``run`` may be called again after it failed."""

    name: str
    run: Callable[[], Coroutine[Any, Any, None]]


async def supervise(role: Role, clock: Clock) -> None:
    """Run *role* until it returns or this task is cancelled.

    A fault is logged with its traceback and counted (``statusgate_role_failures_total``);
    after a pause the role is started again. The pause doubles from one second up to a minute
    and is reset once the role has run for a minute.
    """
    pause = FIRST_PAUSE_SECONDS
    while True:
        begun_ms = clock.now_ms()
        try:
            await role.run()
            return
        except (Exception, asyncio.CancelledError) as error:
            if isinstance(error, asyncio.CancelledError) and _is_cancelled():
                raise
            telemetry.role_failed(role.name, again_in_seconds=pause)
        if clock.now_ms() - begun_ms >= SETTLED_SECONDS * 1000:
            pause = FIRST_PAUSE_SECONDS
        await clock.sleep(pause)
        pause = min(pause * 2, LONGEST_PAUSE_SECONDS)


def _is_cancelled() -> bool:
    """Whether this task was asked to end; a cancellation can also come from what it awaits."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
