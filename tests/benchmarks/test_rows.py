"""The benchmark's own judgement: what it makes of figures, of reasons, and of what nginx and wrk write."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from benchmarks.accesslog import Log, count, parse
from benchmarks.client import Fetch
from benchmarks.cores import Cores
from benchmarks.errors import WrongAnswer
from benchmarks.judging import MET, MISSED, SHOWN, UNKNOWN, Line, judge
from benchmarks.processes import free_port
from benchmarks.report import Report, document, number, page, table
from benchmarks.row import DECLARED, Aspect, Row, always, plainly, shown, times
from benchmarks.rows import ROWS
from benchmarks.rows.herds import lag_seconds
from benchmarks.rows.loads import Kinds
from benchmarks.samples import OURS, Samples, nothing, paired_ratio
from benchmarks.tree import projects
from benchmarks.wrk import parse as parse_wrk

RATE = times(">=", 0.7, "nginx", name="requests/s", unit="/s")


def judged(samples: Samples, aspect: Aspect = RATE) -> Line:
    """Judge one figure of a row that has no other."""
    (line,) = judge(Row("a-row", "About.", (aspect,), lambda _: samples), samples)
    return line


def sampled(**figures: Sequence[float]) -> Samples:
    """Give samples of requests/s by contender."""
    samples = Samples()
    for contender, values in figures.items():
        for value in values:
            samples.add(contender, {"requests/s": value})
    return samples


def test_the_ratio_is_the_median_of_the_pairs() -> None:
    """Each ratio is of one round, so that a machine that halves its speed between rounds changes nothing."""
    assert paired_ratio([100, 50, 10], [200, 100, 40]) == 0.5
    assert paired_ratio([3, 9], [1]) == 3
    assert paired_ratio([1], []) is None
    assert paired_ratio([1], [0]) is None


@pytest.mark.parametrize(("ours", "verdict"), [(69, MISSED), (70, MET), (71, MET)])
def test_a_ratio_is_held_against_its_reach(ours: float, verdict: str) -> None:
    """At the reach is there, below it is not."""
    line = judged(sampled(wheelkeep=[ours], nginx=[100]))
    assert (line.verdict, line.ratio, line.peer_figure) == (verdict, ours / 100, 100)


def test_a_limit_for_each_time_is_held_against_the_largest_figure() -> None:
    """A limit that must always hold is missed by one round, which a median would hide."""
    samples = sampled(wheelkeep=[10, 90, 20])
    assert judged(samples, always("<", 64, name="requests/s", unit="MB")).verdict == MISSED
    assert judged(samples, plainly("<", 64, name="requests/s", unit="MB")).verdict == MET


def test_a_wrong_answer_is_missed_and_has_no_figure() -> None:
    """A server that answers wrongly is not counted as fast, and its reason is told."""
    samples = sampled(wheelkeep=[1_000], nginx=[100])
    samples.broken[OURS] = "other bytes came"
    line = judged(samples)
    assert (line.verdict, line.figure, line.ratio, line.note) == (MISSED, None, None, "other bytes came")


def test_what_is_missing_is_not_available_with_its_reason() -> None:
    """Neither a contender that cannot start nor a peer that cannot be installed is judged."""
    assert judged(nothing("sync is not there yet")).note == "sync is not there yet"
    assert judged(nothing("sync is not there yet")).verdict == UNKNOWN
    samples = sampled(wheelkeep=[100])
    samples.missing["nginx"] = "nginx is not installed"
    line = judged(samples)
    assert (line.verdict, line.figure, line.ratio) == (UNKNOWN, 100, None)
    assert line.note == "nginx: nginx is not installed"


def test_a_figure_that_cannot_be_judged_here_is_shown() -> None:
    """A reason that concerns one figure takes its verdict but not its value."""
    samples = sampled(wheelkeep=[150], nginx=[100])
    samples.blank["requests/s"] = "three cores are needed"
    line = judged(samples)
    assert (line.verdict, line.figure, line.ratio) == (UNKNOWN, 150, 1.5)
    assert line.note == "three cores are needed"


def test_what_has_no_reach_is_not_judged() -> None:
    """A figure without a reach is shown, whatever it is."""
    assert judged(sampled(wheelkeep=[5]), shown(name="requests/s", unit="")).verdict == SHOWN


def test_experiments_of_one_row_are_joined() -> None:
    """Figures follow each other in order, and reasons are kept."""
    joined = sampled(wheelkeep=[1]).join(sampled(wheelkeep=[2], proxpi=[3])).join(nothing("gone"))
    assert joined.of(OURS, "requests/s") == [1, 2]
    assert joined.of("proxpi", "requests/s") == [3]
    assert joined.missing == {OURS: "gone"}


@pytest.mark.parametrize(
    ("seen", "void_and_noted"),
    [
        ({OURS: ("json", "gzip"), "nginx": ("json", "gzip"), "devpi": ("json", "identity")}, (False, True)),
        ({OURS: ("json", "gzip"), "nginx": ("json", "identity")}, (True, False)),
        ({OURS: ("json", "gzip"), "nginx": ("json", "gzip")}, (False, False)),
    ],
)
def test_another_coding_is_not_compared(
    seen: Mapping[str, tuple[str, str]], void_and_noted: tuple[bool, bool]
) -> None:
    """A peer that sends other bytes for the same question makes the ratio void, anybody else is only named."""
    samples = Kinds(dict(seen)).note(Samples(), "requests/s", "nginx")
    assert (bool(samples.blank), bool(samples.notes)) == void_and_noted


def test_every_row_says_what_it_measures_and_where_to_be() -> None:
    """No row is declared but left out of the table, and each has a sentence and a reach."""
    assert set(ROWS) == set(DECLARED)
    for row in ROWS.values():
        assert row.about.endswith("."), row.name
        assert any(aspect.reach for aspect in row.aspects), row.name
        assert len({aspect.name for aspect in row.aspects}) == len(row.aspects), row.name
        assert all(aspect.wanted for aspect in row.aspects), row.name


def test_the_log_tells_what_a_file_cost() -> None:
    """Ranges count as requests, their bytes together; other files, methods and unfinished lines do not count."""
    entries = parse(
        [
            "8001 100.500 0.400 206 60 GET /files/a/a-1.whl\n",
            "8001 100.700 0.500 206 40 GET /files/a/a-1.whl\n",
            "8001 100.000 0.001 200 0 HEAD /files/a/a-1.whl\n",
            "8001 99.000 0.001 200 7 GET /files/a/a-1.whl.metadata\n",
            "8001 99.000 0.001 200 9 GET /files/b/a b-1.whl\n",
            "8001 99.000 0.001 200 9 GET /files/a/a-1.whl",
        ]
    )
    counted = count(entries, "a-1.whl")
    assert (counted.gets, counted.sent) == (2, 100)
    assert counted.begun == pytest.approx(100.1)
    assert count(entries, "c-1.whl").begun is None


def test_the_log_is_counted_from_where_it_was_forgotten(tmp_path: Path) -> None:
    """What stood there before is of no interest, what came since is."""
    path = tmp_path / "access.log"
    line = "8001 100.500 0.400 200 60 GET /files/a/a-1.whl\n"
    path.write_text(line)
    log = Log(path)
    log.forget()
    with path.open("a") as file:
        file.write(line)
    assert count(log.entries(), "a-1.whl").gets == 1


def test_the_first_byte_is_held_against_upstream_and_request() -> None:
    """Who asks after the upstream began waits from its own request, the others from the upstream's first byte."""
    early = Fetch(asked=10.0, first=10.5, ended=11, redirected=False)
    late = Fetch(asked=10.4, first=10.55, ended=11, redirected=False)
    assert lag_seconds([early, late], 10.2) == pytest.approx(0.3)
    assert lag_seconds([late], 10.2) == pytest.approx(0.15)


WRK = """Running 2s test @ http://127.0.0.1:1/
  1 threads and 32 connections
  30712 requests in 2.00s, 21.35MB read
{bad}Requests/sec:  15352.71
Transfer/sec:     10.50MB
"""


def test_wrk_is_read() -> None:
    """Requests are as printed, and transfers are in bytes."""
    load = parse_wrk(WRK.format(bad=""))
    assert (load.requests, load.transfer) == (15352.71, 10.5 * 1024 * 1024)


@pytest.mark.parametrize(
    "output",
    [
        WRK.format(bad="  Non-2xx or 3xx responses: 12\n"),
        WRK.format(bad="  Socket errors: connect 0, read 3, write 0, timeout 0\n"),
        "unable to connect to 127.0.0.1:1 Connection refused\n",
    ],
)
def test_errors_of_a_load_are_no_speed(output: str) -> None:
    """A load with a wrong answer or a broken connection has no figure."""
    with pytest.raises(WrongAnswer):
        parse_wrk(output)


@pytest.mark.parametrize(
    ("figure", "written"),
    [(None, "n/a"), (0.0, "0"), (0.19551, "0.196"), (15402.2, "15,402"), (0.0000512, "0.000051"), (2.0, "2")],
)
def test_figures_are_written_with_the_digits_that_mean_something(figure: float | None, written: str) -> None:
    """Three digits below a thousand, none behind the point above it."""
    assert number(figure) == written


def test_the_table_shows_figure_peer_ratio_reach_and_verdict() -> None:
    """A line has all five, a note stands below the table, and the others are named."""
    samples = sampled(wheelkeep=[80], nginx=[100], proxpi=[5])
    samples.missing["devpi"] = "devpi could not be installed"
    head, _, line, note = table([judged(samples)]).splitlines()
    assert head.split()[:7] == ["row", "figure", "wheelkeep", "peer", "ratio", "reach", "met"]
    expected = "a-row  requests/s  80 /s  nginx 100 /s  0.8  >= 0.7 x nginx  met  devpi n/a, proxpi 5"
    assert line.split() == expected.split()
    assert note == "a-row (requests/s): devpi: devpi could not be installed"


def test_the_report_tells_what_it_was_taken_with() -> None:
    """The page has a row a line, date, command, machine and notes; the document has the same as JSON."""
    samples = sampled(wheelkeep=[80], nginx=[100])
    samples.notes["requests/s"] = "of interest"
    report = Report([judged(samples)], {"nginx": "1.22.1"}, "2026-11-20", "the command", {"pairs": 5}, 90.0)
    text = page(report)
    assert "| a-row | requests/s | 80 /s | nginx 100 /s | 0.8 | >= 0.7 x nginx | met | - |" in text
    for part in ("2026-11-20", "`the command`", "- nginx: 1.22.1", "pairs 5", "of interest"):
        assert part in text
    told = json.loads(document(report))
    assert told["lines"][0]["verdict"] == MET
    assert told["machine"] == {"nginx": "1.22.1"}


def test_the_upstream_has_what_the_rows_are_about() -> None:
    """There are 2,180 projects, 10,000 files on one page, 700,000 names, and one requirement that brings all wheels."""
    brought = {projects.ROOT_REQUIREMENT}
    for number_of in range(projects.LINKED):
        if projects.linked(number_of) in brought:
            brought |= set(projects.required_by(number_of))
    assert len(brought) == projects.LINKED
    assert len(set(projects.all_names())) == 2_180
    assert len(set(projects.filenames_of_wide())) == 10_000
    assert len(set(projects.many_names())) == 700_000


def test_no_port_is_given_twice() -> None:
    """Servers that are started later find their ports free of each other."""
    ports = [free_port() for _ in range(2000)]
    assert len(set(ports)) == len(ports)


@pytest.mark.parametrize(
    ("cores", "one", "two", "apart"),
    [
        ((0,), (0,), (0,), (False, False)),
        ((0, 1), (0,), (0,), (True, False)),
        ((0, 1, 2), (0,), (0, 1), (True, True)),
    ],
)
def test_the_load_has_a_core_of_its_own(
    cores: tuple[int, ...], one: tuple[int, ...], two: tuple[int, ...], apart: tuple[bool, bool]
) -> None:
    """No server runs on the last core when there is another one, however many workers it has."""
    there = Cores(cores)
    assert (there.server(1), there.server(2)) == (one, two)
    assert (there.are_apart(1), there.are_apart(2)) == apart
