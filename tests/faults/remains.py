"""What is on the disk when servers have ended, judged: right, readable, and nothing that was under way."""

import re
from hashlib import sha256
from pathlib import Path

import msgspec

from mirror.model import Learned

_LEARNED = msgspec.json.Decoder(dict[str, Learned])
TREES = ("files-v1", "metadata-v1")


def files(folder: Path) -> set[str]:
    """Name all files under a folder, by their path in it."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def committed(data: Path) -> list[Path]:
    """Give the files and metadata that are held."""
    return [path for tree in TREES for path in (data / "cache" / tree).rglob("*") if path.is_file()]


def judge_contents(data: Path) -> None:
    """See that what is held is what its name says, and that records can be read."""
    assert [path for path in committed(data) if sha256(path.read_bytes()).hexdigest() != path.name] == []
    for path in (data / "objects").rglob("*.json"):
        document = msgspec.json.decode(path.read_bytes())
        assert document
        if "learned" in path.parts:
            _LEARNED.decode(path.read_bytes())


def judge_running(data: Path, workers: int = 1) -> None:
    """See that servers that have just started have swept what others left."""
    assert len(list((data / "cache" / "spool").iterdir())) == workers
    assert {Path(name).name for name in files(data / "cache" / "spool")} == {"in-use"}
    assert files(data / "temporary") == set()


def judge_ended(data: Path) -> None:
    """See that a server that was told to end has left nothing but what is documented."""
    assert list((data / "cache" / "spool").iterdir()) == []
    left = {name for name in files(data / "cache") if not name.startswith(TREES)}
    assert left <= {"lock"}
    assert files(data / "temporary") == set()
    assert [name for name in files(data / "locks") if not re.fullmatch("[0-9a-f]{2}", name)] == []
    judge_contents(data)
