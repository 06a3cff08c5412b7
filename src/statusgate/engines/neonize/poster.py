"""Publishing statuses, taking them back, and answering those of others."""

import logging
import os
import re
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from neonize.exc import NeonizeError
from neonize.proto import Neonize_pb2 as wire
from neonize.proto.waE2E.WAWebProtobufsE2E_pb2 import (
    AudioMessage,
    ExtendedTextMessage,
    ImageMessage,
    Message,
    MessageContextInfo,
    VideoMessage,
)
from neonize.utils.enum import MediaType
from neonize.utils.jid import build_jid

from statusgate.domain.address import Address
from statusgate.domain.errors import (
    EngineRejected,
    EngineSilent,
    EngineUnavailable,
    EngineUncertain,
    StatusgateError,
)
from statusgate.domain.media_types import MAX_FILE_BYTES
from statusgate.domain.post import AudiencePrivacy, SentStatus, StatusAnswer, StatusPost
from statusgate.domain.status import Kind
from statusgate.engines.neonize.answers import reaction_to, reply_to
from statusgate.engines.neonize.audience import LIDS, Form, Plan, plan_audience
from statusgate.engines.neonize.config import Setup
from statusgate.engines.neonize.contacts import ContactStore
from statusgate.engines.neonize.post_log import PostLog
from statusgate.engines.neonize.store import SessionStore
from statusgate.engines.neonize.untrusted import jid_address

log = logging.getLogger(__name__)

MAX_RECIPIENTS = 65_000
"""a message to WhatsApp counts its parts in 16 bits, one part for each device"""
STATUSES = build_jid("status", "broadcast")

_OPAQUE = 0xFF000000
_WHITE = 0xFFFFFFFF
_FONT_FIELD = 9
_NEAREST_FONT = {3: 7, 5: 9}
"""fonts of older clients, and those that look like them today"""

_REFUSED = re.compile(r"server returned error (\d+)")
_ADDRESSING_REFUSED = 479
_BEFORE_SENDING = (
    "failed to ",
    "the store doesn't contain",
    "client is nil",
    "not connected any more",
)
"""how the library's errors begin while nothing has left"""

_UPLOADED_AS = {
    Kind.IMAGE: MediaType.MediaImage,
    Kind.VIDEO: MediaType.MediaVideo,
    Kind.AUDIO: MediaType.MediaAudio,
}
_KINDS = {
    wire.StatusPrivacy.CONTACTS: "contacts",
    wire.StatusPrivacy.BLACKLIST: "blacklist",
    wire.StatusPrivacy.WHITELIST: "whitelist",
}


class Step(NamedTuple):
    """What a post waits for."""

    until: float
    """monotonic seconds"""
    error: StatusgateError
    """what it fails with then"""


class Poster:
    """Posts one status at a time, because recipients are chosen by names (see audience)."""

    def __init__(
        self,
        client: Any,
        contacts: ContactStore,
        post_log: PostLog,
        store: SessionStore,
        own: Callable[[], Address],
        setup: Setup,
    ) -> None:
        self._client = client
        self._contacts = contacts
        self._post_log = post_log
        self._store = store
        self._own = own
        self._addressing = setup.addressing
        self._legacy_fonts = setup.legacy_fonts
        self._timing = setup.timing
        self._step: Step | None = None
        self.names_in_place = threading.Lock()
        """held while names differ from what they should be"""

    def repair(self) -> None:
        """Put back names that a crash left changed. Raises NeonizeError, OSError."""
        with self.names_in_place:
            for key, rows in self._post_log.owed().items():
                self._contacts.write(rows)
                self._post_log.give_back(key)

    def post(self, post: StatusPost, audience: Sequence[Address] | None) -> SentStatus:
        """Publish; a repeat of the key publishes nothing and returns what became of the first.

        Raises EngineRejected, EngineUnavailable, EngineUncertain, OSError.
        """

        def publish() -> SentStatus:
            message = self._compose(post)
            message.messageContextInfo.CopyFrom(
                MessageContextInfo(messageSecret=os.urandom(32))
            )
            return self._publish_either_way(post.key, message, audience, self._form())

        return self._once(post.key, publish)

    def answer(self, answer: StatusAnswer) -> SentStatus:
        """Send a reaction or a reply to the author alone. Repeats and errors as ``post``."""
        work = self._reply if answer.reaction is None else self._react
        return self._once(answer.key, lambda: work(answer))

    def late(self) -> StatusgateError | None:
        """What the running post or deletion fails with, if its deadline is over."""
        step = self._step
        return step.error if step is not None and time.monotonic() > step.until else None

    def delete(self, wire_id: str, audience: Sequence[Address]) -> None:
        """Withdraw a status from *audience*. Raises as ``post``."""
        with self.names_in_place:
            plan = self._plan(audience, self._form(), narrowing=False)
            me = build_jid(self._own().phone)
            message = self._client.build_revoke(STATUSES, me, wire_id)
            key = f"delete {wire_id}"
            self._post_log.borrow(key, plan.restores)
            with self._names(key, plan):
                self._send(STATUSES, message, wire_id, len(plan.recipients))

    # -- how

    def _once(self, key: str, work: Callable[[], SentStatus]) -> SentStatus:
        """Do *work* unless *key* was sent or refused before; the outcome is the first one's."""
        with self.names_in_place:
            if (before := self._post_log.outcome(key)) is not None:
                return before
            try:
                return work()
            except EngineRejected as refusal:
                self._post_log.end(key, code=refusal.code, text=str(refusal))
                raise

    def _react(self, answer: StatusAnswer) -> SentStatus:
        """React in the chat of statuses, where everybody named as a recipient would get it."""
        form: Form = "lid" if answer.by_lid else self._form()
        message = reaction_to(answer)
        return self._publish_either_way(answer.key, message, [answer.author], form, alone=True)

    def _reply(self, answer: StatusAnswer) -> SentStatus:
        """Write to the author, always by LID: by phone the library calls the sender a bot."""
        try:
            self._ask_lids([answer.author], self._timing.audience)
        except NeonizeError as error:
            raise EngineUnavailable(f"the author is unknown: {error}") from None
        author = self._contacts.complete(answer.author)
        if not author.lid:
            raise EngineRejected(0, "WhatsApp does not know the author")
        to, message = build_jid(author.lid, LIDS), reply_to(answer)
        return self._noted(
            answer.key,
            Plan(recipients=(author,)),
            lambda: self._send(to, message, answer.key, 1),
        )

    def _form(self) -> Form:
        if self._addressing != "auto":
            return self._addressing
        return "lid" if self._store.learned_addressing() == "lid" else "pn"

    def _publish_either_way(
        self,
        key: str,
        message: Any,
        audience: Sequence[Address] | None,
        form: Form,
        *,
        alone: bool = False,
    ) -> SentStatus:
        """Publish; if naming people by phone is refused, once more by LID, and keep to it."""
        try:
            return self._publish(key, message, audience, form, alone)
        except EngineRejected as refusal:
            by_phone = self._addressing == "auto" and form == "pn"
            if refusal.code != _ADDRESSING_REFUSED or not by_phone:
                raise
        sent = self._publish(key, message, audience, "lid", alone)
        self._store.learn_addressing("lid")
        return sent

    def _publish(
        self,
        key: str,
        message: Any,
        audience: Sequence[Address] | None,
        form: Form,
        alone: bool,
    ) -> SentStatus:
        settled = audience is None or self._contacts.settled(self._timing.audience)
        if alone and not settled:
            raise EngineUnavailable("contacts are arriving from the phone")
        plan = self._plan(audience, form, narrowing=True)
        if len(plan.recipients) > MAX_RECIPIENTS:
            raise EngineRejected(
                0, f"{len(plan.recipients)} people; {MAX_RECIPIENTS} are the most"
            )
        if alone and len(plan.recipients) != 1:
            raise EngineRejected(0, "the account's status privacy leaves the author out")

        def send() -> Any:
            with self._names(key, plan):
                if alone and plan.by_name:
                    self._require_alone(plan.recipients[0])
                answer = self._send(STATUSES, message, key, len(plan.recipients))
                self._compare(plan)
                return answer

        return self._noted(key, plan, send)

    def _noted(self, key: str, plan: Plan, send: Callable[[], Any]) -> SentStatus:
        """Send, with a note of *key* before and of the outcome after."""
        try:
            self._post_log.begin(key, plan.restores)
            answer = send()
        except EngineUnavailable:
            self._post_log.withdraw(key)
            raise
        sent = SentStatus(
            key=key,
            wire_id=answer.ID,
            sent_ms=answer.Timestamp * 1000 if answer.Timestamp > 0 else None,
            recipients=plan.recipients,
            skipped=plan.skipped,
        )
        self._post_log.end(key, sent=sent)
        return sent

    def _plan(self, audience: Sequence[Address] | None, form: Form, *, narrowing: bool) -> Plan:
        seconds = self._timing.audience
        try:
            with self._within(seconds, EngineSilent("WhatsApp did not say who may see it")):
                privacy = self.privacy()
            entries = self._contacts.entries()
            if form == "lid":
                people = audience
                if people is None:
                    people = [entry.address for entry in entries if entry.full]
                self._ask_lids(people, seconds + self._timing.send_each * len(people))
        except NeonizeError as error:
            raise EngineUnavailable(f"the audience is unknown: {error}") from None
        complete = self._contacts.complete
        own = self._own()
        plan = plan_audience(entries, privacy, audience, form=form, own=own, complete=complete)
        if narrowing and plan.unwanted:
            raise EngineRejected(
                0,
                "the account's status privacy is a fixed list of people,"
                f" {len(plan.unwanted)} of whom were not chosen",
            )
        return plan

    def _ask_lids(self, people: Sequence[Address], seconds: float) -> None:
        """Learn the LIDs of *people*. Raises NeonizeError."""
        with self._within(seconds, EngineSilent("WhatsApp did not say who is who")):
            self._contacts.ask_lids(people)

    def privacy(self) -> AudiencePrivacy:
        """Ask WhatsApp who may see statuses; the first setting is the one in force."""
        settings = self._client.get_status_privacy()
        if not settings:
            return AudiencePrivacy()
        people = filter(None, map(jid_address, settings[0].List))
        return AudiencePrivacy(_KINDS[settings[0].Type], tuple(people))  # type: ignore[arg-type]

    @contextmanager
    def _names(self, key: str, plan: Plan) -> Iterator[None]:
        """Have the names of *plan* in place; the next start repairs what a crash leaves."""
        try:
            try:
                self._contacts.write(plan.writes)
            except NeonizeError as error:
                raise EngineUnavailable(f"the contact store failed: {error}") from None
            yield
        finally:
            try:
                self._contacts.write(plan.restores)
                self._post_log.give_back(key)
            except NeonizeError:
                log.exception("names could not be put back; tried again at the next start")

    def _require_alone(self, person: Address) -> None:
        """Raise EngineUnavailable if the next message to statuses would reach anybody else."""
        try:
            named = [entry.address for entry in self._contacts.entries() if entry.full]
        except NeonizeError as error:
            raise EngineUnavailable(f"the contact store failed: {error}") from None
        if not all(one.meets(person) for one in named):
            raise EngineUnavailable("the contacts are changing")

    def _compare(self, plan: Plan) -> None:
        """Notice names that WhatsApp's own synchronisation changed while a post ran."""
        if not plan.writes:
            return
        blank = {entry.key for entry in plan.writes if not entry.full}
        try:
            named = {entry.key for entry in self._contacts.entries() if entry.full}
        except NeonizeError:
            return
        if blank & named:
            log.warning(
                "%d people got names during a post and may have got it", len(named & blank)
            )

    @contextmanager
    def _within(self, seconds: float, error: StatusgateError) -> Iterator[None]:
        """Let ``late`` return *error* if what is done within takes too long."""
        self._step = Step(time.monotonic() + seconds, error)
        try:
            yield
        finally:
            self._step = None

    def _send(self, to: Any, message: Any, key: str, recipients: int) -> Any:
        """Hand *message* to WhatsApp and return its answer; translate what goes wrong."""
        seconds = self._timing.send + self._timing.send_each * recipients
        try:
            with self._within(seconds, EngineUncertain(key)):
                return self._client.send_message(to, message)
        except NeonizeError as error:
            text = str(error)
        refused = _REFUSED.search(text)
        if refused:
            raise EngineRejected(int(refused[1]))
        if text.startswith(_BEFORE_SENDING):
            raise EngineUnavailable(f"not sent: {text[:200]}")
        raise EngineUncertain(key)

    # -- what

    def _compose(self, post: StatusPost) -> Any:
        if post.kind is Kind.TEXT:
            return Message(extendedTextMessage=self._text(post))
        file = self._upload(post)
        if post.kind is Kind.AUDIO:
            voice = AudioMessage(
                **file,
                seconds=post.seconds,
                PTT=True,  # phones show only voice messages, and only with a background
                backgroundArgb=_OPAQUE | (post.background or 0),
                waveform=post.waveform or None,
            )
            return Message(audioMessage=voice)
        file |= {
            "caption": post.text or None,
            "width": post.width or None,
            "height": post.height or None,
            "JPEGThumbnail": post.thumbnail or None,
        }
        if post.kind is Kind.IMAGE:
            return Message(imageMessage=ImageMessage(**file))
        return Message(videoMessage=VideoMessage(**file, seconds=post.seconds))

    def _text(self, post: StatusPost) -> Any:
        text = ExtendedTextMessage(text=post.text)
        if post.background is not None:
            text.backgroundArgb = _OPAQUE | post.background
            text.textArgb = _WHITE
        font = post.font
        if font is None:
            return text
        if self._legacy_fonts == "map":
            font = _NEAREST_FONT.get(font, font)
        if not 0 <= font < 128:
            raise EngineRejected(0, f"there is no font {font}")
        # The library's enumeration lacks some numbers, but unknown fields are sent as they are.
        raw = text.SerializeToString() + bytes([_FONT_FIELD << 3, font])
        return ExtendedTextMessage.FromString(raw)

    def _upload(self, post: StatusPost) -> dict[str, Any]:
        path = Path(post.media_path)
        try:
            if path.stat().st_size > MAX_FILE_BYTES:
                raise EngineRejected(0, "the file is too large")
            data = path.read_bytes()
            with self._within(self._timing.upload, EngineSilent("the upload took too long")):
                done = self._client.upload(data, _UPLOADED_AS[post.kind])
        except OSError as error:
            raise EngineUnavailable(f"the file cannot be read: {error.strerror}") from None
        except NeonizeError as error:
            raise EngineUnavailable(f"the file was not uploaded: {str(error)[:200]}") from None
        return {
            "URL": done.url,
            "directPath": done.DirectPath,
            "mediaKey": done.MediaKey,
            "fileEncSHA256": done.FileEncSHA256,
            "fileSHA256": done.FileSHA256,
            "fileLength": len(data),
            "mimetype": post.mimetype,
            "mediaKeyTimestamp": int(time.time()),
        }
