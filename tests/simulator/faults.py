"""What can go wrong with an answer. A fault is a function from the honest answer to the one that is sent.

A fault is laid on a path with `Simulator.misbehave`. Numbers are bytes of the body as it is on the wire.
"""

import gzip
from collections.abc import Callable, Mapping
from dataclasses import replace

from tests.simulator.gate import Gate
from tests.simulator.replies import Reply

Fault = Callable[[Reply], Reply]

SIGN_IN_PAGE = b"""<!DOCTYPE html>
<html><head><title>Sign in to your account</title></head>
<body><form action="/_signin" method="post"><input name="login"><a href="/_signin?reset">Forgot it?</a></form></body></html>
"""


def status(code: int, *, retry_after: int | str | None = None, body: bytes = b"") -> Fault:
    """Answer with a status; `retry_after` is whole seconds or a date."""
    headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
    return lambda _reply: Reply(status=code, headers={"Content-Type": "text/plain", **headers}, body=body)


def say(body: bytes, content_type: str = "text/html; charset=utf-8", *, code: int = 200) -> Fault:
    """Say something else altogether."""
    return lambda _reply: Reply(status=code, headers={"Content-Type": content_type}, body=body)


def sign_in_page(code: int = 203) -> Fault:
    """Show a sign-in page with a status that looks like success."""
    return say(SIGN_IN_PAGE, code=code)


def redirect(location: str, code: int = 302) -> Fault:
    """Point elsewhere."""
    return lambda _reply: Reply(status=code, headers={"Location": location})


def redirect_loop(code: int = 302) -> Fault:
    """Point at the same path again, for ever when the fault stays."""
    return redirect("?again", code)


def headers(changed: Mapping[str, str]) -> Fault:
    """Send other headers beside the right body."""
    return lambda reply: replace(reply, headers={**reply.headers, **changed})


def without_headers(*names: str) -> Fault:
    """Leave headers out."""
    left_out = {name.lower() for name in names}
    return lambda reply: replace(
        reply, headers={name: value for name, value in reply.headers.items() if name.lower() not in left_out}
    )


def cut(at: int, *, chunked: bool = False) -> Fault:
    """Close the connection after `at` bytes of a body whose length, or whose chunks, promise more."""
    return lambda reply: replace(reply, cut_at=at, framing="chunked" if chunked else "length")


def reset(at: int | None = None) -> Fault:
    """Reset the connection after `at` bytes; None: before any answer."""
    return lambda reply: replace(reply, cut_at=at, reset=True)


def chunked() -> Fault:
    """Send the right body in chunks, without a length."""
    return lambda reply: replace(reply, framing="chunked")


def until_closed(at: int | None = None) -> Fault:
    """Tell the end of the body by closing the connection, after `at` bytes of it where that is given."""
    return lambda reply: replace(reply, framing="close", body=reply.body[:at])


def gzip_cut(at: int) -> Fault:
    """Compress the body, keep `at` bytes of it and announce exactly those."""
    return lambda reply: _gzipped(reply, gzip.compress(_decoded(reply), mtime=0)[:at])


def gzip_bomb(decoded: int) -> Fault:
    """Send a small page that becomes `decoded` bytes of spaces more when it is decoded."""
    return lambda reply: _gzipped(reply, gzip.compress(_decoded(reply) + b" " * decoded, mtime=0))


def gzip_file() -> Fault:
    """Code the body of a file with gzip although nobody asked for it."""
    return lambda reply: _gzipped(reply, gzip.compress(reply.body, mtime=0))


def flip(at: int) -> Fault:
    """Send one wrong byte at offset `at` of the file, also when only a range around it is asked for."""

    def flipped(reply: Reply) -> Reply:
        start = _first_byte(reply)
        if not start <= at < start + len(reply.body):
            return reply
        body = bytearray(reply.body)
        body[at - start] ^= 0xFF
        return replace(reply, body=bytes(body))

    return flipped


def longer(by: int) -> Fault:
    """Send `by` bytes more than there are, and announce them."""
    return lambda reply: replace(reply, body=reply.body + b"\0" * by)


def ignoring_ranges() -> Fault:
    """Answer a range with the whole file."""

    def whole(reply: Reply) -> Reply:
        if reply.whole is None:
            return reply
        kept = {name: value for name, value in reply.headers.items() if name != "Content-Range"}
        return replace(reply, status=200, headers=kept, body=reply.whole, whole=None)

    return whole


def content_range(value: str) -> Fault:
    """Answer a range with a `Content-Range` that is not true."""
    return lambda reply: reply if reply.whole is None else reply.with_headers(Content_Range=value)


def hold(gate: Gate, at: int | None = None) -> Fault:
    """Wait at a gate: after `at` bytes of the body (0: after the headers), or before anything is answered."""
    return lambda reply: replace(reply, gate=gate, hold_at=at)


def trickle(byte_seconds: float) -> Fault:
    """Send one byte after another, so many seconds apart."""
    return lambda reply: replace(reply, byte_seconds=byte_seconds)


def both(first: Fault, second: Fault) -> Fault:
    """Lay the second fault on what the first one made."""
    return lambda reply: second(first(reply))


def _gzipped(reply: Reply, body: bytes) -> Reply:
    return replace(reply, body=body).with_headers(Content_Encoding="gzip")


def _decoded(reply: Reply) -> bytes:
    return gzip.decompress(reply.body) if reply.headers.get("Content-Encoding") == "gzip" else reply.body


def _first_byte(reply: Reply) -> int:
    told = reply.headers.get("Content-Range", "bytes 0-")
    return int(told.removeprefix("bytes ").partition("-")[0])
