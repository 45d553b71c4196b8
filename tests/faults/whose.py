"""Which process has what, as Linux tells it: so that a test knows whom it kills."""

from pathlib import Path


def worker_of(port: int, client: int, workers: list[int]) -> int:
    """Give the worker that serves a connection.

    Args:
        port: of the server, on 127.0.0.1.
        client: the port at the client's end.
        workers: the processes to choose from.
    """
    ends = (f"0100007F:{port:04X}", f"0100007F:{client:04X}")
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()]
    [inode] = [line[9] for line in lines if tuple(line[1:3]) == ends]
    [worker] = [worker for worker in workers if f"socket:[{inode}]" in _open_files(worker)]
    return worker


def leader(workers: list[int]) -> int:
    """Give the worker that fetches a file: its session has the growing one."""
    for worker in workers:
        for name in _open_files(worker):
            if name.endswith("/in-use") and len(list(Path(name).parent.iterdir())) > 1:
                return worker
    raise AssertionError("Nobody fetches.")


def _open_files(process: int) -> list[str]:
    names = []
    for entry in Path(f"/proc/{process}/fd").iterdir():
        try:
            names.append(str(entry.readlink()))
        except FileNotFoundError:
            continue  # closed meanwhile
    return names
