"""The cipher side of the handshake `Noise_XX_25519_AESGCM_SHA256`, as the client speaks it.

Bytes in and out, no protobuf: `handshake.py` wraps these steps into messages. The initiator's
steps are here too, for the tests that play both ends.
"""

from __future__ import annotations

import hashlib
import hmac

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

PROTOCOL = b"Noise_XX_25519_AESGCM_SHA256\0\0\0\0"
HEADER = b"WA\x06\x03"


class NoiseError(Exception):
    """A ciphertext does not open: wrong key, wrong order, or changed bytes."""


def hkdf(salt: bytes, secret: bytes, info: bytes = b"", size: int = 64) -> bytes:
    """HKDF-SHA256."""
    key = hmac.digest(salt or bytes(32), secret, "sha256")
    out = block = b""
    while len(out) < size:
        block = hmac.digest(key, block + info + bytes((len(out) // 32 + 1,)), "sha256")
        out += block
    return out[:size]


class Cipher:
    """AES-256-GCM with a counter of its own as nonce: one direction of a connection."""

    def __init__(self, key: bytes) -> None:
        self._aead = AESGCM(key)
        self._count = 0

    def _nonce(self) -> bytes:
        count, self._count = self._count, self._count + 1
        return bytes(8) + count.to_bytes(4, "big")

    def seal(self, plain: bytes, bound: bytes | None = None) -> bytes:
        return self._aead.encrypt(self._nonce(), plain, bound)

    def open(self, sealed: bytes, bound: bytes | None = None) -> bytes:
        try:
            return self._aead.decrypt(self._nonce(), sealed, bound)
        except InvalidTag as error:
            raise NoiseError("a frame does not open") from error


class Handshake:
    """The running hash and key of one handshake; both ends keep equal ones."""

    def __init__(self, header: bytes = HEADER) -> None:
        self._hash = self._chain = PROTOCOL
        self._cipher = Cipher(PROTOCOL)
        self.mix_hash(header)

    def mix_hash(self, data: bytes) -> None:
        self._hash = hashlib.sha256(self._hash + data).digest()

    def mix_key(self, secret: bytes) -> None:
        """Fold a shared secret in; the counter begins at 0 again."""
        keys = hkdf(self._chain, secret)
        self._chain, self._cipher = keys[:32], Cipher(keys[32:])

    def seal(self, plain: bytes) -> bytes:
        sealed = self._cipher.seal(plain, self._hash)
        self.mix_hash(sealed)
        return sealed

    def open(self, sealed: bytes) -> bytes:
        plain = self._cipher.open(sealed, self._hash)
        self.mix_hash(sealed)
        return plain

    def split(self) -> tuple[Cipher, Cipher]:
        """The two transport ciphers: client to server, server to client."""
        keys = hkdf(self._chain, b"")
        return Cipher(keys[:32]), Cipher(keys[32:])
