"""Files for those who serve them: the local disk, else the upstream, once however many ask, and verified.

    FileService      fulfils `mirror.ports.Files`
    ├── Lessons      what held files taught: digests of files that came without one, the metadata of wheels
    ├── Sidecars     the core metadata of wheels, from wherever it can be verified
    └── Relay        a part of a large file that is not held, straight from the upstream

What holds:
- a file that is held is served whatever happens outside, and asks nobody;
- a file is identified by its SHA-256: the listed one, else the one it had when it was first seen here. The same name
  with other bytes is never served in its place;
- nothing that is served whole was not verified before its end; parts that are relayed carry a tag of their own;
- a ledger that cannot be written does not fail a download: the observer is told, what the file taught is kept in memory
  and written when the file is next asked for.
"""

from mirror.fetch.service import FileLimits, FileService

__all__ = ["FileLimits", "FileService"]
