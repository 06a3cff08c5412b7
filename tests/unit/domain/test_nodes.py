"""How nodes judge each other, and share accounts."""

import msgspec
import pytest

from statusgate.domain.nodes import LOOKS, Node, Observer, fair_share, gives_one_away

A, B = (Node(number, f"node-{number}", "s", "0.3.0", 0) for number in (1, 2))


def beaten(node: Node, times: int = 1) -> Node:
    return msgspec.structs.replace(node, beats=node.beats + times)


def test_a_node_that_was_seen_silent_for_long_enough_and_often_enough_is_expired() -> None:
    observer = Observer(15)
    for at in (0, 4, 8, 12):
        assert observer.look([A], at, at) == []
    assert observer.look([A], 16, 16) == [A]


def test_one_late_look_expires_nobody() -> None:
    """As after a pause of the observer itself."""
    observer = Observer(15)
    assert observer.look([A], 0, 0) == []
    for late in range(100, 100 + LOOKS - 2):
        assert observer.look([A], late, late) == []
    assert observer.look([A], 200, 200) == [A]


def test_a_beat_begins_the_time_anew() -> None:
    observer = Observer(15)
    node = A
    for at in range(0, 100, 5):
        assert observer.look([node, B], at, at) == ([B] if at >= 20 else [])
        node = beaten(node)


def test_the_time_counts_from_an_answer_to_a_question() -> None:
    """A look that took long may have seen a counter that was about to rise."""
    observer = Observer(15)
    observer.look([A], 0, 10)
    for at in (12, 14, 16, 24.9):
        assert observer.look([A], at, at) == []
    assert observer.look([A], 25, 30) == [A]


def test_a_broken_connection_begins_every_time_anew() -> None:
    observer = Observer(15)
    for at in range(0, 15, 3):
        observer.look([A], at, at)
    observer.forget()
    for at in (16, 20, 24, 28):
        assert observer.look([A], at, at) == []
    assert observer.look([A], 32, 32) == [A]


@pytest.mark.parametrize(
    ("accounts", "nodes", "share"), [(0, 3, 0), (1, 3, 1), (6, 3, 2), (7, 3, 3), (7, 1, 7)]
)
def test_shares_are_fair_and_leave_no_account_alone(
    accounts: int, nodes: int, share: int
) -> None:
    assert fair_share(accounts, nodes) == share
    assert share * nodes >= accounts


def test_the_node_with_the_most_gives_one_away_until_it_is_even() -> None:
    held = {1: 6, 2: 0, 3: 6}
    moves = 0
    while givers := [one for one in held if gives_one_away(one, held)]:
        assert len(givers) == 1, "one account moves at a time"
        held[givers[0]] -= 1
        held[min(held, key=lambda one: held[one])] += 1
        moves += 1
    assert sorted(held.values()) == [4, 4, 4]
    assert moves == 4
