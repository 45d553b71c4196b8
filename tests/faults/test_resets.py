"""Connections that are reset at random, a thousand times and more: F27."""

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from mirror.events import FlightEnded
from tests.faults.asking import Answer
from tests.faults.invariants import HOLD_BACK_BYTES
from tests.faults.scene import KIB, Scene, staged
from tests.simulator import Gate, Reply, faults
from tests.wheels import BuiltFile

SMALL_BYTES = 32 * KIB
RELAY_BYTES = 200 * KIB
SEGMENTED_BYTES = 256 * KIB
SEGMENT_BYTES = 100_000
THRESHOLDS = (0, SMALL_BYTES, HOLD_BACK_BYTES, SEGMENT_BYTES, RELAY_BYTES, SEGMENTED_BYTES)
LARGEST_BYTES = 400 * KIB
LIMITS: dict[str, Any] = {
    "small_file_bytes": SMALL_BYTES,
    "relay_from_bytes": RELAY_BYTES,
    "segment_from_bytes": SEGMENTED_BYTES,
    "segment_bytes": SEGMENT_BYTES,
    "segment_connections": 3,
}
MOST_ATTEMPTS = 100
RESETS = 20
EXAMPLES = 1000 // RESETS
PACE_SECONDS = 0.025
"""In which what was sent arrives and is taken; where nobody waits so long much of it is lost."""
PACED_SHARE = 0.3


@dataclass(frozen=True)
class Wish:
    """What one client wants, and how it goes about it.

    Attributes:
        resumes: goes on with what it has, as pip does; else it begins again, as uv does.
        part: the part of the file that it wants; None: all of it.
        leaves: goes away in the middle, and does not come back.
    """

    resumes: bool = False
    part: tuple[float, float] | None = None
    leaves: bool = False


@dataclass(frozen=True)
class Plan:
    """One example.

    Attributes:
        size: of the file.
        hashed: whether the index lists its digest.
        sized: whether it lists its size.
        validators: what the upstream's answers bear.
        ranges: whether the upstream has ranges.
        long: whether bodies are received without a parser.
        seed: of the places where the upstream's answers are reset.
        wishes: of the clients, all at one time.
    """

    size: int
    hashed: bool
    sized: bool
    validators: tuple[str, ...]
    ranges: bool
    long: bool
    seed: int
    wishes: list[Wish]

    @property
    def continuable(self) -> bool:
        """Whether a download can go on where it broke."""
        return self.ranges and (self.hashed or bool(self.validators))


PLANS = st.builds(
    Plan,
    size=st.one_of(
        st.builds(lambda near, by: max(0, near + by), st.sampled_from(THRESHOLDS), st.integers(-1, 1)),
        st.integers(0, LARGEST_BYTES),
    ),
    hashed=st.booleans(),
    sized=st.booleans(),
    validators=st.sampled_from([("etag",), ("etag", "date"), ("date",), ()]),
    ranges=st.sampled_from([True, True, True, False]),
    long=st.booleans(),
    seed=st.integers(0, 2**32),
    wishes=st.lists(
        st.builds(
            Wish,
            resumes=st.booleans(),
            part=st.one_of(st.none(), st.tuples(st.floats(0, 1), st.floats(0, 1))),
            leaves=st.sampled_from([False, False, True]),
        ),
        min_size=2,
        max_size=4,
    ),
)


class Pace(Gate):
    """Stops whoever comes to it for a moment."""

    async def passed(self) -> None:
        """Wait."""
        await asyncio.sleep(PACE_SECONDS)


@dataclass
class Resets:
    """The fault: answers are reset anywhere, before they begin and after their end too, until there were so many."""

    places: Random
    left: int = RESETS

    def __call__(self, reply: Reply) -> Reply:
        """Reset the connection of an answer."""
        if not self.left:
            return reply
        self.left -= 1
        at = self.places.randint(-len(reply.body) // 8, len(reply.body))
        if at < 0:
            return faults.reset()(reply)
        broken = faults.reset(at)(reply)
        return faults.hold(Pace(), at)(broken) if self.places.random() < PACED_SHARE else broken


@dataclass
class Insistent:
    """A client that asks until it has what it wants."""

    scene: Scene
    built: BuiltFile
    wish: Wish
    have: bytes = b""
    tag: str = ""
    fields: dict[str, str] = field(default_factory=dict)

    async def satisfied(self) -> None:
        """Ask again and again; every answer is right as far as it goes, or says when to come again."""
        data = self.built.data
        start, stop = self._part()
        for _ in range(MOST_ATTEMPTS):
            if self.wish.leaves:
                asking = await self.scene.begin(self.built)
                await asking.some(len(data) // 3)
                asking.leave()
                return
            if self.wish.part is not None and data:
                answer = await self.scene.get(self.built, {"Range": f"bytes={start}-{stop - 1}"})
                if answer.status == 206 and answer.whole:
                    assert answer.body == data[start:stop]
                    return
            else:
                answer = await self._next()
                if answer.whole and answer.status in {200, 206}:
                    assert self.have == data
                    return
            assert not answer.whole or (answer.status == 503 and int(answer.headers["Retry-After"]) >= 1), (
                answer
            )
        raise AssertionError("It was never satisfied.")

    def _part(self) -> tuple[int, int]:
        """Give a part of at least one byte."""
        size = len(self.built.data)
        start, stop = sorted(round(each * size) for each in self.wish.part or (0, 1))
        return min(start, size - 1), max(stop, start + 1)

    async def _next(self) -> Answer:
        """Ask for what is missing, or for all of it, and put together what comes."""
        going_on = self.wish.resumes and self.have and self.tag
        fields = {"Range": f"bytes={len(self.have)}-", "If-Range": self.tag} if going_on else {}
        answer = await self.scene.get(self.built, fields)
        if answer.status == 206:
            self.have += answer.body
        elif answer.status == 200:
            self.have, self.tag = answer.body, answer.headers.get("ETag", "")
        return answer


async def play(plan: Plan, folder: Path) -> None:
    """Play one example: file after file, until there were as many resets as there are to be."""
    long_body_bytes = 1 if plan.long else None
    async with staged(folder, long_body_bytes=long_body_bytes, **LIMITS) as scene:
        scene.feed.shape.validators = plan.validators  # type: ignore[assignment]
        scene.feed.shape.ranges = plan.ranges
        resets = Resets(Random(plan.seed))  # noqa: S311  (nothing is to be kept secret)
        scene.feed.misbehave(resets, "/signed/*")
        files: list[BuiltFile] = []
        while resets.left:
            files.append(published(scene, plan, len(files)))
            await asyncio.gather(*(Insistent(scene, files[-1], wish).satisfied() for wish in plan.wishes))
            await scene.quiet()
        scene.feed.behave()
        for built in files:
            assert (await scene.get(built)).body == built.data
            await scene.quiet()
            assert scene.held(built)
        for event in scene.events:
            if isinstance(event, FlightEnded) and event.outcome == "committed" and plan.continuable:
                assert event.received <= 2 * plan.size


def published(scene: Scene, plan: Plan, number: int) -> BuiltFile:
    """List a file of the planned size with what the plan lets the index say of it."""
    pattern = f"{number} ".encode() + bytes(each * 31 % 251 for each in range(997))
    data = (pattern * (plan.size // len(pattern) + 1))[: plan.size]
    built = BuiltFile(f"demo{number}-1.0.tar.gz", "1.0", data, b"")
    known: dict[str, Any] = ({} if plan.hashed else {"hashes": {}}) | ({} if plan.sized else {"size": None})
    scene.publish(built, **known)
    return built


@settings(max_examples=EXAMPLES, derandomize=True)
@given(plan=PLANS)
async def test_a_thousand_resets(plan: Plan) -> None:
    """F27: wherever connections are reset, each client has the right bytes or a failure, and no byte is pulled three times."""
    with TemporaryDirectory() as folder:
        await play(plan, Path(folder))
