"""What a wheel's archive says about itself: core metadata byte for byte, and whether the archive is whole.

The bytes are hostile: an archive may be cut, bloated or crafted. Nothing here reads more than a bounded amount into
memory, and whatever is wrong with an archive is `Corrupt`, never another exception. Reading blocks: call it in a thread.

Sources: the packaging specifications "Binary distribution format" (the `.dist-info` directory and its name), "Core
metadata" and PEP 658; PKWARE's APPNOTE for the archive.
"""

import os
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO, cast

from packaging.utils import canonicalize_name, canonicalize_version

from mirror.errors import Corrupt

LARGEST_METADATA_BYTES = 10_000_000
"""Decoded. The largest in the wild have a few hundred kilobytes: long descriptions."""
LARGEST_READ_BYTES = 16 * 1024 * 1024
"""What may be read at once; it bounds the central directory, which is read whole. 20,000 files take about 3 MB."""

_CODINGS = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
_ENCRYPTED = 0x1
_BROKEN = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    NotImplementedError,
    OverflowError,
    RuntimeError,
    ValueError,
)
"""All that `zipfile` is known to raise about the bytes. An `OSError` is the disk's, and passes."""


def core_metadata(file: BinaryIO, filename: str) -> bytes | None:
    """Read the METADATA of a wheel as the archive holds it.

    Args:
        file: the wheel, open for reading and seekable.
        filename: the wheel's file name; its project and version name the directory (both compared normalized).

    Returns:
        The bytes, or None when the archive has no METADATA where this wheel's would be.

    Raises:
        Corrupt: it is no whole archive, or its METADATA is ambiguous, encrypted, oddly coded, too large or damaged.
        OSError: the file could not be read.
    """
    wanted = _identity(filename.removesuffix(".whl"))
    with _archive(file) as archive:
        found = [info for info in archive.infolist() if _is_metadata_of(info.filename, wanted)]
        if not found:
            return None
        if len(found) > 1:
            raise Corrupt("The wheel has more than one METADATA.")
        return _read(archive, found[0])


def check_whole(file: BinaryIO) -> None:
    """Check that a file is one archive from its first byte to its central directory: nothing cut off, nothing before.

    This proves completeness where no digest can; it does not prove the members' contents.

    Raises:
        Corrupt: it is not.
        OSError: the file could not be read.
    """
    with _archive(file) as archive:
        if min((info.header_offset for info in archive.infolist()), default=0) != 0:
            raise Corrupt("The archive does not begin at the beginning of the file.")


class _Bounded:
    """A file that refuses what a crafted archive would make `zipfile` do: huge reads, and seeks to before the start."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._file.tell()

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        if whence == os.SEEK_SET and offset < 0:
            raise Corrupt("The archive points to before its beginning.")
        if whence == os.SEEK_END and offset < 0:
            end = self._file.seek(0, os.SEEK_END)
            offset, whence = max(0, end + offset), os.SEEK_SET
        return self._file.seek(offset, whence)

    def read(self, size: int = -1) -> bytes:
        if size > LARGEST_READ_BYTES:
            raise Corrupt("The archive's directory is larger than any wheel's.")
        data = self._file.read(LARGEST_READ_BYTES + 1 if size < 0 else size)
        if len(data) > LARGEST_READ_BYTES:
            raise Corrupt("The archive's directory is larger than any wheel's.")
        return data


@contextmanager
def _archive(file: BinaryIO) -> Iterator[zipfile.ZipFile]:
    """Open an archive whose every complaint, now or while it is used, is `Corrupt`."""
    try:
        with zipfile.ZipFile(cast("BinaryIO", _Bounded(file))) as archive:
            yield archive
    except _BROKEN as error:
        raise Corrupt("The file is not a whole and readable zip archive.") from error


def _read(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    """Read one member within the limits; `zipfile` compares its CRC."""
    if info.compress_type not in _CODINGS or info.flag_bits & _ENCRYPTED:
        raise Corrupt("The wheel's METADATA is encrypted or coded in a way that wheels may not be.")
    if info.file_size > LARGEST_METADATA_BYTES:
        raise Corrupt("The wheel's METADATA is larger than any wheel's.")
    with archive.open(info) as member:
        data = member.read(LARGEST_METADATA_BYTES + 1)
    if len(data) != info.file_size:
        raise Corrupt("The wheel's METADATA is not as long as its archive says.")
    return data


def _is_metadata_of(member: str, wanted: tuple[str, str]) -> bool:
    """Tell whether a member is `{name}-{version}.dist-info/METADATA` of the wheel that is wanted."""
    folder, slash, name = member.partition("/")
    return bool(slash) and name == "METADATA" and folder.endswith(".dist-info") and _same(folder, wanted)


def _same(folder: str, wanted: tuple[str, str]) -> bool:
    name, _, version = folder.removesuffix(".dist-info").rpartition("-")
    return (canonicalize_name(name), canonicalize_version(version)) == wanted


def _identity(stem: str) -> tuple[str, str]:
    """Give the project and version that a wheel's file name begins with, normalized."""
    name, _, rest = stem.partition("-")
    return canonicalize_name(name), canonicalize_version(rest.partition("-")[0])
