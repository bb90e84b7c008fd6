"""The examination for a person: a table on a terminal, rows of text elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.table import Table
from rich.text import Text

from acd.doctor.check import Check


def table(checks: Sequence[Check]) -> Table:
    """One row a check, its remedy below what was found."""
    shown = Table("check", "", "found", box=None, pad_edge=False)
    for check in checks:
        word = Text("ok", "green") if check.ok else Text("not ok", "bold red")
        # Text, not str: "[store] url" is no markup.
        found = Text(check.detail)
        if check.remedy:
            found.append(f"\nremedy: {check.remedy}", "bold")
        shown.add_row(Text(check.name), word, found)
    return shown


def plain_lines(checks: Sequence[Check]) -> Iterator[str]:
    """`ok` or `not ok`, what was looked at, what was found; a remedy on a line of its own."""
    for check in checks:
        yield f"{'ok' if check.ok else 'not ok':<6}  {check.name}: {check.detail}"
        if check.remedy:
            yield f"        remedy: {check.remedy}"
