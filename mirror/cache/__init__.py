"""The local disk in front of the upstreams: verified files by their digest, the least recently used of them removed.

    {root}/
    ├── files-v1/sha256/<aa>/<hex>       a distribution file; <aa> are the first two digits of <hex>
    ├── metadata-v1/sha256/<aa>/<hex>    the core metadata of a wheel
    ├── spool/<session>/                 what one process is downloading now
    │   └── in-use                       locked by that process for as long as it lives
    ├── flights/<hex>                    what one process tells the others about a download (`mirror.flight.board`)
    ├── doubtful                         digests, one a line, to be hashed again before they are served
    └── lock                             held for a moment while a process opens or closes the cache

What holds:
- a name in the two trees is the digest of its content: files come there only whole, proved and synchronized to the disk,
  by one rename. There is no index beside them; the one in memory is made by walking the trees;
- a session that nobody holds the lock of was left by a crash. It is removed, and every file is doubtful from then on: it
  is hashed before it is first served, and a damaged one is removed and is a miss. The list of doubts survives restarts;
- several processes may share a cache: each has its own session, one of them fetches a file and the others follow it, and
  each finds what the others have committed, and counts it from then on, or when it has itself committed a twentieth of the bound since it last looked;
- what a process has counted in both trees stays within `max_bytes`, but for the file that was just committed. A reader
  that has a removed file open reads on;
- where the disk is full before the bound is reached, a part of what was not used for longest goes for what is coming;
- small files are in memory too, in a bound of its own, once they were asked for: hashed when they are read from the disk,
  and looked for there again each minute.
"""

from mirror.cache.disk import DiskCache

__all__ = ["DiskCache"]
