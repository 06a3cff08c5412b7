"""Handshake and signatures: fixed vectors, both ends against each other, an outside check."""

from __future__ import annotations

import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.whatsapp.noise import Cipher, Handshake, NoiseError, hkdf
from tests.whatsapp.xeddsa import KeyPair, edwards_public, sign, verify

keys = st.binary(min_size=32, max_size=32)

# Both were taken from this code when real engines had accepted it.
VECTOR = "662e9b7dce2005d5ca0e135a28c3d63d21a8a07433c038e93b1c6fa907e7de05"
SIGNATURE = "f85b49d30282fe9f37f9547143f618669f47d4b5595231f811fbd035106056a0"


def _both_ends(payload: bytes) -> tuple[Handshake, Handshake, list[bytes]]:
    """Client and server with the keys 01…, 02…, 03…, 04…; everything that crosses the wire."""
    client, server = Handshake(), Handshake()
    client_ephemeral, client_static = KeyPair(b"\1" * 32), KeyPair(b"\2" * 32)
    server_ephemeral, server_static = KeyPair(b"\3" * 32), KeyPair(b"\4" * 32)
    for end in (client, server):
        end.mix_hash(client_ephemeral.public)
        end.mix_hash(server_ephemeral.public)
    server.mix_key(server_ephemeral.agree(client_ephemeral.public))
    client.mix_key(client_ephemeral.agree(server_ephemeral.public))
    wire = [server.seal(server_static.public)]
    assert client.open(wire[0]) == server_static.public
    server.mix_key(server_static.agree(client_ephemeral.public))
    client.mix_key(client_ephemeral.agree(server_static.public))
    wire.append(server.seal(b"certificates"))
    assert client.open(wire[1]) == b"certificates"
    wire.append(client.seal(client_static.public))
    assert server.open(wire[2]) == client_static.public
    client.mix_key(client_static.agree(server_ephemeral.public))
    server.mix_key(server_ephemeral.agree(client_static.public))
    wire.append(client.seal(payload))
    assert server.open(wire[3]) == payload
    return client, server, wire


def test_both_ends_agree_and_both_directions_open() -> None:
    client, server, _ = _both_ends(b"hello")
    up_client, down_client = client.split()
    up_server, down_server = server.split()
    for n in range(3):
        assert up_server.open(up_client.seal(b"up %d" % n)) == b"up %d" % n
        assert down_client.open(down_server.seal(b"down %d" % n)) == b"down %d" % n


def test_the_handshake_gives_these_bytes_for_these_keys() -> None:
    """A change of order, counter, associated data or key derivation changes the digest."""
    client, _, wire = _both_ends(b"hello")
    up, down = client.split()
    everything = b"".join(wire) + up.seal(b"a") + up.seal(b"a") + down.seal(b"a")
    assert hashlib.sha256(everything).hexdigest() == VECTOR


def test_a_changed_or_repeated_frame_does_not_open() -> None:
    client, server, _ = _both_ends(b"hello")
    sealed = client.split()[0].seal(b"frame")
    with pytest.raises(NoiseError):
        server.split()[0].open(sealed[:-1] + bytes((sealed[-1] ^ 1,)))
    reading = server.split()[0]
    assert reading.open(sealed) == b"frame"
    with pytest.raises(NoiseError):
        reading.open(sealed)


def test_another_header_makes_other_keys() -> None:
    one, other = Handshake(b"WA\x06\x03"), Handshake(b"WA\x06\x02")
    with pytest.raises(NoiseError):
        other.open(one.seal(b"x"))


def test_the_nonce_counts_in_its_last_four_bytes() -> None:
    """Sealing twice under one key gives what a hand-made nonce gives."""
    cipher, plain = Cipher(b"k" * 32), AESGCM(b"k" * 32)
    for n in range(3):
        nonce = bytes(8) + n.to_bytes(4, "big")
        assert cipher.seal(b"data") == plain.encrypt(nonce, b"data", None)


@given(keys, keys, st.binary(max_size=20))
def test_hkdf_equals_the_library(salt: bytes, secret: bytes, info: bytes) -> None:
    expected = HKDF(SHA256(), 80, salt, info).derive(secret)
    assert hkdf(salt, secret, info, 80) == expected


@settings(max_examples=20, deadline=None)
@given(keys, st.binary(max_size=100))
def test_a_signature_verifies_under_the_edwards_form_of_the_key(
    private: bytes, message: bytes
) -> None:
    pair = KeyPair(private)
    signature = sign(private, message)
    public = Ed25519PublicKey.from_public_bytes(edwards_public(pair.public))
    public.verify(signature, message)  # raises InvalidSignature
    assert verify(pair.public, message, signature)


@settings(max_examples=20, deadline=None)
@given(keys, st.binary(min_size=1, max_size=50), st.integers(0, 63))
def test_one_changed_byte_does_not_verify(private: bytes, message: bytes, at: int) -> None:
    pair = KeyPair(private)
    signature = bytearray(pair.sign(message))
    assert not verify(pair.public, message + b"!", bytes(signature))
    signature[at] ^= 1
    assert not verify(pair.public, message, bytes(signature))


def test_a_fixed_signature() -> None:
    signature = sign(b"\x77" * 32, b"message", randomness=b"\x55" * 64)
    assert hashlib.sha256(signature).hexdigest() == SIGNATURE


def test_the_sign_of_the_key_is_taken_from_the_signature() -> None:
    """The client's library signs with the key as it is and puts its sign on top."""
    found = set()
    for n in range(1, 9):
        seed = Ed25519PrivateKey.from_private_bytes(bytes([n]) * 32)
        scalar = hashlib.sha512(bytes([n]) * 32).digest()[:32]
        message = b"message"
        edwards = seed.public_key().public_bytes_raw()
        signature = bytearray(seed.sign(message))
        signature[63] |= edwards[31] & 128
        found.add(edwards[31] & 128)
        assert verify(KeyPair(scalar).public, message, bytes(signature))
    assert found == {0, 128}
