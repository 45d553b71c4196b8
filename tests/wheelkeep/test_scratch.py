"""Temporary folders: gone with their processes, whatever these died of."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from wheelkeep.scratch import scratch

ROOT = Path(__file__).parents[2]
HOLDER = """
import os, signal, sys
from wheelkeep.scratch import scratch
with scratch("ours-") as folder:
    (folder / "file").touch()
    if sys.argv[1] == "forked" and os.fork():
        os._exit(0)
    print(os.getpid(), flush=True)
    signal.pause()
"""


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give the folder that temporary ones come to."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


@contextmanager
def held(temporary: Path, by: str) -> Iterator[Path]:
    """Let another process make a folder and hold it during the block; it is killed then."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, by],
        cwd=ROOT,
        env=os.environ | {"TMPDIR": str(temporary)},
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    holder = int(process.stdout.readline())
    try:
        [folder] = temporary.glob("ours-*")
        yield folder
    finally:
        os.kill(holder, signal.SIGKILL)
        process.stdout.read()  # its end is that of the last who had it
        process.stdout.close()
        process.wait()


def test_a_folder_is_gone_after_its_block(temporary: Path) -> None:
    """It is private, empty and in the temporary folder, and goes with all that is in it."""
    with scratch("ours-") as folder:
        assert (folder.parent, list(folder.iterdir())) == (temporary, [])
        assert folder.stat().st_mode & 0o777 == 0o700
        (folder / "file").touch()
    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize("by", ["itself", "forked"])
def test_a_folder_lives_as_long_as_its_processes(temporary: Path, by: str) -> None:
    """The next start removes what killed processes have left, but nothing as long as one of them lives, forked or not."""
    with held(temporary, by) as folder:
        with scratch("ours-"):
            assert (folder / "file").exists()
        assert (folder / "file").exists()
    assert (folder / "file").exists()
    with scratch("ours-") as ours:
        assert list(temporary.iterdir()) == [ours]


def test_what_is_foreign_is_left_alone(temporary: Path) -> None:
    """What has another name, is a link, or is no folder is not ours to remove."""
    (temporary / "theirs-1").mkdir()
    (temporary / "ours-link").symlink_to(temporary / "theirs-1")
    (temporary / "ours-file").touch()
    before = set(temporary.iterdir())
    with scratch("ours-"):
        pass
    assert set(temporary.iterdir()) == before
