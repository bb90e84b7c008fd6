"""`acd.toml`: what an installation is told, validated as a whole before anything starts.

Every wrong value is reported at once, with file, key, value and what is allowed. Passwords
come from the environment or from files, never from the TOML itself.
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from acd import __version__

MAX_LINES = 999


class Transport(StrEnum):
    """How SIP reaches the PBX."""

    UDP = "udp"
    TCP = "tcp"
    TLS = "tls"


class Srtp(StrEnum):
    """Whether the media is encrypted."""

    OFF = "off"
    OPTIONAL = "optional"
    REQUIRED = "required"


class Codec(StrEnum):
    """G.711, the two laws."""

    PCMA = "PCMA"
    PCMU = "PCMU"


class NumberFormat(StrEnum):
    """How a phone number is written for the PBX."""

    PLUS = "+"
    """+431505641"""
    DOUBLE_ZERO = "00"
    """00431505641"""
    DIGITS = "digits"
    """431505641, behind `number_prefix`"""


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


Port = Annotated[int, Field(ge=1, le=65535)]


class TrunkSettings(_Table):
    """One `[[trunk]]`: a SIP account with capacity."""

    name: str = Field(default="main", pattern=r"^[a-z0-9][a-z0-9_-]{0,31}$")
    domain: str = Field(min_length=1)
    outbound_proxy: str = ""
    """host or host:port; the first hop of every request."""
    user: str = Field(min_length=1)
    auth_user: str = ""
    """Digest user name where it differs from `user`."""
    password_env: str = ""
    password_file: Path | None = None
    password: SecretStr = SecretStr("")
    """Filled by `load_settings` from `password_env` or `password_file`; refused in the TOML."""
    realm_check: bool = False
    """True: answer only challenges whose realm is `domain`."""
    register_account: bool = Field(default=True, alias="register")
    register_expiry_seconds: int = Field(default=300, ge=60, le=86400)
    transport: Transport = Transport.UDP
    tls_verify: bool = True
    tls_ca_file: Path | None = None
    srtp: Srtp = Srtp.OFF
    lines: int = Field(default=30, ge=1, le=MAX_LINES)
    calls_per_second: float = Field(default=5.0, gt=0, le=200)
    ring_timeout_seconds: float = Field(default=25.0, ge=15, le=180)
    """At least 15 s: 16 CFR 310.4(b)(4)(ii) and Ofcom ask for 15 seconds or four rings."""
    codecs: tuple[Codec, ...] = Field(default=(Codec.PCMA, Codec.PCMU), min_length=1)
    rtp_port_min: Port = 20000
    rtp_port_max: Port = 29999
    bind_address: str = ""
    """Local address for SIP and RTP; empty: the one that routes to the PBX."""
    bind_port: int = Field(default=0, ge=0, le=65535)
    """Local SIP port; 0: any free one."""
    public_address: str = ""
    """Address written into SIP and SDP where it differs from `bind_address`."""
    user_agent: str = f"acd/{__version__}"
    assert_identity: bool = False
    """Send the caller ID in P-Asserted-Identity too (RFC 3325)."""
    number_format: NumberFormat = NumberFormat.PLUS
    number_prefix: str = Field(default="", pattern=r"^[0-9*#]*$")


class StoreSettings(_Table):
    """`[store]`."""

    url: str = "sqlite:///acd.sqlite"


class ListenSettings(_Table):
    """A server of ours; off loopback it needs a token."""

    enabled: bool = True
    bind_address: str = "127.0.0.1"
    port: int = Field(default=0, ge=0, le=65535)
    token_env: str = ""
    token_file: Path | None = None
    token: SecretStr = SecretStr("")
    """Filled by `load_settings`; refused in the TOML."""


class MetricsSettings(ListenSettings):
    """`[metrics]`: where Prometheus scrapes."""

    port: int = Field(default=9464, ge=0, le=65535)


class ApiSettings(ListenSettings):
    """`[api]`: agent desktops, CRMs and supervisors."""

    enabled: bool = False
    port: int = Field(default=8464, ge=0, le=65535)


class DestinationSettings(_Table):
    """`[destinations]`: what the one door lets through."""

    default_region: str = Field(default="AT", pattern=r"^[A-Z]{2}$")
    """ISO 3166 region in which national numbers are read."""
    allowed_regions: tuple[Annotated[str, Field(pattern=r"^[A-Z]{2}$")], ...] = ()
    """Regions that leads may be in; empty: `default_region` only."""
    allow: tuple[str, ...] = ()
    """Numbers or extensions let through although a rule would refuse them; never emergency."""


class LogSettings(_Table):
    """`[log]`."""

    level: Literal["debug", "info", "warning", "error"] = "info"


class Settings(_Table):
    """The whole `acd.toml`."""

    trunk: tuple[TrunkSettings, ...] = Field(min_length=1)
    store: StoreSettings = StoreSettings()
    metrics: MetricsSettings = MetricsSettings()
    api: ApiSettings = ApiSettings()
    destinations: DestinationSettings = DestinationSettings()
    log: LogSettings = LogSettings()
    campaigns_folder: Path = Path("campaigns")
