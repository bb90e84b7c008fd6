"""A network with delay, made of two TUN devices and a queue between them.

No netem is needed, which not every kernel has, only /dev/net/tun and the right to make a network
namespace. This process stays between two of them: the one that it is started in has the near
address, and a new one, which goes when this process goes, has the far address.

    python -m bench.long_wire '{"near": "10.99.0.1", "far": "10.99.0.2", "delay_ms": 20}'

says ready on stdout, and carries packets until its stdin is closed. Whoever shall live at the far
address is started by `nsenter --net=/proc/PID/ns/net`.
"""

from __future__ import annotations

import json
import os
import select
import sys
from collections import deque
from time import perf_counter

from bench.marks import Marks
from tests.peers.tunnels import LARGEST_PACKET, enter_new_network, open_tunnel

_STDIN = 0


def main(near: str, far: str, delay_seconds: float) -> None:
    marks = Marks()
    near_end = open_tunnel("near", own=near, other=far)
    enter_new_network()
    far_end = open_tunnel("far", own=far, other=near)
    marks.ready()
    carry(near_end, far_end, delay_seconds)


def carry(near_end: int, far_end: int, delay_seconds: float) -> None:
    """Move packets both ways until stdin ends."""
    others = {near_end: far_end, far_end: near_end}
    # One queue will do: every packet waits the same time, so they leave as they came.
    under_way: deque[tuple[float, int, bytes]] = deque()
    while True:
        wait = max(0.0, under_way[0][0] - perf_counter()) if under_way else None
        readable = select.select([near_end, far_end, _STDIN], [], [], wait)[0]
        if _STDIN in readable and not os.read(_STDIN, 1):
            return
        due = perf_counter() + delay_seconds
        for end in readable:
            if end in others:
                under_way.append((due, others[end], os.read(end, LARGEST_PACKET)))
        while under_way and under_way[0][0] <= perf_counter():
            _, end, packet = under_way.popleft()
            os.write(end, packet)


if __name__ == "__main__":
    wanted = json.loads(sys.argv[1])
    main(wanted["near"], wanted["far"], wanted["delay_ms"] / 1000)
