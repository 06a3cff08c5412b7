"""Accounts at a glance (contract 12.16)."""

from collections.abc import Sequence

from statusgate.api.context import Services
from statusgate.domain.instance import Instance
from statusgate.wire.glance import InstanceStatus, instance_status

_DAY_MS = 24 * 3600 * 1000


async def get_instance_status(
    services: Services, instance: Instance, _request: None
) -> InstanceStatus:
    """The account at a glance: its state, its queue, its notifications, its webhook."""
    (answer,) = await _statuses(services, [instance])
    return answer


async def get_instances_status(services: Services, _request: None) -> list[InstanceStatus]:
    """All accounts at a glance, oldest first; made to be asked every few seconds."""
    return await _statuses(services, services.instances.all())


async def _statuses(services: Services, instances: Sequence[Instance]) -> list[InstanceStatus]:
    now_ms = services.clock.now_ms()
    glances = await services.journal.read(
        lambda tx: tx.glances([one.id for one in instances], now_ms - _DAY_MS)
    )
    return [
        instance_status(
            one, glances[one.id], online=services.accounts.seems_online(one.id), now_ms=now_ms
        )
        for one in instances
    ]
