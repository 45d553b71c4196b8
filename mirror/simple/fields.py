"""What an upstream says of a file, field by field: kept when it is well-formed, dropped or cleaned when it is not.

One odd optional field costs that field, never the file and never the page. Nothing here raises, but `check_version`.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from typing import Final

from mirror.errors import Invalid
from mirror.model import ProjectStatus

HEX_DIGITS: Final = {
    "md5": 32,
    "sha1": 40,
    "sha224": 56,
    "sha256": 64,
    "sha384": 96,
    "sha512": 128,
    "blake2b": 128,
    "blake2s": 64,
    "sha3_224": 56,
    "sha3_256": 64,
    "sha3_384": 96,
    "sha3_512": 128,
}
"""How long a digest of each algorithm of `hashlib` is; others cannot be verified and are not kept."""
LARGEST_SIZE: Final = 2**63 - 1
"""Bytes: what fits the integers of every reader."""

_HEX = re.compile(r"[0-9a-f]+\Z")
_SHA256 = re.compile(r"[0-9a-f]{64}\Z")
_SHA256_PAIR = re.compile(r"sha256=([0-9a-f]{64})\Z")
_API_VERSION = re.compile(r"([0-9]{1,6})\.[0-9]{1,6}\Z")
_UPLOAD_TIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,6})?(?:Z|\+00:00)\Z"
)
_NOTHING_KNOWN: Mapping[str, str] = {}
"""Shared by all files without a hash."""


def check_version(version: object) -> None:
    """Check the version of the API that a document claims (PEP 629); where none is told it is 1.0.

    Raises:
        Invalid: it is not a version, or its major part is not 1.
    """
    if version is None:
        return
    found = _API_VERSION.match(version) if isinstance(version, str) else None
    if found is None:
        raise Invalid("It does not say which version of the simple API it speaks in the form 1.0.")
    if int(found[1]) != 1:
        raise Invalid(
            "It speaks another major version of the simple API than 1, which is the one that is understood."
        )


def text(value: object) -> str | None:
    """Clean a text: what does not print (controls, line ends, marks that turn the writing round) becomes one space.

    Returns:
        None when it is not a text, or empty.
    """
    if not isinstance(value, str):
        return None
    if not value.isprintable():
        value = " ".join("".join(letter if letter.isprintable() else " " for letter in value).split())
    return value.strip() or None


@lru_cache(maxsize=1024)
def _often(value: str) -> str | None:
    return text(value)


def repeated_text(value: object) -> str | None:
    """Clean a text that many files have in common, and let them share it."""
    return _often(value) if isinstance(value, str) else None


def digests(hashes: object) -> Mapping[str, str]:
    """Keep the SHA-256 digest where there is a good one, else every good digest (PEP 691 `hashes`).

    Names of algorithms and digests are folded to lower case. A digest that is not hexadecimal, or not of its algorithm's
    length, is dropped: it could never match.
    """
    if not isinstance(hashes, dict):
        return _NOTHING_KNOWN
    usual = hashes.get("sha256")
    if isinstance(usual, str) and _SHA256.match(usual):
        return {"sha256": usual}
    good: dict[str, str] = {}
    for algorithm, digest in hashes.items():
        if isinstance(algorithm, str) and isinstance(digest, str):
            name, folded = algorithm.lower(), digest.lower()
            if HEX_DIGITS.get(name) == len(folded) and _HEX.match(folded):
                good[name] = folded
    return {"sha256": good["sha256"]} if "sha256" in good else good or _NOTHING_KNOWN


def digests_in(pairs: str) -> Mapping[str, str]:
    """Read digests as HTML has them: `sha256=…`, as the fragment of a link or a value, `&` between several."""
    usual = _SHA256_PAIR.match(pairs)
    if usual is not None:
        return {"sha256": usual[1]}
    split = (pair.partition("=") for pair in pairs.split("&"))
    return digests({algorithm: digest for algorithm, _, digest in split})


def size(value: object) -> int | None:
    """Keep a size in bytes (PEP 700) that is a whole number and not negative."""
    return value if type(value) is int and 0 <= value <= LARGEST_SIZE else None


def upload_time(value: object) -> str | None:
    """Keep a time in the form of PEP 700, `yyyy-mm-ddThh:mm:ss[.ffffff]Z`; `+00:00` is read as `Z`."""
    if not isinstance(value, str) or not _UPLOAD_TIME.match(value):
        return None
    try:
        datetime.fromisoformat(value)
    except ValueError:
        return None
    return value if value.endswith("Z") else value.removesuffix("+00:00") + "Z"


def core_metadata(*claims: object) -> bool | Mapping[str, str]:
    """Read whether `<url>.metadata` exists, from the first claim that is made (PEP 714: the new key, then the old ones).

    A claim is `true`, a mapping of hashes, or as a text `true` or `sha256=…`. One whose hashes are all malformed is still
    a claim.
    """
    for claim in claims:
        if claim is None or claim == "":
            continue
        if isinstance(claim, str):
            return digests_in(claim) or claim.strip().lower() != "false"
        if isinstance(claim, dict):
            return digests(claim) or True
        return bool(claim)
    return False


def yanked(value: object) -> bool | str:
    """Read the mark of JSON (PEP 592, PEP 691): true or a reason; an empty reason still means yanked."""
    if isinstance(value, str):
        return repeated_text(value) or True
    return bool(value)


def status(marker: object, reason: object) -> ProjectStatus | None:
    """Read the status marker of a project (PEP 792)."""
    cleaned = text(marker)
    return None if cleaned is None else ProjectStatus(status=cleaned, reason=text(reason))
