"""The client's questions (`iq`), and what the server answers to each."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from tests.whatsapp import appstate, keys, pairing
from tests.whatsapp.accounts import Device
from tests.whatsapp.certificates import MEDIA_HOSTS
from tests.whatsapp.devices import remove_device
from tests.whatsapp.history import describe
from tests.whatsapp.jids import LIDS, PHONES, SERVER, Jid
from tests.whatsapp.nodes import Answer, Attrs, Node, node

if TYPE_CHECKING:
    from tests.whatsapp.chat import Connection

_PRIVACY = ("groupadd", "last", "status", "profile", "readreceipts", "calladd", "online")

Handler = Callable[["Connection", Device, Node], Answer]


def answer(connection: Connection, question: Node) -> None:
    """Answer one iq; unknown ones get an empty result and are a violation."""
    first = question.children[0] if question.children else Node("")
    kind = question.text("xmlns"), question.text("type"), first.tag
    if kind == ("md", "set", "link_code_companion_reg"):
        pairing.on_link_code(connection, question, first)
        return
    if kind[0] == "w:p" and connection.world.faults.peek("stall_keepalive", connection.jid):
        return
    silence = connection.world.faults.peek("unanswered", connection.jid)
    if silence is not None and silence.params.get("query") in (kind[0], None):
        connection.world.faults.take("unanswered", connection.jid)
        return
    handler = _HANDLERS.get(kind)
    device = connection.device
    if handler is None or device is None:
        connection.world.history.violate(
            "unknown_iq", device=str(connection.jid), node=describe(question)
        )
        connection.send(result(question))
        return
    connection.send(result(question, handler(connection, device, question)))
    if first.tag == "remove-companion-device":
        _remove(connection, device)


def result(question: Node, content: Answer = None) -> Node:
    return node("iq", {"from": SERVER, "type": "result", "id": question.text("id")}, content)


def _nothing(_connection: Connection, _device: Device, _question: Node) -> Answer:
    return None


def _no_list(_connection: Connection, _device: Device, _question: Node) -> Answer:
    return [node("list")]


# ---------------------------------------------------------------------------- people


def _usync(connection: Connection, _device: Device, question: Node) -> Answer:
    asked = question.children[0]
    query, users = asked.child("query"), asked.child("list")
    wanted = {each.tag for each in query.children} if query else set()
    if connection.world.faults.peek("usync_empty", connection.jid):
        found = []
    else:
        found = [_user(connection, user, wanted) for user in users.children] if users else []
    return [Node("usync", dict(asked.attrs), [node("list", content=found)])]


def _user(connection: Connection, user: Node, wanted: set[str]) -> Node:
    """What is known of one person, asked for by address or by `<contact>+number</contact>`."""
    contact = user.child("contact")
    jid = user.jid("jid")
    if jid is None and contact is not None:
        jid = Jid(contact.data.decode().partition("@")[0].lstrip("+"), PHONES)
    account = connection.world.accounts.person(jid) if jid else None
    parts = []
    if "contact" in wanted:
        parts.append(
            node(
                "contact",
                {"type": "in" if account else "out"},
                contact.data if contact else None,
            )
        )
    if "devices" in wanted:
        numbers = sorted(account.devices) if account else []
        if account is not None and connection.jid is not None and jid is not None:
            account.watchers.add((connection.jid, jid.server))
        devices = [
            node("device", {"id": number, "key-index": number or None}) for number in numbers
        ]
        parts.append(node("devices", content=[node("device-list", content=devices)]))
    if "lid" in wanted and account is not None:
        parts.append(node("lid", {"val": Jid(account.lid, LIDS)}))
    if "contact" in wanted and account is not None:
        return node("user", {"jid": Jid(account.lid, LIDS), "pn_jid": account.jid}, parts)
    return node("user", {"jid": jid}, parts)


def _privacy(_connection: Connection, device: Device, _question: Node) -> Answer:
    values = dict.fromkeys(_PRIVACY, "all") | {"readreceipts": device.account.read_receipts}
    rows = [node("category", {"name": name, "value": value}) for name, value in values.items()]
    return [node("privacy", content=rows)]


def _status_privacy(_connection: Connection, device: Device, _question: Node) -> Answer:
    account = device.account
    people = [node("user", {"jid": jid}) for jid in account.privacy_list]
    rows = [node("list", {"type": account.privacy_kind, "default": "true"}, people)]
    return [node("privacy", content=rows)]


def _media_hosts(_connection: Connection, _device: Device, _question: Node) -> Answer:
    attrs: Attrs = {"auth": "fake-auth", "ttl": 300, "auth_ttl": 300, "max_buckets": 12}
    return [node("media_conn", attrs, [node("host", {"hostname": MEDIA_HOSTS[0]})])]


def _remove(connection: Connection, device: Device) -> None:
    """The device has logged itself out; the client closes."""
    remove_device(connection.world, device)
    connection.live = False
    connection.world.history.add("logout", device=str(device.jid))


_HANDLERS: dict[tuple[str, str, str], Handler] = {
    ("encrypt", "get", "count"): keys.count_keys,
    ("encrypt", "get", "digest"): keys.digest,
    ("encrypt", "set", "registration"): keys.upload_keys,
    ("encrypt", "set", "identity"): keys.upload_keys,
    ("encrypt", "set", "rotate"): keys.rotate,
    ("encrypt", "get", "key"): keys.hand_out_keys,
    ("passive", "set", "active"): _nothing,
    ("passive", "set", "passive"): _nothing,
    ("w:p", "get", ""): _nothing,
    ("w:p", "get", "ping"): _nothing,
    ("w:stats", "set", "add"): _nothing,
    ("w:mex", "get", "query"): _nothing,
    ("abt", "get", "props"): _nothing,
    ("blocklist", "get", ""): _no_list,
    ("urn:xmpp:whatsapp:dirty", "set", "clean"): _nothing,
    ("privacy", "get", "privacy"): _privacy,
    ("privacy", "set", "tokens"): _nothing,
    ("status", "get", "privacy"): _status_privacy,
    ("usync", "get", "usync"): _usync,
    ("w:m", "set", "media_conn"): _media_hosts,
    ("md", "set", "remove-companion-device"): _nothing,
    ("w:sync:app:state", "set", "sync"): appstate.answer,
}
