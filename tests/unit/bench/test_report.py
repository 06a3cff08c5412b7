"""What was missed or void is shown, and the floor of ingest gets what the product got."""

import io

import msgspec
from rich.console import Console

from bench import ingest_floor, ingest_run
from bench.figures import Figure, at_least, at_most
from bench.provenance import provenance
from bench.report import Report, show


def shown(*figures: Figure) -> str:
    report = Report(
        provenance=provenance([]), seconds=1.0, settings={}, caveats="", figures=list(figures)
    )
    console = Console(file=io.StringIO(), width=100)
    show(report, console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_a_missed_line_is_shown_as_missed() -> None:
    checks = [at_least("must", 5, 4, "/s"), at_most("aim", 5, 4, " ms")]

    told = shown(Figure(section="s", name="f", unit="/s", value=5.0, checks=checks))

    assert "must ≥ 4/s met" in told
    assert "aim ≤ 4 ms MISSED" in told
    assert "1 missed (0 of them must)" in told


def test_a_void_figure_says_why() -> None:
    told = shown(Figure(section="s", name="f", unit="/s", value=None, void="9 rows"))

    assert "void: 9 rows" in told
    assert "1 void" in told


def test_a_result_names_no_machine() -> None:
    told = msgspec.json.decode(msgspec.json.encode(provenance(["--full"])))

    assert told["command"] == "python -m bench --full"
    assert told["cpu"]
    assert not any("/" in str(told[key]) for key in ("system", "cpu", "python"))


def test_the_floor_gets_the_same_receipts_in_transactions_of_the_same_size() -> None:
    work = ingest_floor.transactions([3, 256, ingest_run.RECEIPTS - 259])

    assert [len(part) for part in work] == [3, 256, ingest_run.RECEIPTS - 259]
    pairs = {(status, person) for part in work for _, status, person, _, _ in part}
    assert len(pairs) == ingest_run.STATUSES * ingest_run.VIEWERS


def test_acknowledgements_tell_the_sizes_of_the_transactions() -> None:
    assert ingest_run.sizes([2, 3, 7]) == [2, 1, 4]
