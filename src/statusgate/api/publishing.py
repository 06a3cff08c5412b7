"""Publishing, the queue, reports, answers (contract 3.3, 3.6, 7.3, 12.3-12.5, 12.8, 12.13)."""

from collections.abc import Sequence

from statusgate.api.context import Services
from statusgate.domain.errors import InvalidRequest
from statusgate.domain.instance import Instance
from statusgate.wire import publishing as requests
from statusgate.wire import reports as wire
from statusgate.wire.requests import StatusRequest


async def send_text_status(
    services: Services, instance: Instance, request: requests.SendTextRequest
) -> wire.SentAnswer:
    """Publishes a text; the answer comes once it is durably recorded."""
    return await _send(services, instance, request)


async def send_voice_status(
    services: Services, instance: Instance, request: requests.SendVoiceRequest
) -> wire.SentAnswer:
    """Publishes a sound file as a voice note."""
    return await _send(services, instance, request)


async def send_media_status(
    services: Services, instance: Instance, request: requests.SendMediaRequest
) -> wire.SentAnswer:
    """Publishes a picture or a video."""
    return await _send(services, instance, request)


async def send_status_reaction(
    services: Services, instance: Instance, request: requests.SendReactionRequest
) -> wire.SentAnswer:
    """Reacts to somebody's status; only its author gets it."""
    return wire.SentAnswer(id_message=await services.publishing.answer(instance, request.draft))


async def send_status_reply(
    services: Services, instance: Instance, request: requests.SendReplyRequest
) -> wire.SentAnswer:
    """Answers somebody's status with a private message that quotes it."""
    return wire.SentAnswer(id_message=await services.publishing.answer(instance, request.draft))


async def delete_status(
    services: Services, instance: Instance, request: StatusRequest
) -> bytes:
    """Takes a status back; a published one needs the open connection, else 400.

    The body of the answer is empty (D19).
    """
    await services.deleting.delete(instance, request.id_message)
    return b""


async def show_messages_queue(
    services: Services, instance: Instance, _request: None
) -> list[wire.QueueItem]:
    """Statuses and answers that wait or are scheduled, next first."""
    return await services.reports.queue(instance)


async def get_messages_count(
    services: Services, instance: Instance, _request: None
) -> wire.CountAnswer:
    """How many statuses and answers wait or are scheduled."""
    return wire.CountAnswer(count=await services.reports.count(instance))


async def clear_messages_queue(
    services: Services, instance: Instance, _request: None
) -> wire.ClearedAnswer:
    """Removes all statuses and answers that wait or are scheduled."""
    await services.deleting.clear(instance)
    return wire.ClearedAnswer()


async def get_status(
    services: Services, instance: Instance, request: requests.StatusOfRequest
) -> wire.OutgoingStatus | wire.IncomingStatus:
    """One status of either direction, and what became of it."""
    return await services.reports.status(instance, request.id_message, request.chat_id)


async def get_status_report(
    services: Services, instance: Instance, request: requests.ReportRequest
) -> wire.StatusReport:
    """Who got an outgoing status and when, and who did not and why."""
    return await services.reports.report(instance, request.id_message, request.interval)


async def get_status_audience(
    services: Services, instance: Instance, request: requests.AudienceRequest
) -> wire.AudienceAnswer:
    """Who would get a status now, and who would not and why; nothing is sent."""
    _check_participants(services, request.participants)
    return await services.reports.audience(instance, request.participants, request.limit)


async def read_status(
    services: Services, instance: Instance, request: requests.StatusOfRequest
) -> wire.ReadAnswer:
    """Marks an incoming status as viewed, for its author to see."""
    await services.reports.view(instance, request.id_message, request.chat_id)
    return wire.ReadAnswer()


async def _send(
    services: Services,
    instance: Instance,
    request: requests.SendTextRequest | requests.SendVoiceRequest | requests.SendMediaRequest,
) -> wire.SentAnswer:
    _check_participants(services, request.participants)
    return wire.SentAnswer(id_message=await services.publishing.accept(instance, request.draft))


def _check_participants(services: Services, participants: Sequence[str]) -> None:
    most = services.max_participants
    if len(participants) > most:
        raise InvalidRequest(f"'participants' must contain less than or equal to {most} items")
