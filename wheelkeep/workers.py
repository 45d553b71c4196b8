"""Several processes that do the same work: started together, replaced when they die, told to leave together.

The supervisor only waits. It has neither a loop nor a thread and opens nothing of what it supervises, so that it can fork
at any time. Each worker hears it through a channel of its own and hears nobody else: a signal that a terminal or a service
manager sends to every process at once is passed on by the supervisor, and counts once. When the channel ends the other
side is gone: a worker without its supervisor leaves, and a supervisor replaces its worker.
"""

import os
import selectors
import signal
import socket
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import NoReturn, Protocol

import structlog

from mirror.errors import WheelkeepError
from wheelkeep.terminal import Failed

READY = b"\n"
"""What a worker says first; anything else is the sentence why it cannot."""
GRACE_SECONDS = 5.0
"""For what a worker has to close when its answers have ended."""
STEADY_SECONDS = 10.0
"""A worker that lived so long was well: the next death is the first again."""
MOST_FALSE_STARTS = 5
"""In a row, of one worker, before all leave."""
_FIRST_PAUSE_SECONDS = 0.1
_LONGEST_PAUSE_SECONDS = 10.0
_SIGNALS = (signal.SIGTERM, signal.SIGINT)

_log = structlog.stdlib.get_logger("wheelkeep.workers")


class Work(Protocol):
    """What each worker does, in its own process."""

    def __call__(self, number: int, orders: socket.socket, ready: Callable[[], None]) -> None:
        """Call `ready` once, and work until told to leave.

        Args:
            number: of the worker, from 1 on; the one that replaces it has the same.
            orders: each byte is the number of a signal; the end is a SIGTERM.
            ready: tells the supervisor.

        Raises:
            Failed, WheelkeepError: it cannot be done; the message is one sentence.
        """


@dataclass(slots=True)
class _Worker:
    number: int
    process: int
    channel: socket.socket
    born: float
    said: bytes = b""

    @property
    def is_ready(self) -> bool:
        return self.said.startswith(READY)

    @property
    def complaint(self) -> str:
        return self.said.removeprefix(READY).decode("utf-8", "replace")


class Supervisor:
    """Keeps so many workers alive. `run` it once, in a process without threads.

    Args:
        count: of workers.
        work: of each.
        drain_seconds: no worker is killed sooner after it was told to leave.
        on_ready: called once, when all are ready for the first time.
        on_death: called with the number of each worker that has ended.
        on_leaving: called once, before the workers are told to leave.
    """

    def __init__(
        self,
        count: int,
        work: Work,
        *,
        drain_seconds: float,
        on_ready: Callable[[], None],
        on_death: Callable[[int], None],
        on_leaving: Callable[[], None],
    ) -> None:
        self._count = count
        self._work = work
        self._drain_seconds = drain_seconds
        self._on_ready = on_ready
        self._on_death = on_death
        self._on_leaving = on_leaving
        self._selector = selectors.DefaultSelector()
        self._living: dict[int, _Worker] = {}
        self._due: dict[int, float] = dict.fromkeys(range(1, count + 1), 0.0)
        """When those who do not live are started."""
        self._falls: Counter[int] = Counter()
        """Deaths in a row, each soon after a start."""
        self._began = False

    def run(self) -> None:
        """Return when SIGTERM or SIGINT came and every worker has left.

        Raises:
            Failed: a worker cannot start, or had to be killed; no worker is left.
        """
        with self._selector, _signals() as told:
            self._selector.register(told, selectors.EVENT_READ)
            order = signal.SIGTERM
            try:
                order = self._keep(told)
            finally:
                killed = self._leave(told, order)
        if killed:
            raise Failed(
                f"{killed} of {self._count} workers did not leave within {self._drain_seconds:g} s and were killed."
            )

    def _keep(self, told: socket.socket) -> signal.Signals:
        """Start and replace workers until a signal comes, and give it."""
        while True:
            for number in [number for number, due in self._due.items() if due <= time.monotonic()]:
                del self._due[number]
                self._start(number)
            pause = max(0.0, min(self._due.values()) - time.monotonic()) if self._due else None
            if told in self._listen(pause):
                return _signal(told)
            if not self._began and all(worker.is_ready for worker in self._living.values()):
                self._began = True
                self._on_ready()

    def _leave(self, told: socket.socket, order: signal.Signals) -> int:
        """Tell all workers to leave, wait until they have, and give how many had to be killed."""
        self._on_leaving()
        self._due.clear()
        self._order(order)
        deadline = time.monotonic() + self._drain_seconds + GRACE_SECONDS
        while self._living and (left := deadline - time.monotonic()) > 0:
            if told in self._listen(left, leaving=True):
                self._order(_signal(told))
        killed = list(self._living.values())
        for worker in killed:
            os.kill(worker.process, signal.SIGKILL)
            self._bury(worker)
        return len(killed)

    def _order(self, number: signal.Signals) -> None:
        for worker in self._living.values():
            with suppress(OSError):  # it is dying, which is heard next
                worker.channel.send(bytes([number]))

    def _listen(self, seconds: float | None, *, leaving: bool = False) -> list[object]:
        """Wait for what workers or signals say, take in the former, and give what there is to be read."""
        heard = [(key.fileobj, key.data) for key, _ in self._selector.select(seconds)]
        for _, worker in heard:
            if isinstance(worker, _Worker):
                said = _receive(worker.channel)
                worker.said += said
                if not said:
                    how = self._bury(worker)
                    if not leaving:
                        self._replace(worker, how)
        return [source for source, _ in heard]

    def _bury(self, worker: _Worker) -> str:
        """Forget a worker that has ended, and say how it did."""
        self._selector.unregister(worker.channel)
        worker.channel.close()
        del self._living[worker.number]
        code = os.waitstatus_to_exitcode(os.waitpid(worker.process, 0)[1])
        self._on_death(worker.number)
        return f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit status {code}"

    def _replace(self, worker: _Worker, how: str) -> None:
        """Have a worker that has ended started again.

        Raises:
            Failed: it could not even begin, and will not.
        """
        if worker.is_ready and time.monotonic() - worker.born >= STEADY_SECONDS:
            self._falls[worker.number] = 0
        why = worker.complaint or f"Worker {worker.number} ended ({how}): see the log for why."
        self._fell(worker.number, why, false_start=not worker.is_ready)

    def _fell(self, number: int, why: str, *, false_start: bool) -> None:
        """Have a worker started again: soon, and later and later when it keeps falling."""
        pause = min(_FIRST_PAUSE_SECONDS * 2 ** self._falls[number], _LONGEST_PAUSE_SECONDS)
        self._falls[number] += 1
        if false_start and (not self._began or self._falls[number] > MOST_FALSE_STARTS):
            raise Failed(why)
        _log.error("a worker died", worker=number, reason=why, again_seconds=pause)
        self._due[number] = time.monotonic() + pause

    def _start(self, number: int) -> None:
        ours, theirs = socket.socketpair()
        sys.stdout.flush()
        sys.stderr.flush()
        # What comes until the new process has handlers of its own must not be taken for the supervisor's.
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        try:
            process = os.fork()
        except OSError as error:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
            ours.close()
            theirs.close()
            why = (error.strerror or str(error)).lower()
            return self._fell(number, f"Worker {number} cannot be started: {why}.", false_start=True)
        if process == 0:
            ours.close()
            self._become(number, theirs)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
        theirs.close()
        worker = self._living[number] = _Worker(number, process, ours, time.monotonic())
        self._selector.register(ours, selectors.EVENT_READ, worker)
        return None

    def _become(self, number: int, channel: socket.socket) -> NoReturn:
        """Be the worker, to the end of this process; nothing that the supervisor has to close is closed here."""
        status = 1
        try:
            signal.set_wakeup_fd(-1)
            for each in _SIGNALS:
                signal.signal(each, signal.SIG_IGN)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
            for other in self._living.values():
                other.channel.close()
            self._work(number, channel, lambda: channel.sendall(READY))
            status = 0
        except (Failed, WheelkeepError) as error:
            channel.sendall(str(error).encode())
        except BaseException as error:  # noqa: BLE001  (whatever it is: it ends here)
            _log.critical("a worker failed unexpectedly", exc_info=error)
        finally:
            with suppress(OSError):
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(status)


@contextmanager
def _signals() -> Iterator[socket.socket]:
    """Have signals come as bytes, to be waited for together with the workers."""
    told, handler = socket.socketpair()
    with told, handler:
        handler.settimeout(0)
        for number in _SIGNALS:
            signal.signal(number, lambda *_: None)
        signal.set_wakeup_fd(handler.fileno())
        try:
            yield told
        finally:
            for number in _SIGNALS:
                signal.signal(number, signal.SIG_IGN)  # all have left: there is nothing to hurry any more
            signal.set_wakeup_fd(-1)


def _signal(told: socket.socket) -> signal.Signals:
    return signal.Signals(told.recv(1)[0])


def _receive(channel: socket.socket) -> bytes:
    """Give what a worker says; nothing: it has ended."""
    try:
        return channel.recv(4096)
    except ConnectionResetError:  # it ended with an order unread
        return b""
