"""`execute_each`: one statement for many rows, for those that every call needs.

`Connection.execute` looks the statement up, asks each row for its values by way of the
statement, and that for every row of every batch; for what a call writes this took more time than
the database does. Here the statement is compiled and its types are asked once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Dialect
from sqlalchemy.sql.dml import UpdateBase

_Process = Callable[[Any], Any] | None


def execute_each(
    conn: sa.Connection, statement: UpdateBase, rows: Sequence[Mapping[str, Any]]
) -> None:
    """Run `statement` for each row; none is no statement.

    Args:
        conn: in a transaction.
        statement: built once, at a module's level; it returns nothing.
        rows: all with the same keys.
    """
    if rows:
        ready = _compiled(statement, conn.dialect, tuple(rows[0]))
        conn.exec_driver_sql(ready.text, [ready.values(row) for row in rows])


@dataclass(frozen=True, slots=True)
class _Compiled:
    text: str
    binds: Sequence[tuple[str, Any, _Process]]
    """Of each parameter its name, what stands for it where a row has none, its type's writer."""
    by_name: bool

    def values(self, row: Mapping[str, Any]) -> Any:
        found = [
            row.get(name, default) if write is None else write(row.get(name, default))
            for name, default, write in self.binds
        ]
        return dict(zip(self.names, found, strict=True)) if self.by_name else tuple(found)

    @property
    def names(self) -> list[str]:
        return [name for name, _, _ in self.binds]


@lru_cache(maxsize=512)
def _compiled(statement: UpdateBase, dialect: Dialect, keys: tuple[str, ...]) -> _Compiled:
    compiled = statement.compile(dialect=dialect, column_keys=list(keys))
    names = compiled.positiontup if compiled.positional else list(compiled.binds)
    binds = []
    for name in names or ():
        bind = compiled.binds[name]
        write = bind.type.dialect_impl(dialect).bind_processor(dialect)
        binds.append((name, bind.value, write))
    return _Compiled(str(compiled), binds, by_name=not compiled.positional)
