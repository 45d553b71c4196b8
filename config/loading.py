"""Makes `Settings` out of the file, the environment and the command line; what comes later in this list wins.

The file is the one named by `--config`, else by `WHEELKEEP_CONFIG`, else `./wheelkeep.toml` if it is there. Relative
paths in it are relative to the working directory. A variable that is empty counts as unset.
"""

import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path

from pydantic import ValidationError
from pydantic_settings import EnvSettingsSource, SettingsError

from config import complaints, defaults
from config.errors import ConfigurationError
from config.settings import Settings

CONFIG_VARIABLE = "WHEELKEEP_CONFIG"
DEFAULT_FILE = Path("wheelkeep.toml")

Document = Mapping[str, object]

_PREFIX = "WHEELKEEP_"
_SERVICE_LINK = re.compile(
    r"WHEELKEEP_([A-Z0-9_]+_)?"
    r"(SERVICE_HOST=|SERVICE_PORT(_[A-Z0-9_]+)?=|PORT=[a-z]+://|PORT_[0-9]+_(TCP|UDP|SCTP)(_(ADDR|PORT|PROTO))?=)"
)
"""What Kubernetes sets in every pod beside a Service whose name begins with "wheelkeep"; it is not meant for us."""


def load(config: Path | None = None, *, host: str | None = None, port: int | None = None) -> Settings:
    """Read the configuration, check it, and complete it with the default index.

    Args:
        config: the file of `--config`; None looks where the module says.
        host: of the command line; wins over everything.
        port: likewise.

    Raises:
        ConfigurationError: one sentence a line, each with the place and the remedy.
    """
    path, document = _read_file(config)
    given = {key: value for key, value in (("host", host), ("port", port)) if value is not None}
    return defaults.complete(_validate(path, document, {"server": given} if given else {}))


def _read_file(config: Path | None) -> tuple[Path | None, Document]:
    """Give the file's path and content; no path when there is none and none was asked for."""
    named = os.environ.get(CONFIG_VARIABLE)
    path = config or (Path(named) if named else DEFAULT_FILE)
    asker = "--config" if config else CONFIG_VARIABLE if named else None
    try:
        with path.open("rb") as file:
            return path, tomllib.load(file)
    except FileNotFoundError as error:
        if asker is None:
            return None, {}
        raise ConfigurationError(
            f"{path}, which {asker} names, is not there: create it or correct the path."
        ) from error
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {complaints.cause(error)}.") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(
            f"{path} is not valid TOML: {complaints.uncapitalised(str(error))}."
        ) from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(
            f"{path} is not valid TOML: it is not UTF-8 at byte {error.start}."
        ) from error


def _validate(path: Path | None, document: Document, command_line: Document) -> Settings:
    variables = _variables(os.environ)
    try:
        environment: Document = EnvSettingsSource(Settings)()
    except SettingsError as error:
        raise ConfigurationError(complaints.not_json(variables, Settings)) from error
    origin = complaints.Origin(file=path, environment=environment, variables=variables)
    merged = _merged(_merged(document, environment), command_line)
    sentences = complaints.unknown_at_the_top(merged, Settings, origin)
    if sentences:
        raise ConfigurationError("\n".join(sentences))
    try:
        settings = Settings(**merged)  # type: ignore[arg-type]
    except ValidationError as error:
        # The cause is dropped: pydantic's own text may quote what was written.
        raise ConfigurationError("\n".join(complaints.sentences(error, merged, Settings, origin))) from None
    _refuse_unknown_variables(settings, variables)
    return settings


def _variables(environ: Mapping[str, str]) -> dict[str, str]:
    """Give our variables that are set: upper-case name to the name as written."""
    return {
        name.upper(): name for name, value in environ.items() if value and name.upper().startswith(_PREFIX)
    }


def _refuse_unknown_variables(settings: Settings, variables: Mapping[str, str]) -> None:
    """Refuse what looks like a setting and is none, so that a typing error is not a silent default."""
    secrets = {connection.secret_env for connection in settings.connections}
    tables = tuple(f"{_PREFIX}{table.upper()}" for table in Settings.model_fields)
    for folded, name in variables.items():
        known = (
            folded in {CONFIG_VARIABLE, *tables}
            or folded.startswith(tuple(f"{table}__" for table in tables))
            or name in secrets
            or _SERVICE_LINK.match(f"{folded}={os.environ[name]}")
        )
        if not known:
            raise ConfigurationError(complaints.unknown_variable(name, Settings))


def _merged(below: Document, above: Document) -> dict[str, object]:
    """Lay one document over another: tables are merged key by key, everything else is replaced."""
    result = dict(below)
    for key, value in above.items():
        under = result.get(key)
        both = isinstance(under, Mapping) and isinstance(value, Mapping)
        result[key] = _merged(under, value) if both else value  # type: ignore[arg-type]
    return result
