"""Certificates are checked, always; the name travels although an address is dialled."""

import datetime
import ssl
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from statusgate.domain.outbound_http import Fault, FetchFailed, PushAnswer, PushFailed
from statusgate.outbound.client import GuardedClient
from statusgate.outbound.guard import GuardedResolver
from tests.integration.outbound.conftest import LOCAL
from tests.integration.outbound.servers import Names, answer, receiver, reply

NAME = "good.example"
DAY = datetime.timedelta(days=1)


def certificate(folder: Path, name: str, age: datetime.timedelta) -> Path:
    """A self-signed certificate for *name*, valid for two days, begun *age* ago; with key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    begun = datetime.datetime.now(datetime.UTC) - age
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begun)
        .not_valid_after(begun + 2 * DAY)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / f"{name}.{age.days}.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return path


class Server:
    """TLS for a receiver, and the names that clients asked it for."""

    def __init__(self, pem: Path) -> None:
        self.asked: list[str | None] = []
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(pem)
        self.context.set_servername_callback(self._hear)

    def _hear(self, _: object, name: str | None, __: object) -> None:
        self.asked.append(name)


def client(trusted: Path | None, connect_seconds: float = 5) -> GuardedClient:
    tls = ssl.create_default_context(cafile=trusted) if trusted else None
    resolver = GuardedResolver(LOCAL, Names(["127.0.0.1"]))
    return GuardedClient(resolver, tls=tls, connect_seconds=connect_seconds)


async def test_the_name_is_checked_and_sent_although_an_address_is_dialled(
    tmp_path: Path,
) -> None:
    pem = certificate(tmp_path, NAME, DAY)
    tls = Server(pem)
    async with (
        receiver(reply(answer("200 OK", body=b"hi")), tls=tls.context) as server,
        client(pem) as trusting,
    ):
        url = f"https://{NAME}:{server.port}/"
        for _ in range(3):
            assert await trusting.push(url, b"{}", {}, 30) == PushAnswer(200)
        await trusting.fetch(url, tmp_path / "file", 10, 30)
        assert tls.asked == [NAME, NAME]
        assert {request.headers["host"] for request in server.requests} == {
            f"{NAME}:{server.port}"
        }


@pytest.mark.parametrize(
    ("name", "age", "trusted"),
    [(NAME, DAY, False), ("other.example", DAY, True), (NAME, 9 * DAY, True)],
    ids=["unknown issuer", "other name", "expired"],
)
async def test_a_certificate_that_is_not_in_order_is_never_ignored(
    name: str, age: datetime.timedelta, *, trusted: bool, tmp_path: Path
) -> None:
    pem = certificate(tmp_path, name, age)
    async with (
        receiver(reply(answer("200 OK")), tls=Server(pem).context) as server,
        client(pem if trusted else None) as made,
    ):
        url = f"https://{NAME}:{server.port}/"
        outcome = await made.push(url, b"{}", {}, 30)
        assert isinstance(outcome, PushFailed)
        assert outcome.fault is Fault.UNREACHABLE
        with pytest.raises(FetchFailed, match="file could not be fetched"):
            await made.fetch(url, tmp_path / "file", 10, 30)
        assert server.requests == []


async def test_plain_http_where_tls_was_meant_is_unreachable() -> None:
    async with receiver(reply(answer("200 OK"))) as server, client(None, 0.2) as made:
        outcome = await made.push(f"https://{NAME}:{server.port}/", b"{}", {}, 30)
        assert isinstance(outcome, PushFailed)
        assert outcome.fault is Fault.UNREACHABLE
