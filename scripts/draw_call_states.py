"""Draw docs/call-states.md from the tables in acd.calls and acd.agents."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from acd.agents import AGENT_TRANSITIONS
from acd.calls import STARTS, TRANSITIONS, CallEvent, CallState

PAGE = Path(__file__).parent.parent / "docs" / "call-states.md"

HEAD = """\
# States

Drawn from the tables in `acd/calls.py` and `acd/agents.py` by
`python scripts/draw_call_states.py`; a test compares the two.

"""


def _events_by_target(row: Mapping[CallEvent, CallState]) -> Mapping[CallState, list[CallEvent]]:
    targets: dict[CallState, list[CallEvent]] = {}
    for event, target in row.items():
        targets.setdefault(target, []).append(event)
    return targets


def _call_arrows() -> Iterator[str]:
    for start in sorted(STARTS):
        yield f"    [*] --> {start}"
    for state, row in TRANSITIONS.items():
        for target, events in _events_by_target(row).items():
            yield f"    {state} --> {target}: {', '.join(sorted(events))}"
    yield f"    {CallState.IDLE} --> [*]"


def _agent_arrows() -> Iterator[str]:
    for state, targets in AGENT_TRANSITIONS.items():
        for target in sorted(targets):
            yield f"    {state} --> {target}"


def _diagram(title: str, arrows: Iterator[str]) -> str:
    return "\n".join([f"## {title}", "", "```mermaid", "stateDiagram-v2", *arrows, "```", ""])


def page() -> str:
    """The whole of docs/call-states.md."""
    return HEAD + _diagram("A call", _call_arrows()) + "\n" + _diagram("An agent", _agent_arrows())


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
