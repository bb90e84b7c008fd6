"""What a client was told last of each of its lines, so that it is told what is new.

Of lines that are not open nothing is told: a Windows service provider connects hours before an
application opens one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

_FIELDS = ("n", "enabled", "reg", "insvc")
"""Of `line.state`; each line of `ready` and `lines.changed` has them too."""


class LineStates:
    """One session's."""

    def __init__(self) -> None:
        self._told: dict[int, Mapping[str, Any]] = {}

    def shown(self, lines: Iterable[Mapping[str, Any]]) -> None:
        """`ready` or `lines.changed` has these lines."""
        for line in lines:
            self.news(line)

    def news(self, line: Mapping[str, Any]) -> Mapping[str, Any]:
        """What a `line.state` has to tell of a line, noted as told; empty: the client knows it."""
        state = {key: line[key] for key in _FIELDS}
        if self._told.get(state["n"]) == state:
            return {}
        self._told[state["n"]] = state
        return state
