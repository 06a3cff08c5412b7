"""The queue under any sequence of events: nothing lost, order kept, out at most once.

A state machine drives publishing over a journal, a clock of its own and an engine that
answers, refuses, is away, or leaves it open; now and then everything in memory is thrown away,
as a crash does. The engine keeps its own record of what it has put on the wire.
"""

import asyncio
import json
from collections.abc import Awaitable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from statusgate.changes.publisher import ChangePublisher
from statusgate.domain.address import Address
from statusgate.domain.errors import (
    EngineRejected,
    EngineSilent,
    EngineUnavailable,
    EngineUncertain,
    MessageNotFound,
    NotAuthorized,
)
from statusgate.domain.instance import State
from statusgate.domain.outbox import Draft, Method, Phase
from statusgate.domain.post import (
    AudiencePrivacy,
    ContactInfo,
    SentAnswer,
    SentStatus,
    StatusAnswer,
    StatusPost,
)
from statusgate.domain.status import Status
from statusgate.domain.waiting import cancel
from statusgate.journal import Transaction, open_journal
from statusgate.notifications.announcing import Announcing
from statusgate.ownership.ownership import Ownership
from statusgate.publishing.accepting import Publishing
from statusgate.publishing.deleting import Deleting
from statusgate.publishing.outcomes import Outcomes
from statusgate.publishing.queues import Queues
from statusgate.publishing.sending import Sending
from statusgate.publishing.signals import Signals
from tests.databases import new_instance
from tests.factories import INSTANCE, NOON_MS, new_status, person

T = TypeVar("T")
DAY_MS = 86_400_000
THEIR_AUTHOR = person(7)
THEIRS = ("T1", "T2")


class Clock:
    """Time that moves when the test moves it."""

    def __init__(self) -> None:
        self.now = NOON_MS

    def now_ms(self) -> int:
        return self.now

    async def sleep(self, seconds: float) -> None:
        until = self.now + seconds * 1000
        while self.now < until:
            await asyncio.sleep(0.001)


class Wire:
    """What WhatsApp has got, whatever became of those who sent it."""

    def __init__(self) -> None:
        self.posts: list[str] = []
        self.revoked: list[str] = []
        self.outcomes: dict[str, Exception | None] = {}
        self.mood = "well"


class Engine:
    """The port's post_status and answer_status with their promise: a key goes out once."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    async def post_status(
        self, post: StatusPost, audience: Sequence[Address] | None
    ) -> SentStatus:
        await self._send(post.key)
        return SentStatus(
            key=post.key, wire_id=f"W{post.key}", recipients=tuple(audience or ())
        )

    async def answer_status(self, answer: StatusAnswer) -> SentAnswer:
        await self._send(answer.key)
        assert answer.author == THEIR_AUTHOR
        return SentAnswer(key=answer.key, wire_id=f"W{answer.key}")

    async def _send(self, key: str) -> None:
        await asyncio.sleep(0)
        wire = self._wire
        if key not in wire.outcomes:
            if wire.mood == "away":
                raise EngineUnavailable("away")
            if wire.mood == "silent":
                raise EngineSilent("WhatsApp did not say who may see it")
            outcome = {"no": EngineRejected(479), "unsure": EngineUncertain(key)}
            wire.outcomes[key] = outcome.get(wire.mood)
            if wire.mood != "no":
                wire.posts.append(key)
            await asyncio.sleep(0)
        before = wire.outcomes[key]
        if before is not None:
            raise before

    async def delete_status(self, wire_id: str, _audience: Sequence[Address]) -> None:
        self._wire.revoked.append(wire_id)

    async def privacy(self) -> AudiencePrivacy:
        return AudiencePrivacy()

    async def look_up(self, address: Address) -> ContactInfo:
        return ContactInfo(address=address, exists=True)


class Account:
    """Instances and Ownership, as publishing sees them."""

    def __init__(self, wire: Wire) -> None:
        self.instance = new_instance(state=State.AUTHORIZED)
        self._engine = Engine(wire)

    def get(self, _instance_id: int) -> Any:
        return self.instance

    def live_engine(self, instance: Any) -> Any:
        if instance.state is not State.AUTHORIZED:
            raise NotAuthorized(starting=False)
        return self._engine


class Queue(RuleBasedStateMachine):
    """One account: posts, answers, deletions, moods of the engine, time, crashes."""

    @initialize()
    def begin(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.clock, self.wire = Clock(), Wire()
        self.account = Account(self.wire)
        self.journal = open_journal("sqlite:///:memory:")
        self.run(self.journal.write(None, lambda tx: tx.create_instance(self.account.instance)))
        self.run(self.journal.write(None, self.receive))
        self.accepted: list[str] = []
        self.answers: set[str] = set()
        self.scheduled: set[str] = set()
        self.deleted: set[str] = set()
        self.withdrawn: set[str] = set()
        self.roles: list[asyncio.Task[None]] = []
        self.start()

    def run(self, work: Awaitable[T]) -> T:
        return self.loop.run_until_complete(asyncio.wait_for(work, 20))

    def start(self) -> None:
        account: Any = self.account
        clock: Any = self.clock
        no_store: Any = None

        async def build() -> None:
            announcing = Announcing(clock, public_url="", shown=lambda _: True)
            publisher = ChangePublisher(self.journal, announcing.announce)
            signals = Signals(publisher)
            self.signals = signals
            outcomes = Outcomes(self.journal, publisher, clock)
            self.publishing = Publishing(publisher, clock, max_audience=None)
            self.deleting = Deleting(self.journal, publisher, account, clock)
            sending = Sending(self.journal, no_store, Path())
            queues = Queues(
                self.journal,
                publisher,
                account,
                account,
                Ownership(self.journal, clock),
                clock,
                self.publishing,
                outcomes,
                sending,
                signals,
            )
            self.roles = [asyncio.create_task(queues.run())]

        self.run(build())

    def stop(self) -> None:
        for role in self.roles:
            role.cancel()
        self.run(asyncio.gather(*self.roles, return_exceptions=True))

    @rule(text=st.sampled_from("abc"), later=st.sampled_from([None, None, None, 5_000]))
    def post(self, text: str, later: int | None) -> None:
        at_ms = None if later is None else self.clock.now + later
        draft = Draft(text=text, send_at_ms=at_ms)
        accepting = self.publishing.accept(self.account.instance, draft)
        self.accepted.append(self.run(accepting))
        if later is not None:
            self.scheduled.add(self.accepted[-1])

    def receive(self, tx: Transaction) -> None:
        """Statuses of somebody else come in."""
        for status_id in THEIRS:
            new = new_status(status_id=status_id, wire_id=status_id, author=THEIR_AUTHOR)
            assert tx.record_status(INSTANCE, new)

    @rule(answered=st.sampled_from(THEIRS), reply=st.booleans())
    def answer(self, answered: str, reply: bool) -> None:
        draft = Draft(
            method=Method.REPLY if reply else Method.REACTION,
            text="💚",
            participants=(THEIR_AUTHOR.chat_id,),
            answered_id=answered,
        )
        try:
            answer_id = self.run(self.publishing.answer(self.account.instance, draft))
        except MessageNotFound:
            assert answered in self.withdrawn
            return
        assert answered not in self.withdrawn
        self.accepted.append(answer_id)
        self.answers.add(answer_id)

    @rule(answered=st.sampled_from(THEIRS))
    def withdraw(self, answered: str) -> None:
        """Its author deletes a status that may be about to be answered."""
        deletion = self.journal.write(
            INSTANCE, lambda tx: tx.record_deletion(INSTANCE, answered, THEIR_AUTHOR, NOON_MS)
        )
        self.run(deletion)
        self.withdrawn.add(answered)

    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        if not self.accepted:
            return
        status_id = data.draw(st.sampled_from(self.accepted))
        try:
            self.run(self.delete_unless_sending(status_id))
        except MessageNotFound:
            assert status_id in self.deleted | self.answers
            return
        except NotAuthorized:
            return
        self.deleted.add(status_id)

    async def delete_unless_sending(self, status_id: str) -> None:
        """Delete, or give up: the engine may have had it, and was not asked again yet."""
        deletion = self.deleting.delete(self.account.instance, status_id)
        deleting = asyncio.ensure_future(deletion)
        await asyncio.wait({deleting}, timeout=1)
        if not deleting.done():
            found = await self.journal.read(lambda tx: tx.outgoing_one(INSTANCE, status_id))
            if found is not None and found.phase is Phase.SENDING:
                await cancel(deleting)
                return
        await deleting

    @rule(mood=st.sampled_from(["well", "well", "no", "unsure", "away", "silent"]))
    def change_mood(self, mood: str) -> None:
        self.wire.mood = mood

    @rule(state=st.sampled_from([State.AUTHORIZED, State.AUTHORIZED, State.NOT_AUTHORIZED]))
    def change_state(self, state: State) -> None:
        self.account.instance = new_instance(state=state)
        self.signal()

    @rule(seconds=st.sampled_from([1, 10, 90_000]))
    def wait(self, seconds: int) -> None:
        self.clock.now += seconds * 1000
        self.signal()

    @rule(steps=st.integers(0, 30))
    def crash(self, steps: int) -> None:
        async def a_little() -> None:
            for _ in range(steps):
                await asyncio.sleep(0)

        self.run(a_little())
        self.stop()
        self.start()

    def signal(self) -> None:
        async def work() -> None:
            self.signals.queue(INSTANCE)
            await asyncio.sleep(0.01)

        self.run(work())

    @invariant()
    def nothing_is_out_twice(self) -> None:
        if hasattr(self, "wire"):
            assert len(self.wire.posts) == len(set(self.wire.posts))

    def teardown(self) -> None:
        if not hasattr(self, "loop"):
            return
        self.account.instance = new_instance(state=State.AUTHORIZED)
        self.wire.mood = "well"
        self.clock.now += 20_000
        self.run(self.until_idle())
        self.stop()
        found = self.run(self.journal.read(self.statuses))
        outcomes = self.run(self.journal.read(self.outcomes_of_answers))
        at_once = [one for one in self.wire.posts if one not in self.scheduled]
        assert at_once == sorted(at_once, key=self.accepted.index), "out of order"
        for status_id in self.accepted:
            if status_id in self.answers:
                assert status_id not in found
                self.check_answer(status_id, outcomes.get(status_id, []))
            else:
                self.check(status_id, found.get(status_id))
        self.run(self.journal.close())
        self.loop.close()

    async def until_idle(self) -> None:
        while await self.journal.read(lambda tx: tx.outgoing(INSTANCE)):
            self.clock.now += 2_000
            self.signals.queue(INSTANCE)
            await asyncio.sleep(0.002)

    def statuses(self, tx: Any) -> dict[str, Status]:
        found = tx.statuses(INSTANCE, outgoing=True, since_ms=0)
        return {status.status_id: status for status in found}

    def outcomes_of_answers(self, tx: Any) -> dict[str, list[dict[str, Any]]]:
        """What the live stream had to say about each answer."""
        found: dict[str, list[dict[str, Any]]] = {}
        for logged in tx.logged_events(INSTANCE, 0, 10_000):
            for line in logged.lines:
                name, _, data = line.partition(b" ")
                if name == b"answerChanged":
                    outcome = json.loads(data)
                    found.setdefault(outcome["idMessage"], []).append(outcome)
        return found

    def check_answer(self, answer_id: str, outcomes: list[dict[str, Any]]) -> None:
        """Each accepted answer has one outcome, which is what happened on the wire."""
        out = answer_id in self.wire.posts
        if not outcomes:
            assert answer_id in self.deleted, "an accepted answer is lost"
            assert not out
            return
        (outcome,) = outcomes
        assert outcome["chatId"] == THEIR_AUTHOR.chat_id
        if outcome["status"] == "sent":
            assert out
        else:
            assert not out or outcome["failure"]["reason"] == "engineError"

    def check(self, status_id: str, status: Status | None) -> None:
        """The report of each accepted status is what happened on the wire."""
        out = status_id in self.wire.posts
        if status is None:
            assert status_id in self.deleted, "an accepted status is lost"
            uncertain = isinstance(self.wire.outcomes.get(status_id), EngineUncertain)
            assert not out or uncertain or f"W{status_id}" in self.wire.revoked
        elif status.sent_ms is not None:
            assert out
        else:
            assert status.failure is not None, "it was left pending"
            assert not out or status.failure.reason == "engineError"


def test_an_answer_to_a_status_that_was_deleted_meanwhile_fails_with_the_reason() -> None:
    queue = Queue()
    queue.begin()
    queue.change_state(State.NOT_AUTHORIZED)
    queue.answer("T1", reply=True)
    queue.withdraw("T1")
    queue.change_state(State.AUTHORIZED)
    queue.run(queue.until_idle())
    outcomes = queue.run(queue.journal.read(queue.outcomes_of_answers))
    ((outcome,),) = outcomes.values()
    assert outcome["failure"] == {
        "reason": "statusGone",
        "description": "The status that it answers was deleted",
    }
    queue.teardown()
    assert queue.wire.posts == []


def test_what_whatsapp_never_answers_fails_with_the_reason() -> None:
    queue = Queue()
    queue.begin()
    queue.wire.mood = "silent"
    queue.post("a", None)
    queue.run(queue.until_idle())
    (status,) = queue.run(queue.journal.read(queue.statuses)).values()
    assert status.failure is not None
    assert status.failure.description == (
        "The engine could not publish the status: WhatsApp did not say who may see it"
    )
    queue.teardown()


Queue.TestCase.settings = settings(
    max_examples=25,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
TestQueue = pytest.mark.timeout(180)(Queue.TestCase)
