"""Picks the form of a page that a client wants (RFC 9110 section 12.5; PEP 691 "Version + Format Selection").

- Nothing said, `*/*`, or a browser's wishes: `text/html`.
- JSON named, and not liked less than an HTML type that is named: JSON, whatever a wildcard beside it is worth.
- `?format=` beats the header; it is one exact type.
- What is answered names the version: `latest` is only asked for.
- Nothing that can be answered: None, which is a 406. So is `application/json`, which no client takes for a page.

Headers come from anybody: what cannot be read in one is passed over.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from werkzeug.datastructures import Accept
from werkzeug.http import parse_accept_header

from mirror.simple.media import LATEST, TEXT_HTML, V1_HTML, V1_JSON, Form, bare


@dataclass(frozen=True, slots=True)
class Choice:
    """What to answer with.

    Attributes:
        content_type: the exact media type of the answer.
        form: how its bytes are written.
    """

    content_type: str
    form: Form


_CHOICES: Final = {
    V1_JSON: Choice(V1_JSON, Form.JSON),
    V1_HTML: Choice(V1_HTML, Form.HTML),
    TEXT_HTML: Choice(TEXT_HTML, Form.HTML),
}
_NAMED_FIRST: Final = (V1_JSON, V1_HTML, TEXT_HTML)
"""Of types that are named and liked alike: the richest first, `text/html` last (PEP 691)."""
_MATCHED_FIRST: Final = (TEXT_HTML, V1_JSON, V1_HTML)
"""Of types that only a wildcard matches: what everybody can show comes first."""
_WILDCARD: Final = "*/*"


@lru_cache(maxsize=256)
def choose(accept: str | None, format_parameter: str | None = None) -> Choice | None:
    """Choose how to answer.

    Args:
        accept: the `Accept` header; None when there is none.
        format_parameter: the value of `?format=`; None when there is none. A `+` may have been decoded to a space.

    Returns:
        None when there is nothing that the client accepts.
    """
    if format_parameter is not None:
        asked = format_parameter.strip().replace(" ", "+").lower()
        return _CHOICES.get(LATEST.get(asked, asked))
    wishes = _wishes(accept)
    if not wishes:
        return _CHOICES[TEXT_HTML]
    json = wishes.get(V1_JSON, 0)
    if json and json >= max(wishes.get(V1_HTML, 0), wishes.get(TEXT_HTML, 0)):
        return _CHOICES[V1_JSON]
    quality, _, best = max(_offers(wishes))
    return _CHOICES[best] if quality else None


@lru_cache(maxsize=256)
def accepts_gzip(accept_encoding: str | None) -> bool:
    """Tell whether an answer may be compressed with gzip: it is accepted, and not liked less than no coding at all.

    Args:
        accept_encoding: the `Accept-Encoding` header; None when there is none, which is taken for no.
    """
    wishes = {coding.strip().lower(): quality for coding, quality in _parsed(accept_encoding)}
    gzip = wishes.get("gzip", wishes.get("x-gzip", wishes.get("*", 0)))
    return gzip > 0 and gzip >= wishes.get("identity", 0)


def _parsed(header: str | None) -> Accept:
    return parse_accept_header(header, Accept)


def _wishes(accept: str | None) -> dict[str, float]:
    """Give the quality of each type and wildcard that is named; parameters do not matter, the best of a type counts."""
    wishes: dict[str, float] = {}
    for value, quality in _parsed(accept):
        named = bare(value)
        concrete = _WILDCARD if named == "*" else LATEST.get(named, named)
        if concrete:
            wishes[concrete] = max(quality, wishes.get(concrete, 0))
    return wishes


def _offers(wishes: dict[str, float]) -> list[tuple[float, int, str]]:
    """Give (quality, rank, type) of each type that can be answered: by its name, else its group, else the wildcard."""
    offers = []
    for offer in _CHOICES:
        group = offer.partition("/")[0] + "/*"
        matched = next((pattern for pattern in (offer, group, _WILDCARD) if pattern in wishes), None)
        quality = 0 if matched is None else wishes[matched]
        order = _NAMED_FIRST if matched == offer else _MATCHED_FIRST
        rank = (len(order) if matched == offer else 0) - order.index(offer)
        offers.append((quality, rank, offer))
    return offers
