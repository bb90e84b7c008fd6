"""A network with delay, made of two TUN devices and a queue between them.

No netem is needed, which not every kernel has, only /dev/net/tun and the right to make a network
namespace. This process stays between two of them: the one that it is started in has the near
address, and a new one, which goes when this process goes, has the far address.

    python -m bench.long_wire '{"near": "10.99.0.1", "far": "10.99.0.2", "delay_ms": 20}'

says ready on stdout, and carries packets until its stdin is closed. Whoever shall live at the far
address is started by `nsenter --net=/proc/PID/ns/net`.
"""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import select
import struct
import subprocess
import sys
from collections import deque
from time import perf_counter

from bench.marks import Marks

# Linux: sched.h, if_tun.h.
_CLONE_NEWNET = 0x40000000
_TUNSETIFF = 0x400454CA
_IFF_TUN = 0x0001
_IFF_NO_PI = 0x1000
_LARGEST_PACKET = 65535
_STDIN = 0


def main(near: str, far: str, delay_seconds: float) -> None:
    marks = Marks()
    near_end = _tun("near", own=near, other=far)
    _enter_new_network()
    _ip("link", "set", "lo", "up")
    far_end = _tun("far", own=far, other=near)
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
                under_way.append((due, others[end], os.read(end, _LARGEST_PACKET)))
        while under_way and under_way[0][0] <= perf_counter():
            _, end, packet = under_way.popleft()
            os.write(end, packet)


def _tun(name: str, *, own: str, other: str) -> int:
    descriptor = os.open("/dev/net/tun", os.O_RDWR)
    wanted = struct.pack("16sH22x", name.encode(), _IFF_TUN | _IFF_NO_PI)
    fcntl.ioctl(descriptor, _TUNSETIFF, wanted)
    _ip("addr", "add", own, "peer", other, "dev", name)
    _ip("link", "set", name, "up")
    return descriptor


def _enter_new_network() -> None:
    """As unshare(1) does, but keeping the near end open."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWNET):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True)


if __name__ == "__main__":
    wanted = json.loads(sys.argv[1])
    main(wanted["near"], wanted["far"], wanted["delay_ms"] / 1000)
