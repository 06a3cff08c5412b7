"""``statusgate demo``: a sandbox account with a week of statuses that keeps living."""

import asyncio
import itertools
import random
from collections.abc import Iterator

import click

from statusgate.accounts.instances import NewInstance
from statusgate.cli.moments import moment_of
from statusgate.domain.address import Address
from statusgate.domain.errors import StatusgateError
from statusgate.domain.events import EngineEvent, StatusReaction, StatusReceipt, StatusReply
from statusgate.domain.ids import InstanceId, new_status_id
from statusgate.domain.instance import Instance
from statusgate.domain.outbox import Draft
from statusgate.domain.receipt import Progress
from statusgate.domain.script import Posted, Reacted, Replied, ScriptEvent, Viewed
from statusgate.domain.status import Font, Kind, Status
from statusgate.engines.registry import kind_of
from statusgate.engines.simulated.people import REACTIONS, made_up_contacts, reply_of
from statusgate.engines.simulated.viewers import responses
from statusgate.server import run
from statusgate.server.wiring import Gateway
from statusgate.settings import Settings

CONTACTS = 200
POSTING_CONTACTS = 16
SAYINGS = (
    "Good morning!", "Доброе утро!", "בוקר טוב", "We open at nine", "New arrivals today",
    "Look what came in", "Half price until six", "Thank you all", "Sunset over the bay",
    "Свежий хлеб уже на полках", "Сегодня работаем до восьми", "שבת שלום", "מבצע עד שש בערב",
    "Behind the scenes", "Rain or shine, we are here", "Back in stock",
)  # fmt: skip
COLOURS = (0x228B22, 0x1E6E8C, 0x8C1E4B, 0x5A3E9B, 0xB5651D, 0x000000)
_DAY_SECONDS = 86_400
_WEEK_SECONDS = 7 * _DAY_SECONDS
_QUARTER_HOUR = 900
_STEP_SECONDS = 2_400
_SLOWLY = 60
"""in a day that has passed people took minutes for what takes seconds while one watches"""
_NOT_ON_WHATSAPP = "79005550199@c.us"


def run_demo(settings: Settings, *, every_seconds: float) -> int:
    """Serve the demo until stopped; returns the exit code."""

    async def on_ready(built: Gateway, url: str) -> None:
        await Demo(built, url, random.Random("statusgate demo")).live(every_seconds)

    return run.run(settings, on_ready=on_ready)


class Demo:
    """Makes things happen on one sandbox account, as a phone and its contacts would."""

    def __init__(self, built: Gateway, url: str, chance: random.Random) -> None:
        self._built = built
        self._url = url
        self._chance = chance
        self._people = made_up_contacts(CONTACTS, random.Random("statusgate demo: people"))
        self._sayings = itertools.cycle(SAYINGS)
        self._own: list[str] = []

    async def live(self, every_seconds: float) -> None:
        """Set the account up, say how to use it, then let something happen now and then."""
        instance, token = await self._account()
        now = self._built.clock.now_ms() // 1000
        posted = await self._posted(instance, now - _WEEK_SECONDS)
        self._own = [one.status_id for one in posted if one.failure is None]
        since = posted[-1].posted_ms // 1000 if posted else now - _WEEK_SECONDS
        await self._happen(instance, [*self._people])
        for events in self._meanwhile(since, now):
            await self._happen(instance, events)
        watched = self._own[-2]
        newest = await self._post_by_api(instance)
        self._greet(instance.id, token, watched, newest)
        while True:
            await asyncio.sleep(every_seconds)
            try:
                await self._moment(instance)
            except StatusgateError as error:
                click.echo(f"demo: {error}", err=True)

    async def _account(self) -> tuple[Instance, str]:
        for known in self._built.instances.all():
            if known.name == "demo" and kind_of(known).is_sandbox:
                token = await self._built.instances.rotate_token(known.id)
                return known, token
        return await self._built.instances.create(
            NewInstance(name="demo", engine="simulated", engine_options={"profile": "lively"})
        )

    async def _happen(self, instance: Instance, events: list[ScriptEvent]) -> None:
        await self._built.accounts.first_link(self._built.instances.get(instance.id))
        await self._built.accounts.simulate(self._built.instances.get(instance.id), events)

    async def _posted(self, instance: Instance, since: int) -> list[Status]:
        """What an earlier run posted, oldest first."""
        statuses = await self._built.journal.read(
            lambda tx: tx.statuses(instance.id, outgoing=True, since_ms=since * 1000)
        )
        return statuses[::-1]

    def _meanwhile(self, since: int, now: int) -> Iterator[list[ScriptEvent]]:
        """What happened from *since* until a quarter of an hour ago, and what comes of it."""
        yesterday = now - _DAY_SECONDS
        for at in range(now - _WEEK_SECONDS, yesterday, _DAY_SECONDS):
            if at > since:
                yield list(self._own_post(at))
        moments = enumerate(range(now - _QUARTER_HOUR, max(since, yesterday), -_STEP_SECONDS))
        for back, at in reversed(list(moments)):
            yield [self._post(self._author(), at)]
            if back % 3 == 0:
                yield list(self._own_post(at))

    def _post(self, author: Address | None, at: int | None, status_id: str = "") -> Posted:
        kind = self._chance.choice((Kind.TEXT, Kind.TEXT, Kind.IMAGE, Kind.VIDEO, Kind.AUDIO))
        return Posted(
            author=author,
            kind=kind,
            text=next(self._sayings) if kind is not Kind.AUDIO else "",
            background=self._chance.choice(COLOURS) if kind is Kind.TEXT else None,
            font=self._chance.choice(tuple(Font)).value if kind is Kind.TEXT else None,
            timestamp=at,
            status_id=status_id or new_status_id(),
        )

    def _own_post(self, at: int) -> Iterator[ScriptEvent]:
        status_id = new_status_id()
        yield self._post(None, at, status_id)
        self._own.append(status_id)
        audience = [(one.address, one.contact_name) for one in self._people]
        for response in responses(
            "lively", status_id, audience, at * 1000, self._chance, pace=_SLOWLY
        ):
            yield _scripted(response.event)

    async def _post_by_api(self, instance: Instance) -> str:
        """Post to everybody; before that see to two scheduled posts and one that failed."""
        current = self._built.instances.get(instance.id)
        now = self._built.clock.now_ms() // 1000
        waiting = await self._built.journal.read(lambda tx: tx.outgoing(instance.id))
        if not any(one.is_scheduled for one in waiting):
            for text, when in (("We open at nine", "9:00"), ("Half price until six", "17:30")):
                at = moment_of(f"tomorrow {when}", now)
                await self._built.publishing.accept(
                    current,
                    Draft(
                        text=text, background=0x8C1E4B, send_at_ms=int(at.timestamp()) * 1000
                    ),
                )
        if all(
            one.failure is None for one in await self._posted(instance, now - _WEEK_SECONDS)
        ):
            await self._built.publishing.accept(
                current,
                Draft(
                    text="Only for you", background=0x1E6E8C, participants=(_NOT_ON_WHATSAPP,)
                ),
            )
        return await self._built.publishing.accept(current, self._draft())

    def _draft(self) -> Draft:
        return Draft(text=next(self._sayings), background=self._chance.choice(COLOURS))

    async def _moment(self, instance: Instance) -> None:
        """One thing happens: a contact posts, we post, or somebody looks."""
        draw = self._chance.random()
        current = self._built.instances.get(instance.id)
        if draw < 0.25:
            await self._happen(instance, [self._post(self._author(), None)])
        elif draw < 0.28:
            self._own.append(await self._built.publishing.accept(current, self._draft()))
        else:
            await self._happen(instance, list(self._view()))

    def _view(self) -> Iterator[ScriptEvent]:
        """Somebody looks at one of the newest statuses; some react, or answer."""
        person = self._chance.choice(self._people)
        status_id, viewer = self._chance.choice(self._own[-6:]), person.address
        yield Viewed(status_id=status_id, viewer=viewer, kind=Progress.READ)
        if self._chance.random() < 0.3:
            reaction = self._chance.choice((*REACTIONS, ""))
            yield Reacted(status_id=status_id, viewer=viewer, reaction=reaction)
        if self._chance.random() < 0.1:
            text = reply_of(person.contact_name, self._chance)
            yield Replied(status_id=status_id, viewer=viewer, text=text)

    def _author(self) -> Address:
        return self._chance.choice(self._people[:POSTING_CONTACTS]).address

    def _greet(self, instance_id: InstanceId, token: str, watched: str, newest: str) -> None:
        base = f"{self._url}/waInstance{instance_id}"
        link = self._built.app.sign_in_link(instance_id, token)
        pages = (
            f"\n  in the browser    {self._url}{link} (once)"
            f"\n  API reference     {self._url}/docs/api"
        )
        click.echo(
            f"""
statusgate demo: a sandbox account that lives. Nothing leaves this machine.

  URL               {self._url}
  idInstance        {instance_id}
  apiTokenInstance  {token}{pages if link else ""}

What its contacts posted in the last two hours:
  curl '{base}/getIncomingStatuses/{token}?minutes=120'

What the account posted today, newest first (look again: it changes):
  curl '{base}/getOutgoingStatuses/{token}'

Who got and who viewed one of them:
  curl '{base}/getStatusStatistic/{token}?idMessage={watched}'

Who liked it, and who answered what:
  curl '{base}/getStatusReactions/{token}?idMessage={watched}'
  curl '{base}/getStatusReplies/{token}?idMessage={watched}'

Paste this into another terminal for the examples of README and docs/how-to:
  export URL={self._url} ID={instance_id} TOKEN={token}
  export STATUSGATE_URL=$URL STATUSGATE_INSTANCE=$ID STATUSGATE_TOKEN=$TOKEN

and watch what becomes of the post that has just gone to {CONTACTS} people:
  . .venv/bin/activate    # not if statusgate was installed by pipx
  statusgate status list
  statusgate status viewers {newest}

Ctrl-C stops it."""
        )


def _scripted(event: EngineEvent) -> ScriptEvent:
    """Return what a script says to make a viewer's *event* happen."""
    match event:
        case StatusReceipt(wire_ids=(status_id,), viewer=viewer, kind=kind, at_ms=at_ms):
            return Viewed(
                status_id=status_id, viewer=viewer, kind=kind, timestamp=at_ms // 1000
            )
        case StatusReaction(wire_id=status_id, viewer=viewer, reaction=reaction, at_ms=at_ms):
            return Reacted(
                status_id=status_id, viewer=viewer, reaction=reaction, timestamp=at_ms // 1000
            )
        case StatusReply(reply=reply):
            return Replied(
                status_id=reply.wire_id,
                viewer=reply.viewer,
                text=reply.text,
                timestamp=reply.at_ms // 1000,
                reply_id=reply.reply_id,
            )
        case _:
            raise TypeError(f"not what viewers do: {event}")
