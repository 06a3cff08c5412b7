"""Any film becomes an MP4 that phones show; what is one already stays as it is."""

import io
from fractions import Fraction
from pathlib import Path

import av
import pytest
from PIL import Image

from statusgate.domain.conversion import Converted, VideoWanted
from tests.unit.media import corpus, hostile
from tests.unit.media.conftest import Convert

WANTED = VideoWanted(60)
FLAGS = "faststart+use_metadata_tags"
KINDS: dict[str, dict[str, str | None]] = {
    "h264-aac.mp4": {},
    "mpeg4-mp3.mov": {"codec": "mpeg4", "sound": "libmp3lame"},
    "h264-silent.m4v": {"sound": None, "container": "mp4"},
    "mpeg4-aac.3gp": {"codec": "mpeg4"},
    "vp8-opus.webm": {"codec": "libvpx", "sound": "libopus"},
    "hevc-opus.mkv": {"codec": "libx265", "sound": "libopus"},
    "mpeg4-mp3.avi": {"codec": "mpeg4", "sound": "libmp3lame"},
    "mjpeg-pcm.avi": {"codec": "mjpeg", "sound": "pcm_s16le", "pix_fmt": "yuvj420p"},
    "h264-10bit.mkv": {"pix_fmt": "yuv420p10le"},
    "h264-444.mkv": {"pix_fmt": "yuv444p"},
}


def check_for_phones(made: Converted, *, has_sound: bool = True) -> None:
    """What every film that was converted must be."""
    content = made.path.read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")
    assert (made.mimetype, made.extension) == ("video/mp4", "mp4")
    assert not made.waveform
    with av.open(made.path) as opened:
        film = opened.streams.video[0]
        context = film.codec_context
        assert (context.name, context.pix_fmt) == ("h264", "yuv420p")
        assert film.profile in {"High", "Main", "Constrained Baseline"}
        assert (film.width, film.height) == (made.width, made.height)
        assert max(film.width, film.height) <= 1920
        assert len(opened.streams.audio) == has_sound
        assert len(opened.streams) == 1 + has_sound
        for sound in opened.streams.audio:
            assert sound.codec_context.name == "aac"
            assert sound.channels <= 2
        frames = list(opened.decode(film))
        times = [frame.time for frame in frames]
        assert times == sorted(set(times))
        assert times[0] == pytest.approx(0, abs=0.05)
        assert times[-1] == pytest.approx(made.seconds, abs=0.6)
    thumbnail = Image.open(io.BytesIO(made.thumbnail), formats=["JPEG"])
    assert max(thumbnail.size) == 72


def colour_at(path: Path, x: float, y: float) -> str:
    """The name of what the first frame shows at a part of its width and height."""
    with av.open(path) as opened:
        frame = next(opened.decode(video=0))
        image: Image.Image = frame.to_image()  # type: ignore[no-untyped-call]
    pixel = image.getpixel((int(x * image.width), int(y * image.height)))
    assert isinstance(pixel, tuple)
    red, green, blue = pixel
    return "white" if green > 120 else "red" if red > blue else "blue"


@pytest.mark.parametrize("name", KINDS)
async def test_every_kind_of_film(convert: Convert, tmp_path: Path, name: str) -> None:
    how = {"size": (320, 240), **KINDS[name]}
    source = corpus.write_film(tmp_path / name, **how)  # type: ignore[arg-type]
    made = await convert(source, WANTED)
    assert isinstance(made, Converted), made
    assert (made.width, made.height, made.seconds) == (320, 240, 2)
    assert not made.passed_through
    check_for_phones(made, has_sound=how.get("sound", "aac") is not None)
    assert colour_at(made.path, 0.1, 0.6) == "red"
    assert colour_at(made.path, 0.9, 0.6) == "blue"
    assert colour_at(made.path, 0.5, 0.02) == "white"


async def test_a_fine_film_stays_as_it_is(
    convert: Convert, tmp_path: Path, fine_film: Path
) -> None:
    made = await convert(fine_film, WANTED)
    assert isinstance(made, Converted)
    assert made.passed_through
    assert made.path == fine_film
    assert (made.width, made.height, made.seconds) == (320, 240, 2)
    check_for_phones(made)
    assert list(tmp_path.iterdir()) == []
    silent = corpus.write_fine_film(
        tmp_path / "silent.mp4", sound=None, size=(1920, 1080), seconds=0.2
    )
    made = await convert(silent, WANTED)
    assert isinstance(made, Converted)
    assert made.passed_through
    assert (made.width, made.height) == (1920, 1080)


async def test_an_index_at_the_end_moves_to_the_front(convert: Convert, tmp_path: Path) -> None:
    source = corpus.write_film(tmp_path / "x.mp4")
    content = source.read_bytes()
    assert content.index(b"mdat") < content.index(b"moov")
    made = await convert(source, WANTED)
    assert isinstance(made, Converted)
    assert not made.passed_through
    check_for_phones(made)


@pytest.mark.parametrize("degrees", [90, 180, 270])
async def test_films_are_turned_upright(
    convert: Convert, tmp_path: Path, fine_film: Path, degrees: int
) -> None:
    source = tmp_path / "x.mp4"
    source.write_bytes(corpus.turned(fine_film.read_bytes(), degrees))
    made = await convert(source, WANTED)
    assert isinstance(made, Converted)
    assert not made.passed_through
    assert (made.width, made.height) == ((320, 240) if degrees == 180 else (240, 320))
    check_for_phones(made)
    edge = {90: (0.97, 0.5), 180: (0.5, 0.97), 270: (0.03, 0.5)}[degrees]
    assert colour_at(made.path, *edge) == "white"
    red = {90: (0.3, 0.1), 180: (0.9, 0.3), 270: (0.7, 0.9)}[degrees]
    assert colour_at(made.path, *red) == "red"


async def test_films_are_cut(convert: Convert, tmp_path: Path, fine_film: Path) -> None:
    made = await convert(fine_film, VideoWanted(1))
    assert isinstance(made, Converted)
    assert (made.passed_through, made.seconds) == (False, 1)
    check_for_phones(made)
    with av.open(made.path) as opened:
        assert opened.duration is not None
        assert opened.duration / av.time_base <= 1.03


async def test_large_films_become_smaller_with_even_edges(
    convert: Convert, tmp_path: Path
) -> None:
    for size, shown in {
        (2560, 1440): (1280, 720),
        (1000, 2000): (640, 1280),
        (355, 201): (354, 200),
    }.items():
        source = corpus.write_film(
            tmp_path / "x.mkv", size=size, seconds=0.2, pix_fmt="yuv444p"
        )
        made = await convert(source, WANTED)
        assert isinstance(made, Converted), made
        assert (made.width, made.height) == shown
        check_for_phones(made)


async def test_pixels_become_square(convert: Convert, tmp_path: Path) -> None:
    source = corpus.write_fine_film(tmp_path / "x.mp4", pixel_form=Fraction(2))
    made = await convert(source, WANTED)
    assert isinstance(made, Converted)
    assert not made.passed_through
    assert (made.width, made.height) == (640, 240)


async def test_fast_films_keep_time_with_fewer_frames(convert: Convert, tmp_path: Path) -> None:
    source = corpus.write_film(tmp_path / "x.mkv", rate=120, seconds=1)
    made = await convert(source, WANTED)
    assert isinstance(made, Converted)
    assert made.seconds == 1
    with av.open(made.path) as opened:
        assert 28 <= sum(1 for _ in opened.decode(video=0)) <= 36


async def test_long_films_stay_within_what_phones_take(
    convert: Convert, tmp_path: Path
) -> None:
    """A fine film that is too large is not fine."""
    noise = corpus.write_fine_film(
        tmp_path / "x.mp4",
        size=(1280, 720),
        seconds=1,
        film_options={"crf": "0", "preset": "ultrafast"},
        pix_fmt="yuv420p",
    )
    content = noise.read_bytes()
    assert len(content) < 16 * 2**20
    made = await convert(noise, VideoWanted(2))
    assert isinstance(made, Converted)
    assert not made.passed_through, "lossless is no profile of phones"


async def test_metadata_and_other_streams_are_dropped(convert: Convert, tmp_path: Path) -> None:
    source = tmp_path / "x.mp4"
    corpus.write_fine_film(source)
    with (
        av.open(source) as reading,
        av.open(tmp_path / "y.mp4", "w", options={"movflags": FLAGS}) as writing,
    ):
        writing.metadata["location"] = "+52.5200+013.4050/"
        streams = {s.index: writing.add_stream_from_template(s) for s in reading.streams}
        for packet in reading.demux():
            if packet.dts is not None:
                packet.stream = streams[packet.stream.index]
                writing.mux(packet)
    assert b"+52.52" in (tmp_path / "y.mp4").read_bytes()
    made = await convert(tmp_path / "y.mp4", WANTED)
    assert isinstance(made, Converted)
    assert not made.passed_through
    assert b"+52.52" not in made.path.read_bytes()


async def test_sound_keeps_its_place(convert: Convert, tmp_path: Path) -> None:
    """A gap in the sound stays a gap, and picture and sound end together."""
    source = corpus.write_film(tmp_path / "x.mkv", codec="libvpx", sound="libopus")
    made = await convert(source, WANTED)
    assert isinstance(made, Converted)
    with av.open(made.path) as opened:
        film, sound = opened.streams.video[0], opened.streams.audio[0]
        assert film.duration is not None
        assert sound.duration is not None
        assert film.time_base is not None
        assert sound.time_base is not None
        ends = (film.duration * film.time_base, sound.duration * sound.time_base)
        assert abs(ends[0] - ends[1]) < 0.1


async def test_the_samples_are_fine(convert: Convert) -> None:
    made = await convert(hostile.SAMPLES / "video.mp4", WANTED)
    assert isinstance(made, Converted)
    assert made.passed_through
