"""Phone numbers: reading what people write, E.164, time zones, how a PBX wants them written.

Standing on the `phonenumbers` library's metadata. Nothing is guessed: what a spreadsheet has
damaged, or what holds letters, is refused with a reason.
"""

from __future__ import annotations

import re
import unicodedata
from enum import StrEnum
from functools import lru_cache

import phonenumbers
from phonenumbers import PhoneNumberFormat, PhoneNumberType, shortnumberinfo
from phonenumbers import timezone as phone_zones

from acd.frozen import frozen

EVERYWHERE_EMERGENCY = frozenset({"112", "911", "999"})
"""Never dialed whatever the region: 3GPP TS 22.101 10.1.1 has a mobile network treat these
as emergency calls wherever it is."""


class NumberKind(StrEnum):
    """What a number's range is for."""

    FIXED = "fixed"
    MOBILE = "mobile"
    FIXED_OR_MOBILE = "fixed_or_mobile"
    VOIP = "voip"
    PERSONAL = "personal"
    TOLL_FREE = "toll_free"
    SHARED_COST = "shared_cost"
    PREMIUM = "premium"
    PAGER = "pager"
    COMPANY = "company"
    VOICEMAIL = "voicemail"
    UNKNOWN = "unknown"


_KINDS = {
    PhoneNumberType.FIXED_LINE: NumberKind.FIXED,
    PhoneNumberType.MOBILE: NumberKind.MOBILE,
    PhoneNumberType.FIXED_LINE_OR_MOBILE: NumberKind.FIXED_OR_MOBILE,
    PhoneNumberType.VOIP: NumberKind.VOIP,
    PhoneNumberType.PERSONAL_NUMBER: NumberKind.PERSONAL,
    PhoneNumberType.TOLL_FREE: NumberKind.TOLL_FREE,
    PhoneNumberType.SHARED_COST: NumberKind.SHARED_COST,
    PhoneNumberType.PREMIUM_RATE: NumberKind.PREMIUM,
    PhoneNumberType.PAGER: NumberKind.PAGER,
    PhoneNumberType.UAN: NumberKind.COMPANY,
    PhoneNumberType.VOICEMAIL: NumberKind.VOICEMAIL,
    PhoneNumberType.UNKNOWN: NumberKind.UNKNOWN,
}

COSTLY = frozenset({NumberKind.PREMIUM, NumberKind.SHARED_COST})


class NumberRule(StrEnum):
    """Why a text is not a number that we take; the ids appear in reject files and logs."""

    EMPTY = "empty"
    DAMAGED = "damaged"
    LETTERS = "letters"
    EXTENSION = "extension"
    EMERGENCY = "emergency"
    SHORT_CODE = "short_code"
    PREMIUM = "premium"
    REGION = "region"
    INVALID = "invalid"


@frozen(kw_only=True)
class PhoneNumber:
    """A valid number."""

    e164: str
    """`+` and digits."""
    region: str
    """ISO 3166; empty where the number belongs to no region (+800 and the like)."""
    kind: NumberKind
    zones: tuple[str, ...]
    """IANA names, all that its range may lie in; empty where nobody knows."""


@frozen(kw_only=True)
class NumberRefused:
    """Why a text was not taken; `why` goes on from "it …" and holds no number."""

    rule: NumberRule
    why: str


_SCIENTIFIC = re.compile(r"^[+-]?\d+(?:[.,]\d+)?[eE]\+?\d+$")
_DECIMAL = re.compile(r"^\d{6,}[.,]0+$")
_EXTENSION = re.compile(
    r"(?:;?\s*(?:ext|extn|extension|dw|durchwahl|kl|klappe|x)[.:=]?\s*\d+)\s*$", re.IGNORECASE
)
_TEL = re.compile(r"^tel:", re.IGNORECASE)
_PHONE_CONTEXT = re.compile(r";phone-context=\+\d+$", re.IGNORECASE)
_LETTER = re.compile(r"[^\W\d_]")
_STRONG_SPLIT = re.compile(
    r"[\r\n;|&]+|\s+(?=\+)|\s+(?:or|and|oder|und|ou|et|o|y|e|oppure)\s+", re.IGNORECASE
)
_WEAK_SPLIT = re.compile(r"[/,]|\s{2,}")
_ONE_NUMBER = re.compile(r"^\s?\+?[0-9()\-.]+(?: [0-9()\-.]+)*\s?$", re.ASCII)
"""Nothing in it could divide, nor be a letter: nine cells of ten, which need no closer look."""
_MAX_CHARACTERS = 60
_SHORTEST = 5
"""Digits below which a slash or comma does not divide: 0664/1234567 is one number. Two numbers
of four digits in one cell (Niue, Tokelau) are refused then, not dialed as one."""


def plain(text: str) -> str:
    """The text with full-width and other decimal digits as ASCII, without invisible signs."""
    if text.isascii():
        return _without_text_sign(text)
    folded = unicodedata.normalize("NFKC", text)
    characters = []
    for character in folded:
        if character.isascii():
            characters.append(character)
        elif (digit := unicodedata.decimal(character, None)) is not None:
            characters.append(str(digit))
        elif unicodedata.category(character) not in ("Cf", "Cc"):
            characters.append(character)
    return _without_text_sign("".join(characters))


def _without_text_sign(text: str) -> str:
    """Without the leading apostrophe that is a spreadsheet's sign for "this is text"."""
    return text.strip().removeprefix("'").strip()


def digits_of(text: str) -> str:
    """Its digits alone."""
    return "".join(filter(str.isdigit, text))


def read_number(text: str, *, default_region: str) -> PhoneNumber | NumberRefused:
    """Read one number as people write it.

    Args:
        text: one number; see `split_cell` for cells that hold several.
        default_region: ISO 3166 region in which a national number is read.
    """
    cleaned = plain(text)
    refused = _refuse_by_look(cleaned, default_region)
    if refused is not None:
        return refused
    try:
        number = _parse(cleaned, default_region)
    except phonenumbers.NumberParseException:
        return NumberRefused(rule=NumberRule.INVALID, why="is not a phone number")
    if number.extension:
        return _HAS_EXTENSION
    # The library's own is_valid_number asks for the type and drops it: asked once, it serves both.
    kind = phonenumbers.number_type(number)
    if kind == PhoneNumberType.UNKNOWN:
        return _why_invalid(number, default_region)
    return PhoneNumber(
        e164=phonenumbers.format_number(number, PhoneNumberFormat.E164),
        region=_region(number),
        kind=_KINDS.get(kind, NumberKind.UNKNOWN),
        zones=_zones(number, kind),
    )


_HAS_EXTENSION = NumberRefused(
    rule=NumberRule.EXTENSION, why="has an extension, which cannot be dialed from outside"
)


def _parse(cleaned: str, default_region: str) -> phonenumbers.PhoneNumber:
    """As the library does; the short way for numbers written out, as whatever is dialed is."""
    if is_written_out(cleaned):
        for end in _COUNTRY_CODE_ENDS:
            looks_closer = _looks_closer(cleaned[1:end])
            if looks_closer is not None:
                if looks_closer.match(cleaned, end):
                    break
                return phonenumbers.PhoneNumber(int(cleaned[1:end]), int(cleaned[end:]))
    return phonenumbers.parse(cleaned, default_region)


def is_written_out(text: str) -> bool:
    """Whether it is a plus and as many digits as E.164 has, and more than emergency numbers do."""
    return _WRITTEN_OUT.match(text) is not None


_WRITTEN_OUT = re.compile(r"\+[1-9][0-9]{6,14}\Z", re.ASCII)
_COUNTRY_CODE_ENDS = (2, 3, 4)


@lru_cache(maxsize=2048)
def _looks_closer(country_code: str) -> re.Pattern[str] | None:
    """National numbers of which the library may take off a prefix, or keeps a zero apart.

    None: no country has this code.
    """
    country = int(country_code)
    if country not in phonenumbers.COUNTRY_CODE_TO_REGION_CODE:
        return None
    metadata = phonenumbers.PhoneMetadata.metadata_for_region_or_calling_code(
        country, phonenumbers.region_code_for_country_code(country)
    )
    if metadata is None:
        return re.compile("")
    prefix = metadata.national_prefix_for_parsing
    return re.compile(f"0|(?:{prefix})" if prefix else "0")


def _refuse_by_look(cleaned: str, default_region: str) -> NumberRefused | None:
    if is_written_out(cleaned):
        return None
    if not cleaned:
        return NumberRefused(rule=NumberRule.EMPTY, why="is empty")
    if len(cleaned) > _MAX_CHARACTERS:
        return NumberRefused(rule=NumberRule.INVALID, why="is too long for a phone number")
    if _SCIENTIFIC.match(cleaned) or _DECIMAL.match(cleaned):
        return NumberRefused(
            rule=NumberRule.DAMAGED,
            why="was turned into a decimal number by a spreadsheet, and digits may be lost",
        )
    if is_emergency(digits_of(cleaned), (default_region,)):
        return NumberRefused(rule=NumberRule.EMERGENCY, why="is an emergency number")
    if _ONE_NUMBER.match(cleaned):
        return None
    if _EXTENSION.search(cleaned):
        return _HAS_EXTENSION
    if _LETTER.search(_PHONE_CONTEXT.sub("", _TEL.sub("", cleaned))):
        return NumberRefused(rule=NumberRule.LETTERS, why="holds letters")
    return None


def _why_invalid(number: phonenumbers.PhoneNumber, default_region: str) -> NumberRefused:
    region = phonenumbers.region_code_for_country_code(number.country_code or 0)
    national = phonenumbers.national_significant_number(number)
    if is_emergency(national, (default_region, region)):
        return NumberRefused(rule=NumberRule.EMERGENCY, why="is an emergency number")
    if shortnumberinfo.is_possible_short_number(number) and len(national) <= 6:
        return NumberRefused(rule=NumberRule.SHORT_CODE, why="is a short code")
    reason = phonenumbers.is_possible_number_with_reason(number)
    if reason == phonenumbers.ValidationResult.TOO_SHORT:
        return NumberRefused(rule=NumberRule.INVALID, why="is too short for its region")
    if reason == phonenumbers.ValidationResult.TOO_LONG:
        return NumberRefused(rule=NumberRule.INVALID, why="is too long for its region")
    return NumberRefused(rule=NumberRule.INVALID, why="lies in no number range of its region")


def _region(number: phonenumbers.PhoneNumber) -> str:
    region = phonenumbers.region_code_for_number(number) or ""
    return "" if region == phonenumbers.REGION_CODE_FOR_NON_GEO_ENTITY else region


@lru_cache(maxsize=4096)
def _known_zones(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(sorted(name for name in names if name != phone_zones.UNKNOWN_TIMEZONE))


def _zones(number: phonenumbers.PhoneNumber, kind: int) -> tuple[str, ...]:
    """As `timezone.time_zones_for_number`, which would ask for the type once more."""
    country = number.country_code or 0
    if phonenumbers.is_number_type_geographical(kind, country):
        return _known_zones(tuple(phone_zones.time_zones_for_geographical_number(number)))
    if country not in _COUNTRY_ZONES:
        _COUNTRY_ZONES[country] = tuple(phone_zones.time_zones_for_number(number))
    return _known_zones(_COUNTRY_ZONES[country])


_COUNTRY_ZONES: dict[int, tuple[str, ...]] = {}
"""Of numbers that belong to no place: all of the country's, whatever the number."""


def is_emergency(digits: str, regions: tuple[str, ...]) -> bool:
    """Whether `digits` reach an emergency service in one of the regions, or anywhere."""
    if not digits or len(digits) > 6:
        return False
    return digits in EVERYWHERE_EMERGENCY or _connects_to_emergency(digits, regions)


def begins_like_emergency(digits: str, regions: tuple[str, ...]) -> bool:
    """Whether a PBX that dials digit by digit would reach help before the end of `digits`."""
    return digits.isdigit() and _connects_to_emergency(digits, regions)


def _connects_to_emergency(text: str, regions: tuple[str, ...]) -> bool:
    """As the library's `connects_to_emergency_number` for any of the regions."""
    if text.isascii() and text.isdigit():
        # Asked of every number that is dialed: the library takes fifteen times as long.
        return _emergency_pattern(regions).match(text) is not None
    return any(shortnumberinfo.connects_to_emergency_number(text, region) for region in regions)


_EXACT_EMERGENCY = frozenset({"BR", "CL", "NI"})
"""Regions where a longer number that begins like an emergency number is none (libphonenumber)."""


@lru_cache(maxsize=256)
def _emergency_pattern(regions: tuple[str, ...]) -> re.Pattern[str]:
    """What emergency numbers of the regions look like, or numbers that begin like them."""
    patterns = []
    for region in regions:
        metadata = phonenumbers.PhoneMetadata.short_metadata_for_region(region.upper(), None)
        numbers = metadata and metadata.emergency and metadata.emergency.national_number_pattern
        if numbers:
            end = r"\Z" if region in _EXACT_EMERGENCY else ""
            patterns.append(f"(?:{numbers}){end}")
    return re.compile("|".join(patterns) or _MATCHES_NOTHING)


_MATCHES_NOTHING = r"(?!)"


def split_cell(text: str, *, default_region: str) -> list[str]:
    """The numbers that stand in one cell, as written.

    A slash or a comma also groups the digits of one number (01/505641), so it divides only
    where every part is a valid number of its own.
    """
    if _ONE_NUMBER.match(text):
        return [text.strip()]
    parts: list[str] = []
    for piece in _STRONG_SPLIT.split(
        text if text.lower().startswith("tel:") else plain_lines(text)
    ):
        weak = [part for part in _WEAK_SPLIT.split(piece) if part.strip()]
        if (
            len(weak) > 1
            # An area code is no number of its own; reading it to find that out is slow.
            and all(len(digits_of(part)) >= _SHORTEST for part in weak)
            and all(_is_number(part, default_region) for part in weak)
        ):
            parts.extend(weak)
        elif piece.strip():
            parts.append(piece)
    return [part.strip() for part in parts]


def _is_number(text: str, default_region: str) -> bool:
    """Whether `read_number` would take it, without a reason if not."""
    cleaned = plain(text)
    if _refuse_by_look(cleaned, default_region) is not None:
        return False
    try:
        number = phonenumbers.parse(cleaned, default_region)
    except phonenumbers.NumberParseException:
        return False
    return not number.extension and phonenumbers.is_valid_number(number)


def plain_lines(text: str) -> str:
    """`plain` for each line of a cell."""
    return "\n".join(plain(line) for line in text.splitlines())


DIAL_PREFIXES = {"+": "+", "00": "00", "digits": ""}
"""`NumberFormat` of the settings → what stands in front of the country code."""


def dial_string(e164: str, number_format: str, prefix: str = "") -> str:
    """A number as a trunk's PBX wants it: `prefix`, then the number in its format."""
    return f"{prefix}{DIAL_PREFIXES[number_format]}{e164.removeprefix('+')}"


def masked(e164: str) -> str:
    """For logs and messages: the country and the last two digits."""
    digits = digits_of(e164)
    shown = 5 if len(digits) >= 10 else 2
    return f"+{digits[:shown]}…{digits[-2:]}" if len(digits) > 4 else "…"
