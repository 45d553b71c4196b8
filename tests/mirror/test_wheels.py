"""Wheels: metadata byte for byte from good archives, `Corrupt` from all others, and never anything else."""

import io
import struct
import zipfile
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror import wheels
from mirror.errors import Corrupt

FILENAME = "Demo_Pkg-1.0-py3-none-any.whl"
METADATA = b"Metadata-Version: 2.1\r\nName: demo-pkg\nVersion: 1.0\n\nsome text \xff\n"


def archive(members: Mapping[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    """Build an archive of the members, in their order."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", compression) as file:
        for name, data in members.items():
            file.writestr(name, data)
    return out.getvalue()


def good() -> bytes:
    """Build a wheel's archive whose metadata is `METADATA`."""
    return archive({"demo_pkg/__init__.py": b"", "demo_pkg-1.0.dist-info/METADATA": METADATA})


@pytest.mark.parametrize(
    "folder", ["demo_pkg-1.0", "Demo.Pkg-1.0", "demo-pkg-1.0", "demo_pkg-1.0.0", "demo_pkg-1"]
)
@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_metadata_is_read_byte_for_byte(folder: str, compression: int) -> None:
    """METADATA comes as the archive holds it, however the directory spells the project and version."""
    data = archive({"x.py": b"1", f"{folder}.dist-info/METADATA": METADATA}, compression)
    assert wheels.core_metadata(io.BytesIO(data), FILENAME) == METADATA


@pytest.mark.parametrize(
    "member",
    [
        "other-1.0.dist-info/METADATA",
        "demo_pkg-1.1.dist-info/METADATA",
        "demo_pkg/demo_pkg-1.0.dist-info/METADATA",
        "demo_pkg-1.0.dist-info/metadata.json",
        "METADATA",
    ],
)
def test_a_wheel_without_its_metadata_has_none(member: str) -> None:
    """Metadata of another project, version or place is not this wheel's."""
    assert wheels.core_metadata(io.BytesIO(archive({member: METADATA})), FILENAME) is None


def test_two_metadata_are_corrupt() -> None:
    """Two directories that normalize to one leave open which is meant, so neither is taken."""
    data = archive(
        {"demo_pkg-1.0.dist-info/METADATA": METADATA, "Demo-Pkg-1.0.dist-info/METADATA": b"Name: other\n"}
    )
    with pytest.raises(Corrupt, match="more than one"):
        wheels.core_metadata(io.BytesIO(data), FILENAME)


def test_a_bomb_is_refused() -> None:
    """Metadata that would unfold beyond the limit is refused although its archive is small."""
    bomb = archive({"demo_pkg-1.0.dist-info/METADATA": bytes(wheels.LARGEST_METADATA_BYTES + 1)})
    assert len(bomb) < 100_000
    with pytest.raises(Corrupt, match="larger"):
        wheels.core_metadata(io.BytesIO(bomb), FILENAME)


def test_a_bomb_that_lies_about_its_size_is_refused() -> None:
    """An archive whose directory announces few bytes gives neither more nor those few."""
    data = bytearray(archive({"demo_pkg-1.0.dist-info/METADATA": bytes(1_000_000)}))
    directory = data.rindex(b"PK\x01\x02")
    data[directory + 24 : directory + 28] = struct.pack("<I", 100)
    with pytest.raises(Corrupt):
        wheels.core_metadata(io.BytesIO(bytes(data)), FILENAME)


@pytest.mark.parametrize("compression", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_codings_are_refused(compression: int) -> None:
    """Wheels are stored or deflated; a METADATA that is coded otherwise is not read."""
    data = archive({"demo_pkg-1.0.dist-info/METADATA": METADATA}, compression)
    with pytest.raises(Corrupt, match="coded"):
        wheels.core_metadata(io.BytesIO(data), FILENAME)


def test_encrypted_metadata_is_refused() -> None:
    """A METADATA that is marked as encrypted is refused, not taken for text."""
    data = bytearray(good())
    data[data.rindex(b"PK\x01\x02") + 8] |= 1
    with pytest.raises(Corrupt, match="encrypted"):
        wheels.core_metadata(io.BytesIO(bytes(data)), FILENAME)


def test_a_huge_directory_is_not_read_into_memory() -> None:
    """An archive that announces a directory of many megabytes is refused before it is read."""
    size = wheels.LARGEST_READ_BYTES + 1
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 1, 1, size, 0, 0)
    with pytest.raises(Corrupt, match="directory"):
        wheels.core_metadata(io.BytesIO(bytes(size) + end), FILENAME)


def test_every_cut_is_noticed() -> None:
    """An archive that lacks any number of bytes at its end is not whole, and tells no metadata."""
    data = good()
    for length in range(len(data)):
        with pytest.raises(Corrupt):
            wheels.check_whole(io.BytesIO(data[:length]))
        with pytest.raises(Corrupt):
            wheels.core_metadata(io.BytesIO(data[:length]), FILENAME)


def test_something_before_the_archive_is_noticed() -> None:
    """A file that begins with something else is not one whole archive; a good one is."""
    wheels.check_whole(io.BytesIO(good()))
    with pytest.raises(Corrupt, match="begin"):
        wheels.check_whole(io.BytesIO(b"<html>" + good()))


@given(st.data())
def test_damage_is_corrupt_or_harmless(data: st.DataObject) -> None:
    """Whatever bytes are changed, the answer is the metadata, no metadata, or `Corrupt`: never another error."""
    raw = bytearray(good())
    for at in data.draw(st.lists(st.integers(0, len(raw) - 1), min_size=1, max_size=6)):
        raw[at] = data.draw(st.integers(0, 255))
    try:
        found = wheels.core_metadata(io.BytesIO(bytes(raw)), FILENAME)
    except Corrupt:
        return
    assert found is None or isinstance(found, bytes)
