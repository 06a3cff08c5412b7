"""How often an operation asks PostgreSQL for answers: round trips are what it costs there.

They are counted at the socket. The last one of a write is its COMMIT.
"""

from collections.abc import AsyncIterator

import pytest

from statusgate.accounts.instances import Instances
from statusgate.accounts.receiving import record_batch
from statusgate.changes.publisher import ChangePublisher
from statusgate.domain.contact import Contact
from statusgate.domain.events import Sequenced, StatusReceipt
from statusgate.domain.instance import InstanceSettings
from statusgate.domain.notification import End
from statusgate.domain.outbound_http import PushAnswer, PushOutcome
from statusgate.domain.outbox import Draft
from statusgate.domain.receipt import Progress
from statusgate.journal import Journal, open_journal
from statusgate.notifications.announcing import Announcing
from statusgate.notifications.pushing import Attempt, Due, Pushing
from statusgate.publishing.accepting import Publishing
from tests.clocks import VirtualClock
from tests.databases import fresh_schema, new_instance
from tests.factories import INSTANCE, NOON_MS, new_status, person
from tests.postgres_proxy import Proxy, proxy_before

pytestmark = pytest.mark.postgres
HOOKED = new_instance(
    settings=InstanceSettings(webhook_url="https://receiver.example.org/hook")
)


class Counted:
    """A journal on PostgreSQL with what writes to it, and a count of the round trips."""

    def __init__(self, journal: Journal, proxy: Proxy) -> None:
        self.journal = journal
        self.clock = VirtualClock(NOON_MS)
        self.instances = Instances(journal, self.clock, bytes(32))
        announcing = Announcing(self.clock, public_url="", shown=lambda _: True)
        self.publisher = ChangePublisher(journal, announcing.announce)
        self.publishing = Publishing(self.publisher, self.clock, max_audience=None)
        self.pushing = Pushing(journal, self.instances, self.clock)
        self._proxy = proxy

    def count(self) -> int:
        """Round trips since the last count."""
        asked, self._proxy.asked = self._proxy.asked, 0
        return asked

    async def receive(self, seq: int, viewers: int) -> None:
        """Record a batch of receipts for four statuses."""
        batch = [
            Sequenced(
                seq + number,
                (
                    StatusReceipt(
                        wire_ids=(f"W{number % 4}",),
                        viewer=person(number),
                        kind=Progress.READ,
                        at_ms=NOON_MS,
                    ),
                ),
            )
            for number in range(viewers)
        ]
        await self.publisher.record(
            INSTANCE, lambda tx, changes: record_batch(tx, changes, INSTANCE, batch, NOON_MS)
        )

    async def push(self, due: Due, outcome: PushOutcome) -> Due:
        """Settle an attempt; returns what is to be sent then."""
        following = await self.pushing.settle(Attempt(due, outcome, NOON_MS, 0.01))
        assert isinstance(following, Due)
        return following


@pytest.fixture
async def counted(postgres_server: str) -> AsyncIterator[Counted]:
    with proxy_before(postgres_server) as proxy:
        url = proxy.url(fresh_schema(postgres_server))
        journal = open_journal(url, exclusive=False, create=True)
        try:
            await journal.write(None, lambda tx: tx.create_instance(HOOKED))
            made = Counted(journal, proxy)
            await made.instances.refresh()
            made.count()
            yield made
        finally:
            await journal.close()


async def test_a_post_to_all_contacts_is_accepted_in_six_round_trips(counted: Counted) -> None:
    contacts = [Contact(address=person(number), contact_name="Friend") for number in range(9)]
    await counted.journal.write(INSTANCE, lambda tx: tx.record_contacts(INSTANCE, contacts))
    counted.count()
    await counted.publishing.accept(HOOKED, Draft(text="hello"))
    assert counted.count() == 6


async def test_a_post_to_chosen_people_is_accepted_in_seven_round_trips(
    counted: Counted,
) -> None:
    draft = Draft(text="hello", participants=(person(1).chat_id,))
    await counted.publishing.accept(HOOKED, draft)
    counted.count()  # the first one meets its recipient
    await counted.publishing.accept(HOOKED, draft)
    assert counted.count() == 7


async def test_a_push_is_settled_in_one_round_trip(counted: Counted) -> None:
    await counted.journal.write(
        INSTANCE, lambda tx: tx.add_notifications(INSTANCE, [b"{}"] * 5, NOON_MS)
    )
    counted.count()
    due = await counted.pushing.next(INSTANCE)
    assert counted.count() == 1
    assert isinstance(due, Due)
    due = await counted.push(due, PushAnswer(200))
    assert counted.count() == 1
    await counted.pushing.settle(Attempt(due, PushAnswer(500), NOON_MS, 0.01))
    assert counted.count() == 2, "a failure is counted from when the first of its streak was"


async def test_a_batch_of_receipts_takes_the_same_round_trips_however_long(
    counted: Counted,
) -> None:
    for number in range(4):
        await counted.journal.write(
            INSTANCE,
            lambda tx, no=number: tx.record_status(  # type: ignore[misc]
                INSTANCE, new_status(no, author=None, wire_id=f"W{no}")
            ),
        )
    counted.count()
    taken = []
    for seq, viewers in ((1, 8), (100, 80)):
        await counted.receive(seq, viewers)
        taken.append(counted.count())
    assert taken[1] <= taken[0] <= 8


async def test_a_list_takes_one_round_trip(counted: Counted) -> None:
    await counted.journal.read(lambda tx: tx.statuses(INSTANCE, outgoing=True, since_ms=0))
    assert counted.count() == 1


async def test_a_notification_is_deleted_in_two_round_trips(counted: Counted) -> None:
    await counted.journal.write(
        INSTANCE, lambda tx: tx.add_notifications(INSTANCE, [b"{}"], NOON_MS)
    )
    head = await counted.journal.read(lambda tx: tx.first_notification(INSTANCE))
    assert head is not None
    counted.count()
    await counted.journal.write(
        INSTANCE,
        lambda tx: tx.end_notification(INSTANCE, head.receipt_id, End.DELIVERED, NOON_MS),
    )
    assert counted.count() == 2
