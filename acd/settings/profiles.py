"""Which of the gateway's lines has which profile and which trunk. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from acd.settings.tables import ProfileSettings, Settings
from acd.settings.values import MAX_LINES


def base_trunk(settings: Settings) -> str:
    """The name of the trunk for lines without a profile, and for profiles that name none."""
    return settings.tapi.trunk or settings.trunk[0].name


def profile_lines(settings: Settings) -> Mapping[int, ProfileSettings]:
    """Every line of the gateway that has a profile, by its number."""
    return {
        line: profile
        for profile in settings.profile
        for line in range(profile.first_line, min(profile.last_line, settings.tapi.lines) + 1)
    }


def lines_by_trunk(settings: Settings) -> Mapping[str, tuple[int, ...]]:
    """The gateway's lines on each trunk that has any; without those that are switched off."""
    profiles, base = profile_lines(settings), base_trunk(settings)
    off = switched_off_lines(settings)
    found: dict[str, tuple[int, ...]] = {}
    for line in range(1, settings.tapi.lines + 1):
        if line not in off:
            name = profiles[line].trunk if line in profiles else ""
            found[name or base] = (*found.get(name or base, ()), line)
    return found


def switched_off_lines(settings: Settings) -> tuple[int, ...]:
    """Lines that are shown as deactivated, by `[tapi]` or by their profile."""
    off = {line for line, profile in profile_lines(settings).items() if not profile.enabled}
    return tuple(sorted(off | set(settings.tapi.disabled_lines)))


def called_trunks(settings: Settings) -> tuple[str, ...]:
    """Trunks whose callers applications are shown."""
    base = base_trunk(settings)
    shown = (each for each in settings.profile if each.enabled and each.incoming)
    return tuple(dict.fromkeys(each.trunk or base for each in shown))


def lines_allowed(settings: Settings, *, most: int) -> range:
    """How many lines the gateway may have where the base trunk has `most`.

    No fewer than profiles name; those on trunks of their own, and those that are switched off,
    take none of the base trunk's.
    """
    base, off = base_trunk(settings), set(switched_off_lines(settings))
    elsewhere = off | {
        line for line, of in profile_lines(settings).items() if of.trunk not in {"", base}
    }
    there = [line for line in range(1, MAX_LINES + 1) if line not in elsewhere]
    last = there[most] - 1 if len(there) > most else MAX_LINES
    return range(max((each.last_line for each in settings.profile), default=1), last + 1)


def resting_trunks(settings: Settings) -> frozenset[str]:
    """Trunks that belong to switched-off profiles alone, and need not register.

    The first trunk and that of `[tapi]` never rest: campaigns and plain lines dial on them.
    """
    wanted = {profile.trunk for profile in settings.profile if profile.enabled}
    resting = {profile.trunk for profile in settings.profile} - wanted
    return frozenset(resting - {"", settings.trunk[0].name, base_trunk(settings)})
