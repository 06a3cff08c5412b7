"""What a page tells a reader to type can be typed: the command, its options, its files."""

import re
import shlex
from pathlib import Path
from string import Template

import click
import pytest

from statusgate.cli.main import main
from tests.docs.pages import ROOT, fences

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
_CALL = re.compile(
    r"(?:^|\$\(|[|;&] |\b(?:do|then|exec) |/bin/) *statusgate +([a-z][^\n|;&)]*)", re.MULTILINE
)
_BARE = re.compile(
    rf"^(?: *|[^`\n]*\$\()statusgate (?:{'|'.join(main.commands)})\b", re.MULTILINE
)
_COMMENT = re.compile(r"(?:^|\s)#\s.*$", re.MULTILINE)
_FILE = re.compile(r"(?<![\w$/.\"-])[\w$/.-]+\.(?:png|jpg|jpeg|mp4|ogg|mp3|csv|jsonl)\b")
_MADE = re.compile(r"(?:-o|--output|>)\s*([\w./-]+)")


def _shell(page: Path) -> str:
    """The shell blocks of a page, without comments and broken lines."""
    text = "\n".join(text for label, text in fences(page) if label in ("sh", "bash"))
    return _COMMENT.sub("", text.replace("\\\n", " "))


def _calls(page: Path) -> list[str]:
    """The arguments of each call of ``statusgate`` in the shell blocks of a page."""
    return [match[1].strip() for match in _CALL.finditer(_shell(page))]


CALLS = [(page, call) for page in PAGES for call in _calls(page)]


def _parse(arguments: list[str]) -> None:
    """Read *arguments* as the command would, without running anything.

    That a file of the reader's own is not here is no fault.
    """
    command: click.Command = main
    while isinstance(command, click.Group):
        command = command.commands[arguments.pop(0)]
    try:
        # Click remembers the help option of the first context; let it be the real one.
        names = main.context_settings["help_option_names"]
        command.make_context("statusgate", arguments, help_option_names=names)
    except click.BadParameter as fault:
        if not fault.message.endswith("does not exist."):
            raise


@pytest.mark.parametrize(
    ("page", "call"), CALLS, ids=[f"{page.stem}: {call}" for page, call in CALLS]
)
def test_every_call_of_the_command_is_one_that_it_takes(
    page: Path, call: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STATUSGATE_INSTANCE", "1101000001")
    monkeypatch.setenv("STATUSGATE_TOKEN", "0" * 50)
    filled = re.sub(r"\$?\bID\b", "1101000001", call)
    _parse(shlex.split(re.sub(r"\$\w+", "3EB0C767D097B7C7C030", filled)))


def test_a_page_that_types_the_bare_command_says_first_where_it_is_found() -> None:
    lost = []
    for page in PAGES:
        text = page.read_text()
        bare = _BARE.search(text)
        before = text[: bare.start()] if bare else ""
        if bare and not re.search(r"\. \.venv/bin/activate|run\.md#the-command\)", before):
            lost.append(str(page.relative_to(ROOT)))
    assert lost == [], "link to run.md#the-command before the first call of `statusgate`"


def test_every_file_that_is_read_is_supplied_or_made_by_the_page() -> None:
    missing = []
    for page in PAGES:
        shell = _shell(page)
        made = set(_MADE.findall(shell))
        variables = dict(re.findall(r"^\s*(\w+)=([\w/.-]+)\s*$", shell, re.MULTILINE))
        for name in _FILE.findall(shell):
            path = Template(name).safe_substitute(variables)
            if path not in made and not (ROOT / path).exists():
                missing.append(f"{page.relative_to(ROOT)}: {name}")
    assert missing == []
