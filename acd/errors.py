"""The whole exception tree: a name says whose fault it is, the message is one human sentence.

    AcdError                      exit code 1
    ├── BadInput                  exit code 2: what a person gave us; carries every problem
    │   ├── BadSettings           acd.toml, the environment, a password file
    │   ├── BadCampaign           campaigns/<name>/campaign.toml
    │   ├── BadLeadFile           a file given to `acd leads import`
    │   ├── BindingTooSmall       more lines or accounts than this pjsua2 was compiled for
    │   └── UnknownName           a campaign, lead or trunk that does not exist
    ├── StoreError                the database
    │   ├── StoreUnavailable      it does not answer
    │   └── SchemaMismatch        its schema is older or newer than this program
    ├── TrunkError                the PBX or our way to it
    │   └── TrunkUnavailable      no answer, or it told us to stay away
    ├── EngineNotRunning          a command that only a running engine can obey
    ├── EngineSilent              an engine is there and does not answer a command
    ├── AddressInUse              another program holds a port that we were told to listen on
    └── CallError                 a broken promise between our own parts
        ├── IllegalTransition     an event that the call's state does not allow
        └── LineInUse             a second call on a line that carries one

Expected endings (busy, no answer, a refused transfer) are values, never exceptions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


class AcdError(Exception):
    """Anything that acd raises on purpose; `str()` is one sentence for a person."""

    exit_code = 1


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong in what a person gave us."""

    where: str
    """File and line, key or option, as the person would look it up."""
    what: str
    """What stands there and why it is wrong."""
    allowed: str = ""
    """What would be right; empty where `what` already says it."""

    def __str__(self) -> str:
        tail = f"; {self.allowed}" if self.allowed else ""
        return f"{self.where}: {self.what}{tail}"


class BadInput(AcdError):
    """Something a person gave us is wrong; every problem found is in `problems`."""

    exit_code = 2

    def __init__(self, problems: Sequence[Problem] | Problem | str) -> None:
        if isinstance(problems, str):
            super().__init__(problems)
            self.problems: tuple[Problem, ...] = ()
            return
        self.problems = (problems,) if isinstance(problems, Problem) else tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class BadSettings(BadInput):
    """acd.toml, the environment or a password file."""


class BadCampaign(BadInput):
    """A campaign definition."""


class BadLeadFile(BadInput):
    """A file given to `acd leads import`."""


class BindingTooSmall(BadInput):
    """More lines, accounts, buddies or players than this pjsua2 was compiled for."""


class UnknownName(BadInput):
    """A campaign, lead or trunk that does not exist."""


class StoreError(AcdError):
    """The database."""


class StoreUnavailable(StoreError):
    """The database does not answer."""


class SchemaMismatch(StoreError):
    """The database's schema is older or newer than this program."""


class TrunkError(AcdError):
    """The PBX, or our way to it."""


class TrunkUnavailable(TrunkError):
    """The PBX does not answer, or told us to stay away."""


class EngineNotRunning(AcdError):
    """A command that only a running engine can obey found none."""


class EngineSilent(AcdError):
    """An engine runs here, and has no time to answer a command or must not be asked."""


class AddressInUse(AcdError):
    """Another program holds a port that we were told to listen on."""


class CallError(AcdError):
    """A broken promise between our own parts."""


class IllegalTransition(CallError):
    """An event that the call's state does not allow; nothing was changed."""


class LineInUse(CallError):
    """A second call on a line that already carries one."""
