"""Contacts (contract 7.4)."""

from statusgate.api.context import Services
from statusgate.domain.instance import Instance
from statusgate.wire import contacts as wire
from statusgate.wire.requests import (
    CheckWhatsappRequest,
    ContactRequest,
    ContactsRequest,
    NameContactRequest,
)


async def get_contacts(
    services: Services, instance: Instance, request: ContactsRequest
) -> list[wire.ContactItem]:
    """Contacts, in the order in which they became known."""
    if request.group:
        return []
    known = await services.contacts.all(instance)
    return [wire.contact_item(contact) for contact in known[: request.count]]


async def add_contact(
    services: Services, instance: Instance, request: NameContactRequest
) -> wire.AddContactAnswer:
    """Names a person in the instance's own contact book."""
    await services.contacts.name(instance, request.address, request.contact_name)
    return wire.AddContactAnswer()


async def edit_contact(
    services: Services, instance: Instance, request: NameContactRequest
) -> wire.EditContactAnswer:
    """As addContact."""
    await services.contacts.name(instance, request.address, request.contact_name)
    return wire.EditContactAnswer()


async def delete_contact(
    services: Services, instance: Instance, request: ContactRequest
) -> wire.DeleteContactAnswer:
    """Takes a person's name out of the contact book."""
    await services.contacts.name(instance, request.address, "")
    return wire.DeleteContactAnswer()


async def get_contact_info(
    services: Services, instance: Instance, request: ContactRequest
) -> wire.ContactInfoAnswer:
    """A contact, and what WhatsApp says about it."""
    info, known = await services.contacts.look_up(instance, request.address)
    return wire.contact_info(known, info)


async def get_avatar(
    services: Services, instance: Instance, request: ContactRequest
) -> wire.AvatarAnswer:
    """Where the picture of a person is."""
    info, _ = await services.contacts.look_up(instance, request.address)
    return wire.avatar(info)


async def check_whatsapp(
    services: Services, instance: Instance, request: CheckWhatsappRequest
) -> wire.CheckWhatsappAnswer:
    """Whether a number is on WhatsApp."""
    info, known = await services.contacts.look_up(instance, request.address)
    return wire.whatsapp_check(known, info)
