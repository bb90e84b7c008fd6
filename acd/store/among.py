"""`among`: a column's value is one of many that are given together, as one parameter.

SQLAlchemy's own IN has a parameter for each value. Its text is then another for each number of
values, and is put together, sent and prepared anew: for ten leads that took longer than finding
them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.engine import Dialect
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from acd.store.json_text import as_json


def among(column: sa.ColumnElement[Any], name: str) -> sa.ColumnElement[bool]:
    """SQL: the column's value is in the collection that is given as the parameter `name`."""
    return _Among(column, sa.bindparam(name, type_=_Values(column.type)))


class _Values(sa.types.TypeDecorator[Collection[Any]]):
    """Numbers or texts: an array on PostgreSQL, on SQLite JSON's."""

    impl = sa.Text
    cache_ok = True

    def __init__(self, each: sa.types.TypeEngine[Any]) -> None:
        super().__init__()
        self.each = each

    def load_dialect_impl(self, dialect: Dialect) -> sa.types.TypeEngine[Any]:
        if dialect.name == "postgresql":
            return dialect.type_descriptor(ARRAY(self.each))
        return dialect.type_descriptor(sa.Text())

    def bind_processor(self, dialect: Dialect) -> Callable[[Collection[Any] | None], Any] | None:
        return _array if dialect.name == "postgresql" else _json


def _array(values: Collection[Any] | None) -> list[Any]:
    return list(values or ())


def _json(values: Collection[Any] | None) -> str:
    return as_json(list(values or ()))


class _Among(FunctionElement[Any]):
    name = "among"
    inherit_cache = True
    # Not Boolean: SQLite would be asked whether it equals 1, and then finds no index for it.
    type = sa.types.NULLTYPE


@compiles(_Among)
def _in_json(element: _Among, compiler: SQLCompiler, **kwargs: Any) -> str:
    column, values = (compiler.process(each, **kwargs) for each in element.clauses)
    members = f"SELECT value FROM json_each({values})"  # noqa: S608 # made of SQLAlchemy's words
    return f"({column} IN ({members}))"


@compiles(_Among, "postgresql")
def _in_array(element: _Among, compiler: SQLCompiler, **kwargs: Any) -> str:
    column, values = (compiler.process(each, **kwargs) for each in element.clauses)
    return f"({column} = ANY ({values}))"
