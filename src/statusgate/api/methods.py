"""**The table** of methods (contract 14).

Routing, limits, the OpenAPI document, ``docs/reference/methods.md`` and the tenant test matrix
are all made from it.
"""

from collections.abc import Awaitable, Callable
from typing import Any, Literal

import msgspec

from statusgate.api import account, contacts, linking, notifications, partner, statuses
from statusgate.api.decode import json_from, object_from
from statusgate.domain.instance import EngineName
from statusgate.wire import account as account_wire
from statusgate.wire import contacts as contacts_wire
from statusgate.wire import notifications as notifications_wire
from statusgate.wire import partner as partner_wire
from statusgate.wire import requests
from statusgate.wire import statuses as statuses_wire
from statusgate.wire.fields import Given, reader
from statusgate.wire.settings import SettingsAnswer, SettingsChange, read_settings_change
from statusgate.wire.simulation import script_from_json
from statusgate.wire.statistics import StatisticRow

Verb = Literal["GET", "POST", "DELETE", "WEBSOCKET"]
Handler = Callable[..., Awaitable[Any]]
MIB = 1 << 20


class Method(msgspec.Struct, frozen=True, kw_only=True):
    """One method: how it is called, what it takes, who answers."""

    name: str
    verb: Verb
    handler: Handler
    answer: Any
    """the type that describes the answer"""
    about: str
    """one sentence for the documentation"""
    section: str
    """of the contract"""
    request: Any = None
    """the struct that describes the parameters; None: there are none"""
    read: Callable[[Given], Any] | None = None
    """makes the request of what was given; None: by the struct's own annotations"""
    kind: Literal["contract", "extension"] = "contract"
    rate: int | None = None
    """requests a second in the profile ``green-api``; None: unlimited"""
    status_access: bool = False
    """answers 403 while the operator has the status methods off (contract 3.1)"""
    changes: bool = False
    """a GET that changes something: no HEAD, no prefetch (contract 2.6)"""
    live: bool = False
    """needs the open WhatsApp connection (contract 8)"""
    engine: EngineName | None = None
    """exists only for instances of this engine; 404 for others"""
    body_limit: int = MIB
    """bytes"""
    bare_integer: str = ""
    """the parameter that a bare integer as body means (contract 2.4)"""
    tail: str = ""
    """the parameter that one more segment of the path means (contract 2.1)"""
    head: Handler | None = None
    """answers HEAD in the handler's place (contract 2.6)"""
    stream: bool = False
    """the handler returns chunks of an event stream"""
    parse: Callable[[bytes], Any] = object_from
    """reads the body"""

    def reader(self) -> Callable[[Given], Any] | None:
        """What makes a request of given parameters; None if there are none."""
        if self.request is None:
            return None
        return self.read or reader(self.request)


def _methods() -> tuple[Method, ...]:
    return (
        Method(
            name="getStatusStatistic",
            verb="GET",
            handler=statuses.get_status_statistic,
            request=requests.StatusRequest,
            answer=list[StatisticRow],
            rate=1,
            status_access=True,
            about="Who received and viewed a status; newest action first.",
            section="3.7",
        ),
        Method(
            name="getIncomingStatuses",
            verb="GET",
            handler=statuses.get_incoming_statuses,
            request=requests.WindowRequest,
            answer=list[statuses_wire.IncomingItem],
            rate=1,
            status_access=True,
            bare_integer="minutes",
            about="Statuses of contacts, newest first.",
            section="3.8",
        ),
        Method(
            name="getOutgoingStatuses",
            verb="GET",
            handler=statuses.get_outgoing_statuses,
            request=requests.WindowRequest,
            answer=list[statuses_wire.OutgoingItem],
            rate=1,
            status_access=True,
            bare_integer="minutes",
            about="Statuses of this account, newest first.",
            section="3.9",
        ),
        Method(
            name="getSettings",
            verb="GET",
            handler=account.get_settings,
            answer=SettingsAnswer,
            rate=1,
            about="All settings of the instance.",
            section="4.2",
        ),
        Method(
            name="setSettings",
            verb="POST",
            handler=account.set_settings,
            request=SettingsChange,
            read=read_settings_change,
            answer=account_wire.SaveSettingsAnswer,
            rate=1,
            about="Changes any subset of the settings, at once; one bad value saves nothing.",
            section="4.2",
        ),
        Method(
            name="getStateInstance",
            verb="GET",
            handler=account.get_state_instance,
            answer=account_wire.StateAnswer,
            rate=1,
            about="The state of the instance.",
            section="4.1",
        ),
        Method(
            name="getStatusInstance",
            verb="GET",
            handler=account.get_status_instance,
            answer=account_wire.StatusInstanceAnswer,
            rate=1,
            about="Whether the WhatsApp connection is open.",
            section="4.1",
        ),
        Method(
            name="getStateInstanceHistory",
            verb="GET",
            handler=account.get_state_instance_history,
            request=requests.StateHistoryRequest,
            answer=list[account_wire.StateHistoryItem],
            about="States the instance came into, newest first; at most 1,000.",
            section="4.1",
        ),
        Method(
            name="getWaSettings",
            verb="GET",
            handler=account.get_wa_settings,
            answer=account_wire.WaSettingsAnswer,
            rate=1,
            about="The linked WhatsApp account.",
            section="4.1",
        ),
        Method(
            name="getAccountSettings",
            verb="GET",
            handler=account.get_wa_settings,
            answer=account_wire.WaSettingsAnswer,
            about="Another name of getWaSettings.",
            section="4.1",
        ),
        Method(
            name="reboot",
            verb="GET",
            handler=account.reboot,
            answer=account_wire.RebootAnswer,
            rate=1,
            changes=True,
            about="Restarts the engine; the state is `starting` meanwhile.",
            section="4.1",
        ),
        Method(
            name="logout",
            verb="GET",
            handler=account.logout,
            answer=account_wire.LogoutAnswer,
            rate=1,
            changes=True,
            about="Unlinks the device; also when it is not authorized.",
            section="4.1",
        ),
        Method(
            name="updateApiToken",
            verb="GET",
            handler=account.update_api_token,
            answer=account_wire.TokenAnswer,
            changes=True,
            about="Gives the instance a new token; the old one dies at once.",
            section="4.1",
        ),
        Method(
            name="qr",
            verb="GET",
            handler=account.qr,
            answer=account_wire.QrAnswer,
            rate=3,
            about="A code to scan, PNG in base64; the first call starts linking.",
            section="5",
        ),
        Method(
            name="scanqrcode",
            verb="WEBSOCKET",
            handler=linking.scan_qr_code,
            answer=account_wire.QrAnswer,
            rate=1,
            about="Codes to scan as they change, until the account is linked.",
            section="5",
        ),
        Method(
            name="getAuthorizationCode",
            verb="POST",
            handler=account.get_authorization_code,
            request=requests.AuthorizationCodeRequest,
            answer=account_wire.AuthorizationCodeAnswer,
            about="A code to type on the phone.",
            section="5",
        ),
        Method(
            name="receiveNotification",
            verb="GET",
            handler=notifications.receive_notification,
            head=notifications.peek_notification,
            request=requests.ReceiveRequest,
            answer=notifications_wire.Received | None,
            rate=100,
            about="The oldest notification, as soon as there is one; `null` if none comes.",
            section="6.1",
        ),
        Method(
            name="deleteNotification",
            verb="DELETE",
            handler=notifications.delete_notification,
            request=requests.ReceiptRequest,
            answer=notifications_wire.DeletedAnswer,
            rate=100,
            tail="receiptId",
            bare_integer="receiptId",
            parse=json_from,
            about="Takes a notification out of the queue; the next one can be received then.",
            section="6.1",
        ),
        Method(
            name="getWebhooksCount",
            verb="GET",
            handler=notifications.get_webhooks_count,
            answer=notifications_wire.CountAnswer,
            about="How many notifications wait.",
            section="6.3",
        ),
        Method(
            name="clearWebhooksQueue",
            verb="DELETE",
            handler=notifications.clear_webhooks_queue,
            answer=notifications_wire.ClearedAnswer,
            about="Empties the notification queue.",
            section="6.3",
        ),
        Method(
            name="downloadFile",
            verb="POST",
            handler=statuses.download_file,
            request=requests.MessageRequest,
            answer=statuses_wire.DownloadAnswer,
            rate=5,
            status_access=True,
            about="Where the file of a status is; statuses only.",
            section="7.5",
        ),
        Method(
            name="getMessage",
            verb="POST",
            handler=statuses.get_message,
            request=requests.MessageRequest,
            answer=statuses_wire.IncomingItem | statuses_wire.OutgoingItem,
            rate=10,
            status_access=True,
            about="One status; statuses only.",
            section="7.5",
        ),
        Method(
            name="getContacts",
            verb="GET",
            handler=contacts.get_contacts,
            request=requests.ContactsRequest,
            answer=list[contacts_wire.ContactItem],
            rate=1,
            about="Contacts, in the order in which they became known.",
            section="7.4",
        ),
        Method(
            name="getContactInfo",
            verb="POST",
            handler=contacts.get_contact_info,
            request=requests.ContactRequest,
            answer=contacts_wire.ContactInfoAnswer,
            rate=1,
            live=True,
            about="A contact, and what WhatsApp tells of it.",
            section="7.4",
        ),
        Method(
            name="getAvatar",
            verb="POST",
            handler=contacts.get_avatar,
            request=requests.ContactRequest,
            answer=contacts_wire.AvatarAnswer,
            rate=10,
            live=True,
            about="Where the picture of a person is.",
            section="7.4",
        ),
        Method(
            name="checkWhatsapp",
            verb="POST",
            handler=contacts.check_whatsapp,
            request=requests.CheckWhatsappRequest,
            answer=contacts_wire.CheckWhatsappAnswer,
            rate=10,
            live=True,
            about="Whether a number is on WhatsApp.",
            section="7.4",
        ),
        Method(
            name="addContact",
            verb="POST",
            handler=contacts.add_contact,
            request=requests.NameContactRequest,
            answer=contacts_wire.AddContactAnswer,
            about="Names a person in the instance's own contact book.",
            section="7.4",
        ),
        Method(
            name="editContact",
            verb="POST",
            handler=contacts.edit_contact,
            request=requests.NameContactRequest,
            answer=contacts_wire.EditContactAnswer,
            about="As addContact.",
            section="7.4",
        ),
        Method(
            name="deleteContact",
            verb="POST",
            handler=contacts.delete_contact,
            request=requests.ContactRequest,
            answer=contacts_wire.DeleteContactAnswer,
            about="Takes a person's name out of the contact book.",
            section="7.4",
        ),
        Method(
            name="events",
            verb="GET",
            handler=notifications.events,
            request=requests.EventsRequest,
            answer=str,
            kind="extension",
            status_access=True,
            stream=True,
            about="Live stream of server-sent events; can resume within the last 24 hours.",
            section="12.7",
        ),
        Method(
            name="simulate",
            verb="POST",
            handler=statuses.simulate,
            request=list[dict[str, Any]],
            read=script_from_json,
            answer=statuses_wire.SimulateAnswer,
            kind="extension",
            engine="simulated",
            body_limit=64 * MIB,
            parse=json_from,
            about="Makes 1-10,000 events happen on a sandbox account, all or none.",
            section="12.9",
        ),
    )


def _partner_methods() -> tuple[Method, ...]:
    return (
        Method(
            name="createInstance",
            verb="POST",
            handler=partner.create_instance,
            request=partner_wire.CreateInstanceRequest,
            read=partner_wire.read_new_instance,
            answer=partner_wire.CreateInstanceAnswer,
            about="Adds an instance; any writable setting may be given.",
            section="10",
        ),
        Method(
            name="getInstances",
            verb="GET",
            handler=partner.get_instances,
            answer=list[partner_wire.InstanceItem],
            about="All instances, oldest first; deleted ones for 30 days.",
            section="10",
        ),
        Method(
            name="deleteInstanceAccount",
            verb="POST",
            handler=partner.delete_instance_account,
            request=partner_wire.DeleteInstanceRequest,
            answer=partner_wire.DeleteInstanceAnswer,
            about="Unlinks the device and removes the instance with all its records.",
            section="10",
        ),
    )


METHODS = _methods()
"""``/waInstance{idInstance}/{method}/{apiTokenInstance}``"""

PARTNER_METHODS = _partner_methods()
"""``/partner/{method}/{partnerToken}``; handlers take no instance"""
