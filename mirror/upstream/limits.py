"""How long, how large and how many: the bounds within which an upstream is asked."""

from dataclasses import dataclass

KIB = 1024
MIB = 1024 * KIB


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The bounds of one upstream; units stand in the names."""

    connect_seconds: float = 5
    """For the name look-up, and again for the TCP and TLS handshakes."""
    first_byte_seconds: float = 15
    """From the connection to the end of the answer's headers."""
    between_bytes_seconds: float = 30
    """Silence in the middle of a body."""
    page_seconds: float = 30
    """A whole page, list or metadata file: redirects, reading and decoding; and the wait for a free connection."""
    long_body_bytes: int = 32 * MIB
    """A file's body of which so much is still to come has its connection to itself, which is closed afterwards."""
    slow_window_seconds: float = 60
    slow_bytes_per_second: float = 64 * KIB
    """A file that comes slower than this over a whole window of waiting is given up (waiting for readers is not counted)."""
    max_page_bytes: int = 100 * MIB
    """Of a page, list or metadata file: as it comes over the wire, and again decoded."""
    connections: int = 16
    """Exchanges under way at one time."""
    page_attempts: int = 3
    """How often a page is asked for before a passing failure is believed."""
    retry_wait_seconds: float = 0.2
    """Before the second attempt; doubled, with as much jitter again, for the third."""
    retry_within_seconds: float = 5
    """No further attempt begins when so much time has passed since the first began."""
