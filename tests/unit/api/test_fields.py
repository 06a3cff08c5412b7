"""Reading request structs: leniency, order of faults, texts (contract 2.4)."""

from typing import Any

import pytest

from statusgate.api.partner import read_new_instance
from statusgate.domain.errors import BadRequestData, InvalidRequest
from statusgate.domain.instance import InstanceSettings
from statusgate.wire import requests
from statusgate.wire.fields import reader
from statusgate.wire.settings import read_settings_change

CHAT = "must be one of the next formats: 'phone_number@c.us' or 'chat_id@lid'"
NOT_PRINTABLE = "'webhookUrlToken' must contain only printable characters"
NOT_SWITCH = "must be one of [yes, no]"


NO_NUMBERS: list[object] = [
    "x", "1.5", 1.5, True, [], {}, "1e3", " 1", "１", "9" * 30, 1e300,
]  # fmt: skip


def fault(kind: Any, given: dict[str, object]) -> str:
    with pytest.raises(InvalidRequest) as refused:
        reader(kind)(given)
    return refused.value.detail


@pytest.mark.parametrize(
    ("value", "minutes"),
    [
        (60, 60), ("60", 60), (60.0, 60), ("60.0", 60), (None, 1440), ("", 1440),
        (10**15, 10**15),
    ],
)  # fmt: skip
def test_minutes_are_read_leniently(value: object, minutes: int) -> None:
    assert reader(requests.WindowRequest)({"minutes": value, "x": 1}).minutes == minutes


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "'minutes' must be greater than or equal to 1"),
        (-5, "'minutes' must be greater than or equal to 1"),
        ("0", "'minutes' must be greater than or equal to 1"),
        *((value, "'minutes' must be a number") for value in NO_NUMBERS),
    ],
)  # fmt: skip
def test_bad_minutes_are_named(value: object, text: str) -> None:
    assert fault(requests.WindowRequest, {"minutes": value}) == text


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({}, "'idMessage' is required"),
        ({"idMessage": None}, "'idMessage' is required"),
        ({"idMessage": ""}, "'idMessage' is not allowed to be empty"),
        ({"idMessage": 5}, "'idMessage' must be a string"),
        ({"idMessage": "x" * 129},
         "'idMessage' length must be less than or equal to 128 characters long"),
    ],
)  # fmt: skip
def test_id_message(given: dict[str, object], text: str) -> None:
    assert fault(requests.StatusRequest, given) == text


def test_only_the_first_fault_is_named_in_order_of_the_table() -> None:
    assert fault(requests.MessageRequest, {"idMessage": 5}) == "'chatId' is required"
    assert fault(requests.MessageRequest, {"chatId": "a@c.us"}) == "'idMessage' is required"


@pytest.mark.parametrize("value", ["x", "12@g.us", "@c.us", "12@c.us ", "status@broadcast"])
def test_chat_ids(value: str) -> None:
    assert fault(requests.ContactRequest, {"chatId": value}) == f"'chatId' {CHAT}"


def test_contact_names_are_joined() -> None:
    read = reader(requests.NameContactRequest)
    whole = read({"chatId": "7@c.us", "firstName": "Anna", "lastName": "K"})
    half = read({"chatId": "7@c.us", "firstName": "Anna", "lastName": None})
    assert (whole.contact_name, half.contact_name) == ("Anna K", "Anna")


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({}, "'phoneNumber' is required"),
        ({"phoneNumber": "123"}, "'phoneNumber' must be a number of 10 to 15 digits"),
        ({"phoneNumber": "+79001234567"}, "'phoneNumber' must be a number of 10 to 15 digits"),
        ({"phoneNumber": 10**15}, "'phoneNumber' must be a number of 10 to 15 digits"),
    ],
)
def test_linking_phone_numbers(given: dict[str, object], text: str) -> None:
    assert fault(requests.AuthorizationCodeRequest, given) == text


def test_the_number_to_look_up_may_be_a_chat_id() -> None:
    read = reader(requests.CheckWhatsappRequest)
    assert read({"phoneNumber": "70000000002"}).address.phone == "70000000002"
    assert read({"chatId": "5@lid", "phoneNumber": ""}).address.lid == "5"
    with pytest.raises(InvalidRequest, match="'phoneNumber' is required"):
        read({}).address  # noqa: B018


@pytest.mark.parametrize(
    ("value", "stored"),
    [("yes", True), ("no", False), (True, True), (False, False), ("true", True),
     ("false", False)],
)  # fmt: skip
def test_switches_take_every_spelling(value: object, stored: bool) -> None:
    for key, name in (("outgoingWebhook", "outgoing_webhook"), ("linkPreview", "link_preview")):
        assert read_settings_change({key: value}) == {name: stored}


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"outgoingWebhook": "Yes"}, f"'outgoingWebhook' {NOT_SWITCH}"),
        ({"stateWebhook": 1}, f"'stateWebhook' {NOT_SWITCH}"),
        ({"statusWebhook": []}, f"'statusWebhook' {NOT_SWITCH}"),
        ({"linkPreview": "on"}, "'linkPreview' must be one of [true, false]"),
        ({"delaySendMessagesMilliseconds": 499},
         "'delaySendMessagesMilliseconds' must be greater than or equal to 500"),
        ({"delaySendMessagesMilliseconds": 600001},
         "'delaySendMessagesMilliseconds' must be less than or equal to 600000"),
        ({"delaySendMessagesMilliseconds": "x"},
         "'delaySendMessagesMilliseconds' must be a number"),
        ({"autoTyping": -1}, "'autoTyping' must be greater than or equal to 0"),
        ({"webhookUrlToken": "a\nb"}, NOT_PRINTABLE),
        ({"webhookUrlToken": "ж"}, NOT_PRINTABLE),
        ({"webhookUrlToken": "x" * 4097},
         "'webhookUrlToken' length must be less than or equal to 4096 characters long"),
        ({"webhookUrl": 5}, "'webhookUrl' must be a string"),
        *(({"webhookUrl": url}, "'webhookUrl' must be a valid uri")
          for url in ("x", "ftp://h/", "http://", "http://u@/", "http://h/\n", "http://h\\x",
                      "http:/h", "//h/x", "http://[::1", "http://h/" + "a" * 2048)),
        *(({"webhookUrl": url}, "'webhookUrl' must not contain a user name or password")
          for url in ("http://u@h/", "https://u:p@h:8443/")),
        *(({"webhookUrl": url},
           "'webhookUrl' must have one of the ports 80, 443 and 1024 to 65535")
          for url in ("http://h:22/", "http://h:0/", "http://h:/", "http://h:99999/",
                      "http://h:x/")),
        ({"webhookUrl": "http://h/a#b"}, "'webhookUrl' must not contain a fragment"),
    ],
)  # fmt: skip
def test_bad_settings_are_named(given: dict[str, object], text: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        read_settings_change(given)
    assert refused.value.detail == text


@pytest.mark.parametrize(
    "url", ["https://h.example/x?y=1", "http://h:8443/", "http://[::1]/", ""]
)
def test_webhook_urls(url: str) -> None:
    assert read_settings_change({"webhookUrl": url}) == {"webhook_url": url}


@pytest.mark.parametrize("given", [{}, {"wid": "1@c.us", "unknown": 5}])
def test_settings_without_a_known_key_are_refused(given: dict[str, object]) -> None:
    with pytest.raises(BadRequestData):
        read_settings_change(given)


def test_absent_settings_stay_as_they_are() -> None:
    assert read_settings_change({"outgoingWebhook": None, "stateWebhook": ""}) == {}


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"name": "x" * 256},
         "'name' length must be less than or equal to 255 characters long"),
        ({"name": 5}, "'name' must be a string"),
        ({"engine": "x"}, "'engine' must be one of [neonize, simulated]"),
        ({"idInstance": "0123"}, "'idInstance' must be a number of 1 to 18 digits"),
        ({"idInstance": 0}, "'idInstance' must be a number of 1 to 18 digits"),
        ({"idInstance": 10**18}, "'idInstance' must be a number of 1 to 18 digits"),
        ({"idInstance": "x"}, "'idInstance' must be a number of 1 to 18 digits"),
        ({"apiTokenInstance": "short"},
         "'apiTokenInstance' must be 32 to 128 letters, digits, '_' or '-'"),
        ({"apiTokenInstance": "x" * 31 + "/"},
         "'apiTokenInstance' must be 32 to 128 letters, digits, '_' or '-'"),
        ({"stateWebhook": "x", "engine": "y"}, f"'stateWebhook' {NOT_SWITCH}"),
    ],
)  # fmt: skip
def test_bad_new_instances_are_named(given: dict[str, object], text: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        read_new_instance(given)
    assert refused.value.detail == text


def test_a_new_instance_has_every_default() -> None:
    new = read_new_instance({"unknown": 1, "engine": "", "idInstance": None})
    assert (new.name, new.engine, new.id, new.token) == ("", "neonize", None, None)
    assert new.settings == InstanceSettings()
