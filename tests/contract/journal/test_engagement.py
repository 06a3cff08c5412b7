"""The journal port: reactions and replies to our statuses (contract 13a)."""

from statusgate.domain.address import Address
from statusgate.domain.receipt import Progress, Receipt
from statusgate.domain.reply import MOST_REPLIES, Reply, ReplyKind
from statusgate.domain.status import Counts, Status
from statusgate.journal import Transaction
from tests.databases import Account, new_instance
from tests.factories import INSTANCE, NOON_MS, new_status, person

HOUR_MS = 3_600_000
STATUS = new_status(1, author=None, wire_id="W", posted_ms=NOON_MS, sent_ms=NOON_MS)
ANNA, BORIS = person(1), person(2)


def reacted(viewer: Address, emoji: str, at_ms: int) -> Receipt:
    return Receipt("W", viewer, Progress.READ, at_ms, emoji)


def reply(number: int, viewer: Address = ANNA, at_ms: int = 50) -> Reply:
    return Reply(
        wire_id="W",
        viewer=viewer,
        reply_id=f"R{number}",
        kind=ReplyKind.TEXT,
        text=f"text {number}",
        at_ms=at_ms,
    )


async def posted(account: Account) -> Status:
    """Our status W, posted at noon."""
    made = await account.write(lambda tx: tx.record_status(INSTANCE, STATUS))
    assert made is not None
    return made


async def answered(account: Account, *replies: Reply, now_ms: int = NOON_MS) -> list[bool]:
    """Record replies; whether each is new for a known status."""

    def work(tx: Transaction) -> list[bool]:
        return [tx.record_reply(INSTANCE, one, now_ms) is not None for one in replies]

    return await account.write(work)


async def found(account: Account) -> tuple[list[str], list[str], Counts]:
    """Reactions and replies of the status W, and its counts."""

    def look(tx: Transaction) -> tuple[list[str], list[str], Counts]:
        status = tx.status(INSTANCE, STATUS.status_id)
        if status is None:
            return [], [], Counts()
        rows = [(one.address.chat_id, one.row.reaction) for one in tx.reactions(status)]
        assert len(tx.reply_times(status)) == len(tx.replies(status))
        return (
            [f"{who} {reaction.emoji}" for who, reaction in rows if reaction],
            [one.reply_id for one in tx.replies(status)],
            status.counts,
        )

    return await account.read(look)


async def test_reactions_are_the_latest_of_each_person_newest_first(account: Account) -> None:
    await posted(account)
    await account.receive(
        reacted(ANNA, "👍", 10),
        reacted(ANNA, "💚", 30),
        reacted(BORIS, "👍", 40),
        reacted(person(3), "😂", 20),
        reacted(person(4), "😂", 20),
    )
    await account.receive(reacted(person(4), "", 50))
    reactions, _, counts = await found(account)
    assert reactions == [
        f"{BORIS.chat_id} 👍",
        f"{ANNA.chat_id} 💚",
        f"{person(3).chat_id} 😂",
    ]
    assert counts == Counts(recipients=4, delivered=4, read=4, reactions=3)


async def test_what_comes_before_its_status_waits_for_it(account: Account) -> None:
    await account.receive(reacted(ANNA, "💚", 10))
    assert await answered(account, reply(1)) == [False]
    await posted(account)
    reactions, replies, counts = await found(account)
    assert (reactions, replies) == ([f"{ANNA.chat_id} 💚"], ["R1"])
    assert (counts.reactions, counts.replies) == (1, 1)


async def test_a_reply_is_returned_as_it_was_recorded(account: Account) -> None:
    both = Address(ANNA.phone, "999")
    await posted(account)
    await account.write(lambda tx: tx.learn_identity(INSTANCE, both))
    named = reply(1, Address(lid="999"))
    recorded = await account.write(lambda tx: tx.record_reply(INSTANCE, named, NOON_MS))
    assert recorded is not None
    assert recorded[1].viewer == both


async def test_of_one_person_the_first_hundred_replies_to_a_status_are_kept(
    account: Account,
) -> None:
    await posted(account)
    many = [reply(number) for number in range(MOST_REPLIES + 5)]
    assert sum(await answered(account, *many)) == MOST_REPLIES
    assert await answered(account, reply(1000, BORIS)) == [True]
    assert (await found(account))[2].replies == MOST_REPLIES + 1


async def test_a_deletion_takes_reactions_and_replies_along(account: Account) -> None:
    await posted(account)
    await account.receive(reacted(ANNA, "💚", 10))
    await answered(account, reply(1))
    await account.write(lambda tx: tx.record_deletion(INSTANCE, "W", None, NOON_MS))
    await account.receive(reacted(BORIS, "💚", 10))
    await answered(account, reply(2))
    assert await found(account) == ([], [], Counts())


async def test_retention_takes_reactions_and_replies_along(account: Account) -> None:
    await posted(account)
    await account.receive(reacted(ANNA, "💚", 10))
    await answered(account, reply(1))
    await account.write(lambda tx: tx.expire(NOON_MS + HOUR_MS, HOUR_MS - 1, 1000))
    await posted(account)  # the same WhatsApp id: what is left would be its own again
    assert await found(account) == ([], [], Counts())


async def test_what_waits_for_a_status_in_vain_goes_after_a_day(account: Account) -> None:
    await account.receive(reacted(ANNA, "💚", 10))
    await answered(account, reply(1))
    day_ms = 24 * HOUR_MS
    for now_ms, left in ((NOON_MS + day_ms, 0), (NOON_MS + day_ms + 1, 2)):
        gone, _ = await account.write(lambda tx, at=now_ms: tx.expire(at, day_ms * 30, 1000))  # type: ignore[misc]
        assert gone == left
    await posted(account)
    assert await found(account) == ([], [], Counts())


async def test_an_instance_that_is_removed_leaves_nothing_for_one_of_the_same_number(
    account: Account,
) -> None:
    await posted(account)
    await account.receive(reacted(ANNA, "💚", 10))
    await answered(account, reply(1), Reply(
        wire_id="other", viewer=ANNA, reply_id="R9", kind=ReplyKind.TEXT, at_ms=1
    ))  # fmt: skip

    def remove(tx: Transaction) -> None:
        tx.save_instance(new_instance(deleted_ms=NOON_MS))
        while tx.purge_instance(INSTANCE, 1000)[0]:
            pass
        tx.create_instance(new_instance())

    await account.write(remove)
    await posted(account)
    assert await found(account) == ([], [], Counts())
