"""Rows: what is asked of wheelkeep, by name; each says in numbers where to be, and knows how to find out."""

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType

from benchmarks.bench import Bench
from benchmarks.samples import Samples


class Of(Enum):
    """What a reach is about."""

    RATIO = "ratio"
    """The median of the paired ratios to the peer."""
    MEDIAN = "median"
    """The median of wheelkeep's own figures."""
    WORST = "worst"
    """The largest of them: for what must hold each time."""


_COMPARE: Mapping[str, Callable[[float, float], bool]] = MappingProxyType(
    {">=": operator.ge, "<=": operator.le, "<": operator.lt}
)


@dataclass(frozen=True)
class Reach:
    """Where to be.

    Attributes:
        sign: `>=`, `<=` or `<`.
        limit: the number.
        of: what is compared with it.
    """

    sign: str
    limit: float
    of: Of

    def met(self, value: float) -> bool:
        """Tell whether a value is there."""
        return _COMPARE[self.sign](value, self.limit)


@dataclass(frozen=True)
class Aspect:
    """One figure of a row.

    Attributes:
        name: within the row; also what the figure is.
        unit: of the figure.
        reach: where to be; None: the figure is shown and not judged.
        peer: whose figure stands beside it, when one does.
    """

    name: str
    unit: str
    reach: Reach | None
    peer: str | None = None

    @property
    def wanted(self) -> str:
        """The reach as a reader sees it."""
        if self.reach is None:
            return "-"
        if self.reach.of is Of.RATIO:
            return f"{self.reach.sign} {self.reach.limit:g} x {self.peer}"
        return f"{self.reach.sign} {self.reach.limit:g} {self.unit}".rstrip()


Measure = Callable[[Bench], Samples]


@dataclass(frozen=True)
class Row:
    """A row of the table.

    Attributes:
        name: how it is asked for.
        about: what it measures, in a sentence.
        aspects: its figures; at least one has a reach.
        measure: finds them out.
    """

    name: str
    about: str
    aspects: tuple[Aspect, ...]
    measure: Measure


DECLARED: dict[str, Row] = {}
"""Every row, as it was declared."""


def row(name: str, *aspects: Aspect) -> Callable[[Measure], Measure]:
    """Declare a function to be a row; the first line of its docstring says what it measures."""

    def declare(measure: Measure) -> Measure:
        about = (measure.__doc__ or "").strip().partition("\n")[0]
        DECLARED[name] = Row(name, about, aspects, measure)
        return measure

    return declare


def times(sign: str, limit: float, peer: str, *, name: str, unit: str) -> Aspect:
    """Declare a figure that is judged by its ratio to a peer's."""
    return Aspect(name, unit, Reach(sign, limit, Of.RATIO), peer)


def plainly(sign: str, limit: float, *, name: str, unit: str, peer: str | None = None) -> Aspect:
    """Declare a figure that is judged by itself."""
    return Aspect(name, unit, Reach(sign, limit, Of.MEDIAN), peer)


def always(sign: str, limit: float, *, name: str, unit: str, peer: str | None = None) -> Aspect:
    """Declare a figure that is judged by its largest value."""
    return Aspect(name, unit, Reach(sign, limit, Of.WORST), peer)


def shown(*, name: str, unit: str, peer: str | None = None) -> Aspect:
    """Declare a figure that is shown and not judged."""
    return Aspect(name, unit, None, peer)
