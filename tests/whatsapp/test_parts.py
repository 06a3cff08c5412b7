"""The server's small parts: queue of a device, faults, history."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.whatsapp.faults import Faults
from tests.whatsapp.history import History, describe
from tests.whatsapp.jids import STATUS, Jid
from tests.whatsapp.nodes import Node, node
from tests.whatsapp.queues import (
    DeliveryQueue,
    Entry,
    key_of,
    key_of_ack,
    key_of_receipt,
)

ME = Jid("79", device=1)


def status(message_id: str) -> Node:
    return node(
        "message", {"id": message_id, "from": STATUS, "participant": ME, "type": "text"}
    )


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 4)), max_size=60))
def test_a_queue_loses_and_invents_nothing(steps: list[tuple[bool, int]]) -> None:
    """Against a plain list: add a stanza with one of five ids, or settle its oldest."""
    queue, model = DeliveryQueue(), list[tuple[int, str]]()
    for number, (add, which) in enumerate(steps):
        stanza = status(str(which))
        if add:
            queue.add(Entry(number, stanza, key_of(stanza)))
            model.append((number, str(which)))
        else:
            expected = next((each for each in model if each[1] == str(which)), None)
            settled = queue.settle(key_of(stanza))
            assert (settled.number if settled else None) == (expected[0] if expected else None)
            if expected:
                model.remove(expected)
        assert [entry.number for entry in queue] == [each[0] for each in model]
        assert len(queue) == len(model)


def test_what_is_put_in_front_is_first() -> None:
    queue = DeliveryQueue()
    for number, front in ((1, False), (2, False), (3, True)):
        stanza = status(str(number))
        queue.add(Entry(number, stanza, key_of(stanza)), front=front)
    assert [entry.number for entry in queue] == [3, 1, 2]


def test_acknowledgements_name_what_they_acknowledge() -> None:
    message = status("A")
    receipt = node("receipt", {"id": "A", "to": STATUS, "participant": ME, "type": "inactive"})
    ack = node("ack", {"class": "message", "id": "A", "to": STATUS, "participant": ME})
    assert key_of(message) == key_of_receipt(receipt) == key_of_ack(ack)
    seen = node("receipt", {"id": "A", "from": STATUS, "participant": ME, "type": "read"})
    known = node(
        "ack",
        {"class": "receipt", "id": "A", "to": STATUS, "participant": ME, "type": "read"},
    )
    assert key_of(seen) == key_of_ack(known)
    assert key_of(seen) != key_of(message)


def test_a_fault_hits_its_target_as_often_as_asked() -> None:
    faults = Faults()
    faults.add("refuse_post", str(ME.person), 2, {"code": 479})
    assert faults.peek("refuse_post", Jid("80")) is None
    for _ in range(2):
        taken = faults.take("refuse_post", ME)
        assert taken is not None
        assert taken.number("code") == 479
    assert faults.take("refuse_post", ME) is None
    faults.add("refuse_post", None, None, {})
    assert faults.peek("refuse_post", Jid("80")) is not None
    faults.clear("ack_never")
    assert faults.peek("refuse_post") is not None
    faults.clear("refuse_post")
    assert faults.peek("refuse_post") is None


def test_faults_and_their_parameters_are_known_by_name() -> None:
    with pytest.raises(ValueError, match="no fault named"):
        Faults().add("refuse_pots", None, None, {})
    with pytest.raises(ValueError, match="no parameter cod"):
        Faults().add("refuse_post", None, None, {"cod": 1})


def test_every_fault_is_in_the_readme() -> None:
    from tests.whatsapp.faults import KNOWN

    text = (Path(__file__).parent / "README.md").read_text(encoding="utf-8")
    for name, parameters in KNOWN.items():
        assert f"`{name}`" in text
        for parameter in parameters:
            assert f"`{parameter}`" in text


def test_the_history_is_a_file_of_json_lines(tmp_path: Path) -> None:
    history = History(tmp_path / "h.jsonl")
    history.add("sent", device="a", number=history.next_number())
    history.add("sent", device="b", number=history.next_number())
    history.violate("some_rule", device="a")
    assert [each["number"] for each in history.after(0, "sent", None)] == [1, 2]
    assert [each["event"] for each in history.after(1, None, "a")] == ["violation"]
    assert history.violations(take=True) == [{"rule": "some_rule", "device": "a"}]
    assert history.violations() == []
    history.close()
    lines = (tmp_path / "h.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["event"] for line in lines] == ["sent", "sent", "violation"]


def test_a_long_node_is_described_briefly() -> None:
    shown = describe(node("a", {"to": ME}, [node("b", content=bytes(1000))] * 200))
    assert (shown["count"], len(shown["children"])) == (200, 50)
    assert shown["children"][0]["bytes"] == 1000
    assert len(json.dumps(shown)) < 10_000
    assert str(node("a", {"to": ME}, [node("b", content=b"xy")])) == (
        '<a to="79:1@s.whatsapp.net"><b>[2 bytes]</b></a>'
    )
