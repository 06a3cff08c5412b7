"""Signatures, judged by the official verifier."""

import base64
import time
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook, WebhookVerificationError

from statusgate.outbound.headers import push_headers
from statusgate.outbound.signing import parse_secret, sign

KEY = bytes(range(32))
TEXT = "whsec_" + base64.b64encode(KEY).decode()
OTHER = "whsec_" + base64.b64encode(b"o" * 24).decode()
BODY = '{"text":"Доброе утро","n":1}'.encode()


def signed(*texts: str, body: bytes = BODY, age_seconds: int = 0) -> dict[str, str]:
    secrets = [parse_secret(text) for text in texts]
    return push_headers("", secrets, "msg_1", int(time.time()) - age_seconds, body)


def accepts(text: str, body: bytes, headers: dict[str, str]) -> bool:
    try:
        Webhook(text).verify(body, headers, json_parse=False)
    except (WebhookVerificationError, ValueError):
        return False
    return True


@given(
    st.binary(min_size=24, max_size=64),
    st.text(st.characters(codec="utf-8"), max_size=200),
)
def test_the_official_verifier_accepts_every_secret_and_body(key: bytes, text: str) -> None:
    secret = "whsec_" + base64.b64encode(key).decode()
    body = text.encode()
    assert accepts(secret, body, signed(secret, body=body))


def test_it_equals_the_official_signer() -> None:
    at = datetime.fromtimestamp(1_710_134_000, tz=UTC)
    ours = sign([parse_secret(TEXT)], "msg_1", 1_710_134_000, BODY)
    assert ours == Webhook(TEXT).sign("msg_1", at, BODY.decode())


def test_one_changed_byte_anywhere_is_noticed() -> None:
    headers = signed(TEXT)
    for place in range(len(BODY)):
        tampered = bytearray(BODY)
        tampered[place] ^= 1
        assert not accepts(TEXT, bytes(tampered), headers)
    for name in ("webhook-id", "webhook-timestamp", "webhook-signature"):
        value = headers[name]
        for place in range(len(value)):
            # E, for in the last place B would differ only in bits that belong to no byte
            swapped = "E" if value[place] == "A" else "A"
            changed = value[:place] + swapped + value[place + 1 :]
            assert not accepts(TEXT, BODY, {**headers, name: changed})
    assert not accepts(TEXT, BODY[:-1], headers)
    assert not accepts(TEXT, BODY + b" ", headers)
    assert not accepts(OTHER, BODY, headers)


def test_while_rotating_both_secrets_are_accepted() -> None:
    headers = signed(TEXT, OTHER)
    assert headers["webhook-signature"].count(" ") == 1
    assert accepts(TEXT, BODY, headers)
    assert accepts(OTHER, BODY, headers)


@pytest.mark.parametrize(
    ("age", "accepted"), [(290, True), (-290, True), (360, False), (-360, False)]
)
def test_the_timestamp_is_that_of_the_attempt(age: int, *, accepted: bool) -> None:
    assert accepts(TEXT, BODY, signed(TEXT, age_seconds=age)) is accepted


@given(st.binary(max_size=100))
def test_a_secret_is_24_to_64_bytes(key: bytes) -> None:
    text = "whsec_" + base64.b64encode(key).decode()
    if 24 <= len(key) <= 64:
        parse_secret(text)
    else:
        with pytest.raises(ValueError, match="24 to 64 bytes"):
            parse_secret(text)


@pytest.mark.parametrize(
    "text", ["", "whsec_", TEXT[6:], TEXT + "!", TEXT[:-2], "WHSEC_" + TEXT[6:], TEXT + "ключ"]
)
def test_a_wrong_secret_is_not_shown(text: str) -> None:
    with pytest.raises(ValueError, match="signing secret") as caught:
        parse_secret(text)
    assert TEXT[6:20] not in str(caught.value)


def test_a_secret_does_not_show_itself() -> None:
    assert repr(parse_secret(TEXT)) == str(parse_secret(TEXT)) == "Secret(***)"


@pytest.mark.parametrize("webhook_id", ["", "a.b", "a b", "a\n", "я"])
def test_an_id_that_could_be_read_in_two_ways_is_refused(webhook_id: str) -> None:
    with pytest.raises(ValueError, match="webhook_id"):
        sign([parse_secret(TEXT)], webhook_id, 1, BODY)
