"""F6, F7: a full disk and a disk that fails, seen from outside."""

from pathlib import Path

from tests.acceptance.processes import InstanceClient, ServerProcess
from tests.waiting import until


def faulty_server(folder: Path) -> tuple[ServerProcess, Path]:
    fault = folder / "fault"
    server = ServerProcess(folder, module="tests.acceptance.faulty", FAULT_FILE=str(fault))
    return server, fault


def incoming(number: int) -> dict[str, object]:
    return {
        "event": "incomingStatus",
        "from": "79001234567@c.us",
        "type": "text",
        "text": f"status {number}",
        "idMessage": f"A{number}",
    }


def prepare(server: ServerProcess) -> InstanceClient:
    account = server.create_instance()
    contact = {"event": "contact", "id": "79001234567@c.us", "contactName": "Anna K"}
    assert account.simulate(contact, incoming(0)).status == 200
    return account


def ids(account: InstanceClient) -> set[str]:
    answer = account.get("getIncomingStatuses")
    assert answer.status == 200, answer.body
    return {item["idMessage"] for item in answer.json()}


def test_a_full_disk_means_no_false_success_reads_go_on_and_service_returns(
    tmp_path: Path,
) -> None:
    server, fault = faulty_server(tmp_path)
    with server:
        account = prepare(server)
        fault.write_text("full")
        for attempt in range(3):
            answer = account.get("updateApiToken")
            assert answer.status in (503, 507), (attempt, answer.body)
            assert int(answer.headers["Retry-After"]) >= 1
            assert ids(account) == {"A0"}
        fault.write_text("")
        until(lambda: account.simulate(incoming(1)).status == 200)
        assert ids(account) == {"A0", "A1"}
        assert server.stop() == 0
        server.start()
        assert ids(account) == {"A0", "A1"}


def test_below_the_low_water_mark_writes_are_refused_and_reads_go_on(
    tmp_path: Path,
) -> None:
    with ServerProcess(tmp_path) as server:
        account = prepare(server)
        assert server.stop() == 0
    with ServerProcess(tmp_path, STATUSGATE_MIN_FREE_MB=str(1 << 40)) as server:
        again = InstanceClient(server, account.id, account.token)
        assert ids(again) == {"A0"}
        answer = again.get("updateApiToken")
        assert answer.status in (503, 507)
        assert "Retry-After" in answer.headers
        assert ids(again) == {"A0"}


def test_an_io_error_ends_the_process_and_the_record_recovers(tmp_path: Path) -> None:
    server, fault = faulty_server(tmp_path)
    with server:
        account = prepare(server)
        fault.write_text("eio")
        answer = account.get("updateApiToken")
        assert answer.status == 503
        assert server.wait() == 70
        fault.write_text("")
        server.start()
        assert ids(account) == {"A0"}
        assert account.simulate(incoming(1)).status == 200
        assert ids(account) == {"A0", "A1"}
