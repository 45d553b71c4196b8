"""As many projects as the largest index has are listed in bounded memory."""

import asyncio
import sys
from pathlib import Path

MB = 1_000_000
COUNT = 700_000
ROOT = Path(__file__).parents[2]


async def _serve(folder: Path, state: str) -> tuple[int, int]:
    """Give what a process that serves the list grew by: at its highest, and in the end."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.proxy.many_projects", str(folder), str(COUNT), state),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await process.communicate()
    assert process.returncode == 0
    highest, last = map(int, out.split())
    return highest, last


async def test_700_000_names_are_served_in_bounded_memory(tmp_path: Path) -> None:
    """In every type and coding, with 304s, from the upstream and from the snapshot after a restart, the list takes no more than its bound."""
    highest, last = await _serve(tmp_path, "up")
    assert highest < 280 * MB
    assert last < 180 * MB
    highest, last = await _serve(tmp_path, "down")
    assert highest < 220 * MB
    assert last < 150 * MB
