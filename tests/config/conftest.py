"""A configuration is read in an empty directory, from an environment that says nothing."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

Write = Callable[[str], Path]


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand in an empty directory; this machine's own settings, pip's and uv's among them, are out of sight."""
    for name in os.environ:
        if name.upper().startswith(("WHEELKEEP_", "PIP_", "UV_", "XDG_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("UV_NO_CONFIG", "1")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def write(nowhere: Path) -> Write:
    """Write the configuration file that is found without being named."""

    def write(text: str) -> Path:
        path = nowhere / "wheelkeep.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return write
