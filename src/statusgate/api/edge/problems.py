"""What can go wrong, and what is answered: the one table of contract 8."""

import math

from statusgate.domain import errors

UNAUTHORIZED = "Unauthorized"
FORBIDDEN = "Forbidden"
NOT_FOUND = "Not Found"
NOT_OFFERED = "not offered: statuses only"
NO_MESSAGE = "ID message notfound"
BAD_DATA = "bad request data"
NO_ACCESS = "There is no access to the functionality of the beta version of the status methods"
STARTING = "instance in starting process try later"
NOT_OPEN = "instance is starting or not authorized"
WEBHOOK_IS_SET = (
    "Message cannot be received because custom webhook url is set. "
    "Clear webhookUrl with setSettings"
)
TOO_LARGE = "Payload Too Large"
TOO_MANY = "Too Many Requests"
INTERNAL = "Internal Server Error"
UNAVAILABLE = "Service Unavailable"
NO_ROOM = "Insufficient Storage"
RETRY_SECONDS = 5
ELSEWHERE_SECONDS = 1
"""Another node may answer at once, and an account that nobody owns is taken within seconds."""
LIMIT_SECONDS = 60
"""Room that an instance has used up comes back slowly."""


_TABLE: tuple[tuple[type[Exception], tuple[int, str, float | None]], ...] = (
    (errors.BadRequestData, (400, BAD_DATA, None)),
    (errors.MessageNotFound, (400, NO_MESSAGE, None)),
    (errors.EngineRejected, (400, BAD_DATA, None)),
    (errors.EngineUnavailable, (400, STARTING, None)),
    (errors.EngineUncertain, (400, STARTING, None)),
    (errors.WebhookIsSet, (400, WEBHOOK_IS_SET, None)),
    (errors.InstanceUnknown, (403, FORBIDDEN, None)),
    (errors.NotSupported, (404, NOT_FOUND, None)),
    (errors.JournalUnavailable, (503, UNAVAILABLE, RETRY_SECONDS)),
    (errors.MediaUnavailable, (503, UNAVAILABLE, RETRY_SECONDS)),
    (errors.MediaFull, (507, NO_ROOM, RETRY_SECONDS)),
)
"""What the gateway's errors mean to a caller; the first class that fits counts."""


class Refused(Exception):
    """An answer other than 200; *retry_after* in seconds."""

    def __init__(self, code: int, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.retry_after = None if retry_after is None else max(1, math.ceil(retry_after))


class Disconnected(Exception):
    """The client has gone; no answer can be sent."""


def refusal(error: Exception) -> Refused | None:
    """Return the answer that *error* means, None if it is an internal error."""
    match error:
        case Refused():
            return error
        case errors.InvalidRequest():
            return Refused(400, f"Validation failed. Details: {error.detail}")
        case errors.LimitReached():
            return Refused(429, f"{TOO_MANY}: {error}", error.after_seconds or LIMIT_SECONDS)
        case errors.NotOwned():
            return Refused(503, f"{UNAVAILABLE}: {error}", ELSEWHERE_SECONDS)
        case errors.NotAuthorized():
            return Refused(400, STARTING if error.starting else NOT_OPEN)
        case _:
            found = next((what for kind, what in _TABLE if isinstance(error, kind)), None)
            return Refused(*found) if found else None
