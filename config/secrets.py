"""Secrets that can be rotated while the process runs, and that cannot be printed by accident.

A secret is read at the moment it is needed: from a file, which is read again when it changes; from an environment
variable; or from a value that was given. `repr`, `str` and `format` show where it comes from and never what it is; it
cannot be pickled or copied. Every value that was ever read is remembered, so that log redaction can look for it.

Reading may touch the disk: on an event loop it belongs into a thread. All of this is safe to call from several threads.
"""

import os
import time
import weakref
from collections.abc import Mapping
from pathlib import Path
from threading import Lock
from typing import NoReturn

from config.errors import ConfigurationError

LARGEST_SECRET_BYTES = 64 * 1024
"""A file beyond this size is not a secret but a mistake."""

YOUNG_SECONDS = 2.0
"""A file changed so recently may change again without its time stamp telling; it is read each time until it is older."""

_BYTE_ORDER_MARK = "\ufeff"


class Secret:
    """One secret.

    Subclasses say where it comes from (`_origin`, a noun phrase without the value) and how it is read (`_fetch`).
    """

    __slots__ = ("__weakref__", "_seen")

    def __init__(self) -> None:
        self._seen: set[str] = set()
        with _registry_lock:
            _living.add(self)

    def read(self) -> str:
        """Give the value as it is now, without the newline that editors leave at its end.

        Raises:
            ConfigurationError: there is none, it is empty, or it holds more than one line.
        """
        value = self._fetch().removeprefix(_BYTE_ORDER_MARK).rstrip("\r\n")
        if not value.strip():
            raise ConfigurationError(f"The secret in {self._origin} is empty: write the token into it.")
        self._seen.add(value)
        if not value.isprintable():
            raise ConfigurationError(
                f"The secret in {self._origin} holds line breaks or control characters: it must be one line of text."
            )
        return value

    @property
    def _origin(self) -> str:
        raise NotImplementedError

    def _fetch(self) -> str:
        raise NotImplementedError

    def __repr__(self) -> str:
        return f"<secret in {self._origin}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("A secret cannot be pickled or copied.")


class FileSecret(Secret):
    """A secret in a file, read again when the file's time stamp, size or identity changes.

    Replacing the file, rewriting it in place, and the symbolic links that a cluster swaps under mounted secrets are all
    seen at the next `read`; a read in between costs one `stat`.
    """

    __slots__ = ("_lock", "_mark", "_path", "_text")

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path
        self._lock = Lock()
        self._mark: tuple[int, int, int] | None = None
        self._text = ""

    @property
    def _origin(self) -> str:
        return f"the file {self._path}"

    def _fetch(self) -> str:
        try:
            with self._lock:
                if self._mark is None or self._mark != _mark(self._path.stat()):
                    self._load()
                return self._text
        except OSError as error:
            why = error.strerror or type(error).__name__
            raise ConfigurationError(f"The secret in {self._origin} cannot be read: {why}.") from error

    def _load(self) -> None:
        self._mark = None
        with self._path.open("rb") as file:
            status = os.fstat(file.fileno())
            data = file.read(LARGEST_SECRET_BYTES + 1)
        if len(data) > LARGEST_SECRET_BYTES:
            raise ConfigurationError(
                f"The secret in {self._origin} is too large to be one: name another file."
            )
        try:
            self._text = data.decode()
        except UnicodeDecodeError:
            # Not chained: the cause carries the bytes.
            raise ConfigurationError(f"The secret in {self._origin} is not text in UTF-8.") from None
        if not 0 <= time.time() - status.st_mtime < YOUNG_SECONDS:
            self._mark = _mark(status)


class EnvironmentSecret(Secret):
    """A secret in an environment variable, looked up at each read."""

    __slots__ = ("_environment", "_variable")

    def __init__(self, variable: str, environment: Mapping[str, str] = os.environ) -> None:
        super().__init__()
        self._variable = variable
        self._environment = environment

    @property
    def _origin(self) -> str:
        return f"the environment variable {self._variable}"

    def _fetch(self) -> str:
        value = self._environment.get(self._variable)
        if value is None:
            raise ConfigurationError(f"The secret in {self._origin} is missing: set the variable.")
        return value


class GivenSecret(Secret):
    """A secret that somebody handed over, with a phrase that says who."""

    __slots__ = ("_value", "_whence")

    def __init__(self, value: str, whence: str) -> None:
        super().__init__()
        self._value = value
        self._whence = whence
        self._seen.add(value)

    @property
    def _origin(self) -> str:
        return self._whence

    def _fetch(self) -> str:
        return self._value


def known_values() -> frozenset[str]:
    """Give every value that a secret still in use was ever read as: what redaction must look for."""
    with _registry_lock:
        living = list(_living)
    return frozenset[str]().union(*(tuple(secret._seen) for secret in living)) - {""}  # noqa: SLF001 - same module


def _mark(status: os.stat_result) -> tuple[int, int, int]:
    return status.st_mtime_ns, status.st_size, status.st_ino


_registry_lock = Lock()
_living: weakref.WeakSet[Secret] = weakref.WeakSet()
