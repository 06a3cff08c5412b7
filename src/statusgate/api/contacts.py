"""Contacts (contract 7.4)."""

import msgspec

from statusgate.api.context import Services
from statusgate.domain.instance import Instance
from statusgate.wire import contacts as wire
from statusgate.wire.requests import (
    CheckWhatsappRequest,
    ContactRequest,
    ContactsRequest,
    NameContactRequest,
)

_encode = msgspec.json.Encoder().encode


async def get_contacts(
    services: Services, instance: Instance, request: ContactsRequest
) -> bytes:
    if request.group:
        return b"[]"
    known = await services.contacts.all(instance)
    return _encode([wire.contact_item(contact) for contact in known[: request.count]])


async def add_contact(
    services: Services, instance: Instance, request: NameContactRequest
) -> bytes:
    await services.contacts.name(instance, request.address, request.contact_name)
    return _encode(wire.AddContactAnswer())


async def edit_contact(
    services: Services, instance: Instance, request: NameContactRequest
) -> bytes:
    await services.contacts.name(instance, request.address, request.contact_name)
    return _encode(wire.EditContactAnswer())


async def delete_contact(
    services: Services, instance: Instance, request: ContactRequest
) -> bytes:
    await services.contacts.name(instance, request.address, "")
    return _encode(wire.DeleteContactAnswer())


async def get_contact_info(
    services: Services, instance: Instance, request: ContactRequest
) -> bytes:
    view = await services.contacts.look_up(instance, request.address)
    return _encode(wire.contact_info(view.known, view.info))


async def get_avatar(services: Services, instance: Instance, request: ContactRequest) -> bytes:
    view = await services.contacts.look_up(instance, request.address)
    return _encode(wire.avatar(view.info))


async def check_whatsapp(
    services: Services, instance: Instance, request: CheckWhatsappRequest
) -> bytes:
    view = await services.contacts.look_up(instance, request.address)
    return _encode(wire.whatsapp_check(view.known, view.info))
