"""Opens a file of an upstream, or a part of one: judges the answer before its first byte is handed on."""

from contextlib import AsyncExitStack

from yarl import URL

from mirror.errors import Corrupt, FileNotFound, Invalid
from mirror.ports import Clock
from mirror.simple import parse
from mirror.upstream import coding, ranges
from mirror.upstream.body import ArrivingBody
from mirror.upstream.calls import Call
from mirror.upstream.exchange import Answer, Exchange
from mirror.upstream.failures import for_status
from mirror.upstream.limits import Limits
from mirror.upstream.urls import shown

_GONE = frozenset({404, 410})
_OK, _PARTIAL, _UNSATISFIABLE = 200, 206, 416


class Opener:
    """Opens files through one exchange."""

    def __init__(self, exchange: Exchange, limits: Limits, clock: Clock) -> None:
        self._exchange = exchange
        self._limits = limits
        self._clock = clock

    async def open(
        self,
        stack: AsyncExitStack,
        target: URL,
        *,
        start: int,
        stop: int | None,
        validator: str | None,
        call: Call,
    ) -> ArrivingBody:
        """Ask for bytes [start, stop) of a file; what must be closed afterwards goes on the stack.

        Raises:
            FileNotFound: the upstream answered 404 or 410.
            Corrupt: the range cannot be satisfied.
            Refused, UpstreamError, Passing: as `Exchange.ask`, or the answer is of no use.
        """
        asking = ranges.request_headers(start, stop, validator)
        answer = await self._exchange.ask(target, {"Accept-Encoding": "identity", **asking})
        stack.callback(answer.response.release)
        headers = answer.response.headers
        if asking and answer.response.status == _PARTIAL and ranges.is_another_file(headers, validator):
            # As `If-Range` would have had it: the file has changed, and comes whole.
            answer.response.release()
            return await self.open(stack, target, start=0, stop=None, validator=None, call=call)
        extent = self._extent(answer, target, start, stop)
        body = ArrivingBody(answer.response, answer.asked, extent, limits=self._limits, call=call)
        if extent.start == 0 and answer.response.content_type == "text/html":
            await _refuse_web_page(answer, body)
        return body

    def _extent(self, answer: Answer, target: URL, start: int, stop: int | None) -> ranges.Extent:
        """Judge status and headers."""
        asked, status, headers = answer.asked, answer.response.status, answer.response.headers
        has_range = start > 0 or stop is not None
        if status in _GONE:
            raise FileNotFound(f"Upstream {asked.upstream!r} has nothing at {shown(target)}.")
        if has_range and status == _UNSATISFIABLE:
            raise Corrupt(f"The file at {shown(target)} is not as long as its range that was asked for.")
        if status != _OK and not (has_range and status == _PARTIAL):
            raise for_status(asked, status, headers, self._clock())
        if not coding.is_plain(headers.get("Content-Encoding", "")):
            raise asked.unreachable("sends a file with a content coding, which would change its bytes")
        if status == _OK:
            return ranges.whole(headers)
        try:
            return ranges.part(headers, start, stop)
        except Invalid as error:
            raise asked.unreachable(f"sent {error}") from error


async def _refuse_web_page(answer: Answer, body: ArrivingBody) -> None:
    """No distribution file begins like markup: this is a sign-in page, or that of somebody on the way."""
    head = await body.peek()
    if not head.lstrip().startswith(b"<"):
        return
    if parse.looks_like_sign_in(head, str(answer.asked.url)):
        raise answer.asked.rejected("its sign-in page")
    raise answer.asked.unreachable("sent a web page in place of a file")
