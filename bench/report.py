"""The report: tables for people, one JSON file for whoever compares runs."""

from collections.abc import Iterable
from itertools import groupby
from pathlib import Path

import msgspec
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bench.aims import CAVEATS
from bench.figures import Check, Figure
from bench.provenance import Provenance
from bench.servers import REPOSITORY

RESULTS = REPOSITORY / "bench" / "results"
_TIMES = ("p50 ms", "p90 ms", "p99 ms", "max ms")


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """One result file."""

    provenance: Provenance
    seconds: float
    settings: dict[str, str]
    caveats: str
    figures: list[Figure]


def save(report: Report) -> Path:
    """Write the result; returns its path inside the repository."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    path = RESULTS / f"{report.provenance.at.replace(':', '')}.json"
    path.write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=1) + b"\n")
    return path.relative_to(REPOSITORY)


def show(report: Report, console: Console) -> None:
    """Print all of it."""
    for section, figures in groupby(report.figures, key=lambda figure: figure.section):
        console.print(_table(section, list(figures)))
    about = report.provenance
    console.print(
        f"commit {about.commit[:12]}{' + changes' if about.changed else ''} · "
        f"Python {about.python} · SQLite {about.sqlite} · PostgreSQL {about.postgresql} · "
        f"{about.cpu}, {about.cores} cores · {about.at} · {report.seconds:.0f} s · "
        f"{about.command}",
        style="dim",
    )
    told = ", ".join(f"{name} {value}" for name, value in report.settings.items())
    console.print(f"As shipped: {told}.", style="dim")
    console.print(CAVEATS, style="dim")
    _summary(report.figures, console)


def _table(section: str, figures: list[Figure]) -> Table:
    with_floor = any(figure.floor is not None for figure in figures)
    table = Table(
        title=section, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, leading=1
    )
    table.add_column("figure", min_width=30)
    table.add_column("value", justify="right", no_wrap=True)
    if with_floor:
        table.add_column(figures[0].beside, justify="right", no_wrap=True)
        table.add_column("ratio", justify="right", no_wrap=True)
    table.add_column("wanted")
    for figure in figures:
        row: list[Text] = [_name(figure), Text(_value(figure))]
        if with_floor:
            row.append(Text("" if figure.floor is None else _shown(figure.floor)))
            row.append(Text("" if figure.ratio is None else f"{figure.ratio:.2f}"))
        table.add_row(*row, _wanted(figure.checks))
    return table


def _name(figure: Figure) -> Text:
    """The figure's name, and below it all that explains the figure."""
    text = Text(figure.name)
    if figure.void:
        text.append(f"\nvoid: {figure.void}", style="bold red")
    told = figure.detail
    times = [(key, told[key]) for key in _TIMES if key in told]
    if times:
        text.append(
            "\n" + "  ".join(f"{key.split()[0]} {_short(time)}" for key, time in times) + " ms",
            style="dim",
        )
        text.append(f"\n{told['answer bytes']:,} bytes, {told['errors']} errors", style="dim")
        text.append(
            f"\nprocessor {_short(told['cpu us'])} µs an answer, "
            f"{figure.beside} {_short(told[f'{figure.beside} cpu us'])}",
            style="dim",
        )
    elif told:
        text.append(
            "\n" + "  ".join(f"{key} {_short(value)}" for key, value in told.items()),
            style="dim",
        )
    for line in (figure.note, f"others: {figure.peer}" if figure.peer else ""):
        if line:
            text.append(f"\n{line}", style="dim")
    return text


def _value(figure: Figure) -> str:
    if figure.value is None:
        return "–"
    gap = "" if figure.unit.startswith("/") else " "
    return f"{_shown(figure.value)}{gap}{figure.unit}"


def _wanted(checks: Iterable[Check]) -> Text:
    text = Text()
    for check in checks:
        if text:
            text.append("\n")
        text.append(f"{check.level} {check.text} ")
        text.append(*(("met", "green") if check.met else ("MISSED", "bold red")))
    return text


def _summary(figures: Iterable[Figure], console: Console) -> None:
    found = list(figures)
    checks = [check for figure in found for check in figure.checks]
    missed = [check for check in checks if not check.met]
    lost = [figure for figure in found if figure.value is None]
    console.print(
        f"{len(found)} figures, {len(checks) - len(missed)} lines met, {len(missed)} missed "
        f"({sum(check.level == 'must' for check in missed)} of them must), "
        f"{len(lost)} void or not measured.",
        style="bold",
    )


def _short(value: float | int | str) -> str:
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return f"{value:,}" if isinstance(value, int) else value


def _shown(number: float) -> str:
    return f"{number:,.0f}" if abs(number) >= 100 else f"{number:,.2f}"
