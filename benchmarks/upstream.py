"""The upstream: nginx on loopback in front of the tree, at four ports and two indexes, with a log that can be counted."""

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum

from benchmarks import nginx, places
from benchmarks.accesslog import FORMAT, Log
from benchmarks.ask import V1_JSON
from benchmarks.cores import Cores
from benchmarks.processes import LOOPBACK, free_port
from benchmarks.tree.projects import MANY

USER = "bench"
PAT = "pat-of-the-benchmark"
THROTTLE = "20m"
"""What one request of the throttled site gets, in MiB a second."""

_HTTP = """\
  map $http_accept $form {{ default html; "~{json}" json; }}
  log_format counted '{format}';
  access_log {log} counted;
{servers}"""
_SERVER = """\
  server {{
    listen {host}:{port} backlog=4096;
    root {tree};
    {extra}
    location ~ ^(?<page>(?:/[a-z]+)?/simple/(?:[^/]+/)?)$ {{
      types {{ text/html html; {json} json; }}
      gzip_static on;
      add_header Vary "Accept, Accept-Encoding";
      try_files ${{page}}index.{form} =404;
    }}
    location /files/ {{ types {{ }} default_type application/octet-stream; }}
  }}
"""


class Site(Enum):
    """The sites of the upstream."""

    PLAIN = "plain"
    MANY = "many"
    """The project list of 700,000 names, without pages."""
    HTML = "html"
    """Speaks HTML alone."""
    PROTECTED = "protected"
    """Wants a PAT as a Basic password."""
    THROTTLED = "throttled"
    """Gives each request 20 MiB a second."""


@dataclass(frozen=True)
class Place:
    """Where a site is.

    Attributes:
        port: on loopback.
        path: of its simple index, with slashes around it.
        secret: the PAT that it wants; None: it wants none.
    """

    port: int
    path: str = "/simple/"
    secret: str | None = None

    @property
    def host(self) -> str:
        """Host and port."""
        return f"{LOOPBACK}:{self.port}"

    @property
    def url(self) -> str:
        """The URL of its index, without credentials."""
        return f"http://{self.host}{self.path}"

    @property
    def url_with_secret(self) -> str:
        """The same with credentials where they are wanted, for who has no better way to be told them."""
        return self.url if self.secret is None else f"http://{USER}:{self.secret}@{self.host}{self.path}"

    @property
    def authorization(self) -> str:
        """The value of the header that it wants; "" for none."""
        if self.secret is None:
            return ""
        return f"Basic {base64.b64encode(f'{USER}:{self.secret}'.encode()).decode()}"


@dataclass(frozen=True)
class Upstream:
    """The upstream as it runs.

    Attributes:
        places: of its sites.
        log: of all of them.
    """

    places: dict[Site, Place]
    log: Log


@contextmanager
def running(cores: Cores) -> Iterator[Upstream]:
    """Run the upstream in front of the tree, which is built already.

    Raises:
        Unavailable: nginx is not installed or does not start.
    """
    folder = places.HERE / "nginx"
    folder.mkdir(exist_ok=True)
    log = folder / "access.log"
    log.write_bytes(b"")
    (folder / "passwords").write_text(f"{USER}:{{PLAIN}}{PAT}\n")
    plain = Place(free_port())
    sites = {
        Site.PLAIN: plain,
        Site.MANY: Place(plain.port, f"/{MANY}/simple/"),
        Site.HTML: Place(free_port()),
        Site.PROTECTED: Place(free_port(), secret=PAT),
        Site.THROTTLED: Place(free_port()),
    }
    servers = "".join(
        _server(site, place, "html" if site is Site.HTML else "$form")
        for site, place in sites.items()
        if site is not Site.MANY
    )
    http = _HTTP.format(
        json=V1_JSON.replace(".", r"\.").replace("+", r"\+"), format=FORMAT, log=log, servers=servers
    )
    with nginx.running("upstream", http, folder=folder, cores=(cores.load,), ready=plain.url):
        yield Upstream(sites, Log(log))


def _server(site: Site, place: Place, form: str) -> str:
    extra = {
        Site.PROTECTED: "auth_basic feed; auth_basic_user_file passwords;",
        Site.THROTTLED: f"limit_rate {THROTTLE};",
    }.get(site, "")
    return _SERVER.format(
        host=LOOPBACK, port=place.port, tree=places.UPSTREAM, extra=extra, json=V1_JSON, form=form
    )
