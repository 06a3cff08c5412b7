"""Several nodes as processes: killed, stopped and woken, cut off, while posts come in."""

import json
import random
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from itertools import count
from pathlib import Path
from typing import Self

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

    def end_connections(self) -> None:
        """End all connections of all nodes, as a restart of the database does."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE application_name LIKE 'statusgate%'"
            )

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


class Posting:
    """Posts to one account after the other until it is told to stop."""

    def __init__(self, cluster: Cluster, clients: list[InstanceClient]) -> None:
        self.nodes: list[ServerProcess] = [*cluster.nodes.values()]
        """whom to ask, in this order"""
        self.accepted: dict[int, list[str]] = {client.id: [] for client in clients}
        self._cluster = cluster
        self._clients = clients
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        for number in count():
            if self._over.is_set():
                return
            client = self._clients[number % len(self._clients)]
            told = self._cluster.post(client, self.nodes, f"{number}")
            self.accepted[client.id].append(told)

    def check(self, node: ServerProcess) -> None:
        """Everything that was accepted is sent, and shown once."""
        for client in self._clients:
            until(partial(self._all_sent, client, node), seconds=120)
            shown = sent(client, node)
            assert len(shown) == len(set(shown))

    def _all_sent(self, client: InstanceClient, node: ServerProcess) -> bool:
        return set(self.accepted[client.id]) <= set(sent(client, node))


@pytest.mark.parametrize("how", ["killed", "stopped"])
def test_accounts_of_a_lost_node_go_on_elsewhere_and_nothing_accepted_is_lost(
    cluster: Cluster, how: str
) -> None:
    nodes = [*cluster.nodes.values()]
    clients = [nodes[0].create_instance() for _ in range(ACCOUNTS)]
    ids = {client.id for client in clients}
    until(lambda: cluster.owners().keys() == ids, seconds=60)
    until(lambda: len(set(cluster.owners().values())) == 3, seconds=60)
    time.sleep(1.0)  # accounts are known on every node within a second
    posting = Posting(cluster, clients)
    posting.nodes = nodes[1:]
    with posting:
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
    posting.check(nodes[1])
    assert seconds <= TAKEN_OVER_SECONDS


HISTORY = """
CREATE TABLE history (
    no BIGINT GENERATED ALWAYS AS IDENTITY,
    what TEXT, instance_id BIGINT, before BIGINT, after BIGINT
);
CREATE FUNCTION note_claim() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO history (what, instance_id, before, after)
    VALUES ('claim', NEW.instance_id, OLD.node, NEW.node);
    RETURN NEW;
END $$;
CREATE FUNCTION note_node() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO history (what, after) VALUES ('joined', NEW.node);
    ELSE
        INSERT INTO history (what, before) VALUES ('gone', OLD.node);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER note_claim AFTER UPDATE ON owners FOR EACH ROW EXECUTE FUNCTION note_claim();
CREATE TRIGGER note_node AFTER INSERT OR DELETE ON nodes
    FOR EACH ROW EXECUTE FUNCTION note_node();
"""
Step = tuple[str, int | None, int | None, int | None]


def double_owners(history: list[Step]) -> list[Step]:
    """The claims by which an account went from a node that had not gone to another one."""
    gone: set[int | None] = {0, None}
    wrong = []
    for step in history:
        what, _, before, after = step
        if what == "gone":
            gone.add(before)
        elif what == "claim" and after and before != after and before not in gone:
            wrong.append(step)
    return wrong


def test_the_judge_of_histories_finds_a_double_owner() -> None:
    joined: list[Step] = [("joined", None, None, 1), ("joined", None, None, 2)]
    taken: list[Step] = [("claim", 9, 0, 1), ("claim", 9, 1, 2)]
    assert double_owners([*joined, *taken]) == [("claim", 9, 1, 2)]
    assert double_owners([*joined, taken[0], ("gone", None, 1, None), taken[1]]) == []
    assert double_owners([*joined, taken[0], ("claim", 9, 1, 0), ("claim", 9, 0, 2)]) == []


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_random_faults_make_no_double_owner_and_lose_nothing(
    cluster: Cluster, seed: int
) -> None:
    chance = random.Random(seed)
    with psycopg.connect(cluster.url, autocommit=True) as connection:
        connection.execute(HISTORY)
    clients = [cluster.nodes["a"].create_instance() for _ in range(8)]
    ids = {client.id for client in clients}
    until(lambda: cluster.owners().keys() == ids, seconds=60)
    time.sleep(1.0)  # accounts are known on every node within a second
    with Posting(cluster, clients) as posting:
        for _ in range(20):
            name = chance.choice("abc")
            node = cluster.nodes[name]
            match chance.choice(("kill", "stop", "end", "cut")):
                case "kill":
                    node.kill()
                    time.sleep(chance.uniform(0, 20))
                    node.start()
                case "stop":
                    node.signal(signal.SIGSTOP)
                    time.sleep(chance.uniform(0, 30))
                    node.signal(signal.SIGCONT)
                case "end":
                    assert node.stop() == 0
                    node.start()
                case _:
                    cluster.end_connections()
    until(lambda: cluster.owners().keys() == ids, seconds=60)
    posting.check(cluster.nodes["a"])
    with psycopg.connect(cluster.url) as connection:
        history = connection.execute(
            "SELECT what, instance_id, before, after FROM history ORDER BY no"
        ).fetchall()
    assert len(history) > 20
    assert double_owners(history) == []
