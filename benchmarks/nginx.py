"""nginx in the foreground, unprivileged where it can be, with everything that it writes in one folder."""

import getpass
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks.errors import Unavailable
from benchmarks.processes import Launch, plain_environment, serving

_MAIN = """\
daemon off;
{user}worker_processes {workers};
worker_rlimit_nofile 65536;
pid nginx.pid;
error_log error.log;
events {{ worker_connections 8192; }}
http {{
  sendfile on;
  tcp_nopush on;
  keepalive_requests 1000000;
  client_body_temp_path temporary/body;
  proxy_temp_path temporary/proxy;
  fastcgi_temp_path temporary/fastcgi;
  uwsgi_temp_path temporary/uwsgi;
  scgi_temp_path temporary/scgi;
{http}}}
"""


def program() -> str:
    """Find nginx, also where only root's path has it.

    Raises:
        Unavailable: it is not installed.
    """
    found = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if found is None:
        raise Unavailable("nginx is not installed (Debian: apt-get install nginx)")
    return found


def version() -> str:
    """Tell its version; "" when it is not installed."""
    try:
        done = subprocess.run([program(), "-v"], capture_output=True, text=True, check=False)  # noqa: S603  (nginx)
    except (OSError, Unavailable):
        return ""
    found = re.search(r"nginx/(\S+)", done.stderr)
    return found[1] if found else ""


def main_block(http: str, *, workers: int = 1) -> str:
    """Give a whole configuration around what stands in its `http` block."""
    # A worker of root's nginx would be nobody, who may not read where this checkout is.
    user = f"user {getpass.getuser()};\n" if os.geteuid() == 0 else ""
    return _MAIN.format(user=user, workers=workers, http=http)


@contextmanager
def running(name: str, http: str, *, folder: Path, cores: Sequence[int], ready: str) -> Iterator[int]:
    """Run nginx with one worker, and give its process group.

    Raises:
        Unavailable: it is not installed or does not start.
    """
    (folder / "temporary").mkdir(exist_ok=True)
    configuration = folder / "nginx.conf"
    configuration.write_text(main_block(http))
    command: list[str | Path] = [program(), "-p", folder, "-c", configuration, "-e", "stderr"]
    with serving(Launch(name, command, cores, folder, ready, plain_environment(folder))) as group:
        yield group
