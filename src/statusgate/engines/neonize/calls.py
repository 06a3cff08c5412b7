"""Questions to WhatsApp about people, and telling that a status was seen."""

from typing import Any

from neonize.exc import NeonizeError
from neonize.utils.enum import ReceiptType
from neonize.utils.jid import build_jid

from statusgate.domain.address import Address
from statusgate.domain.errors import EngineUnavailable
from statusgate.domain.post import ContactInfo
from statusgate.engines.neonize.audience import LIDS, PHONES
from statusgate.engines.neonize.contacts import ContactStore
from statusgate.engines.neonize.poster import STATUSES


def mark_viewed(client: Any, wire_id: str, author: Address) -> None:
    """Let *author* know that the status was viewed, unless the account hides that."""
    try:
        client.mark_read(wire_id, chat=STATUSES, sender=_jid(author), receipt=ReceiptType.READ)
    except NeonizeError as error:
        raise EngineUnavailable(f"not sent: {str(error)[:200]}") from None


def look_up(client: Any, contacts: ContactStore, address: Address) -> ContactInfo:
    """Ask WhatsApp about a person. Raises EngineUnavailable."""
    address = contacts.complete(address)
    try:
        if address.phone:
            answers = client.is_on_whatsapp(f"+{address.phone}")
            exists = any(answer.IsIn for answer in answers)
        else:
            exists = len(client.get_user_info(_jid(address))) > 0
    except NeonizeError as error:
        raise EngineUnavailable(f"no answer: {str(error)[:200]}") from None
    if not exists:
        return ContactInfo(address=address, exists=False)
    address = contacts.complete(address)
    return ContactInfo(address=address, exists=True, avatar_url=_avatar(client, address))


def _avatar(client: Any, address: Address) -> str:
    """Return where the profile picture is; ``""`` if there is none or it is hidden."""
    try:
        url = client.get_profile_picture(_jid(address)).URL
    except NeonizeError:
        return ""
    return url if url.startswith("https://") and len(url) <= 2048 else ""


def _jid(address: Address) -> Any:
    if address.phone:
        return build_jid(address.phone, PHONES)
    return build_jid(address.lid, LIDS)
