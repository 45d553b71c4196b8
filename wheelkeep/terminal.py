"""What a person or a script reads: results on stdout, complaints on stderr, a line each, flushed at once."""

import sys


class Failed(Exception):
    """A command cannot do what it was asked to; the message is one sentence that says why and what to do."""


def say(line: str) -> None:
    """Write one line of a result."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def complain(sentences: str) -> None:
    """Write each line of an error as one sentence that tells whose it is."""
    for sentence in sentences.splitlines():
        sys.stderr.write(f"wheelkeep: {sentence}\n")
    sys.stderr.flush()
