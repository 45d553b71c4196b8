"""The image: what its Dockerfile says, the check that its build runs, and the health check that its engine runs."""

import json
import os
import re
import shlex
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.clients.keeper import Keeper, free_port

ROOT = Path(__file__).parents[2]
CHECK = ROOT / "deploy" / "check_import_names.py"
HOUSES = {"config", "mirror", "proxy", "wheelkeep"}
NOBODY = "http://127.0.0.1:9"
"""A proxy that nobody runs."""


@dataclass(frozen=True)
class Instruction:
    """One instruction of the Dockerfile, its continued lines joined."""

    word: str
    rest: str


def stages() -> list[list[Instruction]]:
    """Read the Dockerfile: the instructions of each stage, `FROM` first."""
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    lines = re.sub(r"\\\n\s*", "", re.sub(r"(?m)^#.*\n", "", text)).splitlines()
    found: list[list[Instruction]] = []
    for line in filter(None, lines):
        word, _, rest = line.partition(" ")
        if word == "FROM":
            found.append([])
        found[-1].append(Instruction(word, rest))
    return found


BUILD, FINAL = stages()
"""It has two stages, or no test here runs."""


def of(stage: list[Instruction], word: str) -> list[str]:
    """Give what follows a word, in order."""
    return [instruction.rest for instruction in stage if instruction.word == word]


def environment() -> dict[str, str]:
    """Give the variables that the image sets."""
    return dict(pair.split("=", 1) for rest in of(FINAL, "ENV") for pair in shlex.split(rest))


def test_both_stages_have_one_base() -> None:
    """The environment runs on the interpreter that it was built with."""
    assert of(BUILD, "FROM")[0].removesuffix(" AS build") == of(FINAL, "FROM")[0]


def test_what_is_copied_is_there_and_not_ignored() -> None:
    """The build copies files of the repository that the context has, the four houses and the locks among them."""
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").split()
    copied = [name.rstrip("/") for rest in of(BUILD, "COPY") for name in rest.split()[:-1]]
    assert HOUSES | {"requirements", "pyproject.toml"} <= set(copied)
    for name in copied:
        assert (ROOT / name).exists()
        assert name.partition("/")[0] not in ignored


def test_the_final_stage_holds_the_environment_and_nothing_that_builds() -> None:
    """The image takes one folder from the build, installs nothing and removes its base's installers."""
    assert of(FINAL, "COPY") == ["--from=build /opt/wheelkeep /opt/wheelkeep"]
    (run,) = of(FINAL, "RUN")
    assert "pip uninstall --yes" in run
    assert "ensurepip" in run
    assert not re.search(r"\b(apt|apt-get|apk|curl|gcc|make|pip install)\b", run)
    assert not of(FINAL, "ADD")


def test_the_image_runs_as_nobody_in_particular() -> None:
    """The last user is a number that is not root's, so that an orchestrator can see it, and only /data is its own."""
    assert re.fullmatch(r"[1-9]\d+:[1-9]\d+", of(FINAL, "USER")[-1])
    assert of(FINAL, "VOLUME") == of(FINAL, "WORKDIR") == ["/data"]
    (run,) = of(FINAL, "RUN")
    assert f"--owner={of(FINAL, 'USER')[-1].partition(':')[0]} " in run


def test_everything_that_is_written_is_below_data() -> None:
    """The root file system may be read-only: store and cache are on the volume, and no byte code is written."""
    variables = environment()
    assert variables["WHEELKEEP_STORE__URL"].startswith("file:/data")
    assert variables["WHEELKEEP_CACHE__PATH"].startswith("/data/")
    assert variables["PYTHONDONTWRITEBYTECODE"] == "1"


def test_nothing_in_the_working_directory_is_imported() -> None:
    """A file of the volume cannot take the place of a module."""
    assert environment()["PYTHONSAFEPATH"] == "1"


def test_signals_reach_the_server() -> None:
    """No shell stands between the engine and `wheelkeep serve`, so that SIGTERM drains it."""
    assert json.loads(of(FINAL, "ENTRYPOINT")[-1]) == ["wheelkeep"]
    assert json.loads(of(FINAL, "CMD")[-1]) == ["serve"]


def health_check(port: int) -> int:
    """Run the health check as an engine does in an environment with a proxy; give its exit status."""
    (rest,) = of(FINAL, "HEALTHCHECK")
    program, *arguments = json.loads(rest.partition("CMD ")[2])
    assert program == "python"
    variables = {"WHEELKEEP_SERVER__PORT": str(port), "http_proxy": NOBODY, "HTTP_PROXY": NOBODY}
    command = [sys.executable, *arguments]
    return subprocess.run(command, env=variables, capture_output=True, check=False).returncode


def test_the_health_check_tells_a_server_that_answers(tmp_path: Path) -> None:
    """The health check succeeds while wheelkeep serves, whatever proxy the environment names, and fails when it does not."""
    port = free_port()
    house = Keeper(tmp_path, port, ("--port", str(port)), {"PIP_INDEX_URL": f"{NOBODY}/simple/"})
    with house.running():
        assert health_check(port) == 0
    assert health_check(port) != 0


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder in which wheelkeep's wheel is unpacked, as an installation does."""
    folder = tmp_path_factory.mktemp("built")
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(build, cwd=ROOT, capture_output=True, check=True)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def check_import_names(*folders: Path) -> subprocess.CompletedProcess[str]:
    """Run the check of the build with folders before the environment's own packages."""
    variables = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, folders))}
    command = [sys.executable, "-P", str(CHECK)]
    return subprocess.run(command, env=variables, capture_output=True, check=False, text=True)


def test_the_names_have_one_owner_here(installed: Path) -> None:
    """In an environment with the locked requirements nobody else owns one of our import names."""
    checked = check_import_names(installed)
    assert (checked.returncode, checked.stderr) == (0, "")


@pytest.mark.parametrize("name", sorted(HOUSES))
def test_a_second_owner_of_a_name_is_told(name: str, installed: Path, tmp_path: Path) -> None:
    """Another distribution with one of our import names fails the build with a sentence that names both."""
    other = tmp_path / "other-1.0.dist-info"
    other.mkdir()
    (tmp_path / name).mkdir()
    (tmp_path / name / "__init__.py").touch()  # newer interpreters count only what is there
    (other / "METADATA").write_text("Metadata-Version: 2.1\nName: other\nVersion: 1.0\n", encoding="utf-8")
    (other / "RECORD").write_text(f"{name}/__init__.py,,\n", encoding="utf-8")
    checked = check_import_names(installed, tmp_path)
    assert checked.returncode == 1
    assert checked.stderr == (
        f"The import name '{name}' must belong to wheelkeep alone; it belongs to: other, wheelkeep.\n"
    )


def test_a_name_without_an_owner_is_told(tmp_path: Path) -> None:
    """Where wheelkeep is not installed the check does not pass for want of anything to find."""
    command = [sys.executable, "-I", "-S", str(CHECK)]
    checked = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False, text=True)
    assert checked.returncode == 1
    assert checked.stderr.count("it belongs to: nobody.") == len(HOUSES)
