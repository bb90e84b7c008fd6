"""A progress bar for work that takes longer than a person likes to wait."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import Progress


@contextmanager
def progress_bar(what: str) -> Iterator[Callable[[float], None]]:
    """A bar on a terminal, silence elsewhere; told the share that is done, 0 to 1."""
    console = Console(file=sys.stderr)
    if not console.is_terminal:
        yield lambda share: None
        return
    with Progress(console=console, transient=True) as bar:
        task = bar.add_task(what, total=1.0)
        yield lambda share: bar.update(task, completed=share)
