"""Publishing, the queue, reports (contract 3.3, 3.6, 7.3, 12.3-12.5, 12.8)."""

from collections.abc import Sequence

import msgspec

from statusgate.api.context import Services
from statusgate.domain.errors import InvalidRequest
from statusgate.domain.instance import Instance
from statusgate.wire.publishing import (
    AudienceRequest,
    ReportRequest,
    SendMediaRequest,
    SendTextRequest,
    SendVoiceRequest,
    StatusOfRequest,
)
from statusgate.wire.reports import ClearedAnswer, CountAnswer, ReadAnswer, SentAnswer
from statusgate.wire.requests import StatusRequest

_encode = msgspec.json.Encoder().encode


async def send_status(
    services: Services,
    instance: Instance,
    request: SendTextRequest | SendVoiceRequest | SendMediaRequest,
) -> bytes:
    """Answer only after the status is durably recorded."""
    _check_participants(services, request.participants)
    status_id = await services.publishing.accept(instance, request.draft)
    return _encode(SentAnswer(id_message=status_id))


async def delete_status(
    services: Services, instance: Instance, request: StatusRequest
) -> bytes:
    """Answer with an empty body (D19)."""
    await services.deleting.delete(instance, request.id_message)
    return b""


async def show_messages_queue(services: Services, instance: Instance, _request: None) -> bytes:
    return _encode(await services.reports.queue(instance))


async def get_messages_count(services: Services, instance: Instance, _request: None) -> bytes:
    return _encode(CountAnswer(count=await services.reports.count(instance)))


async def clear_messages_queue(services: Services, instance: Instance, _request: None) -> bytes:
    await services.deleting.clear(instance)
    return _encode(ClearedAnswer())


async def get_status(services: Services, instance: Instance, request: StatusOfRequest) -> bytes:
    return _encode(await services.reports.status(instance, request.id_message, request.chat_id))


async def get_status_report(
    services: Services, instance: Instance, request: ReportRequest
) -> bytes:
    return _encode(
        await services.reports.report(instance, request.id_message, request.interval)
    )


async def get_status_audience(
    services: Services, instance: Instance, request: AudienceRequest
) -> bytes:
    _check_participants(services, request.participants)
    return _encode(await services.reports.audience(instance, request.participants))


async def read_status(
    services: Services, instance: Instance, request: StatusOfRequest
) -> bytes:
    await services.reports.view(instance, request.id_message, request.chat_id)
    return _encode(ReadAnswer())


def _check_participants(services: Services, participants: Sequence[str]) -> None:
    most = services.max_participants
    if len(participants) > most:
        raise InvalidRequest(f"'participants' must contain less than or equal to {most} items")
