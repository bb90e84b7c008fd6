"""`acd doctor`: one row for each thing that must be well before calls are dialed."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

import click
import trio
from rich.console import Console
from rich.table import Table

from acd.cli import CommandContext
from acd.doctor import Check, Examination, examine


@click.command()
@click.option(
    "--config",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The settings file; the same as acd --config FILE doctor.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option(
    "--to",
    metavar="EXTENSION",
    help="Address OPTIONS to this extension, to ask what is behind a proxy; rings nobody.",
)
@click.pass_obj
def doctor(obj: CommandContext, config: Path | None, as_json: bool, to: str | None) -> None:
    """Check this machine, the settings and the PBX; rings nobody.

    Exit code 0: every row is ok; 1: one is not.

    Example: acd doctor --json
    """
    settings = (CommandContext(config) if config else obj).settings
    examination = trio.run(lambda: examine(settings, extension=to or ""))
    _show(examination, as_json=as_json)
    sys.exit(0 if examination.ok else 1)


def _show(examination: Examination, *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(examination.as_json(), indent=2, ensure_ascii=False))
    elif sys.stdout.isatty():
        Console().print(_table(examination.checks))
    else:
        for check in examination.checks:
            click.echo(_plain(check))


def _table(checks: Sequence[Check]) -> Table:
    table = Table("check", "", "found", show_edge=False)
    for check in checks:
        word = "[green]ok[/]" if check.ok else "[bold red]not ok[/]"
        cell = Table.grid()
        cell.add_row(check.detail)
        if check.remedy:
            cell.add_row(f"→ {check.remedy}")
        table.add_row(check.name, word, cell)
    return table


def _plain(check: Check) -> str:
    row = f"{'ok' if check.ok else 'not ok':<6}  {check.name}: {check.detail}"
    return f"{row}\n        remedy: {check.remedy}" if check.remedy else row
