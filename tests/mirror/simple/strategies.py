"""Pages as hypothesis makes them: every field there or not, and hostile wherever a field may hold any text."""

from datetime import datetime
from urllib.parse import quote

from hypothesis import strategies as st

from mirror.model import File, ProjectPage, ProjectStatus
from mirror.names import DISTRIBUTION_SUFFIXES, ProjectName, is_wheel

PROJECT = ProjectName("demo")
PAGE_URL = "https://index.example/simple/demo/"
FILE_BASE = "../../files/"
FILES_URL = "https://index.example/files/demo/"

_HOSTILE = (
    '"><script>alert(1)</script>',
    "' onmouseover='x",
    "</a></body></html>",
    "<!-- the end",
    "--><!--the end-->",
    "&lt;b&gt; &amp;lt; &#60; &copy",
    '\\u003c \\" \\n {}[]',
    "\u05e2\u05d1\u05e8",
    "\U0001f980 \u00e9\u00df",
    "<4,>=3.8",
    "%00%0d%0aX: y",
)
texts = st.one_of(
    st.sampled_from(_HOSTILE),
    st.text(min_size=1).filter(lambda text: text.isprintable() and text == text.strip()),
)
"""Texts that survive cleaning as they are."""

_SAFE_IN_FILENAME = "abcXYZ019-_.+!~()@,=;[]{}$^`"
filenames = st.builds(
    "{}{}{}".format,
    st.sampled_from("aZ0_"),
    st.text(_SAFE_IN_FILENAME, max_size=20),
    st.sampled_from([*DISTRIBUTION_SUFFIXES, ".tar.Z", ".whl", ".whl"]),
)

_hex = st.sampled_from("0123456789abcdef")
_sha256 = st.text(_hex, min_size=64, max_size=64).map(lambda digest: {"sha256": digest})
_sha512 = st.text(_hex, min_size=128, max_size=128).map(lambda digest: {"sha512": digest})
_nothing: st.SearchStrategy[dict[str, str]] = st.builds(dict)
_moments = st.datetimes(min_value=datetime(1, 1, 1)).map(lambda moment: f"{moment.isoformat()}Z")  # noqa: DTZ001
_provenances = st.text("abc-._~%/:?=&+!$,;'@()*[]", max_size=20).map("https://index.example/{}".format)


@st.composite
def _files(draw: st.DrawFn, name: str) -> File:
    return File(
        filename=name,
        url=FILES_URL + quote(name),
        hashes=draw(_sha256 | _sha512 | _nothing),
        requires_python=draw(st.none() | texts),
        size=draw(st.none() | st.integers(0, 2**63 - 1)),
        upload_time=draw(st.none() | _moments),
        yanked=draw(st.booleans() | texts),
        core_metadata=draw(st.booleans() | _sha256) if is_wheel(name) else False,
        provenance=draw(st.none() | _provenances),
    )


_statuses = st.builds(
    ProjectStatus,
    status=st.sampled_from(["active", "archived", "deprecated", "odd"]),
    reason=st.none() | texts,
)


@st.composite
def pages(draw: st.DrawFn) -> ProjectPage:
    """Make a page as `parse` gives it when it reads what `render` wrote for `PAGE_URL` with `FILE_BASE`."""
    names = draw(st.lists(filenames, unique=True, max_size=4))
    return ProjectPage(
        name=PROJECT,
        files=tuple(draw(_files(name)) for name in names),
        versions=draw(st.none() | st.lists(texts, unique=True, max_size=3).map(tuple)),
        status=draw(st.none() | _statuses),
    )
