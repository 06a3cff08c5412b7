"""Where the server agrees to listen, and with which admin token (contract D41)."""

import pytest

from statusgate.server.folders import StartError
from statusgate.server.run import listening_socket
from statusgate.settings import Settings

LOOPBACK, ANYWHERE = "127.0.0.1", "0.0.0.0"


@pytest.mark.parametrize(
    ("host", "token", "fault"),
    [
        (ANYWHERE, "", "without an admin token"),
        (ANYWHERE, "a", "an admin token of 1 characters: it needs 16 to 128"),
        (ANYWHERE, "a" * 15, "of 15 characters"),
        (ANYWHERE, "a" * 129, "of 129 characters"),
        (ANYWHERE, "mGk/4+b9mGk/4+b9mGk=", "need escaping in a path: use hex"),
        (LOOPBACK, "mGk/4+b9mGk/4+b9mGk=", "need escaping in a path: use hex"),
        (ANYWHERE, "пароль-пароль-пароль", "need escaping in a path: use hex"),
        (LOOPBACK, "two words", "need escaping in a path: use hex"),
    ],
)
def test_a_weak_or_unusable_admin_token_is_refused(host: str, token: str, fault: str) -> None:
    with pytest.raises(StartError) as refused:
        listening_socket(Settings(host=host, port=0, admin_token=token))
    text = str(refused.value)
    assert fault in text
    assert "\n" not in text
    assert len(token) < 2 or token not in text


@pytest.mark.parametrize(
    ("host", "token"),
    [(LOOPBACK, ""), (LOOPBACK, "a"), (ANYWHERE, "aZ09-_.~" * 2), (ANYWHERE, "a" * 128)],
)
def test_a_fitting_admin_token_is_taken(host: str, token: str) -> None:
    listening_socket(Settings(host=host, port=0, admin_token=token)).close()
