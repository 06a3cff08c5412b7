"""Files encrypted with a passphrase, in the format of age (age-encryption.org/v1).

The format is public and ``age -d`` reads it too; decision 44 says why it is written here.
"""

import hashlib
import hmac
import re
import secrets
from base64 import b64decode, b64encode
from typing import IO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

WORK_FACTOR = 17
"""2^17: 128 MB and about half a second for each passphrase that somebody tries"""
_MOST_WORK = 20
_CHUNK = 64 * 1024
_TAG = 16
_MOST_HEADER = 1024
_HEADER = re.compile(
    rb"(age-encryption\.org/v1\n-> scrypt ([\w+/]{22}) ([1-9]\d?)\n([\w+/]{43})\n---)"
    rb" ([\w+/]{43})\n"
)


class Unreadable(Exception):
    """The passphrase is wrong, or the file is damaged; the text says which."""


class Encrypted:
    """Writes to *file* what is written here, encrypted; ``close`` writes the last chunk."""

    def __init__(self, file: IO[bytes], passphrase: str) -> None:
        key, salt, nonce = (secrets.token_bytes(16) for _ in range(3))
        wrapped = _wrapping(passphrase, salt, WORK_FACTOR).encrypt(bytes(12), key, None)
        header = b"age-encryption.org/v1\n-> scrypt %b %d\n%b\n---" % (
            _text(salt),
            WORK_FACTOR,
            _text(wrapped),
        )
        file.write(header + b" " + _text(_mac(key, header)) + b"\n" + nonce)
        self._file = file
        self._cipher = _payload_cipher(key, nonce)
        self._waiting = bytearray()
        self._chunks = 0

    def write(self, data: bytes) -> int:
        self._waiting += data
        while len(self._waiting) > _CHUNK:  # the last chunk is never empty
            self._put(bytes(self._waiting[:_CHUNK]), last=False)
            del self._waiting[:_CHUNK]
        return len(data)

    def close(self) -> None:
        self._put(bytes(self._waiting), last=True)

    def _put(self, chunk: bytes, *, last: bool) -> None:
        self._file.write(self._cipher.encrypt(_nonce(self._chunks, last=last), chunk, None))
        self._chunks += 1


class Decrypted:
    """Reads an encrypted *file*; what it returns is exactly what was written.

    Raises Unreadable, at the start for a wrong passphrase.
    """

    def __init__(self, file: IO[bytes], passphrase: str) -> None:
        found = _HEADER.match(file.read(_MOST_HEADER))
        if found is None or int(found[3]) > _MOST_WORK:
            raise Unreadable("it is not a file that a passphrase encrypts")
        header, salt, work, wrapped, mac = found.groups()
        try:
            wrapping = _wrapping(passphrase, _bytes(salt), int(work))
            key = wrapping.decrypt(bytes(12), _bytes(wrapped), None)
        except InvalidTag:
            raise Unreadable("the passphrase is wrong") from None
        if not hmac.compare_digest(_mac(key, header), _bytes(mac)):
            raise Unreadable("its header is damaged")
        file.seek(found.end())
        self._cipher = _payload_cipher(key, file.read(16))
        self._file = file
        self._next = file.read(_CHUNK + _TAG)
        self._ready = bytearray()
        self._chunks = 0
        self._ended = False

    def read(self, size: int) -> bytes:
        while len(self._ready) < size and not self._ended:
            self._ready += self._take()
        taken = bytes(self._ready[:size])
        del self._ready[:size]
        return taken

    def _take(self) -> bytes:
        chunk, self._next = self._next, self._file.read(_CHUNK + _TAG)
        self._ended = not self._next
        try:
            plain = self._cipher.decrypt(_nonce(self._chunks, last=self._ended), chunk, None)
        except InvalidTag:
            raise Unreadable("it is damaged or cut off") from None
        self._chunks += 1
        return plain


def _wrapping(passphrase: str, salt: bytes, work: int) -> ChaCha20Poly1305:
    kdf = Scrypt(salt=b"age-encryption.org/v1/scrypt" + salt, length=32, n=1 << work, r=8, p=1)
    return ChaCha20Poly1305(kdf.derive(passphrase.encode()))


def _payload_cipher(key: bytes, nonce: bytes) -> ChaCha20Poly1305:
    return ChaCha20Poly1305(_derived(key, nonce, b"payload"))


def _mac(key: bytes, header: bytes) -> bytes:
    return hmac.digest(_derived(key, None, b"header"), header, hashlib.sha256)


def _derived(key: bytes, salt: bytes | None, info: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=salt, info=info).derive(key)


def _nonce(chunk: int, *, last: bool) -> bytes:
    return chunk.to_bytes(11, "big") + bytes([last])


def _text(data: bytes) -> bytes:
    return b64encode(data).rstrip(b"=")


def _bytes(text: bytes) -> bytes:
    return b64decode(text + b"=" * (-len(text) % 4))
