"""What is on the disk when servers were killed, judged: right, readable, and nothing that was under way."""

from pathlib import Path

import msgspec

from mirror.model import Learned
from tests.faults.invariants import left_over, misnamed

_LEARNED = msgspec.json.Decoder(dict[str, Learned])


def files(folder: Path) -> set[str]:
    """Name all files under a folder, by their path in it."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def committed(data: Path) -> list[Path]:
    """Give the files and metadata that are held."""
    trees = (data / "cache" / tree for tree in ("files-v1", "metadata-v1"))
    return sorted(path for tree in trees for path in tree.rglob("*") if path.is_file())


def judge_running(data: Path, workers: int = 1) -> None:
    """See that servers that have just started have swept what others left."""
    assert len(list((data / "cache" / "spool").iterdir())) == workers
    assert {Path(name).name for name in files(data / "cache" / "spool")} == {"in-use"}
    assert files(data / "cache" / "flights") == set()
    assert files(data / "store" / "temporary") == set()
    if workers > 1:
        assert len(list(data.with_name("tmp").iterdir())) == 1, "the metrics of all"


def judge_ended(data: Path) -> None:
    """See that a server that has served everything and was told to end has left what is right, documented and readable."""
    assert misnamed(data / "cache") == []
    assert left_over(data) == []
    assert not (data / "cache" / "doubtful").exists()
    for path in (data / "store" / "objects").rglob("*.json"):
        document = path.read_bytes()
        assert msgspec.json.decode(document)
        if "learned" in path.parts:
            _LEARNED.decode(document)
