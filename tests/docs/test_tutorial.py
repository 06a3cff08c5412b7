"""The tutorial, done from its first line to its last, and its translations."""

import json
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import which

import pytest

from tests.acceptance.processes import InstanceClient, ServerProcess
from tests.docs.pages import ROOT, fences
from tests.docs.reader import paste, terminal
from tests.waiting import until

TUTORIAL = ROOT / "docs/tutorial/first-status.md"
SECOND = ROOT / "docs/tutorial/your-own-data.md"
NOT_RUN = ("make setup", ". .venv/", "statusgate serve", "rm -r", "python3 receiver.py")
"""Done otherwise here: the environment is that of the tests, servers are processes beside."""
_SERVE = re.compile(r"^(?:\w+=\S+ )?statusgate serve")
KEPT = "URL ID TOKEN STATUSGATE_URL STATUSGATE_INSTANCE STATUSGATE_TOKEN picture"


class Reader:
    """Somebody who types what the tutorials say, in one terminal after the other."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.ports = {"9000": str(_free_port())}
        """by the port that a page names"""
        self._environment = terminal(folder)
        self._variables = folder / "variables"
        self._variables.touch()
        (folder / "src").symlink_to(ROOT / "src")

    def types(self, blocks: list[str]) -> str:
        """Run *blocks*; what they printed."""
        lines = "".join(blocks).splitlines()
        script = "\n".join(
            line for line in lines if not line.startswith(NOT_RUN) and not _SERVE.match(line)
        )
        for named, free in self.ports.items():
            script = script.replace(f"127.0.0.1:{named}", f"127.0.0.1:{free}")
            script = script.replace(f'"127.0.0.1", {named}', f'"127.0.0.1", {free}')
        keeps = f"declare -p {KEPT} 2>/dev/null >{self._variables} || true"
        return paste(f". {self._variables}\n{script}\n{keeps}", self.folder, self._environment)

    @contextmanager
    def serves(self, data: Path, port: str) -> Iterator[ServerProcess]:
        """The gateway over *data*, at what the page calls *port*."""
        with ServerProcess(data, STATUSGATE_OUTBOUND_ALLOW="127.0.0.1") as server:
            self.ports[port] = str(server.port)
            yield server


@contextmanager
def receiving(program: Path, port: str) -> Iterator[Path]:
    """The reader's receiver, and what it prints."""
    printed = program.with_suffix(".log")
    with printed.open("wb") as out:
        process = subprocess.Popen([sys.executable, str(program)], stdout=out)
    try:
        until(lambda: _answers(int(port)), "a receiver")
        yield printed
    finally:
        process.terminate()
        process.wait(timeout=30)


def _answers(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def _free_port() -> int:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return int(server.getsockname()[1])


def _commands(page: Path) -> list[str]:
    return [text for label, text in fences(page) if label == "sh"]


def _until(blocks: list[str], word: str) -> list[str]:
    """The blocks up to the first with *word*, which is the last; they are taken away."""
    end = next(at for at, block in enumerate(blocks) if word in block) + 1
    first, blocks[:] = blocks[:end], blocks[end:]
    return first


@pytest.mark.skipif(which("curl") is None, reason="the tutorials use curl")
def test_somebody_who_follows_the_tutorials_is_viewed_and_moves_elsewhere(
    tmp_path: Path,
) -> None:
    reader = Reader(tmp_path)
    blocks = _commands(TUTORIAL)
    made = json.loads(reader.types(_until(blocks, "instance create")))
    with reader.serves(reader.data, "8080") as server:
        account = InstanceClient(server, made["idInstance"], made["apiTokenInstance"])
        until(lambda: len(account.get("getContacts").json()) == 40, "forty people")
        shown = reader.types(blocks)
        assert '{"stateInstance":"authorized"}' in shown
        assert '"total":40' in shown
        assert '"reaction":"💚"' in shown
        assert '"textMessage":"Keep one for me!"' in shown
        assert (tmp_path / "receipts.csv").read_text().count("\n") > 40

        blocks = _commands(SECOND)
        shown = reader.types(_until(blocks, "python views.py"))
        assert '"total":3,' in shown
        assert '"duplicate":1' in shown
        assert re.search(r"79990000002@c.us .*😍", shown)
        assert re.search(r"^0\.0 +\d+$", shown, re.MULTILINE)
        reader.types(_until(blocks, "receiver.py"))
        with receiving(tmp_path / "receiver.py", reader.ports["9000"]) as printed:
            assert '{"status":200,' in reader.types(_until(blocks, "testWebhook"))
            reader.types(_until(blocks, "statusgate backup"))
            server.stop()
            reader.types(_until(blocks, "statusgate restore"))
            with reader.serves(tmp_path / "elsewhere/data", "8090"):
                shown = reader.types(blocks)
                assert re.search(r"79990000002@c.us .*😍", shown)
                assert "For three" in shown
                until(lambda: "outgoingMessageStatus" in printed.read_text(), "a webhook")
            assert printed.read_text().startswith("test")


@pytest.mark.parametrize("page", [TUTORIAL, SECOND], ids=lambda page: page.stem)
@pytest.mark.parametrize("language", ["ru", "he"])
def test_a_translation_has_the_commands_of_the_original(page: Path, language: str) -> None:
    assert list(fences(page.with_suffix(f".{language}.md"))) == list(fences(page))
