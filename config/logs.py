"""Structured logs: JSON lines, or readable ones on a terminal; always redacted, always UTC. Set up once, at the door.

Every event has `event`, `level` and `timestamp`; whatever is bound with `structlog.contextvars` (the request id) comes
along. The standard library's `logging`, which aiohttp uses, goes the same way.
"""

import logging
import sys
from collections.abc import Callable, Iterable
from typing import TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from config import redaction

SecretValues = Callable[[], Iterable[str]]
"""Gives the secrets that are known now; asked for each event, so that a rotated one is covered too."""


def no_secrets() -> Iterable[str]:
    """Know no secret: the patterns of `config.redaction` still hold."""
    return ()


def set_up(
    *, stream: TextIO | None = None, secrets: SecretValues = no_secrets, level: int = logging.INFO
) -> None:
    """Route structlog and the standard library's logging to one redacted stream.

    Args:
        stream: where to; None is stderr as it is now.
        secrets: values that must never be written.
        level: the least one that is written, of `logging`.
    """
    target = sys.stderr if stream is None else stream
    last = _ending(target, secrets)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.StackInfoRenderer(),
            *last,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(file=target),
        cache_logger_on_first_use=False,
    )
    _route_standard_library(target, last, level)


class Redactor:
    """A structlog processor that cleans every value of an event, and the exception text among them."""

    def __init__(self, secrets: SecretValues) -> None:
        self._secrets = secrets

    def __call__(self, _logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        """Give the event, cleaned."""
        cleaned = redaction.clean(event, redaction.spellings(self._secrets()))
        # A mapping always comes back as one.
        return cleaned if isinstance(cleaned, dict) else {}


def _ending(stream: TextIO, secrets: SecretValues) -> list[Processor]:
    """Give the last processors: exceptions become text before the redactor sees them, and nothing comes after it."""
    renderer: Processor = structlog.processors.JSONRenderer()
    if stream.isatty():
        renderer = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    return [structlog.processors.format_exc_info, Redactor(secrets), renderer]


def _route_standard_library(stream: TextIO, last: list[Processor], level: int) -> None:
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[
            structlog.contextvars.merge_contextvars,
            structlog.stdlib.add_log_level,
            structlog.stdlib.add_logger_name,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
        ],
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    logging.captureWarnings(capture=True)
