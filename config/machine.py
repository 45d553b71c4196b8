"""The public index that this machine's own configuration names, for the built-in upstream `public`.

The first of these that names an http or https index wins:

1. pip: `PIP_INDEX_URL`; then `index-url` under `[install]`, else `[global]`, of pip's configuration files, each stronger
   than the next: the one of `PIP_CONFIG_FILE`, site (`sys.prefix`), user, global
   (pip documentation, "Configuration", "Precedence / Override order").
2. uv: `UV_DEFAULT_INDEX`, `UV_INDEX_URL`; then of `uv.toml`, user before system, the `[[index]]` with `default = true`,
   else `index-url` (uv documentation, "Configuration files" and "Package indexes").
3. The constant of `pypi_simple`.

pip comes first because it is on nearly every machine, so that it is what whoever runs a network configures for it; uv's
configuration is more often one person's. A URL that points back at this wheelkeep is passed over: a machine whose pip
already uses wheelkeep must not make wheelkeep its own upstream. So is an index that is a local directory.
"""

import configparser
import ipaddress
import os
import socket
import sys
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import SplitResult, unquote

from config import grammar
from config.errors import ConfigurationError

_HTTP = ("http://", "https://")


@dataclass(frozen=True)
class Machine:
    """What a machine says of its indexes.

    Attributes:
        environ: the environment variables.
        pip_files: path and text of pip's configuration files, the strongest first.
        uv_files: likewise of uv's.
    """

    environ: Mapping[str, str]
    pip_files: tuple[tuple[str, str], ...] = ()
    uv_files: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class DefaultIndex:
    """The index that was found.

    Attributes:
        url: of its simple index, without userinfo; ends with a slash.
        origin: the variable or the file that names it.
        username: from its userinfo, decoded.
        password: likewise; never shown.
    """

    url: str
    origin: str
    username: str = ""
    password: str = field(default="", repr=False)

    @property
    def has_userinfo(self) -> bool:
        """Whether the URL came with credentials."""
        return bool(self.username or self.password)

    @property
    def target(self) -> str:
        """Scheme, host and port: pip and uv send the credentials of an index URL to its whole host."""
        parts = grammar.split_url(self.url)
        return f"{parts.scheme}://{parts.netloc}/"


def default_index(machine: Machine, is_own: Callable[[SplitResult], bool]) -> DefaultIndex:
    """Choose the index; pure but for the constant, whose library is imported only when nothing else is found.

    Args:
        machine: what the machine says.
        is_own: whether a URL points at this very wheelkeep.

    Raises:
        ConfigurationError: a file or a URL in it cannot be understood. Guessing another index would tell a stranger
            the names of private packages.
    """
    for origin, raw in _candidates(machine):
        if not raw.lower().startswith(_HTTP):
            continue
        try:
            parts = grammar.split_url(raw)
            bare = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
            found = DefaultIndex(
                url=grammar.index_url(bare),
                origin=origin,
                username=unquote(parts.username or ""),
                password=unquote(parts.password or ""),
            )
        except ValueError as error:
            raise ConfigurationError(
                f"The default index that {origin} names {error}; correct it, or configure an [[upstreams]] named"
                f" '{grammar.PUBLIC}'."
            ) from None
        if not is_own(parts):
            return found
    from pypi_simple import PYPI_SIMPLE_ENDPOINT  # noqa: PLC0415  (slow to import and seldom needed)

    return DefaultIndex(url=grammar.with_slash(PYPI_SIMPLE_ENDPOINT), origin="pypi_simple")


def read() -> Machine:
    """Read this machine's configuration; a file that is missing or may not be read says nothing, as for pip and uv."""
    home = Path.home()
    return Machine(
        environ=os.environ,
        pip_files=_texts(pip_paths(os.environ, home=home, prefix=Path(sys.prefix), platform=sys.platform)),
        uv_files=_texts(uv_paths(os.environ, home=home)),
    )


def pip_paths(environ: Mapping[str, str], *, home: Path, prefix: Path, platform: str) -> list[Path]:
    """List where pip looks for configuration, the strongest first.

    A `PIP_CONFIG_FILE` that exists silences the user's files; the null device silences all of them.
    """
    named = environ.get("PIP_CONFIG_FILE", "")
    if named == os.devnull:
        return []
    configured = Path(environ.get("XDG_CONFIG_HOME") or home / ".config") / "pip"
    if platform == "darwin":
        support = Path("Library/Application Support/pip")
        user = home / support if (home / support).is_dir() else home / ".config" / "pip"
        shared = [Path("/") / support]
    else:
        user = configured
        # Later directories of XDG_CONFIG_DIRS override earlier ones in pip, and /etc overrides them all.
        listed = environ.get("XDG_CONFIG_DIRS") or "/etc/xdg"
        shared = [Path("/etc"), *(Path(each) / "pip" for each in reversed(listed.split(os.pathsep)))]
    personal = [] if named and Path(named).exists() else [user / "pip.conf", home / ".pip" / "pip.conf"]
    strongest = [Path(named)] if named else []
    return [*strongest, prefix / "pip.conf", *personal, *(each / "pip.conf" for each in shared)]


def uv_paths(environ: Mapping[str, str], *, home: Path) -> list[Path]:
    """List where uv looks for configuration that belongs to no project, the strongest first.

    `UV_CONFIG_FILE` silences every other file, `UV_NO_CONFIG` all of them.
    """
    if environ.get("UV_NO_CONFIG", "").lower() in {"1", "true", "t", "yes", "y", "on"}:
        return []
    if environ.get("UV_CONFIG_FILE"):
        return [Path(environ["UV_CONFIG_FILE"])]
    listed = environ.get("XDG_CONFIG_DIRS") or "/etc/xdg"
    system = [*(Path(each) / "uv" for each in listed.split(os.pathsep)), Path("/etc/uv")]
    # Of the system's files uv reads the first that is there, and no other.
    present = [each / "uv.toml" for each in system if (each / "uv.toml").is_file()]
    return [Path(environ.get("XDG_CONFIG_HOME") or home / ".config") / "uv" / "uv.toml", *present[:1]]


def own_names() -> frozenset[str]:
    """Give this machine's host name, whole and short; asks no name server."""
    whole = socket.gethostname().lower()
    return frozenset({whole, whole.partition(".")[0]})


def is_loopback(host: str) -> bool:
    """Tell whether a host is this machine talking to itself: `localhost`, 127.0.0.0/8 or ::1."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _candidates(machine: Machine) -> Iterator[tuple[str, str]]:
    """Give origin and URL of everything that is named, the strongest first."""
    yield "PIP_INDEX_URL", machine.environ.get("PIP_INDEX_URL", "").strip()
    yield from _of_pip_files(machine)
    # uv takes `name=url` here.
    named = machine.environ.get("UV_DEFAULT_INDEX", "").strip()
    before, _, after = named.partition("=")
    yield "UV_DEFAULT_INDEX", after if after and "://" not in before else named
    yield "UV_INDEX_URL", machine.environ.get("UV_INDEX_URL", "").strip()
    for path, text in machine.uv_files:
        yield from ((path, raw) for raw in _of_uv_file(path, text))


def _of_pip_files(machine: Machine) -> Iterator[tuple[str, str]]:
    parsed = [(path, _pip_options(path, text)) for path, text in machine.pip_files]
    for section in ("install", "global"):
        for path, options in parsed:
            yield path, options.get(section, "")


def _pip_options(path: str, text: str) -> dict[str, str]:
    """Give the `index-url` of each section; pip reads `_` as `-` and upper case as lower case."""
    parser = configparser.RawConfigParser()
    try:
        parser.read_string(text, source=path)
    except configparser.Error:
        # Without its cause, which quotes the line.
        raise ConfigurationError(
            f"{path} is not valid as pip's configuration: correct it, or configure an [[upstreams]] named"
            f" '{grammar.PUBLIC}'."
        ) from None
    return {
        section: value.strip()
        for section in parser.sections()
        for option, value in parser.items(section)
        if option.replace("_", "-").removeprefix("--") == "index-url" and value
    }


def _of_uv_file(path: str, text: str) -> Iterator[str]:
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(
            f"{path} is not valid TOML: correct it, or configure an [[upstreams]] named '{grammar.PUBLIC}'."
        ) from error
    indexes = document.get("index")
    for entry in indexes if isinstance(indexes, list) else []:
        if isinstance(entry, dict) and entry.get("default") is True:
            yield str(entry.get("url", "")).strip()
    yield str(document.get("index-url", "")).strip()


def _texts(paths: list[Path]) -> tuple[tuple[str, str], ...]:
    texts = []
    for path in paths:
        try:
            texts.append((str(path), path.read_text(encoding="utf-8")))
        except OSError:
            continue
        except UnicodeDecodeError as error:
            raise ConfigurationError(
                f"{path} is not UTF-8: correct it, or configure an [[upstreams]] named '{grammar.PUBLIC}'."
            ) from error
    return tuple(texts)
