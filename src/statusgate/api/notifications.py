"""The notification queue and the live stream (contract 6, 12.7)."""

import msgspec

from statusgate.api.context import Services
from statusgate.domain.instance import Instance
from statusgate.notifications.live import Stream
from statusgate.wire.notifications import ClearedAnswer, CountAnswer, DeletedAnswer, Received
from statusgate.wire.requests import EventsRequest, ReceiptRequest, ReceiveRequest

NOTHING = b"null"
_encode = msgspec.json.Encoder().encode


async def receive_notification(
    services: Services, instance: Instance, request: ReceiveRequest
) -> bytes:
    """The head of the queue, or four bytes that say there is none; never empty."""
    return await _received(services, instance, request.receive_timeout)


async def peek_notification(
    services: Services, instance: Instance, _request: ReceiveRequest
) -> bytes:
    """As receiveNotification, without waiting: HEAD."""
    return await _received(services, instance, 0)


async def delete_notification(
    services: Services, instance: Instance, request: ReceiptRequest
) -> bytes:
    """A second deletion is no error: it only says that there was nothing to delete."""
    done = await services.notifications.delete(instance.id, request.receipt_id)
    return _encode(DeletedAnswer(done, "" if done else "receiptId not found"))


async def get_webhooks_count(services: Services, instance: Instance, _request: None) -> bytes:
    return _encode(CountAnswer(await services.notifications.count(instance.id)))


async def clear_webhooks_queue(services: Services, instance: Instance, _request: None) -> bytes:
    left = await services.notifications.clear(instance.id)
    if left:
        return _encode(
            ClearedAnswer(is_cleared=False, reason="Too many requests", left_time=left)
        )
    return _encode(ClearedAnswer(is_cleared=True))


async def events(services: Services, instance: Instance, request: EventsRequest) -> Stream:
    """A new live stream."""
    return services.live.open(instance, request.last_event_id)


async def _received(services: Services, instance: Instance, seconds: float) -> bytes:
    head = await services.notifications.receive(instance, seconds)
    if head is None:
        return NOTHING
    return _encode(Received(receipt_id=head.receipt_id, body=msgspec.Raw(head.body)))
