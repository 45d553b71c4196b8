"""What must hold between the values of a configuration; every sentence names both sides. Pure."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from config import grammar

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from config.settings import Connection, Settings


def check(settings: Settings) -> None:
    """Check a whole configuration.

    Raises:
        ValueError: one line for each thing that does not hold.
    """
    sentences = [
        *_twice("upstreams", (upstream.name for upstream in settings.upstreams)),
        *_twice("connections", (connection.name for connection in settings.connections)),
        *_twice("indexes", (index.name for index in settings.indexes)),
        *_unknown_sources(settings),
        *_same_targets(settings),
    ]
    if sentences:
        raise ValueError("\n".join(sentences))


def check_secret(connection: Connection) -> None:
    """Check that a connection has what its `auth_type` needs and nothing that contradicts it.

    Raises:
        ValueError: the tail of a sentence.
    """
    given = [key for key in ("secret_file", "secret_env") if getattr(connection, key) is not None]
    kind = connection.auth_type
    if kind == "None":
        if given:
            raise ValueError(f"has auth_type 'None' and {given[0]}: drop one of the two")
        return
    if not given:
        raise ValueError(f"has auth_type '{kind}' and no secret: add secret_file or secret_env")
    if len(given) > 1:
        raise ValueError("has secret_file and secret_env: keep one of the two")
    if kind == "Basic" and not connection.username:
        raise ValueError("has auth_type 'Basic' and no username: add username")


def _twice(table: str, names: Iterable[str]) -> Iterator[str]:
    for name, count in Counter(names).items():
        if count > 1:
            yield f"[[{table}]] has {count} entries named '{name}': give each its own name."


def _unknown_sources(settings: Settings) -> Iterator[str]:
    known = {grammar.PRIVATE, grammar.PUBLIC, *(upstream.name for upstream in settings.upstreams)}
    for index in settings.indexes:
        for source, count in Counter(index.sources).items():
            if source not in known:
                yield (
                    f"[[indexes]] '{index.name}' has the source '{source}', which is not an upstream:"
                    f" use one of {', '.join(sorted(known))}, or add an [[upstreams]] of that name."
                )
            elif count > 1:
                yield f"[[indexes]] '{index.name}' has the source '{source}' {count} times: keep the first."


def _same_targets(settings: Settings) -> Iterator[str]:
    seen: dict[object, str] = {}
    for connection in settings.connections:
        first = seen.setdefault(grammar.target_key(connection.target), connection.name)
        if first != connection.name:
            yield (
                f"[[connections]] '{first}' and '{connection.name}' have the same target:"
                " keep one, or make one target longer."
            )
