"""Whatever is wrong in `acd.toml` as sentences: where it stands, what it is, what is allowed.

A `Finding` says which key; `Places` turns that into file, key and line. What is allowed comes
from the field's own description, or from its type and range.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from acd.errors import Problem
from acd.settings.tables import Settings
from acd.settings.toml_lines import Loc as Loc

_KEY = "[key]"
"""Pydantic's last step to a key of a table that takes some keys only."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One wrong value, before it has a line number."""

    loc: Loc
    what: str
    allowed: str = ""


@dataclass(frozen=True, slots=True)
class Places:
    """Where each key stands in the file."""

    path: Path
    lines: Mapping[Loc, int]

    def problem(self, finding: Finding) -> Problem:
        """The finding with file, key and line."""
        line = self.line(finding.loc)
        where = f"{self.path}: {dotted(finding.loc)}" + (f" (line {line})" if line else "")
        return Problem(where, finding.what, finding.allowed)

    def line(self, loc: Loc) -> int:
        """The line of a key, or of the table that it is missing from; 0: unknown."""
        for length in range(len(loc), 0, -1):
            if loc[:length] in self.lines:
                return self.lines[loc[:length]]
        return 0


def dotted(loc: Loc) -> str:
    """`trunk[0].lines`."""
    text = ""
    for part in loc:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def findings(error: ValidationError) -> Iterator[Finding]:
    """What pydantic found, in our words."""
    for detail in error.errors(include_url=False):
        loc, is_of_key = detail["loc"], detail["loc"][-1] == _KEY
        model, schema = _schema((*loc[:-2], _KEY) if is_of_key else loc)
        if is_of_key:
            yield Finding(loc[:-1], "is no key that is allowed here", _allowed(schema, model))
        elif detail["type"] == "extra_forbidden":
            yield Finding(loc, "is no key that acd knows", _nearest(str(loc[-1]), model))
        else:
            yield Finding(loc, _what(detail, schema), _allowed(schema, model))


def _what(detail: ErrorDetails, schema: Mapping[str, Any]) -> str:
    match detail["type"]:
        case "missing":
            return "is missing"
        case "value_error":
            reason = str(detail["ctx"]["error"])
        case "greater_than" | "greater_than_equal":
            reason = "is too small"
        case "less_than" | "less_than_equal":
            reason = "is too large"
        case _:
            reason = "is not allowed"
    hidden = "the value (not shown here)"
    return f"{hidden if schema.get('hidden') else shown(detail['input'])} {reason}"


def shown(value: object) -> str:
    """A value as it stands in the file, short, and without what could be a password in a URL."""
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, list | tuple) and any(isinstance(item, dict) for item in value):
        return "a list of tables"
    text = json.dumps(value, ensure_ascii=False, default=str)
    text = re.sub(r"(://[^:/@]*|sips?:[^:/@]*):.*@", r"\1:...@", text)
    return text if len(text) <= 60 else text[:57] + "..."


def _nearest(key: str, model: type[BaseModel]) -> str:
    keys = [field.alias or name for name, field in model.model_fields.items()]
    keys = [known for known in keys if known not in {"password", "token"}]
    near = difflib.get_close_matches(key, keys, n=1)
    return f"did you mean {near[0]}?" if near else f"known here: {', '.join(keys)}"


def _schema(loc: Loc) -> tuple[type[BaseModel], Mapping[str, Any]]:
    """The table that the last named key of `loc` belongs to, and the key's JSON schema."""
    model: type[BaseModel] = Settings
    whole = Settings.model_json_schema()
    node: Mapping[str, Any] = whole
    for part in loc:
        node = _below(node, part)
        if "anyOf" in node and "$ref" in node["anyOf"][0]:
            node = node["anyOf"][0]
        if "$ref" in node:
            name = node["$ref"].rpartition("/")[2]
            node = {**whole["$defs"][name], **node}
            model = _TABLES.get(name, model)
    return model, node


def _below(node: Mapping[str, Any], part: str | int) -> Mapping[str, Any]:
    """One step down a JSON schema; where the reader's own steps lead nowhere, an empty one."""
    if isinstance(part, int):
        found = node.get("items", {})
    elif part == _KEY:
        found = node.get("propertyNames", {})
    else:
        found = node.get("properties", {}).get(part, node.get("additionalProperties", {}))
    return found if isinstance(found, dict) else {}


def _tables(model: type[BaseModel], above: str = "") -> dict[type[BaseModel], str]:
    """Every table of the file below `model`, and its heading."""
    found: dict[type[BaseModel], str] = {}
    for key, field in model.model_fields.items():
        for kind in (field.annotation, *get_args(field.annotation)):
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                many = get_origin(field.annotation) is tuple
                found[kind] = f"[[{above}{key}]]" if many else f"[{above}{key}]"
                found |= _tables(kind, f"{above}{key}.")
    return found


_HEADINGS = _tables(Settings)
_TABLES = {model.__name__: model for model in _HEADINGS}


def _allowed(schema: Mapping[str, Any], model: type[BaseModel]) -> str:
    words = _allowed_words(schema, model)
    return f"allowed: {words}" if words else ""


def _allowed_words(schema: Mapping[str, Any], model: type[BaseModel]) -> str:
    if "properties" in schema:
        return f"a table headed {_HEADINGS[model]}"
    if "description" in schema and "enum" not in schema:
        return str(schema["description"])
    if "enum" in schema:
        *most, last = [json.dumps(choice) for choice in schema["enum"]]
        return f"{', '.join(most)} or {last}"
    if "anyOf" in schema:
        return _allowed_words(schema["anyOf"][0], model)
    if schema.get("format") == "path":
        return "a file name in quotes"
    if schema.get("type") == "array":
        return f"a list, each item {_allowed_words(schema['items'], model)}"
    return _RANGED.get(str(schema.get("type")), "") + _range(schema)


_RANGED = {
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "string": "text in quotes",
}


def _range(schema: Mapping[str, Any]) -> str:
    low, above, high = (schema.get(k) for k in ("minimum", "exclusiveMinimum", "maximum"))
    start = f" above {above:g}" if above is not None else f" from {low}" if low is not None else ""
    end = f"{', at most' if above is not None else ' to'} {high:g}" if high is not None else ""
    return start + end
