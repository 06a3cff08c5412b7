"""An engine process: the accounts that live in it, each with a channel of its own.

Started by the gateway as ``python -m statusgate.engines.neonize.host FD`` where FD is its
control socket. For each account it gets one byte there, and with it the account's end of a
socket pair, on which a ``Setup`` follows. A process whose accounts do not share it ends with
the code of its account, always through ``os._exit``, because threads of the library cannot
be joined.
"""

import logging
import os
import queue
import resource
import select
import signal
import socket
import sys
import threading
from contextlib import suppress
from typing import NoReturn

from statusgate.engines.account_store import StoreInUse
from statusgate.engines.neonize.config import Exit, Setup
from statusgate.engines.neonize.gate import Gate
from statusgate.engines.neonize.ipc import VERSION, Channel, Ended, GatewayGone, ProtocolError
from statusgate.engines.neonize.memory import resident_bytes
from statusgate.engines.neonize.worker import Worker

log = logging.getLogger(__name__)

_TICK_MS = 250
_LOG_BYTES = 4 * 1024 * 1024


class Host:
    """Lets accounts in, and looks after them until the last one has ended."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._gate = Gate()
        self._wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._gone: queue.SimpleQueue[Worker] = queue.SimpleQueue()
        self._changing = threading.Lock()
        self._workers: list[Worker] = []
        self._arriving = 0
        self._ordered_to_end = False
        self._waits_for_others = True
        self._memory_bytes = 0
        self._code: int = Exit.DRAINED

    def run(self) -> NoReturn:
        """Serve until the gateway has gone, or needs the process no more."""
        signal.signal(signal.SIGTERM, lambda *_: self._order_to_end())
        poll = select.poll()
        poll.register(self._wake, select.POLLIN)
        poll.register(self._control, select.POLLIN)
        while True:
            ready = {descriptor for descriptor, _ in poll.poll(_TICK_MS)}
            if self._wake in ready:
                os.eventfd_read(self._wake)
            if self._control.fileno() in ready and not self._let_in():
                poll.unregister(self._control)
                self._waits_for_others = False
            self._look()

    def _look(self) -> None:
        """Look at the accounts and at the process itself."""
        self._check_memory()
        _cap_log()
        while not self._gone.empty():
            worker = self._gone.get()
            self._code = worker.code or Exit.DRAINED
            with suppress(ValueError):  # it gave up, and ended after all
                self._workers.remove(worker)
        for worker in list(self._workers):
            if self._ordered_to_end:
                worker.end(Exit.DRAINED)
            worker.tick()
        with self._changing:
            if not (self._workers or self._arriving or self._waits_for_others):
                logging.shutdown()
                os._exit(self._code)

    def _let_in(self) -> bool:
        """Take the channel of another account; return whether more may come."""
        try:
            said, descriptors, _, _ = socket.recv_fds(
                self._control, 1, 1, socket.MSG_CMSG_CLOEXEC
            )
        except OSError:
            return False
        for descriptor in descriptors:
            with self._changing:
                self._arriving += 1
            channel = Channel(socket.socket(fileno=descriptor))
            threading.Thread(target=self._welcome, args=(channel,), daemon=True).start()
        return bool(said)

    def _welcome(self, channel: Channel) -> None:
        """Set an account up and start it."""
        worker = self._made(channel)
        with self._changing:
            if isinstance(worker, Worker):
                self._workers.append(worker)
            else:
                self._code = worker
            self._arriving -= 1
        if isinstance(worker, Worker):
            worker.start()
            return
        with suppress(GatewayGone):
            channel.send(Ended(code=worker))
        channel.close()
        self._wake_up()

    def _made(self, channel: Channel) -> Worker | Exit:
        """Return the worker of an account that is set up on *channel*, or why there is none."""
        setup: object
        try:
            setup = channel.receive()
        except ProtocolError as error:
            setup = error
        self._waits_for_others &= isinstance(setup, Setup) and setup.shared
        if setup is None:
            return Exit.DRAINED
        if not isinstance(setup, Setup) or setup.version != VERSION:
            return Exit.PROTOCOL
        self._memory_bytes = setup.memory_bytes
        try:
            return Worker(channel, setup, self._gate, self._worker_gone)
        except StoreInUse:
            return Exit.LOCKED
        except OSError:
            log.exception("the account's folder cannot be used")
            return Exit.NO_ROOM
        except Exception:
            log.exception("an account could not be set up")
            return Exit.PROTOCOL

    def _worker_gone(self, worker: Worker) -> None:
        self._gone.put(worker)
        self._wake_up()

    def _order_to_end(self) -> None:
        """End every account in order, and then the process."""
        self._ordered_to_end, self._waits_for_others = True, False
        self._wake_up()

    def _wake_up(self) -> None:
        with suppress(BlockingIOError):  # it wakes already
            os.eventfd_write(self._wake, 1)

    def _check_memory(self) -> None:
        """End at once if too much is in use: an orderly end would take yet more of it."""
        used, limit = resident_bytes(), self._memory_bytes
        if used > limit > 0:
            log.critical("%d MB are in use, %d are allowed", used >> 20, limit >> 20)
            logging.shutdown()
            os._exit(Exit.MEMORY)


def _cap_log() -> None:
    """Empty the log, which is our standard output, before it grows too large."""
    try:
        if os.fstat(2).st_size > _LOG_BYTES:
            os.ftruncate(2, 0)
    except OSError:
        return  # a terminal or a pipe


def _harden() -> None:
    """Keep keys out of core dumps and other people's reach; say nothing to the gateway's."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    os.umask(0o077)
    os.dup2(2, 1)  # the library prints; the gateway gave us a log file as 2
    logging.basicConfig(
        level=logging.INFO,
        stream=sys.stderr,
        format="%(asctime)s [%(threadName)s] %(name)s %(message)s",
        force=True,  # one process, one log
    )


def main() -> NoReturn:
    """Run the process whose control socket is the descriptor in the first argument."""
    _harden()
    Host(socket.socket(fileno=int(sys.argv[1]))).run()


if __name__ == "__main__":
    main()
