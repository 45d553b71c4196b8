"""What a client points at, and the upstream sources it is made of: wrappers over `mirror.ports.Index`."""

from mirror.indexes.first_match import FirstMatch, Mode
from mirror.indexes.upstream import UpstreamIndex

__all__ = ["FirstMatch", "Mode", "UpstreamIndex"]
