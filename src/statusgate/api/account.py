"""The account: settings, states, linking (contract 4, 5)."""

from contextlib import suppress
from typing import Any

from statusgate.accounts.linking import STARTING, Frame
from statusgate.api.context import Services
from statusgate.domain.errors import EngineUnavailable
from statusgate.domain.instance import Instance
from statusgate.wire import account as wire
from statusgate.wire.requests import AuthorizationCodeRequest, StateHistoryRequest
from statusgate.wire.settings import settings_answer


async def get_settings(
    _services: Services, instance: Instance, _request: None
) -> dict[str, Any]:
    """All settings of the instance."""
    return settings_answer(instance)


async def set_settings(
    services: Services, instance: Instance, request: dict[str, Any]
) -> wire.SaveSettingsAnswer:
    """Changes any subset of the settings, at once; one bad value saves nothing."""
    await services.instances.change_settings(instance.id, request)
    return wire.SaveSettingsAnswer()


async def get_state_instance(
    _services: Services, instance: Instance, _request: None
) -> wire.StateAnswer:
    """The state of the instance."""
    return wire.StateAnswer(instance.state)


async def get_status_instance(
    services: Services, instance: Instance, _request: None
) -> wire.StatusInstanceAnswer:
    """Whether the WhatsApp connection is open."""
    online = services.accounts.seems_online(instance.id)
    return wire.StatusInstanceAnswer("online" if online else "offline")


async def get_state_instance_history(
    services: Services, instance: Instance, request: StateHistoryRequest
) -> list[wire.StateHistoryItem]:
    """States the instance came into, newest first; at most 1,000."""
    changes = await services.journal.read(
        lambda tx: tx.state_history(instance.id, request.count)
    )
    return [wire.history_item(change) for change in changes]


async def get_wa_settings(
    _services: Services, instance: Instance, _request: None
) -> wire.WaSettingsAnswer:
    """The linked WhatsApp account."""
    return wire.wa_settings(instance)


async def reboot(services: Services, instance: Instance, _request: None) -> wire.RebootAnswer:
    """Restarts the engine; the state is `starting` meanwhile."""
    await services.accounts.reboot(instance)
    return wire.RebootAnswer()


async def logout(services: Services, instance: Instance, _request: None) -> wire.LogoutAnswer:
    """Unlinks the device; also when it is not authorized."""
    await services.accounts.logout(instance)
    return wire.LogoutAnswer()


async def update_api_token(
    services: Services, instance: Instance, _request: None
) -> wire.TokenAnswer:
    """Gives the instance a new token; the old one dies at once."""
    return wire.TokenAnswer(await services.instances.rotate_token(instance.id))


async def qr(services: Services, instance: Instance, _request: None) -> Frame:
    """A code to scan, PNG in base64; the first call starts linking."""
    engine = services.accounts.engine(instance.id)
    if engine is not None:
        with suppress(EngineUnavailable):
            return await services.linking.qr(instance, engine)
    return Frame(type="error", message=STARTING)


async def get_authorization_code(
    services: Services, instance: Instance, request: AuthorizationCodeRequest
) -> wire.AuthorizationCodeAnswer:
    """A code to type on the phone."""
    engine = services.accounts.engine(instance.id)
    code = (
        await services.linking.pairing_code(instance, engine, str(request.phone_number))
        if engine
        else ""
    )
    return wire.AuthorizationCodeAnswer(bool(code), code)
