"""The one place that builds everything and runs it in one task group."""

import asyncio
import contextlib
import os
import secrets
import shutil
import signal
import socket
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

import msgspec
import structlog
import uvloop

from statusgate import __version__
from statusgate.api.app import build_app
from statusgate.api.context import ApiOptions, Services
from statusgate.api.server import make_server
from statusgate.domain.errors import JournalUnavailable
from statusgate.domain.instance import Instance
from statusgate.domain.status import Status
from statusgate.engines.disk import write_durably
from statusgate.engines.neonize.supervisor import NeonizeEngine
from statusgate.engines.simulated import SimulatedEngine
from statusgate.journal import open_journal
from statusgate.media.converter import ChildConverter
from statusgate.media.store import open_media_store
from statusgate.media.thumbnails import ChildThumbnailer
from statusgate.ports import Engine, Journal
from statusgate.services.announcing import Announcing
from statusgate.services.commits import Commits
from statusgate.services.contacts import Contacts
from statusgate.services.history import History
from statusgate.services.instances import Instances
from statusgate.services.linking import Linking
from statusgate.services.live import Live
from statusgate.services.media import Downloads
from statusgate.services.notifications import Notifications
from statusgate.services.ownership import Ownership
from statusgate.services.publishing import Publishing, Surroundings, assemble
from statusgate.services.pushing import Pushing
from statusgate.services.recent import Recent
from statusgate.services.retention import Retention
from statusgate.services.space import SpaceGuard
from statusgate.settings import Settings
from statusgate.webhooks.client import GuardedClient
from statusgate.webhooks.dispatcher import Dispatcher
from statusgate.webhooks.setup import guarded_client, signing_secrets
from statusgate.wire.journal_items import encode_item

log = structlog.get_logger()
_MIB = 1 << 20
_REFRESH_SECONDS = 1.0
_HEALTH_SECONDS = 0.5
_SANDBOX_SECONDS = 10.0
_STARTS_AT_ONCE = 4
EXIT_BROKEN = 70


class StartError(Exception):
    """The gateway cannot start; the text is one clear line."""


class SystemClock:
    """The machine's time."""

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


NeonizeMaker = Callable[[Path, Settings], Engine]
"""Makes the real engine of an account over its folder."""


def _neonize_maker() -> NeonizeMaker:
    """Make real engines of which only a few start their processes at the same time."""
    launching = asyncio.Semaphore(_STARTS_AT_ONCE)

    def make(folder: Path, settings: Settings) -> Engine:
        return NeonizeEngine(
            folder.absolute(),
            proxy=settings.proxy,
            min_free_bytes=settings.min_free_mb * _MIB,
            launching=launching,
        )

    return make


class Gateway(msgspec.Struct, kw_only=True):
    """Everything that was built, for those who use it from within."""

    settings: Settings
    journal: Journal
    clock: SystemClock
    commits: Commits
    instances: Instances
    ownership: Ownership
    publishing: Publishing
    retention: Retention
    thumbnailer: ChildThumbnailer
    converter: ChildConverter
    client: GuardedClient
    """the one client that calls out; open as long as the gateway is"""
    app: Any
    services: Services
    roles: list[Callable[[], Coroutine[Any, Any, None]]]
    release: Callable[[], None]
    """ends what waits: polls, streams, pauses; called before the server stops"""


def private_folder(folder: Path) -> Path:
    """Make a folder that only its owner may enter."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise StartError(f"cannot use the folder {folder}: {error.strerror}") from None
    return folder


def _make_parent(database: str) -> None:
    path = database.removeprefix("sqlite:///")
    if path not in (database, "", ":memory:"):
        private_folder(Path(path).parent)


def server_key(data: Path) -> bytes:
    """The 32 bytes that key the digests of tokens; made at the first start."""
    path = private_folder(data) / "server.key"
    try:
        if not path.exists():
            write_durably(path, secrets.token_hex(32).encode())
        key = bytes.fromhex(path.read_text().strip())
    except (OSError, ValueError) as error:
        raise StartError(f"cannot read the server key {path}: {error}") from None
    if len(key) != 32:
        raise StartError(f"the server key {path} is not 32 bytes in hex")
    return key


def listening_socket(settings: Settings) -> socket.socket:
    """Bind at once, so that a port in use is told before anything else begins."""
    if not settings.admin_token and not _is_loopback(settings.host):
        raise StartError(
            f"refusing to listen on {settings.host} without an admin token: "
            "set admin_token, or listen on 127.0.0.1"
        )
    try:
        family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
        listener = socket.socket(family)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((settings.host, settings.port))
        listener.listen(1024)
    except (OSError, UnicodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a host name"
        raise StartError(
            f"cannot listen on {settings.host}:{settings.port}: {reason}"
        ) from None
    return listener


def _is_loopback(host: str) -> bool:
    return host in ("localhost", "::1") or host.startswith("127.")


@contextlib.asynccontextmanager
async def gateway(
    settings: Settings, public_url: str, make_neonize: NeonizeMaker | None = None
) -> AsyncIterator[Gateway]:
    """Build everything over an open journal; close it at the end."""
    data = private_folder(settings.data_folder)
    key = server_key(data)
    _make_parent(settings.database)
    clock = SystemClock()
    make_neonize = make_neonize or _neonize_maker()
    try:
        opened = open_journal(settings.database, exclusive=True)
    except JournalUnavailable as error:
        raise StartError(str(error)) from None
    journal = SpaceGuard(
        opened,
        clock,
        lambda: shutil.disk_usage(data).free,
        settings.min_free_mb * _MIB,
    )
    built: Gateway | None = None
    try:
        async with _client_or_told(settings, clock) as client:
            built = _build_or_tell(
                settings, public_url, journal, clock, data, key, make_neonize, client
            )
            await built.instances.refresh()
            yield built
    finally:
        if built is not None:
            await built.thumbnailer.close()
            await built.converter.close()
        await opened.close()


def _client_or_told(settings: Settings, clock: SystemClock) -> GuardedClient:
    """The one client that calls out; what a setting says wrongly is told in one line."""
    try:
        return guarded_client(settings.outbound_allow, clock.now_ms)
    except ValueError as error:
        raise StartError(f"wrong setting: {error}") from None


def _build_or_tell(settings: Settings, *parts: Any) -> Gateway:
    """As ``_build``; what a setting says wrongly is told in one line."""
    try:
        return _build(settings, *parts)
    except ValueError as error:
        raise StartError(f"wrong setting: {error}") from None


def _build(
    settings: Settings,
    public_url: str,
    journal: Journal,
    clock: SystemClock,
    data: Path,
    key: bytes,
    make_neonize: NeonizeMaker,
    client: GuardedClient,
) -> Gateway:
    everyone = settings.incoming_from == "everyone"

    def encode(status: Status) -> bytes:
        return encode_item(status, public_url)

    def shown(status: Status) -> bool:
        return everyone or status.author_contact_name != ""

    def make_engine(instance: Instance) -> Engine:
        folder = private_folder(data / "accounts" / str(instance.id))
        if instance.engine == "simulated":
            return SimulatedEngine(
                instance.id,
                folder,
                clock,
                instance.engine_options,
                os.environ.get("STATUSGATE_SIM_SEED", "0"),
            )
        return make_neonize(folder, settings)

    store = open_media_store(
        str(settings.media_folder), low_water_bytes=settings.min_free_media_mb * _MIB
    )
    thumbnailer = ChildThumbnailer()
    converter = ChildConverter()
    instances = Instances(journal, clock, key)
    announcing = Announcing(clock, public_url=public_url, shown=shown)
    commits = Commits(journal, announcing.announce)
    recent = Recent(encode, shown=shown, limit=settings.recent_memory_mb * _MIB)
    commits.follow(recent.follow)
    commits.follow(
        lambda _id, changes: instances.adopt(changes.instance) if changes.instance else None
    )
    notifications = Notifications(
        journal,
        instances,
        clock,
        clear_pause_seconds=60 if settings.rate_profile == "green-api" else 0,
    )
    live = Live(journal, instances)
    dispatcher = Dispatcher(
        Pushing(journal, instances, clock),
        client,
        instances,
        clock,
        signing_secrets(settings.signing_secrets),
    )
    for follower in (dispatcher.follow, notifications.follow, live.follow):
        commits.follow(follower)

    def release() -> None:
        dispatcher.stop()
        notifications.close()
        live.close()

    linking = Linking(instances, clock)
    ownership = Ownership(journal, commits, instances, linking, clock, make_engine)
    downloads = Downloads(
        journal,
        commits,
        store,
        thumbnailer,
        clock,
        ownership.engine,
        private_folder(data / "staging"),
    )
    parts = assemble(
        Surroundings(
            journal=journal,
            commits=commits,
            instances=instances,
            ownership=ownership,
            clock=clock,
            store=store,
            fetcher=client,
            converter=converter,
            public_url=public_url,
            staging=data / "staging",
            least_free_bytes=settings.min_free_media_mb * _MIB,
            max_audience=settings.max_audience,
            max_voice_seconds=settings.max_voice_seconds,
            max_video_seconds=settings.max_video_seconds,
        )
    )
    retention = Retention(
        journal,
        store,
        instances,
        clock,
        lambda owner: shutil.rmtree(data / "accounts" / str(owner), ignore_errors=True),
        retention_days=settings.retention_days,
    )
    history = History(
        journal,
        recent,
        clock,
        public_url=public_url,
        retention_days=settings.retention_days,
        contacts_only=not everyone,
    )
    services = Services(
        instances=instances,
        ownership=ownership,
        linking=linking,
        history=history,
        contacts=Contacts(journal, commits, ownership),
        publishing=parts.publishing,
        deleting=parts.deleting,
        reports=parts.reports,
        uploads=parts.uploads,
        notifications=notifications,
        live=live,
        media=store,
        journal=journal,
        clock=clock,
    )
    options = ApiOptions(
        version=__version__,
        admin_token=settings.admin_token,
        rate_profile=settings.rate_profile,
        cors_allow_origin=settings.cors_allow_origin,
        trusted_proxies=settings.trusted_proxies,
        access_log=settings.access_log,
    )
    return Gateway(
        settings=settings,
        journal=journal,
        clock=clock,
        commits=commits,
        instances=instances,
        ownership=ownership,
        publishing=parts.publishing,
        retention=retention,
        thumbnailer=thumbnailer,
        converter=converter,
        client=client,
        app=build_app(services, options),
        services=services,
        roles=[
            ownership.run,
            downloads.run,
            retention.run,
            parts.preparing.run,
            parts.queues.run,
            dispatcher.run,
            notifications.run,
        ],
        release=release,
    )


async def serve(
    settings: Settings,
    *,
    on_ready: Callable[[Gateway, str], Coroutine[Any, Any, None]] | None = None,
    make_neonize: NeonizeMaker | None = None,
    stopped: asyncio.Event | None = None,
) -> int:
    """Run the gateway until *stopped* is set; returns the exit code."""
    listener = listening_socket(settings)
    host, port = listener.getsockname()[:2]
    url = f"http://{host if ':' not in host else f'[{host}]'}:{port}"
    public_url = settings.public_url.rstrip("/") or url
    with contextlib.closing(listener):
        async with gateway(settings, public_url, make_neonize) as built:
            running = _Running(built, url, on_ready, stopped or asyncio.Event())
            return await running.until_stopped(listener)


class _Running:
    """A gateway at work: the server, and the roles beside it."""

    def __init__(
        self,
        built: Gateway,
        url: str,
        on_ready: Callable[[Gateway, str], Coroutine[Any, Any, None]] | None,
        stopped: asyncio.Event,
    ) -> None:
        self._built = built
        self._url = url
        self._stopped = stopped
        self._on_ready = on_ready
        self._server = make_server(built.app, built.settings.host, built.settings.port)
        self._exit_code = 0

    async def until_stopped(self, listener: socket.socket) -> int:
        """Serve until told to stop or the journal breaks; returns the exit code."""
        roles = [
            *self._built.roles,
            self._heed_stop,
            self._refresh,
            self._watch_health,
            self._announce,
        ]
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(_until_cancelled(role())) for role in roles]
            await self._server.serve(sockets=[listener])
            for task in tasks:
                task.cancel()
        return self._exit_code

    async def _heed_stop(self) -> None:
        await self._stopped.wait()
        self._built.release()
        self._server.should_exit = True

    async def _refresh(self) -> None:
        while True:
            await asyncio.sleep(_REFRESH_SECONDS)
            try:
                await self._built.instances.refresh()
            except JournalUnavailable as error:
                log.warning("refresh.waits", reason=str(error))

    async def _watch_health(self) -> None:
        while self._built.journal.healthy:
            await asyncio.sleep(_HEALTH_SECONDS)
        log.error("journal.broken", action="exit; the record recovers at the next start")
        self._exit_code = EXIT_BROKEN
        self._stopped.set()

    async def _announce(self) -> None:
        while not self._server.started:
            await asyncio.sleep(0.01)
        await self._built.ownership.sandboxes_started(_SANDBOX_SECONDS)
        self._built.app.ready = True
        log.info("ready", url=self._url)
        if self._on_ready is not None:
            await self._on_ready(self._built, self._url)


async def _until_cancelled(role: Coroutine[Any, Any, None]) -> None:
    """Run a role; being cancelled at the end is how it is meant to stop."""
    with contextlib.suppress(asyncio.CancelledError):
        await role


def run(settings: Settings, **options: Any) -> int:
    """As ``serve``, in an event loop of its own, until SIGTERM or SIGINT."""

    async def until_signalled() -> int:
        stopped = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stopped.set)
        return await serve(settings, stopped=stopped, **options)

    return uvloop.run(until_signalled())
