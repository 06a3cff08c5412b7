"""No connection where it must not go, and no answer that says why (S7)."""

import asyncio
from collections.abc import AsyncIterator, Hashable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest

from statusgate.domain.outbound_http import (
    Fault,
    Fetched,
    FetchFailed,
    PushAnswer,
    PushFailed,
    next_step,
)
from statusgate.outbound.addresses import parse_ranges
from statusgate.outbound.client import GuardedClient
from statusgate.outbound.guard import GuardedResolver
from tests.integration.outbound.conftest import LOCAL
from tests.integration.outbound.servers import (
    Names,
    Receiver,
    answer,
    dials,
    receiver,
    reply,
    reply_and_close,
)
from tests.unit.outbound.corpus import ALLOWED, PUBLIC, REFUSED, Case

OK = reply(answer("200 OK", "Content-Type: text/plain", body=b"hello"))
REDIRECTS = (301, 302, 303, 307, 308)


@asynccontextmanager
async def canaries() -> AsyncIterator[tuple[Receiver, Receiver]]:
    """Listeners on 127.0.0.1 and ::1, on the same port."""
    async with receiver(OK) as four, receiver(OK, host="::1", port=four.port) as six:
        yield four, six


@contextmanager
def nothing_happens(four: Receiver, six: Receiver) -> Iterator[None]:
    with dials() as seen:
        yield
    assert seen == []
    assert four.connections == six.connections == 0


def case_client(case: Case) -> GuardedClient:
    return GuardedClient(GuardedResolver((), Names(*case.dns)))


async def test_the_corpus_is_large_enough() -> None:
    assert len({(case.url, case.dns) for case in REFUSED}) >= 300


async def test_pushes_to_the_corpus_connect_nowhere() -> None:
    async with canaries() as (four, six):
        wrong = []
        with nothing_happens(four, six):
            for case in REFUSED:
                async with case_client(case) as client:
                    outcome = await client.push(case.url.format(port=four.port), b"{}", {}, 30)
                expected = Fault.UNREACHABLE if case.dns == ((),) else Fault.BLOCKED
                if not (isinstance(outcome, PushFailed) and outcome.fault is expected):
                    wrong.append((case, outcome))
        assert wrong == []


async def test_fetches_of_the_corpus_connect_nowhere_and_say_the_same(
    tmp_path: Path,
) -> None:
    async with canaries() as (four, six):
        texts = set()
        with nothing_happens(four, six):
            for case in REFUSED:
                url = case.url.format(port=four.port)
                async with case_client(case) as client:
                    with pytest.raises(FetchFailed) as caught:
                        await client.fetch(url, tmp_path / "file", 1000, 30)
                texts.add((type(caught.value), str(caught.value)))
        assert texts == {(FetchFailed, "file could not be fetched")}
        assert list(tmp_path.iterdir()) == []


async def test_a_dead_port_and_a_dead_name_say_the_same(tmp_path: Path) -> None:
    async def no_such_name(_: str, _owner: Hashable) -> list[str]:
        raise OSError(-2, "Name or service not known")

    async with receiver(OK) as gone:
        pass
    texts = set()
    for url in (gone.url, "http://nobody.example/", "http://10.0.0.1/", "http://user@a/"):
        async with GuardedClient(GuardedResolver(LOCAL, no_such_name)) as client:
            with pytest.raises(FetchFailed) as caught:
                await client.fetch(url, tmp_path / "file", 1000, 30)
            texts.add(str(caught.value))
    assert texts == {"file could not be fetched"}


async def test_allowed_ones_are_dialled_at_the_vetted_address() -> None:
    for case, addresses in ALLOWED:
        async with case_client(case) as client:
            with dials(blocked=True) as seen:
                outcome = await client.push(case.url, b"{}", {}, 30)
        assert isinstance(outcome, PushFailed)
        assert outcome.fault is Fault.UNREACHABLE
        assert set(seen) == set(addresses)


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "localhost"])
async def test_the_operator_can_allow_what_is_not_public(host: str, tmp_path: Path) -> None:
    async with (
        canaries() as (four, six),
        GuardedClient(GuardedResolver(LOCAL, Names(["127.0.0.1", "::1"]))) as client,
    ):
        url = f"http://{host}:{four.port}/"
        assert await client.push(url, b"{}", {}, 30) == PushAnswer(200)
        assert await client.fetch(url, tmp_path / "file", 1000, 30) == Fetched("text/plain", 5)
        assert len(four.requests + six.requests) == 2


@pytest.mark.parametrize(
    "host", ["169.254.169.254", "[fd00:ec2::254]", "168.63.129.16", "[64:ff9b::a9fe:a9fe]"]
)
async def test_nobody_can_allow_metadata(host: str) -> None:
    everything = parse_ranges(["0.0.0.0/0", "::/1"])
    async with GuardedClient(GuardedResolver(everything)) as client:
        with dials(blocked=True) as seen:
            outcome = await client.push(f"http://{host}/", b"{}", {}, 30)
    assert isinstance(outcome, PushFailed)
    assert outcome.fault is Fault.BLOCKED
    assert seen == []


async def test_a_name_is_asked_and_judged_at_every_connect() -> None:
    names = Names(["127.0.0.1"], ["10.0.0.1"], ["127.0.0.1"])
    async with (
        receiver(reply_and_close(answer("200 OK"))) as server,
        GuardedClient(GuardedResolver(LOCAL, names)) as client,
    ):
        outcomes = []
        with dials() as seen:
            for _ in range(3):
                url = f"http://rebinding.example:{server.port}/"
                outcomes.append(await client.push(url, b"{}", {}, 30))
                await asyncio.sleep(0.01)
        assert isinstance(outcomes[1], PushFailed)
        assert outcomes[1].fault is Fault.BLOCKED
        assert outcomes[0] == outcomes[2] == PushAnswer(200)
        assert seen == ["127.0.0.1"] * 2
        assert len(names.asked) == 3


async def test_the_second_answer_of_a_name_is_never_dialled() -> None:
    names = Names([PUBLIC], ["127.0.0.1"])
    async with canaries() as (four, _), GuardedClient(GuardedResolver((), names)) as client:
        with dials(blocked=True) as seen:
            await client.push(f"http://rebinding.example:{four.port}/", b"{}", {}, 30)
        assert seen == [PUBLIC]
        assert len(names.asked) == 1


async def test_a_peer_that_was_not_dialled_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As if something between us and the kernel had led the connect elsewhere."""
    async with (
        receiver(OK) as meant,
        receiver(OK, host="127.0.0.2", port=meant.port) as other,
        GuardedClient(GuardedResolver(LOCAL)) as client,
    ):
        loop = asyncio.get_running_loop()
        connect = loop.sock_connect

        async def elsewhere(sock: object, _: object) -> None:
            await connect(sock, ("127.0.0.2", other.port))  # type: ignore[arg-type]

        monkeypatch.setattr(loop, "sock_connect", elsewhere)
        outcome = await client.push(meant.url, b"{}", {}, 30)
        assert isinstance(outcome, PushFailed)
        assert outcome.fault is Fault.BLOCKED
        assert meant.requests == other.requests == []


async def test_connections_are_not_shared_between_names() -> None:
    async with (
        receiver(OK) as server,
        GuardedClient(GuardedResolver(LOCAL, Names(["127.0.0.1"]))) as client,
    ):
        for name in ("a.example", "b.example", "a.example", "A.example", "127.0.0.1"):
            await client.push(f"http://{name}:{server.port}/", b"{}", {}, 30)
        hosts = [request.headers["host"] for request in server.requests]
        used = [request.connection for request in server.requests]
        assert used == [1, 2, 1, 1, 3]
        port = server.port
        assert hosts == [
            f"a.example:{port}",
            f"b.example:{port}",
            f"a.example:{port}",
            f"a.example:{port}",
            f"127.0.0.1:{port}",
        ]


@pytest.mark.parametrize("status", REDIRECTS)
async def test_redirects_are_never_followed(status: int, tmp_path: Path) -> None:
    groups = {case.group: case for case in REFUSED}
    places = [case.url for case in groups.values()]
    places += ["file:///etc/passwd", "gopher://127.0.0.1:{port}/", "http://127.0.0.1:{port}/"]
    async with canaries() as (four, six):
        for place in places:
            where = place.format(port=four.port).encode("ascii", "ignore").decode()
            moved = reply(answer(f"{status} Moved", f"Location: {where}"))
            async with (
                receiver(moved) as server,
                GuardedClient(GuardedResolver(LOCAL, Names(["127.0.0.1"]))) as client,
            ):
                assert await client.push(server.url, b"{}", {}, 30) == PushAnswer(status)
                with pytest.raises(FetchFailed, match="file could not be fetched"):
                    await client.fetch(server.url, tmp_path / "file", 1000, 30)
                assert len(server.requests) == 2
        assert four.connections == six.connections == 0


async def test_no_proxy_and_no_password_file_is_taken_from_the_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("default login me password secret\n")
    monkeypatch.setenv("NETRC", str(netrc))
    async with receiver(OK) as proxy, receiver(OK) as server:
        for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        async with GuardedClient(GuardedResolver(LOCAL)) as client:
            assert await client.push(server.url, b"{}", {}, 30) == PushAnswer(200)
            await client.fetch(server.url, tmp_path / "file", 1000, 30)
        assert proxy.connections == 0
        assert all("authorization" not in request.headers for request in server.requests)


async def test_a_blocked_push_is_the_operators_event() -> None:
    async with GuardedClient() as client:
        outcome = await client.push("http://10.0.0.1/", b"{}", {}, 30)
    assert outcome == PushFailed(Fault.BLOCKED, "10.0.0.1 is private")
    assert next_step(outcome).event == "webhook.blocked"  # type: ignore[union-attr]
