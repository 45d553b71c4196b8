"""A certificate that is not trusted ends the conversation; one that has come to be trusted needs no restart."""

import asyncio
import ssl
from pathlib import Path

import pytest
from yarl import URL

from mirror.errors import Refused, Unreachable
from mirror.names import ProjectName
from mirror.upstream.client import UpstreamClient
from mirror.upstream.trust import Trust
from tests.mirror.upstream import tls
from tests.mirror.upstream.conftest import TOKEN, Bench, pat
from tests.simulator import Simulator

DEMO = ProjectName("demo")


async def test_an_untrusted_certificate_is_a_failure(bench: Bench, tmp_path: Path) -> None:
    """A server whose certificate nobody vouches for gets no request, and the sentence names upstream and cause."""
    async with tls.serving(tmp_path) as url:
        with pytest.raises(
            Unreachable, match=r"'feed' at 127\.0\.0\.1.* TLS certificate that is not trusted"
        ):
            await bench.client(url, pat(url, TOKEN)).fetch_page(DEMO)
    assert set(bench.outcomes) == {("page", "unreachable")}


async def test_a_rotated_bundle_is_picked_up(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Certificates that were added to the machine's after the start are used at the next attempt."""
    async with tls.serving(tmp_path) as url:
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "certificate.pem"))
        assert await bench.client(url).fetch_page(DEMO) is not None
    assert bench.outcomes == [("page", "unreachable"), ("page", "ok")]


async def test_a_hop_over_https_is_not_followed_by_one_without(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also of an http upstream: once a redirect has led to https, it does not lead back to http."""
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "certificate.pem"))
    async with Simulator() as feed, tls.serving(tmp_path) as url:
        feed.add("demo", "demo-1.0.tar.gz", b"sdist")
        file = feed.file_url("demo", "demo-1.0.tar.gz")
        secure = URL(url)
        client = bench.client(feed.simple_url, file_hosts=[f"127.0.0.1:{secure.port}"])
        leave = str(secure.with_path("/leave").with_query(to=file))
        # The first attempt fails, and makes the certificates be loaded again.
        with pytest.raises(Unreachable, match="not trusted"):
            await _enter(client, leave)
        with pytest.raises(Refused, match="redirects from https"):
            await _enter(client, leave)
        assert feed.requests == []


async def _enter(client: UpstreamClient, url: str) -> None:
    async with client.open_file(url):
        pass


async def test_certificates_are_loaded_once_for_all() -> None:
    """However many connections fail at once, the bundle is read once, and all of them may try again."""
    trust = Trust()
    assert await asyncio.gather(*(trust.renewed_since(None) for _ in range(5))) == [True] * 5
    context = trust.context
    assert isinstance(context, ssl.SSLContext)
    assert not await trust.renewed_since(context)
    assert trust.context is context
