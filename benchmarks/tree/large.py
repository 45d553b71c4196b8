"""Writes large wheels: whole and installable, incompressible, without holes, and never as a whole in memory."""

import hashlib
import os
import zipfile
from base64 import urlsafe_b64encode
from pathlib import Path

from tests.wheels import WHEEL_FILE

_PIECE_BYTES = 1 << 20
_EPOCH = (1980, 1, 1, 0, 0, 0)


def write_wheel(path: Path, size: int) -> bytes:
    """Write a wheel whose padding has so many bytes, and give its core metadata.

    Args:
        path: where; its name gives project and version.
        size: of the padding; the wheel is a little larger.
    """
    name, version, *_ = path.name.split("-")
    dist_info = f"{name}-{version}.dist-info"
    metadata = f"Metadata-Version: 2.2\nName: {name.replace('_', '-')}\nVersion: {version}\n\n".encode()
    with zipfile.ZipFile(path, "w") as archive:
        digest = _pad(archive, f"{name}/padding.bin", size)
        record = f"{name}/padding.bin,sha256={urlsafe_b64encode(digest).decode().rstrip('=')},{size}\n"
        for member, data in ((f"{dist_info}/METADATA", metadata), (f"{dist_info}/WHEEL", WHEEL_FILE)):
            archive.writestr(zipfile.ZipInfo(member, _EPOCH), data)
            encoded = urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("=")
            record += f"{member},sha256={encoded},{len(data)}\n"
        archive.writestr(zipfile.ZipInfo(f"{dist_info}/RECORD", _EPOCH), f"{record}{dist_info}/RECORD,,\n")
    return metadata


def sha256_of(path: Path) -> str:
    """Give the digest of a file in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _pad(archive: zipfile.ZipFile, member: str, size: int) -> bytes:
    digest = hashlib.sha256()
    with archive.open(zipfile.ZipInfo(member, _EPOCH), "w", force_zip64=True) as file:
        for start in range(0, size, _PIECE_BYTES):
            piece = os.urandom(min(_PIECE_BYTES, size - start))
            digest.update(piece)
            file.write(piece)
    return digest.digest()
