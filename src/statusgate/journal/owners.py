"""Who owns which account, and which nodes live; rules in ``domain.nodes``."""

import msgspec

from statusgate.domain.claim import Claim
from statusgate.domain.ids import InstanceId
from statusgate.domain.nodes import Node

from .instances import OPERATOR, Part
from .rows import struct_of


class Owned(msgspec.Struct, frozen=True):
    """An account and its owner: nobody if *node* is 0, or not among the nodes."""

    instance_id: InstanceId
    engine: str
    node: int
    token: int


class Owners(Part):
    def nodes(self) -> list[Node]:
        """The nodes that live, or have died so lately that nobody has expired them."""
        rows = self._db.run("nodes", instance_id=OPERATOR)
        return [struct_of(Node, row) for row in rows]

    def owners(self) -> list[Owned]:
        """All accounts that are not deleted, by id."""
        return [struct_of(Owned, row) for row in self._db.run("owners")]

    def claim(self, claim: Claim, node: int) -> bool:
        """Take an account for *node*; False if a living node owns it."""
        return bool(
            self._db.run(
                "claim",
                instance_id=claim.instance_id,
                node=node,
                token=claim.token,
                operator=OPERATOR,
            )
        )

    def release(self, claim: Claim) -> None:
        """Leave an account to whoever takes it; a claim that was lost changes nothing."""
        self._db.send("release", instance_id=claim.instance_id, token=claim.token)
