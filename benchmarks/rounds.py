"""Taking turns: A B A B, so that a machine that drifts does so for both; the others come along in the first round only."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack

from benchmarks import places
from benchmarks.bench import Bench
from benchmarks.contenders.contender import Contender, Running
from benchmarks.errors import Unavailable, WrongAnswer
from benchmarks.samples import Samples
from benchmarks.upstream import Site

Measure = Callable[[Running], Mapping[str, float]]
"""Asks a running server and gives its figures by aspect."""


def warm(
    bench: Bench,
    measure: Measure,
    *,
    pair: Sequence[Contender],
    others: Sequence[Contender] = (),
    site: Site = Site.PLAIN,
) -> Samples:
    """Measure servers that run all the time; `measure` warms what it needs before it begins to count.

    Args:
        bench: where all happens.
        measure: called once a turn.
        pair: who takes turns.
        others: who comes along once.
        site: of the upstream, in front of which they stand.
    """
    samples = Samples()
    with ExitStack() as stack:
        running: dict[str, Running] = {}
        for contender in (*pair, *others):
            try:
                folder = places.fresh(contender.name)
                running[contender.name] = stack.enter_context(contender.running(bench, site, folder))
            except Unavailable as error:
                samples.missing[contender.name] = str(error)
        for contender in _turns(bench.scale.pairs, pair, others):
            if contender.name in running:
                _measure(samples, contender, lambda name=contender.name: measure(running[name]))  # type: ignore[misc]
    places.sweep()
    return samples


def cold(
    bench: Bench,
    measure: Measure,
    *,
    pair: Sequence[Contender],
    others: Sequence[Contender] = (),
    site: Site = Site.PLAIN,
    pairs: int | None = None,
) -> Samples:
    """Measure servers that are started anew for each turn and have nothing yet; the arguments are those of `warm`.

    Args:
        bench: where all happens.
        measure: called once a turn.
        pair: who takes turns.
        others: who comes along once.
        site: of the upstream, in front of which they stand.
        pairs: how many turns; None: as many as the scale says.
    """
    samples = Samples()

    def start_and_measure(contender: Contender) -> Mapping[str, float]:
        with contender.running(bench, site, places.fresh(contender.name)) as server:
            return measure(server)

    for contender in _turns(pairs or bench.scale.pairs, pair, others):
        _measure(samples, contender, lambda contender=contender: start_and_measure(contender))  # type: ignore[misc]
        places.sweep()
    return samples


def _turns(pairs: int, pair: Sequence[Contender], others: Sequence[Contender]) -> list[Contender]:
    return [*pair, *others, *(contender for _ in range(pairs - 1) for contender in pair)]


def _measure(samples: Samples, contender: Contender, measure: Callable[[], Mapping[str, float]]) -> None:
    """Measure once, if that is still of use."""
    if contender.name in samples.missing or contender.name in samples.broken:
        return
    try:
        samples.add(contender.name, measure())
    except Unavailable as error:
        samples.missing[contender.name] = str(error)
    except WrongAnswer as error:
        samples.broken[contender.name] = str(error)
