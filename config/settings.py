"""What an operator may say, as frozen values: every key of `wheelkeep.toml`, its default and its grammar.

A `Settings` that exists is consistent: names are unique, sources are known, every connection has the secret it needs.
No value is a secret: connections hold where a secret is, and `repr` shows nothing worth hiding. `config.loading` makes
one out of a file, the environment and the command line, and turns refusals into sentences.
"""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ByteSize,
    ConfigDict,
    Field,
    PrivateAttr,
    SecretStr,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from config import consistency, grammar
from config.secrets import EnvironmentSecret, FileSecret, GivenSecret, Secret

KIB = 1024
MIB = 1024 * KIB
MB = 1000 * 1000
GB = 1000 * MB
DAY = 24 * 60 * 60

Bytes = Annotated[ByteSize, Field(gt=0)]
"""A number of bytes, or a text such as "50GB" (powers of ten) or "256KiB" (powers of two)."""
Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Name = Annotated[str, AfterValidator(grammar.name)]


class _Table(BaseModel):
    """A table of the file: frozen, and strict about its keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    @field_validator("*", mode="before")
    @classmethod
    def _no_switches(cls, value: object) -> object:
        # No key is one, and pydantic would take true for 1.
        if isinstance(value, bool):
            raise ValueError("must not be true or false")  # noqa: TRY004  (pydantic takes no TypeError)
        return value


class Server(_Table):
    """`[server]`: where wheelkeep listens."""

    host: str = Field(default="127.0.0.1", min_length=1)
    """The address to bind; `0.0.0.0` or `::` for every one."""
    port: int = Field(default=8080, ge=0, le=65535)
    """0 lets the system choose; the ready line tells."""
    workers: int = Field(default=1, ge=1, le=64)
    """Processes on one port."""
    public_url: Annotated[str, AfterValidator(grammar.public_url)] = ""
    """What clients see in front of wheelkeep, without a slash at its end; empty: links are relative."""
    drain_seconds: float = Field(default=60, ge=0, allow_inf_nan=False)
    """How long running answers may take to end after SIGTERM."""
    keepalive_seconds: Seconds = 75
    """How long an idle client connection is kept."""


class Store(_Table):
    """`[store]`: where wheelkeep keeps bytes and records."""

    url: Annotated[str, AfterValidator(grammar.store_url)] = "file:./wheelkeep-data"

    @property
    def directory(self) -> Path:
        """The directory that `url` names, as written: a relative one is below the working directory."""
        return grammar.store_directory(self.url)


class Cache(_Table):
    """`[cache]`: the local disk in front of the store and the upstreams."""

    path: Path = Path("./wheelkeep-data/cache")
    max_bytes: Bytes = ByteSize(50 * GB)
    """The least recently used files go beyond it."""
    memory_bytes: Annotated[ByteSize, Field(ge=0)] = ByteSize(64 * MB)
    """Small files and metadata that are held in memory too, in each process; 0: none."""
    pages_bytes: Bytes = ByteSize(128 * MIB)
    """Rendered pages that are held in memory, in each process."""


class Limits(_Table):
    """`[limits]`: bounds on what upstreams and clients may take: bytes, time, connections."""

    max_page_bytes: Bytes = ByteSize(100 * MB)
    """Of one project page or project list, decoded."""
    max_file_bytes: Bytes = ByteSize(20 * GB)
    """Of one distribution file."""
    small_file_bytes: Bytes = ByteSize(256 * KIB)
    """Files up to here are whole and verified before their first byte is sent."""
    relay_from_bytes: Bytes = ByteSize(8 * MIB)
    """A range of a larger file that is not held is answered by the upstream's ranges."""
    segment_from_bytes: Bytes = ByteSize(64 * MIB)
    """A larger file is pulled in several ranges at once, where the upstream can do that and one stream is slow."""
    segment_connections: int = Field(default=4, ge=1)
    """For one file at a time; 1: every file comes in one stream."""
    flights: int = Field(default=500, ge=1)
    """Files of upstreams under way at one time, in each process; for one more 503."""
    upstream_connections: int = Field(default=16, ge=1)
    """To one upstream at a time, by all workers together: each has an equal share, and one at least."""
    all_upstream_connections: int = Field(default=64, ge=1)
    """To all upstreams together; files may take three quarters of these, and of those to one."""
    connect_seconds: Seconds = 5
    """To look up an upstream's name, and again until its connection stands, TLS included."""
    first_byte_seconds: Seconds = 15
    """From then to the head of its answer."""
    between_bytes_seconds: Seconds = 30
    """Between two pieces of a body."""
    page_seconds: Seconds = 30
    """For one page in all, redirects included."""
    slow_bytes_per_second: Bytes = ByteSize(64 * KIB)
    """A file that comes slower than this over a whole window is given up, and continued on another connection."""
    slow_window_seconds: Seconds = 60
    """The window: time spent waiting for the upstream."""
    write_seconds: Seconds = 60
    """A client that takes none of an answer's bytes for so long is cut off."""
    requests: int = Field(default=1000, ge=1)
    """Of clients under way at one time, in each process; beyond it 503. Pages may take three quarters of them."""
    connections: int = Field(default=10_000, ge=1)
    """Of clients open at one time, in each process, and at most three quarters of the files it may open; more are closed."""


class Upstream(_Table):
    """`[[upstreams]]`: a simple index elsewhere that wheelkeep reads."""

    name: Annotated[str, AfterValidator(grammar.upstream_name)]
    url: Annotated[str, AfterValidator(grammar.index_url)]
    """Of its simple index; ends with a slash."""
    file_hosts: tuple[Annotated[str, AfterValidator(grammar.file_host)], ...] = ()
    """Where its files may live or redirect to, besides its own host and port: host, host:port, [v6]:port or `*`."""
    page_max_age_seconds: float = Field(default=60, ge=0, allow_inf_nan=False)
    """How long a page is fresh; 0 asks the upstream each time, conditionally."""
    page_stale_seconds: float = Field(default=120, ge=0, allow_inf_nan=False)
    """Up to this age a page that is not fresh is served at once, and asked for behind the client's back; 0: never."""
    page_stale_if_error_seconds: float = Field(default=30 * DAY, ge=0, allow_inf_nan=False)
    """Up to this age a page is served when the upstream fails."""


class Connection(_Table):
    """`[[connections]]`: credentials for a base URL. The secret itself is never a value here."""

    name: Name
    category: Literal["PythonFeed", "Git", "Blob"]
    target: Annotated[str, AfterValidator(grammar.base_url)]
    """Matched by scheme, host, port and whole path segments; the longest that matches wins."""
    auth_type: Literal["PAT", "Basic", "Bearer", "None"]
    username: Annotated[str, AfterValidator(grammar.username)] = ""
    secret_file: Path | None = None
    """Re-read when it changes."""
    secret_env: Annotated[str, AfterValidator(grammar.variable)] | None = None
    _secret_value: SecretStr | None = PrivateAttr(default=None)

    def secret(self) -> Secret | None:
        """Make the secret, which is read when it is needed; None for auth_type `None`."""
        if self.secret_file is not None:
            return FileSecret(self.secret_file)
        if self.secret_env is not None:
            return EnvironmentSecret(self.secret_env)
        if self._secret_value is not None:
            return GivenSecret(self._secret_value.get_secret_value(), f"the URL of {self.name}")
        return None

    @classmethod
    def implied(cls, *, origin: str, target: str, username: str, password: str) -> "Connection":
        """Make the Basic connection that userinfo in the machine's default index URL stands for.

        Args:
            origin: the variable or file that held the URL; it becomes part of the name, which no configured one equals.
            target: the index's scheme, host and port.
            username: decoded; may be empty.
            password: decoded; may be empty.
        """
        made = cls.model_construct(
            name=f"{grammar.PUBLIC} (from {origin})",
            category="PythonFeed",
            target=target,
            auth_type="Basic",
            username=username,
        )
        made._secret_value = SecretStr(password)  # noqa: SLF001  (its own class)
        return made

    @model_validator(mode="after")
    def _has_its_secret(self) -> "Connection":
        consistency.check_secret(self)
        return self


class Index(_Table):
    """`[[indexes]]`: what a client points at: an ordered list of sources."""

    name: Annotated[str, AfterValidator(grammar.index_name)]
    """`default` is served at /simple/; every one at /{name}/simple/."""
    sources: tuple[str, ...] = Field(min_length=1)
    """The first that knows the project answers, alone."""
    mode: Literal["online", "fallback", "offline"] = "online"
    """offline: no upstream request, ever; fallback: upstreams are asked only for what is not held."""


class Settings(BaseSettings):
    """All of it."""

    model_config = SettingsConfigDict(
        frozen=True,
        extra="forbid",
        hide_input_in_errors=True,
        env_prefix="WHEELKEEP_",
        env_nested_delimiter="__",
        env_ignore_empty=True,
    )

    server: Server = Server()
    store: Store = Store()
    cache: Cache = Cache()
    limits: Limits = Limits()
    upstreams: tuple[Upstream, ...] = ()
    connections: tuple[Connection, ...] = ()
    indexes: tuple[Index, ...] = ()
    """As configured. `config.loading` puts `default` here when nothing is."""

    @model_validator(mode="after")
    def _is_consistent(self) -> "Settings":
        consistency.check(self)
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003  (the base class gives the signature)
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Take what is handed in, alone: `config.loading` merges file, environment and command line itself.

        It must know which of them a value came from, to name it when it is wrong.
        """
        return (init_settings,)
