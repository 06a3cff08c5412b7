"""Reading SQL: one text for two databases.

The text is SQLite's, with PostgreSQL's column types. What differs is translated here word by
word; a line that only one of them needs ends in ``-- only: sqlite`` or ``-- only: postgres``.

A join is written ``JOIN table t ON (`` … ``)`` with the brackets around lines of their own: it
is a look by key that finds one row at most, and PostgreSQL is held to that (``LATERAL`` …
``LIMIT 1``). Left to choose while it has no statistics, it compares whole tables.

Lists travel as JSON: ``json_each(:rows) AS told`` makes a row of each element, itself a list
(``told.value ->> 0`` is its first item). A statement marked ``-- at once: a, b`` comes back
from SQLite as one JSON value too: one step of the library, so that a busy interpreter does not
get a chance per row to keep the thread waiting.
"""

import re
from importlib.resources import files
from typing import Literal

import msgspec

Dialect = Literal["sqlite", "postgres"]

_BLOCK = re.compile(r"^-- (name|part): (\w+)\n", re.MULTILINE)
_USE = re.compile(r"^-- use: (\w+)$", re.MULTILINE)
_AT_ONCE = re.compile(r"^-- at once: (.+)$", re.MULTILINE)
_ONLY = re.compile(r"\s*-- only: (\w+)$")
_COMMENT = re.compile(r"\s*--.*$", re.MULTILINE)
_PARAMETER = re.compile(r"(?<![:\w]):([a-z]\w*)")
_EACH = re.compile(r"json_each\(:(\w+)\) AS told")
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
    at_once: bool
    """the rows come as one JSON array of arrays"""


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
    """Split *text* on its ``-- name:`` marks; ``-- use:`` puts in a ``-- part:``."""
    _, *blocks = _BLOCK.split(text)
    found = list(zip(blocks[::3], blocks[1::3], blocks[2::3], strict=True))
    parts = {name: body.strip() for kind, name, body in found if kind == "part"}
    return {
        name: _statement(_USE.sub(lambda use: parts[use[1]], body), dialect)
        for kind, name, body in found
        if kind == "name"
    }


def statements(dialect: Dialect) -> dict[str, Statement]:
    """Return all statements of the journal by name."""
    folder = files(__package__) / "statements"
    texts = (file.read_text() for file in folder.iterdir() if file.name.endswith(".sql"))
    return {
        name: statement
        for text in texts
        for name, statement in load_statements(text, dialect).items()
    }


def _statement(body: str, dialect: Dialect) -> Statement:
    columns = _AT_ONCE.search(body)
    sql = _COMMENT.sub("", for_dialect(body, dialect)).strip().rstrip(";")
    if dialect == "postgres":
        sql = _BY_KEY.sub(_lateral, sql)
        sql = _EACH.sub(r"json_array_elements(:\1::json) AS told (value)", sql)
        sql = _PARAMETER.sub(r"%(\1)s", sql.replace("%", "%%"))
        return Statement(sql, at_once=False)
    if columns is not None:
        sql = f"SELECT json_group_array(json_array({columns[1]})) FROM ({sql})"  # noqa: S608 - our own text
    return Statement(sql, at_once=columns is not None)


def _lateral(join: re.Match[str]) -> str:
    left, table, alias, condition = join.groups(default="")
    look = f"SELECT * FROM {table} {alias} WHERE {condition} LIMIT 1"  # noqa: S608 - our own text
    return f"{left} JOIN LATERAL ({look}) {alias} ON true"
