"""What the builder makes are real distribution files."""

import csv
import io
import subprocess
import sys
import tarfile
import zipfile
from base64 import urlsafe_b64encode
from hashlib import sha256
from pathlib import Path

import pytest
from packaging.metadata import Metadata

from tests.wheels import BuiltFile, sdist, wheel


def test_same_arguments_same_bytes() -> None:
    """Building twice gives the same bytes, and another version gives others."""
    assert wheel("Demo", "1.0", size=1000) == wheel("Demo", "1.0", size=1000)
    assert sdist("Demo", "1.0") == sdist("Demo", "1.0")
    assert wheel("Demo", "1.0").sha256 != wheel("Demo", "1.1").sha256


def test_metadata_is_valid_and_says_what_was_asked() -> None:
    """The core metadata passes a strict parser and carries name, version, requirements and Python versions."""
    built = wheel("Zope.Demo", "1.0", requires=["six>=1.0"], requires_python=">=3.9")
    metadata = Metadata.from_email(built.metadata)
    assert (metadata.name, str(metadata.version)) == ("Zope.Demo", "1.0")
    assert [str(requirement) for requirement in metadata.requires_dist or ()] == ["six>=1.0"]
    assert str(metadata.requires_python) == ">=3.9"
    assert (built.filename, built.project) == ("zope_demo-1.0-py3-none-any.whl", "zope-demo")


def check_wheel(data: bytes, metadata: bytes) -> None:
    """Hold RECORD against every member, and METADATA against what was announced."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        record = next(name for name in archive.namelist() if name.endswith(".dist-info/RECORD"))
        rows = {path: told for path, told, _ in csv.reader(archive.read(record).decode().splitlines())}
        assert set(rows) == set(archive.namelist())
        for name in set(rows) - {record}:
            digest = urlsafe_b64encode(sha256(archive.read(name)).digest()).decode().rstrip("=")
            assert rows[name] == f"sha256={digest}"
        assert archive.read(record.replace("RECORD", "METADATA")) == metadata


@pytest.mark.parametrize(
    "built", [wheel("demo", "1.0"), wheel("demo", "1.0", files={"demo.py": b""}, size=100_000)]
)
def test_record_lists_every_member_with_its_hash(built: BuiltFile) -> None:
    """RECORD lists exactly the members of the archive, each with its right hash."""
    check_wheel(built.data, built.metadata)


def test_padding_makes_it_big() -> None:
    """Padding does not compress away: the archive is at least as large as was asked."""
    assert len(wheel("demo", "1.0", size=1_000_000).data) > 1_000_000


def test_sdist_builds_its_wheel(tmp_path: Path) -> None:
    """A source distribution has one top folder, and its own backend builds the right wheel out of it."""
    built = sdist("demo", "1.0")
    with tarfile.open(fileobj=io.BytesIO(built.data)) as archive:
        assert {name.partition("/")[0] for name in archive.getnames()} == {"demo-1.0"}
        for member in filter(tarfile.TarInfo.isfile, archive.getmembers()):
            # Python 3.11.3 and older have no filters for `extractall`, and newer ones warn without.
            target, content = tmp_path / member.name, archive.extractfile(member)
            assert content is not None
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content.read())
    build = "import backend; print(backend.build_wheel('.'))"
    done = subprocess.run(
        [sys.executable, "-c", build], cwd=tmp_path / "demo-1.0", capture_output=True, text=True, check=True
    )
    made = tmp_path / "demo-1.0" / done.stdout.strip()
    assert made.name == "demo-1.0-py3-none-any.whl"
    check_wheel(made.read_bytes(), built.metadata)
