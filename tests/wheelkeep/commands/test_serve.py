"""`wheelkeep serve`: the line that says where it is, and the way out."""

import asyncio
import signal
import socket
import sys
from pathlib import Path

import pytest

from config.settings import Index, Server, Settings
from tests.wheelkeep.conftest import Run
from wheelkeep.commands.serve import announcement

DEFAULT = (Index(name="default", sources=("private",)),)
EVERY_ADDRESS = "0.0.0.0"  # noqa: S104  (nothing is bound)


@pytest.mark.parametrize(
    ("server", "served", "url"),
    [
        (Server(), "http://127.0.0.1:8080", "http://127.0.0.1:8080/simple/"),
        (Server(port=0), "http://127.0.0.1:43210", "http://127.0.0.1:43210/simple/"),
        (Server(host="::1"), "http://[::1]:8080", "http://[::1]:8080/simple/"),
        (Server(host=EVERY_ADDRESS), "http://0.0.0.0:8080", f"http://{socket.gethostname()}:8080/simple/"),
        (
            Server(public_url="https://mirror.example/"),
            "http://127.0.0.1:8080",
            "https://mirror.example/simple/",
        ),
    ],
)
def test_the_line_names_the_url_that_clients_use(server: Server, served: str, url: str) -> None:
    """The ready line is one line with the index's URL as a client writes it, for pip and for uv."""
    line = announcement(Settings(server=server, indexes=DEFAULT), served)
    assert line.startswith(f"wheelkeep serves {url} ")
    assert f"pip install --index-url {url} " in line
    assert f"uv pip install --default-index {url} " in line
    assert "\n" not in line


def test_without_a_default_index_the_first_is_named() -> None:
    """Where nothing is served at /simple/, the line names the path of the first index."""
    settings = Settings(indexes=(Index(name="curated", sources=("private",)),))
    assert "http://127.0.0.1:8080/curated/simple/" in announcement(settings, "http://127.0.0.1:8080")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_it_says_that_it_is_ready_and_leaves_when_told(
    number: signal.Signals, environ: dict[str, str], tmp_path: Path
) -> None:
    """`serve` prints one line once it listens, and a signal ends it with status 0 and without a traceback."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "wheelkeep",
        "serve",
        "--port",
        "0",
        cwd=tmp_path,
        env=environ | {"PIP_INDEX_URL": "http://127.0.0.1:9/simple/"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    line = (await process.stdout.readline()).decode()
    assert line.startswith("wheelkeep serves http://127.0.0.1:")
    process.send_signal(number)
    out, err = await process.communicate()
    assert (process.returncode, out) == (0, b"")
    assert b"Traceback" not in err


async def test_no_collection_looks_through_the_program(environ: dict[str, str], tmp_path: Path) -> None:
    """What is there when serving begins is kept from the garbage collector, which would stop all clients for as long as it looks."""
    told = "import atexit, gc, sys; atexit.register(lambda: print(gc.get_freeze_count())); "
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        told + "from wheelkeep.__main__ import main; sys.exit(main(['serve', '--port', '0']))",
        cwd=tmp_path,
        env=environ | {"PIP_INDEX_URL": "http://127.0.0.1:9/simple/"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    assert process.stdout is not None
    await process.stdout.readline()
    process.send_signal(signal.SIGTERM)
    out, _ = await process.communicate()
    assert int(out) > 10_000


@pytest.mark.parametrize(
    ("variable", "value", "place"),
    [
        ("WHEELKEEP_STORE__URL", "file:./taken", "[store] url file:./taken"),
        ("WHEELKEEP_STORE__URL", "file:./taken/below", "[store] url file:./taken/below"),
        ("WHEELKEEP_CACHE__PATH", "taken", "[cache] path taken"),
        ("WHEELKEEP_CACHE__PATH", "taken/below", "[cache] path taken/below"),
    ],
)
async def test_a_directory_that_is_none_is_one_sentence(
    variable: str, value: str, place: str, run: Run, tmp_path: Path
) -> None:
    """A store or a cache that cannot be had is told at once, with its key and its place, and nothing is served."""
    (tmp_path / "taken").touch()
    ended = await run("serve", more={variable: value, "WHEELKEEP_SERVER__PORT": "0"})
    assert (ended.status, ended.out) == (1, "")
    (line,) = ended.err.splitlines()
    assert line.startswith(f"wheelkeep: {place} cannot be used: the ")


async def test_a_working_directory_that_is_gone_is_one_sentence(run: Run) -> None:
    """Where relative paths lead nowhere any more, that is a sentence too."""
    ended = await run("serve", more={"WHEELKEEP_SERVER__PORT": "0"}, before='rmdir "$PWD"')
    assert (ended.status, ended.out) == (1, "")
    (line,) = ended.err.splitlines()
    assert line.startswith("wheelkeep: [cache] path wheelkeep-data/cache cannot be used: ")
