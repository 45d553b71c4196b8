"""Asks for pages, lists and metadata files: conditionally, within a time, and again while a failure may be passing."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

import stamina
from yarl import URL

from mirror.errors import NotFound, Refused, UpstreamError
from mirror.events import Observer
from mirror.ports import Clock, Validators
from mirror.upstream import document
from mirror.upstream.calls import Call, Kind
from mirror.upstream.exchange import Answer, Exchange
from mirror.upstream.failures import Asked, Passing, for_status
from mirror.upstream.limits import Limits
from mirror.upstream.ranges import printable
from mirror.upstream.slots import Slots

_GONE = frozenset({404, 410})
_OK, _UNMODIFIED = 200, 304

T = TypeVar("T")

stamina.instrumentation.set_on_retry_hooks(())
"""None: the observer is told of each attempt, and stamina would import its own on the event loop at the first retry."""


@dataclass(frozen=True, slots=True)
class Fetched(Generic[T]):
    """What a document said, and what to ask again with."""

    value: T
    validators: Validators


@dataclass(frozen=True, slots=True)
class Question(Generic[T]):
    """One document to ask for.

    Attributes:
        kind: for the observer.
        url: where it is.
        headers: to be sent.
        reader: makes sense of it, or raises `Invalid`.
        missing: raised when the upstream answers that there is none.
        known: validators to ask with; with any of them the answer may be that nothing has changed.
    """

    kind: Kind
    url: URL
    headers: Mapping[str, str]
    reader: document.Reader[T]
    missing: NotFound | UpstreamError
    known: Validators


class Desk:
    """Asks for documents through one exchange, as many at a time as there are slots."""

    def __init__(
        self,
        name: str,
        exchange: Exchange,
        *,
        slots: Slots,
        limits: Limits,
        observer: Observer,
        clock: Clock,
    ) -> None:
        self._name = name
        self._exchange = exchange
        self._slots = slots
        self._limits = limits
        self._observer = observer
        self._clock = clock

    async def ask(self, question: Question[T]) -> Fetched[T] | None:
        """Ask, at most `page_attempts` times; None when the document is unmodified.

        Raises:
            NotFound, UpstreamError: `question.missing`.
            Refused: metadata are where they may not be followed to.
            UpstreamError: there is no answer of any use.
        """
        limits = self._limits
        attempts = stamina.retry_context(
            on=Passing,
            attempts=limits.page_attempts,
            timeout=limits.retry_within_seconds,
            wait_initial=limits.retry_wait_seconds,
            wait_jitter=limits.retry_wait_seconds,
        )
        fetched: Fetched[T] | None = None
        try:
            async for attempt in attempts:
                with attempt:
                    fetched = await self._attempt(question)
        except Passing as passing:
            raise passing.failure from passing.failure.__cause__
        return fetched

    async def _attempt(self, question: Question[T]) -> Fetched[T] | None:
        call = Call(self._name, question.kind, self._observer)
        seconds = self._limits.page_seconds
        try:
            try:
                async with asyncio.timeout(seconds), self._slots.document():
                    fetched = await self._exchanged(question, call)
            except TimeoutError:
                slow = Asked(self._name, question.url).unreachable(f"was not done within {seconds:g} s")
                raise Passing(slow) from None
        except BaseException as error:
            call.end(error)
            raise
        call.end(outcome="unmodified" if fetched is None else "ok")
        return fetched

    async def _exchanged(self, question: Question[T], call: Call) -> Fetched[T] | None:
        try:
            answer = await self._exchange.ask(
                question.url, {**question.headers, **_conditions(question.known)}
            )
        except Refused as error:
            if question.kind == "metadata":
                raise
            # The index itself leads to where it may not be followed: that is an upstream that failed.
            sentence = f"cannot be asked. {str(error).removesuffix('.')}"
            raise Asked(self._name, question.url).unreachable(sentence) from error
        async with answer.response as response:
            if response.status in _GONE:
                raise question.missing
            if response.status == _UNMODIFIED and _conditions(question.known):
                return None
            if response.status != _OK:
                raise for_status(answer.asked, response.status, response.headers, self._clock())
            value = await document.read(
                response, answer.asked, question.reader, limit=self._limits.max_page_bytes, call=call
            )
            return Fetched(value, _validators(answer))


def _conditions(known: Validators) -> dict[str, str]:
    conditions = {"If-None-Match": known.etag, "If-Modified-Since": known.last_modified}
    return {name: value for name, value in conditions.items() if value is not None}


def _validators(answer: Answer) -> Validators:
    headers = answer.response.headers
    return Validators(
        etag=printable(headers.get("ETag")), last_modified=printable(headers.get("Last-Modified"))
    )
