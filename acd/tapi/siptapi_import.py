"""A SIPTAPI registry export as acd's settings. Pure: nothing is read or written here.

Lines that have the same account share a `[[trunk]]`; lines side by side that also dial alike share
a `[[profile]]`. A line keeps its number, for applications know it by that.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from acd.errors import BadInput, Problem
from acd.settings import MAX_LINES, LineMode, TapiClientSettings
from acd.settings.values import EXTENSION, HOST
from acd.tapi.registry import RegistryKey, Value

PLACES = (
    r"\telephony\siptapi-acd",
    r"\telephony\siptapi",
    r"\software\ipcom\siptapi",
    r"\software\enum.at\siptapi",
    r"\telephony\siptapisf",
)
"""Where SIPTAPI keeps its values: SIPTAPI-ACD, 0.3.9 and later, two earlier ones, the free one.

The free version before 0.2.9 had the second of the earlier ones.
"""
_ACD = PLACES[0]
_FREE_NAMES = {
    "host": "obproxy1",
    "uchan": "proxy1",
    "user": "username1",
    "pass": "password1",
    "authuser": "authusername1",
    "userexten": "phoneusername1",
    "autoanswer": "autoanswer1",
}
"""Of the free version, which has one line, in the words of the others."""
_OF_LINE = re.compile(
    r"^(proxy|obproxy|username|password|authusername|phoneusername|lineactive|register|autoanswer)"
    r"([1-9][0-9]{0,3})$"
)
_GLOBAL = frozenset(
    {
        *("transportprotocol", "enablerealmcheck", "disablerealmcheck", "reversemode"),
        *("send180ringing", "lineconfigviaregistry", "numlines"),
    }
)
_MODES = {0: LineMode.STANDARD, 1: LineMode.ACD, 2: LineMode.REVERSE}
_HIGHEST_DWORD = 0xFFFFFFFF
NEW_LIMITS = {
    "calls_per_second": "new calls a second of all its lines; each [[trunk]] has its own limit",
    "wait_limit_seconds": "from the answer to lineBlindTransfer, then BYE; 0: no limit",
}
"""Of `[[tapi_client]]`: what SIPTAPI did not have, and what acd does without being told."""
_PHONE_FIRST = frozenset({LineMode.STANDARD, LineMode.ALTERNATIVE})
_RECEIVES_NOTHING = "acd never ends a transfer without the PBX's final NOTIFY or a time limit"
_NOT_CARRIED = {
    "dontsendbye": _RECEIVES_NOTHING,
    "immediatesendbye": _RECEIVES_NOTHING,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """What makes two lines' accounts the same."""

    domain: str
    proxy: str
    user: str
    auth_user: str
    password: str = field(repr=False)
    register: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class OldLine:
    """One SIPTAPI line."""

    number: int
    account: Account
    enabled: bool
    phone: str
    auto_answer: bool
    incoming: bool = False
    send_180: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """What to write, and what to tell."""

    toml: str
    passwords: Mapping[str, str] = field(repr=False)
    """Each trunk's, by its name; trunks without one are not in it."""
    not_carried: tuple[str, ...]
    """One sentence for each value that has no place here."""
    lines: int
    trunks: int


@dataclass(slots=True)
class _Reader:
    """The values of the key, and what is wrong or left over."""

    name: str
    key: RegistryKey
    values: dict[str, Value]
    problems: list[Problem] = field(default_factory=list)
    left: list[str] = field(default_factory=list)

    def text(self, name: str, *, allowed: str = "", what: str = "") -> str:
        """A value that has no use for spaces around it."""
        return self._checked(name, str(self.values.get(name, "")).strip(), allowed, what)

    def secret(self, name: str) -> str:
        """A value that counts to the last space."""
        return self._checked(name, str(self.values.get(name, "")))

    def _checked(self, name: str, value: str, allowed: str = "", what: str = "") -> str:
        if value and allowed and not re.fullmatch(allowed, value):
            self.wrong(name, f"{json.dumps(value)} is {what}")
        elif re.search(r"[\x00-\x1f\x7f]", value):
            self.wrong(name, "has a control character")
        return value

    def number(self, name: str, *, highest: int = 1) -> int:
        value = self.values.get(name, 0)
        number = int(value) if isinstance(value, int) or value.isdecimal() else -1
        if not 0 <= number <= highest:
            self.wrong(name, f"{json.dumps(value)} is too large or no number", highest=highest)
            return 0
        return number

    def wrong(self, name: str, what: str, *, highest: int | None = None) -> None:
        where = f"{self.name}: {name} (line {self.key.lines.get(name, self.key.line)})"
        allowed = "" if highest is None else f"allowed: a whole number from 0 to {highest}"
        self.problems.append(Problem(where, what, allowed))


def import_siptapi(
    keys: Mapping[str, RegistryKey], *, name: str, passwords: str, tokens: str
) -> Imported:
    """Make settings of an export.

    Args:
        keys: of `acd.tapi.registry.read_registry`.
        name: of the file, for messages.
        passwords: the folder of password files, as acd.toml names it.
        tokens: the file of the gateway's token, as acd.toml names it.

    Raises:
        BadInput: there is no SIPTAPI in it, or a value that no acd.toml could hold.
    """
    place, key = _find(keys, name)
    reader = _Reader(name, key, dict(key.values))
    free = _is_free(key)
    if free:
        _as_multi_line(reader)
    mode = LineMode.ACD if place == _ACD else _mode(reader, free=free)
    lines = _one_account(_lines(reader), reader, place)
    _note_leftovers(reader, keys, key)
    if reader.problems:
        raise BadInput(reader.problems)
    if not lines:
        raise BadInput(Problem(f"{name}: [{key.path}]", "no line has a proxyN and a usernameN"))
    return _written(reader, lines, mode, passwords=passwords, tokens=tokens)


def _find(keys: Mapping[str, RegistryKey], name: str) -> tuple[str, RegistryKey]:
    for place in PLACES:
        for path, key in keys.items():
            if path.endswith(place) and key.values:
                return place, key
    raise BadInput(
        Problem(
            name,
            "has no SIPTAPI settings",
            r"export HKEY_LOCAL_MACHINE\SOFTWARE\Microsoft\Windows\CurrentVersion\Telephony",
        )
    )


def _is_free(key: RegistryKey) -> bool:
    """Whether the free version wrote it, wherever it stands."""
    numbered = any(name.startswith("proxy") and _OF_LINE.match(name) for name in key.values)
    return "uchan" in key.values and not numbered


def _mode(reader: _Reader, *, free: bool) -> LineMode:
    if not free:
        return _MODES[reader.number("reversemode", highest=2)]
    # A check box there, without an ACD mode beside it.
    reverse = bool(reader.number("reversemode", highest=_HIGHEST_DWORD))
    return LineMode.REVERSE if reverse else LineMode.STANDARD


def _as_multi_line(reader: _Reader) -> None:
    for old, new in _FREE_NAMES.items():
        if old in reader.values:
            reader.values[new] = reader.values.pop(old)
            reader.key.lines[new] = reader.key.lines.get(old, reader.key.line)
    second = reader.number("autoanswer2")
    reader.values["autoanswer1"] = max(reader.number("autoanswer1"), second)
    reader.values.pop("autoanswer2", None)
    # It has no switch: its line is always there.
    reader.values["lineactive1"] = 1


def _lines(reader: _Reader) -> list[OldLine]:
    numbers = sorted({int(found[2]) for each in reader.values if (found := _OF_LINE.match(each))})
    limited = bool(reader.number("lineconfigviaregistry"))
    most = reader.number("numlines", highest=MAX_LINES) if limited else MAX_LINES
    lines = []
    for number in numbers:
        line = _line(reader, number)
        if number > most:
            why = f"numLines is {most}" if limited else f"acd has {MAX_LINES} lines at most"
            reader.left.append(f"line {number}: {why}")
        elif not line.account.domain or not line.account.user:
            missing = "username" if line.account.domain else "proxy"
            if any(reader.values.get(f"{each}{number}") for each in ("proxy", "username")):
                reader.left.append(f"line {number}: {missing}{number} is empty: it has no account")
        else:
            lines.append(line)
    return lines


def _line(reader: _Reader, number: int) -> OldLine:
    domain = reader.text(f"proxy{number}", allowed=HOST, what="no host and no host:port")
    proxy = re.sub(r"^sips?:|;.*$", "", reader.text(f"obproxy{number}"))
    if proxy and not re.fullmatch(HOST, proxy):
        reader.wrong(f"obproxy{number}", f"{json.dumps(proxy)} is no host and no host:port")
    phone = reader.text(
        f"phoneusername{number}", allowed=f"{EXTENSION}(@{HOST})?", what="no extension"
    )
    account = Account(
        domain=domain,
        proxy=proxy,
        user=reader.text(f"username{number}", allowed=r"[^\s@<>\"]+", what="no user"),
        auth_user=reader.text(f"authusername{number}"),
        password=reader.secret(f"password{number}"),
        register=bool(reader.number(f"register{number}")),
    )
    return OldLine(
        number=number,
        account=account,
        enabled=bool(reader.number(f"lineactive{number}")),
        phone=phone,
        auto_answer=bool(reader.number(f"autoanswer{number}")),
    )


def _one_account(lines: list[OldLine], reader: _Reader, place: str) -> list[OldLine]:
    """SIPTAPI-ACD: `numLines` lines on the account of the first."""
    number = reader.values.get("numlines")
    if place != _ACD or len(lines) != 1 or not isinstance(number, int):
        return lines
    most = reader.number("numlines", highest=MAX_LINES)
    return [replace(lines[0], number=each) for each in range(1, max(1, most) + 1)]


def _note_leftovers(reader: _Reader, keys: Mapping[str, RegistryKey], used: RegistryKey) -> None:
    for name, value in reader.values.items():
        if name in _NOT_CARRIED:
            if value:
                reader.left.append(f"{name}: {_NOT_CARRIED[name]}")
        elif name in _FREE_NAMES:
            reader.left.append(f"{name}: of the free version; the lines with a proxyN were taken")
        elif name and name not in _GLOBAL and not _OF_LINE.match(name):
            reader.left.append(f"{name}: is no name of SIPTAPI's")
    for path, key in keys.items():
        if key is not used and key.values and path.endswith(PLACES):
            reader.left.append(f"[{key.path}]: an older place; [{used.path}] was taken")


def _written(
    reader: _Reader, lines: Sequence[OldLine], mode: LineMode, *, passwords: str, tokens: str
) -> Imported:
    lines = _called([_fitting(line, mode, reader) for line in lines], mode, reader)
    # Accounts in use come first: the first trunk is the one that is always opened.
    accounts = list(dict.fromkeys(each.account for each in _enabled_first(lines)))
    names = {account: f"account-{index}" for index, account in enumerate(accounts, start=1)}
    realm_check = bool(reader.number("enablerealmcheck"))
    if "enablerealmcheck" not in reader.values and "disablerealmcheck" in reader.values:
        realm_check = not reader.number("disablerealmcheck")
    transport = ("udp", "tcp")[reader.number("transportprotocol")]
    parts = [
        "# Made of a SIPTAPI registry export by acd tapi import-reg.\n",
        *(
            _trunk(
                names[account],
                account,
                lines=sum(line.account == account for line in lines),
                password_file=f"{passwords}/{names[account]}" if account.password else "",
                more=(f'transport = "{transport}"', f"realm_check = {_flag(realm_check)}"),
            )
            for account in accounts
        ),
        _tapi([line.number for line in lines], names[accounts[0]], tokens),
        *(_profile(part, mode, names) for part in _alike(lines)),
    ]
    if reader.problems:
        raise BadInput(reader.problems)
    return Imported(
        toml="\n".join(parts),
        passwords={names[each]: each.password for each in accounts if each.password},
        not_carried=tuple(reader.left),
        lines=len(lines),
        trunks=len(accounts),
    )


def _enabled_first(lines: Sequence[OldLine]) -> list[OldLine]:
    return sorted(lines, key=lambda line: not line.enabled)


def _fitting(line: OldLine, mode: LineMode, reader: _Reader) -> OldLine:
    """Without what has no use in this mode."""
    if line.phone and mode is LineMode.ACD:
        reader.left.append(f"phoneusername{line.number}: ACD mode has no phone of its own")
        line = replace(line, phone="")
    if line.auto_answer and mode not in _PHONE_FIRST:
        reader.left.append(
            f"autoanswer{line.number}: only the customer is called by us in {mode} mode"
        )
        line = replace(line, auto_answer=False)
    return line


def _called(lines: list[OldLine], mode: LineMode, reader: _Reader) -> list[OldLine]:
    """A line that registers is shown who calls it, unless acd lines share its account."""
    send_180 = bool(reader.number("send180ringing"))
    of_account = Counter(line.account for line in lines)
    called = []
    for line in lines:
        shared = mode is LineMode.ACD and of_account[line.account] > 1
        incoming = line.account.register and not shared
        called.append(replace(line, incoming=incoming, send_180=incoming and send_180))
    if send_180 and not any(line.incoming for line in called):
        reader.left.append("send180ringing: no line has an account of its own that registers")
    return called


def _alike(lines: Sequence[OldLine]) -> Iterator[list[OldLine]]:
    """Runs of lines side by side that differ in their numbers only."""
    run: list[OldLine] = []
    for line in lines:
        if run and line != replace(run[-1], number=run[-1].number + 1):
            yield run
            run = []
        run.append(line)
    yield run


def _trunk(
    name: str, account: Account, *, lines: int, password_file: str, more: tuple[str, ...]
) -> str:
    keys = [
        "[[trunk]]",
        f'name = "{name}"',
        f"domain = {_quoted(account.domain)}",
        f"user = {_quoted(account.user)}",
        *([f"auth_user = {_quoted(account.auth_user)}"] if account.auth_user else []),
        *([f"password_file = {_quoted(password_file)}"] if password_file else []),
        *([f"outbound_proxy = {_quoted(account.proxy)}"] if account.proxy else []),
        f"register = {_flag(account.register)}",
        f"lines = {lines}",
        *more,
    ]
    return "\n".join(keys) + "\n"


def _tapi(numbers: Sequence[int], trunk: str, tokens: str) -> str:
    missing = sorted(set(range(1, max(numbers) + 1)) - set(numbers))
    return f"""[tapi]
enabled = true
trunk = "{trunk}"
lines = {max(numbers)}
disabled_lines = {missing}

[[tapi_client]]
name = "siptapi"
token_file = {_quoted(tokens)}
# SIPTAPI had neither of these limits.
{_limits()}
"""


def _limits() -> str:
    return "\n".join(
        f"{name} = {default_limit(name)}  # {what}" for name, what in NEW_LIMITS.items()
    )


def default_limit(name: str) -> float:
    """What `[[tapi_client]]` has where nothing is said."""
    return float(TapiClientSettings.model_fields[name].default)


def _profile(lines: Sequence[OldLine], mode: LineMode, names: Mapping[Account, str]) -> str:
    first, last = lines[0], lines[-1]
    keys = [
        "[[profile]]",
        f'name = "line-{first.number}"',
        f"first_line = {first.number}",
        f"last_line = {last.number}",
        f'mode = "{mode}"',
        f'trunk = "{names[first.account]}"',
        f"enabled = {_flag(first.enabled)}",
        *([f"phone = {_quoted(first.phone)}"] if first.phone else []),
        *(['auto_answer = "any"'] if first.auto_answer else []),
        *(["incoming = true"] if first.incoming else []),
        *(["send_180 = true"] if first.send_180 else []),
    ]
    return "\n".join(keys) + "\n"


def _flag(value: bool) -> str:
    return "true" if value else "false"


def _quoted(text: str) -> str:
    """A TOML basic string: JSON's, as long as there are no control characters."""
    return json.dumps(text, ensure_ascii=False)
