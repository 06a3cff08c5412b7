"""The account: settings, states, linking (contract 4, 5)."""

from contextlib import suppress
from typing import Any

import msgspec

from statusgate.accounts.linking import STARTING, Frame
from statusgate.api.context import Services
from statusgate.domain.errors import EngineUnavailable
from statusgate.domain.instance import Instance
from statusgate.journal import Transaction
from statusgate.wire.account import (
    AuthorizationCodeAnswer,
    LogoutAnswer,
    QrAnswer,
    RebootAnswer,
    SaveSettingsAnswer,
    StateAnswer,
    StateHistoryItem,
    StatusInstanceAnswer,
    TokenAnswer,
    history_item,
    wa_settings,
)
from statusgate.wire.requests import AuthorizationCodeRequest, StateHistoryRequest
from statusgate.wire.settings import settings_answer

_encode = msgspec.json.Encoder().encode


async def get_settings(_services: Services, instance: Instance, _request: None) -> bytes:
    return _encode(settings_answer(instance))


async def set_settings(
    services: Services, instance: Instance, request: dict[str, Any]
) -> bytes:
    await services.instances.change_settings(instance.id, request)
    return _encode(SaveSettingsAnswer())


async def get_state_instance(_services: Services, instance: Instance, _request: None) -> bytes:
    return _encode(StateAnswer(instance.state))


async def get_status_instance(services: Services, instance: Instance, _request: None) -> bytes:
    online = services.accounts.is_online(instance.id)
    return _encode(StatusInstanceAnswer("online" if online else "offline"))


async def get_state_instance_history(
    services: Services, instance: Instance, request: StateHistoryRequest
) -> bytes:
    def lines(tx: Transaction) -> list[StateHistoryItem]:
        return [history_item(one) for one in tx.state_history(instance.id, request.count)]

    return _encode(await services.journal.read(lines))


async def get_wa_settings(_services: Services, instance: Instance, _request: None) -> bytes:
    return _encode(wa_settings(instance))


async def reboot(services: Services, instance: Instance, _request: None) -> bytes:
    await services.accounts.reboot(instance)
    return _encode(RebootAnswer())


async def logout(services: Services, instance: Instance, _request: None) -> bytes:
    await services.accounts.logout(instance)
    return _encode(LogoutAnswer())


async def update_api_token(services: Services, instance: Instance, _request: None) -> bytes:
    return _encode(TokenAnswer(await services.instances.rotate_token(instance.id)))


async def qr(services: Services, instance: Instance, _request: None) -> bytes:
    """A code to scan now, or why there is none; always 200."""
    engine = services.accounts.engine(instance.id)
    frame: Frame | QrAnswer = QrAnswer("error", STARTING)
    if engine is not None:
        with suppress(EngineUnavailable):
            frame = await services.linking.qr(instance, engine)
    return _encode(frame)


async def get_authorization_code(
    services: Services, instance: Instance, request: AuthorizationCodeRequest
) -> bytes:
    engine = services.accounts.engine(instance.id)
    code = (
        await services.linking.pairing_code(instance, engine, str(request.phone_number))
        if engine
        else ""
    )
    return _encode(AuthorizationCodeAnswer(bool(code), code))
