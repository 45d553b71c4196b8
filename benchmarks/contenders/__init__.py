"""Who is measured: wheelkeep, its peers, and the upstream itself."""

from benchmarks.contenders.devpi import Devpi
from benchmarks.contenders.direct import Direct
from benchmarks.contenders.proxpi import Proxpi
from benchmarks.contenders.proxy_cache import ProxyCache
from benchmarks.contenders.wheelkeep import Wheelkeep

__all__ = ["Devpi", "Direct", "Proxpi", "ProxyCache", "Wheelkeep"]
