"""The journal port: the notification queue, attempts, streaks, the event log."""

from statusgate.domain.ids import InstanceId
from statusgate.domain.notification import (
    LIFE_MS,
    Backlog,
    Delivery,
    End,
    LoggedEvents,
    LogRange,
    Notification,
    Streak,
)
from statusgate.journal import Transaction, retention
from statusgate.journal.retention import LOGGED_MS, MOST_LOGGED
from tests.databases import Account, new_instance
from tests.factories import INSTANCE, NOON_MS

DAY_MS = 24 * 3600 * 1000
OTHER = InstanceId(1101000002)
ODD = '{"text":"Доброе утро 🌄 \\u0000 \\"quoted\\" %s %(x)s :name"}'.encode()


async def queue(account: Account, *bodies: bytes, at_ms: int = NOON_MS) -> None:
    await account.write(lambda tx: tx.add_notifications(INSTANCE, bodies, at_ms))


async def waiting(account: Account) -> list[Notification]:
    return await account.read(lambda tx: tx.notifications(INSTANCE, waiting=True, limit=99))


async def ended(account: Account) -> list[Notification]:
    return await account.read(lambda tx: tx.notifications(INSTANCE, waiting=False, limit=99))


async def test_the_queue_is_first_in_first_out(account: Account) -> None:
    await queue(account, b'{"n":1}', b'{"n":2}')
    await queue(account, b'{"n":3}', at_ms=NOON_MS - 5)  # a clock that went back
    assert [(one.receipt_id, one.body) for one in await waiting(account)] == [
        (1, b'{"n":1}'), (2, b'{"n":2}'), (3, b'{"n":3}'),
    ]  # fmt: skip
    assert await account.write(lambda tx: tx.end_notification(INSTANCE, 1, End.DELIVERED, 9))
    head = await account.read(lambda tx: tx.first_notification(INSTANCE))
    assert head is not None
    assert (head.receipt_id, head.created_ms, head.attempts) == (2, NOON_MS, 0)
    assert await account.read(lambda tx: tx.count_notifications(INSTANCE)) == 2


async def test_numbers_are_not_used_twice(account: Account) -> None:
    await queue(account, b"{}", b"{}")
    assert await account.write(lambda tx: tx.end_notifications(INSTANCE, End.CLEARED, 9)) == 2
    await queue(account, b"{}")
    assert [one.receipt_id for one in await waiting(account)] == [3]


async def test_bodies_are_kept_byte_for_byte(account: Account) -> None:
    await queue(account, ODD)
    assert [one.body for one in await waiting(account)] == [ODD]


async def test_only_what_waits_can_end_and_only_once(account: Account) -> None:
    await queue(account, b"{}")
    for expected in (True, False):
        assert expected is await account.write(
            lambda tx: tx.end_notification(INSTANCE, 1, End.DROPPED, NOON_MS + 1)
        )
    assert not await account.write(lambda tx: tx.end_notification(INSTANCE, 9, End.DROPPED, 1))
    assert not await account.write(
        lambda tx: tx.end_notification(INSTANCE, 2**31, End.DROPPED, 1)
    )
    (one,) = await ended(account)
    assert (one.ended_ms, one.outcome) == (NOON_MS + 1, End.DROPPED)


async def test_a_replay_has_the_same_id_and_body(account: Account) -> None:
    await queue(account, ODD, b"{}")
    (first, _) = await waiting(account)
    replay = lambda tx: tx.replay_notification(INSTANCE, 1, NOON_MS + 9)  # noqa: E731
    assert await account.write(replay) is None  # it waits still
    await account.write(lambda tx: tx.end_notification(INSTANCE, 1, End.EXPIRED, NOON_MS))
    assert await account.write(replay) == 3
    assert await account.write(lambda tx: tx.replay_notification(INSTANCE, 77, 1)) is None
    again = (await waiting(account))[-1]
    assert (again.receipt_id, again.body, again.webhook_id, again.created_ms) == (
        3, ODD, first.webhook_id, NOON_MS + 9,
    )  # fmt: skip
    assert "." not in again.webhook_id


async def test_what_waits_too_long_expires_in_steps(account: Account) -> None:
    await queue(account, b"{}", b"{}", b"{}")
    await queue(account, b"{}", at_ms=NOON_MS + 1)

    def step(tx: Transaction) -> int:
        return tx.end_notifications(
            INSTANCE, End.EXPIRED, NOON_MS + LIFE_MS, before_ms=NOON_MS, limit=2
        )

    assert [await account.write(step) for _ in range(3)] == [2, 1, 0]
    assert [one.outcome for one in await ended(account)] == [End.EXPIRED] * 3
    assert [one.receipt_id for one in await waiting(account)] == [4]


async def test_attempts_are_numbered_and_kept(account: Account) -> None:
    await queue(account, b"{}")
    told = Delivery(
        receipt_id=1, at_ms=5, duration_ms=7, outcome="rejected", code=404, reason=""
    )
    silent = Delivery(
        receipt_id=1, at_ms=6, duration_ms=180_000, outcome="silent", code=None, reason="x"
    )
    await account.write(lambda tx: tx.record_delivery(INSTANCE, told))
    await account.write(lambda tx: tx.record_delivery(INSTANCE, silent))
    found = await account.read(lambda tx: tx.deliveries(INSTANCE, 1))
    assert [(one.attempt, one.code, one.outcome) for one in found] == [
        (1, 404, "rejected"), (2, None, "silent"),
    ]  # fmt: skip
    assert (await waiting(account))[0].attempts == 2
    gone = Delivery(receipt_id=9, at_ms=5, duration_ms=7, outcome="failed", code=500)
    await account.write(lambda tx: tx.record_delivery(INSTANCE, gone))
    assert await account.read(lambda tx: tx.deliveries(INSTANCE, 9)) == []


async def test_the_attempt_that_delivers_ends_the_notification(account: Account) -> None:
    await queue(account, b"1", b"2")
    done = Delivery(receipt_id=1, at_ms=5, duration_ms=7, outcome="delivered", code=200)
    await account.write(lambda tx: tx.record_delivery(INSTANCE, done, ended_ms=12))
    assert [one.receipt_id for one in await waiting(account)] == [2]
    found = await account.read(lambda tx: tx.notification(INSTANCE, 1))
    assert found is not None
    assert (found.ended_ms, found.outcome, found.attempts) == (12, "delivered", 1)


async def test_a_delivery_does_not_change_how_a_notification_had_ended(
    account: Account,
) -> None:
    """As when it was dropped while an attempt was in flight."""
    await queue(account, b"1")
    await account.write(lambda tx: tx.end_notification(INSTANCE, 1, End.DROPPED, 9))
    done = Delivery(receipt_id=1, at_ms=5, duration_ms=7, outcome="delivered", code=200)
    await account.write(lambda tx: tx.record_delivery(INSTANCE, done, ended_ms=12))
    found = await account.read(lambda tx: tx.notification(INSTANCE, 1))
    assert found is not None
    assert (found.ended_ms, found.outcome, found.attempts) == (9, "dropped", 1)


async def test_a_streak_is_kept_until_it_ends(account: Account) -> None:
    streak = Streak(until_ms=9, since_ms=1, url="http://x/", told=frozenset({"a.b", "c.d"}))
    for wanted in (streak, Streak(until_ms=10, since_ms=1, url="http://y/"), None):
        await account.write(lambda tx, one=wanted: tx.set_push_streak(INSTANCE, one))  # type: ignore[misc]
        assert await account.read(lambda tx: tx.next_push(INSTANCE)[1]) == wanted


async def test_backlogs_are_counted_by_instance(account: Account) -> None:
    await account.journal.write(OTHER, lambda tx: tx.create_instance(new_instance(id=OTHER)))
    assert await account.read(lambda tx: tx.backlogs()) == []
    await queue(account, b"{}", b"{}")
    await account.journal.write(OTHER, lambda tx: tx.add_notifications(OTHER, [b"{}"], 5))
    assert await account.read(lambda tx: tx.backlogs()) == [
        Backlog(INSTANCE, 2, NOON_MS), Backlog(OTHER, 1, 5),
    ]  # fmt: skip
    await account.journal.write(OTHER, lambda tx: tx.end_notifications(OTHER, End.CLEARED, 1))
    assert len(await waiting(account)) == 2


async def test_events_are_numbered_through_and_kept_whole(account: Account) -> None:
    assert await account.read(lambda tx: tx.log_range(INSTANCE)) == LogRange(1, 0)
    long = tuple(b"statusReceipt {%d}" % number for number in range(2000))
    assert await account.write(lambda tx: tx.log_events(INSTANCE, [b"a {}", b"b {}"], 1)) == 2
    assert await account.write(lambda tx: tx.log_events(INSTANCE, long, 2)) == 2002
    assert await account.read(lambda tx: tx.log_range(INSTANCE)) == LogRange(1, 2002)
    assert await account.read(lambda tx: tx.logged_events(INSTANCE, 0, 9)) == [
        LoggedEvents(first_no=1, last_no=2, lines=(b"a {}", b"b {}")),
        LoggedEvents(first_no=3, last_no=2002, lines=long),
    ]
    (within,) = await account.read(lambda tx: tx.logged_events(INSTANCE, 1000, 9))
    assert within.first_no == 3
    assert await account.read(lambda tx: tx.logged_events(INSTANCE, 2002, 9)) == []


async def test_retention_takes_ended_notifications_and_events(account: Account) -> None:
    await queue(account, b"{}", b"{}")
    await account.write(lambda tx: tx.end_notification(INSTANCE, 1, End.DELIVERED, NOON_MS))
    told = Delivery(receipt_id=1, at_ms=NOON_MS, duration_ms=7, outcome="delivered", code=200)
    await account.write(lambda tx: tx.record_delivery(INSTANCE, told))
    keep_ms = 30 * DAY_MS

    async def expire(now_ms: int) -> int:
        gone, _ = await account.journal.write(None, lambda tx: tx.expire(now_ms, keep_ms, 100))
        return gone

    assert await expire(NOON_MS + keep_ms) == 0
    assert await expire(NOON_MS + keep_ms + 1) == 2
    assert await ended(account) == []
    assert await account.read(lambda tx: tx.deliveries(INSTANCE, 1)) == []
    assert len(await waiting(account)) == 1


async def test_the_newest_events_stay_whatever_their_age(account: Account) -> None:
    lines = [b"a {}"] * (MOST_LOGGED // 2)
    for _ in range(3):
        await account.write(lambda tx: tx.log_events(INSTANCE, lines, NOON_MS))

    async def expire(now_ms: int) -> int:
        gone, _ = await account.journal.write(
            None, lambda tx: tx.expire(now_ms, 30 * DAY_MS, 100)
        )
        return gone

    assert await expire(NOON_MS + LOGGED_MS) == 0
    assert await expire(NOON_MS + LOGGED_MS + 1) == 1
    assert await expire(NOON_MS + LOGGED_MS + 1) == 0
    assert await account.read(lambda tx: tx.log_range(INSTANCE)) == LogRange(
        MOST_LOGGED // 2 + 1, MOST_LOGGED // 2 * 3
    )
    assert retention.MOST_LOGGED == 10_000  # contract 12.7


async def test_a_deleted_instance_leaves_nothing(account: Account) -> None:
    await queue(account, b"{}", b"{}")
    told = Delivery(receipt_id=1, at_ms=NOON_MS, duration_ms=7, outcome="failed", code=500)
    await account.write(lambda tx: tx.record_delivery(INSTANCE, told))
    await account.write(
        lambda tx: tx.set_push_streak(INSTANCE, Streak(until_ms=9, since_ms=1, url="u"))
    )
    await account.write(lambda tx: tx.log_events(INSTANCE, [b"a {}"], 1))
    await account.write(
        lambda tx: tx.save_instance(new_instance(deleted_ms=NOON_MS, token_digest=bytes(32)))
    )
    while (await account.write(lambda tx: tx.purge_instance(INSTANCE, 1)))[0]:
        pass
    assert await waiting(account) == []
    assert await account.read(lambda tx: tx.backlogs()) == []
    assert await account.read(lambda tx: tx.deliveries(INSTANCE, 1)) == []
    assert await account.read(lambda tx: tx.next_push(INSTANCE)[1]) is None
    assert await account.read(lambda tx: tx.logged_events(INSTANCE, 0, 9)) == []
