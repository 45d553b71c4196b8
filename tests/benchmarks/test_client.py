"""The benchmark's client: it takes nothing for the file that is not the file."""

import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from benchmarks.client import fetch
from benchmarks.errors import WrongAnswer

BODY = bytes(range(256)) * 2_000
OK = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(BODY)
SECONDS = 20.0


@contextmanager
def answering(answers: Sequence[bytes]) -> Iterator[str]:
    """Give the URL of a server that gives each connection the next answer, and closes it."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(SECONDS)

        def serve() -> None:
            for answer in answers:
                connection, _ = server.accept()
                with connection:
                    connection.settimeout(SECONDS)
                    connection.recv(65536)
                    connection.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        host, port = server.getsockname()
        yield f"http://{host}:{port}/file.whl"
        thread.join(SECONDS)


@pytest.fixture
def original(tmp_path: Path) -> Path:
    """Give the file as it must be."""
    path = tmp_path / "file.whl"
    path.write_bytes(BODY)
    return path


def test_the_right_file_is_taken_by_all(original: Path) -> None:
    """Each of several clients ends after its first byte, which comes after its request."""
    with answering([OK + BODY] * 3) as url:
        fetched = fetch(url, original, clients=3, seconds=SECONDS)
    assert len(fetched) == 3
    assert all(one.asked <= one.first <= one.ended and not one.redirected for one in fetched)


def test_a_redirect_is_followed_and_told(original: Path) -> None:
    """Who is sent elsewhere has the file in the end, and is counted as redirected."""
    with answering([OK + BODY]) as target:
        moved = f"HTTP/1.1 302 Found\r\nLocation: {target}\r\nContent-Length: 0\r\n\r\n".encode()
        with answering([moved]) as url:
            (fetched,) = fetch(url, original, clients=1, seconds=SECONDS)
    assert fetched.redirected
    assert fetched.first >= fetched.asked


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (OK + BODY[:-1] + b"!", "other bytes"),
        (OK + b"!" + BODY[1:], "other bytes"),
        (OK + BODY[:-1], "ended after"),
        (b"HTTP/1.1 200 OK\r\n\r\n" + BODY + b"more", "other bytes"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", "length"),
        (b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n", "503"),
        (b"", "ended after"),
    ],
)
def test_anything_else_is_refused(answer: bytes, reason: str, original: Path) -> None:
    """Other bytes, too few, too many, another length or another status are never the file."""
    with answering([answer]) as url, pytest.raises(WrongAnswer, match=reason):
        fetch(url, original, clients=1, seconds=SECONDS)
