"""Lines to a table for a terminal, to JSON, and to the page that is kept. Pure."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from benchmarks.judging import Line

_HEADINGS = ("row", "figure", "wheelkeep", "peer", "ratio", "reach", "met", "others")
_DIGITS = 3
_NO_FRACTION_FROM = 1000


@dataclass(frozen=True)
class Report:
    """Everything that a run tells.

    Attributes:
        lines: of the table.
        machine: what they were taken on and with.
        date: when, as ISO 8601.
        command: how to take them again.
        scale: how much was measured.
        seconds: how long all of it took.
    """

    lines: Sequence[Line]
    machine: Mapping[str, str]
    date: str
    command: str
    scale: Mapping[str, int]
    seconds: float


def number(figure: float | None) -> str:
    """Write a figure with three digits that mean something."""
    if figure is None:
        return "n/a"
    if abs(figure) >= _NO_FRACTION_FROM:
        return f"{figure:,.0f}"
    text = f"{figure:.{_DIGITS}g}"
    return f"{figure:.6f}".rstrip("0") if "e" in text else text


def with_unit(figure: float | None, unit: str) -> str:
    """Write a figure and its unit, which a bare number has not."""
    return number(figure) if figure is None or not unit else f"{number(figure)} {unit}"


def cells(line: Line) -> tuple[str, ...]:
    """Write the cells of a line, one for each heading."""
    peer = f"{line.peer} {with_unit(line.peer_figure, line.unit)}" if line.peer else "-"
    others = ", ".join(f"{name} {number(figure)}" for name, figure in line.others.items())
    ratio = "-" if line.peer is None else number(line.ratio)
    figure = with_unit(line.figure, line.unit)
    return (line.row, line.aspect, figure, peer, ratio, line.reach, line.verdict, others or "-")


def table(lines: Sequence[Line]) -> str:
    """Draw the table for a terminal, with what must be known of some lines below it."""
    rows = [_HEADINGS, *(cells(line) for line in lines)]
    widths = [max(len(cells[column]) for cells in rows) for column in range(len(_HEADINGS))]
    drawn = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]
    drawn.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join([*drawn, *_notes(lines)])


def page(report: Report) -> str:
    """Write the page that is kept."""
    head = [
        "# Results",
        "",
        f"Taken on {report.date} with `{report.command}` in {report.seconds / 60:.0f} minutes; written by that command, not by hand.",
        "[README.md](README.md) says how to read it: the ratios count, not the figures.",
        "",
        "| " + " | ".join(_HEADINGS) + " |",
        "|" + "---|" * len(_HEADINGS),
    ]
    body = ["| " + " | ".join(_escaped(cell) for cell in cells(line)) + " |" for line in report.lines]
    notes = [f"- {note}" for note in _notes(report.lines)]
    scale = ", ".join(f"{name.replace('_', ' ')} {value:,}" for name, value in report.scale.items())
    tail = [
        "",
        "## Taken on",
        "",
        *(f"- {name}: {value}" for name, value in report.machine.items()),
        f"- scale: {scale}",
    ]
    return "\n".join([*head, *body, *(["", "## Notes", "", *notes] if notes else []), *tail, ""])


def document(report: Report) -> str:
    """Write it for programs."""
    return json.dumps(asdict(report), indent=2) + "\n"


def _notes(lines: Sequence[Line]) -> list[str]:
    """Give every note once, with the figures that it is about."""
    about: dict[tuple[str, str], list[str]] = {}
    for line in lines:
        if line.note:
            about.setdefault((line.row, line.note), []).append(line.aspect)
    return [f"{row} ({', '.join(aspects)}): {note}" for (row, note), aspects in about.items()]


def _escaped(cell: str) -> str:
    return cell.replace("|", "\\|").replace("<", "&lt;")
