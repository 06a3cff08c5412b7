"""What the operator's settings mean for calls to the outside; ValueError names the setting."""

from collections.abc import Callable, Mapping

from statusgate.domain.ids import InstanceId, parse_instance_id
from statusgate.webhooks.addresses import parse_ranges
from statusgate.webhooks.client import GuardedClient
from statusgate.webhooks.guard import GuardedResolver
from statusgate.webhooks.signing import Secret, parse_secret


def guarded_client(outbound_allow: str, now_ms: Callable[[], int]) -> GuardedClient:
    """The client for foreign URLs; to be made in the running loop.

    *outbound_allow*: addresses or networks, comma-separated, that may be called although they
    are not public.
    """
    allowed = [part.strip() for part in outbound_allow.split(",") if part.strip()]
    try:
        ranges = parse_ranges(allowed)
    except ValueError as error:
        raise ValueError(f"outbound_allow: {error}") from None
    return GuardedClient(GuardedResolver(ranges), now_ms=now_ms)


def signing_secrets(texts: Mapping[str, str]) -> dict[InstanceId, list[Secret]]:
    """The secrets of each instance, from texts by idInstance; an error shows no secret."""
    return {_instance_id(name): _secrets(name, text) for name, text in texts.items()}


def _instance_id(name: str) -> InstanceId:
    instance_id = parse_instance_id(name)
    if instance_id is None:
        raise ValueError(f"signing_secrets: {name[:20]!r} is not an idInstance")
    return instance_id


def _secrets(name: str, text: str) -> list[Secret]:
    try:
        return [parse_secret(one) for one in text.split()]
    except ValueError as error:
        raise ValueError(f"signing_secrets of {name}: {error}") from None
