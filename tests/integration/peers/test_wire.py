"""The capture itself: a test that failed says whether packets were lost."""

from __future__ import annotations

import os
import signal
import socket

import pytest

from tests.peers.addresses import Addresses
from tests.peers.wire import Wire

pytestmark = pytest.mark.real

MORE_THAN_IT_KEEPS = 4000
"""`Wire` says how many packets its buffer holds while tcpdump stands still."""


def test_a_failure_names_the_packets_that_tcpdump_came_too_late_for() -> None:
    wire = Wire(Addresses.free().pbx)
    with pytest.raises(AssertionError, match="not there") as told:
        miss_what_is_lost(wire)
    assert wire.lost_packets > 0
    assert told.value.__notes__ == [f"tcpdump lost {wire.lost_packets} packets"]


def miss_what_is_lost(wire: Wire) -> None:
    with wire, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        os.kill(wire.pid, signal.SIGSTOP)
        for _ in range(MORE_THAN_IT_KEEPS):
            sender.sendto(b"one of many", (wire.hosts[0], 9))
        os.kill(wire.pid, signal.SIGCONT)
        raise AssertionError("not there")
