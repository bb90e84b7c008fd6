"""Values of `[[profile]]` that are wrong together, or with the trunk that they stand on."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

from acd.settings.profile_words import AutoAnswer, LineMode
from acd.settings.profiles import base_trunk, lines_by_trunk, profile_lines
from acd.settings.tables import ProfileSettings, Settings
from acd.settings.wording import Finding, Loc

_PHONE_FIRST = frozenset({LineMode.STANDARD, LineMode.ALTERNATIVE})


def check_profiles(settings: Settings) -> Iterator[Finding]:
    """Check each profile, then all against each other."""
    for index, profile in enumerate(settings.profile):
        at: Loc = ("profile", index)
        yield from _check_lines(settings, profile, at)
        yield from _check_mode(profile, at)
        yield from _check_trunk(settings, profile, at)
        yield from _check_incoming(settings, profile, at)
    yield from _check_pairs(settings.profile)


def _check_lines(settings: Settings, profile: ProfileSettings, at: Loc) -> Iterator[Finding]:
    if profile.last_line < profile.first_line:
        yield Finding(
            (*at, "last_line"),
            f"{profile.last_line} is below first_line, {profile.first_line}",
            f"allowed: a whole number from {profile.first_line} to {settings.tapi.lines}",
        )
    elif profile.last_line > settings.tapi.lines:
        yield Finding(
            (*at, "last_line"),
            f"{profile.last_line} is more than the {settings.tapi.lines} lines of [tapi]",
            f"allowed: a whole number from 1 to {settings.tapi.lines}, or more lines in [tapi]",
        )


def _check_mode(profile: ProfileSettings, at: Loc) -> Iterator[Finding]:
    if profile.phone and profile.mode is LineMode.ACD:
        yield Finding(
            (*at, "phone"),
            "has no use in acd mode, where the application names the phone in lineBlindTransfer",
            "take it out, or choose another mode",
        )
    if profile.auto_answer is not AutoAnswer.OFF and profile.mode not in _PHONE_FIRST:
        yield Finding(
            (*at, "auto_answer"),
            f"has no use in {profile.mode} mode: acd itself calls only the customer there, who "
            "must not be picked up for",
            'allowed: "off", or mode = "standard" or "alternative"',
        )


def _check_trunk(settings: Settings, profile: ProfileSettings, at: Loc) -> Iterator[Finding]:
    trunks = {trunk.name: trunk for trunk in settings.trunk}
    name = profile.trunk or base_trunk(settings)
    if name not in trunks:
        if profile.trunk:
            allowed = ", ".join(sorted(trunks))
            yield Finding((*at, "trunk"), f'"{name}" is no trunk', f"allowed: {allowed}")
        return
    if profile.mode is not LineMode.ALTERNATIVE:
        return
    if not trunks[name].outbound_proxy:
        yield Finding(
            (*at, "mode"),
            f"alternative mode calls the phone straight, and trunk {name} does not say where it is",
            'set outbound_proxy of the trunk to the phone, e.g. "192.0.2.7:8899"',
        )
    if other := _other_use(settings, name):
        yield Finding(
            (*at, "mode"),
            f"trunk {name} leads to one phone, and cannot {other} too",
            "give each a [[trunk]] of its own",
        )


def _check_incoming(settings: Settings, profile: ProfileSettings, at: Loc) -> Iterator[Finding]:
    if profile.send_180 and not profile.incoming:
        yield Finding(
            (*at, "send_180"),
            "has no use where no caller is shown",
            "take it out, or set incoming = true",
        )
    if not profile.incoming:
        return
    if profile.mode is LineMode.ALTERNATIVE:
        yield Finding(
            (*at, "incoming"),
            "has no use in alternative mode: the account's calls come to the phone itself",
            "take it out, or choose another mode",
        )
    name = profile.trunk or base_trunk(settings)
    lines = lines_by_trunk(settings).get(name, ())
    if profile.mode is LineMode.ACD and len(lines) > 1:
        yield Finding(
            (*at, "incoming"),
            f"has no use in acd mode where {len(lines)} lines share the account of trunk {name}",
            "take it out, or give the line a [[trunk]] of its own",
        )


def _other_use(settings: Settings, trunk: str) -> str:
    """What lines of this trunk do that needs more than one phone behind it; empty: nothing."""
    profiles = profile_lines(settings)
    lines = lines_by_trunk(settings).get(trunk, ()) if settings.tapi.enabled else ()
    modes = {profiles[line].mode if line in profiles else LineMode.ACD for line in lines}
    # These call numbers on it.
    mode = next((mode for mode in (LineMode.ACD, LineMode.REVERSE) if mode in modes), None)
    if mode is not None:
        return f"be in {mode} mode"
    shown = any(line in profiles and profiles[line].incoming for line in lines)
    return "show who calls its account" if shown else ""


def _check_pairs(profiles: tuple[ProfileSettings, ...]) -> Iterator[Finding]:
    for (first, one), (second, other) in combinations(enumerate(profiles), 2):
        if one.name == other.name:
            yield Finding(
                ("profile", second, "name"),
                f'"{other.name}" is already the name of profile[{first}]',
                "allowed: a name of its own for each [[profile]]",
            )
        shared = max(one.first_line, other.first_line)
        if shared <= min(one.last_line, other.last_line):
            yield Finding(
                ("profile", second, "first_line"),
                f"line {shared} belongs to profile {one.name} already",
                "allowed: each line in one [[profile]]",
            )
