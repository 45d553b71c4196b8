"""The keys of everything in the store.

    v1/
    ├── snapshots/{source}/{home}/list.json               the project list an upstream last sent
    ├── snapshots/{source}/{home}/pages/{project}.json    a project page an upstream last sent
    ├── learned/{source}/{home}/{project}.json            what the bytes of a source's files taught
    ├── routes/{index}/{project}.json                     which source of an index answered, and which had said no
    ├── catalog/{source}/projects/{project}.json          the record of a project that wheelkeep itself publishes
    └── probes/{nonce}                                    written, read and removed to see that the store works

`v1` changes when a document's meaning does; a program reads its own version alone. `{home}` is made of the URL an
upstream has: what was kept from one feed is never taken for the words of another that later bears its name.

Names of sources and indexes are segments already: the configuration allows lower-case letters, digits, `_` and `-`.
"""

from hashlib import sha256

from mirror.names import ProjectName

VERSION = "v1"

LOCAL = "local"
"""The `{home}` of a source that is not elsewhere."""


def home_of(url: str) -> str:
    """Make the `{home}` segment of an upstream: the first 16 hexadecimal digits of its URL's SHA-256.

    A final slash makes no difference.
    """
    return sha256(url.rstrip("/").encode()).hexdigest()[:16]


def snapshot_of_list(source: str, home: str) -> str:
    """Give the key of an upstream's project list."""
    return f"{VERSION}/snapshots/{source}/{home}/list.json"


def snapshot_of_page(source: str, home: str, project: ProjectName) -> str:
    """Give the key of an upstream's project page."""
    return f"{VERSION}/snapshots/{source}/{home}/pages/{project}.json"


def learned(source: str, home: str, project: ProjectName) -> str:
    """Give the key of what is learned about a project's files."""
    return f"{VERSION}/learned/{source}/{home}/{project}.json"


def route(index: str, project: ProjectName) -> str:
    """Give the key of an index's route to a project."""
    return f"{VERSION}/routes/{index}/{project}.json"


def catalog_records(source: str) -> str:
    """Give the prefix of all records of a catalogue."""
    return f"{VERSION}/catalog/{source}/projects/"


def catalog_record(source: str, project: ProjectName) -> str:
    """Give the key of a project's record in a catalogue."""
    return f"{catalog_records(source)}{project}.json"


def catalogued(source: str, key: str) -> ProjectName:
    """Give the project of a record's key: the inverse of `catalog_record`."""
    return ProjectName(key.removeprefix(catalog_records(source)).removesuffix(".json"))


def probe(nonce: str) -> str:
    """Give the key of one probe."""
    return f"{VERSION}/probes/{nonce}"
