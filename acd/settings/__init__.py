"""`acd.toml`: what an installation is told, validated as a whole before anything starts.

`tables` names every key, `values` says what one may be, `load` reads the file and what it points
to, `cross` checks values against each other, `wording` turns whatever is wrong into sentences.
Every wrong value is reported at once, with file, key, value and what is allowed. Passwords come
from the environment or from files, never from the TOML itself, and no message shows one.
"""

from acd.settings.load import load_settings
from acd.settings.profile_words import AutoAnswer, LineMode
from acd.settings.profiles import (
    base_trunk,
    called_trunks,
    lines_allowed,
    lines_by_trunk,
    profile_lines,
    resting_trunks,
    switched_off_lines,
)
from acd.settings.runtime import tapi_part, with_lines, with_tapi_part
from acd.settings.tables import (
    AddressSettings,
    AmiSettings,
    ApiClientSettings,
    ApiRole,
    ApiSettings,
    DestinationSettings,
    DialogInfoSettings,
    FeedsSettings,
    ListenSettings,
    LogLevel,
    LogSettings,
    MetricsSettings,
    ProfileSettings,
    Settings,
    SipTraceSettings,
    StoreSettings,
    TapiClientSettings,
    TapiSettings,
    TrunkSettings,
)
from acd.settings.values import (
    MAX_LINES,
    MOST_REDIRECTS,
    RTP_PORTS_PER_LINE,
    AfterFailedTransfer,
    Codec,
    NumberFormat,
    Srtp,
    TransferReply,
    Transport,
)

__all__ = [
    "MAX_LINES",
    "MOST_REDIRECTS",
    "RTP_PORTS_PER_LINE",
    "AddressSettings",
    "AfterFailedTransfer",
    "AmiSettings",
    "ApiClientSettings",
    "ApiRole",
    "ApiSettings",
    "AutoAnswer",
    "Codec",
    "DestinationSettings",
    "DialogInfoSettings",
    "FeedsSettings",
    "LineMode",
    "ListenSettings",
    "LogLevel",
    "LogSettings",
    "MetricsSettings",
    "NumberFormat",
    "ProfileSettings",
    "Settings",
    "SipTraceSettings",
    "Srtp",
    "StoreSettings",
    "TapiClientSettings",
    "TapiSettings",
    "TransferReply",
    "Transport",
    "TrunkSettings",
    "base_trunk",
    "called_trunks",
    "lines_allowed",
    "lines_by_trunk",
    "load_settings",
    "profile_lines",
    "resting_trunks",
    "switched_off_lines",
    "tapi_part",
    "with_lines",
    "with_tapi_part",
]
