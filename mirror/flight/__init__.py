"""Flights: one download under way, any number of readers, proof before the last bytes.

    Flights          the table: one flight a key, owned by the service and not by a request
    └── Flight       wakes the readers, and gives them what they may have
        ├── Board    who of the processes that share the cache fetches the file, and how far that one is
        ├── Following  what another process fetches, read from its spool
        └── Leading  what this process fetches, proved and kept, and told on the board
            ├── Download pulls one body to its end and resumes it when it breaks; a large file in several Segments at once, when the Pace of one is slow
            ├── Spool    the file on disk that grows; readers read it at their own pace, so memory does not
            ├── Overflow what the disk did not take: a bounded window in memory, passed on to the readers that are there
            └── Proof    what was promised of the bytes, and whether they keep it

What holds, whatever happens:
- the upstream is asked once for each byte, however many read in however many processes of one machine, and nobody's
  leaving stops the download; when the process that fetches dies, another goes on with what it left, proved anew;
- the last `HOLD_BACK_BYTES` of a file are given only when its size and digest are right, so that nobody ever completes a
  wrong file; a wrong one is `Corrupt` for every reader, nothing of it is kept, and when it happens again it is refused for a while;
- a disk that is full costs the cache and not the readers that are there: they get the whole file, proved as ever, at the
  pace of the slowest of them, and nothing of it is kept;
- when a flight has ended, well or not, its key is free and no temporary file is left.
"""

from mirror.flight.flight import HOLD_BACK_BYTES, Flight, new_tag
from mirror.flight.flights import Flights
from mirror.flight.origin import Origin
from mirror.flight.proof import Promise
from mirror.flight.segments import Division

__all__ = [
    "HOLD_BACK_BYTES",
    "Division",
    "Flight",
    "Flights",
    "Origin",
    "Promise",
    "new_tag",
]
