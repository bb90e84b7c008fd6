"""`execute_each`: one statement for many rows, for those that every call needs.

`Connection.execute` looks the statement up, asks each row for its values by way of the
statement, and that for every row of every batch; for what a call writes this took more time than
the database does. Here the statement is compiled and its types are asked once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Dialect
from sqlalchemy.sql.dml import UpdateBase


class _Bind(NamedTuple):
    """One parameter of a statement."""

    name: str
    default: Any
    """What stands for it where a row has none."""
    write: Callable[[Any], Any] | None
    """Its type's."""


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


class _Compiled:
    """A statement's text, and how a row becomes its parameters."""

    def __init__(self, text: str, binds: Sequence[_Bind], *, by_name: bool) -> None:
        self.text = text
        self._names = [bind.name for bind in binds]
        self._by_name = by_name
        self._writers = [
            (place, bind.write) for place, bind in enumerate(binds) if bind.write is not None
        ]
        self._defaults = {bind.name: bind.default for bind in binds}

    def values(self, row: Mapping[str, Any]) -> Any:
        found = list(map({**self._defaults, **row}.__getitem__, self._names))
        for place, write in self._writers:
            found[place] = write(found[place])
        return dict(zip(self._names, found, strict=True)) if self._by_name else tuple(found)


@lru_cache(maxsize=512)
def _compiled(statement: UpdateBase, dialect: Dialect, keys: tuple[str, ...]) -> _Compiled:
    compiled = statement.compile(dialect=dialect, column_keys=list(keys))
    names = compiled.positiontup if compiled.positional else list(compiled.binds)
    binds = []
    for name in names or ():
        bind = compiled.binds[name]
        write = bind.type.dialect_impl(dialect).bind_processor(dialect)
        binds.append(_Bind(name, bind.value, write))
    return _Compiled(str(compiled), binds, by_name=not compiled.positional)
