"""Where a process can be killed: before each of its calls that change a folder, and in the middle of each write.

It is loaded into the process that shall die, by tests alone; the product has no hook for it. The interpreter's own audit
events tell of most calls; writes and synchronizations have none, so the functions themselves are replaced. What was
called, and what was made durable, is written into a journal beside the folder.
"""

import io
import os
import re
import signal
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from threading import Lock
from typing import Any, Literal

import msgspec

_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
_CHANGES = {"os.link", "os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.truncate", "os.utime"}
_RANDOM = re.compile(
    r"(?<=/)([0-9a-f]{16}|[0-9a-f]{32})(?=/|$)|(?<=^store/locks/)..|(?<=^store/temporary/).."
)
"""A segment of a path that is another one each time: a session, a spooled file, a probe and its lock."""


class Step(msgspec.Struct, frozen=True, omit_defaults=True):
    """One line of the journal.

    Attributes:
        call: what is about to be called, or `synced` for what has been made durable.
        label: names the point: the call, the path without what is random in it, and which of its kind it is.
        path: in full.
        to: where a rename moves it.
        folder: the inode of the folder that the name is in.
        inode: of what is written, or has been made durable.
        size: so many of its bytes are durable now.
    """

    call: str
    label: str = ""
    path: str = ""
    to: str = ""
    folder: int = 0
    inode: int = 0
    size: int = 0


class Fate(msgspec.Struct, frozen=True):
    """What a server shall die of.

    Attributes:
        label: of the point; empty: of none.
        whom: the process that comes there first, or all of the server's.
    """

    label: str = ""
    whom: Literal["one", "all"] = "all"


class Points:
    """Watches the calls of this process, and of those that it forks, once it is told to `watch`.

    Args:
        folder: what is watched.
        journal: a file outside of it.
        fate: of the first process that gets to its point; another one that gets there lives on.
    """

    def __init__(self, folder: Path, journal: Path, fate: Fate) -> None:
        self._beginning = f"{folder}{os.sep}"
        self._fate = fate
        self._journal = os.open(journal, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._once = Path(f"{journal}.once")
        self._once.touch()
        self._counted: Counter[str] = Counter()
        self._lock = Lock()

    def watch(self) -> None:
        """Begin; it ends with the process."""
        sys.addaudithook(self._audited)
        # Pathlib and the product look these up when they call them.
        patched: Any = os
        patched.pwrite = self._halved(os.pwrite)
        patched.fsync = self._followed(os.fsync)
        patched.fdatasync = self._followed(os.fdatasync)
        patched = io
        patched.open = self._opened(io.open)

    def write(self, call: Callable[[Any], int], path: str, data: Any) -> int:
        """Do a write, unless this process dies before it, or in the middle of it."""
        self._come("write", path)
        if self._is_fatal("half of a write", path):
            call(memoryview(data).cast("B")[: len(data) // 2])
            self._die()
        return call(data)

    def _audited(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            path, _, flags = arguments
            if not isinstance(path, int) and flags & _WRITING:
                self._come(event, _full(path))
        elif event == "os.rename":
            self._come(event, _full(arguments[0]), _full(arguments[1]))
        elif event in _CHANGES:
            folder = -1 if event == "os.truncate" else arguments[-1]
            self._come(event, _full(arguments[0], folder))

    def _halved(self, call: Callable[..., int]) -> Callable[..., int]:
        def pwrite(descriptor: int, data: Any, at: int) -> int:
            return self.write(lambda part: call(descriptor, part, at), _full(descriptor), data)

        return pwrite

    def _followed(self, call: Callable[[int], None]) -> Callable[[int], None]:
        def synchronize(descriptor: int) -> None:
            path = _full(descriptor)
            self._come("synchronize", path)
            call(descriptor)
            if self._watches(path):
                status = os.fstat(descriptor)
                self._note(Step("synced", inode=status.st_ino, size=status.st_size))

        return synchronize

    def _opened(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def opened(file: Any, mode: str = "r", *more: Any, **named: Any) -> Any:
            if set(mode).isdisjoint("wxa") or not self._watches(_full(file)):
                return call(file, mode, *more, **named)
            buffered = io.BufferedWriter(_Raw(self, file, mode))
            return buffered if "b" in mode else io.TextIOWrapper(buffered, encoding="utf-8")

        return opened

    def _come(self, call: str, path: str, to: str = "") -> None:
        """Note that a call is about to be made, or die."""
        if self._is_fatal(call, path, to):
            self._die()

    def _is_fatal(self, call: str, path: str, to: str = "") -> bool:
        if not self._watches(path):
            return False
        what = f"{call} {_RANDOM.sub('*', (to or path).removeprefix(self._beginning))}"
        with self._lock:
            self._counted[what] += 1
            label = f"{what} {self._counted[what]}"
        inode = _inode(path) if "write" in call else 0
        folder = _inode(os.path.dirname(to or path))  # noqa: PTH120
        self._note(Step(call, label=label, path=path, to=to, folder=folder, inode=inode))
        return label == self._fate.label and self._is_first()

    def _is_first(self) -> bool:
        """Tell whether no other process has come to the point before."""
        try:
            self._once.unlink()
        except FileNotFoundError:
            return False
        return True

    def _watches(self, path: str) -> bool:
        return path.startswith(self._beginning)

    def _note(self, step: Step) -> None:
        os.write(self._journal, msgspec.json.encode(step) + b"\n")

    def _die(self) -> None:
        os.kill(0 if self._fate.whom == "all" else os.getpid(), signal.SIGKILL)


class _Raw(io.FileIO):
    """A file that is written through the points."""

    def __init__(self, points: Points, file: Any, mode: str) -> None:
        super().__init__(file, mode.replace("b", ""))
        self._points = points

    def write(self, data: Any) -> int:
        return self._points.write(super().write, _full(self.name), data)


def _full(path: Any, folder: int = -1) -> str:
    """Give the path that an audit event is about: of a descriptor, or in the folder of one."""
    if isinstance(path, int):
        return os.readlink(f"/proc/self/fd/{path}")  # noqa: PTH115
    within = os.getcwd() if folder == -1 else _full(folder)  # noqa: PTH109
    return os.path.normpath(os.path.join(within, os.fsdecode(path)))  # noqa: PTH118


def _inode(path: str) -> int:
    try:
        return os.stat(path).st_ino  # noqa: PTH116
    except FileNotFoundError:
        return 0
