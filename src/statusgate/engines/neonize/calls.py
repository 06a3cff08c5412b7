"""Questions to WhatsApp and fetching of files."""

import hashlib
import os
import re
from pathlib import Path
from typing import Any

from neonize.exc import DownloadError, NeonizeError
from neonize.proto.waE2E.WAWebProtobufsE2E_pb2 import Message
from neonize.utils.enum import ReceiptType
from neonize.utils.jid import build_jid

from statusgate.domain.address import Address
from statusgate.domain.errors import EngineUnavailable, MediaUnavailable
from statusgate.domain.media import MediaRef
from statusgate.domain.post import ContactInfo
from statusgate.engines.neonize.audience import LIDS, PHONES
from statusgate.engines.neonize.contacts import ContactStore
from statusgate.engines.neonize.poster import STATUSES

_STATUS_CODE = re.compile(r"status code (\d+)")
_GONE = frozenset({403, 404, 410})
_SPOILED = ("hmac", "hash of media", "too short", "length", "unknown media", "no url present")
"""in the library's errors: what came is not what the sender named, and never will be"""


def mark_viewed(client: Any, wire_id: str, author: Address) -> None:
    """Tell *author* that the status was seen, unless the account hides that."""
    try:
        client.mark_read(wire_id, chat=STATUSES, sender=_jid(author), receipt=ReceiptType.READ)
    except NeonizeError as error:
        raise EngineUnavailable(f"not told: {str(error)[:200]}") from None


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


def download(client: Any, ref: MediaRef, to: Path, limit: int) -> None:
    """Write the file to *to*, whole or not at all. Raises MediaUnavailable."""
    message = Message.FromString(ref.handle)
    kinds = (message.imageMessage, message.videoMessage, message.audioMessage)
    told = max(media.fileLength for media in kinds)
    if told > limit:
        raise MediaUnavailable(f"the file has {told} bytes", final=True)
    try:
        data = client.download_any(message)
    except DownloadError as error:
        raise _explained(str(error)) from None
    if len(data) > limit or hashlib.sha256(data).digest() != ref.sha256:
        raise MediaUnavailable("the file is not the one that was sent", final=True)
    part = to.with_name(to.name + ".part")
    try:
        file = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        with open(file, "wb") as stream:
            stream.write(data)
        part.replace(to)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise MediaUnavailable(f"not stored: {error.strerror}", final=False) from None


def _explained(text: str) -> MediaUnavailable:
    status = _STATUS_CODE.search(text)
    if status and int(status[1]) in _GONE:
        return MediaUnavailable("WhatsApp no longer has the file", final=True)
    if any(sign in text.lower() for sign in _SPOILED):
        return MediaUnavailable("the file is damaged", final=True)
    return MediaUnavailable(f"WhatsApp does not give the file: {text[:200]}", final=False)


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
