"""A real Kamailio for tests: `run_kamailio` starts one on a loopback address of its own.

`documented/` holds the configuration that `docs/pbx-kamailio.md` shows, word for word, and that
every test runs; `peer/` holds the sockets, keys and names that make it live on loopback, and the
PBX behind it, which SIPp plays.
"""

from tests.peers.kamailio.runner import (
    DIALER,
    DIALER_PASSWORD,
    Kamailio,
    pbx_behind,
    run_kamailio,
)

__all__ = ["DIALER", "DIALER_PASSWORD", "Kamailio", "pbx_behind", "run_kamailio"]
