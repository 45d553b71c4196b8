"""A coded page is taken whole and within its bound, or not at all."""

import gzip
from hashlib import shake_128

import pytest

from mirror.errors import Invalid
from mirror.upstream.coding import decoded, is_plain

PAGE = shake_128(b"page").digest(3_000) + b"<a>" * 2_000


@pytest.mark.parametrize("coding", ["gzip", "x-gzip", "GZIP", " gzip "])
def test_a_gzip_body_is_decoded(coding: str) -> None:
    """Both names of the coding, in any case, give the bytes back."""
    assert decoded(gzip.compress(PAGE, mtime=0), coding, limit=len(PAGE)) == PAGE


@pytest.mark.parametrize("coding", ["", "identity", " Identity "])
def test_a_plain_body_is_left_alone(coding: str) -> None:
    """What is not coded comes out as it is, also when it looks like gzip."""
    assert decoded(gzip.compress(PAGE, mtime=0), coding, limit=10) == gzip.compress(PAGE, mtime=0)
    assert is_plain(coding)


def test_a_stream_cut_anywhere_is_refused() -> None:
    """No prefix of a gzip stream passes for a whole one: not one byte of it may be missing."""
    stream = gzip.compress(PAGE, mtime=0)
    for length in range(len(stream)):
        with pytest.raises(Invalid):
            decoded(stream[:length], "gzip", limit=len(PAGE))


def test_a_damaged_stream_is_refused() -> None:
    """A checksum that does not fit is noticed."""
    stream = bytearray(gzip.compress(PAGE, mtime=0))
    stream[-6] ^= 1
    with pytest.raises(Invalid, match="damaged"):
        decoded(bytes(stream), "gzip", limit=len(PAGE))


@pytest.mark.parametrize(
    "tail", [b"\0", b"junk", gzip.compress(b"more", mtime=0)], ids=["zero", "junk", "stream"]
)
def test_what_follows_the_stream_is_refused(tail: bytes) -> None:
    """A second stream or junk behind the first is not read over."""
    with pytest.raises(Invalid, match="follows"):
        decoded(gzip.compress(PAGE, mtime=0) + tail, "gzip", limit=len(PAGE))


def test_a_bomb_is_not_unpacked() -> None:
    """More than the bound is refused at the bound, and exactly the bound is not."""
    stream = gzip.compress(b"\0" * 10_000_000)
    with pytest.raises(Invalid, match="larger than 1000 bytes"):
        decoded(stream, "gzip", limit=1_000)
    assert decoded(gzip.compress(b"\0" * 1_000), "gzip", limit=1_000) == b"\0" * 1_000


@pytest.mark.parametrize("coding", ["br", "zstd", "deflate", "gzip, gzip", "gzip, identity"])
def test_another_coding_is_refused(coding: str) -> None:
    """Only what was asked for is decoded."""
    with pytest.raises(Invalid, match="not asked for"):
        decoded(b"", coding, limit=10)
