"""The page of server settings against the settings and the flags of the command."""

import re

from statusgate.cli.main import serve
from statusgate.settings import Settings
from tests.docs.pages import ROOT

ROWS = re.findall(
    r"^\| `(\w+)` \| (.+?) \| .+? \| (.+?) \| .+ \|$",
    (ROOT / "docs/reference/settings.md").read_text(),
    re.MULTILINE,
)


def test_the_page_has_every_setting_and_no_other() -> None:
    assert [name for name, *_ in ROWS] == list(Settings.__struct_fields__)


def test_the_page_gives_the_defaults_of_the_code() -> None:
    ours = Settings()
    given = {name: default.strip("`") for name, default, _ in ROWS if default.startswith("`")}
    of_code = {
        name: str(value).lower() if isinstance(value, bool) else str(value)
        for name in Settings.__struct_fields__
        if (value := getattr(ours, name)) not in ("", None, {})
    }
    made_from_others = {"public_url", "media"}
    assert {n: v for n, v in given.items() if n not in made_from_others} == of_code


def test_the_page_gives_the_flags_of_serve() -> None:
    fields = Settings.__struct_fields__
    flags = {option.name: option.opts[0] for option in serve.params if option.name in fields}
    assert {name: flag.strip("`") for name, _, flag in ROWS if flag != "–"} == flags
