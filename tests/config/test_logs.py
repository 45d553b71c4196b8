"""Logs are one line of JSON each, or readable on a terminal, and clean in both."""

import io
import json
import logging
from collections.abc import Callable, Iterator

import pytest
import structlog

from config import logs

URL = "https://me:hunter2@feeds.example.com/a?sig=hunter2"


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        """Say so."""
        return True


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    """Leave the logging of the process as it was."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()
    root.handlers[:], root.level = handlers, level
    logging.captureWarnings(capture=False)


def stumble() -> None:
    """Raise an error whose text holds secrets."""
    raise ValueError(f"{URL} Authorization: Bearer hunter2 and pa55word")


def speak_structlog() -> None:
    """Log an exception with nested values through structlog."""
    try:
        stumble()
    except ValueError:
        structlog.get_logger("x").exception(
            "it broke", deep={"er": [URL, b"Basic hunter2"]}, token="hunter2", why="pa55word"
        )


def speak_stdlib() -> None:
    """Log an exception with arguments through the standard library."""
    try:
        stumble()
    except ValueError:
        logging.getLogger("aiohttp.server").exception("it broke %s %s", URL, "pa55word")


@pytest.mark.parametrize("speak", [speak_structlog, speak_stdlib])
@pytest.mark.parametrize("stream", [io.StringIO, Terminal])
def test_nothing_secret_is_written(speak: Callable[[], None], stream: Callable[[], io.StringIO]) -> None:
    """Messages, values, arguments and exception texts are clean, as JSON and on a terminal, from both libraries."""
    target = stream()
    logs.set_up(stream=target, secrets=lambda: ["pa55word"])
    speak()
    written = target.getvalue()
    assert "it broke" in written
    assert "ValueError" in written
    assert "hunter2" not in written
    assert "pa55word" not in written


@pytest.mark.parametrize("speak", [speak_structlog, speak_stdlib])
def test_an_event_is_one_line_of_json(speak: Callable[[], None]) -> None:
    """Off a terminal each event is one JSON object with event, level, UTC time and what is bound to the context."""
    target = io.StringIO()
    logs.set_up(stream=target)
    structlog.contextvars.bind_contextvars(request_id="r-1")
    speak()
    (line,) = target.getvalue().splitlines()
    event = json.loads(line)
    assert event["event"].startswith("it broke")
    assert (event["level"], event["request_id"]) == ("error", "r-1")
    assert event["timestamp"].endswith("Z")
    assert "ValueError" in event["exception"]


def test_a_terminal_gets_readable_lines() -> None:
    """On a terminal an event is not JSON."""
    target = Terminal()
    logs.set_up(stream=target)
    structlog.get_logger().info("started", port=8080)
    with pytest.raises(json.JSONDecodeError):
        json.loads(target.getvalue())
    assert "started" in target.getvalue()


def test_what_is_below_the_level_is_not_written() -> None:
    """Details are left out, from both libraries."""
    target = io.StringIO()
    logs.set_up(stream=target)
    structlog.get_logger().debug("detail")
    logging.getLogger("aiohttp").debug("detail")
    assert not target.getvalue()


def test_a_secret_that_becomes_known_later_is_hidden_too() -> None:
    """The known secrets are asked for with each event, so that a rotated one is covered."""
    known: list[str] = []
    target = io.StringIO()
    logs.set_up(stream=target, secrets=lambda: known)
    known.append("rotated-pat")
    structlog.get_logger().info("with rotated-pat in it")
    assert "rotated-pat" not in target.getvalue()


def test_stderr_is_where_they_go(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a stream the lines go to stderr, and stdout is left to results."""
    logs.set_up()
    structlog.get_logger().info("started")
    captured = capsys.readouterr()
    assert json.loads(captured.err)["event"] == "started"
    assert not captured.out
