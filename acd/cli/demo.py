"""`acd demo`: the whole of acd in a minute, on this machine alone."""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path

import click

MOST_LEADS = 1000
MOST_AGENTS = 200


@click.command(epilog="\b\nExample:\n  acd demo\n  acd demo --leads 100 --agents 10")
@click.option(
    "--leads", default=400, show_default=True, type=click.IntRange(1, MOST_LEADS), help="How many."
)
@click.option(
    "--agents",
    default=40,
    show_default=True,
    type=click.IntRange(1, MOST_AGENTS),
    help="How many.",
)
@click.option("--seed", default=1, show_default=True, help="Another seed, other people.")
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    help="Empty folder for settings, database and logs; left out: a new temporary one.",
)
@click.option(
    "--picture",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Draw the view into this SVG file.",
)
def demo(leads: int, agents: int, seed: int, folder: Path | None, picture: Path | None) -> None:
    """Dial invented leads on loopback and watch: no phone rings anywhere.

    Starts a small PBX (`acd lab`), imports the leads, runs the engine, shows it live, and ends
    with the report. Ctrl-C stops it.
    """
    import trio
    from rich.console import Console

    from acd.cli.report import say_report
    from acd.demo.files import DemoFolder, DemoPlan
    from acd.demo.run import run_demo

    place = DemoFolder(_empty(folder))
    plan = DemoPlan(leads=leads, agents=agents, seed=seed)
    result = trio.run(partial(run_demo, place, plan, Console(), picture=picture))
    say_report(result.report)
    click.echo(f"database: {place.database} (acd --config {place.settings} report demo)")
    click.echo(f"metrics:  were at {result.metrics_address}/metrics; last page in {place.metrics}")
    click.echo(f"logs:     {place.log}; the PBX's own list of calls: {place.lab_records}")


def _empty(folder: Path | None) -> Path:
    if folder is None:
        return Path(tempfile.mkdtemp(prefix="acd-demo-"))
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise click.BadParameter(f"{folder} is not empty", param_hint="--folder")
    return folder.absolute()
