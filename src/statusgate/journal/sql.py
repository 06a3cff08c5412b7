"""Reading SQL: one text for two databases.

The text is SQLite's, with PostgreSQL's column types. What differs is translated here word by
word; a line that only one of them needs ends in ``-- only: sqlite`` or ``-- only: postgres``.

A join is written ``JOIN table t ON (`` … ``)`` with the brackets around lines of their own: it
is a look by key that finds one row at most, and PostgreSQL is held to that (``LATERAL`` …
``LIMIT 1``). Left to choose while it has no statistics, it compares whole tables.

``-- use: name`` puts in a ``-- part:``, such as the columns of a table. ``(a, b) VALUES (:*)``
and ``SET (a, b) = (:*)`` take each column's value from the parameter of its name.

Lists are passed as JSON: ``json_each(:rows) AS item`` makes a row of each element, itself a
list (``item.value ->> 0`` is its first item). A statement marked ``-- at once`` comes back from
SQLite as one JSON value too: one step of the library, so that a busy interpreter does not get
a chance per row to keep the thread waiting.
"""

import re
from importlib.resources import files
from typing import Literal

import msgspec

Dialect = Literal["sqlite", "postgres"]

_BLOCK = re.compile(r"^-- (name|part): (\w+)\n", re.MULTILINE)
_USE = re.compile(r"^-- use: (\w+)$", re.MULTILINE)
_AT_ONCE = re.compile(r"^-- at once$", re.MULTILINE)
_SELECTED = re.compile(r"SELECT\s+(.+?)\s+FROM", re.DOTALL)
_COMMA = re.compile(r",\s*(?![^()]*\))")
_EACH_ITS_OWN = re.compile(r"\(([^()]+)\)\s+(VALUES|=)\s+\(:\*\)")
_ONLY = re.compile(r"\s*-- only: (\w+)$")
_COMMENT = re.compile(r"\s*--.*$", re.MULTILINE)
_PARAMETER = re.compile(r"(?<![:\w]):([a-z]\w*)")
_EACH = re.compile(r"json_each\(:(\w+)\) AS item")
_BY_KEY = re.compile(r"(?:CROSS|(LEFT)) JOIN (\w+) (\w+) ON \(\n(.*?)\n\)", re.DOTALL)
_WORDS: dict[Dialect, tuple[tuple[str, str], ...]] = {
    "sqlite": (
        ("BIGINT", "INTEGER"),
        ("SMALLINT", "INTEGER"),
        ("BYTEA", "BLOB"),
        (' COLLATE "C"', ""),
    ),
    "postgres": ((") WITHOUT ROWID, STRICT;", ");"), (") STRICT;", ");")),
}


class Statement(msgspec.Struct, frozen=True):
    """A statement as its driver wants it."""

    sql: str
    parameters: tuple[str, ...] = ()
    """what stands for ``$1``, ``$2`` … of PostgreSQL"""
    at_once: tuple[str, ...] = ()
    """columns of the rows if they come as one JSON array of arrays"""


def for_dialect(text: str, dialect: Dialect) -> str:
    """Return *text* in the words of one database."""
    kept = []
    for line in text.splitlines():
        only = _ONLY.search(line)
        if only is None or only[1] == dialect:
            kept.append(_ONLY.sub("", line))
    text = "\n".join(kept)
    for word, translated in _WORDS[dialect]:
        text = text.replace(word, translated)
    return text


def load_statements(text: str, dialect: Dialect) -> dict[str, Statement]:
    """Split *text* on its ``-- name:`` marks and put in its parts."""
    _, *blocks = _BLOCK.split(text)
    found = list(zip(blocks[::3], blocks[1::3], blocks[2::3], strict=True))
    parts = {name: body.strip() for kind, name, body in found if kind == "part"}

    def filled(body: str) -> str:
        return _USE.sub(lambda use: filled(parts[use[1]]), body)

    return {
        name: _statement(filled(body), dialect) for kind, name, body in found if kind == "name"
    }


def statements(dialect: Dialect) -> dict[str, Statement]:
    """Return all statements of the journal by name."""
    folder = files(__package__) / "statements"
    texts = (file.read_text() for file in folder.iterdir() if file.name.endswith(".sql"))
    return load_statements("\n".join(texts), dialect)


def _statement(body: str, dialect: Dialect) -> Statement:
    sql = _COMMENT.sub("", for_dialect(body, dialect)).strip().rstrip(";")
    sql = _EACH_ITS_OWN.sub(_with_parameters, sql)
    if dialect == "postgres":
        sql = _BY_KEY.sub(_lateral, sql)
        sql = _EACH.sub(r"json_array_elements(:\1::json) AS item (value)", sql)
        names = tuple(dict.fromkeys(_PARAMETER.findall(sql)))
        sql = _PARAMETER.sub(lambda found: f"${names.index(found[1]) + 1}", sql)
        return Statement(sql, parameters=names)
    columns = _selected(sql) if _AT_ONCE.search(body) else ()
    if columns:
        sql = f"SELECT json_group_array(json_array({', '.join(columns)})) FROM ({sql})"  # noqa: S608 - our own text
    return Statement(sql, at_once=columns)


def _with_parameters(columns: re.Match[str]) -> str:
    values = ", ".join(f":{column.strip()}" for column in columns[1].split(","))
    return f"({columns[1]}) {columns[2]} ({values})"


def _selected(sql: str) -> tuple[str, ...]:
    """The names of the columns of a query."""
    found = _SELECTED.search(sql)
    return tuple(re.findall(r"\w+$", one)[0] for one in _COMMA.split(found[1])) if found else ()


def _lateral(join: re.Match[str]) -> str:
    left, table, alias, condition = join.groups(default="")
    look = f"SELECT * FROM {table} {alias} WHERE {condition} LIMIT 1"  # noqa: S608 - our own text
    return f"{left} JOIN LATERAL ({look}) {alias} ON true"
