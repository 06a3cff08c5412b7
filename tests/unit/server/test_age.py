"""Encryption with a passphrase: the format of age, byte by byte."""

import io
from base64 import b64decode

import pytest

from statusgate.server import age
from statusgate.server.age import Decrypted, Encrypted, Unreadable

PASSPHRASE = "correct horse battery staple"
# Read by rage 1.2 (pyrage 1.3) as well.
KNOWN = b64decode(
    "YWdlLWVuY3J5cHRpb24ub3JnL3YxCi0+IHNjcnlwdCA1SWtmR1ZMeHN5Qk5WSUlKcFlxUVNRIDEwCkVPbnRtU3VO"
    "amNLZEpSWFZhWHY1N2lTbVdlR25NMnRleGoyUWNOSXRmaUEKLS0tIG9kcGJlR3NKNE93K0V2UEZqNUo0TE83ZWNk"
    "K3d0N0lnY29yVXIyQ1M4SW8Kw4nn2VsYHAT1U4ItjxGKzOY1sNrIb9IKBJowT/YjCg6ejbz9rfHWdsTguQ=="
)


@pytest.fixture(autouse=True)
def _cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(age, "WORK_FACTOR", 2)


def encrypted(plain: bytes, piece: int = 10_000) -> bytes:
    file = io.BytesIO()
    writer = Encrypted(file, PASSPHRASE)
    for start in range(0, len(plain), piece):
        writer.write(plain[start : start + piece])
    writer.close()
    return file.getvalue()


def decrypted(data: bytes, passphrase: str = PASSPHRASE) -> bytes:
    reader = Decrypted(io.BytesIO(data), passphrase)
    return b"".join(iter(lambda: reader.read(7_777), b""))


def test_a_known_file_is_read() -> None:
    assert decrypted(KNOWN) == b"statusgate\n"


@pytest.mark.parametrize("size", [0, 1, 65_535, 65_536, 65_537, 131_072, 200_000])
def test_what_was_written_is_read_again(size: int) -> None:
    plain = bytes(number % 251 for number in range(size))
    assert decrypted(encrypted(plain)) == plain


def test_a_wrong_passphrase_is_named() -> None:
    with pytest.raises(Unreadable, match="the passphrase is wrong"):
        decrypted(KNOWN, "Correct horse battery staple")


def test_the_same_text_is_never_encrypted_the_same() -> None:
    assert encrypted(b"text")[-20:] != encrypted(b"text")[-20:]


@pytest.mark.parametrize("kept", [0, 10, 150, 65_000, 65_700, 131_272, -1])
def test_a_file_that_was_cut_off_is_refused(kept: int) -> None:
    data = encrypted(bytes(140_000))
    with pytest.raises(Unreadable):
        decrypted(data[:kept])


def test_no_bit_can_be_changed() -> None:
    for place in range(len(KNOWN)):
        changed = bytearray(KNOWN)
        changed[place] ^= 1
        with pytest.raises(Unreadable):
            decrypted(bytes(changed))


def test_chunks_cannot_change_places() -> None:
    data = encrypted(bytes(3 * 65_536))
    first = len(data) - 3 * 65_552
    second, third = first + 65_552, first + 2 * 65_552
    with pytest.raises(Unreadable, match="damaged"):
        decrypted(data[:first] + data[second:third] + data[first:second] + data[third:])


def test_a_file_that_asks_for_too_much_work_is_refused() -> None:
    with pytest.raises(Unreadable, match="not a file that a passphrase encrypts"):
        decrypted(KNOWN.replace(b" 10\n", b" 30\n"))
