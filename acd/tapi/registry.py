"""Windows registry exports (`.reg`): text in, keys with their values out. Pure.

REGEDIT4 files are in the machine's code page, "Windows Registry Editor Version 5.00" ones in
UTF-16 with a byte order mark; people also save either as UTF-8.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from acd.errors import BadInput, Problem

_HEADERS = frozenset({"REGEDIT4", "Windows Registry Editor Version 5.00"})
_BOMS = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16", b"\xef\xbb\xbf": "utf-8-sig"}
_KEY = re.compile(r"^\[(?P<deleted>-?)(?P<path>.+)\]$")
_VALUE = re.compile(r'^(?:@|"(?P<name>(?:[^"\\]|\\.)*)")\s*=\s*(?P<data>.*)$')
_TEXT = re.compile(r'^"(?P<text>(?:[^"\\]|\\.)*)"$')
_HEX = re.compile(r"^hex(?:\((?P<kind>[0-9a-f]+)\))?:(?P<bytes>[0-9a-f, ]*)$", re.IGNORECASE)
_TEXT_KINDS = frozenset({"1", "2"})
"""REG_SZ and REG_EXPAND_SZ written as bytes."""

Value = str | int
"""A text or a DWORD."""


@dataclass(slots=True)
class RegistryKey:
    """One `[HKEY_…]` and its values, by their names in lower case."""

    path: str
    line: int
    values: dict[str, Value] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)
    """Where each value stands."""


def read_registry(data: bytes, *, name: str) -> Mapping[str, RegistryKey]:
    """Read an export.

    Args:
        data: the file as it is.
        name: of the file, for messages.

    Returns:
        Its keys by their paths in lower case; what the file deletes is not among them.

    Raises:
        BadInput: it is no registry export, or a line of it cannot be read.
    """
    keys: dict[str, RegistryKey] = {}
    key: RegistryKey | None = None
    for number, line in _lines(_decoded(data, name)):
        where = f"{name}: line {number}"
        if found := _KEY.match(line):
            key = _open_key(keys, found, number)
        elif key is None:
            raise BadInput(Problem(where, "stands before the first [key]"))
        else:
            _take_value(key, line, number, where)
    return keys


def _decoded(data: bytes, name: str) -> str:
    encoding = next((code for bom, code in _BOMS.items() if data.startswith(bom)), "")
    try:
        text = data.decode(encoding) if encoding else _without_mark(data)
    except UnicodeDecodeError as error:
        raise BadInput(Problem(name, f"byte {error.start} is not {encoding.upper()}")) from None
    header, _, rest = text.partition("\n")
    if header.strip() not in _HEADERS:
        raise BadInput(
            Problem(
                name,
                "is no registry export: its first line is not Windows Registry Editor Version 5.00",
                "export it with regedit, or with reg export",
            )
        )
    return "\n" + rest


def _without_mark(data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("cp1252", errors="replace")


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """Lines that say something, with those that a backslash continues joined to one."""
    begun, start = "", 0
    for number, raw in enumerate(text.splitlines(), start=1):
        line = raw.strip()
        if not begun and (not line or line.startswith(";")):
            continue
        start = start if begun else number
        # Only bytes are continued; a text may end in a backslash, but then its quote follows.
        if line.endswith("\\"):
            begun += line[:-1]
            continue
        yield start, begun + line
        begun = ""


def _open_key(keys: dict[str, RegistryKey], found: re.Match[str], number: int) -> RegistryKey:
    path = found["path"].strip()
    key = keys.get(path.lower()) or RegistryKey(path, number)
    if found["deleted"]:
        keys.pop(path.lower(), None)
        return RegistryKey(path, number)
    keys[path.lower()] = key
    return key


def _take_value(key: RegistryKey, line: str, number: int, where: str) -> None:
    found = _VALUE.match(line)
    if found is None:
        raise BadInput(Problem(where, 'is neither a [key] nor a "name"=value'))
    name = _unescaped(found["name"] or "").lower()
    if found["data"] == "-":
        key.values.pop(name, None)
        return
    value = _read_value(found["data"])
    if value is None:
        raise BadInput(
            Problem(where, f'the value of "{name}" cannot be read', 'allowed: "text" or dword:')
        )
    key.values[name], key.lines[name] = value, number


def _read_value(data: str) -> Value | None:
    """The value; None: it is of no kind that we know. Other bytes are an empty text."""
    if found := _TEXT.match(data):
        return _unescaped(found["text"])
    if found := re.match(r"^dword:([0-9a-f]{1,8})$", data, re.IGNORECASE):
        return int(found[1], 16)
    if found := _HEX.match(data):
        raw = bytes(int(each, 16) for each in re.findall(r"[0-9a-f]{2}", found["bytes"].lower()))
        if found["kind"] in _TEXT_KINDS:
            return raw.decode("utf-16-le", errors="replace").rstrip("\0")
        return int.from_bytes(raw, "little") if found["kind"] == "4" else ""
    return None


def _unescaped(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text)
