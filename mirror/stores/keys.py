"""What every store checks alike: the grammar of keys, and whether the store works."""

import re
from uuid import uuid4

from mirror import layout
from mirror.errors import FileNotFound, Invalid, StoreError
from mirror.ports import Store

LONGEST_KEY = 1024
"""Characters: the limit of Azure Blob Storage, the tightest of the kind."""
LONGEST_SEGMENT = 255
"""Characters: the limit of every common file system."""

_SEGMENT = r"(?!\.{1,2}(?:/|\Z))[A-Za-z0-9._+!-]+"
_KEY = re.compile(rf"{_SEGMENT}(?:/{_SEGMENT})*\Z")
_PREFIX = re.compile(rf"(?:{_SEGMENT}/)*[A-Za-z0-9._+!-]*\Z")


def check_key(key: str) -> None:
    """Refuse what is not a key.

    Raises:
        Invalid: it breaks the grammar that `mirror.ports.Store` states, or is too long.
    """
    if len(key) > LONGEST_KEY or not _KEY.match(key) or max(map(len, key.split("/"))) > LONGEST_SEGMENT:
        raise Invalid(
            "This is not a key of a store: a key is made of segments of letters, digits and '._-+!'."
        )


def check_prefix(prefix: str) -> None:
    """Refuse what no key begins with.

    Raises:
        Invalid: it breaks the grammar of keys.
    """
    if len(prefix) > LONGEST_KEY or not _PREFIX.match(prefix):
        raise Invalid("This is not a prefix of a store's keys: no key begins like this.")


async def probe(store: Store) -> None:
    """Write, read and remove an object of a name that nobody else uses.

    Raises:
        StoreError: one of the three failed, or other bytes came back than were written.
    """
    nonce = uuid4().hex
    key, data = layout.probe(nonce), nonce.encode()
    try:
        await store.put(key, data, if_absent=True)
        found, _ = await store.get(key)
    except FileNotFound as error:
        raise StoreError("The store lost an object that was written a moment ago; check its disk.") from error
    finally:
        await store.delete(key)
    if found != data:
        raise StoreError("The store gave other bytes than were written to it a moment ago; check its disk.")
