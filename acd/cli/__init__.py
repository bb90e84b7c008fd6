"""The `acd` command: arguments, human errors, exit codes; no logic.

Exit codes: 0 done, 1 failed, 2 bad input. What a person did wrong is one sentence on stderr,
never a traceback.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NoReturn

import click

from acd import __version__
from acd.errors import AcdError, BadInput
from acd.logs import configure_logs
from acd.settings import Settings, load_settings

COMMANDS = {
    "agents": "Agents: phones, skills, campaigns, states.",
    "calls": "The story of each call, with its SIP messages.",
    "campaign": "Create, start, pause and stop campaigns.",
    "db": "Upgrade, back up and check the database.",
    "demo": "Dial 400 invented leads on loopback and watch.",
    "dnc": "The do-not-call lists.",
    "doctor": "Check this machine, the settings and the PBX.",
    "lab": "A small PBX on loopback to dial against.",
    "leads": "Load leads and ask about them.",
    "log-level": "More or fewer log lines of the running engine.",
    "report": "What became of a campaign's leads.",
    "run": "Run the engine: dial the campaigns that are started.",
    "tapi": "Applications that dial with TAPI, and their lines.",
    "trace": "SIP messages of the running engine into a file.",
}
"""Each is `acd.cli.<name>` (with _ for -), imported only when it is used: `acd --help` need not
load pandas."""


@dataclass
class CommandContext:
    """What a command gets as `ctx.obj`."""

    config: Path

    @cached_property
    def settings(self) -> Settings:
        """The settings file, read when a command first needs it, with its log level in force.

        Raises:
            BadSettings: every wrong value in it.
        """
        settings = load_settings(self.config, os.environ)
        configure_logs(settings.log)
        return settings


class _LazyGroup(click.Group):
    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        with _one_sentence():
            return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        with _one_sentence():
            return super().invoke(ctx)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        name = cmd_name.replace("-", "_")
        module = importlib.import_module(f"acd.cli.{name}")
        command = getattr(module, name)
        if not isinstance(command, click.Command):
            raise TypeError(f"acd.cli.{name}.{name} is no click command")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(sorted(COMMANDS.items()))


@contextmanager
def _one_sentence() -> Iterator[None]:
    """Say what is wrong with an argument as everything else is said; click would add the usage.

    Raises:
        BadInput: the argument, what is wrong, and where to read what is allowed.
    """
    try:
        yield
    except click.exceptions.NoArgsIsHelpError:
        raise
    except click.UsageError as exc:
        command = exc.ctx.command_path if exc.ctx else "acd"
        what = exc.format_message().strip().removesuffix(".")
        where = command.removeprefix("acd").strip()
        raise BadInput(
            f"{where}{': ' if where else ''}{what[:1].lower()}{what[1:]}; "
            f"`{command} --help` shows what is allowed"
        ) from None


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--config",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("acd.toml"),
    envvar="ACD_CONFIG",
    show_default=True,
    help="The settings file.",
)
@click.version_option(__version__, prog_name="acd")
@click.pass_context
def acd(ctx: click.Context, config: Path) -> None:
    """Outbound-dialer campaign engine: one SIP account, up to 999 calls.

    Example: acd leads import sample campaigns/sample/leads.csv

    Exit code 0: done; 1: failed; 2: bad input, in one sentence that says what is allowed.
    """
    ctx.obj = CommandContext(config)


def _acd_errors(exc: BaseException) -> Iterator[AcdError]:
    if isinstance(exc, BaseExceptionGroup):
        for inner in exc.exceptions:
            yield from _acd_errors(inner)
    elif isinstance(exc, AcdError):
        yield exc


def _leaves(exc: BaseException) -> int:
    if isinstance(exc, BaseExceptionGroup):
        return sum(_leaves(inner) for inner in exc.exceptions)
    return 1


def _exit_for(exc: BaseException) -> NoReturn:
    """Say what a person needs to know and leave; a bug of ours keeps its traceback."""
    errors = list(_acd_errors(exc))
    if not errors or len(errors) != _leaves(exc):
        raise exc
    for sentence in dict.fromkeys(str(error) for error in errors):
        click.echo(f"acd: {sentence}" if "\n" not in sentence else sentence, err=True)
    sys.exit(max(error.exit_code for error in errors))


def main() -> None:
    """Run one command and exit with its code."""
    try:
        acd.main(prog_name="acd")
    except (AcdError, BaseExceptionGroup) as exc:
        _exit_for(exc)
