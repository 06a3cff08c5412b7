"""The server itself: what it refuses at the door, and that it never outlives its tests."""

from __future__ import annotations

import json
import socket
import ssl
from pathlib import Path

import pytest

from tests.waiting import until
from tests.whatsapp.certificates import CHAT_HOST, MEDIA_HOSTS
from tests.whatsapp.client import ControlError, FakeWhatsApp, people

pytestmark = pytest.mark.e2e

_UPGRADE = (
    b"GET /ws/chat HTTP/1.1\r\nHost: web.whatsapp.com\r\nUpgrade: websocket\r\n"
    b"Origin: https://web.whatsapp.com\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)


def tunnel(fake: FakeWhatsApp, host: str) -> tuple[socket.socket, bytes]:
    """A connection through the proxy, and the proxy's answer."""
    port = int(fake.proxy.rpartition(":")[2])
    plain = socket.create_connection(("127.0.0.1", port), 5)
    plain.sendall(f"CONNECT {host}:443 HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
    return plain, plain.recv(1000)


def secure(fake: FakeWhatsApp, host: str) -> ssl.SSLSocket:
    plain, answer = tunnel(fake, host)
    assert answer.startswith(b"HTTP/1.1 200")
    context = ssl.create_default_context(cafile=str(fake.ca))
    return context.wrap_socket(plain, server_hostname=host)


def rules_broken(fake: FakeWhatsApp) -> list[str]:
    return until(lambda: [each["rule"] for each in fake.violations(take=True)])


def test_no_way_leads_to_another_host(fake: FakeWhatsApp) -> None:
    connection, answer = tunnel(fake, "example.org")
    connection.close()
    assert answer.startswith(b"HTTP/1.1 403")
    assert rules_broken(fake) == ["unknown_host"]


@pytest.mark.parametrize(
    "header", [b"WA\x06\x02", b"GET "], ids=["another dictionary", "another protocol"]
)
def test_an_unknown_header_is_a_violation(fake: FakeWhatsApp, header: bytes) -> None:
    with secure(fake, CHAT_HOST) as connection:
        connection.sendall(_UPGRADE)
        assert connection.recv(1000).startswith(b"HTTP/1.1 101")
        connection.sendall(b"\x82\x84\0\0\0\0" + header)
        assert rules_broken(fake) == ["broken_frame"]


@pytest.mark.parametrize(
    ("right", "wrong"), [(b"/ws/chat", b"/ws"), (b"https://web.", b"https://www.")]
)
def test_an_unknown_upgrade_is_a_violation(
    fake: FakeWhatsApp, right: bytes, wrong: bytes
) -> None:
    with secure(fake, CHAT_HOST) as connection:
        connection.sendall(_UPGRADE.replace(right, wrong))
        assert rules_broken(fake) == ["broken_frame"]


def test_an_upload_under_a_wrong_name_is_refused(fake: FakeWhatsApp) -> None:
    with secure(fake, MEDIA_HOSTS[0]) as connection:
        connection.sendall(
            b"POST /mms/image/AAAA?auth=x HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc"
        )
        assert connection.recv(1000).startswith(b"HTTP/1.1 400")
    assert rules_broken(fake) == ["bad_upload_token"]


def test_the_control_channel_refuses_nonsense(fake: FakeWhatsApp) -> None:
    assert not fake.connected("nobody")
    with pytest.raises(ControlError, match="no device"):
        fake.drop("79:1@s.whatsapp.net")
    with pytest.raises(ControlError, match="no fault named"):
        fake.fault("no_such_fault")
    fake.generate_contacts(650_000, 2)
    with pytest.raises(ControlError, match="is taken"):
        fake.generate_contacts(650_001, 2)


def test_the_server_ends_when_its_tests_do(tmp_path: Path) -> None:
    with FakeWhatsApp(tmp_path / "one") as one:
        one.account(people(1, 1)[0])
        one.fault("clock", offset_s=1)
        port = int(one.proxy.rpartition(":")[2])
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", port), 5)
    assert one.history_file.exists()
    for line in one.history_file.read_text(encoding="utf-8").splitlines():
        assert json.loads(line)["event"]
