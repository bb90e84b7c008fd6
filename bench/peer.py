"""The common peer: whoever calls it, it does the same, and it counts what went wrong."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from bench.callers import SCENARIOS
from tests.peers.sipp.runner import Bind, Sipp, SippCounts

PEER = "127.99.1.1"
PEER_BESIDE = "127.99.1.5"
"""Of a second one, for who calls at the same moment."""
PEER_PORT = 5060
ANSWER_AFTER_MS = 500
OWN_ADDRESSES = {"sipp": "127.99.1.2", "bare": "127.99.1.3", "acd": "127.99.1.4"}
"""Each caller's own, so that a late packet of one run reaches nobody of the next."""


@contextmanager
def common_peer(*, host: str = PEER, answer_after_ms: int = ANSWER_AFTER_MS) -> Iterator[Sipp]:
    """A fresh SIPp for each caller: none inherits another's memory or open calls."""
    keys = {"answer_ms": str(answer_after_ms)}
    with Sipp.uas(SCENARIOS / "peer.xml", Bind(host, PEER_PORT), keys=keys) as peer:
        yield peer


def final_counts(peer: Sipp) -> SippCounts:
    """End the peer and read what it counted."""
    peer.stop()
    return peer.counts()
