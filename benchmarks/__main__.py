"""`python -m benchmarks`: runs the rows that are asked for, or all, and prints one table."""

import argparse
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

from benchmarks import cores, machine, places, upstream
from benchmarks.bench import FULL, QUICK, Bench, Scale
from benchmarks.errors import Unavailable
from benchmarks.judging import Line, judge
from benchmarks.report import Report, document, page, table
from benchmarks.row import Row
from benchmarks.rows import ROWS
from benchmarks.samples import nothing
from benchmarks.tree.build import build

_RESULTS = Path(__file__).with_name("RESULTS.md")
_QUICK_CAVEAT = "A quick run: it shows that everything can be measured; its figures count for nothing."
_CANNOT = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, and give the exit status: 0 when all that was asked for was tried, whatever it gave."""
    parser = _parser()
    chosen = parser.parse_args(arguments)
    unknown = [name for name in chosen.rows if name not in ROWS]
    if unknown:
        parser.error(f"there is no row {unknown[0]}; there are {', '.join(ROWS)}")
    if chosen.list:
        _say("\n".join(f"{row.name:28}{row.about}" for row in ROWS.values()))
        return 0
    signal.signal(signal.SIGTERM, _leave)
    scale = QUICK if chosen.quick else FULL
    begun = time.monotonic()
    try:
        lines = _measured([ROWS[name] for name in chosen.rows or ROWS], scale)
    except Unavailable as error:
        _progress(f"nothing can be measured: {error}")
        return _CANNOT
    command = " ".join(["python -m benchmarks", *chosen.rows, *(["--quick"] if chosen.quick else [])])
    now = datetime.now(UTC).date().isoformat()
    report = Report(lines, machine.describe(), now, command, asdict(scale), time.monotonic() - begun)
    _say(table(lines))
    if chosen.quick:
        _say(_QUICK_CAVEAT)
    if chosen.json is not None:
        chosen.json.write_text(document(report))
    if not chosen.rows and not chosen.quick:
        _RESULTS.write_text(page(report))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description="Measure wheelkeep beside its peers."
    )
    parser.add_argument("rows", nargs="*", metavar="ROW", help="a row's name; all without any")
    parser.add_argument("--list", action="store_true", help="show the rows and what they measure")
    parser.add_argument(
        "--quick", action="store_true", help="one short pair of each: does it work, not how fast"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything there as JSON too")
    return parser


def _measured(rows: Sequence[Row], scale: Scale) -> list[Line]:
    cores.open_many_files()
    available = cores.available()
    cores.pin(available.load)
    if not available.are_apart():
        _progress("this machine has one core: server and load share it, and no figure means much")
    places.make()
    places.sweep()
    _progress("the upstream's tree")
    tree = build(places.UPSTREAM)
    lines = []
    try:
        with upstream.running(available) as running:
            bench = Bench(tree, running, available, scale)
            for row in rows:
                _progress(row.name)
                lines += _row(bench, row)
    finally:
        places.sweep()
    return lines


def _row(bench: Bench, row: Row) -> list[Line]:
    """Measure a row; what it needs and is not there costs this row alone."""
    try:
        return judge(row, row.measure(bench))
    except Unavailable as error:
        return judge(row, nothing(str(error)))


def _leave(number: int, frame: FrameType | None) -> None:  # noqa: ARG001  (signal's own signature)
    """End as after Ctrl-C: every server is stopped on the way out."""
    raise KeyboardInterrupt


def _progress(text: str) -> None:
    sys.stderr.write(f"{text} ...\n")
    sys.stderr.flush()


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        _progress("stopped")
        sys.exit(130)
