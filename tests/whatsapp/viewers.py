"""Receipts of viewers without engines: no encryption is needed, so the server makes them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from tests.whatsapp.delivery import deliver
from tests.whatsapp.jids import LIDS, STATUS, Jid
from tests.whatsapp.nodes import Attrs, node

if TYPE_CHECKING:
    from tests.whatsapp.accounts import Device
    from tests.whatsapp.world import World


def viewer_receipts(
    world: World,
    author: Device,
    ids: list[str],
    viewers: Iterable[tuple[Jid, Jid | None]],
    kind: str = "",
    at: int | None = None,
) -> None:
    """Receipts of people without an engine: each is an address and, if told, its other form."""
    listed = [node("item", {"id": each}) for each in ids[1:]]
    for viewer, other in viewers:
        alternative = "participant_pn" if viewer.server == LIDS else "participant_lid"
        stanza = node(
            "receipt",
            {
                "id": ids[0],
                "from": STATUS,
                "participant": viewer,
                alternative: other,
                "type": kind or None,
                "t": world.now() if at is None else at,
            },
            [node("list", content=listed)] if listed else None,
        )
        deliver(world, author, stanza)


def grouped_receipt(
    world: World, author: Device, message_id: str, viewers: Iterable[Jid], kind: str, at: int
) -> None:
    """One stanza for many viewers."""
    users = [node("user", {"jid": viewer, "t": at}) for viewer in viewers]
    attrs: Attrs = {"id": f"grouped-{world.history.next_number()}", "from": STATUS, "t": at}
    people = node("participants", {"key": message_id}, users)
    deliver(world, author, node("receipt", {**attrs, "type": kind or None}, [people]))


def early_receipts(world: World, sender: Device, message_id: str) -> None:
    """The fault of the same name: receipts which overtake the answer to the post."""
    fault = world.faults.take("early_receipt", sender.jid)
    if fault is not None:
        viewers = [(Jid.parse(each), None) for each in fault.params["viewers"]]
        kind = str(fault.params.get("kind", ""))
        viewer_receipts(world, sender, [message_id], viewers, kind)
