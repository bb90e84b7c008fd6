"""`acd run`: the engine in the foreground."""

from __future__ import annotations

import click
import trio

from acd.cli import CommandContext
from acd.logs import engine_logs


@click.command()
@click.option(
    "--until-finished",
    is_flag=True,
    help="Leave when no campaign runs any more, instead of waiting for the next one.",
)
@click.pass_obj
def run(obj: CommandContext, until_finished: bool) -> None:
    """Run the engine: dial the campaigns that are started.

    SIGTERM or Ctrl-C: no new calls, the present ones finish; a second one ends them at once.

    Example: acd run --until-finished
    """
    from acd.app import run_engine

    settings = obj.settings
    with engine_logs(settings.log):
        trio.run(lambda: run_engine(settings, until_finished=until_finished))
