"""What a person or a script reads: results on stdout, complaints on stderr, a line each, flushed at once."""

import os
import sys
from contextlib import suppress
from pathlib import Path


class Failed(Exception):
    """A command cannot do what it was asked to; the message is one sentence that says why and what to do."""


def prepare() -> None:
    """Give whoever was started with stdout or stderr closed something to write to."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            nothing = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115  (open until the process ends)
            setattr(sys, name, nothing)


def say(line: str) -> None:
    """Write one line of a result.

    Raises:
        BrokenPipeError: whoever read it has had enough.
        Failed: it cannot be written.
    """
    try:
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        silence()
        why = (error.strerror or type(error).__name__).lower()
        raise Failed(f"The result cannot be written ({why}): see where standard output goes.") from error


def silence() -> None:
    """Let nothing more go to stdout, at the exit neither: what it still holds cannot be written."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def complain(sentences: str) -> None:
    """Write each line of an error as one sentence that tells whose it is; the exit status tells when that fails too."""
    with suppress(OSError):
        for sentence in sentences.splitlines():
            sys.stderr.write(f"wheelkeep: {sentence}\n")
        sys.stderr.flush()
