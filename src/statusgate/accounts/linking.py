"""Linking an account: codes to scan, and what became of it (contract 5)."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Literal

import msgspec

from statusgate.accounts.instances import Instances
from statusgate.domain.clock import Clock
from statusgate.domain.errors import EngineUnavailable
from statusgate.domain.events import LinkingEnded, QrCode
from statusgate.domain.ids import InstanceId
from statusgate.domain.instance import Instance, State
from statusgate.domain.waiting import Signal
from statusgate.engines.port import Engine
from statusgate.wire.qr import qr_png_base64

STARTING = "instance in starting process try later"
WATCH_SECONDS = 100.0

FrameType = Literal["qrCode", "alreadyLogged", "accountData", "timeoutExpired", "error"]


class Frame(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One answer of ``qr``, one frame of ``scanqrcode``."""

    type: FrameType
    message: str = ""


WITHOUT_CODE = {
    State.AUTHORIZED: Frame(
        type="alreadyLogged", message="instance account already authorized"
    ),
    State.BLOCKED: Frame(
        type="error",
        message="instance account is blocked by WhatsApp; log out to link another one",
    ),
    State.SUSPENDED: Frame(
        type="error",
        message="instance account is suspended by WhatsApp; log out to link another one",
    ),
}
"""what is answered in states in which there is no code to show"""


class AccountData(msgspec.Struct, frozen=True, kw_only=True):
    """The last frame of ``scanqrcode`` when linking succeeded."""

    type: FrameType = "accountData"
    wid: str
    pushname: str
    proxy: str
    webhook_url: str = msgspec.field(name="webhookUrl")


class _Shown:
    """The code an instance shows at the moment, and who waits for the next one."""

    def __init__(self) -> None:
        self.code = QrCode(payload="")
        self.error = ""
        self.had_code = False
        self.obstacle = ""
        """why the last attempt ended before it had a code; ``""``: it had one"""
        self.changes = Signal()

    def show(self, code: QrCode, error: str = "") -> None:
        self.code, self.error = code, error
        self.had_code = self.had_code or bool(code.payload)
        self.changes.ring()


class Linking:
    """Codes of all instances that are being linked; nothing of it is kept on disk."""

    def __init__(self, instances: Instances, clock: Clock) -> None:
        self._instances = instances
        self._clock = clock
        self._shown: dict[InstanceId, _Shown] = {}
        instances.listen(self._instance_changed)

    def take(self, instance_id: InstanceId, event: QrCode | LinkingEnded) -> None:
        """Follow a volatile event of an engine."""
        shown = self._of(instance_id)
        if isinstance(event, QrCode):
            shown.show(event)
            return
        shown.obstacle = "" if shown.had_code else event.reason
        shown.had_code = False
        shown.show(QrCode(payload=""), event.reason)

    async def qr(self, instance: Instance, engine: Engine) -> Frame:
        """What ``qr`` answers now; starts linking if no code is shown."""
        if instance.state in WITHOUT_CODE:
            return WITHOUT_CODE[instance.state]
        shown = self._of(instance.id)
        if self._is_valid(shown.code):
            return Frame(type="qrCode", message=qr_png_base64(shown.code.payload))
        await engine.begin_linking()
        return Frame(type="error", message=shown.obstacle or STARTING)

    async def watch(
        self, instance: Instance, engine: Engine, *, seconds: float = WATCH_SECONDS
    ) -> AsyncGenerator[Frame | AccountData, None]:
        """Frames of ``scanqrcode``: a code now and at each change, then one that ends it."""
        if instance.state in WITHOUT_CODE:
            yield WITHOUT_CODE[instance.state]
            return
        shown = self._of(instance.id)
        shown.error = ""
        if not self._is_valid(shown.code):
            await engine.begin_linking()
        sent = ""
        try:
            async with asyncio.timeout(seconds):
                while True:
                    changed = shown.changes.next()
                    linked = self._linked(instance.id)
                    if linked is not None:
                        yield linked
                        return
                    if shown.error:
                        yield Frame(type="error", message=shown.error)
                        return
                    if shown.code.payload not in ("", sent):
                        sent = shown.code.payload
                        yield Frame(type="qrCode", message=qr_png_base64(sent))
                    await changed.wait()
        except TimeoutError:
            yield Frame(type="timeoutExpired", message="timeoutExpired")

    async def pairing_code(self, instance: Instance, engine: Engine, phone: str) -> str:
        """The code to type on the phone, ``""`` if none can be had now."""
        if instance.state in WITHOUT_CODE:
            return ""
        try:
            return await engine.request_pairing_code(phone)
        except EngineUnavailable:
            return ""

    def _linked(self, instance_id: InstanceId) -> AccountData | None:
        instance = self._instances.get(instance_id)
        if instance.state is not State.AUTHORIZED:
            return None
        return AccountData(
            wid=instance.wid,
            pushname=instance.push_name,
            proxy="",
            webhook_url=instance.settings.webhook_url,
        )

    def _is_valid(self, code: QrCode) -> bool:
        return bool(code.payload) and (
            not code.expires_ms or self._clock.now_ms() < code.expires_ms
        )

    def _instance_changed(self, instance: Instance) -> None:
        shown = self._shown.get(instance.id)
        if shown is None:
            return
        if instance.deleted_ms is not None:
            del self._shown[instance.id]
        if instance.state is State.AUTHORIZED or instance.deleted_ms is not None:
            shown.show(QrCode(payload=""))

    def _of(self, instance_id: InstanceId) -> _Shown:
        return self._shown.setdefault(instance_id, _Shown())
