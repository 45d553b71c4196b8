"""Decides where an upstream's files may point. Pure: it looks nothing up.

The rules, in order:

1. Only http and https, without user or password, with a well-formed host.
2. From an https upstream never to http.
3. Only to the upstream's own scheme, host and port, and to the entries of its `file_hosts`: `host` (any port),
   `host:port`, IPv6 in brackets; `*` is any host at a public address.
4. Private and loopback addresses only where the upstream itself is, or under a name that is listed.
5. Link-local, unspecified and multicast addresses only where that very address is the upstream's or is listed.

`check` applies them to a URL, `check_address` applies 4 and 5 to each address that a name resolves to at the moment of
connecting, so that a name that changes its mind afterwards (DNS rebinding) gains nothing.
"""

import re
from collections.abc import Sequence

from yarl import URL

from mirror.errors import Invalid, Refused
from mirror.upstream import addresses
from mirror.upstream.urls import host_of, normal_host, place, port_of

ANYWHERE = "*"

_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_HOST_NAME = re.compile(rf"(?=.{{1,254}}\Z){_LABEL}(?:\.{_LABEL})*\.?\Z")
_DIRECT_SCHEMES = frozenset({"http", "https"})


class Guard:
    """The rules for one upstream.

    Raises:
        Invalid: `home` or an entry of `file_hosts` is malformed.
    """

    def __init__(self, home: URL, file_hosts: Sequence[str] = ()) -> None:
        if home.scheme not in _DIRECT_SCHEMES or not home.raw_host:
            raise Invalid("An upstream's URL must begin with http:// or https:// and name a host.")
        self._home = home
        self._home_place = (host_of(home), port_of(home))
        self._anywhere = ANYWHERE in file_hosts
        self._listed = frozenset(_entry(entry) for entry in file_hosts if entry != ANYWHERE)

    def is_home(self, url: URL) -> bool:
        """Tell whether a URL is on the upstream's own scheme, host and port."""
        return url.scheme == self._home.scheme and (host_of(url), port_of(url)) == self._home_place

    def vouches_for(self, url: URL) -> bool:
        """Tell whether an operator named the URL's host, as home or in the list: `*` is not enough to earn credentials."""
        return self.is_home(url) or self._is_listed(host_of(url), port_of(url))

    def check(self, url: URL) -> None:
        """Let a URL pass.

        Raises:
            Refused: it may not be followed; the sentence names the rule.
        """
        if url.scheme not in _DIRECT_SCHEMES:
            raise Refused("The upstream names a URL that is neither http nor https; it is not followed.")
        if "@" in url.raw_authority:
            raise Refused("The upstream names a URL with a user name in it; it is not followed.")
        host, port = host_of(url), port_of(url)
        address = _literal(host)
        if self._home.scheme == "https" and url.scheme != "https":
            raise Refused(f"From an https upstream {place(url)} is not followed over plain http.")
        if not (self._anywhere or self.vouches_for(url)):
            raise Refused(
                f"{place(url)} is not the upstream's own host and not one of its file_hosts: add it there if its files live there."
            )
        if address is not None:
            self._check(host, port, address)

    def check_address(self, host: str, port: int, address: str) -> None:
        """Let a connection to one address of a host pass.

        Args:
            host: as in the URL that was checked.
            port: as in the URL that was checked.
            address: what the host's name resolved to.

        Raises:
            Refused: that address may not be reached under this name.
        """
        parsed = addresses.parse(address)
        if parsed is None:
            raise Refused(f"{host} resolves to something that is not an IP address; it is not followed.")
        self._check(normal_host(host), port, parsed)

    def _check(self, host: str, port: int, address: addresses.Address) -> None:
        kind = addresses.kind(address)
        if kind is None:
            return
        named = (host, port) == self._home_place or self._is_listed(host, port)
        if named and (kind == "internal" or host == normal_host(str(address))):
            return
        if kind == "internal":
            raise Refused(
                f"{host} is at the internal address {address}: it is followed only when {host} is one of the upstream's file_hosts."
            )
        raise Refused(
            f"{host} is at {address}, an address of this machine's own network segment or platform: it is not followed."
        )

    def _is_listed(self, host: str, port: int) -> bool:
        return (host, None) in self._listed or (host, port) in self._listed


def _literal(host: str) -> addresses.Address | None:
    try:
        address = addresses.literal(host)
    except ValueError:
        raise Refused(
            "The upstream names a host that is an IP address in disguise; it is not followed."
        ) from None
    if address is None and not _HOST_NAME.match(host):
        raise Refused("The upstream names a URL whose host is not well-formed; it is not followed.")
    return address


def _entry(entry: str) -> tuple[str, int | None]:
    """Read `host`, `host:port`, `[v6]` or `[v6]:port`."""
    try:
        url = URL(f"http://{entry}/")
        has_port = url.explicit_port is not None
        is_bare = url == URL(f"http://{url.raw_authority}/", encoded=True) and "@" not in url.raw_authority
        _literal(host_of(url))
    except (ValueError, Refused):
        is_bare = has_port = False
        url = URL()
    if not is_bare:
        raise Invalid(f"{entry!r} is not an entry of file_hosts: write host, host:port, [IPv6]:port or *.")
    return host_of(url), port_of(url) if has_port else None
