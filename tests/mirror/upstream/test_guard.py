"""An upstream's files may be where it is, where an operator said, and nowhere inside by another road."""

import socket
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from mirror.errors import Invalid, Refused
from mirror.upstream.addresses import kind
from mirror.upstream.guard import Guard
from mirror.upstream.urls import exact

HOME = "https://feeds.example.com/org/simple/"


def _allows(home: str, file_hosts: Sequence[str], url: str) -> bool:
    try:
        Guard(URL(home), file_hosts).check(exact(url))
    except Refused:
        return False
    return True


def _allows_address(home: str, file_hosts: Sequence[str], host: str, address: str, port: int = 443) -> bool:
    try:
        Guard(URL(home), file_hosts).check_address(host, port, address)
    except Refused:
        return False
    return True


@pytest.mark.parametrize(
    ("file_hosts", "url", "allowed"),
    [
        ([], "https://feeds.example.com/elsewhere/x.whl", True),
        ([], "https://FEEDS.example.com:443/x.whl", True),
        ([], "https://feeds.example.com:8443/x.whl", False),
        ([], "https://blobs.example.com/x.whl", False),
        ([], "https://feeds.example.com.evil.invalid/x.whl", False),
        (["blobs.example.com"], "https://blobs.example.com/x.whl", True),
        (["blobs.example.com"], "https://blobs.example.com:8443/x.whl", True),
        (["BLOBS.example.com"], "https://blobs.EXAMPLE.com/x.whl", True),
        (["bücher.example"], "https://xn--bcher-kva.example/x.whl", True),
        (["blobs.example.com"], "https://sub.blobs.example.com/x.whl", False),
        (["blobs.example.com:8443"], "https://blobs.example.com:8443/x.whl", True),
        (["blobs.example.com:8443"], "https://blobs.example.com/x.whl", False),
        (["blobs.example.com:443"], "https://blobs.example.com/x.whl", True),
        (["[2001:db8::1]:8443"], "https://[2001:db8:0::1]:8443/x.whl", True),
        (["[2001:db8::1]"], "https://[2001:db8::2]/x.whl", False),
        (["*"], "https://anywhere.example.org:8443/x.whl", True),
        (["*"], "https://192.0.2.7/x.whl", True),
        (["*"], "http://anywhere.example.org/x.whl", False),
        (["blobs.example.com"], "http://blobs.example.com/x.whl", False),
        (["*"], "ftp://feeds.example.com/x.whl", False),
        (["*"], "file:///etc/passwd", False),
        (["*"], "//feeds.example.com/x.whl", False),
        (["*"], "https:///x.whl", False),
        (["*"], "https://user@feeds.example.com/x.whl", False),
        (["*"], "https://@feeds.example.com/x.whl", False),
        (["*"], "https://user:pw@feeds.example.com/x.whl", False),
        (["*"], "https://feeds.example.com\\@evil.invalid/x.whl", False),
        (["*"], "https://feeds.example.com%2f@evil.invalid/x.whl", False),
        (["*"], "https://%66eeds.example.com/x.whl", False),
        (["*"], "https://fe eds.example.com/x.whl", False),
        (["*"], f"https://{'a' * 64}.example.com/x.whl", False),
        (["*"], "https://a..example.com/x.whl", False),
        (["*"], "https://feeds.example.com:99999/x.whl", False),
    ],
)
def test_a_url_passes_by_its_place(file_hosts: list[str], url: str, *, allowed: bool) -> None:
    """Home's own origin and the listed places pass; every other host, a downgrade and malformed URLs do not."""
    assert _allows(HOME, file_hosts, url) is allowed


INTERNAL = [
    "10.1.2.3",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "100.64.0.1",
    "127.0.0.1",
    "127.8.8.8",
    "[::1]",
    "[fd00::1]",
    "[fc00::1]",
    "240.0.0.1",
    "[::ffff:10.1.2.3]",
    "[::ffff:7f00:1]",
    "[::127.0.0.1]",
    "[64:ff9b::10.0.0.1]",
    "[64:ff9b:1::a00:1]",
    "[::ffff:0:10.0.0.1]",
    "[2002:7f00:1::]",
    "[2001:0:a00:1::5efe:102]",
]
MACHINE = [
    "169.254.169.254",
    "168.63.129.16",
    "0.0.0.0",  # noqa: S104 - nothing is bound
    "0.1.2.3",
    "224.0.0.1",
    "255.255.255.255",
    "[fe80::1]",
    "[::]",
    "[ff02::1]",
    "[::ffff:169.254.169.254]",
    "[64:ff9b::a9fe:a9fe]",
]
DISGUISED = [
    "2130706433",
    "0x7f000001",
    "0x7f.1",
    "0177.0.0.1",
    "127.1",
    "127.0.1",
    "010.0.0.1",
    "127.0.0.1.",
    "2852039166",
    "0xA9FEA9FE",
    "169.254.43518",
    "1.2.3.4.5",
    "256.1.1.1",
    "\uff11\uff12\uff17.0.0.1",
    "\u2460\u2461\u2466.0.0.1",
    "[fe80::1%25eth0]",
    "[::ffff:127.0.0.1%251]",
]


@pytest.mark.parametrize("host", [*INTERNAL, *MACHINE, *DISGUISED])
def test_no_spelling_of_an_inner_address_slips_through(host: str) -> None:
    """With every host allowed, an address inside is refused in each way that a URL can write it."""
    assert not _allows(HOME, ["*"], f"https://{host}/x.whl")
    assert not _allows(HOME, ["*"], f"https://{host}:8443/x.whl")


@pytest.mark.parametrize("host", INTERNAL)
def test_an_internal_address_is_reached_where_it_is_listed(host: str) -> None:
    """A private or loopback address passes when it is listed itself, and as the upstream's own."""
    assert _allows(HOME, [host], f"https://{host}/x.whl")
    assert _allows(f"https://{host}/simple/", [], f"https://{host}/x.whl")
    assert not _allows(f"https://{host}/simple/", ["*"], f"https://{host}:6379/x.whl")


@pytest.mark.parametrize("host", MACHINE)
def test_a_machines_own_address_is_reached_only_as_itself(host: str) -> None:
    """A link-local address passes when that very address is listed, and never under a name."""
    assert _allows(HOME, [host], f"https://{host}/x.whl")
    assert not _allows_address(HOME, ["blobs.example.com"], "blobs.example.com", host.strip("[]"))
    assert not _allows_address(HOME, [], "feeds.example.com", host.strip("[]"))


@pytest.mark.parametrize("host", INTERNAL)
def test_a_listed_name_may_be_at_an_internal_address(host: str) -> None:
    """A name that resolves inside is followed when it is listed or is the upstream, and not by `*`."""
    address = host.strip("[]")
    assert _allows_address(HOME, [], "feeds.example.com", address)
    assert _allows_address(HOME, ["blobs.example.com"], "BLOBS.example.com", address)
    assert not _allows_address(HOME, ["*"], "blobs.example.com", address)
    assert not _allows_address(HOME, ["*", "blobs.example.com:8443"], "blobs.example.com", address)
    assert not _allows_address(HOME, ["*"], "feeds.example.com", address, port=6379)


@pytest.mark.parametrize("address", ["192.0.2.1", "198.51.100.1", "203.0.113.1", "2001:db8::1", "198.18.0.1"])
def test_documentation_networks_count_as_public(address: str) -> None:
    """What is refused is a list of networks: addresses that are merely not global are not on it."""
    assert _allows_address(HOME, ["*"], "blobs.example.com", address)


def test_what_is_no_address_is_refused() -> None:
    """A resolver that answers with something else opens nothing."""
    assert not _allows_address(HOME, ["*"], "blobs.example.com", "blobs.example.com")


def test_an_address_with_a_zone_is_judged_by_the_address() -> None:
    """A link-local address as the system resolver writes it is one."""
    assert not _allows_address(HOME, ["*"], "blobs.example.com", "fe80::1%eth0")


@given(
    st.integers(0, 2**32 - 1).map(IPv4Address),
    st.sampled_from(["{}", "::ffff:{}", "::ffff:0:{}", "64:ff9b::{}", "::{}"]),
)
def test_an_ipv4_address_is_itself_in_any_wrapping(address: IPv4Address, form: str) -> None:
    """What an IPv4 address may do is what it may do inside an IPv6 one."""
    written = form.format(address)
    if int(address) <= 1 and form == "::{}":
        return
    wrapped = IPv6Address(written) if ":" in written else address
    assert kind(wrapped) == kind(address)


@given(st.integers(0, 2**32 - 1).map(IPv4Address), st.data())
def test_only_the_plain_spelling_of_an_address_passes(address: IPv4Address, data: st.DataObject) -> None:
    """Whatever the C library would read as an inner IPv4 address is refused, even when any host is allowed."""
    form = data.draw(st.sampled_from(["{0}", "0x{0:x}", "0{0:o}"]))
    parts = str(address).split(".")
    at = data.draw(st.integers(0, 3))
    joined = int.from_bytes(address.packed[at:], "big")
    host = ".".join([*parts[:at], form.format(joined)])
    assert socket.inet_aton(host) == address.packed
    if _allows(HOME, ["*"], f"https://{host}/x.whl"):
        assert host == str(address)
        assert kind(address) is None


@given(st.text(st.sampled_from("ab0127.x%@[]:/\\#?é ~"), min_size=1, max_size=24))
def test_nothing_but_a_listed_host_passes(authority: str) -> None:
    """Whatever stands between the slashes, only the upstream's own host gets through."""
    if _allows(HOME, [], f"https://{authority}/x.whl"):
        assert exact(f"https://{authority}/x.whl").host == "feeds.example.com"


@pytest.mark.parametrize(
    "entry",
    [
        "",
        "a/b",
        "https://blobs.example.com",
        "user@blobs.example.com",
        "a b",
        "host:port",
        "::1",
        "127.1",
        "a?b",
    ],
)
def test_a_malformed_entry_is_refused(entry: str) -> None:
    """An entry of file_hosts that is not a host is an error and not an entry that never matches."""
    with pytest.raises(Invalid, match="file_hosts"):
        Guard(URL(HOME), [entry])


def test_only_named_hosts_earn_credentials() -> None:
    """Home and listed hosts are vouched for by an operator; what `*` lets through is not."""
    guard = Guard(URL(HOME), ["*", "blobs.example.com"])
    assert guard.vouches_for(URL("https://feeds.example.com/x"))
    assert guard.vouches_for(URL("https://blobs.example.com/x"))
    assert not guard.vouches_for(URL("https://other.example.com/x"))


def test_a_refusal_names_no_secret() -> None:
    """A URL that is refused is told by its host alone: its query may be a signature."""
    with pytest.raises(Refused) as caught:
        Guard(URL(HOME)).check(URL("https://blobs.example.com/x.whl?sig=hidden"))
    assert "blobs.example.com" in str(caught.value)
    assert "hidden" not in str(caught.value)
