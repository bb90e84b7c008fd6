"""Reads `acd.toml`, the environment and the password files, and reports all that is wrong.

Secrets are put into the tables before pydantic sees them and are `SecretStr` from then on;
pydantic's own errors, which carry their input, never leave this module.
"""

from __future__ import annotations

import os
import re
import stat
import tomllib
from collections.abc import Iterator, Mapping, MutableMapping
from copy import deepcopy
from pathlib import Path
from typing import Any

from pydantic import SecretStr, ValidationError

from acd.errors import BadSettings, Problem
from acd.settings.cross import cross_check
from acd.settings.tables import Settings
from acd.settings.toml_lines import Loc, find_key_lines
from acd.settings.wording import Finding, Places, findings, shown

_Raw = MutableMapping[str, Any]
_SECRETS: Mapping[Loc, str] = {
    ("trunk",): "password",
    ("metrics",): "token",
    ("feeds", "ami"): "password",
    ("tapi_client",): "token",
    ("api_client",): "token",
}
_LISTS = frozenset({"trunk", "tapi_client", "api_client", "profile"})
"""Tables of which there may be many."""
_PATHS = frozenset(
    {
        *("password_file", "token_file", "campaigns_folder", "control_socket", "wait_message"),
        "comfort_audio",
        *("tls_ca_file", "tls_certificate_file", "tls_key_file", "file"),
    }
)
_SQLITE = "sqlite:///"
_TEXT = "utf-8-sig"
"""Windows' editor puts a byte order mark before UTF-8."""
_DEEPEST = 20
"""Tables and lists in one another; the keys that acd knows are four deep."""
_STAND_IN = "x"
"""Lets the other checks run; settings that hold one are never returned."""


def load_settings(path: Path, environ: Mapping[str, str]) -> Settings:
    """Read and check `acd.toml` and what it points to; file names in it start at its folder.

    Raises:
        BadSettings: with one problem for each wrong value.
    """
    text = _read(path)
    raw = _parse(path, text)
    places = Places(path, find_key_lines(text))
    wrong = list(_resolve_paths(raw, path.absolute().parent))
    wrong += _news(_fill_secrets(raw, environ), wrong)
    settings, invalid = _validate(raw)
    wrong += invalid
    if settings is not None:
        wrong += _news(cross_check(settings), wrong)
    if wrong or settings is None:
        wrong.sort(key=lambda finding: places.line(finding.loc))
        raise BadSettings([places.problem(finding) for finding in wrong])
    return settings


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding=_TEXT)
    except FileNotFoundError:
        what, remedy = "this file does not exist", f"cp acd.example.toml {path}, then edit it"
    except UnicodeDecodeError as error:
        what, remedy = f"byte {error.start} is not UTF-8", "save the file as UTF-8"
    except OSError as error:
        what, remedy = f"cannot be read: {error.strerror}", ""
    raise BadSettings(Problem(str(path), what, remedy))


def _parse(path: Path, text: str) -> _Raw:
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        reason, _, place = str(error).rpartition(" (at ")
    except RecursionError:
        raise _too_deep(path) from None
    except ValueError:
        # Python reads no number of more than 4,300 digits, which is no fault of the grammar.
        raise BadSettings(Problem(str(path), "has a number with thousands of digits")) from None
    else:
        if _depth(raw) > _DEEPEST:
            raise _too_deep(path)
        return raw
    where = f"{path}: {place.removesuffix(')')}" if place else str(path)
    what = f"is not TOML: {reason[:1].lower()}{reason[1:]}"
    raise BadSettings(Problem(where, what, 'text stands in quotes: domain = "pbx.example.com"'))


def _too_deep(path: Path) -> BadSettings:
    what = "has tables or lists too deep in one another"
    return BadSettings(Problem(str(path), what, f"allowed: {_DEEPEST} levels"))


def _depth(raw: _Raw) -> int:
    """How deep tables and lists stand in one another, found without descending in calls."""
    depth = 0
    level: list[Any] = [raw]
    while level:
        depth += 1
        inside = [v.values() if isinstance(v, dict) else v for v in level]
        level = [v for values in inside for v in values if isinstance(v, dict | list)]
    return depth


def _with_locs(raw: _Raw) -> Iterator[tuple[Loc, _Raw]]:
    """Every table in the file, whatever shape the file has."""
    yield (), raw
    yield from _tables_below((), raw)


def _tables_below(at: Loc, table: _Raw) -> Iterator[tuple[Loc, _Raw]]:
    for name, value in table.items():
        for index, below in enumerate(value if isinstance(value, list) else [value]):
            if isinstance(below, dict):
                loc: Loc = (*at, name, index) if isinstance(value, list) else (*at, name)
                yield loc, below
                yield from _tables_below(loc, below)


def _resolve_paths(raw: _Raw, folder: Path) -> Iterator[Finding]:
    for loc, table in _with_locs(raw):
        for key in _PATHS & table.keys():
            if not isinstance(table[key], str):
                continue
            if "\0" in table[key]:
                yield Finding((*loc, key), f"{shown(table.pop(key))} can name no file")
                continue
            try:
                table[key] = str(folder / Path(table[key]).expanduser())
            except RuntimeError:
                user, _, _ = table.pop(key).partition("/")
                yield Finding((*loc, key), f"{user} is nobody's folder on this machine")
        if loc == ():
            table.setdefault("campaigns_folder", str(folder / "campaigns"))
            table.setdefault("control_socket", str(folder / "acd.sock"))
            table.setdefault("store", {})
            table.setdefault("sip_trace", {})
    trace = raw["sip_trace"]
    if isinstance(trace, dict):
        trace.setdefault("file", str(folder / "sip-trace.jsonl"))
    store = raw["store"]
    if isinstance(store, dict):
        url = store.setdefault("url", "sqlite:///acd.sqlite")
        if isinstance(url, str) and url.startswith(_SQLITE) and url != _SQLITE:
            store["url"] = _SQLITE + str(folder / url.removeprefix(_SQLITE))


def _fill_secrets(raw: _Raw, environ: Mapping[str, str]) -> Iterator[Finding]:
    for loc, table in _with_locs(raw):
        key = _SECRETS.get(tuple(part for part in loc if isinstance(part, str)))
        if key is None:
            continue
        stood_here = table.pop(key, None) is not None
        if stood_here:
            yield Finding(
                (*loc, key),
                f"a {key} does not belong into this file",
                f'put it into a file of mode 0600 and write {key}_file = "FILE", '
                f'or into the environment and write {key}_env = "ACD_{key.upper()}"',
            )
        try:
            table[key] = SecretStr(_secret(table, key, environ) or _STAND_IN * stood_here)
        except _UnusableError as error:
            table[key] = SecretStr(_STAND_IN)
            yield Finding((*loc, error.key), error.what, error.remedy)


class _UnusableError(Exception):
    def __init__(self, key: str, what: str, remedy: str) -> None:
        super().__init__(what)
        self.key, self.what, self.remedy = key, what, remedy


def _secret(table: _Raw, key: str, environ: Mapping[str, str]) -> str:
    """The password or token that a table points to; empty where it points to none."""
    in_env, in_file = f"{key}_env", f"{key}_file"
    name, file = table.get(in_env, ""), table.get(in_file, "")
    if name and file:
        raise _UnusableError(in_env, f"{in_file} is set too", f"keep one: {in_env} or {in_file}")
    if file and isinstance(file, str):
        return _secret_from_file(Path(file), in_file)
    if not name or not isinstance(name, str) or not re.fullmatch(r"[A-Z_][A-Z0-9_]*", name):
        return ""  # Nothing, or something that validation refuses without showing it.
    if not environ.get(name):
        state = "is empty" if name in environ else "is not set"
        what = f"the environment variable {name} {state}"
        raise _UnusableError(
            in_env, what, f"set it for the process that runs acd, or use {in_file}"
        )
    return environ[name]


def _secret_from_file(path: Path, key: str) -> str:
    try:
        with path.open(encoding=_TEXT) as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            text = file.read(4096)
    except OSError as error:
        raise _UnusableError(key, f"{path} cannot be read: {error.strerror}", "") from None
    except UnicodeDecodeError:
        raise _UnusableError(key, f"{path} is not UTF-8 text", "save it as UTF-8") from None
    if mode & 0o077:
        what = f"{path} can be read by other users (mode {mode:04o})"
        raise _UnusableError(key, what, f"chmod 600 {path}")
    lines = text.splitlines()
    if len(lines) != 1 or not lines[0].strip():
        what = f"{path} has {len(lines)} lines" if len(lines) > 1 else f"{path} is empty"
        raise _UnusableError(key, what, "allowed: one line, with nothing else in it")
    return lines[0]


def _validate(raw: _Raw) -> tuple[Settings | None, list[Finding]]:
    """The settings, and what is wrong in them; then the settings are only good for cross checks."""
    try:
        return Settings.model_validate(raw), []
    except ValidationError as error:
        wrong = list(findings(error))
        locs = [detail["loc"] for detail in error.errors(include_input=False)]
    try:
        return Settings.model_validate(_mended(raw, locs)), wrong
    except ValidationError:
        return None, wrong


def _mended(raw: _Raw, wrong: list[Loc]) -> _Raw:
    """The tables with defaults in place of wrong values, so that the rest can be checked."""
    mended = deepcopy(raw)
    for loc in wrong:
        depth = min(2 if loc[0] in _LISTS | {"feeds"} else 1, len(loc) - 1)
        table: Any = mended
        for part in loc[:depth]:
            table = table.get(part) if isinstance(table, dict) else table[part]
        if isinstance(table, dict):
            key = str(loc[depth])
            table.pop(key, None)
            stand_in = key in {"domain", "user", "host", "name"}
            table.update({key: _STAND_IN} if stand_in else {})
    return mended


def _news(found: Iterator[Finding], known: list[Finding]) -> list[Finding]:
    """What is not already reported for the same key."""
    locs = {finding.loc for finding in known}
    return [finding for finding in found if finding.loc not in locs]
