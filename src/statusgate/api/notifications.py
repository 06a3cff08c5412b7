"""The notification queue and the live stream (contract 6, 12.7)."""

import msgspec

from statusgate.api.context import Services
from statusgate.domain.instance import Instance
from statusgate.notifications.live import Stream
from statusgate.wire.notifications import DeletedAnswer, Received, WebhooksClearedAnswer
from statusgate.wire.pushes import (
    NotificationsPage,
    NotificationsRequest,
    WebhookTestAnswer,
)
from statusgate.wire.reports import CountAnswer
from statusgate.wire.requests import EventsRequest, ReceiptRequest, ReceiveRequest


async def receive_notification(
    services: Services, instance: Instance, request: ReceiveRequest
) -> Received | None:
    """The oldest notification, as soon as there is one; `null` if none comes."""
    return await _received(services, instance, request.receive_timeout)


async def peek_notification(
    services: Services, instance: Instance, _request: ReceiveRequest
) -> Received | None:
    """As receiveNotification, without waiting: HEAD."""
    return await _received(services, instance, 0)


async def delete_notification(
    services: Services, instance: Instance, request: ReceiptRequest
) -> DeletedAnswer:
    """Takes a notification out of the queue; the next one can be received then.

    A second deletion is no error: it only says that there was nothing to delete.
    """
    done = await services.notifications.delete(instance.id, request.receipt_id)
    return DeletedAnswer(done, "" if done else "receiptId not found")


async def get_webhooks_count(
    services: Services, instance: Instance, _request: None
) -> CountAnswer:
    """How many notifications wait."""
    return CountAnswer(count=await services.notifications.count(instance.id))


async def clear_webhooks_queue(
    services: Services, instance: Instance, _request: None
) -> WebhooksClearedAnswer:
    """Empties the notification queue."""
    left = await services.notifications.clear(instance.id)
    if left:
        return WebhooksClearedAnswer(
            is_cleared=False, reason="Too many requests", left_time=left
        )
    return WebhooksClearedAnswer(is_cleared=True)


async def get_notifications(
    services: Services, instance: Instance, request: NotificationsRequest
) -> NotificationsPage:
    """Notifications in pages, with their last attempt: those that wait, or those that ended."""
    return await services.notifications.page(instance.id, request)


async def send_test(
    services: Services, instance: Instance, _request: None
) -> WebhookTestAnswer:
    """Sends one signed test body to `webhookUrl` at once; the queue stays as it is."""
    return await services.webhook_tests.send(instance)


async def events(services: Services, instance: Instance, request: EventsRequest) -> Stream:
    """Live stream of server-sent events; can resume within the last 24 hours."""
    return services.live.open(instance, request.last_event_id)


async def _received(services: Services, instance: Instance, seconds: float) -> Received | None:
    head = await services.notifications.receive(instance, seconds)
    if head is None:
        return None
    return Received(receipt_id=head.receipt_id, body=msgspec.Raw(head.body))
