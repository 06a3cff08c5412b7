"""How a companion becomes a device of an account: by QR, or by a code typed on the phone."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from neonize.proto.waAdv.WAAdv_pb2 import (
    ADVDeviceIdentity,
    ADVSignedDeviceIdentity,
    ADVSignedDeviceIdentityHMAC,
)

from tests.whatsapp.accounts import Account, Device
from tests.whatsapp.devices import add_device
from tests.whatsapp.jids import SERVER
from tests.whatsapp.nodes import Attrs, Node, node
from tests.whatsapp.noise import hkdf
from tests.whatsapp.xeddsa import KeyPair, verify

if TYPE_CHECKING:
    from tests.whatsapp.chat import Connection
    from tests.whatsapp.world import World

_REFERENCES = 6
_BY_ACCOUNT, BY_DEVICE = b"\x06\x00", b"\x06\x01"
_CODE_ROUNDS = 1 << 17
_BUNDLE_INFO = b"link_code_pairing_key_bundle_encryption_key"


class PairingError(Exception):
    """The phone or the companion refuses."""


def offer(connection: Connection) -> None:
    """Begin a registration: six references, each becomes one QR."""
    references = [
        f"ref-{connection.number}-{n}-{os.urandom(6).hex()}" for n in range(_REFERENCES)
    ]
    for reference in references:
        connection.world.references[reference] = connection
    offered = [node("ref", content=reference.encode()) for reference in references]
    connection.send(_question("pair-device", "pair-device", offered))


async def scan(
    connection_by: dict[str, Connection], qr: str, account: Account, number: int
) -> Device:
    """The phone has scanned this QR text: vouch for the companion and let it log in."""
    parts = qr.partition("#")[2].split(",")
    if len(parts) != 5:
        raise PairingError(f"a QR has five parts, this one {len(parts)}")
    reference, noise, identity, secret = parts[:4]
    connection = connection_by.get(reference)
    if connection is None or connection.hello is None:
        raise PairingError("this QR is unknown or has expired")
    if base64.b64decode(noise) != connection.hello.noise_key:
        raise PairingError("the QR is of another connection")
    return await _complete(
        connection, account, number, base64.b64decode(identity), base64.b64decode(secret)
    )


def vouch(world: World, account: Account, number: int, identity: bytes) -> tuple[bytes, bytes]:
    """What the phone says of a companion with this identity key, and its signature."""
    details = ADVDeviceIdentity(
        rawID=1, timestamp=world.now(), keyIndex=number
    ).SerializeToString()
    return details, account.key.sign(_BY_ACCOUNT + details + identity)


async def _complete(
    connection: Connection, account: Account, number: int, identity: bytes, secret: bytes
) -> Device:
    if connection.hello is None or connection.hello.identity != identity:
        raise PairingError("the companion's identity is not the one it registered")
    if not 0 < number < 256:
        raise PairingError("a companion has a device number from 1 to 255")
    world = connection.world
    device = Device(account, number, noise_key=connection.hello.noise_key, identity=identity)
    details, signature = vouch(world, account, number, identity)
    signed = ADVSignedDeviceIdentity(
        details=details,
        accountSignatureKey=account.key.public,
        accountSignature=signature,
    ).SerializeToString()
    sealed = ADVSignedDeviceIdentityHMAC(
        details=signed, HMAC=hmac.digest(secret, signed, "sha256")
    ).SerializeToString()
    success = [
        node("device-identity", content=sealed),
        node("device", {"jid": device.jid, "lid": device.lid}),
        node("platform", {"name": "android"}),
    ]
    question = _question("pair-success", "pair-success", success, world.now())
    reply = await connection.ask(question)
    _check_signature(account, details, identity, reply)
    old = account.devices.get(number)
    if old is not None and old.connection is not None:
        old.connection.drop("close")
    add_device(world, device)
    world.history.add("paired", device=str(device.jid), connection=connection.number)
    connection.send(node("stream:error", {"code": 515}))
    return device


def _check_signature(account: Account, details: bytes, identity: bytes, reply: Node) -> None:
    """The companion signs in turn; a refusal comes as an error with code and text."""
    if reply.text("type") == "error":
        raise PairingError(f"the companion refuses: {reply}")
    signing = reply.child("pair-device-sign")
    own = signing.child("device-identity") if signing else None
    if own is None:
        raise PairingError(f"no signature in {reply}")
    signature = ADVSignedDeviceIdentity.FromString(own.data).deviceSignature
    message = BY_DEVICE + details + identity + account.key.public
    if len(signature) != 64 or not verify(identity, message, signature):
        raise PairingError("the companion's signature does not verify")


def poison() -> Node:
    """A stanza that ends the client's process: the library takes its id without looking.

    Its handlers of stanzas, unlike those of messages, are not guarded against a panic.
    """
    return node("iq", {"from": SERVER, "type": "set"}, [node("pair-success")])


def _question(identifier: str, tag: str, content: list[Node], at: int | None = None) -> Node:
    attrs: Attrs = {"from": SERVER, "type": "set", "id": identifier, "xmlns": "md", "t": at}
    return node("iq", attrs, [node(tag, content=content)])


# ---------------------------------------------------------------------------- by code


@dataclass(slots=True, eq=False)
class CodeRequest:
    """A companion shows a code and waits for its phone."""

    connection: Connection
    phone: str
    wrapped_key: bytes
    reference: bytes
    finish: asyncio.Future[Node] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )


def on_link_code(connection: Connection, question: Node, request: Node) -> None:
    """Both stages a companion sends: `companion_hello`, and `companion_finish` at the end."""
    world = connection.world
    phone = request.jid("jid")
    stage = request.text("stage")
    reply: Attrs = {"from": SERVER, "type": "result", "id": question.text("id")}
    known = world.codes.get(phone.user) if phone else None
    wrapped = request.child("link_code_pairing_wrapped_companion_ephemeral_pub")
    if stage == "companion_hello" and phone is not None and wrapped is not None:
        reference = os.urandom(16).hex().encode()
        world.codes[phone.user] = CodeRequest(connection, phone.user, wrapped.data, reference)
        told = [node("link_code_pairing_ref", content=reference)]
        connection.send(node("iq", reply, [node("link_code_companion_reg", content=told)]))
    elif stage == "companion_finish" and known is not None and not known.finish.done():
        connection.send(node("iq", reply))
        known.finish.set_result(request)
    else:
        world.history.violate("bad_link_code", connection=connection.number, stage=stage)
        error = node("error", {"code": 400, "text": "bad-request"})
        connection.send(node("iq", {**reply, "type": "error"}, [error]))


async def enter_code(request: CodeRequest, code: str, account: Account, number: int) -> Device:
    """The phone's side: exchange keys under the code, derive the secret, then as with a QR."""
    code = code.replace("-", "").upper()
    companion_key = await asyncio.to_thread(_unwrap, code, request.wrapped_key)
    ephemeral = KeyPair()
    wrapped = await asyncio.to_thread(_wrap, code, ephemeral.public)
    content = [
        node("link_code_pairing_ref", content=request.reference),
        node("link_code_pairing_wrapped_primary_ephemeral_pub", content=wrapped),
        node("primary_identity_pub", content=account.key.public),
    ]
    request.connection.send(
        node(
            "notification",
            {
                "from": SERVER,
                "type": "link_code_companion_reg",
                "id": f"link-{request.connection.number}",
                "t": request.connection.world.now(),
            },
            [node("link_code_companion_reg", content=content)],
        )
    )
    try:
        finish = await asyncio.wait_for(request.finish, 10)
    except TimeoutError as error:
        raise PairingError("the companion did not finish") from error
    shared = ephemeral.agree(companion_key)
    identity, random = _open_bundle(finish, shared, account)
    both = shared + account.key.agree(identity) + random
    return await _complete(
        request.connection, account, number, identity, hkdf(b"", both, b"adv_secret", 32)
    )


def _open_bundle(finish: Node, shared: bytes, account: Account) -> tuple[bytes, bytes]:
    """Companion identity and random; the bundle must name this account's key as well."""
    bundle = finish.child("link_code_pairing_wrapped_key_bundle")
    public = finish.child("companion_identity_public")
    if bundle is None or public is None or len(bundle.data) < 44:
        raise PairingError("no key bundle")
    salt, nonce, sealed = bundle.data[:32], bundle.data[32:44], bundle.data[44:]
    try:
        plain = AESGCM(hkdf(salt, shared, _BUNDLE_INFO, 32)).decrypt(nonce, sealed, None)
    except InvalidTag as error:
        raise PairingError("the key bundle does not open: a wrong code") from error
    if len(plain) != 96 or plain[:32] != public.data or plain[32:64] != account.key.public:
        raise PairingError("the key bundle is of somebody else")
    return plain[:32], plain[64:]


def _unwrap(code: str, wrapped: bytes) -> bytes:
    """80 bytes: salt 32, iv 16, and a public key under AES-CTR with a key from the code."""
    if len(wrapped) != 80:
        raise PairingError("a wrapped key has 80 bytes")
    return _code_cipher(code, wrapped[:32], wrapped[32:48], wrapped[48:])


def _wrap(code: str, public: bytes) -> bytes:
    salt, iv = os.urandom(32), os.urandom(16)
    return salt + iv + _code_cipher(code, salt, iv, public)


def _code_cipher(code: str, salt: bytes, iv: bytes, data: bytes) -> bytes:
    key = hashlib.pbkdf2_hmac("sha256", code.encode(), salt, _CODE_ROUNDS, 32)
    stream = Cipher(algorithms.AES(key), modes.CTR(iv)).encryptor()
    return stream.update(data) + stream.finalize()
