"""What every row is handed: the tree, the running upstream, the cores, and how much of everything there should be."""

from dataclasses import dataclass

from benchmarks.cores import Cores
from benchmarks.tree.build import Tree
from benchmarks.tree.projects import HUGE_SIZE, MB
from benchmarks.upstream import Upstream


@dataclass(frozen=True)
class Scale:
    """How much is measured.

    Attributes:
        pairs: how often wheelkeep and its peer take turns.
        seconds: of one load.
        large: bytes of the file of the cold rows and of `large-file-warm`.
        herd: bytes of the file of `herd-32`.
        great_herd: bytes of the file of `herd-500`.
        great_pairs: turns of `herd-500`, each of which takes minutes.
    """

    pairs: int = 5
    seconds: int = 5
    large: int = 256 * MB
    herd: int = 64 * MB
    great_herd: int = HUGE_SIZE
    great_pairs: int = 1


FULL = Scale()
QUICK = Scale(pairs=1, seconds=2, large=64 * MB, herd=16 * MB, great_herd=16 * MB)


@dataclass(frozen=True)
class Bench:
    """The bench.

    Attributes:
        tree: what the upstream serves.
        upstream: as it runs.
        cores: of this machine.
        scale: how much is measured.
    """

    tree: Tree
    upstream: Upstream
    cores: Cores
    scale: Scale
