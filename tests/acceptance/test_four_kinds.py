"""Two real engines exchange the four kinds of status, over HTTP alone: what A posts is what B
shows, and the sandbox does the same through the same methods."""

import hashlib
import json
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import pytest
import requests

from tests.acceptance.processes import ServerProcess
from tests.acceptance.test_whole_gateway import Account, Running, make_account
from tests.waiting import until
from tests.whatsapp.client import FakeWhatsApp, people

SAMPLES = Path(__file__).parents[2] / "src/statusgate/engines/simulated/samples"
FILES = {"image": "image.jpg", "video": "video.mp4", "voice": "audio.ogg"}
KINDS = {"image": "imageMessage", "video": "videoMessage", "voice": "audioMessage"}


@pytest.fixture(scope="module")
def fake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FakeWhatsApp]:
    with FakeWhatsApp(tmp_path_factory.mktemp("whatsapp")) as server:
        server.quick_pairing()
        yield server
        assert server.violations() == []


@pytest.fixture(scope="module")
def pair(
    fake: FakeWhatsApp, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Account, Account]]:
    """Two linked accounts that have each other as contacts."""
    one, other = people(900, 2)
    folder = tmp_path_factory.mktemp("gateway")
    with Running(fake, folder) as running:
        a, b = make_account(running, one), make_account(running, other)
        a.link(fake, [other])
        b.link(fake, [one])
        until(lambda: a.contacts().get(f"{other.phone}@c.us"), "contact of A")
        until(lambda: b.contacts().get(f"{one.phone}@c.us"), "contact of B")
        a.client.account.setSettings({"delaySendMessagesMilliseconds": 500})
        yield a, b


def received(account: Account, caption_or_text: str, kind: str) -> dict[str, Any]:
    """The status of that kind at B, with its file."""

    def look() -> dict[str, Any] | None:
        for item in account.incoming():
            words = item.get("textMessage", item.get("caption", ""))
            if item["typeMessage"] == kind and words == caption_or_text:
                return item if item.get("downloadUrl", "x") else None
        return None

    return until(look, f"{kind} at B")


@pytest.mark.e2e
@pytest.mark.parametrize("font", ["SERIF", "SANS_SERIF", "BRYNDAN_WRITE", "OSWALD_HEAVY"])
def test_a_text_arrives_with_colour_and_font(pair: tuple[Account, Account], font: str) -> None:
    a, b = pair
    told = a.client.statuses.sendTextStatus(f"Hello {font}", "#1e6e8C", font).data
    a.until_sent(told["idMessage"])
    item = received(b, f"Hello {font}", "extendedTextMessage")
    assert item["extendedTextMessage"] == {
        "text": f"Hello {font}",
        "backgroundColor": "#1E6E8C",
        "font": font,
    }


@pytest.mark.e2e
@pytest.mark.parametrize("kind", FILES)
def test_a_file_arrives_byte_for_byte(
    fake: FakeWhatsApp, pair: tuple[Account, Account], kind: str
) -> None:
    a, b = pair
    caption = "" if kind == "voice" else f"A {kind} 🐎"
    mine = publish(a, kind, caption)
    item = received(b, caption, KINDS[kind])
    assert digest(item["downloadUrl"]) == digest(mine["downloadUrl"])
    assert item["mimeType"].startswith(mine["mimeType"].partition(";")[0])
    if kind != "voice":
        assert b64decode(item["jpegThumbnail"]).startswith(b"\xff\xd8")
        assert item["jpegThumbnail"] == mine["jpegThumbnail"]
    detail = b.ask("GET", "getStatus", item["idMessage"])
    assert detail["viewed"] is False
    check_measures(json.loads(fake.received.read_text().splitlines()[-1]), kind, item)


def check_measures(told: dict[str, Any], kind: str, item: dict[str, Any]) -> None:
    """What B decrypted says the same of the file as the file itself."""
    with av.open(item["downloadUrl"]) as container:
        if kind == "voice":
            assert told["seconds"] == max(1, round(float(container.duration or 0) / 1e6))
            assert (told["PTT"], told["backgroundArgb"]) == (True, 0xFF228B22)
            assert len(bytes.fromhex(told["waveform"])) == 64
            assert container.streams.audio[0].codec_context.name in ("opus", "libopus")
            return
        stream = container.streams.video[0]
        assert (told["width"], told["height"]) == (stream.width, stream.height)
        if kind == "video":
            assert told["seconds"] == max(1, round(float(container.duration or 0) / 1e6))


def publish(account: Account, kind: str, caption: str) -> dict[str, Any]:
    """Upload a sample and post it with the official client; the item once it is sent."""
    client = account.client
    url = client.sending.uploadFile(str(SAMPLES / FILES[kind])).data["urlFile"]
    if kind == "voice":
        told = client.statuses.sendVoiceStatus(url, FILES[kind], "#228B22")
    else:
        told = client.statuses.sendMediaStatus(url, FILES[kind], caption)
    assert told.code == 200, told.data
    status_id = told.data["idMessage"]

    def ended() -> dict[str, Any] | None:
        item: dict[str, Any] = account.ask("GET", "getStatus", status_id)
        return None if item["statusMessage"] == "pending" else item

    item = until(ended, f"{kind} sent")
    assert item["failure"] is None, item
    if kind == "voice":
        assert item["backgroundColor"] == "#228B22"
    return item


def digest(url: str) -> str:
    answer = requests.get(url, timeout=20)
    assert answer.status_code == 200
    return hashlib.sha256(answer.content).hexdigest()


@pytest.mark.e2e
def test_a_status_is_taken_back(pair: tuple[Account, Account]) -> None:
    a, b = pair
    told = a.client.statuses.sendTextStatus("Soon gone").data
    a.until_sent(told["idMessage"])
    received(b, "Soon gone", "extendedTextMessage")
    assert a.client.statuses.deleteStatus(told["idMessage"]).code == 200
    until(lambda: all(x.get("textMessage") != "Soon gone" for x in b.incoming()), "gone at B")


def test_the_sandbox_does_the_same(tmp_path: Path) -> None:
    with ServerProcess(tmp_path) as server:
        made = server.create_instance()
        made.post("setSettings", {"delaySendMessagesMilliseconds": 500})

        class At:
            url = f"http://127.0.0.1:{server.port}"

        account = Account(At(), people(1, 1)[0], made.id, made.token)  # type: ignore[arg-type]
        for kind in FILES:
            item = publish(account, kind, "" if kind == "voice" else "A caption")
            assert item["typeMessage"] == KINDS[kind]
            assert digest(item["downloadUrl"])
