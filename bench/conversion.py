"""How long conversions take, and how much memory the child process needs for them.

``python -m bench.conversion`` runs this part alone.
"""

import asyncio
import math
import resource
import tempfile
import time
import wave
from array import array
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import av
import msgspec
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from PIL import Image

from bench.figures import Figure
from statusgate.domain.conversion import Converted, VideoWanted, VoiceWanted, Wanted
from statusgate.domain.ids import InstanceId
from statusgate.media.converter import Converter
from statusgate.media.process import CONVERSIONS, MediaChild

SECTION = "conversion"
SECONDS = 60
_RUNS = 3
_WIDTH, _HEIGHT = 1920, 1080
_FRAMES_A_SECOND = 30
_PICTURES = 48
"""different frames; they come again, forwards and backwards"""
_RATE = 48_000
_MEBIBYTE = 1024 * 1024
_LOOK_SECONDS = 0.02


class Run(msgspec.Struct, frozen=True, order=True):
    """One conversion by a fresh child, its start included."""

    seconds: float
    peak_mb: float
    """the child's highest resident size"""
    result_mb: float
    cpu_seconds: float


def measure(seconds: int = SECONDS, runs: int = _RUNS) -> list[Figure]:
    """Convert a film of 1080p and a WAV, each *seconds* long; the medians of *runs* count."""
    return [*measure_film(seconds, runs), *measure_sound(seconds, runs)]


def measure_film(seconds: int = SECONDS, runs: int = _RUNS) -> list[Figure]:
    """Convert the film; to write it takes as long again."""
    with tempfile.TemporaryDirectory(prefix="statusgate-bench-") as folder:
        film = Path(folder) / "film.mp4"
        write_film(film, seconds)
        return _figures(f"1080p film of {seconds} s", film, VideoWanted(seconds), runs)


def measure_sound(seconds: int = SECONDS, runs: int = _RUNS) -> list[Figure]:
    """Convert the WAV."""
    with tempfile.TemporaryDirectory(prefix="statusgate-bench-") as folder:
        sound = Path(folder) / "sound.wav"
        write_sound(sound, seconds)
        return _figures(f"WAV of {seconds} s", sound, VoiceWanted(seconds), runs)


def _figures(name: str, source: Path, wanted: Wanted, runs: int) -> list[Figure]:
    found = sorted(asyncio.run(_convert(source, wanted)) for _ in range(runs))
    median = found[len(found) // 2]
    times = Figure(
        section=SECTION,
        name=f"{name}: conversion, median of {runs}",
        unit="s",
        value=median.seconds,
        detail={
            "lowest": round(found[0].seconds, 2),
            "highest": round(found[-1].seconds, 2),
            "source MB": round(source.stat().st_size / _MEBIBYTE, 1),
            "result MB": round(median.result_mb, 2),
            "CPU s": round(median.cpu_seconds, 2),
        },
    )
    memory = Figure(
        section=SECTION,
        name=f"{name}: peak of the child process, resident",
        unit="MB",
        value=max(run.peak_mb for run in found),
    )
    return [times, memory]


async def _convert(source: Path, wanted: Wanted) -> Run:
    child = MediaChild(CONVERSIONS)
    converter = Converter([child], [child])
    target = source.with_suffix(".converted")
    cpu_before = _cpu_seconds_of_children()
    async with _peak_of(child) as peaks:
        begun = time.perf_counter()
        made = await converter.convert(InstanceId(1), source, wanted, target)
        taken = time.perf_counter() - begun
    await converter.close()
    if not isinstance(made, Converted):
        raise TypeError(f"not converted: {made}")
    size = target.stat().st_size / _MEBIBYTE
    target.unlink()
    cpu_seconds = _cpu_seconds_of_children() - cpu_before
    return Run(taken, max(peaks), size, cpu_seconds)


def _cpu_seconds_of_children() -> float:
    """Of those that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@asynccontextmanager
async def _peak_of(child: MediaChild) -> AsyncIterator[list[float]]:
    """Look at a child again and again; the kernel keeps its peak as long as it lives."""
    peaks = [0.0]

    async def look() -> None:
        while True:
            peaks.append(_peak_mb(child.pid))
            await asyncio.sleep(_LOOK_SECONDS)

    looking = asyncio.create_task(look())
    try:
        yield peaks
    finally:
        looking.cancel()


def _peak_mb(pid: int | None) -> float:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    kilobytes = [line.split()[1] for line in lines if line.startswith("VmHWM:")]
    return int(kilobytes[0]) / 1024 if kilobytes else 0.0


def write_film(path: Path, seconds: int) -> None:
    """A camera that moves over a rough landscape, with a tone, as a phone would record it."""
    pictures = _pictures()
    there_and_back = [*pictures, *reversed(pictures)]
    with av.open(path, "w") as container:
        film = container.add_stream("libx264", rate=_FRAMES_A_SECOND)
        sound = container.add_stream("aac", rate=_RATE, layout="mono")
        assert isinstance(film, VideoStream)
        assert isinstance(sound, AudioStream)
        film.width, film.height, film.pix_fmt = _WIDTH, _HEIGHT, "yuv420p"
        film.options = {"preset": "ultrafast", "crf": "26"}
        for second in range(seconds):
            _write_second(container, film, sound, second, there_and_back)
        container.mux(film.encode(None))
        container.mux(sound.encode(None))


def _write_second(
    container: OutputContainer,
    film: VideoStream,
    sound: AudioStream,
    second: int,
    pictures: list[VideoFrame],
) -> None:
    for number in range(second * _FRAMES_A_SECOND, (second + 1) * _FRAMES_A_SECOND):
        picture = pictures[number % len(pictures)]
        picture.pts = number
        container.mux(film.encode(picture))
    tone = AudioFrame(format="s16", layout="mono", samples=_RATE)
    tone.planes[0].update(_tone(second))
    tone.sample_rate, tone.pts = _RATE, second * _RATE
    container.mux(sound.encode(tone))


def _pictures() -> list[VideoFrame]:
    width, height = _WIDTH + 4 * _PICTURES, _HEIGHT + 2 * _PICTURES
    channels = [
        Image.effect_noise((width // rough, height // rough), 90).resize((width, height))
        for rough in (3, 24, 40)
    ]
    landscape = Image.merge("YCbCr", channels).convert("RGB")
    frames = []
    for step in range(_PICTURES):
        left, top = 4 * step, 2 * step
        view = landscape.crop((left, top, left + _WIDTH, top + _HEIGHT))
        frame: VideoFrame = VideoFrame.from_image(view)  # type: ignore[no-untyped-call]
        frames.append(frame.reformat(format="yuv420p"))
    return frames


def write_sound(path: Path, seconds: int) -> None:
    """A WAV of 48 kHz stereo whose loudness comes and goes."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(_RATE)
        for second in range(seconds):
            tone = array("h", _tone(second))
            both = array("h", bytes(4 * len(tone)))
            both[::2] = both[1::2] = tone
            file.writeframes(both.tobytes())


def _tone(second: int) -> bytes:
    """A second of 16-bit sound that swells and dies away."""
    pitch = 220 + 40 * (second % 7)
    return array(
        "h",
        (
            int(
                12_000
                * math.sin(math.pi * at / _RATE)
                * math.sin(math.tau * pitch * at / _RATE)
            )
            for at in range(_RATE)
        ),
    ).tobytes()


def main() -> None:
    """Print the figures of this part."""
    for figure in measure():
        print(f"{figure.name}: {figure.value:.2f} {figure.unit} {figure.detail or ''}")


if __name__ == "__main__":
    main()
