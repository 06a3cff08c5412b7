"""Reactions, replies and deletions are announced once, after their status (contract 13a)."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from statusgate.accounts.receiving import record_batch
from statusgate.changes.changes import Changes
from statusgate.domain.address import Address
from statusgate.domain.contact import Contact
from statusgate.domain.events import (
    ContactsChanged,
    EngineEvent,
    EngineState,
    IdentityLearned,
    Paired,
    Sequenced,
    StateChanged,
    StatusDeleted,
    StatusReaction,
    StatusReceipt,
    StatusReceived,
    StatusReply,
)
from statusgate.domain.instance import Instance
from statusgate.domain.media import MediaRef
from statusgate.domain.receipt import Progress
from statusgate.domain.reply import Reply, ReplyKind
from statusgate.domain.status import Kind
from statusgate.journal import Transaction
from statusgate.notifications.announcing import Announcing
from tests import notified
from tests.clocks import VirtualClock
from tests.databases import record_in, transaction
from tests.factories import INSTANCE, NOON_MS, new_status, person

ME = Address(phone="70000000001")
ANNA, BORIS = person(1), person(2)
SWITCHES = (
    "status_webhook",
    "status_receipt_webhook",
    "status_reaction_webhook",
    "status_reply_webhook",
    "status_deleted_webhook",
)


class Account:
    """A linked account whose engine events we make, and what it announces."""

    def __init__(self, url: str, shown: Callable[[Any], bool] = lambda _: True) -> None:
        self.session, self.record = record_in(url)
        self._announcing = Announcing(VirtualClock(NOON_MS), public_url="http://x", shown=shown)
        self._seq = 0
        self._last = 0
        self.lines: list[tuple[str, Any]] = []
        """of the live stream: name and data"""
        with transaction(self.session):
            self.record.create_instance(
                Instance(id=INSTANCE, token_digest=bytes(32), created_ms=NOON_MS)
            )
        self.switch(**dict.fromkeys(SWITCHES, True))
        self.tell(
            Paired(me=ME, push_name="Nikolai", at_ms=NOON_MS),
            StateChanged(state=EngineState.OPEN, at_ms=NOON_MS),
            ContactsChanged(
                contacts=(Contact(address=ANNA, name="Anna", contact_name="Anna K"),),
                at_ms=NOON_MS,
            ),
        )

    def switch(self, **wanted: bool) -> None:
        """Change settings."""
        with transaction(self.session):
            instance = self.record.instance(INSTANCE)
            assert instance is not None
            changed = msgspec.structs.replace(instance.settings, **wanted)
            self.record.save_instance(msgspec.structs.replace(instance, settings=changed))

    def tell(self, *events: EngineEvent) -> list[notified.Told]:
        """Record a batch; the notifications that this queued, strictly decoded."""
        self._seq += 1
        batch = [Sequenced(self._seq, events)]
        return self.do(lambda tx, changes: record_batch(tx, changes, INSTANCE, batch, NOON_MS))

    def do(self, work: Callable[[Transaction, Changes], object]) -> list[notified.Told]:
        """Run work as the change publisher does; the notifications that this queued."""
        changes = Changes()
        with transaction(self.session):
            work(self.record, changes)
            self._announcing.announce(self.record, INSTANCE, changes)
            found = self.record.notifications(INSTANCE, waiting=True, limit=10_000)
        for line in changes.events:
            name, _, data = line.partition(b" ")
            self.lines.append((name.decode(), msgspec.json.decode(data)))
        fresh = [one for one in found if one.receipt_id > self._last]
        self._last = max((one.receipt_id for one in found), default=0)
        return [notified.strictly(one.body) for one in fresh]

    def settle_file(self, status_id: str) -> list[notified.Told]:
        """The file of a status will not come."""

        def work(tx: Transaction, changes: Changes) -> None:
            status = tx.status(INSTANCE, status_id)
            assert status is not None
            tx.drop_download(INSTANCE, status.no)
            changes.file_settled(status)

        return self.do(work)


@pytest.fixture
def account() -> Iterator[Account]:
    made = Account("sqlite:///:memory:")
    yield made
    made.session.close()


@pytest.fixture
def on_each(database_url: str) -> Iterator[Account]:
    """As ``account``, once for each kind of database."""
    made = Account(database_url)
    yield made
    made.session.close()


@pytest.fixture
def shy() -> Iterator[Account]:
    """An account whose reader sees no incoming status."""
    made = Account("sqlite:///:memory:", shown=lambda _: False)
    yield made
    made.session.close()


def mine(wire_id: str = "B1", kind: Kind = Kind.TEXT) -> StatusReceived:
    """A status that the account posted on its phone."""
    media = MediaRef(handle=b"x", mimetype="image/jpeg")
    return StatusReceived(
        wire_id=wire_id,
        author=ME,
        from_me=True,
        kind=kind,
        text="Mine",
        media=None if kind is Kind.TEXT else media,
        at_ms=NOON_MS,
    )


def theirs(wire_id: str = "A1") -> StatusReceived:
    return StatusReceived(
        wire_id=wire_id, author=ANNA, kind=Kind.TEXT, text="Hello", at_ms=NOON_MS
    )


def liked(
    emoji: str = "💚", at_ms: int = NOON_MS + 5000, viewer: Address = ANNA
) -> EngineEvent:
    return StatusReaction(wire_id="B1", viewer=viewer, reaction=emoji, at_ms=at_ms)


def seen(kind: Progress = Progress.READ) -> EngineEvent:
    return StatusReceipt(wire_ids=("B1",), viewer=ANNA, kind=kind, at_ms=NOON_MS + 4000)


def answered(
    text: str = "Nice!",
    reply_id: str = "R1",
    kind: ReplyKind = ReplyKind.TEXT,
    viewer: Address = ANNA,
) -> EngineEvent:
    return StatusReply(
        reply=Reply(
            wire_id="B1",
            viewer=viewer,
            reply_id=reply_id,
            kind=kind,
            text=text,
            at_ms=NOON_MS + 6000,
        )
    )


def names(told: Sequence[notified.Told]) -> list[str]:
    """What each notification is about, in short."""
    return [_name(one) for one in told]


def _name(told: notified.Told) -> str:
    if isinstance(told, notified.Outcome):
        return told.status
    assert not isinstance(told, notified.State)
    match told.messageData:
        case notified.ReactionMessage(extendedTextMessageData=data):
            return f"reaction {data.text}"
        case notified.QuotedMessage():
            return f"reply {told.idMessage}"
        case notified.DeletedMessage():
            return "deleted"
        case _:
            return "status"


def test_a_reaction_is_announced_with_its_person_and_the_status(account: Account) -> None:
    account.tell(mine(), seen())
    (told,) = account.tell(liked())
    assert isinstance(told, notified.Incoming)
    who = ANNA.chat_id
    assert told.senderData == notified.SenderData(who, who, "", "Anna", "Anna K")
    assert told.timestamp == NOON_MS // 1000 + 5
    assert told.messageData == notified.ReactionMessage(
        notified.Emoji("💚"), notified.Quoted("B1", ME.chat_id)
    )
    line = {
        "idMessage": "B1",
        "participant": who,
        "reaction": "💚",
        "timestamp": told.timestamp,
    }
    assert account.lines[-1] == ("statusReaction", line)


def test_a_reaction_of_somebody_who_had_not_looked_is_a_view_first(account: Account) -> None:
    account.tell(mine())
    assert names(account.tell(liked())) == ["read", "reaction 💚"]


def test_each_change_of_a_reaction_is_announced_under_an_id_of_its_own(
    account: Account,
) -> None:
    account.tell(mine(), seen())
    changes = [liked("💚", NOON_MS + 1), liked("👍", NOON_MS + 2), liked("", NOON_MS + 3)]
    told = [one for change in changes for one in account.tell(change)]
    assert names(told) == ["reaction 💚", "reaction 👍", "reaction "]
    assert len({one.idMessage for one in told if isinstance(one, notified.Incoming)}) == 3


def test_what_changes_no_reaction_is_not_announced(account: Account) -> None:
    account.tell(mine(), seen())
    assert account.tell(liked("", NOON_MS + 1)) == []  # there was none to take back
    account.tell(liked("💚", NOON_MS + 5))
    lines = len(account.lines)
    assert account.tell(liked("💚", NOON_MS + 5)) == []  # a repeat
    assert account.tell(liked("👍", NOON_MS + 4)) == []  # an older one, late
    assert len(account.lines) == lines


def test_a_reply_is_announced_under_its_own_id(account: Account) -> None:
    account.tell(mine())
    (told,) = account.tell(answered())
    assert isinstance(told, notified.Incoming)
    assert told.idMessage == "R1"
    who = ANNA.chat_id
    assert told.senderData == notified.SenderData(who, who, "", "Anna", "Anna K")
    assert told.timestamp == NOON_MS // 1000 + 6
    assert told.messageData == notified.QuotedMessage(
        notified.Answer("Nice!", "B1", ME.chat_id),
        notified.QuotedOfKind("B1", ME.chat_id, "extendedTextMessage"),
    )
    line = {"idMessage": "B1", "participant": who, "replyId": "R1",
            "typeMessage": "textMessage", "textMessage": "Nice!",
            "timestamp": told.timestamp}  # fmt: skip
    assert account.lines[-1] == ("statusReply", line)
    assert account.tell(answered()) == []


@pytest.mark.parametrize(
    ("kind", "text", "shown"),
    [
        (ReplyKind.STICKER, "", "[sticker]"),
        (ReplyKind.IMAGE, "", "[image]"),
        (ReplyKind.IMAGE, "Look", "Look"),
        (ReplyKind.TEXT, "\u00a0 \n", "[text]"),
    ],
)
def test_a_reply_without_words_is_named_by_its_kind(
    account: Account, kind: ReplyKind, text: str, shown: str
) -> None:
    account.tell(mine())
    (told,) = account.tell(answered(text, kind=kind))
    assert isinstance(told, notified.Incoming)
    assert isinstance(told.messageData, notified.QuotedMessage)
    assert told.messageData.extendedTextMessageData.text == shown
    assert account.lines[-1][1]["textMessage"] == text


def test_a_person_known_by_phone_is_named_by_it_whatever_the_event_says(
    account: Account,
) -> None:
    hidden = Address(lid="222000000000001")
    account.tell(
        mine(),
        IdentityLearned(address=Address(phone=ANNA.phone, lid=hidden.lid), at_ms=NOON_MS),
    )
    told = account.tell(liked(viewer=hidden), answered(viewer=hidden))
    people = [one.senderData.sender for one in told if isinstance(one, notified.Incoming)]
    assert people == [ANNA.chat_id] * 2
    lines = dict(account.lines)
    assert lines["statusReaction"]["participant"] == ANNA.chat_id
    assert lines["statusReply"]["participant"] == ANNA.chat_id


def test_an_author_who_deletes_a_status_is_announced(account: Account) -> None:
    account.tell(theirs())
    (told,) = account.tell(StatusDeleted(wire_id="A1", author=ANNA, at_ms=NOON_MS + 9000))
    assert isinstance(told, notified.Incoming)
    who = ANNA.chat_id
    assert told.senderData == notified.SenderData(who, who, "", "Anna", "Anna K")
    assert told.timestamp == NOON_MS // 1000 + 9
    assert told.messageData == notified.DeletedMessage(notified.Deleted("A1"))
    assert told.idMessage != "A1"
    assert account.lines[-1] == (
        "statusDeleted",
        {"idMessage": "A1", "type": "incoming", "chatId": who},
    )
    assert account.tell(StatusDeleted(wire_id="A1", author=ANNA, at_ms=NOON_MS + 9000)) == []


def test_a_deletion_of_our_own_or_of_what_never_came_is_not_announced(account: Account) -> None:
    account.tell(mine())
    withdrawn = StatusDeleted(wire_id="B1", author=ME, from_me=True, at_ms=NOON_MS)
    unknown = StatusDeleted(wire_id="A7", author=ANNA, at_ms=NOON_MS)
    assert account.tell(withdrawn, unknown) == []
    assert [name for name, _ in account.lines].count("statusDeleted") == 1


def test_a_deletion_of_what_no_reader_may_see_is_not_announced(shy: Account) -> None:
    shy.tell(theirs())
    assert shy.tell(StatusDeleted(wire_id="A1", author=ANNA, at_ms=NOON_MS)) == []
    assert all(name != "statusDeleted" for name, _ in shy.lines)


def test_what_retention_removes_is_not_announced(account: Account) -> None:
    account.tell(theirs(), mine(), liked(), answered())
    late_ms = NOON_MS + 90_000_000
    assert account.do(lambda tx, _: tx.expire(late_ms, 1, 1000)) == []


@pytest.mark.parametrize("switch", SWITCHES[2:])
def test_each_is_announced_only_if_its_own_setting_asks_for_it(
    account: Account, switch: str
) -> None:
    account.switch(**(dict.fromkeys(SWITCHES, False) | {switch: True}))
    told = account.tell(
        mine(),
        theirs(),
        liked(),
        answered(),
        StatusDeleted(wire_id="A1", author=ANNA, at_ms=NOON_MS),
    )
    wanted = {
        "status_reaction_webhook": "reaction 💚",
        "status_reply_webhook": "reply R1",
        "status_deleted_webhook": "deleted",
    }
    assert names(told) == [wanted[switch]]
    assert {"statusReaction", "statusReply", "statusDeleted"} <= dict(account.lines).keys()


def test_reactions_are_gated_as_receipts_are_and_replies_by_a_setting_of_their_own(
    account: Account,
) -> None:
    account.tell(mine())
    account.switch(outgoing_webhook=False)
    assert names(account.tell(liked(), answered())) == ["reply R1"]
    account.switch(outgoing_webhook=True, status_replies=False)
    before = len(account.lines)
    assert account.tell(answered(reply_id="R2")) == []
    assert len(account.lines) == before
    with transaction(account.session):
        status = account.record.status(INSTANCE, "B1")
        assert status is not None
        assert [one.reply_id for one in account.record.replies(status)] == ["R1"]
        assert (status.counts.reactions, status.counts.replies) == (0, 1)


def test_what_came_before_a_post_was_acknowledged_follows_its_outcome(
    on_each: Account,
) -> None:
    """The acknowledgement is what tells which status WhatsApp's id means."""
    account = on_each

    def post(tx: Transaction, _: Changes) -> None:
        tx.record_status(INSTANCE, new_status(1, author=None, by_api=True, wire_id=None))

    def acknowledge(tx: Transaction, changes: Changes) -> None:
        status = tx.status(INSTANCE, new_status(1).status_id)
        assert status is not None
        sent = tx.mark_sent(INSTANCE, status.no, "B1", NOON_MS + 1)
        assert sent is not None
        changes.outcome_recorded(sent)

    account.do(post)
    assert account.tell(answered(), liked(), seen(Progress.DELIVERED)) == []
    told = account.do(acknowledge)
    assert names(told) == ["status", "sent", "delivered", "read", "reaction 💚", "reply R1"]
    last = told[-1]
    assert isinstance(last, notified.Incoming)
    assert isinstance(last.messageData, notified.QuotedMessage)
    assert last.messageData.quotedMessage.stanzaId == new_status(1).status_id


FACTS: list[EngineEvent] = [
    seen(Progress.DELIVERED),
    seen(Progress.READ),
    liked("💚", NOON_MS + 5000),
    answered("One", "R1"),
    answered("Two", "R2", viewer=BORIS),
]
EXACTLY_ONCE = {"status", "reaction 💚", "reply R1", "reply R2"}
AT_MOST_ONCE = {"delivered", "read"}  # a delivery after a view is no news


@settings(max_examples=60, deadline=None)
@given(data=st.data(), kind=st.sampled_from([Kind.TEXT, Kind.IMAGE]))
def test_each_fact_is_announced_once_after_its_status_whatever_the_order(
    data: st.DataObject, kind: Kind
) -> None:
    repeats = data.draw(st.lists(st.sampled_from(FACTS), max_size=3))
    events = data.draw(st.permutations([mine(kind=kind), *FACTS, *repeats]))
    cuts = sorted(data.draw(st.sets(st.integers(1, len(events) - 1))))
    bounds = [0, *cuts, len(events)]
    batches = [list(events[a:b]) for a, b in itertools.pairwise(bounds)]
    settled_after = data.draw(st.integers(0, len(batches)))
    account = Account("sqlite:///:memory:")
    told: list[notified.Told] = []
    came = settled = False
    for number, batch in enumerate(batches):
        told += account.tell(*batch)
        came = came or any(isinstance(one, StatusReceived) for one in batch)
        if kind is Kind.IMAGE and came and not settled and number >= settled_after:
            told += account.settle_file("B1")
            settled = True
    if kind is Kind.IMAGE and not settled:
        told += account.settle_file("B1")
    account.session.close()
    found = [name for name in names(told) if name not in AT_MOST_ONCE]
    assert found[0] == "status"
    assert sorted(found) == sorted(EXACTLY_ONCE)
    rest = [name for name in names(told) if name in AT_MOST_ONCE]
    assert names(told)[0] == "status"
    assert len(rest) == len(set(rest))
    lines = [name for name, _ in account.lines if name in ("statusReaction", "statusReply")]
    assert sorted(lines) == ["statusReaction", "statusReply", "statusReply"]
