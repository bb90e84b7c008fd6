"""Whether the RTP ports do for the lines, judged alike by the engine and by its doctor. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from acd.settings.tables import TrunkSettings
from acd.settings.values import RTP_PORTS_PER_LINE


@dataclass(frozen=True, slots=True)
class RtpPorts:
    """A stretch of ports, and the trunks that have no others."""

    lowest: int
    highest: int
    trunks: tuple[TrunkSettings, ...]

    @property
    def ports(self) -> int:
        """How many there are."""
        return max(0, self.highest - self.lowest + 1)

    @property
    def lines(self) -> int:
        """Of all its trunks."""
        return sum(trunk.lines for trunk in self.trunks)

    @property
    def needed(self) -> int:
        """How many ports these lines want."""
        return math.ceil(RTP_PORTS_PER_LINE * self.lines)

    @property
    def missing(self) -> int:
        """How many are too few; below 0 there are some to spare."""
        return self.needed - self.ports


def scarcest_ports(trunk: TrunkSettings, trunks: Sequence[TrunkSettings]) -> RtpPorts:
    """Where this trunk's ports are scarcest: in its own range, or in one with those that overlap.

    Ranges do for everybody if and only if every stretch from one's first port to one's last does
    for the trunks that lie in it whole.
    """
    near = _overlapping(trunk, trunks)
    return max(_stretches(trunk, near), key=lambda found: (found.missing, -len(found.trunks)))


def _overlapping(
    trunk: TrunkSettings, trunks: Sequence[TrunkSettings]
) -> tuple[TrunkSettings, ...]:
    """Those whose ranges hang together with this one's, over others too, in their order."""
    lowest, highest, count = trunk.rtp_port_min, trunk.rtp_port_max, 0
    near: tuple[TrunkSettings, ...] = (trunk,)
    while len(near) != count:
        count = len(near)
        near = tuple(
            other
            for other in trunks
            if other.rtp_port_min <= highest and lowest <= other.rtp_port_max
        )
        lowest = min(other.rtp_port_min for other in near)
        highest = max(other.rtp_port_max for other in near)
    return near


def _stretches(trunk: TrunkSettings, near: Sequence[TrunkSettings]) -> Iterator[RtpPorts]:
    """Every stretch that has the trunk's own range in it."""
    for lowest in {other.rtp_port_min for other in near}:
        for highest in {other.rtp_port_max for other in near}:
            if lowest <= trunk.rtp_port_min and trunk.rtp_port_max <= highest:
                inside = tuple(
                    other
                    for other in near
                    if lowest <= other.rtp_port_min and other.rtp_port_max <= highest
                )
                yield RtpPorts(lowest, highest, inside)
