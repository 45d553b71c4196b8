"""What holds whatever has gone wrong: the invariants I1 to I10, asserted after every case.

`misnamed` and `left_over` judge a folder alone, also one whose process was killed.
"""

import asyncio
import hashlib
import json
import os
import re
from base64 import b64encode
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from prometheus_client.parser import text_string_to_metric_families

from mirror.events import UpstreamCalled
from tests.faults.asking import Answer, until

if TYPE_CHECKING:
    from tests.faults.scene import Scene

TO_STAY = re.compile(
    r"cache/(?:lock|doubtful|(?:files|metadata)-v1/sha256/([0-9a-f]{2})/\1[0-9a-f]{62})|store/(?:locks/[0-9a-f]{2}|objects/v1/.+)"
)
"""The files that may be there when nobody runs."""
HOLD_BACK_BYTES = 64 * 1024
NEVER_SENT = ("499", "502")
"""Statuses that are told of answers whose client went, or that were broken off."""


def misnamed(cache: Path) -> list[str]:
    """Name the files of a cache whose content is not what their names promise (I2)."""
    return [
        str(path.relative_to(cache))
        for tree in ("files-v1", "metadata-v1")
        for path in sorted((cache / tree).rglob("*"))
        if path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() != path.name
    ]


def left_over(folder: Path) -> list[str]:
    """Name the files below a folder, which has `cache` and `store`, that should not be there when nobody runs (I5)."""
    places = (folder / "cache", folder / "store")
    names = (str(path.relative_to(folder)) for place in places for path in place.rglob("*") if path.is_file())
    spools = (str(path.relative_to(folder)) for path in (folder / "cache" / "spool").glob("*"))
    return [*(name for name in names if not TO_STAY.fullmatch(name)), *spools]


def secrets_in(data: bytes, pats: Iterable[str]) -> list[str]:
    """Tell which secrets stand in some bytes: tokens, plain or coded for Basic, and signatures (I3)."""
    found = ["a signature"] if b"sig=sig-" in data else []
    for pat in pats:
        # Basic is base64 of `user:PAT`: whatever the user's length, one of the three alignments of the PAT is in it.
        coded = (b64encode(b"x" * shift + pat.encode())[4 * (shift > 0) : -4] for shift in range(3))
        if pat.encode() in data or any(each in data for each in coded):
            found.append("a token")
    return found


def descriptors() -> set[str]:
    """Name what this process has open."""
    names = set()
    for number in os.listdir("/proc/self/fd"):  # noqa: PTH208
        try:
            names.add(f"{number} {os.readlink(f'/proc/self/fd/{number}')}")  # noqa: PTH115
        except FileNotFoundError:
            continue  # the one of the listing itself
    return names


async def hold_while_it_runs(scene: "Scene") -> None:
    """Judge a scene whose case is over: readiness, recovery, and all that its client was given."""
    await scene.quiet()
    await _readiness_is_true(scene)
    await scene.recovers()
    assert await scene.health() == ("ready", []), "I8"
    await scene.quiet()
    given = list(scene.client.answers)
    metrics = await scene.client.ask("/metrics")
    for answer in given:
        _bytes_are_right(scene, answer)
        assert _name_of(answer) not in scene.forbidden or not _is_good(answer), f"I4: {answer.path}"
    _pages_are_generations(scene, given)
    _all_was_told(given, metrics.body.decode())
    for answer in (*given, metrics):
        said = repr(answer.headers).encode() + answer.body
        assert secrets_in(said, scene.pats) == [], f"I3: {answer.path}"
        assert b"uthorization" not in said, f"I3: {answer.path}"


async def hold_when_it_has_ended(
    scene: "Scene", open_before: set[str], tasks_before: set[asyncio.Task[object]]
) -> None:
    """Judge what a scene has left: on the disk, in the log, at the upstreams, in this process."""
    await until(lambda: descriptors() <= open_before)  # I6; the last files are closed in threads
    assert asyncio.all_tasks() <= tasks_before, "I6"
    assert scene.client.under_way == set(), "I7"
    assert misnamed(scene.cache) == [], "I2"
    assert left_over(scene.folder) == [], "I5"
    log = scene.log.getvalue()
    assert secrets_in(log.encode(), scene.pats) == [], "I3"
    assert "uthorization" not in log, "I3"
    for path in (path for path in scene.folder.rglob("*") if path.is_file() and path != scene.secret_file):
        assert secrets_in(path.read_bytes(), scene.pats) == [], f"I3: {path}"
    strangers = [asked for asked in scene.feed.history if asked.host == "files"] + scene.public.history
    assert not any(asked.authorization for asked in strangers), "I3"


async def _readiness_is_true(scene: "Scene") -> None:
    """Hold that exactly the upstreams whose last exchange failed are told (I8)."""
    failing: dict[str, bool] = {}
    for event in scene.events:
        if isinstance(event, UpstreamCalled) and event.outcome != "refused":
            failing[event.upstream] = event.outcome in {"unreachable", "rejected", "throttled"}
    word, reasons = await scene.health()
    told = {name for name in failing if any(f"upstream {name} " in reason for reason in reasons)}
    assert told == {name for name, fails in failing.items() if fails}, "I8"
    assert word == ("degraded" if reasons else "ready"), "I8"


def _bytes_are_right(scene: "Scene", answer: Answer) -> None:
    """Hold that nobody has a whole wrong file, nor a wrong part under a tag that says it is proved (I1)."""
    name = _name_of(answer)
    if name is None or answer.method == "HEAD":
        return
    right = scene.right.get(name, [])
    if answer.status == 200 and answer.whole:
        assert answer.body in right, f"I1: {name}"
    elif answer.status == 200 and not any(data.startswith(answer.body) for data in right):
        withheld = int(answer.headers["Content-Length"]) - len(answer.body)
        assert withheld >= HOLD_BACK_BYTES, f"I1: of {name}, which is wrong, {withheld} bytes were withheld"
    elif answer.status == 206 and answer.whole and not answer.headers["ETag"].startswith('"u-'):
        given = answer.headers["Content-Range"].removeprefix("bytes ").partition("/")[0]
        start, _, last = given.partition("-")
        assert answer.body in [data[int(start) : int(last) + 1] for data in right], f"I1: {name} {given}"


def _pages_are_generations(scene: "Scene", answers: list[Answer]) -> None:
    """Hold that each page lists what the upstream listed at one time, and never less than a page before it (I9)."""
    seen: list[tuple[str, int]] = []
    for answer in answers:
        project = answer.path.removeprefix("/simple/").removesuffix("/")
        listed = scene.generations.get(project, [])
        if answer.path != f"/simple/{project}/" or answer.status != 200 or not answer.whole:
            seen.append(("", 0))
            continue
        files = frozenset(file["filename"] for file in json.loads(answer.body)["files"])
        assert files in listed, f"I9: {project}"
        before = (number for name, number in seen[: answer.after] if name == project)
        seen.append((project, listed.index(files)))
        assert seen[-1][1] >= max(before, default=0), f"I9: {project}"


def _all_was_told(answers: list[Answer], metrics: str) -> None:
    """Hold that each end of a request was counted as what it was (I7, I10)."""
    told: Counter[str] = Counter()
    for family in text_string_to_metric_families(metrics):
        for sample in family.samples:
            if sample.name == "wheelkeep_requests_total":
                told[sample.labels["status"]] += int(sample.value)
            assert sample.name != "wheelkeep_requests_in_flight" or sample.value == 1, "I7"
    given = Counter(str(answer.status) for answer in answers if answer.whole)
    left = sum(answer.left for answer in answers)
    for status in {*given, *told} - {*NEVER_SENT}:
        assert given[status] <= told[status] <= given[status] + left, f"I10: {status}"
    broken = sum(answer.status != 0 and not answer.whole and not answer.left for answer in answers)
    assert sum(told[status] for status in NEVER_SENT) >= broken, "I10"


def _is_good(answer: Answer) -> bool:
    return answer.whole and answer.method == "GET" and answer.status in {200, 206}


def _name_of(answer: Answer) -> str | None:
    return answer.path.rpartition("/")[2] if answer.path.startswith("/files/") else None
