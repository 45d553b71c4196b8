"""The judge itself: it is content with a house in which all is well, and sees each thing that must not be."""

from base64 import b64encode
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from mirror.events import UpstreamCalled
from tests.faults.invariants import HOLD_BACK_BYTES, left_over, misnamed, secrets_in
from tests.faults.scene import KIB, PAT, Scene, path_of, staged
from tests.simulator import faults
from tests.wheels import wheel

SMALL = wheel("demo", "1.0")
LARGE = wheel("demo", "2.0", size=1000 * KIB)
CHANGED = wheel("demo", "2.0", size=999 * KIB)
AGED = 200.0


async def test_all_is_well(tmp_path: Path) -> None:
    """Where nothing goes wrong pages, files and metadata are given, cold and warm, and every invariant holds."""
    async with staged(tmp_path) as scene:
        for built in (SMALL, LARGE):
            scene.publish(built, metadata=built.metadata)
            scene.clock.forward(AGED)
            assert (await scene.page("demo")).status == 200
        for built in (SMALL, LARGE, LARGE):
            assert (await scene.get(built)).body == built.data
            assert (await scene.client.ask(f"{path_of(built)}.metadata")).body == built.metadata
        assert scene.held(LARGE)


def test_what_is_wrong_in_a_folder_is_seen(tmp_path: Path) -> None:
    """A file whose content is not what its name promises is named, and so is every file that is left over."""
    folder = tmp_path / "cache" / "files-v1" / "sha256" / SMALL.sha256[:2]
    folder.mkdir(parents=True)
    (folder / SMALL.sha256).write_bytes(SMALL.data)
    (tmp_path / "cache" / "lock").touch()
    assert misnamed(tmp_path / "cache") == []
    assert left_over(tmp_path) == []
    (folder / SMALL.sha256).write_bytes(SMALL.data[1:])
    (folder / "partial.tmp").touch()
    (tmp_path / "cache" / "spool" / "session").mkdir(parents=True)
    assert misnamed(tmp_path / "cache") == [
        f"files-v1/sha256/{SMALL.sha256[:2]}/{name}" for name in (SMALL.sha256, "partial.tmp")
    ]
    assert left_over(tmp_path) == [
        f"cache/files-v1/sha256/{SMALL.sha256[:2]}/partial.tmp",
        "cache/spool/session",
    ]


@pytest.mark.parametrize(
    "said",
    [
        PAT,
        "https://files.example/a?sp=r&sig=sig-7",
        *(b64encode(f"{user}:{PAT}".encode()).decode() for user in ("", "a", "ab")),
    ],
)
def test_every_spelling_of_a_secret_is_seen(said: str) -> None:
    """A token is seen plain and in an Authorization header of whatever user, a signature in the URL that it signs."""
    assert secrets_in(f"GET {said} HTTP/1.1".encode(), [PAT]) != []
    assert secrets_in(b"GET /simple/ HTTP/1.1", [PAT]) == []


def wrong_bytes(scene: Scene) -> None:
    """Let the file that was given be another one than what is right."""
    scene.right[LARGE.filename] = [CHANGED.data]


def damaged(scene: Scene) -> None:
    """Let a file of the cache change."""
    path = scene.cache / "files-v1" / "sha256" / LARGE.sha256[:2] / LARGE.sha256
    path.write_bytes(CHANGED.data)


def abandoned(scene: Scene) -> None:
    """Let a file of the spool stay."""
    scene.cache.joinpath("spool", "abandoned").touch()


def told_a_secret(scene: Scene) -> None:
    """Let a secret be logged."""
    scene.log.write(PAT)


def refused(scene: Scene) -> None:
    """Let what was given be forbidden."""
    scene.forbidden.add(LARGE.filename)


def shrunken(scene: Scene) -> None:
    """Let the page that was given have one file too few."""
    scene.generations["demo"] = [frozenset({LARGE.filename, SMALL.filename})]


def untold(scene: Scene) -> None:
    """Let an answer be one that nobody counted."""
    scene.client.answers.append(replace(scene.client.answers[-1], status=424))


def unhealthy(scene: Scene) -> None:
    """Let an upstream have failed without readiness having heard of it."""
    scene.events.append(UpstreamCalled("feed", "page", "unreachable", 0.1, 0))


@pytest.mark.parametrize(
    ("spoil", "invariant"),
    [
        (wrong_bytes, "I1"),
        (damaged, "I2"),
        (told_a_secret, "I3"),
        (refused, "I4"),
        (abandoned, "I5"),
        (unhealthy, "I8"),
        (shrunken, "I9"),
        (untold, "I10"),
    ],
)
async def test_what_must_not_be_is_seen(
    tmp_path: Path, spoil: Callable[[Scene], None], invariant: str
) -> None:
    """A scene in which one invariant does not hold fails, and says which."""
    with pytest.raises(AssertionError, match=f"{invariant}\\b"):
        await spoilt(tmp_path, spoil)


async def spoilt(folder: Path, spoil: Callable[[Scene], None]) -> None:
    """Play a scene in which nothing goes wrong, and spoil it."""
    async with staged(folder) as scene:
        scene.publish(LARGE)
        assert (await scene.page("demo")).status == 200
        assert (await scene.get(LARGE)).status == 200
        await scene.quiet()
        spoil(scene)


async def test_an_answer_that_gives_too_much_of_a_wrong_file_is_seen(tmp_path: Path) -> None:
    """A scene in which somebody has the last bytes of a wrong file fails, although its answer was broken off."""
    with pytest.raises(AssertionError, match="I1"):
        await given_too_much(tmp_path)


async def given_too_much(folder: Path) -> None:
    """Play a scene with a wrong file, and let its reader have one byte of what is withheld."""
    async with staged(folder) as scene:
        scene.publish(LARGE)
        scene.feed.misbehave(faults.flip(100), scene.blob(LARGE))
        answer = await scene.get(LARGE)
        assert not answer.whole
        body = answer.body + LARGE.data[len(answer.body) : -HOLD_BACK_BYTES + 1]
        scene.client.answers.append(replace(answer, body=body))
