"""Parameters of the methods that publish (contract 3.3, 12)."""

import re
from typing import Annotated, Any, get_args

import msgspec

from statusgate.domain.emoji import is_one_emoji
from statusgate.domain.media_types import extensions, of_name
from statusgate.domain.outbox import Draft, Method
from statusgate.domain.reply import MAX_REPLY
from statusgate.domain.status import Font, FontName, Kind
from statusgate.wire import fields
from statusgate.wire.reports import Interval
from statusgate.wire.requests import ChatId, Request, StatusId
from statusgate.wire.urls import LONGEST, url_fault

MAX_TEXT = 500
MAX_CAPTION = 1024
MAX_FILE_NAME = 255
_LARGEST_TIME = 10**11
_COLOUR = re.compile(r"#[0-9A-Fa-f]{6}")


def _text(longest: int) -> fields.Read:
    """1 to *longest* code points; only white space counts as empty."""
    within = fields.text(longest)

    def read(name: str, value: object) -> str:
        given: str = within(name, value)
        if not given.strip():
            fields.fail(name, "is not allowed to be empty")
        return given

    return read


def _reaction(name: str, value: object) -> str:
    given = fields.string(name, value)
    if given and not is_one_emoji(given):
        fields.fail(name, "must be one emoji, or empty to take the reaction back")
    return given


def _url(name: str, value: object) -> str:
    given: str = fields.text(LONGEST)(name, value)
    if fault := url_fault(given):
        fields.fail(name, fault)
    return given.partition("#")[0]


def _file_name(name: str, value: object) -> str:
    given: str = fields.text(MAX_FILE_NAME)(name, value)
    if not _extension(given):
        fields.fail(name, "must include a file extension")
    return given


def _media_name(name: str, value: object) -> str:
    given = _file_name(name, value)
    if _extension(given) not in extensions("image", "video"):
        fields.fail(name, "must have an image or video extension")
    return given


def colour(name: str, value: object) -> str:
    """``#RRGGBB``, any case."""
    given = fields.string(name, value)
    if _COLOUR.fullmatch(given) is None:
        fields.fail(name, "must be in the format '#RRGGBB'")
    return given


def _participants(name: str, value: object) -> tuple[str, ...]:
    if not isinstance(value, list):
        fields.fail(name, "must be an array")
    return tuple(fields.chat_id(f"{name}[{no}]", one) for no, one in enumerate(value))


def _extension(file_name: str) -> str:
    """What follows the last dot, lower case; ``""`` if there is none, or nothing before it."""
    stem, dot, extension = file_name.rpartition(".")
    return extension.strip().lower() if dot and stem else ""


def _read(read: fields.Read, *, blank: bool = False, **more: Any) -> Any:
    return msgspec.Meta(extra={"read": read, "blank": blank}, **more)


Colour = Annotated[
    str, _read(colour, pattern="^#[0-9A-Fa-f]{6}$", description="`#RRGGBB`, any case")
]
PostedFont = Annotated[
    FontName, _read(fields.choice(get_args(FontName)), description="exact spelling")
]
Steps = Annotated[Interval, _read(fields.choice(get_args(Interval)))]
Participants = Annotated[
    tuple[str, ...],
    _read(
        _participants,
        description="`phone_number@c.us` or `chat_id@lid`; none: all contacts with a name",
    ),
]
SendAt = Annotated[
    int,
    msgspec.Meta(
        extra_json_schema=fields.EXTENSION,
        description="unix seconds, at most 365 days ahead; past: at once",
    ),
]
UrlFile = Annotated[
    str, _read(_url, max_length=LONGEST, description="http(s) URL of the file itself")
]


class SendTextRequest(Request, frozen=True, kw_only=True):
    """A text status."""

    message: Annotated[
        str,
        _read(_text(MAX_TEXT), max_length=MAX_TEXT, description="1-500 code points"),
    ]
    background_color: Colour = "#000000"
    font: PostedFont = "SANS_SERIF"
    participants: Participants = ()
    send_at: SendAt | None = None

    @property
    def draft(self) -> Draft:
        """What is to be published."""
        return _draft(
            self,
            method=Method.TEXT,
            kind=Kind.TEXT,
            text=self.message,
            background=int(self.background_color[1:], 16),
            font=Font[self.font].value,
        )


class SendVoiceRequest(Request, frozen=True, kw_only=True):
    """A voice status."""

    url_file: UrlFile
    file_name: Annotated[
        str,
        _read(_file_name, max_length=MAX_FILE_NAME, description="with an extension"),
    ]
    background_color: Colour = "#000000"
    participants: Participants = ()
    send_at: SendAt | None = None

    @property
    def draft(self) -> Draft:
        """What is to be published."""
        return _draft(
            self,
            method=Method.VOICE,
            kind=Kind.AUDIO,
            background=int(self.background_color[1:], 16),
            url=self.url_file,
            file_name=self.file_name,
        )


class SendMediaRequest(Request, frozen=True, kw_only=True):
    """A picture or video status; the extension of *fileName* decides which."""

    url_file: UrlFile
    file_name: Annotated[
        str,
        _read(
            _media_name,
            max_length=MAX_FILE_NAME,
            description=f"with one of the extensions {', '.join(extensions('image', 'video'))}",
        ),
    ]
    caption: Annotated[str, msgspec.Meta(max_length=MAX_CAPTION)] = ""
    participants: Participants = ()
    send_at: SendAt | None = None

    @property
    def draft(self) -> Draft:
        """What is to be published."""
        is_image = of_name(self.file_name).kind == "image"
        return _draft(
            self,
            method=Method.MEDIA,
            kind=Kind.IMAGE if is_image else Kind.VIDEO,
            text=self.caption,
            url=self.url_file,
            file_name=self.file_name,
        )


class _AnswerRequest(Request, frozen=True, kw_only=True):
    id_message: StatusId
    chat_id: Annotated[ChatId, msgspec.Meta(description="the author of the status")]

    def _draft(self, method: Method, text: str) -> Draft:
        return Draft(
            method=method,
            text=text,
            participants=(self.chat_id,),
            answered_id=self.id_message,
        )


class SendReactionRequest(_AnswerRequest, frozen=True, kw_only=True):
    """A reaction to somebody's status."""

    reaction: Annotated[
        str, _read(_reaction, blank=True, description='one emoji; `""` takes the reaction back')
    ]

    @property
    def draft(self) -> Draft:
        """What is to be sent."""
        return self._draft(Method.REACTION, self.reaction)


class SendReplyRequest(_AnswerRequest, frozen=True, kw_only=True):
    """A private message that answers somebody's status."""

    message: Annotated[
        str, _read(_text(MAX_REPLY), max_length=MAX_REPLY, description="1-4,096 code points")
    ]

    @property
    def draft(self) -> Draft:
        """What is to be sent."""
        return self._draft(Method.REPLY, self.message)


class AudienceRequest(Request, frozen=True, kw_only=True):
    """For whom, and how many of them to list."""

    participants: Participants = ()
    limit: (
        Annotated[int, msgspec.Meta(ge=0, description="cuts both lists; all if absent")] | None
    ) = None


class StatusOfRequest(Request, frozen=True, kw_only=True):
    """Which status, if need be of whom."""

    id_message: StatusId
    chat_id: Annotated[str, msgspec.Meta(description="the author")] | None = None


class ReportRequest(Request, frozen=True, kw_only=True):
    """Which status, in which steps of time."""

    id_message: StatusId
    interval: Steps = "hour"


def _draft(
    request: SendTextRequest | SendVoiceRequest | SendMediaRequest, **content: Any
) -> Draft:
    at = request.send_at
    return Draft(
        **content,
        participants=request.participants,
        send_at_ms=None if at is None else max(0, min(at, _LARGEST_TIME)) * 1000,
    )
