"""The one error tree.

    WheelkeepError
    ├── NotFound
    │   ├── ProjectNotFound      this source does not know the project: the next source may answer
    │   └── FileNotFound         the project is known, the file is not: nobody else may answer
    ├── Refused                  wheelkeep will not do this, and says why
    ├── Conflict                 the thing changed under the writer, or is there already with other bytes
    ├── Corrupt                  bytes are not what their digest, size or format promised
    ├── Invalid                  what a client or a document said is malformed
    ├── UpstreamError
    │   ├── Unreachable          no answer, a broken answer, or an answer that is not what was asked for
    │   ├── Rejected             the upstream does not accept the credentials it was given
    │   └── Throttled            the upstream asks to be left alone for a while
    └── StoreError               the store or the local disk failed

Bases are for catching, leaves are for raising. `str(error)` is one sentence that a person can act on; it never holds a
secret, because no message is built from one. Nothing here knows HTTP: `proxy.problems` maps every leaf to a response.
"""


class WheelkeepError(Exception):
    """The root of everything wheelkeep raises on purpose."""


class NotFound(WheelkeepError):
    """What was asked for does not exist. Only this is a miss; every other error is a failure."""


class ProjectNotFound(NotFound):
    """The source does not know the project, so that the next source of an index may answer."""


class FileNotFound(NotFound):
    """The project is known and has no such file, so that no later source may answer for it."""


class Refused(WheelkeepError):
    """Wheelkeep could do this and will not: the message names the rule and what would change it."""


class Conflict(WheelkeepError):
    """A compare-and-swap lost, or a name is taken by other bytes."""


class Corrupt(WheelkeepError):
    """Bytes do not match their digest, their size or their format; nothing of them was kept."""


class Invalid(WheelkeepError):
    """A name, a request or a document is malformed."""


class UpstreamError(WheelkeepError):
    """An upstream failed.

    Attributes:
        upstream: its name in the configuration.
        retry_after: whole seconds after which it is worth trying again, when that is known.
    """

    def __init__(self, upstream: str, sentence: str, *, retry_after: int | None = None) -> None:
        super().__init__(sentence)
        self.upstream = upstream
        self.retry_after = retry_after


class Unreachable(UpstreamError):
    """No answer, a broken answer, or an answer that is not what was asked for."""


class Rejected(UpstreamError):
    """The upstream answered 401 or 403, or showed its sign-in page: the credentials are missing, wrong or expired."""


class Throttled(UpstreamError):
    """The upstream answered 429, or asked by `Retry-After` to be left alone."""


class StoreError(WheelkeepError):
    """The store or the local disk failed; it is never read as "there is no such thing"."""
