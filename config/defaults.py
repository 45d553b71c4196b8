"""Completes a configuration: the index `default` when none is configured, and the built-in upstream `public`."""

from urllib.parse import SplitResult

from config import grammar, machine
from config.errors import ConfigurationError
from config.settings import Connection, Index, Settings, Upstream

WILDCARDS = frozenset({"0.0.0.0", "::"})  # noqa: S104  (recognised, not bound)


def complete(settings: Settings) -> Settings:
    """Add what the operator left to us; the machine's own configuration is read only when `public` is needed.

    Without `[[indexes]]`, `default` is `private` and then every configured upstream in order, or `public` when there is
    none. An upstream that is itself named `public` takes the place of the built-in one.

    Raises:
        ConfigurationError: the machine's default index cannot be made out.
    """
    indexes = settings.indexes or (_default_index(settings),)
    settings = settings.model_copy(update={"indexes": indexes})
    wanted = any(grammar.PUBLIC in index.sources for index in indexes)
    if not wanted or any(upstream.name == grammar.PUBLIC for upstream in settings.upstreams):
        return settings
    found = machine.default_index(machine.read(), lambda url: is_own(settings, url, machine.own_names()))
    return _with_public(settings, found)


def is_own(settings: Settings, url: SplitResult, names: frozenset[str]) -> bool:
    """Tell whether a URL points at the wheelkeep that these settings make, which must not be its own upstream.

    Args:
        settings: where it listens, and what clients see.
        url: split, with a host.
        names: the machine's own host names, which count when every address is bound.
    """
    host, port = grammar.origin_of(url)[1:]
    if settings.server.public_url:
        seen = grammar.split_url(settings.server.public_url)
        if grammar.origin_of(seen) == grammar.origin_of(url):
            return True
    if port != settings.server.port:
        return False
    bound = settings.server.host.lower()
    if bound in WILDCARDS:
        return machine.is_loopback(host) or host in names or host in WILDCARDS
    return host == bound or (machine.is_loopback(host) and machine.is_loopback(bound))


def _default_index(settings: Settings) -> Index:
    upstreams = tuple(upstream.name for upstream in settings.upstreams)
    return Index(name="default", sources=(grammar.PRIVATE, *(upstreams or (grammar.PUBLIC,))))


def _with_public(settings: Settings, found: machine.DefaultIndex) -> Settings:
    # An index names its file host nowhere in advance, so any is right whose address is public.
    public = Upstream(name=grammar.PUBLIC, url=found.url, file_hosts=(grammar.ANY_HOST,))
    connections = settings.connections
    targets = {grammar.target_key(connection.target) for connection in connections}
    if found.has_userinfo and grammar.target_key(found.target) not in targets:
        if found.username and not found.password:
            raise ConfigurationError(
                f"The index URL of {found.origin} has a user name and no password: configure an [[upstreams]] named"
                f" '{grammar.PUBLIC}' and a connection that holds its token."
            )
        implied = Connection.implied(
            origin=found.origin, target=found.target, username=found.username, password=found.password
        )
        connections = (*connections, implied)
    return settings.model_copy(
        update={"upstreams": (*settings.upstreams, public), "connections": connections}
    )
