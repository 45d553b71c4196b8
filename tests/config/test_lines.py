"""The access log's lines: as those of `config.logs`, gathered in one turn of the loop."""

import asyncio
import io
import json
import re

import pytest
import structlog

from config import lines as module
from config import logs
from config.lines import Lines

EVENT = {"event": "request", "path": "/simple/demo/", "status": 200, "seconds": 0.000125, "reason": None}


async def written(*events: dict[str, object], secrets: tuple[str, ...] = ()) -> str:
    """Give what was written of some events after one turn of the loop."""
    stream = io.StringIO()
    lines = Lines(stream, lambda: secrets)
    for event in events:
        lines("info", event)
    await asyncio.sleep(0)
    return stream.getvalue()


async def test_a_line_says_what_structlog_would_say() -> None:
    """The same event has the same fields with the same values by both ways, but for the moment."""
    stream = io.StringIO()
    logs.set_up(stream=stream)
    structlog.get_logger().info(**EVENT)
    structlog.reset_defaults()
    slow, fast = json.loads(stream.getvalue()), json.loads(await written(EVENT))
    pattern = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
    assert pattern.fullmatch(slow.pop("timestamp"))
    assert pattern.fullmatch(fast.pop("timestamp"))
    assert fast == slow


async def test_lines_keep_their_order_and_come_with_the_turn() -> None:
    """Each event is one line, in the order in which they happened."""
    text = await written(*({"event": "request", "status": number} for number in range(100)))
    assert [json.loads(line)["status"] for line in text.splitlines()] == list(range(100))


async def test_no_secret_is_written() -> None:
    """Known secrets, credentials in URLs and sensitive parameters are hidden, in whatever field they come."""
    text = await written(
        {"path": "/files/pa55word", "reason": "https://me:hunter2@feed/ refused", "method": "token=hunter2"},
        secrets=("pa55word",),
    )
    assert "pa55word" not in text
    assert "hunter2" not in text


async def test_a_secret_that_becomes_known_later_is_hidden_too() -> None:
    """A text that was clean is looked at again when another secret is known."""
    assert "rotated-pat" in await written({"path": "/rotated-pat"})
    assert "rotated-pat" not in await written({"path": "/rotated-pat"}, secrets=("rotated-pat",))


async def test_line_breaks_stay_inside() -> None:
    """A text with line breaks makes no second line."""
    assert (await written({"reason": "one\ntwo"})).count("\n") == 1


async def test_a_text_that_was_clean_is_looked_at_again() -> None:
    """A secret that is rotated while the program runs is hidden from the next turn on, also in a text that came before."""
    stream, secrets = io.StringIO(), list[str]()
    lines = Lines(stream, lambda: secrets)
    for _ in range(2):
        lines("info", {"path": "/rotated-pat"})
        await asyncio.sleep(0)
        secrets.append("rotated-pat")
    first, second = stream.getvalue().splitlines()
    assert "rotated-pat" in first
    assert "rotated-pat" not in second


async def test_texts_are_remembered_within_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many paths are asked for, no more than so many texts are kept, and each line has its own."""
    monkeypatch.setattr(module, "_REMEMBERED_TEXTS", 10)
    stream = io.StringIO()
    lines = Lines(stream)
    for number in range(100):
        lines("info", {"path": f"/simple/demo-{number}/"})
    await asyncio.sleep(0)
    assert [json.loads(line)["path"] for line in stream.getvalue().splitlines()] == [
        f"/simple/demo-{number}/" for number in range(100)
    ]
    assert len(lines._clean) <= 10
