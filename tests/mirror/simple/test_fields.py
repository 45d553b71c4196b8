"""What an upstream says of a file: good values stay, bad ones cost themselves and nothing else."""

import pytest

from mirror.errors import Invalid
from mirror.model import ProjectStatus
from mirror.simple import fields

A64 = "a" * 64
B128 = "b" * 128


@pytest.mark.parametrize("version", [None, "1.0", "1.4", "1.99"])
def test_major_version_one_is_understood(version: object) -> None:
    """Every 1.x is read, and where no version is told it is 1.0."""
    fields.check_version(version)


@pytest.mark.parametrize(
    "version", ["2.0", "0.9", "10.0", "", "1", "1.0.0", "one", " 1.0", "1.0\n", 1.0, ["1.0"]]
)
def test_other_versions_are_refused(version: object) -> None:
    """Another major version, or what is no version, is not guessed at."""
    with pytest.raises(Invalid):
        fields.check_version(version)


@pytest.mark.parametrize(
    ("value", "cleaned"),
    [
        ("broken on <3.9 & \u00e9", "broken on <3.9 & \u00e9"),
        ("two\r\nlines", "two lines"),
        ("nul\x00 bell\x07", "nul bell"),
        ("\u202egnp.exe", "gnp.exe"),
        ("half a pair \ud800", "half a pair"),
        ("  ", None),
        ("\x00", None),
        ("", None),
        (None, None),
        (3, None),
    ],
)
def test_text_has_no_control_characters(value: object, cleaned: str | None) -> None:
    """What does not print never gets into a page, a header or a log; an empty text is none."""
    assert fields.text(value) == cleaned
    assert fields.repeated_text(value) == cleaned


@pytest.mark.parametrize(
    ("hashes", "kept"),
    [
        ({"md5": "c" * 32, "sha256": A64}, {"sha256": A64}),
        ({"SHA256": A64.upper()}, {"sha256": A64}),
        ({"sha512": B128, "md5": "c" * 32}, {"sha512": B128, "md5": "c" * 32}),
        ({"sha256": A64[1:], "sha512": B128}, {"sha512": B128}),
        ({"sha256": "g" * 64}, {}),
        ({"sha256": A64 + "\n"}, {}),
        ({"sha256": None}, {}),
        ({"crc32": "cafecafe"}, {}),
        (None, {}),
        ([A64], {}),
    ],
)
def test_only_digests_that_could_match_are_kept(hashes: object, kept: dict[str, str]) -> None:
    """SHA-256 stands alone where it is known; a digest of a wrong length or alphabet is dropped."""
    assert fields.digests(hashes) == kept


@pytest.mark.parametrize(
    ("pairs", "kept"),
    [
        (f"sha256={A64}", {"sha256": A64}),
        (f"SHA256={A64.upper()}", {"sha256": A64}),
        (f"sha256={A64}&egg=demo", {"sha256": A64}),
        (f"egg=demo&sha512={B128}", {"sha512": B128}),
        (f"sha256={A64}0", {}),
        ("sha256", {}),
        ("", {}),
    ],
)
def test_digests_of_a_fragment(pairs: str, kept: dict[str, str]) -> None:
    """A fragment holds digests as pairs, among which others may stand."""
    assert fields.digests_in(pairs) == kept


@pytest.mark.parametrize(
    ("value", "kept"),
    [(0, 0), (5, 5), (-1, None), (True, None), (5.0, None), ("5", None), (None, None), (2**63, None)],
)
def test_size_is_a_whole_number(value: object, kept: int | None) -> None:
    """Only a whole number of bytes that is not negative is a size."""
    assert fields.size(value) == kept


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        ("2026-11-20T08:30:00Z", "2026-11-20T08:30:00Z"),
        ("2026-11-20T08:30:00.123456Z", "2026-11-20T08:30:00.123456Z"),
        ("2026-11-20T08:30:00.5+00:00", "2026-11-20T08:30:00.5Z"),
        ("2026-13-20T08:30:00Z", None),
        ("2026-11-20T08:30:00", None),
        ("2026-11-20", None),
        ("2026-11-20T08:30:00Z\n", None),
        (None, None),
        (1763627400, None),
    ],
)
def test_upload_time_has_the_form_of_its_specification(value: object, kept: str | None) -> None:
    """A client that meets a malformed time gives up on the page, so that none is passed on."""
    assert fields.upload_time(value) == kept


@pytest.mark.parametrize(
    ("claims", "kept"),
    [
        ((True, None), True),
        ((None, {"sha256": A64}), {"sha256": A64}),
        ((False, {"sha256": A64}), False),
        (({"sha256": "short"},), True),
        (({},), True),
        (("true",), True),
        (("false",), False),
        (("", f"sha256={A64}"), {"sha256": A64}),
        ((None, None, None), False),
        ((), False),
    ],
)
def test_first_claim_of_core_metadata_counts(claims: tuple[object, ...], kept: object) -> None:
    """The new key goes before the old ones; a claim whose hash is malformed is still a claim."""
    assert fields.core_metadata(*claims) == kept


@pytest.mark.parametrize(
    ("value", "kept"),
    [(True, True), (False, False), (None, False), ("", True), ("why\n", "why"), ("\x00", True), (1, True)],
)
def test_yank_mark_is_never_lost(value: object, kept: bool | str) -> None:  # noqa: FBT001
    """An empty reason means yanked, and so does one of which nothing is left."""
    assert fields.yanked(value) == kept


def test_status_keeps_its_reason() -> None:
    """A status is told with its reason; a reason without a status tells nothing."""
    assert fields.status("archived", "moved\n") == ProjectStatus(status="archived", reason="moved")
    assert fields.status(None, "moved") is None
