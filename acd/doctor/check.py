"""One row of the doctor's table, and the whole examination as values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Check:
    """What was looked at, whether it is well, the figure, and what to do where it is not."""

    name: str
    ok: bool = field(kw_only=True)
    detail: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Binding:
    """The pjsua2 that is installed; None and 0: there is none."""

    version: str | None = None
    max_calls: int = 0


@dataclass(frozen=True, slots=True)
class Examination:
    """Everything that the doctor found."""

    pjsua2: Binding
    checks: Sequence[Check]
    load: Mapping[str, Any] | None = None
    """What `--load` reached; None: it was not asked for."""

    @property
    def ok(self) -> bool:
        """Whether no row failed."""
        return all(check.ok for check in self.checks)

    def as_json(self) -> dict[str, Any]:
        """The form that `--json` prints."""
        told: dict[str, Any] = {
            "pjsua2": asdict(self.pjsua2),
            "checks": [asdict(check) for check in self.checks],
        }
        return told if self.load is None else {**told, "load": dict(self.load)}
