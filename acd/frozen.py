"""`frozen`: a dataclass whose fields are set once, for modules of what each call makes dozens of.

`@dataclass(frozen=True)` sets each field through `object.__setattr__`, which takes four times as
long, and a call makes some forty of them. Here the type checker alone refuses to set a field.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar, dataclass_transform

T = TypeVar("T")


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def frozen(*, kw_only: bool = False) -> Callable[[type[T]], type[T]]:
    """A dataclass with slots, equality and a hash, none of whose fields is set again.

    Args:
        kw_only: its fields are given by name.
    """
    return dataclass(slots=True, unsafe_hash=True, kw_only=kw_only)
