"""There is one HTTP client in the code base: nobody else may call out (S7)."""

import ast
from collections.abc import Iterator
from pathlib import Path

import statusgate

SOURCES = Path(statusgate.__file__).parent
LIBRARIES = {
    "aiohttp",
    "urllib.request",
    "http.client",
    "httpx",
    "requests",
    "urllib3",
    "obstore",
}
CALLS = {"create_connection", "open_connection", "sock_connect", "urlopen"}
EXCEPTIONS = {
    Path("cli/client.py"),  # the operator's own command, to the server he names
    Path("media/store.py"),  # to the object store that the operator names (decision 48)
    # in the worker of an account, to WhatsApp's own host alone, as the library beside it
    Path("engines/neonize/download.py"),
}


def imported(tree: ast.AST) -> Iterator[str]:
    """Every module a file imports, with its parents; names taken from it as well."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        else:
            continue
        for name in names:
            parts = name.split(".")
            yield from (".".join(parts[:end]) for end in range(1, len(parts) + 1))


def called(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.Name):
            yield node.id


def offenders() -> list[Path]:
    found = []
    for path in SOURCES.rglob("*.py"):
        name = path.relative_to(SOURCES)
        tree = ast.parse(path.read_text())
        if LIBRARIES.intersection(imported(tree)) or CALLS.intersection(called(tree)):
            found.append(name)
    return found


def test_only_the_guarded_client_calls_out() -> None:
    outside = {path for path in offenders() if path.parts[0] != "outbound"}
    assert outside == EXCEPTIONS


def test_the_search_finds_what_it_looks_for() -> None:
    assert {Path("outbound/client.py"), Path("outbound/connector.py")} <= set(offenders())
    for text in (
        "import aiohttp.client",
        "from urllib import request",
        "def f():\n    from http.client import HTTPConnection",
        "import http.client as c",
    ):
        assert LIBRARIES.intersection(imported(ast.parse(text)))
    assert CALLS.intersection(called(ast.parse("await asyncio.open_connection('h', 80)")))
