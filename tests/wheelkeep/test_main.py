"""The command line: what it answers, its exit status, and that it never shows a traceback."""

import asyncio
import json
import socket
import sys
from pathlib import Path

import pytest

from tests.wheelkeep.conftest import Run
from wheelkeep import __version__

NOBODY = "http://127.0.0.1:9/simple/"
"""An index that is down."""


async def test_version(run: Run) -> None:
    """--version prints the version alone and ends well."""
    ended = await run("--version")
    assert (ended.status, ended.out, ended.err) == (0, f"{__version__}\n", "")


@pytest.mark.parametrize("arguments", [("--help",), ("serve", "--help"), ("doctor", "--help")])
async def test_help_has_examples(arguments: tuple[str, ...], run: Run) -> None:
    """Every help ends with examples that can be typed."""
    ended = await run(*arguments)
    assert (ended.status, ended.err) == (0, "")
    _, _, examples = ended.out.partition("Examples:")
    assert f"wheelkeep {arguments[0] if len(arguments) > 1 else 'serve'}" in examples


async def test_no_command_shows_the_help_and_is_wrong_usage(run: Run) -> None:
    """Without a command nothing is done, the commands are shown, and a script can tell."""
    ended = await run()
    assert ended.status == 2
    assert "serve" in ended.out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("srve",), 'Did you mean "serve"?'),
        (("serve", "--prt", "1"), "--prt"),
        (("serve", "--port", "x"), "--port"),
        (("serve", "--port", "65536"), "--port"),
        (("serve", "--port", "-1"), "--port"),
        (("serve", "more"), "more"),
        (("serve", "--config"), "--config"),
        (("doctor", "--json=maybe"), "--json"),
    ],
)
async def test_wrong_usage_is_one_sentence(arguments: tuple[str, ...], said: str, run: Run) -> None:
    """Wrong usage is told in one line on stderr with status 2."""
    ended = await run(*arguments)
    assert (ended.status, ended.out) == (2, "")
    (line,) = ended.err.splitlines()
    assert line.startswith("wheelkeep: ")
    assert said in line


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[server]\nprot = 1\n", "Unknown key 'prot' in [server] of wheelkeep.toml: did you mean 'port'?"),
        ("[server\n", "wheelkeep.toml is not valid TOML:"),
        ("[server]\nworkers = 0\n", "[server] workers in wheelkeep.toml must be"),
    ],
)
async def test_a_wrong_configuration_is_one_sentence(text: str, said: str, run: Run, tmp_path: Path) -> None:
    """A wrong configuration is told in one line on stderr with status 1, without a traceback."""
    (tmp_path / "wheelkeep.toml").write_text(text, encoding="utf-8")
    ended = await run("serve")
    assert (ended.status, ended.out) == (1, "")
    (line,) = ended.err.splitlines()
    assert said in line


async def test_a_missing_configuration_is_one_sentence(run: Run) -> None:
    """A file that is named and missing is told with who named it."""
    ended = await run("serve", more={"WHEELKEEP_CONFIG": "none.toml"})
    assert ended.status == 1
    assert ended.err == (
        "wheelkeep: none.toml, which WHEELKEEP_CONFIG names, is not there: create it or correct the path.\n"
    )


async def test_doctor_tells_a_wrong_configuration_as_a_check(run: Run, tmp_path: Path) -> None:
    """A wrong configuration is a failed check, in lines and in JSON, with status 1."""
    (tmp_path / "w.toml").write_text("[servr]\n", encoding="utf-8")
    ended = await run("doctor", "--config", "w.toml")
    assert (ended.status, ended.err) == (1, "")
    assert ended.out == "FAILED  configuration: Unknown key 'servr' in w.toml: did you mean 'server'?\n"
    ended = await run("doctor", "--config", "w.toml", "--json")
    assert ended.status == 1
    report = json.loads(ended.out)
    assert (report["ok"], report["checks"][0]["subject"]) == (False, "configuration")


async def test_a_port_in_use_is_one_sentence(run: Run) -> None:
    """A taken port is told in one line with status 1."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = await run("serve", "--port", str(port))
    assert (ended.status, ended.out) == (1, "")
    assert "Traceback" not in ended.err
    complaints = [line for line in ended.err.splitlines() if line.startswith("wheelkeep: ")]
    assert len(complaints) == 1
    assert str(port) in complaints[0]


async def test_a_reader_that_goes_away_is_no_traceback(environ: dict[str, str], tmp_path: Path) -> None:
    """`wheelkeep doctor | true` ends quietly."""
    (tmp_path / "wheelkeep.toml").write_text("[servr]\n", encoding="utf-8")
    process = await asyncio.create_subprocess_shell(
        # The reader is gone before the first line: its end of the pipe is closed while the other side still starts.
        f"{sys.executable} -m wheelkeep doctor | true",
        cwd=tmp_path,
        env=environ,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    _, err = await process.communicate()
    assert err == b""


@pytest.mark.parametrize("command", ["serve", "doctor"])
async def test_output_that_cannot_be_written_is_one_sentence(command: str, run: Run) -> None:
    """A result that meets a full disk is a failure that says so, without a traceback."""
    ended = await run(
        command, more={"WHEELKEEP_SERVER__PORT": "0", "PIP_INDEX_URL": NOBODY}, before="exec >/dev/full"
    )
    assert ended.status == 1
    assert ended.err == (
        "wheelkeep: The result cannot be written (no space left on device): see where standard output goes.\n"
    )


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-"])
async def test_closed_output_changes_nothing(closed: str, run: Run, tmp_path: Path) -> None:
    """Started with stdout or stderr closed, as some supervisors do, a command ends with the status that it has anyway."""
    (tmp_path / "w.toml").write_text("[servr]\n", encoding="utf-8")
    ended = await run("doctor", "--config", "w.toml", before=f"exec {closed}")
    assert (ended.status, ended.err) == (1, "")
    assert (await run("srve", before=f"exec {closed}")).status == 2


async def test_help_and_version_load_nothing_heavy(environ: dict[str, str]) -> None:
    """--version and --help answer without loading the server, the settings or the library of the constant."""
    program = (
        "import sys; from wheelkeep.__main__ import main; main(['--version']); main(['--help']);"
        "print(sorted({'aiohttp', 'pydantic', 'pypi_simple', 'structlog', 'mirror', 'proxy'} & sys.modules.keys()))"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, env=environ, stdout=asyncio.subprocess.PIPE
    )
    out, _ = await process.communicate()
    assert out.decode().splitlines()[-1] == "[]"
