"""A SIPp scenario with many branches: the name that is dialed chooses what the PBX does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tests.peers.sipp.steps import invite, scenario


def by_name(branches: Mapping[str, Sequence[str]]) -> str:
    """The XML of a scenario in which `sip:NAME@…` is answered by the steps of NAME.

    Args:
        branches: name (letters and digits) → the steps after the INVITE.
    """
    chosen = "".join(
        f'<ereg regexp="^INVITE sip:{name}@" search_in="msg" assign_to="{name}"/>'
        for name in branches
    )
    head = invite().replace("<action>", f"<action>{chosen}", 1)
    jumps = "".join(f'<nop test="{name}" next="to{name}"/>\n' for name in branches)
    ways = "".join(
        f'<label id="to{name}"/>\n{"".join(steps)}<nop next="end"/>\n'
        for name, steps in branches.items()
    )
    return scenario(head, jumps, '<nop next="end"/>\n', ways)
