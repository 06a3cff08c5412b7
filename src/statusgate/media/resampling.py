"""Sound of one form out of frames that may change theirs; runs in the child process alone."""

from fractions import Fraction

from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler

RATE = 48_000
"""samples a second of what comes out"""


class Resampler:
    """Brings sound to one format and layout at 48 kHz, numbered without gaps."""

    def __init__(
        self,
        sample_format: str,
        layout: str,
        frame_size: int | None = None,
        *,
        keeps_time: bool = False,
    ) -> None:
        """If it *keeps_time*, gaps between the times of frames become silence."""
        self._wanted = (sample_format, layout, RATE, frame_size)
        self._keeps_time = keeps_time
        self._form: tuple[str, str, int] | None = None
        self._inner: AudioResampler | None = None
        self.samples = 0
        """how many have come out"""

    def resample(self, frame: AudioFrame) -> list[AudioFrame]:
        """Return what is ready after *frame*, which is changed."""
        form = (frame.format.name, frame.layout.name, frame.sample_rate)
        before: list[AudioFrame] = []
        if self._inner is None or form != self._form:
            before = self.rest()
            self._form = form
            self._inner = AudioResampler(*self._wanted, options=self._options())
        if not self._keeps_time:
            frame.pts = None
        return before + self._numbered(self._inner.resample(frame))

    def rest(self) -> list[AudioFrame]:
        """Return what was held back."""
        if self._inner is None:
            return []
        frames = self._numbered(self._inner.resample(None))
        self._inner = None
        return frames

    def _options(self) -> dict[str, str]:
        if not self._keeps_time:
            return {}
        return {"async": "1"} if self.samples else {"async": "1", "first_pts": "0"}

    def _numbered(self, frames: list[AudioFrame]) -> list[AudioFrame]:
        found = [frame for frame in frames if frame is not None]  # PyAV passes a flush on
        for frame in found:
            frame.pts, frame.time_base = self.samples, Fraction(1, RATE)
            self.samples += frame.samples
        return found
