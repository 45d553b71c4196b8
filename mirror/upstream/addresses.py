"""Which IP addresses are nobody's business: explicit networks, so that what is refused can be read here.

Sources: the IANA special-purpose address registries (RFC 6890); RFC 1918, 4193, 6598 (private), 3927 and 4291
(link-local, multicast). Documentation and benchmarking networks are left out on purpose: they lead nowhere dangerous.
"""

from collections.abc import Iterator
from ipaddress import (
    AddressValueError,
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import Literal

Address = IPv4Address | IPv6Address
Kind = Literal["internal", "machine"]
"""internal: reachable when its name is listed; machine: only when that very address is listed."""

_INTERNAL = tuple(
    ip_network(network)
    for network in (
        "10.0.0.0/8",  # private
        "172.16.0.0/12",
        "192.168.0.0/16",
        "fc00::/7",
        "fec0::/10",  # private, before RFC 4193
        "100.64.0.0/10",  # carriers' own, and the insides of clouds
        "192.0.0.0/24",  # protocol assignments; one cloud keeps its metadata here
        "240.0.0.0/4",  # reserved; some clouds use it inside
        "127.0.0.0/8",  # loopback
        "::1/128",
    )
)
_MACHINE = tuple(
    ip_network(network)
    for network in (
        "169.254.0.0/16",  # link-local: the metadata services of clouds
        "fe80::/10",
        "168.63.129.16/32",  # Azure's platform address, link-local in all but name
        "0.0.0.0/8",  # unspecified: the system takes it for loopback
        "::/128",
        "224.0.0.0/4",  # multicast
        "ff00::/8",
        "255.255.255.255/32",
    )
)
_TRANSLATED = (IPv6Network("64:ff9b::/96"), IPv6Network("64:ff9b:1::/48"), IPv6Network("::ffff:0:0:0/96"))
_COMPATIBLE = IPv6Network("::/96")


def kind(address: Address) -> Kind | None:
    """Tell what an address is; None for a public one. IPv4 addresses wrapped into IPv6 ones count as themselves."""
    meant = tuple(_meant(address))
    if _within(meant, _MACHINE):
        return "machine"
    if _within(meant, _INTERNAL):
        return "internal"
    return None


def literal(host: str) -> Address | None:
    """Read a host that is an address; None when it is a name.

    Raises:
        ValueError: it is an address in disguise: decimal, octal, hexadecimal or shortened IPv4, which a resolver would
            take for the address and a comparison would not; or an IPv6 address with a zone.
    """
    if ":" in host:
        address = IPv6Address(host)
        if address.scope_id is not None:
            raise ValueError("zone")
        return address
    last = host.removesuffix(".").rpartition(".")[2]
    if not (last.isdigit() or last.lower().startswith("0x")):
        return None
    return IPv4Address(host)


def parse(text: str) -> Address | None:
    """Read an address as a resolver gives it; None when it is none."""
    try:
        return ip_address(text)
    except (AddressValueError, ValueError):
        return None


def _meant(address: Address) -> Iterator[Address]:
    yield address
    if isinstance(address, IPv4Address):
        return
    if address.ipv4_mapped is not None:
        yield address.ipv4_mapped
    if address.sixtofour is not None:
        yield address.sixtofour
    if address.teredo is not None:
        yield from address.teredo
    is_compatible = address in _COMPATIBLE and int(address) > 1
    if is_compatible or any(address in network for network in _TRANSLATED):
        yield IPv4Address(int(address) & 0xFFFFFFFF)


def _within(addresses: tuple[Address, ...], networks: tuple[IPv4Network | IPv6Network, ...]) -> bool:
    return any(
        address.version == network.version and address in network
        for address in addresses
        for network in networks
    )
