"""The server's side of the Noise handshake, and what the client says of itself in it."""

from __future__ import annotations

import time
from dataclasses import dataclass

from neonize.proto.waCert.WACert_pb2 import CertChain
from neonize.proto.waWa6.WAWebProtobufsWa6_pb2 import ClientPayload, HandshakeMessage

from tests.whatsapp.noise import HEADER, Cipher, Handshake, NoiseError
from tests.whatsapp.websocket import WebSocket
from tests.whatsapp.xeddsa import KeyPair

_INTERMEDIATE, _LEAF = 7, 8


@dataclass(frozen=True, slots=True)
class Hello:
    """Who has connected: a new companion (`phone` is None) or a paired device."""

    noise_key: bytes
    phone: str | None
    device: int
    identity: bytes  # of a new companion


class Certificates:
    """Static key and the chain that vouches for it; made once, valid for a day."""

    def __init__(self, root: KeyPair) -> None:
        now = int(time.time())
        between, self.static = KeyPair(), KeyPair()
        details = CertChain.NoiseCertificate.Details
        span = {"notBefore": now - 3600, "notAfter": now + 86400}
        first = details(
            serial=_INTERMEDIATE, issuerSerial=0, key=between.public, **span
        ).SerializeToString()
        second = details(
            serial=_LEAF, issuerSerial=_INTERMEDIATE, key=self.static.public, **span
        ).SerializeToString()
        self.chain: bytes = CertChain(
            intermediate=CertChain.NoiseCertificate(details=first, signature=root.sign(first)),
            leaf=CertChain.NoiseCertificate(details=second, signature=between.sign(second)),
        ).SerializeToString()


async def shake_hands(socket: WebSocket, own: Certificates) -> tuple[Hello, Cipher, Cipher]:
    """Run the handshake; give the client's hello, the reading and the writing cipher."""
    header = await socket.read(len(HEADER))
    if header != HEADER:
        raise NoiseError(f"unknown header {header.hex()}: another dictionary version?")
    noise = Handshake(header)
    client_ephemeral = HandshakeMessage.FromString(
        await socket.read_frame()
    ).clientHello.ephemeral
    ephemeral = KeyPair()
    noise.mix_hash(client_ephemeral)
    noise.mix_hash(ephemeral.public)
    noise.mix_key(ephemeral.agree(client_ephemeral))
    static = noise.seal(own.static.public)
    noise.mix_key(own.static.agree(client_ephemeral))
    reply = HandshakeMessage.ServerHello(
        ephemeral=ephemeral.public, static=static, payload=noise.seal(own.chain)
    )
    await socket.send_frame(HandshakeMessage(serverHello=reply).SerializeToString())
    finish = HandshakeMessage.FromString(await socket.read_frame()).clientFinish
    noise_key = noise.open(finish.static)
    noise.mix_key(ephemeral.agree(noise_key))
    payload = ClientPayload.FromString(noise.open(finish.payload))
    reading, writing = noise.split()
    return _hello(noise_key, payload), reading, writing


def _hello(noise_key: bytes, payload: ClientPayload) -> Hello:
    known = payload.HasField("username")
    return Hello(
        noise_key=noise_key,
        phone=str(payload.username) if known else None,
        device=payload.device,
        identity=payload.devicePairingData.eIdent,
    )
