"""A TLS server on loopback with a certificate of its own, which nobody trusts until a test says so."""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from hashlib import shake_128
from pathlib import Path

from aiohttp import web
from aiohttp.test_utils import TestServer

FILE = shake_128(b"file").digest(3_000_000)
PAGE = b'{"meta":{"api-version":"1.0"},"name":"demo","files":[]}'

CERTIFICATE = """\
-----BEGIN CERTIFICATE-----
MIIBnDCCAUGgAwIBAgIUOTF00eYHFJIoV/5nsiSqsciNTg0wCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyMDA5MDAxM1oYDzIxMjYxMDI3
MDkwMDEzWjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAAT0gWjpocbELU3Au3ik+vaViM0glLcbITMnTYQy7zNZv0qrDw/01bQ3
wfgGgzBMEZkZmgcOSPfQFv8PAVEZtbhDo28wbTAdBgNVHQ4EFgQUpr/YNX5XsM1j
cIamcEDo1r/hh1gwHwYDVR0jBBgwFoAUpr/YNX5XsM1jcIamcEDo1r/hh1gwDwYD
VR0TAQH/BAUwAwEB/zAaBgNVHREEEzARgglsb2NhbGhvc3SHBH8AAAEwCgYIKoZI
zj0EAwIDSQAwRgIhAMiDRwliPaZ+c1m71wu08wYm2xpORifYZ2YkzqPpTkTLAiEA
wL+EZI/0QTYflZ9QyLDx6mUk/SCrNU76jV0NNlI7Cqg=
-----END CERTIFICATE-----
"""
"""For localhost and 127.0.0.1, until 2126."""
_KEY = """\
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgwL179OhUZhPWlQH6
bbYiIdN6yN8iaGWz0zLp712mKUGhRANCAAT0gWjpocbELU3Au3ik+vaViM0glLcb
ITMnTYQy7zNZv0qrDw/01bQ3wfgGgzBMEZkZmgcOSPfQFv8PAVEZtbhD
-----END PRIVATE KEY-----
"""


def certificate_in(folder: Path) -> Path:
    """Write the certificate where `SSL_CERT_FILE` can point."""
    path = folder / "certificate.pem"
    path.write_text(CERTIFICATE)
    return path


def _context(folder: Path) -> ssl.SSLContext:
    key = folder / "key.pem"
    key.write_text(_KEY)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate_in(folder), key)
    return context


@asynccontextmanager
async def serving(folder: Path) -> AsyncIterator[str]:
    """Serve an empty project page over TLS, `/file`, and `/leave?to=URL`; give the URL of the index."""

    async def handle(_request: web.Request) -> web.Response:
        return web.Response(body=PAGE, content_type="application/vnd.pypi.simple.v1+json")

    async def file(_request: web.Request) -> web.Response:
        return web.Response(body=FILE)

    app = web.Application()
    app.router.add_get("/file", file)

    async def leave(request: web.Request) -> web.Response:
        return web.Response(status=302, headers={"Location": request.query["to"]})

    app.router.add_get("/simple/demo/", handle)
    app.router.add_get("/leave", leave)
    server = TestServer(app, scheme="https")
    await server.start_server(ssl=_context(folder))
    try:
        yield str(server.make_url("/simple/"))
    finally:
        await server.close()
