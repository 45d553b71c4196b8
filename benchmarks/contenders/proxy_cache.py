"""nginx `proxy_cache`, set up as in the field: one download however many wait, ranges, stale pages while new ones come.

It verifies nothing and merges nothing: it is the limit of what a server can do, not a rival.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks import nginx
from benchmarks.bench import Bench
from benchmarks.contenders.contender import Running
from benchmarks.processes import LOOPBACK, free_port
from benchmarks.upstream import Site

_HTTP = """\
  access_log access.log combined;
  proxy_cache_path cache levels=1:2 keys_zone=packages:64m max_size=50g inactive=7d use_temp_path=off;
  upstream feed {{ server {host}; keepalive 64; }}
  server {{
    listen {address}:{port} backlog=4096;
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    proxy_set_header Host $proxy_host;
    proxy_set_header Authorization "{authorization}";
    proxy_cache packages;
    proxy_cache_lock on;
    proxy_cache_lock_age 1h;
    proxy_cache_lock_timeout 1h;
    proxy_cache_revalidate on;
    proxy_cache_background_update on;
    proxy_cache_use_stale error timeout updating http_500 http_502 http_503 http_504;
    proxy_force_ranges on;
    location / {{ proxy_pass http://feed; proxy_cache_valid 200 60s; }}
    location /files/ {{ proxy_pass http://feed; proxy_cache_valid 200 365d; }}
  }}
"""


@dataclass(frozen=True)
class ProxyCache:
    """nginx with `proxy_cache`."""

    name: str = "nginx"

    @contextmanager
    def running(self, bench: Bench, site: Site, folder: Path) -> Iterator[Running]:
        """Run it.

        Raises:
            Unavailable: nginx is not installed or does not start.
        """
        port = free_port()
        place = bench.upstream.places[site]
        http = _HTTP.format(host=place.host, address=LOOPBACK, port=port, authorization=place.authorization)
        url = f"http://{LOOPBACK}:{port}"
        with nginx.running(
            self.name, http, folder=folder, cores=bench.cores.server(), ready=f"{url}/nothing"
        ) as group:
            yield Running(self.name, f"{url}{place.path}", group)
