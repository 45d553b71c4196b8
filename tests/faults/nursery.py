"""Servers that are born quickly: one process imports wheelkeep once and forks for each `wheelkeep serve` that is asked for.

It listens on a port of loopback, which it prints. Whoever connects sends one line, an `Order`, and hears the number of the
server's process, then what the server prints, and in the end `ended` with its exit status, the signal's number negative.
"""

import gc
import os
import signal
import socket
import sys
from importlib import import_module
from pathlib import Path
from typing import NoReturn

import msgspec

from tests.faults.points import Fate, Points
from wheelkeep.__main__ import main as wheelkeep

ALL = ("mirror.wiring", "proxy.app", "proxy.server", "wheelkeep.commands.serve", "wheelkeep.workers")
"""What `serve` imports when it is called."""


class Order(msgspec.Struct, frozen=True):
    """A server that shall be started.

    Attributes:
        folder: its working folder, with its configuration; its log, its journal and its temporary files come there.
        fate: what it shall die of.
    """

    folder: str
    fate: Fate = Fate()


def main() -> None:
    """Fork a server for each who connects, until killed."""
    for module in ALL:
        import_module(module)
    gc.freeze()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.create_server(("127.0.0.1", 0), backlog=100) as listening:
        print(listening.getsockname()[1], flush=True)  # noqa: T201
        while True:
            connection, _ = listening.accept()
            with connection:
                if os.fork() == 0:
                    listening.close()
                    _attend(connection)


def _attend(connection: socket.socket) -> NoReturn:
    """Start the server of one connection, and tell how it ends."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    with connection.makefile("rb") as lines:
        order = msgspec.json.decode(lines.readline(), type=Order)
    process = os.fork()
    if process == 0:
        _become(order, connection)
    status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    connection.sendall(f"ended {status}\n".encode())
    os._exit(0)


def _become(order: Order, connection: socket.socket) -> NoReturn:
    """Be the server, with all its processes in a group of their own."""
    status = 1
    try:
        os.setsid()
        os.chdir(order.folder)
        folder = Path(order.folder)
        (folder / "tmp").mkdir(exist_ok=True)
        os.environ["TMPDIR"] = str(folder / "tmp")
        log = os.open(folder / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(connection.fileno(), 1)
        os.dup2(log, 2)
        connection.close()
        print(os.getpid(), flush=True)  # noqa: T201
        Points(folder / "data", folder / "journal", order.fate).watch()
        status = wheelkeep(["serve", "--config", "wheelkeep.toml"])
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


if __name__ == "__main__":
    main()
