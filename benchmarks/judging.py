"""Samples and a row in, lines of the table out. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from statistics import median

from benchmarks.row import Aspect, Of, Row
from benchmarks.samples import OURS, Samples, paired_ratio

MET = "met"
MISSED = "missed"
UNKNOWN = "n/a"
SHOWN = "-"


@dataclass(frozen=True)
class Line:
    """One line of the table.

    Attributes:
        row: its row's name.
        aspect: which figure of it.
        unit: of the figures.
        figure: of wheelkeep; None: there is none.
        peer: whose figure stands beside it.
        peer_figure: that figure.
        ratio: the median of the paired ratios to the peer.
        reach: where to be, as text.
        verdict: met, missed, n/a, or - for what is not judged.
        others: figures of the other contenders by name; None where there is none.
        rounds: how many figures of wheelkeep there are.
        note: what a reader must know, and the reasons for what is missing.
    """

    row: str
    aspect: str
    unit: str
    figure: float | None
    peer: str | None
    peer_figure: float | None
    ratio: float | None
    reach: str
    verdict: str
    others: dict[str, float | None] = field(default_factory=dict)
    rounds: int = 0
    note: str = ""


def judge(row: Row, samples: Samples) -> list[Line]:
    """Judge every aspect of a row."""
    return [_line(row, aspect, samples) for aspect in row.aspects]


def _line(row: Row, aspect: Aspect, samples: Samples) -> Line:
    ours = samples.of(OURS, aspect.name)
    theirs = samples.of(aspect.peer, aspect.name) if aspect.peer else []
    worst = aspect.reach is not None and aspect.reach.of is Of.WORST
    figure = (max if worst else median)(ours) if ours else None
    ratio = paired_ratio(ours, theirs)
    others = _others(aspect, samples)
    return Line(
        row=row.name,
        aspect=aspect.name,
        unit=aspect.unit,
        figure=figure,
        peer=aspect.peer,
        peer_figure=median(theirs) if theirs else None,
        ratio=ratio,
        reach=aspect.wanted,
        verdict=_verdict(aspect, samples, figure, ratio),
        others={name: _median(samples.of(name, aspect.name)) for name in others},
        rounds=len(ours),
        note="; ".join(_notes(aspect, samples, others)),
    )


def _others(aspect: Aspect, samples: Samples) -> list[str]:
    """Name who else was asked for this figure, with or without success."""
    asked = {name for name in samples.figures if samples.of(name, aspect.name)} - {OURS}
    absent = {*samples.missing, *samples.broken} if asked else set()
    return sorted((asked | absent) - {OURS, aspect.peer})


def _verdict(aspect: Aspect, samples: Samples, figure: float | None, ratio: float | None) -> str:
    if aspect.reach is None:
        return SHOWN
    if OURS in samples.broken:
        return MISSED
    value = ratio if aspect.reach.of is Of.RATIO else figure
    if value is None or aspect.name in samples.blank:
        return UNKNOWN
    return MET if aspect.reach.met(value) else MISSED


def _notes(aspect: Aspect, samples: Samples, others: list[str]) -> Iterator[str]:
    if aspect.name in samples.notes:
        yield samples.notes[aspect.name]
    if not samples.of(OURS, aspect.name) or aspect.name in samples.blank:
        yield samples.reason(OURS, aspect.name)
        return
    for name in (aspect.peer, *others):
        if name and not samples.of(name, aspect.name) and (name in samples.missing or name in samples.broken):
            yield f"{name}: {samples.reason(name, aspect.name)}"


def _median(figures: list[float]) -> float | None:
    return median(figures) if figures else None
