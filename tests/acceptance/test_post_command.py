"""``statusgate post`` and ``statusgate status`` beside a running server."""

import json
import re
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.processes import InstanceClient, ServerProcess, run

ANNA = "79001234567@c.us"
SAMPLES = Path(__file__).parents[2] / "src/statusgate/engines/simulated/samples"


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InstanceClient]:
    with ServerProcess(tmp_path_factory.mktemp("post")) as server:
        made = server.create_instance()
        made.post("setSettings", {"delaySendMessagesMilliseconds": 500})
        made.simulate({"event": "contact", "id": ANNA, "name": "Anna", "contactName": "Anna K"})
        yield made


def command(account: InstanceClient, *arguments: str) -> Any:
    """Run with the account in the environment, as people do."""
    return run(
        *arguments,
        environment={
            "STATUSGATE_URL": f"http://127.0.0.1:{account.server.port}",
            "STATUSGATE_INSTANCE": str(account.id),
            "STATUSGATE_TOKEN": account.token,
        },
    )


def report(account: InstanceClient, *arguments: str) -> dict[str, Any]:
    done = command(account, *arguments, "--json")
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_a_text_prints_its_id(account: InstanceClient) -> None:
    done = command(account, "post", "text", "We open at nine", "--background", "#228B22")
    assert done.returncode == 0, done.stderr
    status_id = done.stdout.strip()
    assert status_id.startswith("3EB0")
    shown = command(account, "status", "show", status_id)
    assert shown.returncode == 0
    assert status_id in shown.stdout


def test_a_post_waits_until_the_time_it_was_given(account: InstanceClient) -> None:
    before = int(time.time())
    done = command(account, "post", "text", "Merry Christmas", "--at", "in 2 hours")
    assert done.returncode == 0, done.stderr
    item = account.get("getStatus", f"idMessage={done.stdout.strip()}").json()
    assert before + 7200 <= item["sendAt"] <= int(time.time()) + 7200
    when = datetime.fromtimestamp(item["sendAt"]).astimezone()
    assert f"will be published {when:%a} {when.isoformat(' ', 'seconds')}" in done.stderr
    account.post("deleteStatus", {"idMessage": item["idMessage"]})


def test_waiting_tells_what_became_of_it(account: InstanceClient) -> None:
    told = report(account, "post", "text", "Hi", "--to", ANNA, "--to", "71@c.us", "--wait")
    assert (told["statusMessage"], told["audience"]["resolved"]) == ("sent", 1)
    assert told == report(account, "status", "show", told["idMessage"])
    for_people = command(account, "status", "show", told["idMessage"])
    assert "skipped: 1 unknown (71@c.us)" in for_people.stdout


def test_whom_a_post_cannot_reach_is_named(account: InstanceClient) -> None:
    before = account.get("getOutgoingStatuses").json()
    done = command(account, "post", "text", "Hi", "--to", "71@c.us")
    assert done.returncode == 1
    assert "nobody to send to: 71@c.us is not on WhatsApp" in done.stderr
    assert account.get("getOutgoingStatuses").json() == before
    done = command(account, "post", "text", "Hi", "--to", "71@c.us", "--to", ANNA)
    assert done.returncode == 0
    assert "left out: 71@c.us is not on WhatsApp" in done.stderr


def test_a_local_file_is_uploaded(account: InstanceClient) -> None:
    picture = str(SAMPLES / "image.jpg")
    told = report(account, "post", "image", picture, "--caption", "Horse", "--wait")
    assert told["statusMessage"] == "sent"
    item = account.get("getStatus", f"idMessage={told['idMessage']}").json()
    assert (item["caption"], item["originalFileName"]) == ("Horse", "image.jpg")
    kinds = {
        "voice": ("audio.ogg", "audioMessage"),
        "video": ("video.mp4", "videoMessage"),
    }
    for kind, (name, wanted) in kinds.items():
        told = report(account, "post", kind, str(SAMPLES / name), "--wait")
        item = account.get("getStatus", f"idMessage={told['idMessage']}").json()
        assert (item["typeMessage"], item["statusMessage"]) == (wanted, "sent"), item


def test_a_failure_is_an_exit_code(account: InstanceClient, tmp_path: Path) -> None:
    file = tmp_path / "a.png"
    file.write_bytes(b"<svg></svg>")
    done = command(account, "post", "image", str(file), "--wait")
    assert done.returncode == 1
    assert "File is not media that WhatsApp can show" in done.stdout


def test_faults_are_one_line(account: InstanceClient) -> None:
    for arguments, said in (
        (("post", "text", "x" * 501), "400: Validation failed"),
        (("post", "image", "nowhere.png"), "there is no file nowhere.png"),
        (("status", "show", "nothing"), "400: ID message notfound"),
        (("status", "show", "x", "--url", "http://127.0.0.1:9"), "cannot reach"),
        (("status", "show", "x", "--url", "ftp://x"), "an http or https URL"),
        (("status", "show", "x", "--url", "http://h:99999"), "h:99999 has no port from 1 to"),
        (("status", "show", "x", "--url", "http://h:eighty"), "h:eighty has no port from 1 to"),
        (("post", "text", "x", "--to", "+7 900 123-45-67"), "write 79001234567@c.us"),
        (("post", "text", "x", "--at", "2020-01-01 09:00"), "has passed"),
        (("post", "text", "x", "--at", "soon"), "'soon' is not a time; write"),
        (("post", "text", "x", "--to", "Anna"), "'Anna' is neither …@c.us nor …@lid"),
    ):
        done = command(account, *arguments)
        assert done.returncode in (1, 2)
        assert said in done.stderr
        assert "Traceback" not in done.stderr


def test_what_is_no_file_to_post_is_named(account: InstanceClient, tmp_path: Path) -> None:
    empty = tmp_path / "empty.png"
    empty.touch()
    for file, said in ((empty, f"{empty} is empty"), (tmp_path, f"{tmp_path} is a folder")):
        done = command(account, "post", "image", str(file))
        assert (done.returncode, done.stdout) == (2, "")
        assert said in done.stderr


def test_waiting_on_an_account_that_is_not_linked_says_why(account: InstanceClient) -> None:
    account.simulate({"event": "state", "state": "notAuthorized"})
    try:
        done = command(account, "post", "text", "Hi", "--wait", "--timeout", "0")
    finally:
        account.simulate({"event": "state", "state": "authorized"})
    assert done.returncode == 1
    first, *_ = done.stderr.splitlines()
    assert first.startswith("the account is notAuthorized: the status goes out once")
    assert "is still pending" in done.stderr


HOSTILE = "日本語 \u202eevil\x1b[31m [bold]x[/bold]"


@pytest.fixture(scope="module")
def posted(account: InstanceClient) -> InstanceClient:
    """Another account: two posts from its phone, one of them seen by Anna."""
    made = account.server.create_instance()
    now = int(time.time())
    receipt = {"event": "receipt", "idMessage": "B1", "participant": ANNA}
    answer = made.simulate(
        {"event": "contact", "id": ANNA, "name": "Anna", "contactName": HOSTILE},
        {"event": "phoneStatus", "type": "text", "text": f"{HOSTILE} {'語' * 40}",
         "idMessage": "B1", "timestamp": now - 60},
        {"event": "phoneStatus", "type": "image", "caption": "From my phone",
         "idMessage": "B2", "timestamp": now - 2 * 86_400},
        receipt | {"status": "read", "timestamp": now - 30},
        receipt | {"participant": "79000000002@c.us", "status": "delivered"},
        {"event": "reaction", "idMessage": "B1", "participant": ANNA, "reaction": "💚"},
        {"event": "reply", "idMessage": "B1", "participant": ANNA, "text": "Lovely"},
    )  # fmt: skip
    assert answer.status == 200, answer.body
    return made


def table(account: InstanceClient, *arguments: str) -> list[list[str]]:
    """The rows of a printed table; columns are at least two spaces apart."""
    done = command(account, "status", *arguments)
    assert done.returncode == 0, done.stderr
    assert not set(done.stdout) & {"\x1b", "\u202e"}
    return [re.split(r" {2,}", line.strip()) for line in done.stdout.splitlines()]


def test_posts_are_listed_with_their_counts(posted: InstanceClient) -> None:
    head, first, second = table(posted, "list")
    assert head == [
        "posted", "kind", "text", "status", "to", "got", "viewed", "likes", "replies", "id",
    ]  # fmt: skip
    assert first[1] == "text"
    assert first[2].startswith("日本語 \\u202eevil\\x1b[31m [bold]x")
    assert first[2].endswith("…")
    assert first[3:] == ["read", "–", "2", "1", "1", "1", "B1"]
    assert second[1:] == ["image", "From my phone", "sent", "–", "0", "0", "0", "0", "B2"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d", second[0])
    assert len(table(posted, "list", "--days", "1")) == 2
    assert len(table(posted, "list", "--limit", "1")) == 2


def test_a_list_goes_on_over_many_pages(account: InstanceClient) -> None:
    busy = account.server.create_instance()
    wanted = [f"B{number}" for number in range(205)]
    now = int(time.time())
    post = {"event": "phoneStatus", "type": "text", "text": "x"}
    posts = [
        post | {"idMessage": status_id, "timestamp": now - number}
        for number, status_id in enumerate(wanted)
    ]
    assert busy.simulate(*posts).status == 200
    for arguments, count in ((("--days", "1"), 205), (("--limit", "203"), 203), ((), 20)):
        done = command(busy, "status", "list", "--json", *arguments)
        assert [item["idMessage"] for item in json.loads(done.stdout)] == wanted[:count]


def test_a_list_for_programs_is_that_of_the_server(posted: InstanceClient) -> None:
    done = command(posted, "status", "list", "--json")
    assert json.loads(done.stdout) == posted.get("getStatuses", "type=outgoing").json()["items"]
    done = command(posted, "status", "summary", "--days", "3", "--json")
    assert json.loads(done.stdout) == posted.get("getStatusesSummary", "days=3").json()
    done = command(posted, "status", "viewers", "B1", "--show", "read", "--json")
    shown = posted.get("getStatusViewers", "idMessage=B1&show=read").json()
    assert json.loads(done.stdout) == shown["items"]


def test_viewers_are_listed_by_name(posted: InstanceClient) -> None:
    head, *rows = table(posted, "viewers", "B1")
    assert head == ["name", "id", "status", "got", "viewed", "like", "replied"]
    anna = next(row for row in rows if ANNA in row)
    assert anna[0].startswith("日本語 \\u202eevil\\x1b[31m")
    assert (anna[2], anna[5], len(anna)) == ("read", "💚", 7)
    assert ["79000000002@c.us", "delivered"] in [row[:2] for row in rows]
    assert len(table(posted, "viewers", "B1", "--show", "unread")) == 2


def test_a_report_tells_likes_and_replies(posted: InstanceClient) -> None:
    told = command(posted, "status", "show", "B1").stdout
    assert "likes: 1 💚\nreplies: 1\n" in told
    assert "likes: none\nreplies: 0\n" in command(posted, "status", "show", "B2").stdout


def test_the_days_are_summed_up(posted: InstanceClient) -> None:
    head, *rows = table(posted, "summary", "--days", "4", "--timezone", "Asia/Kathmandu")
    days = rows[:4]
    assert head[1:] == ["posted", "recipients", "delivered", "read", "reactions", "replies"]
    assert [sum(map(int, column)) for column in list(zip(*days, strict=True))[1:]] == [
        2, 2, 2, 1, 1, 1,
    ]  # fmt: skip
    assert ["by hour of the post (Asia/Kathmandu)"] in rows


@pytest.mark.parametrize(
    ("arguments", "code", "complaint"),
    [
        (("viewers", "NONE"), 1, "400: ID message notfound"),
        (
            ("summary", "--timezone", "Mars"),
            1,
            "'timezone' must be the name of an IANA time zone",
        ),
        (("list", "--limit", "0"), 2, "0 is not in the range"),
        (
            ("viewers", "B1", "--show", "all"),
            2,
            "'all' is not one of 'read', 'unread', 'failed'",
        ),
    ],
)
def test_what_cannot_be_shown_is_said(
    posted: InstanceClient, arguments: tuple[str, ...], code: int, complaint: str
) -> None:
    done = command(posted, "status", *arguments)
    assert done.returncode == code
    assert complaint in done.stderr


def test_somebodys_status_is_answered_by_its_id(account: InstanceClient) -> None:
    theirs = {"event": "incomingStatus", "from": ANNA, "type": "text", "text": "Hi"}
    account.simulate(theirs | {"idMessage": "T1"})
    for words in (("react", "T1", "💚"), ("reply", "T1", "Nice", "--author", ANNA)):
        done = command(account, "status", *words)
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith("3EB0")
    refused = command(account, "status", "react", "T1", "ok")
    assert refused.returncode == 1
    assert "'reaction' must be one emoji" in refused.stderr
