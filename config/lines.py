"""Simple events in great numbers, as those of `config.logs` look in JSON, for a small part of their cost.

They are gathered and written together at the end of each turn of the event loop: one write, one look at the secrets and one
time for all of them. Values are texts, numbers or None, nothing nested, and every text is cleaned.
"""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import TextIO

import msgspec

from config import redaction
from config.logs import SecretValues, no_secrets

_REMEMBERED_TEXTS = 4096
_NOTHING: Mapping[str, object] = MappingProxyType({})

_ENCODER = msgspec.json.Encoder()

_UNIQUE = frozenset({"request_id"})
"""Fields whose texts do not come again, as methods, paths and names do: they would only drive the others out."""


class Lines:
    """Writes events from within an event loop.

    Args:
        stream: where to.
        secrets: values that must never be written; asked for once in each turn that wrote something.
        always: what every line tells; clean.
    """

    def __init__(
        self, stream: TextIO, secrets: SecretValues = no_secrets, always: Mapping[str, object] = _NOTHING
    ) -> None:
        self._stream = stream
        self._secrets = secrets
        self._always = always
        self._gathered: list[tuple[str, Mapping[str, object]]] = []
        self._hidden: tuple[str, ...] = ()
        self._clean: set[str] = set()
        """Texts in which there was nothing to hide."""

    def __call__(self, level: str, event: Mapping[str, object]) -> None:
        """Write an event, which has no `level` and no `timestamp` yet."""
        if not self._gathered:
            asyncio.get_running_loop().call_soon(self._write)
        self._gathered.append((level, event))

    def _write(self) -> None:
        gathered, self._gathered = self._gathered, []
        always = {**self._always, "timestamp": datetime.now(UTC).isoformat().replace("+00:00", "Z")}
        hidden = redaction.spellings(self._secrets())
        if hidden != self._hidden:
            self._hidden = hidden
            self._clean.clear()
        finished = [self._finished(level, event, always) for level, event in gathered]
        self._stream.write(_ENCODER.encode_lines(finished).decode())
        self._stream.flush()

    def _finished(
        self, level: str, event: Mapping[str, object], always: Mapping[str, object]
    ) -> dict[str, object]:
        finished = {**event, "level": level, **always}
        for name, value in event.items():
            if isinstance(value, str) and value not in self._clean:
                cleaned = redaction.clean_text(value, self._hidden)
                if cleaned != value:
                    finished[name] = cleaned
                elif name not in _UNIQUE:
                    self._remember(value)
        return finished

    def _remember(self, clean: str) -> None:
        if len(self._clean) >= _REMEMBERED_TEXTS:
            self._clean.clear()
        self._clean.add(clean)
