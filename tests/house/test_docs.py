"""What the documents show a reader exists: links, files, commands, keys with their defaults, variables and metrics."""

import json
import os
import re
import shlex
import textwrap
import tomllib
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from pydantic import BaseModel, TypeAdapter
from pydantic_core import PydanticUndefined

from config import grammar, loading, settings
from mirror.events import FileLooked, FlightEnded, FlightStarted, LearningFailed, PageLooked, UpstreamCalled
from proxy.metrics import Metrics
from wheelkeep.__main__ import app

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
README = (ROOT / "README.md").read_text(encoding="utf-8")
REFERENCE = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
OPERATIONS = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
EVERYTHING = "\n".join(document.read_text(encoding="utf-8") for document in DOCUMENTS)
TABLES: dict[str, type[BaseModel]] = {
    "server": settings.Server,
    "store": settings.Store,
    "cache": settings.Cache,
    "limits": settings.Limits,
    "upstreams": settings.Upstream,
    "connections": settings.Connection,
    "indexes": settings.Index,
}


def fenced(text: str, language: str) -> list[str]:
    """Give the code blocks of a language."""
    return [textwrap.dedent(block) for block in re.findall(rf"(?ms)^ *```{language}\n(.*?)^ *```", text)]


def anchors(text: str) -> set[str]:
    """Give the names by which the headings of a document are linked to."""
    headings = re.findall(r"(?m)^#+ (.*)$", text)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_relative_link_leads_somewhere(document: Path) -> None:
    """What a document links to is in the repository, down to the heading."""
    for target in re.findall(r"\]\(([^)\s]+)\)", document.read_text(encoding="utf-8")):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        found = (document.parent / path).resolve() if path else document
        assert found.exists(), target
        assert not anchor or anchor in anchors(found.read_text(encoding="utf-8")), target


def test_every_make_target_that_is_shown_exists() -> None:
    """Each `make TARGET` of a code block or of inline code is a target of the Makefile."""
    known = set(re.findall(r"(?m)^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8")))
    shown = {*re.findall(r"`make ([a-z]+)`", EVERYTHING), *re.findall(r"(?m)^\s*make ([a-z]+)", EVERYTHING)}
    assert {"serve", "test"} <= shown
    assert shown <= known


def command_lines() -> Iterator[str]:
    """Give every command line of ours that documents and help texts show."""
    for found in chain(
        *(block.splitlines() for block in fenced(EVERYTHING, "sh")), re.findall(r"`([^`\n]+)`", EVERYTHING)
    ):
        line = found.strip().removeprefix(".venv/bin/")
        if line.startswith("wheelkeep "):
            yield line
    for command in (app, app["serve"], app["doctor"]):
        yield from re.findall(r"(?m)^\s*(?:[A-Z_]+=\S+ )*(wheelkeep .*)$", str(command.help_epilogue))


@pytest.mark.parametrize("line", sorted(set(command_lines())))
def test_every_command_line_that_is_shown_can_be_typed(line: str) -> None:
    """Each `wheelkeep ...` of the documents and of the help is a command with options that it has."""
    _, *arguments = shlex.split(line, comments=True)
    command, _, _ = app.parse_args(arguments, exit_on_error=False, print_error=False)
    assert command.__name__ in {"serve", "doctor"}


def documented_keys() -> dict[tuple[str, str], str]:
    """Give the keys of the reference: table and key to what its column of defaults says."""
    found = {}
    for section in re.split(r"(?m)^## ", REFERENCE)[1:]:
        tables = re.findall(r"`\[+(\w+)\]+`", section.splitlines()[0])
        for name, default in re.findall(r"(?m)^\| `([\w.]+)` \| *(.*?) *\|", section):
            table, dot, key = name.rpartition(".")
            assert dot or len(tables) == 1, name
            found[table or tables[0], key if dot else name] = default
    # The three modes have a table of their own.
    return {
        place: default
        for place, default in found.items()
        if place[1] not in {"online", "fallback", "offline"}
    }


def test_every_key_is_documented_and_every_documented_key_exists() -> None:
    """The reference has each key of the configuration and no other one."""
    known = {(table, key) for table, model in TABLES.items() for key in model.model_fields}
    assert set(TABLES) == set(settings.Settings.model_fields)
    assert documented_keys().keys() == known


@pytest.mark.parametrize(("place", "shown"), documented_keys().items(), ids=str)
def test_documented_defaults_are_the_defaults(place: tuple[str, str], shown: str) -> None:
    """The default that the reference shows is what the key has when it is left out."""
    table, key = place
    field = TABLES[table].model_fields[key]
    if not shown:
        assert field.default in {PydanticUndefined, None}
        return
    kind: TypeAdapter[Any] = TypeAdapter(field.annotation or object)
    assert kind.validate_python(json.loads(shown.strip("`"))) == field.default


def test_every_variable_that_is_shown_exists() -> None:
    """Each `WHEELKEEP_...` of the documents, the Dockerfile and the help is one that wheelkeep reads."""
    known = {loading.CONFIG_VARIABLE, *(f"WHEELKEEP_{table.upper()}" for table in TABLES)}
    known |= {
        f"WHEELKEEP_{table}__{key}".upper() for table, model in TABLES.items() for key in model.model_fields
    }
    epilogues = "".join(str(command.help_epilogue) for command in (app, app["serve"], app["doctor"]))
    texts = EVERYTHING + epilogues + (ROOT / "Dockerfile").read_text(encoding="utf-8")
    shown = set(re.findall(r"\bWHEELKEEP_[A-Z0-9_]*[A-Z0-9]\b", texts))
    assert {"WHEELKEEP_CONFIG", "WHEELKEEP_SERVER__PORT"} <= shown
    assert shown <= known


def test_every_metric_is_documented_with_its_labels() -> None:
    """The table of metrics has each metric of ours with its labels, and no other one."""
    metrics = Metrics("1.0")
    metrics.watch_requests(lambda: 0)
    metrics.request_ended("file", "GET", 200, 0.1, 1)
    for event in (
        PageLooked("feed", "stale"),
        FileLooked("feed", "hit"),
        UpstreamCalled("feed", "page", "ok", 0.5, 1),
        FlightStarted("feed"),
        FlightEnded("feed", "committed", 10, 0.1),
        LearningFailed("feed", "The store failed."),
    ):
        metrics.observe(event)
    known: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(metrics.exposition("")[1].decode()):
        labels = {label for sample in family.samples for label in sample.labels} - {"le"}
        total = "_total" if family.type == "counter" else ""
        known[f"{family.name.removesuffix('_total')}{total}"] = labels
    ours = {name: labels for name, labels in known.items() if name.startswith("wheelkeep_")}
    shown: dict[str, set[str]] = {}
    for names, labels in re.findall(r"(?m)^\| (`wheelkeep_.*?) \| (.*?) \|", OPERATIONS):
        for name in re.findall(r"`(\w+)`", names):
            shown[name] = set(re.findall(r"\w+", labels))
    assert shown == ours


def test_the_five_minute_path_is_a_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The TOML of the README is valid, and says what the text around it says: a feed, its PAT, and then the public index."""
    for variable in [name for name in os.environ if name.startswith(("WHEELKEEP_", "PIP_", "UV_"))]:
        monkeypatch.delenv(variable)
    monkeypatch.setenv("PIP_INDEX_URL", "https://index.example/simple/")
    (toml,) = fenced(README, "toml")
    (tmp_path / "wheelkeep.toml").write_text(toml, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    loaded = loading.load()
    feed, public = loaded.upstreams
    (connection,) = loaded.connections
    (index,) = loaded.indexes
    assert (feed.name, public.name, public.url) == ("feed", "public", "https://index.example/simple/")
    assert (index.name, index.sources) == ("default", ("feed", "public"))
    target, url = grammar.target_key(connection.target), grammar.target_key(feed.url)
    assert (target[:3], target[3]) == (url[:3], url[3][: len(target[3])])
    assert connection.auth_type == "PAT"
    assert f"cat > {connection.secret_file}" in README


def test_every_toml_that_is_shown_is_toml() -> None:
    """Each block of TOML can be read."""
    blocks = fenced(EVERYTHING, "toml")
    assert blocks
    for block in blocks:
        tomllib.loads(block)


def test_what_a_reader_writes_does_not_get_into_git_or_the_image() -> None:
    """The token and the configuration of the five-minute path are ignored by git and by the image's build."""
    (toml,) = fenced(README, "toml")
    written = ["wheelkeep.toml", *(entry["secret_file"] for entry in tomllib.loads(toml)["connections"])]
    for ignoring in (".gitignore", ".dockerignore"):
        lines = (ROOT / ignoring).read_text(encoding="utf-8").splitlines()
        assert set(written) <= set(lines)
