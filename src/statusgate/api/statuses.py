"""The status methods and single messages (contract 3.7-3.9, 7.5, 12.6, 12.9, 12.14, 12.15)."""

from collections.abc import AsyncGenerator

from statusgate.api.context import Services
from statusgate.domain.instance import Instance
from statusgate.domain.script import ScriptEvent
from statusgate.wire.engagement import ReactionItem, ReplyItem
from statusgate.wire.requests import ExportRequest, MessageRequest, StatusRequest, WindowRequest
from statusgate.wire.statuses import DownloadAnswer, IncomingItem, OutgoingItem, SimulateAnswer


async def get_status_statistic(
    services: Services, instance: Instance, request: StatusRequest
) -> bytes:
    """Who received and viewed a status; newest action first."""
    return await services.history.statistic(instance.id, request.id_message)


async def get_incoming_statuses(
    services: Services, instance: Instance, request: WindowRequest
) -> bytes:
    """Statuses of contacts, newest first."""
    return await services.history.incoming(instance.id, request.minutes)


async def get_outgoing_statuses(
    services: Services, instance: Instance, request: WindowRequest
) -> bytes:
    """Statuses of this account, newest first."""
    return await services.history.outgoing(instance.id, request.minutes)


async def export_statuses(
    services: Services, instance: Instance, request: ExportRequest
) -> AsyncGenerator[bytes, None]:
    """Statuses, or what belongs to them, as CSV or JSON lines, oldest first."""
    return services.exports.pages(instance, request)


async def get_status_reactions(
    services: Services, instance: Instance, request: StatusRequest
) -> list[ReactionItem]:
    """Who reacted to a status of this account, and with which emoji; newest first."""
    return await services.history.reactions(instance.id, request.id_message)


async def get_status_replies(
    services: Services, instance: Instance, request: StatusRequest
) -> list[ReplyItem]:
    """Private messages that answer a status of this account; newest first."""
    return await services.history.replies(instance.id, request.id_message)


async def get_message(
    services: Services, instance: Instance, request: MessageRequest
) -> IncomingItem | OutgoingItem:
    """One status; statuses only."""
    return await services.history.message(instance, request.chat_id, request.id_message)


async def download_file(
    services: Services, instance: Instance, request: MessageRequest
) -> DownloadAnswer:
    """Where the file of a status is; statuses only."""
    return DownloadAnswer(
        await services.history.file_url(instance, request.chat_id, request.id_message)
    )


async def simulate(
    services: Services, instance: Instance, request: list[ScriptEvent]
) -> SimulateAnswer:
    """Makes 1-10,000 events happen on a sandbox account, all or none."""
    await services.accounts.simulate(instance, request)
    return SimulateAnswer(len(request))
