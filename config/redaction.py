"""Takes secrets out of text. Pure: known values first, then whatever looks like one.

It is the last net, not the first: no message is built from a secret. So it would rather hide too much.
"""

import json
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from urllib.parse import quote, quote_plus

HIDDEN = "***"

_HARMLESS = re.compile(r"[A-Za-z0-9_.+-]*(?:/[A-Za-z0-9_.+-]+)*/?\Z")
"""Words, numbers and paths: no pattern below can match in them. Most values of most events are such."""
_USERINFO = re.compile(r"//[^/?#\s]*@")
_QUERY = re.compile(r"(://[^\s?#\"<>]*)\?[^\s#\"<>]*")
_SENSITIVE = (
    r"(?:x-(?:amz|goog|ms)-[a-z-]+|(?:access|refresh|id|auth|api|security)[_-]?(?:token|key)|[a-z_-]*(?:secret|password|passwd|token)"
    r"|pat|sig|signature|credential|se|st|sp|sv|sr|skoid|sktid|skt|ske|sks|skv)"
)
_PAIR = re.compile(rf"(?<![a-z0-9_-])({_SENSITIVE}=)(?:\"[^\"]*\"|'[^']*'|[^\s&#\"<>]+)", re.IGNORECASE)
_HEADER = re.compile(
    r"((?:proxy-)?authorization|(?:set-)?cookie|x-api-key)([\"']?\s*[:=,]\s*(?:b(?=[\"']))?[\"']?)[^\"'\r\n]+",
    re.IGNORECASE,
)
_SCHEME = re.compile(r"\b(basic|bearer|negotiate|ntlm)\s+[\"']?[^\s,;\"')\]}>]+", re.IGNORECASE)
_SENSITIVE_NAME = re.compile(
    r"(?:proxy-|proxy_)?authorization|(?:set-|set_)?cookie|password|passwd|secret|token|pat|api[_-]?key|credentials?",
    re.IGNORECASE,
)


def spellings(secrets: Iterable[str]) -> tuple[str, ...]:
    """Give every way in which secrets may stand in a text, the longest first: plain, in URLs, in JSON and in `repr`."""
    return _spellings(frozenset(secrets))


def clean_text(text: str, hidden: Iterable[str] = ()) -> str:
    """Hide userinfo and queries of URLs, values of sensitive parameters and of authorization headers, and known secrets.

    Args:
        text: of any kind, an exception's included.
        hidden: what must not appear, from `spellings`.
    """
    for spelling in hidden:
        text = text.replace(spelling, HIDDEN)
    if _HARMLESS.match(text):
        return text
    text = _USERINFO.sub(f"//{HIDDEN}@", text)
    text = _QUERY.sub(rf"\1?{HIDDEN}", text)
    text = _HEADER.sub(rf"\1\2{HIDDEN}", text)
    text = _SCHEME.sub(rf"\1 {HIDDEN}", text)
    return _PAIR.sub(rf"\1{HIDDEN}", text)


def clean(value: object, hidden: tuple[str, ...] = (), *, depth: int = 12) -> object:
    """Clean every text in a value: in mappings (keys too), in sequences, and what other objects say of themselves.

    Args:
        value: what an event carries; the result has only mappings, lists, texts, numbers, booleans and None in it.
        hidden: what must not appear, from `spellings`.
        depth: levels that are kept as they are built; what is deeper becomes one text.
    """
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, bytes | bytearray | memoryview):
        return clean_text(bytes(value).decode(errors="backslashreplace"), hidden)
    if isinstance(value, Mapping) and depth:
        return {
            clean_text(name, hidden): HIDDEN
            if inner is not None and _is_sensitive(name)
            else clean(inner, hidden, depth=depth - 1)
            for name, inner in ((str(key), inner) for key, inner in value.items())
        }
    if isinstance(value, list | tuple | set | frozenset) and depth:
        return [clean(inner, hidden, depth=depth - 1) for inner in value]
    return clean_text(str(value), hidden)


@lru_cache(maxsize=256)
def _is_sensitive(name: str) -> bool:
    return _SENSITIVE_NAME.fullmatch(name) is not None


@lru_cache(maxsize=2)
def _spellings(secrets: frozenset[str]) -> tuple[str, ...]:
    found = {
        spelling
        for secret in secrets
        for spelling in (
            secret,
            quote(secret, safe="", errors="replace"),
            quote(secret, errors="replace"),
            quote_plus(secret, errors="replace"),
            json.dumps(secret)[1:-1],
            json.dumps(secret, ensure_ascii=False)[1:-1],
            repr(secret)[1:-1],
        )
        if spelling
    }
    return tuple(sorted(found, key=len, reverse=True))
