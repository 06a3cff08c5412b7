"""Answers about contacts (contract 7.4)."""

from typing import Literal

import msgspec

from statusgate.domain.address import Address
from statusgate.domain.contact import KnownContact
from statusgate.domain.post import ContactInfo


class ContactItem(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A contact; contactName is the one in force."""

    id: str
    name: str
    contact_name: str
    type: Literal["user"] = "user"


class ContactInfoAnswer(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A contact, and what WhatsApp knows about it."""

    avatar: str
    name: str
    contact_name: str
    email: str = ""
    category: str = ""
    description: str = ""
    products: tuple[str, ...] = ()
    chat_id: str
    last_seen: None = None
    is_archive: bool = False
    is_disappearing: bool = False
    is_mute: bool = False
    message_expiration: int = 0
    mute_expiration: None = None
    is_business: bool = False


class AvatarAnswer(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Where the picture of a person is."""

    url_avatar: str
    available: bool
    exists_whatsapp: bool
    reason: str = ""
    base64_avatar: str = msgspec.field(default="", name="base64Avatar")


class CheckWhatsappAnswer(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Whether a number is on WhatsApp."""

    exists_whatsapp: bool
    chat_id: str
    username: str = ""
    phone_number: str
    from_cache: bool = False


class AddContactAnswer(msgspec.Struct, frozen=True, rename="camel"):
    add_contact: Literal[True] = True


class EditContactAnswer(msgspec.Struct, frozen=True, rename="camel"):
    edit_contact: Literal[True] = True


class DeleteContactAnswer(msgspec.Struct, frozen=True, rename="camel"):
    delete_contact: Literal[True] = True


def contact_item(contact: KnownContact) -> ContactItem:
    """Return an item of ``getContacts``."""
    return ContactItem(
        id=contact.address.chat_id, name=contact.name, contact_name=contact.contact_name
    )


def contact_info(known: KnownContact | None, info: ContactInfo) -> ContactInfoAnswer:
    """Return what ``getContactInfo`` answers; names are empty for people never met."""
    return ContactInfoAnswer(
        avatar=info.avatar_url,
        name=known.name if known else "",
        contact_name=known.contact_name if known else "",
        chat_id=_shown(known, info.address),
    )


def avatar(info: ContactInfo) -> AvatarAnswer:
    """Return what ``getAvatar`` answers."""
    return AvatarAnswer(
        url_avatar=info.avatar_url,
        available=bool(info.avatar_url),
        exists_whatsapp=info.exists,
    )


def whatsapp_check(known: KnownContact | None, info: ContactInfo) -> CheckWhatsappAnswer:
    """Return what ``checkWhatsapp`` answers; chatId is empty if the number is not there."""
    shown = _shown(known, info.address)
    return CheckWhatsappAnswer(
        exists_whatsapp=info.exists,
        chat_id=shown if info.exists else "",
        phone_number=shown if shown.endswith("@c.us") else "",
    )


def _shown(known: KnownContact | None, address: Address) -> str:
    """A person's chat id, by phone number where one is known."""
    return address.chat_id if address.phone or known is None else known.address.chat_id
