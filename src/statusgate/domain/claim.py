"""That a node owns an account, where several nodes share a database."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import msgspec

from statusgate.domain.ids import InstanceId


class Claim(msgspec.Struct, frozen=True):
    """An account that a node has taken."""

    instance_id: InstanceId
    token: int
    """random, and another one with every claim"""


_claim: ContextVar[Claim | None] = ContextVar("claim", default=None)


@contextmanager
def acting_on(claim: Claim | None) -> Iterator[None]:
    """What is written to the journal within, for the account of *claim*, is done as its owner:
    once the claim is lost it raises Fenced. With None, as without several nodes, nothing is
    checked. Tasks that are begun within inherit it.
    """
    before = _claim.set(claim)
    try:
        yield
    finally:
        _claim.reset(before)


def token_for(instance_id: InstanceId | None) -> int | None:
    """The token that a work for this instance needs; None: anyone may do it."""
    claim = _claim.get()
    return claim.token if claim is not None and claim.instance_id == instance_id else None
