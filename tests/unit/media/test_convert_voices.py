"""Any sound becomes a voice note; the packets of one that is one already are copied."""

import itertools
import math
import random
import struct
from array import array
from pathlib import Path

import av
import pytest

from statusgate.domain.conversion import ConversionFailed, Converted, VoiceWanted
from statusgate.domain.status import FailureReason
from tests.unit.media import corpus, hostile
from tests.unit.media.conftest import Convert, ConvertedFile

WANTED = VoiceWanted(600)
KINDS: dict[str, tuple[str, int, str]] = {
    "x.wav": ("pcm_s16le", 44_100, "stereo"),
    "float.wav": ("pcm_f32le", 48_000, "mono"),
    "8bit.wav": ("pcm_u8", 8_000, "mono"),
    "x.mp3": ("libmp3lame", 44_100, "stereo"),
    "x.m4a": ("aac", 44_100, "stereo"),
    "bare.aac": ("aac", 44_100, "mono"),
    "x.mp4": ("aac", 48_000, "mono"),
    "vorbis.ogg": ("vorbis", 48_000, "stereo"),
    "stereo.ogg": ("libopus", 48_000, "stereo"),
    "x.webm": ("libopus", 48_000, "mono"),
    "5.1.m4a": ("aac", 48_000, "5.1"),
    "x.flac": ("flac", 44_100, "stereo"),
    "x.amr": ("libopencore_amrnb", 8_000, "mono"),
}


def check_for_phones(made: ConvertedFile) -> list[int]:
    """What every voice must be; returns its samples."""
    assert (made.mimetype, made.extension) == ("audio/ogg; codecs=opus", "ogg")
    assert (made.width, made.height, made.thumbnail) == (0, 0, b"")
    assert len(made.waveform) == 64
    assert max(made.waveform) <= 100
    content = made.path.read_bytes()
    assert content.startswith(b"OggS")
    head = content.index(b"OpusHead")
    channels, _, rate = struct.unpack_from("<BHI", content, head + 9)
    assert (channels, rate) == (1, 48_000)
    samples = array("h")
    with av.open(made.path) as opened:
        assert len(opened.streams) == 1
        assert opened.streams[0].codec_context.name in ("opus", "libopus")
        resampler = av.AudioResampler("s16", "mono", 48_000)
        for frame in opened.decode(audio=0):
            for piece in resampler.resample(frame):
                samples.frombytes(bytes(piece.planes[0])[: 2 * piece.samples])
    return samples.tolist()


def crossings_a_second(samples: list[int]) -> float:
    """Twice the pitch."""
    middle = samples[len(samples) // 4 : 3 * len(samples) // 4]
    changes = sum(a < 0 <= b or b < 0 <= a for a, b in itertools.pairwise(middle))
    return changes * 48_000 / len(middle)


@pytest.mark.parametrize("name", KINDS)
async def test_every_kind_of_sound(convert: Convert, tmp_path: Path, name: str) -> None:
    codec, rate, layout = KINDS[name]
    made = await convert(
        corpus.write_sound(tmp_path / name, codec, rate=rate, layout=layout), WANTED
    )
    assert isinstance(made, Converted), made
    assert made.seconds == 2
    samples = check_for_phones(made)
    assert len(samples) == pytest.approx(2 * 48_000, rel=0.05)
    assert crossings_a_second(samples) == pytest.approx(880, rel=0.02)


WAV_CODINGS = ["pcm_u8", "pcm_s16le", "pcm_s24le", "pcm_s32le", "pcm_alaw", "pcm_mulaw"]


@pytest.mark.parametrize("codec", WAV_CODINGS)
async def test_a_wav_of_every_rate_and_coding_becomes_a_voice_note(
    convert: Convert, tmp_path: Path, codec: str
) -> None:
    """Telephony sends 8 kHz mono, recorders 24 and 32 bits."""
    for rate in (8_000, 11_025, 16_000, 22_050, 44_100, 48_000):
        for layout in ("mono", "stereo"):
            path = tmp_path / f"{rate}-{layout}.wav"
            corpus.write_sound(path, codec, seconds=1, rate=rate, layout=layout)
            made = await convert(path, WANTED)
            assert isinstance(made, Converted), (rate, layout, made)
            assert made.seconds == 1
            assert min(made.waveform) > 80
            samples = check_for_phones(made)
            assert len(samples) == pytest.approx(48_000, rel=0.05)
            assert crossings_a_second(samples) == pytest.approx(880, rel=0.02)


async def test_the_packets_of_a_voice_note_are_copied(
    convert: Convert, fine_voice: Path
) -> None:
    for source in (fine_voice, hostile.SAMPLES / "audio.ogg"):
        made = await convert(source, WANTED)
        assert isinstance(made, Converted)
        assert made.seconds == 2
        assert len(check_for_phones(made)) == pytest.approx(2 * 48_000, rel=0.001)
        assert corpus.packets_of(made.path) == corpus.packets_of(source)


async def test_tags_of_a_voice_note_are_dropped(convert: Convert, tmp_path: Path) -> None:
    source = tmp_path / "x.ogg"
    tags = {"location": "+52.5200+013.4050/", "title": "at home", "encoder": "my phone"}
    corpus.write_sound(source, "libopus", tags=tags)
    assert b"+52.52" in source.read_bytes()
    made = await convert(source, WANTED)
    assert isinstance(made, Converted)
    assert corpus.packets_of(made.path) == corpus.packets_of(source)
    content = made.path.read_bytes()
    for tag in (*tags, *tags.values(), "Lavf", "Lavc"):
        assert tag.encode() not in content, tag


async def test_a_damaged_voice_note_becomes_a_whole_one(
    convert: Convert, tmp_path: Path, fine_voice: Path
) -> None:
    """Or none at all; how long it is, is what can be heard of it."""
    lengths = []
    for seed in range(12):
        content = bytearray(fine_voice.read_bytes())
        noise = random.Random(seed)
        for _ in range(1 + 5 * seed):
            content[noise.randrange(100, len(content))] = noise.randrange(256)
        (tmp_path / "x.ogg").write_bytes(content)
        made = await convert(tmp_path / "x.ogg", WANTED)
        if isinstance(made, Converted):
            samples = check_for_phones(made)
            lengths.append(len(samples) / 48_000)
            assert max(1, lengths[-1]) == pytest.approx(made.seconds, abs=0.51)
    assert len(lengths) > 4
    assert max(lengths) <= 2.1


async def test_packets_that_cannot_be_decoded_are_not_copied(
    convert: Convert, tmp_path: Path, fine_voice: Path
) -> None:
    """Encoding leaves them out."""
    packets = corpus.packets_of(fine_voice)[0]
    content = fine_voice.read_bytes()
    broken = bytes([packets[40][0] | 3, 0xFF]) + packets[40][2:]
    (tmp_path / "x.ogg").write_bytes(corpus.repaged(content, packets[40], broken))
    made = await convert(tmp_path / "x.ogg", WANTED)
    assert isinstance(made, Converted)
    check_for_phones(made)
    assert broken not in corpus.packets_of(made.path)[0]


async def test_the_waveform_shows_how_loud_it_is(convert: Convert, tmp_path: Path) -> None:
    """A second of silence, one of half loudness, one of full, one of silence."""
    loudness = [0.0, 0.3, 0.6, 0.0]
    samples = array(
        "h",
        (
            int(32_000 * loudness[at // 48_000] * math.sin(math.tau * 500 * at / 48_000))
            for at in range(4 * 48_000)
        ),
    )
    frame = corpus.frame_of(samples)
    for name, codec in {"x.wav": "pcm_s16le", "x.ogg": "libopus"}.items():
        made = await convert(corpus.write_sound(tmp_path / name, codec, frame=frame), WANTED)
        assert isinstance(made, Converted)
        bars = list(made.waveform)
        assert max(bars[:15]) <= 2, name
        assert bars[17:31] == pytest.approx([50] * 14, abs=3), name
        assert bars[33:47] == pytest.approx([100] * 14, abs=3), name
        assert max(bars[50:]) <= 2, name


async def test_silence_is_a_voice_too(convert: Convert, tmp_path: Path) -> None:
    silence = corpus.frame_of(array("h", bytes(48_000)))
    made = await convert(
        corpus.write_sound(tmp_path / "x.wav", "pcm_s16le", frame=silence), WANTED
    )
    assert isinstance(made, Converted)
    assert (made.waveform, made.seconds) == (bytes(64), 1)


async def test_a_voice_that_is_too_long_fails(
    convert: Convert, tmp_path: Path, fine_voice: Path
) -> None:
    too_long = corpus.write_sound(tmp_path / "x.mp3", "libmp3lame", seconds=2)
    for source in (too_long, fine_voice):
        assert await convert(source, VoiceWanted(1)) == ConversionFailed(
            FailureReason.VOICE_TOO_LONG, "Voice is longer than 1 seconds"
        )
        made = await convert(source, VoiceWanted(2))
        assert isinstance(made, Converted)
        assert made.seconds == 2


async def test_an_hour_of_sound_costs_no_hour(convert: Convert, tmp_path: Path) -> None:
    path = tmp_path / "x.wav"
    seconds, rate = 3600, 8000
    data = bytes([128]) * (seconds * rate)
    form = struct.pack("<HHIIHH", 1, 1, rate, rate, 1, 8)
    head = b"WAVEfmt " + struct.pack("<I", 16) + form + b"data" + struct.pack("<I", len(data))
    path.write_bytes(b"RIFF" + struct.pack("<I", len(head) + len(data)) + head + data)
    made = await convert(path, VoiceWanted(60))
    assert isinstance(made, ConversionFailed)
    assert made.reason is FailureReason.VOICE_TOO_LONG


async def test_headers_are_not_believed(convert: Convert, tmp_path: Path) -> None:
    """WAVs of recorders that could not go back tell no length, or an endless one."""
    content = corpus.write_sound(tmp_path / "x.wav", "pcm_s16le").read_bytes()
    at = content.index(b"data") + 4
    for told in (0, 0xFFFFFFFF):
        length = struct.pack("<I", told)
        lying = content[:4] + length + content[8:at] + length + content[at + 4 :]
        (tmp_path / "y.wav").write_bytes(lying)
        made = await convert(tmp_path / "y.wav", WANTED)
        assert isinstance(made, Converted), told
        assert made.seconds == 2


async def test_pictures_within_songs_are_left_out(convert: Convert, tmp_path: Path) -> None:
    song = corpus.write_sound(tmp_path / "x.mp3", "libmp3lame").read_bytes()
    picture = hostile.jpeg()
    frame = b"\0image/jpeg\0\3\0" + picture
    size = len(frame) + 10
    synchsafe = bytes(size >> shift & 0x7F for shift in (21, 14, 7, 0))
    tag = b"ID3\3\0\0" + synchsafe + b"APIC" + struct.pack(">I", len(frame)) + b"\0\0" + frame
    (tmp_path / "y.mp3").write_bytes(tag + song)
    made = await convert(tmp_path / "y.mp3", WANTED)
    assert isinstance(made, Converted)
    assert picture[:40] not in made.path.read_bytes()
    check_for_phones(made)


async def test_titles_in_old_code_pages_are_no_fault(convert: Convert, tmp_path: Path) -> None:
    content = corpus.write_sound(tmp_path / "x.wav", "pcm_s16le").read_bytes()
    title = (
        b"LIST" + struct.pack("<I", 16) + b"INFOINAM" + struct.pack("<I", 4) + b"\xcf\xf0\xe8\0"
    )
    size = struct.pack("<I", len(content) - 8 + len(title))
    (tmp_path / "y.wav").write_bytes(content[:4] + size + content[8:12] + title + content[12:])
    made = await convert(tmp_path / "y.wav", WANTED)
    assert isinstance(made, Converted), made
    assert made.seconds == 2


async def test_a_film_has_a_voice(convert: Convert, fine_film: Path) -> None:
    made = await convert(fine_film, WANTED)
    assert isinstance(made, Converted)
    check_for_phones(made)
