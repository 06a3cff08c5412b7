"""Several nodes as processes: one is killed, or stopped and woken, while posts come in."""

import json
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import psycopg
import pytest

from tests.acceptance.processes import InstanceClient, ServerProcess
from tests.databases import fresh_schema, postgres_server
from tests.waiting import until

__all__ = ["postgres_server"]
pytestmark = [pytest.mark.soak, pytest.mark.postgres]
ACCOUNTS = 30
TAKEN_OVER_SECONDS = 25


class Cluster:
    """Nodes on one database, with accounts; the client retries as a proxy would."""

    def __init__(self, folder: Path, url: str, names: str) -> None:
        self.url = url
        self.nodes = {
            name: ServerProcess(
                folder / name,
                database=url,
                STATUSGATE_NODE=name,
                STATUSGATE_SERVER_KEY="5a" * 32,
                STATUSGATE_MEDIA=str(folder / "media"),
            )
            for name in names
        }
        for name in names:
            (folder / name).mkdir()

    def owners(self) -> dict[int, str]:
        """The name of the living node that owns each account; none is left out."""
        with psycopg.connect(self.url) as connection:
            rows = connection.execute(
                "SELECT o.instance_id, n.name FROM owners o JOIN nodes n ON n.node = o.node"
            ).fetchall()
        return dict(rows)

    def names(self) -> set[str]:
        """The nodes that live."""
        with psycopg.connect(self.url) as connection:
            return {name for (name,) in connection.execute("SELECT name FROM nodes").fetchall()}

    def post(self, client: InstanceClient, nodes: list[ServerProcess], text: str) -> str:
        """Post by the first node that accepts it; returns the id."""
        body = {"message": text, "participants": ["79001112233@c.us"]}
        path = f"/waInstance{client.id}/sendTextStatus/{client.token}"
        for _ in range(60):
            for node in nodes:
                try:
                    answer = node.request("POST", path, body, timeout=3)
                except OSError:
                    continue
                if answer.status == 200:
                    return str(answer.json()["idMessage"])
            time.sleep(0.1)
        raise AssertionError("no node accepts posts")


@pytest.fixture
def cluster(tmp_path: Path, postgres_server: str) -> Iterator[Cluster]:
    made = Cluster(tmp_path, fresh_schema(postgres_server), "abc")
    with ExitStack() as stack:
        for node in made.nodes.values():
            stack.enter_context(node)
        yield made


def sent(client: InstanceClient, node: ServerProcess) -> list[str]:
    """The ids of the statuses of an account that are sent, as a node shows them."""
    path = f"/waInstance{client.id}/getOutgoingStatuses/{client.token}"
    items = json.loads(node.request("GET", path).body)
    return [one["idMessage"] for one in items if one["statusMessage"] != "pending"]


@pytest.mark.parametrize("how", ["killed", "stopped"])
def test_accounts_of_a_lost_node_go_on_elsewhere_and_nothing_accepted_is_lost(
    cluster: Cluster, how: str
) -> None:
    nodes = [*cluster.nodes.values()]
    clients = [nodes[0].create_instance() for _ in range(ACCOUNTS)]
    ids = {client.id for client in clients}
    until(lambda: cluster.owners().keys() == ids, seconds=60)
    until(lambda: len(set(cluster.owners().values())) == 3, seconds=60)
    accepted: dict[int, list[str]] = {client.id: [] for client in clients}
    over = threading.Event()

    def keep_posting() -> None:
        number = 0
        while not over.is_set():
            client = clients[number % ACCOUNTS]
            accepted[client.id].append(cluster.post(client, nodes[1:], f"{number}"))
            number += 1

    time.sleep(1.0)  # accounts are known on every node within a second
    posting = threading.Thread(target=keep_posting)
    posting.start()
    try:
        nodes[0].signal(signal.SIGKILL if how == "killed" else signal.SIGSTOP)
        began = time.monotonic()

        def others_own_all() -> bool:
            owners = cluster.owners()
            return owners.keys() == ids and "a" not in owners.values()

        until(others_own_all, seconds=60)
        seconds = time.monotonic() - began
        print(f"{how}: all accounts run elsewhere after {seconds:.1f} s")
        if how == "stopped":
            nodes[0].signal(signal.SIGCONT)
            until(lambda: "a" in cluster.names(), seconds=60)
        time.sleep(5.0)
    finally:
        over.set()
        posting.join()
    for client in clients:
        until(
            lambda client=client: set(sent(client, nodes[1])) >= set(accepted[client.id]),  # type: ignore[misc]
            seconds=120,
        )
        shown = sent(client, nodes[1])
        assert len(shown) == len(set(shown))
    assert seconds <= TAKEN_OVER_SECONDS
