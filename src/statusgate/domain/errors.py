"""Everything that can go wrong in a way the caller should know.

One root; the edges (HTTP, command line) translate the classes in one table each.
"""


class StatusgateError(Exception):
    """Root of all errors the gateway raises on purpose."""


class InvalidRequest(StatusgateError):
    """Input that cannot be accepted; the text names the field and the fault (contract 2.4)."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class BadRequestData(StatusgateError):
    """Well-formed but unusable input (contract 8: ``bad request data``)."""


class MessageNotFound(StatusgateError):
    """No status of that id (contract 8: ``ID message notfound``)."""


class InstanceUnknown(StatusgateError):
    """No instance of that id, or one that is deleted."""


class NotAuthorized(StatusgateError):
    """A live query while the account is not open (contract 2.2 step 6)."""

    def __init__(self, *, starting: bool) -> None:
        super().__init__("starting" if starting else "not authorized")
        self.starting = starting


class NotSupported(StatusgateError):
    """The engine of this instance cannot do that."""


class WebhookIsSet(StatusgateError):
    """Notifications are pushed, so they cannot be received (contract 6.1)."""


class JournalUnavailable(StatusgateError):
    """The record cannot be written or read just now; nothing has changed."""


class JournalFull(JournalUnavailable):
    """No room left to write; reads go on, service returns by itself."""


class JournalBroken(JournalUnavailable):
    """An I/O error: the process must end, the record recovers at the next start."""


class NotOwned(StatusgateError):
    """This node does not own the account. What acts for the account here must end: it is never
    tried again, and acknowledges nothing."""


class OwnedElsewhere(NotOwned):
    """The account runs on another node, which is named if it is known."""

    def __init__(self, node: str) -> None:
        where = f"on the node '{node}'" if node else "on no node at the moment"
        super().__init__(f"the account runs {where}")


class Fenced(NotOwned):
    """The journal refused a work, because another node has claimed the account."""


class MediaFull(StatusgateError):
    """No room for media."""


class LimitReached(StatusgateError):
    """An instance has as much as it may have; the text names the limit.

    *after_seconds*: when there is room again; None: that is not known.
    """

    def __init__(self, text: str, after_seconds: float | None = None) -> None:
        super().__init__(text)
        self.after_seconds = after_seconds


class EngineRejected(StatusgateError):
    """WhatsApp said no; never retried blindly."""

    def __init__(self, code: int, text: str = "") -> None:
        super().__init__(text or f"refused by WhatsApp ({code})")
        self.code = code


class EngineUnavailable(StatusgateError):
    """Not connected, or timed out before anything was sent: may be tried again."""


class EngineSilent(EngineUnavailable):
    """WhatsApp did not answer in time, before anything was sent; the text says what."""


class EngineUncertain(StatusgateError):
    """Sent without an answer: may or may not be out."""

    def __init__(self, key: str) -> None:
        super().__init__(f"the outcome of {key} is unknown")
        self.key = key


class MediaUnavailable(StatusgateError):
    """A file cannot be had from WhatsApp or the media store, or not be stored; ``final`` if
    that will not change."""

    def __init__(self, reason: str, *, final: bool) -> None:
        super().__init__(reason)
        self.final = final
