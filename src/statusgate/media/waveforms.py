"""The little picture of loudness that phones draw for a voice."""

from array import array
from collections.abc import Sequence
from math import ceil, sqrt
from operator import mul

BARS = 64
LOUDEST = 100
RATE = 8000
"""samples a second that are listened to; enough for loudness"""
_WINDOW = 160
"""samples: 20 ms"""


class Loudness:
    """Collects the energy of mono 16-bit sound at ``RATE``, in windows of 20 ms."""

    def __init__(self) -> None:
        self._rest = array("h")
        self._energies = array("d")

    def listen(self, samples: "array[int]") -> None:
        """Take the next samples."""
        self._rest.extend(samples)
        whole = len(self._rest) - len(self._rest) % _WINDOW
        for start in range(0, whole, _WINDOW):
            window = self._rest[start : start + _WINDOW]
            self._energies.append(sum(map(mul, window, window)))
        del self._rest[:whole]

    def waveform(self) -> bytes:
        """Return 64 values of 0 to 100: the root mean square of each part, the loudest 100."""
        return bars(self._energies)


def bars(energies: Sequence[float]) -> bytes:
    """Return a waveform of *energies*, of windows of one length in their order."""
    if not energies or max(energies) <= 0:
        return bytes(BARS)
    step = len(energies) / BARS
    levels = []
    for bar in range(BARS):
        start = int(bar * step)
        part = energies[start : max(start + 1, ceil((bar + 1) * step))]
        levels.append(sqrt(sum(part) / len(part)))
    loudest = max(levels)
    return bytes(round(LOUDEST * level / loudest) for level in levels)
