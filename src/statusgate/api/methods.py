"""**The tables** of methods (contract 10, 14).

Routing, limits, the OpenAPI document, ``docs/reference/methods.md`` and the tenant test matrix
are all made from them. What a row leaves out, its handler says: see ``row``.
"""

from statusgate.api import (
    account,
    contacts,
    glance,
    linking,
    lists,
    notifications,
    partner,
    publishing,
    statuses,
    uploads,
)
from statusgate.api.method import MIB, Method, row
from statusgate.wire.account import QrAnswer
from statusgate.wire.partner import (
    CreateInstanceRequest,
    DeleteInstanceAnswer,
)
from statusgate.wire.settings import SettingsAnswer, SettingsChange, read_settings_change
from statusgate.wire.simulation import Script, script_from_json
from statusgate.wire.statistics import StatisticRow
from statusgate.wire.statuses import IncomingItem, OutgoingItem

_STATUS = {"status_access": True}
_EXTENSION = {"kind": "extension", "status_access": True}

METHODS: tuple[Method, ...] = (
    row("sendTextStatus", "POST", "3.3", publishing.send_text_status, rate=5, **_STATUS),
    row("sendVoiceStatus", "POST", "3.3", publishing.send_voice_status, rate=5, **_STATUS),
    row("sendMediaStatus", "POST", "3.3", publishing.send_media_status, rate=5, **_STATUS),
    row("deleteStatus", "POST", "3.6", publishing.delete_status, rate=10, **_STATUS),
    row(
        "getStatusStatistic",
        "GET",
        "3.7",
        statuses.get_status_statistic,
        answer=list[StatisticRow],
        rate=1,
        **_STATUS,
    ),
    row(
        "getIncomingStatuses",
        "GET",
        "3.8",
        statuses.get_incoming_statuses,
        answer=list[IncomingItem],
        rate=1,
        bare_integer="minutes",
        **_STATUS,
    ),
    row(
        "getOutgoingStatuses",
        "GET",
        "3.9",
        statuses.get_outgoing_statuses,
        answer=list[OutgoingItem],
        rate=1,
        bare_integer="minutes",
        **_STATUS,
    ),
    row("getSettings", "GET", "4.2", account.get_settings, answer=SettingsAnswer, rate=1),
    row(
        "setSettings",
        "POST",
        "4.2",
        account.set_settings,
        request=SettingsChange,
        read=read_settings_change,
        rate=1,
    ),
    row("getStateInstance", "GET", "4.1", account.get_state_instance, rate=1),
    row("getStatusInstance", "GET", "4.1", account.get_status_instance, rate=1),
    row("getStateInstanceHistory", "GET", "4.1", account.get_state_instance_history),
    row("getWaSettings", "GET", "4.1", account.get_wa_settings, rate=1),
    row(
        "getAccountSettings",
        "GET",
        "4.1",
        account.get_wa_settings,
        about="Another name of getWaSettings.",
    ),
    row("reboot", "GET", "4.1", account.reboot, rate=1, changes=True),
    row("logout", "GET", "4.1", account.logout, rate=1, changes=True),
    row("updateApiToken", "GET", "4.1", account.update_api_token, changes=True),
    row("qr", "GET", "5", account.qr, answer=QrAnswer, rate=3),
    row("scanqrcode", "WEBSOCKET", "5", linking.scan_qr_code, answer=QrAnswer, rate=1),
    row("getAuthorizationCode", "POST", "5", account.get_authorization_code),
    row("showMessagesQueue", "GET", "7.3", publishing.show_messages_queue, rate=1),
    row("getMessagesCount", "GET", "7.3", publishing.get_messages_count),
    row(
        "clearMessagesQueue",
        "GET",
        "7.3",
        publishing.clear_messages_queue,
        rate=1,
        changes=True,
    ),
    row(
        "uploadFile",
        "POST",
        "7.1",
        uploads.upload_file,
        takes_file=True,
        body_limit=uploads.LARGEST_BODY,
    ),
    row(
        "receiveNotification",
        "GET",
        "6.1",
        notifications.receive_notification,
        head=notifications.peek_notification,
        rate=100,
    ),
    row(
        "deleteNotification",
        "DELETE",
        "6.1",
        notifications.delete_notification,
        rate=100,
        tail="receiptId",
        bare_integer="receiptId",
    ),
    row("getWebhooksCount", "GET", "6.3", notifications.get_webhooks_count),
    row("clearWebhooksQueue", "DELETE", "6.3", notifications.clear_webhooks_queue),
    row("downloadFile", "POST", "7.5", statuses.download_file, rate=5, **_STATUS),
    row("getMessage", "POST", "7.5", statuses.get_message, rate=10, **_STATUS),
    row("getContacts", "GET", "7.4", contacts.get_contacts, rate=1),
    row("getContactInfo", "POST", "7.4", contacts.get_contact_info, rate=1, live=True),
    row("getAvatar", "POST", "7.4", contacts.get_avatar, rate=10, live=True),
    row("checkWhatsapp", "POST", "7.4", contacts.check_whatsapp, rate=10, live=True),
    row("addContact", "POST", "7.4", contacts.add_contact),
    row("editContact", "POST", "7.4", contacts.edit_contact),
    row("deleteContact", "POST", "7.4", contacts.delete_contact),
    row("getStatus", "GET", "12.3", publishing.get_status, **_EXTENSION),
    row("getStatusReport", "GET", "12.4", publishing.get_status_report, **_EXTENSION),
    row("getStatusAudience", "POST", "12.5", publishing.get_status_audience, **_EXTENSION),
    row("readStatus", "POST", "12.8", publishing.read_status, live=True, **_EXTENSION),
    row(
        "sendStatusReaction",
        "POST",
        "12.13",
        publishing.send_status_reaction,
        rate=5,
        **_EXTENSION,
    ),
    row("sendStatusReply", "POST", "12.13", publishing.send_status_reply, rate=5, **_EXTENSION),
    row("getStatusesSummary", "GET", "12.10", lists.get_statuses_summary, **_EXTENSION),
    row("getStatuses", "GET", "12.11", lists.get_statuses, **_EXTENSION),
    row("getStatusViewers", "GET", "12.12", lists.get_status_viewers, **_EXTENSION),
    row("getStatusReactions", "GET", "12.14", statuses.get_status_reactions, **_EXTENSION),
    row("getStatusReplies", "GET", "12.15", statuses.get_status_replies, **_EXTENSION),
    row("getInstanceStatus", "GET", "12.16", glance.get_instance_status, kind="extension"),
    row("getNotifications", "GET", "12.17", notifications.get_notifications, kind="extension"),
    row("testWebhook", "POST", "12.18", notifications.send_test, kind="extension"),
    row(
        "events",
        "GET",
        "12.7",
        notifications.events,
        answer=None,
        streams="events",
        **_EXTENSION,
    ),
    row(
        "exportStatuses",
        "GET",
        "12.6",
        statuses.export_statuses,
        answer=None,
        streams="file",
        bare_integer="minutes",
        **_EXTENSION,
    ),
    row(
        "simulate",
        "POST",
        "12.9",
        statuses.simulate,
        request=Script,
        read=script_from_json,
        takes_array=True,
        sandbox=True,
        body_limit=64 * MIB,
        kind="extension",
    ),
)
"""``/waInstance{idInstance}/{method}/{apiTokenInstance}``"""

PARTNER_METHODS: tuple[Method, ...] = (
    row(
        "createInstance",
        "POST",
        "10",
        partner.create_instance,
        request=CreateInstanceRequest,
        read=partner.read_new_instance,
    ),
    row("getInstances", "GET", "10", partner.get_instances),
    row(
        "deleteInstanceAccount",
        "POST",
        "10",
        partner.delete_instance_account,
        answer=DeleteInstanceAnswer,
    ),
    row("getInstancesStatus", "GET", "12.16", glance.get_instances_status, kind="extension"),
)
"""``/partner/{method}/{partnerToken}``; handlers take no instance"""
