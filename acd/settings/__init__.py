"""`acd.toml`: what an installation is told, validated as a whole before anything starts.

`tables` names every key, `load` reads the file and what it points to, `cross` checks values
against each other, `wording` turns whatever is wrong into sentences. Every wrong value is
reported at once, with file, key, value and what is allowed. Passwords come from the environment
or from files, never from the TOML itself, and no message shows one.
"""

from acd.settings.load import load_settings
from acd.settings.tables import (
    MAX_LINES,
    MOST_REDIRECTS,
    RTP_PORTS_PER_LINE,
    AddressSettings,
    AmiSettings,
    ApiClientSettings,
    ApiRole,
    ApiSettings,
    Codec,
    DestinationSettings,
    DialogInfoSettings,
    FeedsSettings,
    ListenSettings,
    LogLevel,
    LogSettings,
    MetricsSettings,
    NumberFormat,
    Settings,
    SipTraceSettings,
    Srtp,
    StoreSettings,
    TapiClientSettings,
    TapiSettings,
    TransferReply,
    Transport,
    TrunkSettings,
)

__all__ = [
    "MAX_LINES",
    "MOST_REDIRECTS",
    "RTP_PORTS_PER_LINE",
    "AddressSettings",
    "AmiSettings",
    "ApiClientSettings",
    "ApiRole",
    "ApiSettings",
    "Codec",
    "DestinationSettings",
    "DialogInfoSettings",
    "FeedsSettings",
    "ListenSettings",
    "LogLevel",
    "LogSettings",
    "MetricsSettings",
    "NumberFormat",
    "Settings",
    "SipTraceSettings",
    "Srtp",
    "StoreSettings",
    "TapiClientSettings",
    "TapiSettings",
    "TransferReply",
    "Transport",
    "TrunkSettings",
    "load_settings",
]
