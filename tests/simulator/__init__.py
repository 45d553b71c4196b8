"""A simple index over real HTTP on loopback, with a second server as its file host, that misbehaves on demand.

In an event loop:

    async with Simulator(formats=("html",), pat="s3cret") as feed:
        feed.add("demo", "demo-1.0-py3-none-any.whl", data)
        ask(feed.simple_url)
        assert feed.count("page") == 1

In a synchronous test, on a thread of its own: `with running_simulator(Simulator.azure(pat="s3cret")) as feed:`.

What goes wrong is said by a fault for a path: `feed.misbehave(faults.cut(1000), "*.whl", times=1)`.
"""

from tests.simulator import faults
from tests.simulator.credentials import Basic, Bearer, Credential, Pat, Refusal
from tests.simulator.feed import Simulator
from tests.simulator.files import StoredFile
from tests.simulator.gate import Gate
from tests.simulator.record import Asked
from tests.simulator.replies import Reply
from tests.simulator.running import running_simulator
from tests.simulator.shape import Shape

__all__ = [
    "Asked",
    "Basic",
    "Bearer",
    "Credential",
    "Gate",
    "Pat",
    "Refusal",
    "Reply",
    "Shape",
    "Simulator",
    "StoredFile",
    "faults",
    "running_simulator",
]
