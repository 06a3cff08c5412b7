"""Fetching the files of statuses: bounded in size and time, decrypted and checked as they come.

The library would read a file whole, however long it is, before it looks at it (decision 17).
"""

import base64
import hashlib
import hmac
import http.client
import os
import socket
import ssl
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, Final
from urllib.parse import SplitResult, unquote, urlsplit

from neonize.proto.waE2E.WAWebProtobufsE2E_pb2 import Message

from statusgate.domain.errors import MediaUnavailable
from statusgate.domain.media import MediaRef

HOST: Final = "mmg.whatsapp.net"
"""WhatsApp's; what the sender says of the host is not used"""

_INFO = {
    "imageMessage": (b"WhatsApp Image Keys", "image"),
    "videoMessage": (b"WhatsApp Video Keys", "video"),
    "audioMessage": (b"WhatsApp Audio Keys", "audio"),
}
_GONE = frozenset({403, 404, 410})
_CHUNK = 256 * 1024
_MAC = 10
_BLOCK = 16
_SILENCE_SECONDS = 30.0


def download(ref: MediaRef, to: Path, limit: int, *, proxy: str, seconds: float) -> None:
    """Write the file to *to*, whole or not at all, within *seconds*; at most *limit* bytes.

    *proxy* is the account's, as an ``http`` or ``socks5`` URL. Raises MediaUnavailable.
    """
    message = Message.FromString(ref.handle)
    (name,) = [field.name for field, _ in message.ListFields()]
    media = getattr(message, name)
    if media.fileLength > limit:
        raise _final(f"the file has {media.fileLength} bytes")
    part = to.with_name(to.name + ".part")
    try:
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        with open(descriptor, "wb") as file:
            pieces = _pieces(_path(media, _INFO[name][1]), proxy, seconds)
            _decrypt(pieces, media, _INFO[name][0], file, limit)
        part.replace(to)
    except (OSError, http.client.HTTPException) as error:
        reason = str(error) or type(error).__name__
        raise MediaUnavailable(f"not fetched: {reason[:200]}", final=False) from None
    finally:
        part.unlink(missing_ok=True)


def _path(media: Any, kind: str) -> str:
    """Where the file is on the host; the sender chooses no more than the path."""
    path: str = media.directPath
    if not path.startswith("/"):
        raise _final("the file's path is none")
    digest = base64.urlsafe_b64encode(media.fileEncSHA256).decode()
    mark = "&" if "?" in path else "?"
    return f"{path}{mark}hash={digest}&mms-type={kind}&__wa-mms="


def _pieces(path: str, proxy: str, seconds: float) -> Iterator[bytes]:
    """Yield what the host answers; no redirect is followed."""
    deadline = time.monotonic() + seconds
    connection = _connection(urlsplit(proxy))
    try:
        connection.request("GET", path, headers={"Origin": "https://web.whatsapp.com"})
        answer = connection.getresponse()
        if answer.status in _GONE:
            raise _final("WhatsApp no longer has the file")
        if answer.status != 200:
            raise MediaUnavailable(f"WhatsApp answered {answer.status}", final=False)
        while piece := answer.read1(_CHUNK):
            if time.monotonic() > deadline:
                raise MediaUnavailable("the file comes too slowly", final=False)
            yield piece
        if answer.length:  # announced, and did not come
            raise http.client.IncompleteRead(b"", answer.length)
    finally:
        connection.close()


def _decrypt(
    pieces: Iterator[bytes], media: Any, info: bytes, file: BinaryIO, limit: int
) -> None:
    """Write the plaintext; MediaUnavailable unless every check holds: length, MAC, hashes."""
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF
    from cryptography.hazmat.primitives.padding import PKCS7

    keys = HKDF(SHA256(), 80, None, info).derive(media.mediaKey)
    vector, cipher_key, mac_key = keys[:16], keys[16:48], keys[48:]
    decryptor = Cipher(algorithms.AES(cipher_key), modes.CBC(vector)).decryptor()
    unpadder = PKCS7(8 * _BLOCK).unpadder()
    sealed, plain = hashlib.sha256(), hashlib.sha256()
    code = hmac.new(mac_key, vector, "sha256")
    size, held = 0, b""
    for piece in pieces:
        sealed.update(piece)
        size += len(piece)
        if size > limit + _BLOCK + _MAC:
            raise _final("the file is longer than allowed")
        held += piece
        known, held = held[:-_MAC], held[-_MAC:]  # the last bytes are the MAC
        code.update(known)
        clear = unpadder.update(decryptor.update(known))
        plain.update(clear)
        file.write(clear)
    try:
        clear = unpadder.update(decryptor.finalize()) + unpadder.finalize()
    except ValueError:
        raise _final("the file is damaged") from None
    plain.update(clear)
    file.write(clear)
    if not (
        hmac.compare_digest(code.digest()[:_MAC], held)
        and sealed.digest() == media.fileEncSHA256
        and plain.digest() == media.fileSHA256
        and size - _MAC - _BLOCK <= limit
    ):
        raise _final("the file is damaged")


def _connection(proxy: SplitResult) -> http.client.HTTPSConnection:
    context = ssl.create_default_context()
    if not proxy.scheme:
        return http.client.HTTPSConnection(HOST, context=context, timeout=_SILENCE_SECONDS)
    if proxy.scheme in ("socks5", "socks5h"):
        return _SocksConnection(proxy, context)
    if proxy.scheme != "http":
        raise MediaUnavailable(f"no files through a proxy of {proxy.scheme}", final=False)
    connection = http.client.HTTPSConnection(
        proxy.hostname or "", proxy.port or 80, context=context, timeout=_SILENCE_SECONDS
    )
    headers = {}
    if proxy.username is not None:
        pair = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}"
        headers["Proxy-Authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()
    connection.set_tunnel(HOST, 443, headers)
    return connection


class _SocksConnection(http.client.HTTPSConnection):
    """Through a SOCKS5 proxy (RFC 1928, RFC 1929); it looks the name up."""

    def __init__(self, proxy: SplitResult, context: ssl.SSLContext) -> None:
        super().__init__(HOST, context=context, timeout=_SILENCE_SECONDS)
        self._proxy = proxy
        self._tls = context

    def connect(self) -> None:
        where = self._proxy.hostname or "", self._proxy.port or 1080
        plain = socket.create_connection(where, _SILENCE_SECONDS)
        try:
            self._greet(plain)
            self._ask(plain)
            self.sock = self._tls.wrap_socket(plain, server_hostname=HOST)
        except BaseException:
            plain.close()
            raise

    def _ask(self, plain: socket.socket) -> None:
        name, port = HOST.encode(), (443).to_bytes(2, "big")
        plain.sendall(b"\x05\x01\x00\x03" + bytes((len(name),)) + name + port)
        _, refused, _, kind = _exactly(plain, 4)
        if refused:
            raise OSError(f"the proxy refuses ({refused})")
        length = {1: 4, 4: 16}.get(kind) or _exactly(plain, 1)[0]
        _exactly(plain, length + 2)

    def _greet(self, plain: socket.socket) -> None:
        user = unquote(self._proxy.username or "").encode()
        secret = unquote(self._proxy.password or "").encode()
        plain.sendall(b"\x05\x02\x00\x02" if user else b"\x05\x01\x00")
        _, method = _exactly(plain, 2)
        if method == 2 and user:
            login = bytes((len(user),)) + user + bytes((len(secret),)) + secret
            plain.sendall(b"\x01" + login)
            method = _exactly(plain, 2)[1]
        if method:
            raise OSError("the proxy does not let us in")


def _exactly(stream: socket.socket, size: int) -> bytes:
    got = b""
    while len(got) < size:
        if not (piece := stream.recv(size - len(got))):
            raise OSError("the proxy hung up")
        got += piece
    return got


def _final(reason: str) -> MediaUnavailable:
    return MediaUnavailable(reason, final=True)
