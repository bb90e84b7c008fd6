"""What each thread of this process has used, by what it is there for."""

from __future__ import annotations

import threading
from pathlib import Path

_SIP_THREAD = "acd-sip"
ROLES = ("trio", "sip", "sql", "pjsua")


class ThreadClocks:
    """CPU seconds by role since it was made, from the kernel's clock of each thread.

    Linux, Documentation/scheduler/sched-stats.rst: the first number of `schedstat` is the time
    on a processor, in nanoseconds. Of threads that have ended since, nothing is left to read:
    trio's workers end after ten idle seconds, and a run has none.
    """

    def __init__(self) -> None:
        self._before = _by_thread()

    def used(self) -> dict[str, float]:
        """Seconds for each of `ROLES`."""
        roles = _roles()
        used = dict.fromkeys(ROLES, 0.0)
        for thread, seconds in _by_thread().items():
            used[roles.get(thread, "pjsua")] += seconds - self._before.get(thread, 0.0)
        return used


def _by_thread() -> dict[int, float]:
    found = {}
    for folder in Path("/proc/self/task").iterdir():
        try:
            found[int(folder.name)] = int((folder / "schedstat").read_text().split()[0]) / 1e9
        except OSError:
            continue  # it has just ended
    return found


def _roles() -> dict[int, str]:
    """Of the threads that Python knows; pjsua starts its own."""
    roles = {}
    for thread in threading.enumerate():
        if thread.native_id is not None:
            roles[thread.native_id] = "sip" if thread.name == _SIP_THREAD else "sql"
    main = threading.main_thread().native_id
    if main is not None:
        roles[main] = "trio"
    return roles
