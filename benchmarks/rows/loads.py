"""What the warm rows have in common: look once, see that the answer is right, then load."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from benchmarks.ask import expect
from benchmarks.bench import Bench
from benchmarks.contenders import Devpi, Proxpi, ProxyCache, Wheelkeep
from benchmarks.contenders.contender import Contender, Running
from benchmarks.errors import WrongAnswer
from benchmarks.samples import OURS, Samples
from benchmarks.wrk import PAGE_CONNECTIONS, Load, run

PEER = ProxyCache()
PAIR: tuple[Contender, ...] = (Wheelkeep(), PEER)
"""wheelkeep and the limit of the field take turns."""
OTHERS: tuple[Contender, ...] = (Proxpi(), Devpi())
RATE = "requests/s"


@dataclass
class Kinds:
    """Notices when contenders answer the same question in different content types or codings.

    Attributes:
        seen: the kind by contender.
    """

    seen: dict[str, tuple[str, str]] = field(default_factory=dict)

    def note(self, samples: Samples, aspect: str, peer: str) -> Samples:
        """Say in the samples who answers otherwise than wheelkeep; if the peer does, nothing can be judged."""
        ours = self.seen.get(OURS)
        different = {
            name: f"{name} sends {' '.join(kind)} instead of {' '.join(ours)}"
            for name, kind in self.seen.items()
            if ours is not None and kind != ours
        }
        if peer in different:
            samples.blank[aspect] = different[peer]
        elif different:
            samples.notes[aspect] = "; ".join(different.values())
        return samples


def pages_per_second(bench: Bench, server: Running, url: str, kinds: Kinds) -> Mapping[str, float]:
    """Ask for a page twice, so that it is warm, and load it as pip would.

    Raises:
        WrongAnswer: the page is not there, or an answer of the load was wrong.
    """
    expect(url)
    kinds.seen[server.name] = expect(url).kind
    return {RATE: load(bench, url, PAGE_CONNECTIONS).requests}


def load(bench: Bench, url: str, connections: int) -> Load:
    """Load a URL for as long as the scale says."""
    return run(url, connections=connections, seconds=bench.scale.seconds)


def expect_bytes(url: str, right: bytes) -> None:
    """See that a URL gives these bytes.

    Raises:
        WrongAnswer: it gives others.
    """
    answer = expect(url)
    if answer.body != right:
        raise WrongAnswer(f"other bytes came than the upstream has, {len(answer.body)} of {len(right)}")
