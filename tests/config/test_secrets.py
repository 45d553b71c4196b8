"""A secret follows its source, and shows itself to nobody but its reader."""

import copy
import os
import pickle
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from config.errors import ConfigurationError
from config.secrets import (
    LARGEST_SECRET_BYTES,
    EnvironmentSecret,
    FileSecret,
    GivenSecret,
    Secret,
    known_values,
)

VALUE = "t0ken-fr0m-the-vault"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Give a file with a secret in it, written long ago."""
    file = tmp_path / "feed-pat"
    file.write_text(f"{VALUE}\n")
    _age(file)
    return file


def _age(file: Path, seconds: float = 3600) -> None:
    then = time.time() - seconds
    os.utime(file, (then, then))


def _secrets(path: Path) -> list[Secret]:
    return [
        FileSecret(path),
        EnvironmentSecret("FEED_PAT", {"FEED_PAT": VALUE}),
        GivenSecret(VALUE, "the machine's pip configuration"),
    ]


def test_every_kind_gives_its_value(path: Path) -> None:
    """A file, a variable and a given value read as what they hold."""
    assert [secret.read() for secret in _secrets(path)] == [VALUE] * 3


@pytest.mark.parametrize("ending", ["", "\n", "\r\n", "\n\n"])
def test_newlines_at_the_end_are_dropped(path: Path, ending: str) -> None:
    """What an editor leaves behind the secret is not part of it, and spaces inside are."""
    path.write_bytes(f"a b {ending}".encode())
    assert FileSecret(path).read() == "a b "


def test_a_byte_order_mark_is_dropped(path: Path) -> None:
    """A file saved by an editor that marks UTF-8 holds the same secret."""
    path.write_bytes(b"\xef\xbb\xbf" + VALUE.encode())
    assert FileSecret(path).read() == VALUE


def test_a_rewritten_file_is_read_again(path: Path) -> None:
    """A secret of another length, or with a newer time stamp, is seen at the next read."""
    secret = FileSecret(path)
    secret.read()
    path.write_text("longer-than-it-was-before")
    assert secret.read() == "longer-than-it-was-before"


def test_a_replaced_file_is_read_again(path: Path, tmp_path: Path) -> None:
    """A file of equal size and time under the same name is another file, as when a cluster swaps a link."""
    secret = FileSecret(path)
    secret.read()
    other = tmp_path / "new"
    other.write_text(f"{VALUE[::-1]}\n")
    os.utime(other, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns))
    other.replace(path)
    assert secret.read() == VALUE[::-1]


def test_a_file_changed_within_its_time_stamp_is_read_again(path: Path) -> None:
    """A young file is not trusted to have changed its stamp: the same size at the same instant is seen too."""
    path.write_text("first!")
    now = time.time()
    os.utime(path, (now, now))
    secret = FileSecret(path)
    assert secret.read() == "first!"
    path.write_text("second")
    os.utime(path, (now, now))
    assert secret.read() == "second"


def test_an_unchanged_file_is_not_opened_again(path: Path) -> None:
    """A read in between costs a look at the file's state: its content is not even readable any more."""
    secret = FileSecret(path)
    secret.read()
    status = path.stat()
    # The same file, other bytes, and a stamp that claims it is as it was: only an open file would show it.
    with path.open("r+b") as file:
        file.write(VALUE[::-1].encode())
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert path.stat().st_ino == status.st_ino
    assert secret.read() == VALUE


def test_a_variable_is_looked_up_each_time() -> None:
    """A variable that changes is read as it is now."""
    environment = {"FEED_PAT": "old"}
    secret = EnvironmentSecret("FEED_PAT", environment)
    secret.read()
    environment["FEED_PAT"] = "new"
    assert secret.read() == "new"


def _missing(path: Path) -> Secret:
    path.unlink()
    return FileSecret(path)


def _holding(content: bytes) -> Callable[[Path], Secret]:
    def make(path: Path) -> Secret:
        path.write_bytes(content)
        return FileSecret(path)

    return make


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (_missing, "feed-pat cannot be read"),
        (_holding(b""), "feed-pat is empty"),
        (_holding(b" \n"), "feed-pat is empty"),
        (_holding(b"hidden-one\nhidden-two\n"), "feed-pat holds line breaks"),
        (_holding(b"hidden\x00"), "feed-pat holds line breaks"),
        (_holding(b"hidden\xff"), "feed-pat is not text"),
        (_holding(b"hidden" + b"x" * LARGEST_SECRET_BYTES), "feed-pat is too large"),
        (lambda path: FileSecret(path.parent), "cannot be read"),
        (lambda _path: EnvironmentSecret("FEED_PAT", {}), "FEED_PAT is missing"),
        (lambda _path: EnvironmentSecret("FEED_PAT", {"FEED_PAT": "\n"}), "FEED_PAT is empty"),
    ],
)
def test_a_bad_secret_is_one_sentence(path: Path, make: Callable[[Path], Secret], words: str) -> None:
    """What cannot be used says in one sentence which file or variable it is, and never what it holds."""
    secret = make(path)
    with pytest.raises(ConfigurationError, match=words) as caught:
        secret.read()
    chain = [caught.value, caught.value.__cause__]
    assert "hidden" not in f"{chain!r}{chain[0]}{chain[1]}"
    assert str(caught.value).endswith(".")


def test_a_file_that_comes_back_is_read(path: Path) -> None:
    """A secret that could not be read once is not lost for good."""
    secret = FileSecret(path)
    path.rename(path.with_suffix(".away"))
    with pytest.raises(ConfigurationError):
        secret.read()
    path.with_suffix(".away").rename(path)
    assert secret.read() == VALUE


def test_nothing_prints_the_value(path: Path) -> None:
    """Neither repr, str, format, a container nor a copy shows a secret that was read."""
    for secret in _secrets(path):
        secret.read()
        assert VALUE not in repr(secret) + str(secret) + f"{secret}" + repr([secret])
        with pytest.raises(TypeError, match="cannot be pickled"):
            pickle.dumps(secret)
        with pytest.raises(TypeError, match="cannot be pickled"):
            copy.deepcopy(secret)


def test_redaction_can_ask_for_all_values(path: Path) -> None:
    """Every value a living secret was ever read as is known, the rotated one too."""
    secret = FileSecret(path)
    assert VALUE not in known_values()
    secret.read()
    path.write_text("the-next-one")
    secret.read()
    assert {VALUE, "the-next-one"} <= known_values()


def test_values_of_forgotten_secrets_are_forgotten(path: Path) -> None:
    """A secret that nobody holds any more does not keep its values alive."""
    secret = FileSecret(path)
    path.write_text("short-lived")
    secret.read()
    assert "short-lived" in known_values()
    del secret
    assert "short-lived" not in known_values()


def test_many_threads_read_one_secret(path: Path) -> None:
    """Readers in several threads all get a whole value while the file changes under them."""
    secret = FileSecret(path)
    values = {VALUE, VALUE[::-1]}
    seen: set[str] = set()

    def work() -> None:
        for _ in range(200):
            seen.add(secret.read())

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for number in range(50):
        fresh = path.with_suffix(".next")
        fresh.write_text(VALUE if number % 2 else VALUE[::-1])
        fresh.replace(path)
    for thread in threads:
        thread.join()
    assert seen <= values
