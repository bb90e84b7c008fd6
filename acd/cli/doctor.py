"""`acd doctor`: one row for each thing that must be well before calls are dialed."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import click
import trio
from rich.console import Console
from rich.progress import Progress

from acd.cli import CommandContext
from acd.doctor import (
    Examination,
    Watcher,
    admitted_extension,
    beside_engine,
    chosen_trunk,
    dial_load,
    examine,
    report,
)
from acd.settings import MAX_LINES


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
    help="Address OPTIONS to this extension, to ask what is behind a proxy; with --load, dial it.",
)
@click.option(
    "--load",
    type=click.IntRange(1, MAX_LINES),
    metavar="N",
    help="Dial EXTENSION until N calls are up at once or one is refused; it must answer by itself.",
)
@click.option(
    "--trunk", "trunk_name", metavar="NAME", help="The trunk for --load; without it the first one."
)
@click.pass_obj
def doctor(
    obj: CommandContext,
    config: Path | None,
    as_json: bool,
    to: str | None,
    load: int | None,
    trunk_name: str | None,
) -> None:
    """Check this machine, the settings and the PBX; rings nobody unless --load says whom.

    --load registers as the engine would; beside an engine that runs here it only calls. One on
    another machine with the same account may lose its registration to it.

    Exit code 0: every row is ok; 1: one is not; 2: bad settings.

    Example: acd doctor --load 50 --to 600
    """
    if load and not to:
        raise click.UsageError("--load needs --to EXTENSION: an extension that answers by itself")
    settings = (CommandContext(config) if config else obj).settings
    account = chosen_trunk(settings, trunk_name)
    destination = admitted_extension(settings, account, to) if to else None

    async def visit() -> Examination:
        found = await examine(settings, extension=destination.user if destination else "")
        if load is None or destination is None:
            return found
        trunk = await trio.to_thread.run_sync(beside_engine, settings, account)
        with _progress(load) as watch:
            result, row = await dial_load(trunk, destination, calls=load, watch=watch)
        return replace(found, checks=[*found.checks, row], load=result.as_json())

    examination = trio.run(visit)
    _show(examination, as_json=as_json)
    sys.exit(0 if examination.ok else 1)


@contextmanager
def _progress(calls: int) -> Iterator[Watcher]:
    """A bar on stderr, of calls that are up; nothing where stderr is no terminal."""
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("calls at once", total=calls)
        yield lambda result: progress.update(task, completed=result.up)


def _show(examination: Examination, *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(examination.as_json(), indent=2, ensure_ascii=False))
    elif sys.stdout.isatty():
        Console().print(report.table(examination.checks))
    else:
        for line in report.plain_lines(examination.checks):
            click.echo(line)
