"""The page of the command line is what the commands say of themselves."""

from statusgate.cli.reference import FILE, reference
from tests.docs.pages import ROOT


def test_the_page_of_the_command_line_is_up_to_date() -> None:
    assert (ROOT / FILE).read_text() == reference(), "run: make docs"
