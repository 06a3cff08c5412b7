"""The architecture's page, the packages and the import rules name the same rooms."""

import ast
import re
import tomllib
from pathlib import Path

from tests.docs.pages import ROOT

SOURCE = ROOT / "src/statusgate"
ROWS = re.findall(
    r"^\| `([\w./]+)` \| (.+?) \| (.+?) \|$",
    (ROOT / "docs/architecture.md").read_text(),
    re.MULTILINE,
)


def _name(room: str) -> str:
    return room.removesuffix("/").removesuffix(".py")


def _layers() -> list[str]:
    """Rooms from the top down as the import rules order them; ``a | b`` share a layer."""
    rules = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    layers: list[str] = next(each for each in rules["contracts"] if each["type"] == "layers")[
        "layers"
    ]
    return [layer for layer in layers if layer != "__main__"]


def _first_line(room: str) -> str:
    path = SOURCE / room
    module = path / "__init__.py" if path.is_dir() else path
    told = ast.get_docstring(ast.parse(module.read_text())) or ""
    return told.splitlines()[0].removesuffix(".").replace("``", "`")


def _exists(room: str, name: str) -> bool:
    folder = (SOURCE / room) if room.endswith("/") else SOURCE
    return any((folder / f"{name}{suffix}").exists() for suffix in ("", ".py"))


def test_the_page_has_every_room_and_no_other() -> None:
    packages = {path.parent.name for path in SOURCE.glob("*/__init__.py")}
    modules = {path.stem for path in SOURCE.glob("[!_]*.py")}
    assert {_name(room) for room, *_ in ROWS} == packages | modules


def test_the_page_has_the_rooms_in_the_order_of_the_import_rules() -> None:
    named = [_name(room) for room, *_ in ROWS]
    place = {
        room: number for number, layer in enumerate(_layers()) for room in layer.split(" | ")
    }
    assert [place[room] for room in named] == sorted(place.values())


def test_each_room_says_of_itself_what_the_page_says() -> None:
    assert {room: told for room, told, _ in ROWS} == {
        room: _first_line(room) for room, *_ in ROWS
    }


def test_every_file_that_the_page_points_at_is_in_its_room() -> None:
    missing = [
        f"{room} {name}"
        for room, _, look in ROWS
        for name in re.findall(r"`(\w+)`", look)
        if not _exists(room, name) and not Path(SOURCE / name).exists()
    ]
    assert missing == []
