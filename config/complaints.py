"""Turns what pydantic refuses into sentences: what, where, what to do. A value is never quoted, only its place.

The place of a value from the file is written as in the file: `[server] port in wheelkeep.toml`, `[[upstreams]] 'feed':
url in wheelkeep.toml`. One from the environment is named by its variable.
"""

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

Location = tuple[int | str, ...]
Model = type[BaseModel]

_TAILS = {
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "finite_number": "must be a finite number",
    "string_type": 'must be a text in quotes, as in "text"',
    "string_too_short": "must not be empty",
    "too_short": "must not be empty",
    "byte_size": 'must be a size such as "50GB" or "256KiB"',
    "byte_size_unit": 'must be a size such as "50GB" or "256KiB"',
    "path_type": "must be a path in quotes",
    "tuple_type": "must be a list",
    "model_type": "must be a table",
    "greater_than": "must be more than {gt:g}",
    "greater_than_equal": "must be {ge:g} or more",
    "less_than_equal": "must be {le:g} or less",
    "literal_error": "must be one of {expected}",
}


@dataclass(frozen=True)
class Origin:
    """Where the values came from.

    Attributes:
        file: the configuration file; None when there is none.
        environment: what the environment said, as a document.
        variables: our variables: upper-case name to the name as written.
    """

    file: Path | None
    environment: Mapping[str, object]
    variables: Mapping[str, str]

    def variable(self, location: Location) -> str | None:
        """Name the variable that a value came from; None when it came from elsewhere."""
        if not _holds(self.environment, location):
            return None
        for length in range(len(location), 0, -1):
            found = self.variables.get(_variable_name(location[:length]))
            if found is not None:
                return found
        return None

    def below(self, location: Location) -> str | None:
        """Name a variable that says something below a place, as `..._UPSTREAMS__0__URL` does of the upstreams."""
        beginning = _variable_name((*location, ""))
        found = [name for folded, name in self.variables.items() if folded.startswith(beginning)]
        return min(found, default=None) if _holds(self.environment, location) else None

    def suffix(self, preposition: str = "in") -> str:
        """Say in which file."""
        return f" {preposition} {self.file}" if self.file is not None else ""


def sentences(
    error: ValidationError, document: Mapping[str, object], root: Model, origin: Origin
) -> Iterator[str]:
    """Give one sentence for each thing that is wrong.

    Args:
        error: what pydantic says.
        document: what it was given, to name an upstream by its name rather than by its number.
        root: the model that it was given to.
        origin: where the document came from.
    """
    for detail in error.errors(include_url=False, include_input=False):
        location = detail["loc"]
        if not location:
            yield (
                str(detail["ctx"]["error"])
                if "ctx" in detail
                else f"The configuration is wrong: {detail['msg']}."
            )
        elif detail["type"] == "extra_forbidden":
            yield _unknown(location, document, root, origin)
        elif detail["type"] == "tuple_type" and (below := origin.below(location)) is not None:
            whole = _variable_name(location)
            yield f"{below} cannot be used: a list is given whole, as JSON in {whole}."
        elif detail["type"] == "missing":
            yield f"{_place(location[:-1], document, origin)} needs {location[-1]}: add it."
        else:
            yield f"{_place(location, document, origin)} {_tail(detail, location, root)}."


def unknown_at_the_top(document: Mapping[str, object], root: Model, origin: Origin) -> list[str]:
    """Give one sentence for each table or key that the root does not have."""
    unknown = document.keys() - root.model_fields.keys()
    return [_unknown((key,), document, root, origin) for key in sorted(unknown)]


def unknown_variable(name: str, root: Model) -> str:
    """Say that a variable with our prefix means nothing, and which one may have been meant."""
    inner = [_variable_name((table, key)) for table, key in _keys_of_tables(root)]
    outer = [_variable_name((key,)) for key in root.model_fields] + ["WHEELKEEP_CONFIG"]
    without_its_table = name.upper().replace("WHEELKEEP_", "__", 1)
    known = [each for each in inner if each.endswith(without_its_table)] or outer + inner
    return f"Unknown variable {name}: {_suggestion(name.upper(), known, otherwise='unset it or correct its name')}"


def not_json(variables: Mapping[str, str], root: Model) -> str:
    """Say which variable for a whole table or list is not JSON. Its value is not shown: it may be anything."""
    whole = [variables[name] for key in root.model_fields if (name := _variable_name((key,))) in variables]
    return f"{' or '.join(whole)} is not valid JSON: a whole table or list is given as JSON in its variable."


def uncapitalised(sentence: str) -> str:
    """Make a sentence go on behind a colon."""
    return sentence[:1].lower() + sentence[1:].rstrip(".")


def cause(error: OSError) -> str:
    """Say what the system says, without the path that it repeats."""
    return uncapitalised(error.strerror or type(error).__name__)


def _tail(detail: ErrorDetails, location: Location, root: Model) -> str:
    context = detail.get("ctx", {})
    if detail["type"] == "value_error":
        return str(context["error"])
    if detail["type"] == "tuple_type" and len(location) == 1 and _at((location[0], 0), root) is not None:
        return f"must be a list of tables: write [[{location[0]}]]"
    tail = _TAILS.get(detail["type"])
    return tail.format(**context) if tail is not None else uncapitalised(detail["msg"])


def _unknown(location: Location, document: Mapping[str, object], root: Model, origin: Origin) -> str:
    parent, key = location[:-1], str(location[-1])
    model = _at(parent, root)
    known = list(model.model_fields) if model is not None else []
    lost = [f"[{table}] {inner}" for table, inner in _keys_of_tables(root) if not parent and inner == key]
    variable = origin.variable(location)
    if variable == _variable_name(location):
        names = [_variable_name((*parent, name)) for name in known]
        return f"Unknown variable {variable}: {_suggestion(variable.upper(), names, otherwise='unset it')}"
    if variable is not None:
        where = f" in {_heading(parent, document, outside=variable)}"
    else:
        where = f" in {_heading(parent, document)}" if parent else ""
        where += origin.suffix("of" if parent else "in")
    if lost:
        return f"Unknown key '{key}'{where}: did you mean {' or '.join(lost)}?"
    return f"Unknown key '{key}'{where}: " + _suggestion(key, known, otherwise="remove it")


def _suggestion(wrong: str, known: list[str], *, otherwise: str) -> str:
    nearest = difflib.get_close_matches(wrong, known, n=1)
    return f"did you mean '{nearest[0]}'?" if nearest else f"{otherwise}."


def _place(location: Location, document: Mapping[str, object], origin: Origin) -> str:
    """Name the place of a value: by its variable, else as the file writes it."""
    variable = origin.variable(location)
    if variable is None:
        return f"{_heading(location, document)}{origin.suffix()}"
    if variable.upper() == _variable_name(location):
        return variable
    return _heading(location, document, outside=variable)


def _heading(location: Location, document: Mapping[str, object], *, outside: str | None = None) -> str:
    """Write a place as the file does; one in a variable for a whole table has its name outside, in the table's place."""
    first, rest = location[0], location[1:]
    if rest and isinstance(rest[0], int):
        inner = _dotted(rest[1:])
        label = _label(str(first), rest[0], document)
        return f"{outside or f'[[{first}]]'} {label}{': ' + inner if inner else ''}"
    return f"{outside or f'[{first}]'}{' ' + _dotted(rest) if rest else ''}"


def _label(table: str, position: int, document: Mapping[str, object]) -> str:
    """Name one of a list of tables by its name, else by its number."""
    entries = document.get(table)
    entry = entries[position] if isinstance(entries, list) and position < len(entries) else None
    name = entry.get("name") if isinstance(entry, Mapping) else None
    return f"'{name}'" if isinstance(name, str) and name else f"number {position + 1}"


def _dotted(location: Location) -> str:
    text = ""
    for part in location:
        text += f" number {part + 1}" if isinstance(part, int) else f"{'.' if text else ''}{part}"
    return text.strip()


def _variable_name(location: Location) -> str:
    return "WHEELKEEP_" + "__".join(str(part).upper() for part in location)


def _holds(document: object, location: Location) -> bool:
    """Tell whether a document has something at a location; a list holds all that is in it."""
    for part in location:
        if isinstance(document, list):
            return True
        if not isinstance(document, Mapping) or part not in document:
            return False
        document = document[part]
    return True


def _at(location: Location, root: Model) -> Model | None:
    """Find the model at a location."""
    model: Model | None = root
    for part in location:
        if isinstance(part, int):
            continue
        field = model.model_fields.get(part) if model is not None else None
        model = _model(field.annotation) if field is not None else None
    return model


def _keys_of_tables(root: Model) -> Iterator[tuple[str, str]]:
    """Give table and key of each value that is not in a list of tables."""
    for table, field in root.model_fields.items():
        model = _model(field.annotation)
        if model is not None and get_origin(field.annotation) is None:
            yield from ((table, key) for key in model.model_fields)


def _model(annotation: Any) -> Model | None:
    """Find the model that an annotation is, holds, or lists."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if get_origin(annotation) in {tuple, Union, UnionType}:
        return next((model for inner in get_args(annotation) if (model := _model(inner)) is not None), None)
    return None
