"""Links of an upstream's page: made absolute, and refused where they could lead an http client astray.

A page may have ten thousand of them. What nearly every link looks like is resolved by one regular expression, and only
the odd ones pay for `urllib.parse.urljoin`. Both ways give the same answer, and a test holds them to it.
"""

import re
from urllib.parse import quote, unquote, urljoin

_ABSOLUTE = re.compile(
    r"(?P<origin>https?://(?:[A-Za-z0-9._~-]+|\[[0-9A-Fa-f:.]+\])(?::(?P<port>[0-9]{1,5}))?)"
    r"(?:[/?][A-Za-z0-9._~:/?\[\]@!$&'()*+,;=%-]*)?\Z"
)
"""RFC 3986, less than all of it: http or https, a host, no userinfo, nothing that would have to be encoded first."""
_PATH = re.compile(r"(?P<up>/|(?:\.\./)*)(?P<down>[A-Za-z0-9_~!$&'()*+,=%@-][A-Za-z0-9._~!$&'()*+,=%@/-]*)\Z")
"""A path from the root, from here or from some folder above, with neither scheme nor query."""
_USUAL_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+!-]*\Z")
"""The last segment of a path, which says nothing of where the folder is that it is in."""
_HIGHEST_PORT = 65_535
_IGNORED = str.maketrans("", "", "\t\r\n")
"""The URL standard: these are taken out of a link before it is read."""
_UNENCODED = "%/:=&?~+!$,;'@()*[]"


class Links:
    """Resolves the links of one page (RFC 3986 section 5).

    Args:
        base: the absolute URL that they are relative to: where the page came from, or what its `<base>` says.
    """

    def __init__(self, base: str) -> None:
        self._base = base
        self._last_folder: str | None = None
        self._last_place = ""
        """Where it is. The links of a page lead to one folder, or each to one of its own."""
        self._folders: list[str] = []
        """The folder of the base, then the one above, up to the root; empty when the base is an odd one."""
        found = _ABSOLUTE.match(base.partition("?")[0].partition("#")[0])
        if found is not None:
            path = found.string[found.end("origin") :]
            if path and _has_no_odd_segment(path):
                segments = path.split("/")
                depths = range(len(segments) - 1, 0, -1)
                self._folders = [found["origin"] + "/".join(segments[:depth]) + "/" for depth in depths]

    def resolve(self, link: str) -> str | None:
        """Make a link absolute, without its fragment; its query stays, for it may be a signature.

        Returns:
            None when it is not http or https, has userinfo, or is no URL at all.
        """
        target = link.partition("#")[0]
        name = target.rpartition("/")[2]
        if not name or not _USUAL_NAME.match(name):
            return self._resolved(target)
        folder = target[: -len(name)]
        if folder != self._last_folder:
            resolved = self._resolved(target)
            if resolved is None or resolved.count("/") < len("//") + 1:  # the name may be a host
                return resolved
            self._last_folder, self._last_place = folder, resolved[: -len(name)]
        return self._last_place + name

    def _resolved(self, target: str) -> str | None:
        if is_plain(target):
            return target
        return self._below(target) or self._joined(target)

    def _below(self, target: str) -> str | None:
        """Resolve a path by putting it behind one of the folders; None when that is not all there is to it."""
        found = _PATH.match(target)
        if found is None or not self._folders or not _has_no_odd_segment(found["down"]):
            return None
        climb = -1 if found["up"] == "/" else len(found["up"]) // len("../")
        return self._folders[climb] + found["down"] if climb < len(self._folders) else None

    def _joined(self, target: str) -> str | None:
        try:
            joined = urljoin(self._base, target.strip().translate(_IGNORED)).partition("#")[0]
        except ValueError:
            return None
        if "\\" in joined:  # one reader takes it for a slash and the next for a letter: nobody knows the host
            return None
        encoded = quote(joined, safe=_UNENCODED)
        return encoded if is_plain(encoded) else None


def is_plain(url: str) -> bool:
    """Tell whether a URL is absolute, of http or https, with a host and without userinfo and fragment."""
    found = _ABSOLUTE.match(url)
    return found is not None and (found["port"] is None or int(found["port"]) <= _HIGHEST_PORT)


def last_segment(link: str) -> str:
    """Give the last segment of a link's path, decoded once; empty when the path ends in a slash."""
    return unquote(link.partition("#")[0].partition("?")[0].rpartition("/")[2])


def _has_no_odd_segment(path: str) -> bool:
    return "//" not in path and "/." not in path
