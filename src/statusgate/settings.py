"""Every server setting: file < environment (``STATUSGATE_…``) < flag."""

import re
import tomllib
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

PREFIX = "STATUSGATE_"
_OTHER_VARIABLES = (
    "STATUSGATE_CONFIG",
    "STATUSGATE_SIM_SEED",
    "STATUSGATE_URL",
    "STATUSGATE_INSTANCE",
    "STATUSGATE_TOKEN",
)
"""read elsewhere: by the command, and by sandbox engines"""
_PLAIN = re.compile(r"[A-Za-z0-9._~-]*")
_NODE = r"^[A-Za-z0-9._-]{0,40}$"
Positive = Annotated[int, msgspec.Meta(ge=1)]


class SettingsError(Exception):
    """A setting is wrong or unreadable; the text names it."""


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an operator decides. Instance settings are another thing: clients change those."""

    host: str = "127.0.0.1"
    """address to listen on; anything but loopback needs an admin token"""
    port: Annotated[int, msgspec.Meta(ge=0, le=65535)] = 8080
    """port to listen on; 0 lets the system choose"""
    database: str = "sqlite:///data/statusgate.db"
    """``sqlite:///relative``, ``sqlite:////absolute`` or ``postgresql://…``"""
    node: Annotated[str, msgspec.Meta(pattern=_NODE)] = ""
    """experimental: name of this node, where several serve one PostgreSQL database; sandbox
    accounts only. Empty: this server is the only one"""
    server_key: str = ""
    """64 hexadecimal digits that key the digests of tokens, the same for all nodes; empty: the
    file ``server.key`` in the data folder"""
    data: str = ""
    """session stores, spools, server key; empty: beside the SQLite file, else ``./data``"""
    media: str = ""
    """folder of media files, or ``s3://bucket/prefix``; empty: ``media`` in the data folder"""
    media_links: Literal["gateway", "signed"] = "gateway"
    """``signed``: files in a bucket are fetched there, by links that last ten minutes"""
    public_url: str = ""
    """how clients reach this server, for links to files; empty: ``http://host:port``"""
    admin_token: str = ""
    """opens the partner API and the metrics: 16 to 128 letters, digits, ``-``, ``_``, ``.`` or
    ``~``; empty: they are closed"""
    dashboard: bool = True
    """serve the dashboard at ``/ui/``, and the API reference at ``/docs/api``"""
    metrics_public: bool = False
    """``/metrics`` needs no token"""
    metrics_accounts: Annotated[int, msgspec.Meta(ge=0)] = 100
    """up to so many accounts, ``/metrics`` has those of each account too; 0: never"""
    log_format: Literal["console", "json"] = "console"
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    access_log: bool = False
    """one line a request"""
    retention_days: Positive = 30
    """days that statuses, rows, receipts and media are kept"""
    incoming_from: Literal["contacts", "everyone"] = "contacts"
    """whose statuses ``getIncomingStatuses`` shows"""
    max_audience: Positive | None = None
    """first N recipients of a status; empty: no cap"""
    max_participants: Positive = 10_000
    """participants that one call may name"""
    max_open_polls: Positive = 16
    """``receiveNotification`` calls of an instance that may wait at the same time"""
    max_open_streams: Positive = 16
    """``events`` streams of an instance"""
    max_open_qr_sockets: Positive = 8
    """``scanqrcode`` connections of an instance"""
    max_open_exports: Positive = 2
    """``exportStatuses`` calls of an instance at the same time"""
    max_uploads: Positive = 10_000
    """files of ``uploadFile`` that are kept for an instance"""
    max_uploads_mb: Positive = 10_240
    """MB of ``uploadFile`` that are kept for an instance"""
    max_voice_seconds: Positive = 600
    max_video_seconds: Positive = 60
    rate_profile: Literal["off", "green-api"] = "off"
    """``green-api``: the hosted service's limits a second"""
    cors_allow_origin: str = "*"
    trusted_proxies: str = ""
    """addresses (comma-separated, CIDR) whose X-Forwarded-For counts"""
    outbound_allow: str = ""
    """addresses (comma-separated, CIDR) that may be called although they are not public:
    webhook receivers and files of the operator's own network"""
    signing_secrets: dict[str, str] = {}
    """by idInstance: the secrets (``whsec_…``, several separated by spaces) that sign pushes"""
    proxy: str = ""
    """proxy URL for WhatsApp connections"""
    recent_memory_mb: Annotated[int, msgspec.Meta(ge=0)] = 64
    """memory for encoded recent statuses; 0: every read asks the database"""
    engine_memory_mb: Annotated[int, msgspec.Meta(ge=128)] = 1024
    """memory that an engine process may use; above that it is replaced"""
    accounts_per_process: Annotated[int, msgspec.Meta(ge=1, le=100)] = 16
    """linked accounts that share an engine process; 1: each has its own"""
    min_free_mb: Annotated[int, msgspec.Meta(ge=0)] = 128
    """free disk below which nothing is written any more; reads go on"""
    min_free_media_mb: Annotated[int, msgspec.Meta(ge=0)] = 512
    """free disk below which no media are stored any more"""

    @property
    def data_folder(self) -> Path:
        """Where everything but the journal and the media lives."""
        if self.data:
            return Path(self.data)
        if self.database.startswith("sqlite:///") and ":memory:" not in self.database:
            return Path(self.database.removeprefix("sqlite:///")).parent
        return Path("data")

    @property
    def media_store(self) -> str:
        """Where media files live: a folder, or ``s3://bucket/prefix``."""
        return self.media or str(self.data_folder / "media")

    @property
    def media_folder(self) -> Path | None:
        """The folder of media files; None if they are in a bucket."""
        return None if self.media_store.startswith("s3:") else Path(self.media_store)


def load_settings(file: Path | None, environ: Mapping[str, str], **flags: Any) -> Settings:
    """Merge file, then environment, then flags (unset flags are None).

    Raises SettingsError with one line that names the setting and the fault.
    """
    merged: dict[str, Any] = _file_settings(file) if file else {}
    merged |= {
        name: environ[PREFIX + name.upper()]
        for name in Settings.__struct_fields__
        if PREFIX + name.upper() in environ
    }
    merged |= {name: value for name, value in flags.items() if value is not None}
    if isinstance(merged.get("signing_secrets"), str):
        merged["signing_secrets"] = _secrets_by_instance(merged["signing_secrets"])
    try:
        return msgspec.convert(_without_blanks(merged), Settings, strict=False)
    except msgspec.ValidationError as error:
        raise SettingsError(f"wrong setting: {error}") from None


def admin_token_fault(token: str, host: str) -> str:
    """Return what is wrong with the admin token (D41), ``""`` if nothing is."""
    advice = "for example the output of: openssl rand -hex 32"
    if not _PLAIN.fullmatch(token):
        return f"admin_token has characters that need escaping in a path: use hex, {advice}"
    if host in ("localhost", "::1") or host.startswith("127."):
        return ""
    if not token:
        return (
            f"refusing to listen on {host} without an admin token: "
            "set admin_token, or listen on 127.0.0.1"
        )
    if not 16 <= len(token) <= 128:
        return (
            f"refusing to listen on {host} with an admin token of {len(token)} characters: "
            f"it needs 16 to 128, {advice}"
        )
    return ""


def unknown_variables(environ: Mapping[str, str]) -> list[str]:
    """Name the variables that begin with ``STATUSGATE_`` and mean nothing, one line each."""
    known = [PREFIX + name.upper() for name in Settings.__struct_fields__] + [*_OTHER_VARIABLES]
    complaints = []
    for name in sorted(environ):
        if name.startswith(PREFIX) and name not in known:
            near = get_close_matches(name, known, n=1, cutoff=0.8)
            hint = f"; did you mean {near[0]}?" if near else ""
            complaints.append(f"{name} is not a setting{hint}")
    return complaints


def _file_settings(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text())
    except OSError as error:
        raise SettingsError(f"cannot read {file}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{file} is not TOML: {error}") from None


def _secrets_by_instance(text: str) -> dict[str, str]:
    """Read ``1101000001=whsec_… whsec_…,1101000002=whsec_…``, as an environment has it."""
    pairs = (part.strip().partition("=") for part in text.split(",") if part.strip())
    return {name.strip(): value.strip() for name, _, value in pairs}


def _without_blanks(merged: dict[str, Any]) -> dict[str, Any]:
    """An empty value of a setting that is not a text counts as not set."""
    texts = {name for name, kind in Settings.__annotations__.items() if kind is str}
    return {name: value for name, value in merged.items() if value != "" or name in texts}
