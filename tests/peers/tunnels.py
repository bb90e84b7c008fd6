"""Networks of our own without netem or a packet filter: TUN devices and network namespaces.

Needed are /dev/net/tun and the right to make a namespace. What is made goes with the process.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import struct
import subprocess

LARGEST_PACKET = 65535
# Linux: sched.h, if_tun.h.
_CLONE_NEWNET = 0x40000000
_TUNSETIFF = 0x400454CA
_IFF_TUN = 0x0001
_IFF_NO_PI = 0x1000


def open_tunnel(name: str, *, own: str, other: str) -> int:
    """A point-to-point device of the present namespace that is up; a read is one IP packet.

    Args:
        name: the device's.
        own: the address at our end.
        other: the address that is reached through it.

    Returns:
        Its file descriptor.
    """
    descriptor = os.open("/dev/net/tun", os.O_RDWR)
    wanted = struct.pack("16sH22x", name.encode(), _IFF_TUN | _IFF_NO_PI)
    fcntl.ioctl(descriptor, _TUNSETIFF, wanted)
    ip("addr", "add", own, "peer", other, "dev", name)
    ip("link", "set", name, "up")
    return descriptor


def enter_new_network() -> None:
    """As unshare(1) does, but keeping the descriptors of devices that were opened before.

    Raises:
        OSError: this process may not make a namespace.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWNET):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    ip("link", "set", "lo", "up")


def ip(*arguments: str) -> None:
    """`ip ARGUMENTS` of iproute2."""
    subprocess.run(["ip", *arguments], check=True)
