"""What must hold of the repository as a whole, and what no other tool checks."""

import ast
import importlib
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from pypi_simple import PYPI_SIMPLE_ENDPOINT

ROOT = Path(__file__).parents[2]
HOUSES = ("wheelkeep", "proxy", "mirror", "config")


def repository_files() -> list[Path]:
    """List what is in the repository or would be with the next commit."""
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        named = subprocess.run(listing, cwd=ROOT, capture_output=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"This is not a clone: {error}")
    files = [ROOT / name for name in named.decode().split("\0") if name]
    # One that was removed and not committed yet is still named.
    return [file for file in files if file.is_file()]


def public_hosts() -> set[str]:
    """Name the hosts of public package registries, from the libraries that know them: none may stand here."""
    hosts = {urlsplit(PYPI_SIMPLE_ENDPOINT).hostname or ""}
    try:
        models = importlib.import_module("pip._internal.models.index")
    except ImportError:
        return hosts
    for index in (models.PyPI, models.TestPyPI):
        hosts |= {index.netloc, index.file_storage_domain}
    return hosts


def modules_of(*houses: str) -> list[Path]:
    """List the modules of some packages."""
    return sorted(path for house in houses for path in (ROOT / house).rglob("*.py"))


def holding(needles: set[str]) -> list[str]:
    """List the files of the repository that hold one of some texts, whatever its case."""
    wanted = [needle.lower().encode() for needle in needles if needle]
    assert wanted
    contents = ((file, file.read_bytes().lower()) for file in repository_files())
    return [
        str(file.relative_to(ROOT)) for file, text in contents if any(needle in text for needle in wanted)
    ]


def test_no_public_registry_is_named() -> None:
    """No file of the repository holds the host name of a public package registry."""
    assert holding(public_hosts()) == []


def test_no_file_knows_this_machine() -> None:
    """No file of the repository holds the path of this checkout or of this home."""
    # An image has /root, and may put things into a directory right below its root: these say nothing of a machine.
    private = {str(path) for path in (ROOT, Path.home()) if len(path.parts) > 2}
    if not private:
        pytest.skip("This checkout and this home are in places that every machine has.")
    assert holding(private) == []


@pytest.mark.parametrize("lock", sorted((ROOT / "requirements").glob("*.txt")), ids=lambda path: path.name)
def test_locks_have_hashes_and_no_urls(lock: Path) -> None:
    """Every locked requirement is one version with hashes, and no line says where it came from."""
    text = lock.read_text(encoding="utf-8")
    requirements = re.sub(r"\\\n", " ", re.sub(r"(?m)^\s*#.*\n", "", text)).splitlines()
    wrong = [
        line
        for line in requirements
        if line and not re.search(r"^[\w.\[\]-]+==\S+.*--hash=sha256:[0-9a-f]{64}", line)
    ]
    assert requirements
    assert wrong == []
    assert "://" not in text


def imported(tree: ast.AST) -> Iterator[str]:
    """Give the full name of everything that a module imports."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            yield f"{node.value.id}.{node.attr}"


DOORS = {
    "aiohttp": ("mirror/upstream/", "proxy/"),
    "aiohttp.ClientSession": ("mirror/upstream/",),
    "cyclopts": ("wheelkeep/",),
    "prometheus_client": ("proxy/metrics.py",),
    "pydantic": ("config/",),
    "pydantic_settings": ("config/",),
    "pypi_simple": ("config/machine.py",),
    "selectolax": ("mirror/simple/",),
}
"""Which library is imported where, and nowhere else."""


@pytest.mark.parametrize("library", DOORS)
def test_each_library_has_one_door(library: str) -> None:
    """A library is used behind its door alone, and is used there."""
    users = {
        str(module.relative_to(ROOT))
        for module in modules_of(*HOUSES)
        for name in imported(ast.parse(module.read_bytes()))
        if f"{name}.".startswith(f"{library}.")
    }
    assert {user for user in users if not user.startswith(DOORS[library])} == set()
    assert users


def test_no_cloud_is_needed_yet() -> None:
    """Nothing imports a cloud's library as long as there is no store that needs one."""
    names = {name for module in modules_of(*HOUSES) for name in imported(ast.parse(module.read_bytes()))}
    assert names
    assert not {name for name in names if name.partition(".")[0] == "azure"}


def cases_of(module: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Give the tests of a module, those in classes too."""
    for node in ast.walk(ast.parse(module.read_bytes())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
            yield node


def is_one_sentence(text: str) -> bool:
    """Tell whether a text is a single sentence in a single paragraph, ended by a full stop."""
    return text.endswith(".") and not re.search(r"\n\s*\n|[.!?]\s+[A-Z]", text)


def test_every_test_says_what_must_hold() -> None:
    """Each test has a docstring of one sentence."""
    tests = [(module, test) for module in modules_of("tests") for test in cases_of(module)]
    silent = [
        f"{module.relative_to(ROOT)}:{test.lineno}"
        for module, test in tests
        if not is_one_sentence((ast.get_docstring(test) or "").strip())
    ]
    assert tests
    assert silent == []


def test_the_wheel_holds_the_four_houses_and_nothing_else(tmp_path: Path) -> None:
    """The built distribution has every module of the four packages, no other one, and the console script."""
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(tmp_path)]
    done = subprocess.run(build, cwd=ROOT, capture_output=True, check=False, text=True)
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("wheelkeep-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        (scripts,) = (archive.read(name).decode() for name in names if name.endswith("entry_points.txt"))
    assert {str(module.relative_to(ROOT)) for module in modules_of(*HOUSES)} <= names
    assert {name.partition("/")[0] for name in names if ".dist-info/" not in name} == set(HOUSES)
    assert "wheelkeep = wheelkeep.__main__:main" in scripts
