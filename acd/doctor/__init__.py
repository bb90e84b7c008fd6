"""`acd doctor`: what stands between this machine and a day of calls, one row each.

    examine ─┬─ machine   binding, open files, RTP ports, encryption    (pure, but for rlimit)
             ├─ database  connect, SELECT 1, schema                     (a thread, bounded)
             └─ pbx       OPTIONS and a REGISTER that changes nothing   (asking, messages, digest)

Nothing of this rings anyone. `acd doctor --load` does: `load` dials the named extension.
"""

from acd.doctor import report
from acd.doctor.check import Binding, Check, Examination
from acd.doctor.examine import examine
from acd.doctor.load import (
    LoadResult,
    Watcher,
    admitted_extension,
    beside_engine,
    chosen_trunk,
    dial_load,
)

__all__ = [
    "Binding",
    "Check",
    "Examination",
    "LoadResult",
    "Watcher",
    "admitted_extension",
    "beside_engine",
    "chosen_trunk",
    "dial_load",
    "examine",
    "report",
]
