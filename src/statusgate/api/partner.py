"""The operator's API: creating and deleting instances (contract 10)."""

from statusgate.accounts.instances import NewInstance
from statusgate.api.context import Services
from statusgate.domain.errors import InstanceUnknown, InvalidRequest, NotSupported
from statusgate.domain.instance import InstanceSettings
from statusgate.wire import fields
from statusgate.wire.errors import PartnerProblem
from statusgate.wire.partner import (
    CreateInstanceAnswer,
    CreateInstanceRequest,
    DeleteInstanceAnswer,
    DeleteInstanceRequest,
    InstanceItem,
    instance_item,
)
from statusgate.wire.settings import read_settings

_DELETED_SHOWN_MS = 30 * 24 * 3600 * 1000
UNAUTHORIZED = PartnerProblem(401, "Unauthorized")


_read_create = fields.reader(CreateInstanceRequest)


def read_new_instance(given: fields.Given) -> NewInstance:
    """Read ``createInstance``; InvalidRequest names the first bad field."""
    asked = _read_create(given)
    return NewInstance(
        name=asked.name,
        settings=InstanceSettings(**read_settings(given)),
        engine=asked.engine,
        id=asked.idInstance,
        token=asked.apiTokenInstance,
    )


async def create_instance(services: Services, request: NewInstance) -> CreateInstanceAnswer:
    """Adds an instance; any writable setting may be given.

    A sandbox account gets a moment to link itself.
    """
    try:
        instance, token = await services.instances.create(request)
    except InvalidRequest:
        raise InvalidRequest("'idInstance' is already in use") from None
    except NotSupported as error:
        raise InvalidRequest(f"'engine' must be 'simulated': {error}") from None
    await services.accounts.first_link(instance)
    return CreateInstanceAnswer(id_instance=instance.id, api_token_instance=token)


async def get_instances(services: Services, _request: None) -> list[InstanceItem]:
    """All instances, oldest first; deleted ones for 30 days."""
    since_ms = services.clock.now_ms() - _DELETED_SHOWN_MS
    return [
        instance_item(instance)
        for instance in services.instances.all(deleted=True)
        if instance.deleted_ms is None or instance.deleted_ms >= since_ms
    ]


async def delete_instance_account(
    services: Services, request: DeleteInstanceRequest
) -> DeleteInstanceAnswer | PartnerProblem:
    """Unlinks the device and removes the instance with all its records."""
    try:
        instance = services.instances.get(request.id)
        await services.accounts.unlink(instance)
        await services.instances.delete(instance.id)
    except InstanceUnknown:
        return PartnerProblem(404, "Not found")
    return DeleteInstanceAnswer()
