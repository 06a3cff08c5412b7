"""A worker without WhatsApp: it speaks the frames and follows a script.

The account's folder holds ``script.json``: a list of runs, each a JSON object; a start takes
the next one, the last one repeats. Members, all optional: ``exit`` (code after the greeting;
a negative one kills the process by that signal), ``after`` (seconds before that), ``deaf`` (no
answer to signs of life, nor to SIGTERM), ``greeting`` (version; 0: none), ``garbage``,
``records`` (so many are put into the spool at the beginning), ``answers`` (by operation: the
members of the response, or null: none), ``tells`` (volatile events, once linking begins),
``drains`` (false: does not end on request), ``moves`` (at a request the account moves, and this
file is made).
"""

import json
import os
import signal
import socket
import sys
import threading
import time
from pathlib import Path
from typing import Any

import msgspec

from statusgate.domain.address import Address
from statusgate.domain.events import StatusUndecryptable
from statusgate.engines.account_store import AccountStore
from statusgate.engines.neonize.config import Exit, Setup
from statusgate.engines.neonize.ipc import (
    VERSION,
    Ack,
    Beat,
    Channel,
    Drain,
    Ended,
    From,
    Hello,
    Move,
    Now,
    Request,
    Response,
    Vitals,
    raw,
)
from statusgate.engines.neonize.spool_sender import SpoolSender


def next_run(directory: Path) -> dict[str, Any]:
    runs = json.loads((directory / "script.json").read_text())
    counter = directory / "runs"
    number = int(counter.read_text()) if counter.exists() else 0
    counter.write_text(str(number + 1))
    with (directory / "starts").open("a") as starts:
        starts.write(f"{time.monotonic()}\n")
    found = runs[min(number, len(runs) - 1)]
    assert isinstance(found, dict)
    return found


deaf = threading.Event()


def hear(signal_number: int, _frame: Any) -> None:
    if not deaf.is_set():
        leave(-signal_number)


def main() -> None:
    signal.signal(signal.SIGTERM, hear)
    control = socket.socket(fileno=int(sys.argv[1]))
    while (found := socket.recv_fds(control, 1, 1))[0]:
        connection = socket.socket(fileno=found[1][0])
        threading.Thread(target=live, args=(connection,)).start()


def live(connection: socket.socket) -> None:
    channel = Channel(connection)
    setup = channel.receive()
    assert isinstance(setup, Setup)
    directory = Path(setup.directory)
    (directory / "forget").write_text(str(setup.forget))
    (directory / "environment").write_text(json.dumps(dict(os.environ)))
    run = next_run(directory)
    if run.get("garbage"):
        connection.sendall(b"\xff" * 100)
    if run.get("deaf"):
        deaf.set()
    spool = AccountStore(directory, min_free_bytes=0)
    sender = SpoolSender(spool, channel, print)
    if (version := run.get("greeting", VERSION)) != 0:
        channel.send(Hello(v=version, pid=os.getpid()))
    threading.Thread(target=sender.run, daemon=True).start()
    if "exit" in run:
        threading.Timer(run.get("after", 0), leave, [run["exit"]]).start()
    serve(channel, run, spool, sender)
    spool.close()
    if not setup.shared:
        os._exit(0)
    channel.send(Ended(code=0))
    channel.close()


def serve(
    channel: Channel, run: dict[str, Any], spool: AccountStore, sender: SpoolSender
) -> None:
    while (frame := channel.receive()) is not None:
        match frame:
            case From(seq=seq, acked=acked):
                sender.begin(seq, acked)
                count = run.pop("records", 0)
                threading.Thread(target=fill, args=(spool, count), daemon=True).start()
            case Ack(seq=seq):
                sender.ack(seq)
            case Beat():
                if not run.get("deaf"):
                    channel.send(Beat(vitals=Vitals(state="scripted")))
            case Drain() if run.get("drains", True):
                break
            case Move():
                channel.send(Ended(code=Exit.MOVED))
                break
            case Request() if run.get("moves"):
                Path(run["moves"]).touch()
                channel.send(Ended(code=Exit.MOVED))
                break
            case Request():
                answer(channel, run, frame)


def fill(spool: AccountStore, count: int) -> None:
    for _ in range(count):
        number = spool.last + 1
        event = StatusUndecryptable(
            wire_id=f"ID{number}", author=Address(phone="1"), at_ms=number
        )
        spool.append(msgspec.json.encode([event]))


def answer(channel: Channel, run: dict[str, Any], request: Request) -> None:
    response = run.get("answers", {}).get(request.op, {"ok": True})
    if response == "die":
        leave(-9)
    if response is not None:
        channel.send(
            Response(
                id=request.id,
                ok=response.get("ok", False),
                p=raw(response.get("p")),
                err=response.get("err", ""),
                code=response.get("code", 0),
                text=response.get("text", ""),
            )
        )
    if request.op == "begin_linking":
        for event in run.get("tells", []):
            channel.send(Now(p=raw(event)))


def leave(code: int) -> None:
    if code < 0:
        deaf.set()  # what is on its way is the end already
        if code == -signal.SIGTERM:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code)


if __name__ == "__main__":
    main()
