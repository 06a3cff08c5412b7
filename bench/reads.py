"""The read path over HTTP: every cell beside its floor, measured one after the other."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from itertools import count, groupby
from pathlib import Path

import msgspec

from bench import aims, load
from bench.figures import Figure
from bench.plans import READS, Cell, Filler, Mode, Plan, Variant
from bench.receipts import A_SECOND, Arriving
from bench.seeding import Databases, Place, method_url, removed_after, seeded_place
from bench.servers import Process, keep
from bench.workload import WINDOW_SECONDS

Tell = Callable[[str], None]
_ENOUGH = 0.95
_PEAK_READS = ("A", "B", "C")
_SETTINGS: dict[Mode, dict[str, str]] = {
    Mode.WARM: {},
    Mode.COLD: {"recent_memory_mb": "0"},
    Mode.MOVING: {},
    Mode.LOGGED: {"access_log": "true", "log_level": "info"},
}
"""rate profile ``off``, which is the default, everywhere"""


class Reads:
    """One database's part of the table."""

    def __init__(
        self, databases: Databases, floor: Process, root: Path, plan: Plan, tell: Tell
    ) -> None:
        self._databases = databases
        self._floor = floor
        self._root = root
        self._plan = plan
        self._tell = tell
        self._numbers = count(1)
        self.peak_mb = 0.0
        """highest resident size of a gateway that answered A to C, and nothing else"""

    def figures(self) -> Iterator[Figure]:
        """Measure all cells of the plan; a void one says why."""
        for (filler, variant, _), cells in groupby(self._plan.cells, key=self._journal_of):
            self._tell(f"seeding {filler}, {variant}")
            yield from self._table(list(cells))
        if self._plan.compared:
            yield from self._comparisons()

    # -- the table

    def _journal_of(self, cell: Cell) -> tuple[Filler, Variant, str]:
        """Cells that may share one seeded journal have the same."""
        alone = cell.read if self._plan.seed_each_read else ""
        return cell.filler, READS[cell.read].variant, alone

    def _table(self, cells: list[Cell]) -> Iterator[Figure]:
        place = self._seeded(cells[0])
        try:
            for mode, together in groupby(cells, key=lambda cell: cell.mode):
                waiting = list(together)
                while waiting:
                    if place.age_seconds > WINDOW_SECONDS - self._longest:
                        place.remove()
                        place = self._seeded(waiting[0])
                    with place.gateway(**_SETTINGS[mode]) as server:
                        yield from self._until_old(place, server, waiting)
        finally:
            place.remove()

    def _until_old(
        self, place: Place, server: Process, waiting: list[Cell]
    ) -> Iterator[Figure]:
        """Measure what waits, as long as the seeded windows hold."""
        while waiting and place.age_seconds < WINDOW_SECONDS - self._longest:
            cell = waiting.pop(0)
            self._tell(f"reading {cell.name}")
            yield self._figure(server, cell)
            if cell.mode is Mode.WARM and cell.read in _PEAK_READS:
                self.peak_mb = max(self.peak_mb, server.memory().peak)

    @property
    def _longest(self) -> float:
        """Seconds that one cell may take."""
        return 3 * (load.WARM_UP_SECONDS + self._plan.seconds * self._plan.runs) + 5.0

    def _figure(self, server: Process, cell: Cell) -> Figure:
        try:
            return self._measured(server, cell)
        except load.Void as reason:
            return msgspec.structs.replace(self._empty(cell), void=str(reason))

    def _measured(self, server: Process, cell: Cell) -> Figure:
        read = READS[cell.read]
        url = method_url(server, read.method)
        floor = load.Target(
            url=keep(self._floor, "floor", load.fetch(url)),
            rows=read.rows,
            pid=self._floor.pid,
        )
        target = load.Target(url=url, rows=read.rows, pid=server.pid)
        figure = self._empty(cell)
        if cell.mode is Mode.MOVING:
            self._moving(server, figure, cell, [floor, target])
            return figure
        beside, found = self._in_turn(cell, [floor, target])
        _fill(figure, found, beside)
        figure.checks = aims.checks_of(cell, found, figure.ratio)
        return figure

    def _moving(
        self, server: Process, figure: Figure, cell: Cell, quiet: list[load.Target]
    ) -> None:
        """Measure the floor, the read at rest and the read while receipts arrive, in turn."""
        arriving = Arriving(server)
        moving = msgspec.structs.replace(quiet[1], moves=True)
        beside, still, found = self._in_turn(cell, [*quiet, moving], {2: arriving})
        if arriving.fault:
            raise load.Void(f"receipts stopped: {arriving.fault}")
        _fill(figure, found, beside)
        figure.note = (
            f"{found.rate / still.rate:.2f} of the {still.rate:,.0f}/s without; "
            f"{arriving.rate:.0f} receipts/s arrived"
        )
        if arriving.rate < _ENOUGH * A_SECOND:
            figure.note += " (too few)"
        if cell.read == "A":
            figure.checks = aims.moving(found.rate / still.rate)

    def _in_turn(
        self,
        cell: Cell,
        targets: list[load.Target],
        during: Mapping[int, AbstractContextManager[object]] | None = None,
    ) -> list[load.Load]:
        return load.in_turn(
            targets,
            connections=cell.connections,
            seconds=self._plan.seconds,
            runs=self._plan.runs,
            during=during,
        )

    def _empty(self, cell: Cell) -> Figure:
        return Figure(
            section=f"reads, {self._databases.name}",
            name=cell.name,
            unit="/s",
            value=None,
            peer=aims.peer_of(cell),
        )

    # -- with and without the filler, in turn

    def _comparisons(self) -> Iterator[Figure]:
        by_filler = groupby(self._plan.compared, key=lambda cell: cell.filler)
        for filler, cells in [(filler, list(cells)) for filler, cells in by_filler]:
            self._tell(f"seeding alone and {filler}, to compare")
            with (
                removed_after(self._seeded(cells[0])) as full,
                removed_after(self._seeded(_alone(cells[0]))) as alone,
            ):
                for mode in dict.fromkeys(cell.mode for cell in cells):
                    settings = _SETTINGS[mode]
                    with alone.gateway(**settings) as one, full.gateway(**settings) as other:
                        for cell in (cell for cell in cells if cell.mode is mode):
                            self._tell(f"comparing {cell.name}")
                            yield self._compared(cell, one, other)

    def _compared(self, cell: Cell, alone: Process, full: Process) -> Figure:
        figure = self._empty(cell)
        figure.section = f"flat, {self._databases.name}"
        figure.beside = "without"
        read = READS[cell.read]
        targets = [
            load.Target(url=method_url(server, read.method), rows=read.rows, pid=server.pid)
            for server in (alone, full)
        ]
        try:
            without, found = self._in_turn(cell, targets)
        except load.Void as reason:
            figure.void = str(reason)
            return figure
        _fill(figure, found, without)
        figure.checks = aims.flat(found.rate / without.rate)
        return figure

    # -- seeding

    def _seeded(self, cell: Cell) -> Place:
        variant = READS[cell.read].variant
        name = f"{self._databases.name}-{next(self._numbers)}"
        return seeded_place(
            self._databases, self._root, name, filler=cell.filler, variant=variant
        )


def _alone(cell: Cell) -> Cell:
    return msgspec.structs.replace(cell, filler=Filler.NONE)


def _fill(figure: Figure, found: load.Load, floor: load.Load) -> None:
    figure.value, figure.floor, figure.ratio = found.rate, floor.rate, found.rate / floor.rate
    figure.detail = {
        "p50 ms": found.p50,
        "p90 ms": found.p90,
        "p99 ms": found.p99,
        "max ms": found.longest,
        "lowest": found.lowest,
        "highest": found.highest,
        "cpu us": found.cpu_us,
        f"{figure.beside} cpu us": floor.cpu_us,
        "answer bytes": found.answer_bytes,
        "requests": found.requests,
        "errors": 0,
        f"{figure.beside} p50 ms": floor.p50,
        f"{figure.beside} p99 ms": floor.p99,
        f"{figure.beside} lowest": floor.lowest,
        f"{figure.beside} highest": floor.highest,
    }
