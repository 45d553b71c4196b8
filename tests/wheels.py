"""Builds real distribution files: the same bytes for the same arguments, installable by any client, without network.

Formats: the packaging specifications "Binary distribution format" (wheel 1.0) and "Source distribution file format".
"""

import gzip
import io
import re
import tarfile
import zipfile
from base64 import urlsafe_b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256, shake_256

EPOCH = (1980, 1, 1, 0, 0, 0)
"""The oldest date that a zip archive can tell."""
WHEEL_FILE = b"Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
BACKEND = '''"""Builds this project's wheel with nothing but the standard library."""
import pathlib
import zipfile

NAME = {name!r}


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    root = pathlib.Path(__file__).parent / "tree"
    with zipfile.ZipFile(pathlib.Path(wheel_directory, NAME), "w") as archive:
        for path in sorted(path for path in root.rglob("*") if path.is_file()):
            archive.writestr(path.relative_to(root).as_posix(), path.read_bytes())
    return NAME
'''


@dataclass(frozen=True)
class BuiltFile:
    """A distribution file.

    Attributes:
        filename: its name.
        version: as in its name.
        data: its bytes.
        metadata: its core metadata, byte for byte as the archive holds it.
    """

    filename: str
    version: str
    data: bytes
    metadata: bytes

    @property
    def project(self) -> str:
        """Give the project's normalized name."""
        return re.sub(r"[-_.]+", "-", self.filename.partition("-")[0]).lower()

    @property
    def sha256(self) -> str:
        """Give the digest in hexadecimal."""
        return sha256(self.data).hexdigest()


def wheel(
    name: str,
    version: str,
    *,
    requires: Iterable[str] = (),
    requires_python: str | None = None,
    files: Mapping[str, bytes] | None = None,
    size: int = 0,
) -> BuiltFile:
    """Build a pure wheel.

    Args:
        name: of the project, as a person would write it.
        version: in its normal form.
        requires: the lines of Requires-Dist.
        requires_python: a version specifier.
        files: paths to contents; by default a package of the project's name that tells its `__version__`.
        size: bytes of incompressible padding beside them.
    """
    metadata = _metadata(name, version, requires, requires_python)
    tree = _tree(name, version, metadata, files, size)
    return BuiltFile(f"{_component(name)}-{version}-py3-none-any.whl", version, _zipped(tree), metadata)


def sdist(
    name: str,
    version: str,
    *,
    requires: Iterable[str] = (),
    requires_python: str | None = None,
    files: Mapping[str, bytes] | None = None,
) -> BuiltFile:
    """Build a source distribution with its backend in the tree; the arguments are those of `wheel`."""
    metadata = _metadata(name, version, requires, requires_python)
    stem = f"{_component(name)}-{version}"
    backend = BACKEND.format(name=f"{stem}-py3-none-any.whl")
    pyproject = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    tree = {f"tree/{path}": data for path, data in _tree(name, version, metadata, files, 0).items()}
    members = {
        "PKG-INFO": metadata,
        "backend.py": backend.encode(),
        "pyproject.toml": pyproject.encode(),
        **tree,
    }
    return BuiltFile(f"{stem}.tar.gz", version, _tarred(stem, members), metadata)


def _component(name: str) -> str:
    """Write a name as a component of a file name."""
    return re.sub(r"[-_.]+", "_", name).lower()


def _metadata(name: str, version: str, requires: Iterable[str], requires_python: str | None) -> bytes:
    lines = ["Metadata-Version: 2.2", f"Name: {name}", f"Version: {version}"]
    if requires_python is not None:
        lines.append(f"Requires-Python: {requires_python}")
    lines += [f"Requires-Dist: {requirement}" for requirement in requires]
    return "\n".join([*lines, "", ""]).encode()


def _tree(
    name: str, version: str, metadata: bytes, files: Mapping[str, bytes] | None, size: int
) -> dict[str, bytes]:
    package = _component(name)
    tree = (
        dict(files)
        if files is not None
        else {f"{package}/__init__.py": f'__version__ = "{version}"\n'.encode()}
    )
    if size:
        tree[f"{package}/padding.bin"] = shake_256(f"{name} {version}".encode()).digest(size)
    dist_info = f"{package}-{version}.dist-info"
    tree |= {f"{dist_info}/METADATA": metadata, f"{dist_info}/WHEEL": WHEEL_FILE}
    record = "".join(f"{path},{_record_hash(data)},{len(data)}\n" for path, data in tree.items())
    tree[f"{dist_info}/RECORD"] = f"{record}{dist_info}/RECORD,,\n".encode()
    return tree


def _record_hash(data: bytes) -> str:
    return "sha256=" + urlsafe_b64encode(sha256(data).digest()).decode().rstrip("=")


def _zipped(tree: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path, data in tree.items():
            member = zipfile.ZipInfo(path, EPOCH)
            member.external_attr = 0o644 << 16
            packing = zipfile.ZIP_STORED if path.endswith(".bin") else zipfile.ZIP_DEFLATED
            archive.writestr(member, data, packing)
    return buffer.getvalue()


def _tarred(stem: str, members: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path, data in members.items():
            member = tarfile.TarInfo(f"{stem}/{path}")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return gzip.compress(buffer.getvalue(), mtime=0)
