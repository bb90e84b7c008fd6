"""One judge of RTP ports: what the doctor calls too few, the engine refuses."""

from __future__ import annotations

import itertools
from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from acd.doctor.machine import rtp_ports_row
from acd.errors import BadSettings
from acd.settings import RTP_PORTS_PER_LINE, Settings, TrunkSettings
from acd.settings.rtp import scarcest_ports
from acd.sip.plan import plan_trunks

Range = tuple[int, int, int]
"""Lines, lowest and highest port."""

ranges = st.lists(
    st.tuples(st.integers(1, 4), st.integers(20000, 20020), st.integers(0, 20)).map(
        lambda drawn: (drawn[0], drawn[1], drawn[1] + drawn[2])
    ),
    min_size=1,
    max_size=4,
)


def settings(trunks: list[Range]) -> Settings:
    return Settings(
        trunk=tuple(
            TrunkSettings(
                name=f"t{number}",
                domain="127.0.0.1",
                user="1",
                bind_address="127.0.0.1",
                lines=lines,
                rtp_port_min=lowest,
                rtp_port_max=highest,
            )
            for number, (lines, lowest, highest) in enumerate(trunks)
        )
    )


@given(ranges)
def test_doctor_and_engine_say_the_same(trunks: list[Range]) -> None:
    made = settings(trunks)
    rows = [rtp_ports_row(trunk, made) for trunk in made.trunk]
    if all(row.ok for row in rows):
        plan_trunks(made.trunk, probe=None)
        return
    with pytest.raises(BadSettings):
        plan_trunks(made.trunk, probe=None)


@given(ranges)
def test_ports_do_if_and_only_if_no_trunks_together_have_too_few(trunks: list[Range]) -> None:
    # Hall's condition, over every set of trunks and the ports that any of them has.
    made = settings(trunks)
    enough = all(
        ceil(RTP_PORTS_PER_LINE * sum(trunk.lines for trunk in some))
        <= len(set().union(*(range(t.rtp_port_min, t.rtp_port_max + 1) for t in some)))
        for count in range(1, len(made.trunk) + 1)
        for some in itertools.combinations(made.trunk, count)
    )
    judged = all(scarcest_ports(trunk, made.trunk).missing <= 0 for trunk in made.trunk)
    assert judged == enough


def test_a_small_range_inside_a_large_one_is_told_as_its_own() -> None:
    # The doctor counted the large one's ports for both; the engine refused the small one.
    both = settings([(30, 20000, 29999), (30, 20000, 20009)])
    assert rtp_ports_row(both.trunk[0], both).ok
    row = rtp_ports_row(both.trunk[1], both)
    assert row.detail == "10 in 20000-20009, 75 needed for 30 lines"
    assert row.remedy.startswith("widen rtp_port_min to rtp_port_max by 65 ports")


def test_ranges_that_overlap_in_part_are_counted_together_by_the_engine_too() -> None:
    # Each has enough for itself, and the engine started; the doctor said that they had not.
    both = settings([(300, 20000, 20799), (300, 20400, 21199)])
    told = "trunk t0, trunk t1: 600 lines share the 1200 RTP ports 20000 to 21199; at least 1500"
    with pytest.raises(BadSettings, match=told):
        plan_trunks(both.trunk, probe=None)
