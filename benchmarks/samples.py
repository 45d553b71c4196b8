"""What was measured: for each contender and each aspect a figure a round, and why there is none where there is none. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import median

OURS = "wheelkeep"


@dataclass
class Samples:
    """Figures as they come.

    Attributes:
        figures: by contender and aspect, one a round and in the order of the rounds.
        missing: why a contender has none, by contender.
        broken: why a contender's figures do not count: it answered wrongly.
        blank: why an aspect has none, by aspect, whoever the contender.
        notes: what a reader of an aspect's line should know.
    """

    figures: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    broken: dict[str, str] = field(default_factory=dict)
    blank: dict[str, str] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)

    def add(self, contender: str, measured: Mapping[str, float]) -> None:
        """Add a contender's figures of one round."""
        aspects = self.figures.setdefault(contender, {})
        for aspect, figure in measured.items():
            aspects.setdefault(aspect, []).append(figure)

    def of(self, contender: str, aspect: str) -> list[float]:
        """Give a contender's figures; none when one of its answers was wrong."""
        if contender in self.broken:
            return []
        return self.figures.get(contender, {}).get(aspect, [])

    def reason(self, contender: str, aspect: str) -> str:
        """Say why a contender has no figure."""
        known = (self.broken.get(contender), self.blank.get(aspect), self.missing.get(contender))
        return next((reason for reason in known if reason), "not measured")

    def join(self, other: "Samples") -> "Samples":
        """Take over what another experiment of the same row gave."""
        for contender, aspects in other.figures.items():
            for aspect, figures in aspects.items():
                self.figures.setdefault(contender, {}).setdefault(aspect, []).extend(figures)
        for mine, theirs in (
            (self.missing, other.missing),
            (self.broken, other.broken),
            (self.blank, other.blank),
            (self.notes, other.notes),
        ):
            mine.update(theirs)
        return self


def nothing(reason: str) -> Samples:
    """Give the samples of a row that cannot be measured."""
    return Samples(missing={OURS: reason})


def paired_ratio(ours: list[float], theirs: list[float]) -> float | None:
    """Give the median of the ratios of figures of the same round: machines drift, and both drift alike within a round."""
    ratios = [mine / other for mine, other in zip(ours, theirs, strict=False) if other]
    return median(ratios) if ratios else None
