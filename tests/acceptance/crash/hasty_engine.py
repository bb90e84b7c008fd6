"""`acd` whose leases are short: `python hasty_engine.py COMMAND …`.

An engine takes over from a dead one after a minute or two; a test has seconds.
"""

from __future__ import annotations

from datetime import timedelta

from acd.store import nodes

nodes.NODE_LEASE = timedelta(seconds=2)

# Not before that: they take the lease's length over as they are imported.
from acd.cli import main  # noqa: E402 - see above
from acd.dialer import node_lease  # noqa: E402 - see above

node_lease.RENEW_SECONDS = 0.3

if __name__ == "__main__":
    main()
