"""Answers about single statuses, the queue, and audiences (contract 7.3, 12.3-12.5)."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, Literal

import msgspec

from statusgate.domain.audience import Choice, Reason
from statusgate.domain.outbox import Draft, Method, Outgoing, Publication
from statusgate.domain.receipt import PROGRESS_NAMES, ProgressName, Reaction, Recipient
from statusgate.domain.status import Kind, Status, colour, font_name
from statusgate.wire.statuses import (
    FailureAnswer,
    IncomingItem,
    OutgoingItem,
    failure_answer,
    item,
)

Interval = Literal["minute", "hour"]
_SECONDS = {"minute": 60, "hour": 3600}
_MOST_NAMED_REACTIONS = 50


class _Shape(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Root of the shapes; times are unix seconds, null: not (yet)."""


class QueueItem(_Shape, frozen=True, kw_only=True):
    """A status that waits or is scheduled."""

    message_id: str = msgspec.field(name="messageID")
    type: str
    body: dict[str, Any]


class CountAnswer(_Shape, frozen=True, kw_only=True):
    """How many wait."""

    count: int


class ClearedAnswer(_Shape, frozen=True, kw_only=True):
    is_cleared: Literal[True] = True


class SentAnswer(_Shape, frozen=True, kw_only=True):
    """The id of an accepted status or answer; it never changes."""

    id_message: str


class UploadAnswer(_Shape, frozen=True, kw_only=True):
    """Where the file is, for 15 days."""

    url_file: str


class ReadAnswer(_Shape, frozen=True, kw_only=True):
    read_status: Literal[True] = True


class Counts(_Shape, frozen=True, kw_only=True):
    """Rows by their present status."""

    pending: int
    sent: int
    delivered: int
    read: int
    failed: int
    total: int


class OutgoingStatus(OutgoingItem, frozen=True, kw_only=True, tag="outgoing"):
    """An outgoing item, and what became of it."""

    accepted_at: int
    send_at: int | None
    sent_at: int | None
    background_color: str | msgspec.UnsetType = msgspec.UNSET
    original_file_name: str | msgspec.UnsetType | None = msgspec.UNSET
    counts: Counts
    failure: FailureAnswer | None


class IncomingStatus(IncomingItem, frozen=True, kw_only=True, tag="incoming"):
    """An incoming item, and whether the account looked at it."""

    viewed: bool
    viewed_at: int | None


class AudienceCount(_Shape, frozen=True, kw_only=True):
    requested: int | None
    resolved: int | None
    complete: bool


class Reached(_Shape, frozen=True, kw_only=True):
    """Rows that got at least that far."""

    delivered: int
    read: int


class ReactionCounts(_Shape, frozen=True, kw_only=True):
    """People who reacted; of the emojis the 50 most frequent, the most frequent first."""

    total: int
    by_reaction: dict[str, int]


class Moment(_Shape, frozen=True, kw_only=True):
    """First deliveries, first views, reactions and replies in one interval."""

    time: int
    delivered: int
    read: int
    reactions: int
    replies: int


class Omitted(_Shape, frozen=True, kw_only=True):
    """Recipients that share a reason; at most 100 are listed."""

    reason: str
    count: int
    participants: Sequence[str]


class FanOut(_Shape, frozen=True, kw_only=True):
    skipped: list[Omitted]
    refused: list[Omitted]
    failure: FailureAnswer | None


class StatusReport(_Shape, frozen=True, kw_only=True):
    """Who got a status, who saw it, who did not and why, and what they did with it."""

    id_message: str
    status_message: ProgressName
    send_by_api: bool
    accepted_at: int
    send_at: int | None
    sent_at: int | None
    audience: AudienceCount
    counts: Counts
    reached: Reached
    first_delivered: int | None
    first_view: int | None
    last_view: int | None
    reactions: ReactionCounts
    replies: int
    interval: Interval
    timeline: list[Moment]
    fan_out: FanOut


class AudienceMember(_Shape, frozen=True, kw_only=True):
    id: str
    name: str
    contact_name: str


class ExcludedMember(_Shape, frozen=True, kw_only=True):
    id: str
    reason: str


class AudienceAnswer(_Shape, frozen=True, kw_only=True):
    """Who would get a status now, and who would not and why."""

    mode: Literal["contacts", "participants"]
    total: int
    max_audience: int | None
    participants: list[AudienceMember]
    excluded: list[ExcludedMember]
    excluded_by_reason: dict[str, int]


def queue_item(outgoing: Outgoing) -> QueueItem:
    """The accepted parameters, defaults filled in."""
    draft = outgoing.draft
    if outgoing.is_answer:
        return QueueItem(
            message_id=outgoing.status_id,
            type=str(draft.method),
            body=_answer_parameters(draft),
        )
    body: dict[str, Any] = {}
    if draft.method is Method.TEXT:
        body["message"] = draft.text
    else:
        body |= {"urlFile": draft.url, "fileName": draft.file_name}
    if draft.method is Method.MEDIA:
        body["caption"] = draft.text
    else:
        body["backgroundColor"] = colour(draft.background)
    if draft.method is Method.TEXT:
        body["font"] = font_name(draft.font)
    body["participants"] = draft.participants
    if draft.send_at_ms is not None:
        body["sendAt"] = draft.send_at_ms // 1000
    return QueueItem(message_id=outgoing.status_id, type=str(draft.method), body=body)


def _answer_parameters(draft: Draft) -> dict[str, Any]:
    name = "reaction" if draft.method is Method.REACTION else "message"
    (chat_id,) = draft.participants
    return {"idMessage": draft.answered_id, "chatId": chat_id, name: draft.text}


def status_answer(
    status: Status,
    publication: Publication | None,
    recipients: Iterable[Recipient],
    public_url: str,
) -> IncomingStatus | OutgoingStatus:
    """What ``getStatus`` answers: the journal's item and what more is known."""
    shown = msgspec.structs.asdict(item(status, public_url))
    if not status.outgoing:
        seen = status.viewed_ms
        return IncomingStatus(**shown, viewed=seen is not None, viewed_at=_seconds(seen))
    coloured = status.kind in (Kind.TEXT, Kind.AUDIO)
    original_name = publication.file_name if publication else None
    return OutgoingStatus(
        **shown,
        **_times(status, publication),
        background_color=colour(status.background) if coloured else msgspec.UNSET,
        original_file_name=msgspec.UNSET if status.kind is Kind.TEXT else original_name,
        counts=counts(recipients),
        failure=failure_answer(status.failure),
    )


def status_report(
    status: Status,
    publication: Publication | None,
    recipients: Sequence[Recipient],
    reply_times: Sequence[int],
    *,
    interval: str,
    scheduled: bool,
) -> StatusReport:
    """What ``getStatusReport`` answers."""
    delivered = [at for one in recipients if (at := one.row.arrived_ms) is not None]
    read = [at for one in recipients if (at := one.row.read_ms) is not None]
    reactions = [one for row in recipients if (one := row.row.reaction) and one.emoji]
    return StatusReport(
        id_message=status.status_id,
        status_message=PROGRESS_NAMES[status.progress],
        send_by_api=status.by_api,
        **_times(status, publication),
        audience=audience_count(status, publication, scheduled=scheduled),
        counts=counts(recipients),
        reached=Reached(delivered=len(delivered), read=len(read)),
        first_delivered=_seconds(min(delivered, default=None)),
        first_view=_seconds(min(read, default=None)),
        last_view=_seconds(max(read, default=None)),
        reactions=_reactions(reactions),
        replies=len(reply_times),
        interval=interval,  # type: ignore[arg-type]
        timeline=_timeline(
            _SECONDS[interval],
            delivered=delivered,
            read=read,
            reactions=[one.at_ms for one in reactions],
            replies=reply_times,
        ),
        fan_out=FanOut(
            skipped=[
                Omitted(reason=one.reason, count=one.count, participants=one.participants)
                for one in (publication.skipped if publication else ())
            ],
            refused=_refused(recipients),
            failure=failure_answer(status.failure),
        ),
    )


def audience_count(
    status: Status, publication: Publication | None, *, scheduled: bool
) -> AudienceCount:
    """How many people a status is for."""
    return AudienceCount(
        requested=publication.requested if publication else None,
        resolved=None if publication is None or scheduled else publication.resolved,
        complete=status.by_api,
    )


def audience_answer(
    choice: Choice, *, named: bool, max_audience: int | None, limit: int | None
) -> AudienceAnswer:
    """What ``getStatusAudience`` answers; *limit* cuts its lists, never its counts."""
    reasons = Counter(str(one.reason) for one in choice.excluded)
    return AudienceAnswer(
        mode="participants" if named else "contacts",
        total=len(choice.people),
        max_audience=max_audience,
        participants=[
            AudienceMember(id=one.address.chat_id, name=one.name, contact_name=one.contact_name)
            for one in choice.people[:limit]
        ],
        excluded=[
            ExcludedMember(id=one.chat_id, reason=str(one.reason))
            for one in choice.excluded[:limit]
        ],
        excluded_by_reason={one: reasons[one] for one in map(str, Reason) if reasons[one]},
    )


def counts(recipients: Iterable[Recipient]) -> Counts:
    """Rows by their present status."""
    found = Counter(one.progress for one in recipients)
    by_name = {name: found[progress] for progress, name in PROGRESS_NAMES.items()}
    return Counts(**by_name, total=found.total())


def _times(status: Status, publication: Publication | None) -> dict[str, Any]:
    accepted_ms = publication.accepted_ms if publication else status.posted_ms
    return {
        "accepted_at": accepted_ms // 1000,
        "send_at": _seconds(publication.send_at_ms if publication else None),
        "sent_at": _seconds(status.sent_ms),
    }


def _reactions(reactions: Iterable[Reaction]) -> ReactionCounts:
    found = Counter(one.emoji for one in reactions)
    frequent = sorted(found.items(), key=lambda one: (-one[1], one[0]))
    return ReactionCounts(
        total=found.total(), by_reaction=dict(frequent[:_MOST_NAMED_REACTIONS])
    )


def _timeline(seconds: int, **times: Iterable[int]) -> list[Moment]:
    """How many of each kind there are in each interval that has any; times in ms."""
    counted = {
        kind: Counter(at_ms // 1000 // seconds for at_ms in ones)
        for kind, ones in times.items()
    }
    return [
        Moment(
            time=bucket * seconds, **{kind: count[bucket] for kind, count in counted.items()}
        )
        for bucket in sorted(set().union(*counted.values()))
    ]


def _refused(recipients: Iterable[Recipient]) -> list[Omitted]:
    by_code: dict[int, list[str]] = {}
    for one in recipients:
        if one.refused is not None:
            by_code.setdefault(one.refused, []).append(one.address.chat_id)
    return [
        Omitted(reason=str(code), count=len(ids), participants=sorted(ids)[:100])
        for code, ids in sorted(by_code.items())
    ]


def _seconds(at_ms: int | None) -> int | None:
    return None if at_ms is None else at_ms // 1000
