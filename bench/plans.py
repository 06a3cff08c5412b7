"""Which cells of the table a run measures."""

from enum import StrEnum

import msgspec


class Filler(StrEnum):
    """What else is in the journal."""

    NONE = "alone"
    SAME = "+100k"
    """100,000 older statuses of the same instance"""
    OTHERS = "+100k others"
    """100,000 older statuses of 50 other instances"""
    RECEIPTS = "+1M receipts"
    """1,000,000 receipts of 20 older statuses of the same instance"""


class Variant(StrEnum):
    """What some reads need of their own."""

    PLAIN = "plain"
    THUMBNAILS = "thumbnails"
    MANY_VIEWERS = "many-viewers"


class Mode(StrEnum):
    """How a read is met."""

    WARM = "warm"
    COLD = "cold"
    """the memory of encoded answers is off: the database is asked every time"""
    MOVING = "200 receipts/s"
    LOGGED = "access log on"


class Read(msgspec.Struct, frozen=True):
    """One request of the workload and how many rows answer it."""

    method: str
    rows: int | None
    """None: it varies"""
    variant: Variant = Variant.PLAIN


class Cell(msgspec.Struct, frozen=True):
    """One figure of the table."""

    read: str
    connections: int
    mode: Mode = Mode.WARM
    filler: Filler = Filler.NONE

    @property
    def name(self) -> str:
        more = "" if self.filler is Filler.NONE else f", {self.filler}"
        return f"{self.read}, {self.connections} conn., {self.mode}{more}"


READS = {
    "A": Read("getOutgoingStatuses?minutes=110", 100),
    "A+": Read("getOutgoingStatuses?minutes=110", 100, Variant.THUMBNAILS),
    "B": Read("getStatusStatistic?idMessage=3EB00000000000000001", 100),
    "B+": Read(
        "getStatusStatistic?idMessage=3EB00000000000000000", 1_024, Variant.MANY_VIEWERS
    ),
    "C": Read("getOutgoingStatuses?minutes=30", 10),
    "D": Read("getOutgoingStatuses", 2_000),
    "E": Read("getIncomingStatuses?minutes=110", 150),
    "S": Read("getStatusesSummary?days=30", 30),
    "L": Read("getStatuses?type=outgoing&limit=50", 50),
    "V": Read("getStatusViewers?idMessage=3EB00000000000000001&limit=100", 100),
    "R": Read("getStatusReport?idMessage=3EB00000000000000001", None),
}
_JOURNALS = ("A", "A+", "B", "B+", "C", "D", "E")
_LISTS = ("S", "L", "V", "R")
_CONNECTIONS = (1, 8, 32, 64)


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """The cells of one run, and how long each is measured."""

    cells: tuple[Cell, ...]
    compared: tuple[Cell, ...]
    """measured in turn with and without the filler that they name"""
    seconds: int
    runs: int
    """of each; figure and floor take turns, the medians count"""
    seed_each_read: bool = False
    """do not share a seeded journal between reads"""


def short_plan(seconds: int = 1, runs: int = 3) -> Plan:
    """The cells that matter, in five minutes together with everything else."""
    return Plan(
        cells=(
            Cell("A", 8),
            Cell("A", 64),
            Cell("B", 8),
            Cell("C", 8),
            Cell("A", 8, Mode.MOVING),
            Cell("A", 1, Mode.COLD),
            Cell("A", 8, Mode.COLD),
            Cell("B", 8, Mode.COLD),
            Cell("A+", 8),
            Cell("A+", 64),
            Cell("B+", 8),
        ),
        compared=(
            Cell("A", 8, Mode.WARM, Filler.SAME),
            Cell("A", 1, Mode.COLD, Filler.SAME),
        ),
        seconds=seconds,
        runs=runs,
    )


def full_plan(seconds: int = 7, runs: int = 3) -> Plan:
    """The whole table of one database."""
    cells = [*_table(Filler.NONE), *_table(Filler.SAME)]
    cells += [Cell(read, 8, Mode.WARM, Filler.OTHERS) for read in _JOURNALS]
    cells += [Cell("A", 8, Mode.COLD, Filler.OTHERS), Cell("A", 8, Mode.LOGGED)]
    compared = [
        Cell(read, 8, mode, filler)
        for read in ("A", "B", "C")
        for mode in (Mode.WARM, Mode.COLD)
        for filler in (Filler.SAME, Filler.OTHERS)
    ]
    return Plan(
        cells=tuple(cells),
        compared=tuple(compared),
        seconds=seconds,
        runs=runs,
        seed_each_read=True,
    )


def lists_plan(seconds: int, runs: int) -> Plan:
    """Lists and sums, with and without a million receipts."""
    return Plan(
        cells=(),
        compared=tuple(Cell(read, 1, Mode.WARM, Filler.RECEIPTS) for read in _LISTS),
        seconds=seconds,
        runs=runs,
    )


def _table(filler: Filler) -> list[Cell]:
    cells = []
    for read in _JOURNALS:
        connections = (1, 8) if read == "D" else _CONNECTIONS
        cells += [Cell(read, one, Mode.WARM, filler) for one in connections]
        cells += [Cell(read, one, Mode.COLD, filler) for one in (1, 8)]
        cells.append(Cell(read, 8, Mode.MOVING, filler))
    return cells
