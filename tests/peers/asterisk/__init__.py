"""A real Asterisk for tests: `run_asterisk` starts one on a loopback address of its own.

`documented/` holds the configuration that `docs/pbx-asterisk.md` shows, word for word, and that
every test runs; `peer/` holds what makes such a PBX live on loopback beside others.
"""

from tests.peers.asterisk.runner import (
    DIALER,
    DIALER_PASSWORD,
    MANAGER,
    MANAGER_SECRET,
    Asterisk,
    run_asterisk,
)

__all__ = [
    "DIALER",
    "DIALER_PASSWORD",
    "MANAGER",
    "MANAGER_SECRET",
    "Asterisk",
    "run_asterisk",
]
