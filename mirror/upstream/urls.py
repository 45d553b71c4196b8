"""URLs that others wrote: taken exactly as they are, compared by origin, and shown without what may be secret."""

from ipaddress import AddressValueError, IPv6Address

from yarl import URL

from mirror.errors import Refused

Origin = tuple[str, str, int]
"""Scheme, normalized host, port."""


def exact(text: str, base: URL | None = None) -> URL:
    """Read a URL, keeping every percent-escape as it is written: a signature covers them.

    Args:
        text: an absolute URL, or a relative one when there is a `base`.
        base: the URL of the answer that holds it.

    Raises:
        Refused: it is not a URL.
    """
    well_formed = text.isascii() and text.isprintable() and " " not in text
    try:
        url = URL(text, encoded=well_formed)
        url = (url if base is None else base.join(url)).with_fragment(None)
        # yarl reads the authority when it is first asked for it, and that is when it may find it malformed.
        _ = url.raw_host, url.port
    except (ValueError, IndexError):
        # Not chained: yarl may quote the URL, and its query may hold a signature.
        raise Refused("The upstream names something that is not a URL.") from None
    return url


def host_of(url: URL) -> str:
    """Give the host in the form that is compared: IDNA, lower case, IPv6 in its shortest form; empty when there is none."""
    return normal_host(url.raw_host or "")


def normal_host(host: str) -> str:
    """Bring a bare host (IPv6 without brackets) into the form that is compared."""
    if ":" in host:
        try:
            return IPv6Address(host).compressed
        except AddressValueError:
            return host.lower()
    return host.lower()


def port_of(url: URL) -> int:
    """Give the port, the scheme's default filled in; 0 when the scheme has none."""
    return url.port or 0


def origin(url: URL) -> Origin:
    """Give what must be equal for two URLs to be the same server (RFC 6454 section 4)."""
    return url.scheme, host_of(url), port_of(url)


def place(url: URL) -> str:
    """Give `host:port` for a message, IPv6 in brackets, the port only when it is not the scheme's own."""
    host = host_of(url)
    name = f"[{host}]" if ":" in host else host
    return name if url.is_default_port() else f"{name}:{port_of(url)}"


def shown(url: URL) -> str:
    """Give the URL for a message: without user, password, query and fragment."""
    return f"{url.scheme}://{place(url)}{url.raw_path}"
