"""The whole street that the scenarios live in: a private feed, a public index, and wheelkeep between them and a client."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tests.clients.keeper import Keeper, free_port
from tests.simulator import Simulator
from tests.wheels import BuiltFile, sdist, wheel

PAT = "pat-3f9c1e77-first"
NEXT_PAT = "pat-b8d2a604-second"
Mode = Literal["online", "fallback", "offline"]

CORE = wheel("acme-core", "1.0.0", requires=["acme-util>=2", "pubdep"])
UTIL = wheel("Acme.Util", "2.31.0")
LATER = wheel("acme-later", "4.0.0")
SOURCE = sdist("acme-source", "1.0")
BAIT = wheel("acme-core", "99.0.0", files={"acme_core/__init__.py": b'__version__ = "bait"\n'})
PUBLIC_OLD = wheel("pubdep", "1.0")
PUBLIC_YANKED = wheel("pubdep", "1.1")
PUBLIC_FUTURE = wheel("pubdep", "2.0")
PRIVATE_FUTURE = wheel("acme-later", "5.0")
FUTURE_PYTHON = ">=3.99"
"""What the pages alone say of these two, so that only the pages can keep them away."""
PRIVATE = {"acme-core": "1.0.0", "Acme.Util": "2.31.0", "pubdep": "1.0"}
"""What is installed when `acme-core` is."""


@dataclass
class Street:
    """Everything a scenario needs.

    Attributes:
        folder: of this scenario.
        feed: the private feed, as Azure Artifacts has them, behind a PAT.
        public: the public index: JSON, files on another host, sidecars.
        port: of every wheelkeep of this scenario.
    """

    folder: Path
    feed: Simulator
    public: Simulator
    port: int

    @property
    def secret_file(self) -> Path:
        """Where wheelkeep reads the PAT."""
        return self.folder / "feed-pat"

    @contextmanager
    def wheelkeep(self, name: str = "house", *, mode: Mode = "online") -> Iterator[Keeper]:
        """Run a wheelkeep: the same name is the same store, another name is a new machine at the same address."""
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        configuration = folder / "settings.toml"
        configuration.write_text(self._configuration(folder, mode))
        with Keeper(folder, self.port, ("--config", str(configuration))).running() as keeper:
            yield keeper

    def forget(self) -> None:
        """Begin new records of upstream requests."""
        self.feed.forget()
        self.public.forget()

    def file_requests(self) -> int:
        """Count the upstream requests for files so far."""
        return sum(feed.count(kind) for feed in (self.feed, self.public) for kind in ("file", "blob"))

    def _configuration(self, folder: Path, mode: Mode) -> str:
        return f"""
[server]
port = {self.port}
[store]
url = "file:{folder}/store"
[cache]
path = "{folder}/cache"
[[upstreams]]
name = "feed"
url = "{self.feed.simple_url}"
file_hosts = ["{self.feed.file_host}"]
page_max_age_seconds = 0
[[upstreams]]
name = "public"
url = "{self.public.simple_url}"
file_hosts = ["{self.public.file_host}"]
page_max_age_seconds = 0
[[connections]]
name = "feed-pat"
category = "PythonFeed"
target = "{self.feed.url}/org"
auth_type = "PAT"
secret_file = "{self.secret_file}"
[[indexes]]
name = "default"
sources = ["feed", "public"]
mode = "{mode}"
"""


def open_street(folder: Path, feed: Simulator, public: Simulator) -> Street:
    """Fill the two upstreams, which run already, and write down the PAT."""
    for built in (CORE, UTIL, LATER, SOURCE):
        feed.add(built.project, built.filename, built.data)
    publish(public, BAIT)
    publish(public, PUBLIC_OLD)
    publish(public, PUBLIC_YANKED, yanked="It eats files.")
    publish(public, PUBLIC_FUTURE, requires_python=FUTURE_PYTHON)
    feed.add("acme-later", PRIVATE_FUTURE.filename, PRIVATE_FUTURE.data, requires_python=FUTURE_PYTHON)
    street = Street(folder, feed, public, free_port())
    street.secret_file.write_text(f"{PAT}\n")
    return street


def publish(index: Simulator, built: BuiltFile, **fields: object) -> None:
    """List a wheel with its sidecar."""
    index.add(built.project, built.filename, built.data, metadata=built.metadata, **fields)
