"""The engine port over a sandbox account."""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from pathlib import Path

from statusgate.domain.address import Address
from statusgate.domain.clock import Clock
from statusgate.domain.errors import EngineRejected, EngineUnavailable, MediaUnavailable
from statusgate.domain.events import EngineState, LinkingEnded, QrCode, Sequenced, StateChanged
from statusgate.domain.ids import InstanceId
from statusgate.domain.instance import State
from statusgate.domain.media import MediaRef
from statusgate.domain.post import (
    AudiencePrivacy,
    ContactInfo,
    SentAnswer,
    SentStatus,
    StatusAnswer,
    StatusPost,
)
from statusgate.domain.script import Moved, Posted, ScriptEvent
from statusgate.domain.waiting import cancel
from statusgate.engines.options import OptionValue, read_options
from statusgate.engines.simulated.account import Answered, Record, Scheduled
from statusgate.engines.simulated.files import Files
from statusgate.engines.simulated.options import Options
from statusgate.engines.simulated.people import made_up_contacts
from statusgate.engines.simulated.running import RunningAccount, in_thread
from statusgate.engines.simulated.sandbox_log import SandboxLog
from statusgate.engines.simulated.script_events import Identity, RecordMaker
from statusgate.engines.simulated.seeded_random import SeededRandom
from statusgate.engines.simulated.viewers import responses

REFUSED = 479
QR_SECONDS = 20
QR_CODES = 8
_RECONNECT_MS = 2_000
_LONGEST_DRAIN_SECONDS = 2.0
_CODE_LETTERS = "123456789ABCDEFGHJKLMNPQRSTVWXYZ"
_CODE_LENGTH = 8


class SimulatedEngine:
    """One sandbox account: the ports ``Engine`` and ``Sandbox``.

    Chance and time come from *seed* and *clock* alone: the same calls make the same log, byte
    for byte. Everything durable is in *directory*, which belongs to this engine.
    """

    def __init__(
        self,
        instance_id: InstanceId,
        directory: Path,
        clock: Clock,
        options: Mapping[str, OptionValue],
        seed: str = "statusgate",
    ) -> None:
        """*options* are read by ``start``, so that a wrong one stops this account alone."""
        self._given_options = options
        self._options = Options()
        self._directory = directory
        self._clock = clock
        self._random = SeededRandom(seed, instance_id)
        self._identity = Identity(instance_id, self._random)
        self._files = Files(directory / "files")
        self._codes = self._random.stream("codes")
        self._posts = 0
        self._life = asyncio.Lock()
        self._running: RunningAccount | None = None
        self._releasing: asyncio.Task[None] | None = None
        self._linking: asyncio.Task[None] | None = None

    # -- life

    async def start(self) -> None:
        """Open the account as it was left; link it at the very first start (auto_authorize).

        Raises InvalidRequest if an option is wrong, EngineUnavailable if the account's
        directory cannot be used.
        """
        async with self._life:
            if self._running is None:
                self._running = await self._open()
                self._releasing = asyncio.create_task(self._running.release_scheduled())

    async def stop(self, deadline_seconds: float = 10.0) -> None:
        """Give the gateway a moment to commit what it got, save the account, end."""
        async with self._life:
            if self._running is not None:
                await cancel(self._releasing, self._linking)
                await self._running.close(min(deadline_seconds, _LONGEST_DRAIN_SECONDS))
                self._running = None

    async def _open(self) -> RunningAccount:
        self._options = read_options(Options, self._given_options)
        self._identity.push_name = self._options.push_name
        stored = await in_thread(SandboxLog, self._directory)
        running = RunningAccount(stored, self._clock)
        first = self._first_record if stored.is_new else self._announcement
        try:
            await in_thread(self._files.prune, self._clock.now_ms())
            await running.commit(lambda seq: first(running, seq))
        except EngineUnavailable:
            await running.close(0)
            raise
        return running

    # -- events

    def events(self, after: int) -> AsyncGenerator[Sequenced, None]:
        """Events with ``seq > after``, and volatile ones (``seq`` 0) as they come.

        Ends with the engine. Records that tell nothing yet (they only hold events back) come
        as empty ones, to be acknowledged like all others.
        """
        running = self._account
        return running.events(after, lambda seq: self._announcement(running, seq))

    async def ack(self, seq: int) -> None:
        """Everything up to *seq* is committed."""
        if self._running is not None:
            await self._running.ack(seq)

    @property
    def is_settled(self) -> bool:
        """Whether nothing more happens by itself: see ``RunningAccount``."""
        return self._account.is_settled

    # -- linking

    async def begin_linking(self) -> None:
        """Show codes; a new one every 20 s, eight of them. A script's state event links."""
        running = self._account
        showing = self._linking is not None and not self._linking.done()
        if not showing and running.account.link.state is State.NOT_AUTHORIZED:
            self._linking = asyncio.create_task(self._show_codes(running))

    async def request_pairing_code(self, phone: str) -> str:
        """Return 8 characters. EngineUnavailable unless the account waits to be linked."""
        if self._account.account.link.state is not State.NOT_AUTHORIZED:
            raise EngineUnavailable("the sandbox account does not wait to be linked")
        return "".join(self._codes.choices(_CODE_LETTERS, k=_CODE_LENGTH))

    async def logout(self) -> None:
        """Unlink the account; also when it is not linked."""
        await cancel(self._linking)
        await self._apply(self._account, [Moved(state=State.NOT_AUTHORIZED)], {})

    async def _show_codes(self, running: RunningAccount) -> None:
        try:
            for _ in range(QR_CODES):
                running.show(self._next_code())
                await self._clock.sleep(QR_SECONDS)
        finally:
            running.show(None)
        running.tell(QrCode(payload=""))
        running.tell(LinkingEnded(reason="timeout"))

    def _next_code(self) -> QrCode:
        return QrCode(
            payload=f"sim:{self._identity.own_phone}:{self._codes.getrandbits(160):040x}",
            expires_ms=self._clock.now_ms() + QR_SECONDS * 1000,
        )

    # -- statuses

    async def post_status(
        self, post: StatusPost, audience: Sequence[Address] | None
    ) -> SentStatus:
        """Publish; acknowledged at once. Nobody is left out: *audience* is taken as it is.

        Raises EngineUnavailable while not authorized, and what the ``hostile`` profile likes.
        """
        running = self._open_account
        if self._options.profile == "hostile":
            await self._be_hostile(running)
        me = self._identity.me(running.account.link)
        everybody = running.account.named_contacts() if audience is None else audience
        recipients = tuple(address for address in everybody if not address.meets(me))
        wire_id = self._random.wire_id(post.key)
        if post.key not in running.account.wire_ids:
            await running.commit(
                lambda _: self._publication(running, post.key, wire_id, recipients)
            )
        return SentStatus(
            key=post.key,
            wire_id=wire_id,
            sent_ms=self._clock.now_ms(),
            recipients=recipients,
        )

    async def answer_status(self, answer: StatusAnswer) -> SentAnswer:
        """Take a reaction or a reply; acknowledged at once, a repeat changes nothing.

        Raises EngineUnavailable while not authorized, and what the ``hostile`` profile likes.
        """
        running = self._open_account
        answers = running.account.answers
        if answer.key not in answers:
            if self._options.profile == "hostile":
                await self._be_hostile(running)
            answered = Answered(answer, self._clock.now_ms())
            await running.commit(lambda _: Record(answered=answered))
        return SentAnswer(
            key=answer.key,
            wire_id=self._random.wire_id(answer.key),
            sent_ms=answers[answer.key],
        )

    async def delete_status(self, wire_id: str, audience: Sequence[Address]) -> None:
        """Withdraw a status; viewers who have not come yet will not come.

        Raises EngineUnavailable while not authorized.
        """
        running = self._open_account
        if running.account.expects_viewers_of(wire_id):
            await running.commit(lambda _: Record(withdrawn=wire_id))

    async def mark_viewed(self, wire_id: str, author: Address) -> None:
        """Succeed. Raises EngineUnavailable while not authorized."""
        _ = self._open_account

    async def download(self, ref: MediaRef, to: Path, limit: int) -> None:
        """Copy a file that a script brought, or a sample, to *to*.

        Raises MediaUnavailable if it is gone or has more than *limit* bytes.
        """
        try:
            await asyncio.to_thread(self._files.copy, ref, to, limit)
        except OSError as error:
            raise MediaUnavailable(str(error), final=False) from error

    async def privacy(self) -> AudiencePrivacy:
        """Every contact sees the statuses of a sandbox account."""
        return AudiencePrivacy()

    async def look_up(self, address: Address) -> ContactInfo:
        """Everybody a script has mentioned exists, and so does the account itself.

        Raises EngineUnavailable while not authorized.
        """
        account = self._open_account.account
        exists = account.knows(address) or address.meets(self._identity.me(account.link))
        return ContactInfo(address=address, exists=exists)

    def _publication(
        self, running: RunningAccount, key: str, wire_id: str, recipients: Sequence[Address]
    ) -> Record | None:
        running.account.remember_wire_id(key, wire_id)
        now_ms = self._clock.now_ms()
        to_come = responses(
            self._options.profile,
            wire_id,
            [(address, running.account.name_of(address)) for address in recipients],
            now_ms,
            self._random.stream(f"viewers:{key}"),
        )
        if not to_come:
            return None
        return Record(
            events=tuple(one.event for one in to_come if one.due_ms <= now_ms),
            scheduled=tuple(one for one in to_come if one.due_ms > now_ms),
        )

    async def _be_hostile(self, running: RunningAccount) -> None:
        """Refuse a post or drop the connection when it is time for that."""
        self._posts += 1
        if self._posts % self._options.disconnect_every == 0:
            await running.commit(lambda _: self._disconnection(running))
            raise EngineUnavailable("the sandbox dropped the connection")
        if self._posts % self._options.refuse_every == 0:
            raise EngineRejected(REFUSED)

    def _disconnection(self, running: RunningAccount) -> Record:
        now_ms = self._clock.now_ms()
        closed = StateChanged(state=EngineState.CLOSED, reason="hostile", at_ms=now_ms)
        back_ms = now_ms + _RECONNECT_MS
        opened = self._identity.announcement(running.account.link, back_ms, "hostile")
        return Record(events=(closed,), scheduled=(Scheduled(back_ms, opened),))

    # -- the sandbox

    async def simulate(self, events: Sequence[ScriptEvent]) -> None:
        """Make a script happen, all or none; returns once the gateway has committed it.

        Raises EngineUnavailable if the engine is not running or ends meanwhile; what was
        accepted by then still happens, as a whole, at the next start.
        """
        running = self._account
        files = await in_thread(self._keep_files, events)
        await running.until_acked(await self._apply(running, events, files))

    def _keep_files(self, events: Sequence[ScriptEvent]) -> dict[int, MediaRef]:
        now_ms = self._clock.now_ms()
        self._files.prune(now_ms)
        self._files.check_room(
            [one.file for one in events if isinstance(one, Posted) and one.file is not None]
        )
        return {
            index: self._files.keep(event.file, max(now_ms, (event.timestamp or 0) * 1000))
            for index, event in enumerate(events)
            if isinstance(event, Posted) and event.file is not None
        }

    async def _apply(
        self,
        running: RunningAccount,
        script: Sequence[ScriptEvent],
        files: Mapping[int, MediaRef],
    ) -> int:
        seq = await running.commit(lambda seq: self._record_of(running, script, files, seq))
        if running.account.link.state is not State.NOT_AUTHORIZED:
            await cancel(self._linking)
        return seq

    def _record_of(
        self,
        running: RunningAccount,
        script: Sequence[ScriptEvent],
        files: Mapping[int, MediaRef],
        seq: int,
    ) -> Record:
        maker = RecordMaker(running.account, self._identity, seq, self._clock.now_ms())
        return maker.record_of(script, files)

    # -- inside

    @property
    def _account(self) -> RunningAccount:
        if self._running is None or self._running.is_closing:
            raise EngineUnavailable("the sandbox account is not running")
        return self._running

    @property
    def _open_account(self) -> RunningAccount:
        running = self._account
        if not running.account.link.is_open:
            raise EngineUnavailable(
                f"the sandbox account is {running.account.link.state.value}"
            )
        return running

    def _first_record(self, running: RunningAccount, seq: int) -> Record:
        people = made_up_contacts(self._options.contacts, self._random.stream("people"))
        if not self._options.auto_authorize:
            met = self._record_of(running, people, {}, seq).events
            return Record(events=(*self._announcement(running, seq).events, *met))
        return self._record_of(running, [Moved(state=State.AUTHORIZED), *people], {}, seq)

    def _announcement(self, running: RunningAccount, _: int) -> Record:
        """Tell the state anew; until then a gateway that just started shows ``starting``."""
        link = running.account.link
        return Record(
            events=(self._identity.announcement(link, self._clock.now_ms(), "start"),)
        )
