"""The one place that builds everything the gateway consists of."""

import contextlib
import os
import shutil
from collections.abc import AsyncIterator, Callable
from typing import Any

import msgspec

from statusgate.accounts.contacts import Contacts
from statusgate.accounts.downloads import Downloads
from statusgate.accounts.files import Files
from statusgate.accounts.instances import Instances
from statusgate.accounts.linking import Linking
from statusgate.accounts.manager import AccountManager
from statusgate.api.app import Api
from statusgate.api.context import Services
from statusgate.changes.publisher import ChangePublisher
from statusgate.domain.clock import Clock, SystemClock
from statusgate.domain.errors import JournalUnavailable
from statusgate.domain.instance import Instance
from statusgate.domain.status import Status
from statusgate.engines.port import Engine, EngineContext
from statusgate.engines.registry import engine_processes, is_movable, kind_of
from statusgate.history.cache import StatusCache
from statusgate.history.exporting import Exports
from statusgate.history.lists import Lists
from statusgate.history.reading import History
from statusgate.journal import Journal, open_journal
from statusgate.media.converter import Converter
from statusgate.media.store import open_media_store
from statusgate.media.thumbnails import Thumbnailer
from statusgate.notifications.announcing import Announcing
from statusgate.notifications.dispatcher import Dispatcher
from statusgate.notifications.live import Live
from statusgate.notifications.polling import Notifications
from statusgate.notifications.pushing import Pushing
from statusgate.notifications.testing import WebhookTests
from statusgate.outbound.client import GuardedClient, guarded_client
from statusgate.outbound.signing import signing_secrets
from statusgate.ownership.ownership import LOOK_SECONDS, Ownership
from statusgate.publishing.accepting import Publishing
from statusgate.publishing.deleting import Deleting
from statusgate.publishing.outcomes import Outcomes
from statusgate.publishing.preparing import MediaLimits, Preparing
from statusgate.publishing.queues import Queues
from statusgate.publishing.reports import Reports
from statusgate.publishing.sending import Sending
from statusgate.publishing.signals import Signals
from statusgate.publishing.uploads import UploadLimits, Uploads
from statusgate.server.folders import (
    StartError,
    make_parent,
    private_folder,
    remove_folder,
    server_key,
)
from statusgate.server.roles import Role
from statusgate.settings import Settings
from statusgate.upkeep.retention import Retention
from statusgate.upkeep.space import SpaceGuard
from statusgate.upkeep.sweeps import Sweeps
from statusgate.wire.statuses import encode_item

_MIB = 1 << 20


class Gateway(msgspec.Struct, kw_only=True):
    """Everything that was built, for those who use it from within."""

    settings: Settings
    journal: Journal
    clock: Clock
    publisher: ChangePublisher
    instances: Instances
    ownership: Ownership
    accounts: AccountManager
    publishing: Publishing
    retention: Retention
    app: Any
    services: Services
    roles: list[Role]
    release: Callable[[], None]
    """ends what waits: polls, streams, pauses; called before the server stops"""


@contextlib.asynccontextmanager
async def gateway(settings: Settings, public_url: str) -> AsyncIterator[Gateway]:
    """Build everything over an open journal; close it at the end."""
    if settings.node and not settings.server_key:
        raise StartError("several nodes need the setting server_key, the same for all of them")
    if settings.node and not settings.media:
        raise StartError(
            "several nodes need the setting media: a bucket, or a folder that all of them reach"
        )
    data = private_folder(settings.data_folder)
    make_parent(settings.database)
    clock = SystemClock()
    space = SpaceGuard(clock, lambda: shutil.disk_usage(data).free, settings.min_free_mb * _MIB)
    try:
        journal = open_journal(
            settings.database, exclusive=True, node=settings.node, admit=space.admit
        )
    except JournalUnavailable as error:
        raise StartError(str(error)) from None
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(journal.close)
        key = await server_key(data, journal, settings.server_key)
        try:
            outbound = guarded_client(settings.outbound_allow, clock.now_ms)
            client = await stack.enter_async_context(outbound)
            built = _build(settings, public_url, journal, clock, key, client, stack)
        except ValueError as error:
            raise StartError(f"wrong setting: {error}") from None
        await built.instances.refresh()
        if settings.node:
            _check_accounts(built.instances)
        yield built


def _check_accounts(instances: Instances) -> None:
    """Refuse to be one of several nodes while there are accounts that only one may run."""
    for instance in instances.all():
        if not is_movable(instance.engine):
            raise StartError(
                f"instance {instance.id} is a real account, and several nodes run only"
                " sandbox accounts so far: start without 'node'"
            )


def _build(
    settings: Settings,
    public_url: str,
    journal: Journal,
    clock: Clock,
    key: bytes,
    client: GuardedClient,
    stack: contextlib.AsyncExitStack,
) -> Gateway:
    data = settings.data_folder
    everyone = settings.incoming_from == "everyone"

    def shown(status: Status) -> bool:
        return everyone or status.author_contact_name != ""

    processes = engine_processes(settings.accounts_per_process, data / "engines")
    context = EngineContext(
        clock=clock,
        seed=os.environ.get("STATUSGATE_SIM_SEED", "0"),
        proxy=settings.proxy,
        min_free_bytes=settings.min_free_mb * _MIB,
        memory_bytes=settings.engine_memory_mb * _MIB,
        processes=processes,
    )

    def make_engine(instance: Instance) -> Engine:
        folder = private_folder(data / "accounts" / str(instance.id))
        return kind_of(instance).make(instance, folder, context)

    store = open_media_store(
        settings.media_store,
        has_links=settings.media_links == "signed",
        low_water_bytes=settings.min_free_media_mb * _MIB,
    )
    files = Files(journal, store, clock)
    thumbnailer = Thumbnailer()
    converter = Converter()
    for children in (converter, thumbnailer):
        stack.push_async_callback(children.close)
    instances = Instances(journal, clock, key)
    ownership = Ownership(journal, clock, movable=is_movable)
    instances.listen(lambda _instance: ownership.look())
    announcing = Announcing(clock, public_url=public_url, shown=shown)
    publisher = ChangePublisher(journal, announcing.announce)
    cache = StatusCache(
        lambda status: encode_item(status, public_url),
        clock,
        shown=shown,
        limit=0 if ownership.is_shared else settings.recent_memory_mb * _MIB,
    )
    publisher.follow(cache.follow)
    publisher.follow(
        lambda _id, changes: instances.adopt(changes.instance) if changes.instance else None
    )
    notifications = Notifications(
        journal,
        instances,
        clock,
        clear_pause_seconds=60 if settings.rate_profile == "green-api" else 0,
    )
    live = Live(journal, instances, is_shared=ownership.is_shared)
    secrets = signing_secrets(settings.signing_secrets)
    dispatcher = Dispatcher(
        Pushing(journal, instances, clock), client.push, instances, ownership, clock, secrets
    )
    for follower in (dispatcher.follow, notifications.follow, live.follow):
        publisher.follow(follower)

    def release() -> None:
        dispatcher.stop()
        notifications.close()
        live.close()

    linking = Linking(instances, clock)
    accounts = AccountManager(
        journal, publisher, instances, linking, clock, ownership, make_engine
    )
    staging = private_folder(data / "staging")
    downloads = Downloads(
        journal, publisher, files, thumbnailer, clock, instances, accounts, ownership, staging
    )
    signals = Signals(publisher)
    outcomes = Outcomes(journal, publisher, clock)
    publishing = Publishing(publisher, clock, max_audience=settings.max_audience)
    preparing = Preparing(
        journal,
        publisher,
        instances,
        files,
        ownership,
        store,
        client,
        converter,
        clock,
        outcomes,
        signals,
        limits=MediaLimits(
            voice_seconds=settings.max_voice_seconds, video_seconds=settings.max_video_seconds
        ),
        public_url=public_url,
        staging=staging,
    )
    sending = Sending(journal, store, staging)
    queues = Queues(
        journal,
        publisher,
        instances,
        accounts,
        ownership,
        clock,
        publishing,
        outcomes,
        sending,
        signals,
    )

    async def follow_other_nodes() -> None:
        """Let whoever waits for something look for it: other nodes may have committed it."""
        while ownership.is_shared:
            await clock.sleep(LOOK_SECONDS)
            notifications.look()
            live.look()

    retention = Retention(
        journal,
        store,
        instances,
        clock,
        lambda owner: remove_folder(data / "accounts" / str(owner)),
        cache.tidy,
        retention_days=settings.retention_days,
    )
    sweeps = Sweeps(journal, store, clock, staging=staging, accounts=data / "accounts")
    history = History(
        journal,
        cache,
        clock,
        public_url=public_url,
        retention_days=settings.retention_days,
        contacts_only=not everyone,
    )
    services = Services(
        instances=instances,
        accounts=accounts,
        processes=processes,
        linking=linking,
        history=history,
        lists=Lists(journal, clock, public_url=public_url, contacts_only=not everyone),
        exports=Exports(
            journal,
            clock,
            public_url=public_url,
            retention_days=settings.retention_days,
            contacts_only=not everyone,
        ),
        contacts=Contacts(journal, publisher, accounts),
        publishing=publishing,
        deleting=Deleting(journal, publisher, accounts, clock),
        reports=Reports(
            journal,
            publisher,
            accounts,
            clock,
            public_url=public_url,
            max_audience=settings.max_audience,
        ),
        uploads=Uploads(
            journal,
            files,
            clock,
            public_url=public_url,
            staging=staging,
            least_free_bytes=settings.min_free_media_mb * _MIB,
            limits=UploadLimits(settings.max_uploads, settings.max_uploads_mb),
        ),
        notifications=notifications,
        webhook_tests=WebhookTests(client.push, clock, secrets),
        live=live,
        media=store,
        journal=journal,
        clock=clock,
        max_participants=settings.max_participants,
    )
    return Gateway(
        settings=settings,
        journal=journal,
        clock=clock,
        publisher=publisher,
        instances=instances,
        ownership=ownership,
        accounts=accounts,
        publishing=publishing,
        retention=retention,
        app=Api(services, settings),
        services=services,
        roles=[
            Role("refresh", instances.run),
            Role("ownership", ownership.run),
            Role("other nodes", follow_other_nodes),
            Role("accounts", accounts.run),
            Role("downloads", downloads.run),
            Role("retention", retention.run),
            Role("sweeps", sweeps.run),
            Role("preparing", preparing.run),
            Role("queues", queues.run),
            Role("dispatcher", dispatcher.run),
            Role("notifications", notifications.run),
        ],
        release=release,
    )
