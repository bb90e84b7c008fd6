"""What of `[tapi]` and its profiles may change while the engine runs. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from acd.errors import BadSettings, Problem
from acd.settings.cross_tapi import check_tapi
from acd.settings.tables import ProfileSettings, Settings
from acd.settings.wording import dotted


def tapi_part(settings: Settings) -> Mapping[str, Any]:
    """What `with_tapi_part` takes, as JSON has it."""
    return {
        "lines": settings.tapi.lines,
        "disabled_lines": list(settings.tapi.disabled_lines),
        "profiles": [
            each.model_dump(mode="json", exclude_defaults=True) for each in settings.profile
        ],
    }


def with_lines(settings: Settings, lines: int) -> Settings:
    """The running engine's settings with another number of lines in `[tapi]`.

    Raises:
        BadSettings: a profile forbids a line that would come to its trunk.
    """
    tapi = settings.tapi.model_copy(update={"lines": lines})
    return _checked(settings.model_copy(update={"tapi": tapi}))


def with_tapi_part(
    settings: Settings,
    *,
    lines: int,
    disabled_lines: Sequence[int],
    profiles: Sequence[Mapping[str, Any]],
) -> Settings:
    """The running engine's settings with other lines and profiles, on the trunks that it has.

    Raises:
        BadSettings: they do not fit those trunks.
    """
    try:
        read = tuple(ProfileSettings.model_validate(each) for each in profiles)
        values = {**settings.tapi.model_dump(), "lines": lines, "disabled_lines": disabled_lines}
        tapi = type(settings.tapi).model_validate(values)
    except ValidationError as error:
        # The command has read the same file: only another version of it could ask for this.
        raise BadSettings(f"[tapi]: {error.error_count()} values are wrong") from None
    return _checked(settings.model_copy(update={"tapi": tapi, "profile": read}))


def _checked(changed: Settings) -> Settings:
    """The same, if an engine could have started with them.

    Raises:
        BadSettings: it could not.
    """
    problems = [Problem(dotted(each.loc), each.what, each.allowed) for each in check_tapi(changed)]
    if problems:
        raise BadSettings(problems)
    return changed
