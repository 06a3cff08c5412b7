"""What code, tests and pages refer to exists."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.docs.pages import ROOT, anchors, files, headings, links, prose

CONTRACT = ROOT / "docs/reference/contract.md"
RELIABILITY = ROOT / "docs/explanation/reliability.md"
PAGES = files(".md")
SOURCES = [path for path in files(".py", ".sql", ".toml", ".md") if path != Path(__file__)]
_SECTION = r"\d+[ab]?(?:\.\d+)?"
_SECTIONS = rf"({_SECTION}(?:(?:,| and|, and| to|-)\s?{_SECTION})*)"
_CITED = {
    "contract": re.compile(rf"\b[Cc]ontract(?:, section)? {_SECTIONS}"),
    "reliability": re.compile(rf"\b[Rr]eliability(?:, section)? {_SECTIONS}"),
    "decision": re.compile(rf"\b[Dd]ecisions? {_SECTIONS}"),
}
_RULE = re.compile(r"(?<![%\w.#/'\"])([DRFS][1-9]\d?)\b")
_CODE_PATH = re.compile(r"`((?:[\w.-]+/)+[\w.-]+\.(?:py|md|sql|toml))`")


def _numbers(page: Path) -> set[str]:
    """Numbers that the headings of a page begin with."""
    return {match[0] for name in headings(page) if (match := re.match(_SECTION, name))}


def _first_cells(page: Path) -> set[str]:
    """What the rows of a page's tables, or its bold paragraphs, begin with."""
    return set(re.findall(r"^(?:\| |\*\*)([A-Z]\d+)\b", page.read_text(), re.MULTILINE))


TARGETS = {
    "contract": _numbers(CONTRACT),
    "reliability": _numbers(RELIABILITY),
    "decision": {
        str(int(path.name[:4])) for path in (ROOT / "docs/decisions").glob("[0-9]*.md")
    },
}
RULES = _first_cells(CONTRACT) | _first_cells(RELIABILITY)


def _citations(text: str) -> Iterator[tuple[str, str]]:
    for kind, pattern in _CITED.items():
        for match in pattern.finditer(text):
            for number in re.findall(_SECTION, match[1]):
                yield kind, number


def dangling(text: str) -> list[str]:
    """Citations in *text* that lead nowhere."""
    sections = [
        f"{kind} {number}" for kind, number in _citations(text) if number not in TARGETS[kind]
    ]
    return sections + [rule for rule in _RULE.findall(text) if rule not in RULES]


def _faults(pages: list[Path], look: Callable[[Path], list[str]]) -> dict[str, list[str]]:
    """What *look* finds wrong, by page."""
    return {str(page.relative_to(ROOT)): found for page in pages if (found := look(page))}


def _leads_somewhere(page: Path, link: str) -> bool:
    if "://" in link or link.startswith("mailto:"):
        return True
    name, _, anchor = link.partition("#")
    target = (page.parent / name).resolve() if name else page
    return target.exists() and (not anchor or anchor in anchors(target))


def _missing_files(page: Path) -> list[str]:
    places = (ROOT, ROOT / "src", ROOT / "src/statusgate", page.parent)
    named = _CODE_PATH.findall(prose(page))
    return [name for name in named if not any((place / name).exists() for place in places)]


def test_every_section_rule_and_decision_that_is_cited_exists() -> None:
    assert _faults(SOURCES, lambda path: dangling(path.read_text())) == {}


def test_every_link_between_documents_has_its_target() -> None:
    assert (
        _faults(
            PAGES,
            lambda page: [link for link in links(page) if not _leads_somewhere(page, link)],
        )
        == {}
    )


def test_the_index_has_a_line_for_every_page_of_which_the_site_makes_its_navigation() -> None:
    index = ROOT / "docs/index.md"
    lines = re.findall(r"^- \[[^\]]+\]\(([^)#:]+\.md)\)", index.read_text(), re.MULTILINE)
    listed = {(index.parent / link).resolve() for link in lines}
    numbered = set((ROOT / "docs/decisions").glob("[0-9]*.md"))
    pages = {*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")} - numbered - {index}
    assert pages - listed == set(), "add a line to docs/index.md"


def test_every_file_that_a_page_names_exists() -> None:
    assert _faults(PAGES, _missing_files) == {}


@pytest.mark.parametrize(
    "text",
    [
        "(contract 99)",
        "contract 3.1, 3.99",
        "contract 3.3-3.99 say so",
        "contract 3.1 and 99",
        "reliability 12, rule 6",
        "see D99.",
        "(R11)",
        "F4-F99",
        "S1, S99: nobody",
        "decision 999",
    ],
)
def test_a_citation_without_target_is_found(text: str) -> None:
    assert len(dangling(text)) == 1


@pytest.mark.parametrize(
    "text",
    ["%D0%96", "F4-F8: the disk", "a D25 b", "UTF-8", "x.S99", "'D99'", "contract 12.9)"],
)
def test_what_is_no_citation_or_a_good_one_is_left_alone(text: str) -> None:
    assert dangling(text) == []
