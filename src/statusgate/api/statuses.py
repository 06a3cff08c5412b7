"""The status methods and single messages (contract 3.7-3.9, 7.5, 12.9)."""

import msgspec

from statusgate.api.context import Services
from statusgate.domain.instance import Instance
from statusgate.domain.script import ScriptEvent
from statusgate.wire.requests import MessageRequest, StatusRequest, WindowRequest
from statusgate.wire.statuses import DownloadAnswer, SimulateAnswer

_encode = msgspec.json.Encoder().encode


async def get_status_statistic(
    services: Services, instance: Instance, request: StatusRequest
) -> bytes:
    return await services.history.statistic(instance.id, request.id_message)


async def get_incoming_statuses(
    services: Services, instance: Instance, request: WindowRequest
) -> bytes:
    return await services.history.incoming(instance.id, request.minutes)


async def get_outgoing_statuses(
    services: Services, instance: Instance, request: WindowRequest
) -> bytes:
    return await services.history.outgoing(instance.id, request.minutes)


async def get_message(services: Services, instance: Instance, request: MessageRequest) -> bytes:
    return _encode(
        await services.history.message(instance, request.chat_id, request.id_message)
    )


async def download_file(
    services: Services, instance: Instance, request: MessageRequest
) -> bytes:
    url = await services.history.file_url(instance, request.chat_id, request.id_message)
    return _encode(DownloadAnswer(url))


async def simulate(services: Services, instance: Instance, request: list[ScriptEvent]) -> bytes:
    """Answer only after all events are durably recorded."""
    await services.accounts.simulate(instance, request)
    return _encode(SimulateAnswer(len(request)))
