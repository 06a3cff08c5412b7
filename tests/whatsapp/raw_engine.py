"""A bare neonize client in a process of its own, driven by JSON lines: proves the server.

Requests on stdin: `{"id": 1, "op": "post_text", "p": {...}}`; on stdout come answers
`{"id": 1, "ok": {...}}` or `{"id": 1, "error": "..."}` and events `{"event": "MessageEv",
"data": {...}}`. `engines.py` is the tests' end. No product code takes part.
"""

from __future__ import annotations

import base64
import json
import os
import sys
import threading
import zlib
from typing import Any

from google.protobuf.json_format import MessageToDict

from tests.whatsapp.worker import prepare

_EVENTS = (
    "PairStatusEv",
    "ConnectedEv",
    "DisconnectedEv",
    "LoggedOutEv",
    "StreamReplacedEv",
    "StreamErrorEv",
    "TemporaryBanEv",
    "ConnectFailureEv",
    "ClientOutdatedEv",
    "KeepAliveTimeoutEv",
    "KeepAliveRestoredEv",
    "OfflineSyncPreviewEv",
    "OfflineSyncCompletedEv",
    "MessageEv",
    "ReceiptEv",
    "UndecryptableMessageEv",
    "HistorySyncEv",
)


class Engine:
    """Every public method is an operation."""

    def __init__(self, answer: int) -> None:
        from neonize import client, events, utils
        from neonize._binder import ProxySettings
        from neonize.proto import Neonize_pb2
        from neonize.proto.waE2E import WAWebProtobufsE2E_pb2

        self._answer, self._lock = answer, threading.Lock()
        self._e2e: Any = WAWebProtobufsE2E_pb2
        self._proto: Any = Neonize_pb2
        self._utils: Any = utils
        self._settings: Any = ProxySettings(os.environ["FAKE_PROXY"])
        self._status = utils.build_jid("status", "broadcast")
        self._client: Any = client.NewClient(os.environ["FAKE_STORE"], uuid="engine")
        self._client.qr(lambda _client, data: self.say({"event": "QR", "data": data.decode()}))
        for name in _EVENTS:
            self._register(name, getattr(events, name))

    def _register(self, name: str, kind: Any) -> None:
        def handle(_client: Any, message: Any) -> None:
            data = MessageToDict(message, preserving_proto_field_name=True)
            if name == "MessageEv":
                raw = message.Message.SerializeToString()
                data["raw"] = base64.b64encode(raw).decode()
            self.say({"event": name, "data": data})

        self._client.event(kind)(handle)

    def say(self, line: dict[str, Any]) -> None:
        with self._lock:
            os.write(self._answer, json.dumps(line).encode() + b"\n")

    # ------------------------------------------------------------ life

    def connect(self) -> None:
        """In the background; the library blocks for as long as it is connected."""

        def run() -> None:
            self._client.connect(self._settings)
            self.say({"event": "Returned", "data": {}})

        threading.Thread(target=run, daemon=True).start()

    def pair_phone(self, phone: str) -> str:
        code: str = self._client.PairPhone(phone, show_push_notification=True)
        return code

    def logout(self) -> None:
        self._client.logout()

    def stop(self) -> None:
        self._client.stop()

    # ------------------------------------------------------------ posting

    def post_text(self, text: str, background: int = 0xFF112233, font: int = 1) -> Any:
        extended = self._e2e.ExtendedTextMessage(
            text=text, backgroundArgb=background, textArgb=0xFFFFFFFF, font=font
        )
        return self._send(self._status, self._e2e.Message(extendedTextMessage=extended))

    def post_image(self, data: str, caption: str) -> Any:
        fields = self._upload(base64.b64decode(data), 0)
        image = self._e2e.ImageMessage(
            **fields, mimetype="image/jpeg", caption=caption, width=8, height=6
        )
        return self._send(self._status, self._e2e.Message(imageMessage=image))

    def post_voice(self, data: str, seconds: int) -> Any:
        fields = self._upload(base64.b64decode(data), 2)
        audio = self._e2e.AudioMessage(
            **fields,
            mimetype="audio/ogg; codecs=opus",
            seconds=seconds,
            PTT=True,
            backgroundArgb=0xFF000000,
            waveform=bytes(range(64)),
        )
        return self._send(self._status, self._e2e.Message(audioMessage=audio))

    def post_video(self, data: str, seconds: int) -> Any:
        fields = self._upload(base64.b64decode(data), 1)
        video = self._e2e.VideoMessage(**fields, mimetype="video/mp4", seconds=seconds)
        return self._send(self._status, self._e2e.Message(videoMessage=video))

    def revoke(self, user: str, message_id: str) -> Any:
        author = self._utils.build_jid(user)
        return _sent(self._client.revoke_message(self._status, author, message_id))

    def send_history(self, user: str, texts: list[str], author: str) -> Any:
        """As the phone: tell the own companions of older statuses."""
        from neonize.proto.waHistorySync import WAWebProtobufsHistorySync_pb2 as history
        from neonize.proto.waWeb import WAWebProtobufsWeb_pb2 as web

        past = [
            web.WebMessageInfo(
                key={
                    "remoteJID": "status@broadcast",
                    "ID": f"OLD{n}",
                    "participant": author,
                    "fromMe": False,
                },
                messageTimestamp=1_700_000_000 + n,
                participant=author,
                message=self._e2e.Message(conversation=text),
            )
            for n, text in enumerate(texts)
        ]
        kind = history.HistorySync.HistorySyncType.INITIAL_STATUS_V3
        sync = history.HistorySync(syncType=kind, statusV3Messages=past)
        notification = self._e2e.HistorySyncNotification(
            syncType=self._e2e.HistorySyncType.Value("INITIAL_STATUS_V3"),
            initialHistBootstrapInlinePayload=zlib.compress(sync.SerializeToString()),
        )
        protocol = self._e2e.ProtocolMessage(
            type=self._e2e.ProtocolMessage.Type.HISTORY_SYNC_NOTIFICATION,
            historySyncNotification=notification,
        )
        own = self._utils.build_jid(user)
        return self._send(own, self._e2e.Message(protocolMessage=protocol))

    def share_app_state_key(self, user: str, key_id: str, key: str) -> Any:
        """As the phone: give the own companions the key of the application state."""
        share = self._e2e.AppStateSyncKeyShare()
        shared = share.keys.add()
        shared.keyID.keyID = bytes.fromhex(key_id)
        shared.keyData.keyData = bytes.fromhex(key)
        shared.keyData.fingerprint.rawID = 1
        shared.keyData.timestamp = 1_700_000_000_000
        protocol = self._e2e.ProtocolMessage(
            type=self._e2e.ProtocolMessage.Type.APP_STATE_SYNC_KEY_SHARE,
            appStateSyncKeyShare=share,
        )
        own = self._utils.build_jid(user)
        return self._send(own, self._e2e.Message(protocolMessage=protocol))

    def write(self, user: str, text: str, quoting: str = "", fading: bool = False) -> Any:
        """Write to a person alone; *quoting* a status of theirs it is a reply.

        *fading*: the chat is one whose messages disappear, so the words come wrapped.
        """
        words = self._e2e.ExtendedTextMessage(text=text)
        if quoting:
            words.contextInfo.stanzaID = quoting
            words.contextInfo.participant = f"{user}@s.whatsapp.net"
            words.contextInfo.remoteJID = "status@broadcast"
            words.contextInfo.quotedMessage.conversation = "as remembered"
        message = self._e2e.Message(extendedTextMessage=words)
        if fading:
            wrapped = self._e2e.Message()
            wrapped.ephemeralMessage.message.CopyFrom(message)
            message = wrapped
        return self._send(self._utils.build_jid(user), message)

    def react(self, user: str, message_id: str, emoji: str) -> Any:
        """Like a status of this person: a message to statuses that is none itself."""
        reaction = self._e2e.ReactionMessage(text=emoji, senderTimestampMS=1_700_000_000_000)
        reaction.key.remoteJID = "status@broadcast"
        reaction.key.ID = message_id
        reaction.key.participant = f"{user}@s.whatsapp.net"
        return self._send(self._status, self._e2e.Message(reactionMessage=reaction))

    def post_video_note(self, data: str, seconds: int) -> Any:
        """A round video, as recorded with the camera button."""
        fields = self._upload(base64.b64decode(data), 1)
        video = self._e2e.VideoMessage(**fields, mimetype="video/mp4", seconds=seconds)
        return self._send(self._status, self._e2e.Message(ptvMessage=video))

    def post_bare_image(self, data: str, thumbnail: str) -> Any:
        """An image that does not tell its length, with any preview."""
        fields = self._upload(base64.b64decode(data), 0)
        del fields["fileLength"]
        image = self._e2e.ImageMessage(
            **fields, mimetype="image/jpeg", JPEGThumbnail=base64.b64decode(thumbnail)
        )
        return self._send(self._status, self._e2e.Message(imageMessage=image))

    def _upload(self, data: bytes, kind: int) -> dict[str, Any]:
        from neonize.utils.enum import MediaType

        up = self._client.upload(data, MediaType(kind))
        return {
            "URL": up.url,
            "directPath": up.DirectPath,
            "mediaKey": up.MediaKey,
            "fileEncSHA256": up.FileEncSHA256,
            "fileSHA256": up.FileSHA256,
            "fileLength": len(data),
        }

    def _send(self, to: Any, message: Any) -> Any:
        return _sent(self._client.send_message(to, message))

    # ------------------------------------------------------------ receiving

    def mark_read(self, ids: list[str], author: str, kind: str = "READ") -> None:
        user, _, server = author.partition("@")
        self._client.mark_read(
            *ids,
            chat=self._status,
            sender=self._utils.build_jid(user, server),
            receipt=self._utils.ReceiptType[kind],
        )

    def download(self, raw: str) -> str:
        message = self._e2e.Message.FromString(base64.b64decode(raw))
        return base64.b64encode(self._client.download_any(message)).decode()

    # ------------------------------------------------------------ people

    def seed(self, contacts: list[tuple[str, str, str]]) -> None:
        """(user, server, name) each; an empty name takes the contact off the audience."""
        entries = [
            self._proto.ContactEntry(
                JID=self._utils.build_jid(user, server), FirstName=name, FullName=name
            )
            for user, server, name in contacts
        ]
        self._client.contact.put_all_contact_name(entries)

    def contacts(self) -> dict[str, str]:
        found = self._client.contact.get_all_contacts()
        return {f"{each.JID.User}@{each.JID.Server}": each.Info.FullName for each in found}

    def lid_of(self, phone: str) -> str:
        found = self._client.get_lid_from_pn(self._utils.build_jid(phone))
        return str(found.User)

    def on_whatsapp(self, phones: list[str]) -> Any:
        found = self._client.is_on_whatsapp(*phones)
        return [MessageToDict(each, preserving_proto_field_name=True) for each in found]

    def user_info(self, phone: str) -> Any:
        found = self._client.get_user_info(self._utils.build_jid(phone))
        return [MessageToDict(each, preserving_proto_field_name=True) for each in found]

    # ------------------------------------------------------------ what the server does not know

    def contact_link(self) -> None:
        self._client.get_contact_qr_link()

    def typing(self, phone: str) -> None:
        from neonize.utils.enum import ChatPresence, ChatPresenceMedia

        chat = self._utils.build_jid(phone)
        composing = ChatPresence.CHAT_PRESENCE_COMPOSING
        self._client.send_chat_presence(
            chat, composing, ChatPresenceMedia.CHAT_PRESENCE_MEDIA_TEXT
        )


def _sent(response: Any) -> dict[str, Any]:
    return {"id": response.ID, "timestamp": response.Timestamp}


def main() -> None:
    answer = os.dup(1)
    os.dup2(2, 1)  # the library prints
    prepare()
    engine = Engine(answer)
    for line in sys.stdin:
        request = json.loads(line)
        threading.Thread(target=_serve, args=(engine, request), daemon=True).start()
    os._exit(0)  # a client that never paired cannot be stopped


def _serve(engine: Engine, request: dict[str, Any]) -> None:
    try:
        found = getattr(engine, request["op"])(**request["p"])
    except Exception as error:  # noqa: BLE001  every failure travels back to the test
        text = f"{type(error).__name__}: {error}"
        engine.say({"id": request["id"], "error": text})
    else:
        engine.say({"id": request["id"], "ok": found})


if __name__ == "__main__":
    main()
