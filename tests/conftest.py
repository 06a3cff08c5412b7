"""What holds for every test: its traffic stays on this machine."""

import socket
from collections.abc import Iterator
from typing import Any

import pytest


@pytest.fixture(scope="session", autouse=True)
def no_name_leaves_this_machine() -> Iterator[None]:
    """Names other than this machine's are unknown, without asking anybody."""
    ask = socket.getaddrinfo

    def known(host: Any, *arguments: Any, **options: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else host
        if name is None or name == "localhost" or _is_number(name):
            return ask(host, *arguments, **options)
        raise socket.gaierror(socket.EAI_NONAME, "names are not looked up in tests")

    socket.getaddrinfo = known
    yield
    socket.getaddrinfo = ask


def _is_number(name: str) -> bool:
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, name.partition("%")[0])
        except OSError:
            continue
        return True
    return False
