"""The operator's API: creating and deleting instances (contract 10)."""

import hmac

import msgspec

from statusgate.accounts.instances import NewInstance
from statusgate.api.context import Services
from statusgate.domain.errors import InstanceUnknown, InvalidRequest
from statusgate.wire.errors import PartnerProblem
from statusgate.wire.partner import (
    CreateInstanceAnswer,
    DeleteInstanceAnswer,
    DeleteInstanceRequest,
    NewInstanceRequest,
    instance_item,
)

_encode = msgspec.json.Encoder().encode
_DELETED_SHOWN_MS = 30 * 24 * 3600 * 1000
UNAUTHORIZED = _encode(PartnerProblem(401, "Unauthorized"))
NOT_FOUND = _encode(PartnerProblem(404, "Not found"))


def is_admin(admin_token: str, token: str) -> bool:
    """Whether *token* is the operator's; without one set the partner API is closed."""
    same = hmac.compare_digest(admin_token.encode(), token.encode())
    return same and bool(admin_token)


async def create_instance(services: Services, request: NewInstanceRequest) -> bytes:
    """Add an instance; a sandbox account gets a moment to link itself."""
    new = NewInstance(
        name=request.name,
        engine=request.engine,
        settings=request.settings,
        id=request.id,
        token=request.token,
    )
    try:
        instance, token = await services.instances.create(new)
    except InvalidRequest:
        raise InvalidRequest("'idInstance' is already in use") from None
    await services.accounts.first_link(instance)
    return _encode(CreateInstanceAnswer(id_instance=instance.id, api_token_instance=token))


async def get_instances(services: Services, _request: None) -> bytes:
    """All instances, and for 30 days those that were deleted."""
    since_ms = services.clock.now_ms() - _DELETED_SHOWN_MS
    return _encode(
        [
            instance_item(instance)
            for instance in services.instances.all(deleted=True)
            if instance.deleted_ms is None or instance.deleted_ms >= since_ms
        ]
    )


async def delete_instance_account(services: Services, request: DeleteInstanceRequest) -> bytes:
    """Unlink the device, then delete the instance."""
    try:
        instance = services.instances.get(request.id)
        await services.accounts.unlink(instance)
        await services.instances.delete(instance.id)
    except InstanceUnknown:
        return NOT_FOUND
    return _encode(DeleteInstanceAnswer())
