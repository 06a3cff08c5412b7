"""What the figures are judged by: the best peers, and what we want of ourselves.

"must" is the best peer's figure plus the noise of its measurement, or a promise; "aim" is what
this design should reach.
"""

from bench.figures import Check, Level, at_least, at_most
from bench.load import Load
from bench.plans import Cell, Filler, Mode
from bench.timing import Spread

PEER_LIST = "Evolution 131/s, p50 60 ms"
PEERS: dict[tuple[str, int], str] = {
    ("A", 1): "Evolution 76–78/s",
    ("A", 8): PEER_LIST,
    ("A", 32): "Evolution 125–133/s",
    ("A", 64): "Evolution 106/s, p99 1,679 ms",
    ("A+", 1): "WAHA 319–331/s",
    ("A+", 8): "WAHA 360/s, p50 22 ms",
    ("A+", 32): "WAHA 364/s",
    ("A+", 64): "WAHA 361/s, p99 369 ms",
    ("B", 1): "Evolution 227–263/s",
    ("B", 8): "Evolution 477/s, p50 16 ms",
    ("B", 32): "Evolution 476/s",
    ("B", 64): "Evolution 403/s",
    ("C", 1): "WAHA 1,303/s",
    ("C", 8): "WAHA 1,455/s",
    ("C", 32): "WAHA 1,474/s",
}
PEERS_WITH_FILLER = {"A": "Evolution 17/s; WAHA 340/s"}
CAVEATS = (
    "Peers: Evolution API 2.3.6 (PostgreSQL 15) and WAHA (2024 code, NOWEB, SQLite), measured "
    "once on 2 shared virtual AMD EPYC cores with wrk, ±15 %. Neither ran in its stock form: "
    "Evolution with another build of its database client, no Redis, no WhatsApp, receipt rows "
    "put in by hand, and it counts the total for every list; WAHA's code is two years old, "
    "with two libraries replaced and a dummy connection; today's WAHA may be very different. "
    "Only first pages. They keep no encoded answers in memory: compare the cold figures too. "
    "Our viewers' rows (B) are leaner than theirs (7.4 against 21.7 kB)."
)
IDLE_PEER = "WAHA 120 MB, Evolution 166 MB (Node alone)"
PEAK_PEER = "WAHA 288 MB, Evolution 411 MB (Node alone)"
ACCOUNTS_PEER = (
    "WAHA's FAQ: 50 accounts 20, 4 or 3 GB by engine, 500 accounts 25 GB: 50 MB each and more"
)
RATIO = {"A": 0.6, "A+": 0.6, "B+": 0.6, "B": 0.5, "C": 0.5}
_MUST = {"A": 420.0, "A+": 420.0, "B": 550.0, "C": 1_700.0}
_AIM = {"A": 4_000.0, "A+": 4_000.0, "B": 8_000.0, "C": 8_000.0}
_COLD_P99_MS = 10.0


def peer_of(cell: Cell) -> str:
    """What others reach in this cell."""
    if cell.mode is Mode.MOVING:
        return ""
    if cell.filler is not Filler.NONE:
        return PEERS_WITH_FILLER.get(cell.read, "")
    return PEERS.get((cell.read, cell.connections), "")


def checks_of(cell: Cell, load: Load, ratio: float | None) -> list[Check]:
    """Judge one cell of the table."""
    match cell.mode:
        case Mode.WARM:
            return _warm(cell, load, ratio)
        case Mode.COLD:
            return _cold(cell, load)
        case _:
            return []


def _warm(cell: Cell, load: Load, ratio: float | None) -> list[Check]:
    checks = []
    if ratio is not None and cell.read in RATIO and cell.connections in (8, 32):
        checks.append(at_least("aim", ratio, RATIO[cell.read], " of floor"))
    if cell.connections == 64 and cell.read in ("A", "A+"):
        checks.append(at_most("must", load.p99, 300, " ms p99"))
        checks.append(at_most("aim", load.p99, 50, " ms p99"))
    if cell.connections == 8 and cell.read in _MUST:
        checks.append(at_least("must", load.rate, _MUST[cell.read], "/s"))
        checks.append(at_least("aim", load.rate, _AIM[cell.read], "/s"))
    if cell.connections == 8 and cell.read in ("A", "A+"):
        checks.append(at_most("must", load.p50, 20, " ms p50"))
    return checks


def _cold(cell: Cell, load: Load) -> list[Check]:
    if cell.read != "A":
        return []
    if cell.connections == 1:
        return [at_most("aim", load.p99, _COLD_P99_MS, " ms p99")]
    return [at_least("must", load.rate, 420, "/s"), at_least("aim", load.rate, 1_000, "/s")]


def flat(ratio: float) -> list[Check]:
    """Judge a rate with the filler against the rate without."""
    return [
        at_least("must", ratio, 0.9, " of it without"),
        at_least("aim", ratio, 0.97, " of it without"),
    ]


def moving(ratio: float) -> list[Check]:
    """Judge a rate under arriving receipts against the rate without."""
    return [
        at_least("must", ratio, 0.7, " of it without"),
        at_least("aim", ratio, 0.9, " of it without"),
    ]


def ingest(database: str, rate: float) -> list[Check]:
    if database == "SQLite":
        return [at_least("aim", rate, 40_000, "/s")]
    return [at_least("must", rate, 30_000, "/s")]


def idle_memory(mb: float) -> list[Check]:
    return [at_most("must", mb, 90, " MB"), at_most("aim", mb, 80, " MB")]


def peak_memory(mb: float) -> list[Check]:
    return [at_most("must", mb, 250, " MB"), at_most("aim", mb, 140, " MB")]


def twenty_accounts(mb: float) -> list[Check]:
    """Judge the memory of the engine processes of twenty linked accounts."""
    return [at_most("must", mb, 160, " MB"), at_most("aim", mb, 100, " MB")]


def each_of_many(mb: float) -> list[Check]:
    """Judge what each of a hundred linked accounts takes."""
    return [at_most("must", mb, 6, " MB each"), at_most("aim", mb, 3, " MB each")]


def beside_neighbours(ms: float) -> list[Check]:
    """Judge how soon an event is recorded while all accounts of its process are busy."""
    return [at_most("must", ms, 100, " ms p99"), at_most("aim", ms, 30, " ms p99")]


def all_online(seconds: float) -> list[Check]:
    return [at_most("must", seconds, 10, " s"), at_most("aim", seconds, 4, " s")]


def recovery(seconds: float) -> list[Check]:
    return [at_most("must", seconds, 10, " s"), at_most("aim", seconds, 3, " s")]


def start(seconds: float) -> list[Check]:
    return [at_most("must", seconds, 1.5, " s")]


def accepting(database: str, times: Spread) -> list[Check]:
    """Judge how long a post takes to be accepted."""
    level = _level(database)
    return [at_most(level, times.p50, 5, " ms p50"), at_most(level, times.p99, 20, " ms p99")]


def engine_text(ms: float) -> list[Check]:
    return [at_most("aim", ms, 30, " ms")]


def engine_thousand(ms: float) -> list[Check]:
    return [at_most("aim", ms, 2_000, " ms")]


def pushing(database: str, rate: float, ratio: float, accounts: int) -> list[Check]:
    """Judge pushes a second, of one account in strict order or of many."""
    limit = 1_000 if accounts == 1 else 4_000
    return [
        at_least(_level(database), rate, limit, "/s"),
        at_least("aim", ratio, 0.3, " of floor"),
    ]


def polling(database: str, rate: float) -> list[Check]:
    return [at_least(_level(database), rate, 2_500, "/s")]


def hearing(database: str, times: Spread) -> list[Check]:
    """Judge how long an event takes to its webhook."""
    return [
        at_most("aim", times.p50, 10, " ms p50"),
        at_most(_level(database), times.p99, 30, " ms p99"),
    ]


def _level(database: str) -> Level:
    """What is promised of PostgreSQL is what SQLite should reach."""
    return "must" if database == "PostgreSQL" else "aim"
