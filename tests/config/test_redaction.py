"""Secrets are taken out of text, wherever they stand and however they are spelled."""

import json
import string
from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from config.redaction import HIDDEN, clean, clean_text, spellings

TOKEN_CHARACTERS = string.ascii_letters + string.digits + "-._~+/"
tokens = st.text(TOKEN_CHARACTERS, min_size=8, max_size=60)
"""What RFC 9110 section 11.2 allows as a token68."""
userinfos = st.text(string.ascii_letters + string.digits + "-._~!$&'()*+,;=:%@", min_size=8, max_size=40)
queries = st.text(string.ascii_letters + string.digits + "-._~!$&'()*+,;=:%@/", min_size=8, max_size=40)
secrets = st.text(min_size=4, max_size=40).filter(lambda text: HIDDEN not in text and text not in HIDDEN * 3)
around = st.text(max_size=20)
schemes = st.sampled_from(["Basic", "Bearer", "basic", "BEARER"])


@given(before=around, userinfo=userinfos, after=st.text(TOKEN_CHARACTERS))
def test_userinfo_of_any_url_is_hidden(before: str, userinfo: str, after: str) -> None:
    """No userinfo of a URL survives, in whatever text the URL stands."""
    text = clean_text(f"{before} https://{userinfo}@feeds.example.com/{after}")
    assert f"//{userinfo}@" not in text
    assert f"//{HIDDEN}@feeds.example.com/" in text


@given(query=queries)
def test_queries_of_urls_are_hidden(query: str) -> None:
    """No query of a URL survives, since signed URLs carry their signature there."""
    assert query not in clean_text(f"GET https://blobs.example.com/a.whl?{query} failed")


@given(
    name=st.sampled_from(
        ["sig", "se", "sp", "token", "access_token", "X-Amz-Signature", "client_secret", "password"]
    ),
    value=tokens,
    quotes=st.sampled_from(["", '"', "'"]),
)
def test_sensitive_parameters_are_hidden(name: str, value: str, quotes: str) -> None:
    """A value after `sig=` and its like is hidden without a URL around it too."""
    assert clean_text(f"the answer to {name}={quotes}{value}{quotes}&a=b was") in {
        f"the answer to {name}={HIDDEN}&a=b was",
        f"the answer to {name}={HIDDEN}",
    }


@given(scheme=schemes, token=tokens)
def test_authorization_is_hidden_in_all_its_forms(scheme: str, token: str) -> None:
    """The value of an authorization header does not survive as a header, in a dictionary, in a tuple or alone."""
    forms = (
        f"Authorization: {scheme} {token}",
        f"authorization={token}",
        repr({"Authorization": f"{scheme} {token}", "X": "y"}),
        repr((b"Authorization", f"{scheme} {token}".encode())),
        json.dumps({"proxy-authorization": token}),
        f"sent {scheme} {token}, got 401",
    )
    for form in forms:
        assert token not in clean_text(form)


@given(before=around, secret=secrets, after=around)
@example(before="", secret="a /b c", after="")
@example(before="", secret="a'b\"\x00\u00e4", after="")
def test_a_known_secret_is_hidden_in_every_spelling(before: str, secret: str, after: str) -> None:
    """A secret that we know of survives neither as it is, nor percent-encoded, nor in JSON, nor in a repr."""
    hidden = spellings([secret])
    encoded = (quote(secret, safe="", errors="replace"), quote(secret, errors="replace"))
    escaped = (json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1], repr(secret)[1:-1])
    for spelling in (secret, *encoded, *escaped):
        assert f"<{spelling}>" not in clean_text(f"{before}<{spelling}>{after}", hidden)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text() | st.binary(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner),
        max_leaves=12,
    ),
    secrets,
)
def test_whatever_an_event_carries_comes_out_clean_and_plain(value: object, secret: str) -> None:
    """Nested values, keys and bytes are cleaned, and the result is always JSON."""
    event = {
        "event": secret,
        secret: 1,
        "deep": [{"er": (secret, value, secret.encode(errors="replace"))}],
        "v": value,
    }
    hidden = spellings([secret])
    cleaned = clean(event, hidden)
    json.dumps(cleaned)
    assert isinstance(cleaned, dict)
    assert secret not in cleaned
    assert HIDDEN in cleaned["event"]
    assert HIDDEN in cleaned["deep"][0]["er"][0]


@pytest.mark.parametrize(
    "name", ["authorization", "Proxy-Authorization", "password", "token", "secret", "Set-Cookie"]
)
def test_a_value_under_a_sensitive_name_is_hidden_whatever_it_is(name: str) -> None:
    """A key that names a secret hides its value, of any type; no value stays no value."""
    assert clean({name: "x", "nested": [{name: ["y", 3]}]}) == {name: HIDDEN, "nested": [{name: HIDDEN}]}
    assert clean({name: None}) == {name: None}


def test_objects_are_cleaned_by_what_they_say() -> None:
    """An exception, or any other object, is cleaned as its text; a structure without end comes to one."""
    assert clean({"error": ValueError("https://u:p@a.example/?sig=1")}) == {
        "error": "https://***@a.example/?***"
    }
    endless: list[object] = []
    endless.append(endless)
    json.dumps(clean(endless))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "request",
        "/simple/numpy/",
        "https://feeds.example.com/org/simple/",
        "2026-11-20T08:47:59.156829Z",
        "Upstream 'feed' at feeds.example.com cannot be reached: connection refused.",
        "[::1]:8080",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    """Ordinary messages, paths and URLs are left as they are."""
    assert clean_text(text) == text


def test_the_longest_secret_goes_first() -> None:
    """A secret that begins like another one leaves nothing of it behind."""
    assert clean_text("token-and-more", spellings(["token", "token-and-more"])) == HIDDEN
