"""XEdDSA: signatures made with X25519 keys, as the client expects them.

Plain Python on Edwards25519 in extended coordinates, about 10 ms a signature: enough for
pairing and certificates, which are all that needs one.
"""

from __future__ import annotations

import hashlib
import os

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
_D = -121665 * pow(121666, P - 2, P) % P
_Y = 4 * pow(5, P - 2, P) % P

Point = tuple[int, int, int, int]


def _add(p: Point, q: Point) -> Point:
    a = (p[1] - p[0]) * (q[1] - q[0]) % P
    b = (p[1] + p[0]) * (q[1] + q[0]) % P
    c = 2 * p[3] * q[3] * _D % P
    d = 2 * p[2] * q[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P


def _x_of(y: int) -> int:
    square = (y * y - 1) * pow(_D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * pow(2, (P - 1) // 4, P) % P
    return P - x if x & 1 else x


def _doubles() -> list[Point]:
    x = _x_of(_Y)
    point: Point = (x, _Y, 1, x * _Y % P)
    table = []
    for _ in range(256):
        table.append(point)
        point = _add(point, point)
    return table


_POWERS = _doubles()  # B, 2B, 4B ...


def _times_base(scalar: int) -> bytes:
    """scalar * B, encoded: y in 255 bits, the lowest bit of x on top."""
    point: Point = (0, 1, 1, 0)
    for bit in range(scalar.bit_length()):
        if scalar >> bit & 1:
            point = _add(point, _POWERS[bit])
    inverse = pow(point[2], P - 2, P)
    x, y = point[0] * inverse % P, point[1] * inverse % P
    return (y | (x & 1) << 255).to_bytes(32, "little")


def sign(private: bytes, message: bytes, randomness: bytes | None = None) -> bytes:
    """A 64-byte signature of `message` under the X25519 key `private`."""
    clamped = bytearray(private)
    clamped[0] &= 248
    clamped[31] = clamped[31] & 127 | 64
    scalar = int.from_bytes(clamped, "little") % L
    public = _times_base(scalar)
    if public[31] & 128:
        scalar = L - scalar
        public = public[:31] + bytes((public[31] & 127,))
    seed = randomness if randomness is not None else os.urandom(64)
    prefix = b"\xfe" + b"\xff" * 31
    nonce = _reduce(prefix + scalar.to_bytes(32, "little") + message + seed)
    commitment = _times_base(nonce)
    challenge = _reduce(commitment + public + message)
    return commitment + ((nonce + challenge * scalar) % L).to_bytes(32, "little")


def verify(public: bytes, message: bytes, signature: bytes) -> bool:
    """Check a signature under an X25519 public key.

    The client's library leaves the sign of its Edwards key in the top bit of the signature.
    """
    sign_bit = signature[63] & 128
    edwards = edwards_public(public)
    key = Ed25519PublicKey.from_public_bytes(edwards[:31] + bytes((edwards[31] | sign_bit,)))
    try:
        key.verify(signature[:63] + bytes((signature[63] & 127,)), message)
    except InvalidSignature:
        return False
    return True


def edwards_public(montgomery: bytes) -> bytes:
    """The Ed25519 form (sign bit 0) of an X25519 public key."""
    u = int.from_bytes(montgomery, "little")
    y = (u - 1) * pow(u + 1, P - 2, P) % P
    return y.to_bytes(32, "little")


def _reduce(data: bytes) -> int:
    return int.from_bytes(hashlib.sha512(data).digest(), "little") % L


class KeyPair:
    """An X25519 key pair as raw bytes."""

    __slots__ = ("_key", "private", "public")

    def __init__(self, private: bytes | None = None) -> None:
        self.private = os.urandom(32) if private is None else private
        self._key = X25519PrivateKey.from_private_bytes(self.private)
        self.public = self._key.public_key().public_bytes(
            serialization.Encoding.Raw, serialization.PublicFormat.Raw
        )

    def agree(self, other: bytes) -> bytes:
        """The shared secret with another's public key."""
        return self._key.exchange(X25519PublicKey.from_public_bytes(other))

    def sign(self, message: bytes) -> bytes:
        return sign(self.private, message)
