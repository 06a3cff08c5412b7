"""Any film becomes an MP4 that phones show; what they can decode is copied without loss."""

import io
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import pytest
from PIL import Image

from statusgate.domain.conversion import Converted, VideoWanted
from tests.unit.media import corpus, hostile
from tests.unit.media.conftest import Convert, ConvertedFile

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


def check_for_phones(made: ConvertedFile, *, has_sound: bool = True) -> None:
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
        assert max(1, times[-1]) == pytest.approx(made.seconds, abs=0.6)
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
    check_for_phones(made, has_sound=how.get("sound", "aac") is not None)
    assert colour_at(made.path, 0.1, 0.6) == "red"
    assert colour_at(made.path, 0.9, 0.6) == "blue"
    assert colour_at(made.path, 0.5, 0.02) == "white"


def without_sei(packets: list[bytes]) -> list[bytes]:
    """H.264 packets less their units of type 6."""

    def units(packet: bytes) -> Iterator[bytes]:
        at = 0
        while at < len(packet):
            end = at + 4 + int.from_bytes(packet[at : at + 4], "big")
            if packet[at + 4] & 31 != 6:
                yield packet[at:end]
            at = end

    return [b"".join(units(packet)) for packet in packets]


@pytest.mark.parametrize("name", ["x.mp4", "x.mov", "x.m4v", "fine.mp4", "silent.mp4"])
async def test_film_and_sound_that_phones_can_decode_are_copied(
    convert: Convert, tmp_path: Path, name: str
) -> None:
    source = corpus.write_film(
        tmp_path / name,
        container="mov" if name == "x.mov" else "mp4",
        options={"movflags": "faststart"} if name == "fine.mp4" else None,
        sound=None if name == "silent.mp4" else "aac",
        size=(1920, 1080) if name == "silent.mp4" else (320, 240),
    )
    made = await convert(source, WANTED)
    assert isinstance(made, Converted)
    assert made.seconds == 2
    check_for_phones(made, has_sound=name != "silent.mp4")
    film, *sound = corpus.packets_of(source)
    assert corpus.packets_of(made.path) == [without_sei(film), *sound]


async def test_a_fine_film_is_cut_without_loss(convert: Convert, fine_film: Path) -> None:
    made = await convert(fine_film, VideoWanted(1))
    assert isinstance(made, Converted)
    check_for_phones(made)
    film, sound = corpus.packets_of(made.path)
    whole_film, whole_sound = corpus.packets_of(fine_film)
    assert film == without_sei(whole_film)[: len(film)]
    assert sound == whole_sound[: len(sound)]
    assert 17 <= len(film) <= 20


@pytest.mark.parametrize("degrees", [90, 180, 270])
async def test_films_are_turned_upright(
    convert: Convert, tmp_path: Path, fine_film: Path, degrees: int
) -> None:
    source = tmp_path / "x.mp4"
    source.write_bytes(corpus.turned(fine_film.read_bytes(), degrees))
    made = await convert(source, WANTED)
    assert isinstance(made, Converted)
    assert (made.width, made.height) == ((320, 240) if degrees == 180 else (240, 320))
    check_for_phones(made)
    edge = {90: (0.97, 0.5), 180: (0.5, 0.97), 270: (0.03, 0.5)}[degrees]
    assert colour_at(made.path, *edge) == "white"
    red = {90: (0.3, 0.1), 180: (0.9, 0.3), 270: (0.7, 0.9)}[degrees]
    assert colour_at(made.path, *red) == "red"


async def test_films_are_cut(convert: Convert, tmp_path: Path, fine_film: Path) -> None:
    other = corpus.write_film(tmp_path / "x.webm", codec="libvpx", sound="libopus")
    for source in (fine_film, other):
        made = await convert(source, VideoWanted(1))
        assert isinstance(made, Converted)
        assert made.seconds == 1
        check_for_phones(made)
        with av.open(made.path) as opened:
            assert opened.duration is not None
            assert 0.8 < opened.duration / av.time_base <= 1.04, source.name


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
    with av.open(made.path) as opened:
        assert opened.streams.video[0].profile == "High", "lossless is no profile of phones"


@pytest.mark.parametrize("codec", ["libx264", "mpeg4"])
async def test_metadata_does_not_travel_along(
    convert: Convert, tmp_path: Path, codec: str
) -> None:
    """Neither where a film was taken nor by what, whether it is copied or encoded."""
    source = corpus.write_film(tmp_path / "x.mp4", codec=codec)
    tags = {"location": "+52.5200+013.4050/", "make": "my phone", "encoder": "its encoder"}
    with (
        av.open(source) as reading,
        av.open(tmp_path / "y.mp4", "w", options={"movflags": FLAGS}) as writing,
    ):
        writing.metadata.update(tags)
        streams = {s.index: writing.add_stream_from_template(s) for s in reading.streams}
        for stream in streams.values():
            stream.metadata.update({"handler_name": "my handler", "language": "nld"})
        for packet in reading.demux():
            if packet.dts is not None:
                packet.stream = streams[packet.stream.index]
                writing.mux(packet)
    told = [*tags, *tags.values(), "my handler", "Lavf"]
    if codec == "libx264":
        told.append("x264 - core")
    before = (tmp_path / "y.mp4").read_bytes()
    assert b"+52.52" in before
    assert b"my handler" in before
    made = await convert(tmp_path / "y.mp4", WANTED)
    assert isinstance(made, Converted)
    content = made.path.read_bytes()
    for text in told:
        assert text.encode() not in content, text
    with av.open(made.path) as opened:
        assert {stream.language for stream in opened.streams} <= {"und", None}


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


async def test_the_sample_is_copied(convert: Convert) -> None:
    source = hostile.SAMPLES / "video.mp4"
    made = await convert(source, WANTED)
    assert isinstance(made, Converted)
    film, *sound = corpus.packets_of(source)
    assert corpus.packets_of(made.path) == [without_sei(film), *sound]
