"""The project's Markdown pages, read just far enough to check them."""

import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
_FENCE = re.compile(r"^( *)```(.*)\n((?:.*\n)*?)\1```$", re.MULTILINE)
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


def files(*suffixes: str) -> list[Path]:
    """Files of the repository with one of *suffixes*, but for hidden and installed ones."""
    tops = [path for path in ROOT.iterdir() if not path.name.startswith(".")]
    found = [path for top in tops for path in ([top] if top.is_file() else top.rglob("*"))]
    ours = (path for path in found if "node_modules" not in path.parts)
    return sorted(path for path in ours if path.name.endswith(suffixes))


def fences(page: Path) -> Iterator[tuple[str, str]]:
    """What stands behind the opening fence (``json getStatus``), and the block's text."""
    for match in _FENCE.finditer(page.read_text()):
        yield match[2].strip(), match[3]


def prose(page: Path) -> str:
    """The text of a page without its code blocks."""
    return _FENCE.sub("", page.read_text())


def links(page: Path) -> list[str]:
    """Targets of the links of a page."""
    return _LINK.findall(prose(page))


def headings(page: Path) -> list[str]:
    """Headings of a page, without their number signs."""
    return _HEADING.findall(prose(page))


def anchors(page: Path) -> set[str]:
    """What can stand behind ``#`` in a link to a page, as GitHub makes it of headings."""
    kept = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings(page))
    return {heading.strip().replace(" ", "-") for heading in kept}
