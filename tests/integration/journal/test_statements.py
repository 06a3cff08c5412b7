"""The statements themselves: whom they name, that they are used, and how they are read."""

import re
from importlib.resources import files

import pytest

from statusgate.journal.migrate import migrations
from statusgate.journal.session import bound, clean
from statusgate.journal.sql import Dialect, for_dialect, load_statements, statements

OPERATORS = {
    "instances",
    "glances",
    "end_sessions",
    "lock_instances",
    "owners",
    "instances_with_downloads",
    "next_download",
    "instance_with_expired",
    "instances_with_outgoing",
    "instances_to_prepare",
    "instances_due",
    "next_send_at",
    "waiting_instances",
}
"""They look over all instances; every other statement names its own."""
SOURCES = {
    file.name: file.read_text()
    for file in files("statusgate.journal").iterdir()
    if file.name.endswith(".py")
}


@pytest.mark.parametrize("dialect", ["sqlite", "postgres"])
def test_every_statement_but_the_operators_names_its_instance(dialect: Dialect) -> None:
    named = re.compile(r"instance_id = (:instance_id|\$\d)|\((\n\s*)?instance_id")
    found = statements(dialect)
    assert found.keys() >= OPERATORS
    for name, statement in found.items():
        assert (named.search(statement.sql) is None) == (name in OPERATORS), name


@pytest.mark.parametrize("dialect", ["sqlite", "postgres"])
def test_every_table_in_a_statement_is_bound_to_the_instance(dialect: Dialect) -> None:
    for name, statement in statements(dialect).items():
        tables = re.findall(
            r"\b(?:FROM|JOIN|INTO|UPDATE) (?!json_|LATERAL|SET)([a-z_]+)", statement.sql
        )
        mentions = statement.sql.count("instance_id")
        assert name in OPERATORS or mentions >= len(tables), name


def test_both_databases_have_the_same_statements() -> None:
    assert statements("sqlite").keys() == statements("postgres").keys()


def test_every_statement_is_used_and_every_used_one_exists() -> None:
    code = "".join(SOURCES.values())
    used = set(re.findall(r"""\b(?:run|send|ask)\(\s*"(\w+)\"""", code))
    used |= set(re.findall(r"""(?:\(|return )"(\w+)", (?:\{|_key)""", code))  # for run_each
    listed = {
        name
        for names in re.findall(r"(?:for name in|^_[A-Z_]+ =) \(([^)]*)\)", code, re.MULTILINE)
        for name in re.findall(r'"(\w+)"', names)
    }
    assert used | listed == statements("sqlite").keys()


@pytest.mark.parametrize("dialect", ["sqlite", "postgres"])
def test_every_table_leads_with_its_instance(dialect: Dialect) -> None:
    text = for_dialect("\n".join(migration.text for migration in migrations()), dialect)
    tables = re.findall(r"CREATE TABLE (\w+) \(\n    (\w+)", text)
    keys = re.findall(r"PRIMARY KEY \((\w+)", text)
    indexes = re.findall(r"INDEX (\w+)\s+ON \w+ \((\w+)", text)
    assert len(tables) >= 13
    assert {first for _, first in tables} == {"instance_id"}
    assert set(keys) == {"instance_id"}
    assert {name for name, first in indexes if first != "instance_id"} == {
        "instances_by_version",
        "downloads_due",
        "outbox_to_prepare",
        "outbox_scheduled",
    }


def test_one_text_is_read_for_two_databases() -> None:
    text = """
-- part: columns
t.a, coalesce(t.b, t.c) AS b

-- name: one
-- A why.
SELECT
-- use: columns
FROM t
WHERE a = :a AND b LIKE '50%' -- only: sqlite
WHERE a = :a::bigint -- only: postgres
;

-- name: many
-- at once
SELECT
-- use: columns
FROM json_each(:rows) AS item
CROSS JOIN t t ON (
    t.a = item.value ->> 0
);
"""
    sqlite, postgres = load_statements(text, "sqlite"), load_statements(text, "postgres")
    assert sqlite.keys() == {"one", "many"}
    selected = "SELECT\nt.a, coalesce(t.b, t.c) AS b\nFROM t\n"
    assert sqlite["one"].sql.rstrip() == f"{selected}WHERE a = :a AND b LIKE '50%'"
    assert postgres["one"].sql.rstrip() == f"{selected}WHERE a = $1::bigint"
    assert postgres["one"].parameters == ("a",)
    assert sqlite["many"].at_once == ("a", "b")
    assert sqlite["many"].sql.startswith(
        "SELECT json_group_array(json_array(a, b)) FROM (SELECT"
    )
    assert "json_array_elements($1::json) AS item (value)" in postgres["many"].sql
    assert "LATERAL (SELECT * FROM t t WHERE" in postgres["many"].sql


def test_columns_take_the_parameters_of_their_names() -> None:
    text = """
-- part: columns
a,
b

-- name: add
INSERT INTO t (
-- use: columns
) VALUES (:*);

-- name: save
UPDATE t SET (a, b) = (:*) WHERE c = :c
"""
    found = load_statements(text, "sqlite")
    assert found["add"].sql == "INSERT INTO t (\na,\nb\n) VALUES (:a, :b)"
    assert found["save"].sql == "UPDATE t SET (a, b) = (:a, :b) WHERE c = :c"
    save = load_statements(text, "postgres")["save"]
    assert save.sql == "UPDATE t SET (a, b) = ($1, $2) WHERE c = $3"
    assert save.parameters == ("a", "b", "c")


def test_text_is_cleaned_on_its_way_in() -> None:
    assert clean("plain") == "plain"
    assert bound({"a": "x\x00\ud800", "n": 2**80, "f": True, "b": b"\x00"}) == {
        "a": "x\ufffd\ufffd",
        "n": 2**63 - 1,
        "f": 1,
        "b": b"\x00",
    }
    assert bound({"rows": [["a\x00", 1], ["\udfff", None]]}) == {
        "rows": '[["a\ufffd",1],["\ufffd",null]]'
    }
    assert bound({"rows": [["\\u0000"]]}) == {"rows": '[["\\\\u0000"]]'}
