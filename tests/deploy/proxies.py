"""The supplied proxy configurations at work: on free ports, with a certificate of the test."""

import contextlib
import datetime
import os
import signal
import socket
import ssl
import subprocess
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path

import aiohttp
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.docs.pages import ROOT
from tests.waiting import until

DEPLOY = ROOT / "deploy"
ADDRESS = "127.0.0.1"


class Proxy:
    """A proxy that runs."""

    def __init__(self, folder: Path, port: int) -> None:
        self.url = f"https://{ADDRESS}:{port}"
        self._folder = folder
        self._port = port

    def client(self, address: str = ADDRESS) -> aiohttp.ClientSession:
        """A client that comes from *address*, one of the loopback network."""
        trust = ssl.create_default_context(cafile=str(self._folder / "cert.pem"))
        return aiohttp.ClientSession(
            self.url,
            connector=aiohttp.TCPConnector(ssl=trust, local_addr=(address, 0)),
            timeout=aiohttp.ClientTimeout(total=60),
        )

    def logs(self) -> str:
        """Everything that it has written so far."""
        return "".join(file.read_text() for file in sorted(self._folder.glob("*.log")))

    def answers(self) -> bool:
        """Whether it takes connections."""
        with socket.create_connection((ADDRESS, self._port), timeout=1):
            return True


@contextlib.contextmanager
def running_proxy(kind: str, folder: Path, upstream: int) -> Iterator[Proxy]:
    """Run *kind*, ``nginx`` or ``caddy``, before the port *upstream* until the block ends."""
    folder.mkdir()
    _certificate(folder)
    port, plain = _free_ports(2)
    prepare = {"nginx": _nginx, "caddy": _caddy}[kind]
    proxy = Proxy(folder, port)
    environment = os.environ | {"HOME": str(folder), "XDG_DATA_HOME": str(folder)}
    with (folder / "process.log").open("wb") as log:
        process = subprocess.Popen(
            prepare(folder, port, plain, upstream), env=environment, stdout=log, stderr=log
        )
    try:
        until(proxy.answers, proxy.logs(), passing=(OSError,))
        yield proxy
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=60)


def replaced(text: str, changes: dict[str, str]) -> str:
    """*text* with every change made; each must have something to change."""
    for old, new in changes.items():
        assert old in text, old
        text = text.replace(old, new)
    return text


def _nginx(folder: Path, port: int, plain: int, upstream: int) -> list[str]:
    site = replaced(
        (DEPLOY / "nginx.conf").read_text(),
        {
            "listen 80;": f"listen {ADDRESS}:{plain};",
            "listen [::]:80;": "",
            "listen 443 ssl http2;": f"listen {ADDRESS}:{port} ssl http2;",
            "listen [::]:443 ssl http2;": "",
            "/etc/letsencrypt/live/status.example.org/fullchain.pem": f"{folder}/cert.pem",
            "/etc/letsencrypt/live/status.example.org/privkey.pem": f"{folder}/key.pem",
            "/var/log/nginx/": f"{folder}/",
            "http://127.0.0.1:8080": f"http://127.0.0.1:{upstream}",
        },
    )
    (folder / "site.conf").write_text(site)
    (folder / "tmp").mkdir()
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = "\n".join(f"{kind}_temp_path {folder}/tmp/{kind};" for kind in kinds)
    (folder / "nginx.conf").write_text(
        f"daemon off;\nmaster_process off;\npid {folder}/pid;\n"
        f"error_log {folder}/main-error.log info;\nevents {{}}\n"
        f"http {{\naccess_log {folder}/main-access.log;\n{temporary}\n"
        f"include {folder}/site.conf;\n}}\n"
    )
    return ["nginx", "-e", f"{folder}/early.log", "-c", f"{folder}/nginx.conf"]


def _caddy(folder: Path, port: int, plain: int, upstream: int) -> list[str]:
    site = replaced(
        (DEPLOY / "Caddyfile").read_text(),
        {
            "gets the certificate by itself.\n{": "gets the certificate by itself.\n{\n"
            f"admin off\nskip_install_trust\nauto_https disable_redirects\nhttp_port {plain}",
            "{$STATUSGATE_DOMAIN:status.example.org} {": f"https://{ADDRESS}:{port} {{\n"
            f"tls {folder}/cert.pem {folder}/key.pem",
            "{$STATUSGATE_UPSTREAM:127.0.0.1:8080}": f"127.0.0.1:{upstream}",
        },
    )
    (folder / "Caddyfile").write_text(site)
    return ["caddy", "run", "--config", f"{folder}/Caddyfile", "--adapter", "caddyfile"]


def _free_ports(number: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(number)]
        for one in sockets:
            one.bind((ADDRESS, 0))
        return [one.getsockname()[1] for one in sockets]


def _certificate(folder: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a test of statusgate")])
    now = datetime.datetime.now(datetime.UTC)
    alternative = x509.SubjectAlternativeName([x509.IPAddress(ip_address(ADDRESS))])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(alternative, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    encoding = serialization.Encoding.PEM
    (folder / "cert.pem").write_bytes(certificate.public_bytes(encoding))
    (folder / "key.pem").write_bytes(
        key.private_bytes(
            encoding, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
