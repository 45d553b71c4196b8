"""Boards: one process leads, the others read what it tells, and nobody waits for the dead."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from msgspec import structs

from mirror.errors import Corrupt, StoreError, Throttled
from mirror.flight.board import Board, Failed, Landed, Progress, sweep
from mirror.names import Sha256
from tests.disk import largest_file

SOME = Progress(source="feed", spool="/spool/1", inode=7, size=10, written=3, validator='"a"')


def views(path: Path, count: int = 2) -> list[Board]:
    """Look at one board from several processes: locks do not ask which process it is."""
    return [Board(path) for _ in range(count)]


def test_one_leads_and_the_others_read(tmp_path: Path) -> None:
    """The first to claim a board leads until it closes it; then the next one does, on a new board."""
    first, second = views(tmp_path / "a")
    assert first.claim()
    assert not second.claim()
    assert second.read() is None
    first.write(SOME)
    assert second.read() == SOME
    assert not second.claim()
    first.close()
    assert not (tmp_path / "a").exists()
    assert second.read() == SOME
    assert second.claim()
    assert second.read() is None
    second.close()
    assert list(tmp_path.iterdir()) == []


def test_who_only_reads_takes_nothing_down(tmp_path: Path) -> None:
    """A board stays when a process that follows looks no more, and what that one tells is not heard."""
    first, second = views(tmp_path / "a")
    assert first.claim()
    first.write(SOME)
    assert not second.claim()
    second.write(Progress(source="", spool="", inode=0, size=None, written=0, validator=None))
    assert second.read() == SOME
    second.close()
    assert (tmp_path / "a").exists()
    first.close()


@pytest.mark.parametrize("end", [Landed(Sha256("a" * 64)), Failed("Corrupt", "It is wrong.", None)])
def test_the_end_is_told(tmp_path: Path, end: Landed | Failed) -> None:
    """How a download ended is read as it was written, also by who looks after the board was taken down."""
    first, second = views(tmp_path / "a")
    first.claim()
    second.claim()
    told = Progress(source="feed", spool="", inode=0, size=None, written=0, validator=None, end=end)
    first.write(told)
    first.close()
    assert second.read() == told
    second.close()


def test_an_end_is_read_before_anybody_else_leads(tmp_path: Path) -> None:
    """Who finds the board taken down reads how it ended before it leads: what has failed is not asked for again."""
    first, second = views(tmp_path / "a")
    first.claim()
    second.claim()
    first.write(structs.replace(SOME, end=Failed("Corrupt", "It is wrong.", None)))
    first.close()
    assert not second.claim()
    told = second.read()
    assert told is not None
    assert told.end is not None
    assert second.claim()
    second.close()


def test_errors_are_told_with_what_they_bear() -> None:
    """An error that others may be told is made anew with its sentence and its time; of others nothing is told."""
    told = Failed.of(Throttled("feed", "Ask later.", retry_after=9))
    assert told is not None
    error = told.error("feed")
    assert isinstance(error, Throttled)
    assert (str(error), error.upstream, error.retry_after) == ("Ask later.", "feed", 9)
    wrong = Failed.of(Corrupt("It is wrong."))
    assert wrong is not None
    assert isinstance(wrong.error("feed"), Corrupt)
    assert Failed.of(StoreError("The disk is full.")) is None
    assert Failed.of(ValueError("?")) is None


@pytest.mark.parametrize("damage", [b"", b"\0", b"\xff" * 8, b"\0" * 400])
def test_half_a_record_is_none(tmp_path: Path, damage: bytes) -> None:
    """What is read while it is written, or was damaged, is no news and no error."""
    first, second = views(tmp_path / "a")
    first.claim()
    second.claim()
    first.write(SOME)
    whole = (tmp_path / "a").read_bytes()
    (tmp_path / "a").write_bytes(damage or whole[:-1])
    assert second.read() is None
    first.close()
    second.close()


def test_who_cannot_tell_leads_alone(tmp_path: Path) -> None:
    """When the disk takes no board, or no record, everybody may lead, and nobody fails."""
    lost = [Board(tmp_path / "nowhere" / "a") for _ in range(2)]
    assert [board.claim() for board in lost] == [True, True]
    first, second = views(tmp_path / "b")
    assert first.claim()
    assert not second.claim()
    with largest_file(0):
        first.write(SOME)
    assert second.claim()
    for board in (*lost, first, second):
        board.close()


def test_a_closed_board_opens_nothing(tmp_path: Path) -> None:
    """A claim that comes after the close, from a thread that was late, leaves nothing open and nothing on the disk."""
    board = Board(tmp_path / "a")
    board.close()
    board.claim()
    assert list(tmp_path.iterdir()) == []


DEAD = """
import os, signal, sys
from pathlib import Path
from mirror.flight.board import Board, Progress
board = Board(Path(sys.argv[1]))
assert board.claim()
board.write(Progress(source="feed", spool="/spool/1", inode=7, size=10, written=3, validator='"a"'))
print("ready", flush=True)
sys.stdin.read()
"""


def test_nobody_waits_for_the_dead(tmp_path: Path) -> None:
    """When the process that leads is killed, another one takes the lead, with nothing told yet, and a start takes down what nobody holds."""
    path = tmp_path / "a"
    command = [sys.executable, "-c", DEAD, str(path)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        board = Board(path)
        assert not board.claim()
        sweep(tmp_path)
        assert board.read() == SOME
        os.kill(process.pid, signal.SIGKILL)
    assert board.claim()
    late = Board(path)
    assert not late.claim()
    assert late.read() is None  # what the dead has told is not what the living does
    late.close()
    sweep(tmp_path)
    assert path.exists()
    board.close()
    path.write_bytes(b"left by somebody")
    sweep(tmp_path)
    assert not path.exists()
