"""The tables of `acd.toml`: every key with its type, its range and its default.

A field's `description` says what is allowed, in words for the person who edits the file; where
there is none, `acd.settings.wording` makes it from the type and the range. `password` and
`token` are filled by `load_settings`; in the TOML itself they are refused.
"""

from __future__ import annotations

from enum import StrEnum
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr

from acd import __version__
from acd.calls import DisconnectCause
from acd.rules.definition import HoursTable
from acd.settings.profile_words import AutoAnswer, LineMode
from acd.settings.values import (
    EXTENSION,
    HOST,
    MAX_LINES,
    PRINTABLE,
    SHORTEST_RING_SECONDS,
    SOME_NUMBERS,
    Address,
    AddressOrNothing,
    AfterFailedTransfer,
    CauseStatus,
    Codec,
    Codecs,
    DatabaseUrl,
    EnvironmentName,
    Flag,
    HostAndPort,
    ListenAddress,
    Number,
    NumberFormat,
    Port,
    PortOrAny,
    Region,
    SomeNumber,
    Srtp,
    TransferReply,
    Transport,
    Whole,
)


def _not_empty(trunks: tuple[TrunkSettings, ...]) -> tuple[TrunkSettings, ...]:
    if not trunks:
        raise ValueError("names no trunk")
    return trunks


class Table(BaseModel):
    """A frozen table that refuses keys it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class TrunkSettings(Table):
    """One `[[trunk]]`: a SIP account with capacity."""

    name: str = Field(
        default="main",
        pattern=r"^[a-z0-9][a-z0-9_-]{0,31}$",
        description="1 to 32 lower-case letters, digits, - or _, a letter or digit first",
    )
    domain: HostAndPort = Field(
        pattern=f"^{HOST}$",
        description='a host name or address, with its port if unusual, e.g. "pbx.example.com"',
    )
    outbound_proxy: HostAndPort = Field(
        default="", pattern=f"^({HOST})?$", description='"host" or "host:port" without sip:'
    )
    """The first hop of every request."""
    dns_servers: tuple[Address, ...] = Field(
        default=(), description='a list of addresses of DNS servers, e.g. ["192.0.2.53"]'
    )
    """Asked for SRV and A records instead of the system's resolver, which knows no SRV."""
    user: str = Field(
        pattern=r"^[A-Za-z0-9_.!~*'()&=+$,;?/%-]+$",  # RFC 3261 25.1: the user part
        description="the account's user part, without sip: and without @domain",
    )
    auth_user: str = Field(
        default="", pattern=f"^{PRINTABLE}$", description="the digest user name, on one line"
    )
    """Digest user name where it differs from `user`."""
    password_env: EnvironmentName = ""
    password_file: Path | None = None
    password: SecretStr = SecretStr("")
    """Filled by `load_settings` from `password_env` or `password_file`; refused in the TOML."""
    realm_check: Flag = False
    """True: answer only challenges whose realm is `domain`."""
    register_account: Flag = Field(default=True, alias="register")
    register_expiry_seconds: Whole = Field(default=300, ge=60, le=86400)
    transport: Transport = Transport.UDP
    tls_verify: Flag = True
    tls_ca_file: Path | None = None
    tls_certificate_file: Path | None = None
    """What we show to a PBX that asks for a certificate, with its chain; PEM."""
    tls_key_file: Path | None = None
    """The certificate's private key, without a passphrase; PEM."""
    srtp: Srtp = Srtp.OFF
    lines: Whole = Field(default=30, ge=1, le=MAX_LINES)
    calls_per_second: Number = Field(default=5.0, gt=0, le=200)
    ring_timeout_seconds: Number = Field(default=25.0, ge=SHORTEST_RING_SECONDS, le=180)
    """At least 15 s: 16 CFR 310.4(b)(4)(ii) and Ofcom ask for 15 seconds or four rings."""
    codecs: Codecs = (Codec.PCMA, Codec.PCMU)
    rtp_port_min: Port = 20000
    rtp_port_max: Port = 29999
    bind_address: AddressOrNothing = Field(default="", description="an IP address of this machine")
    """Local address for SIP and RTP; empty: the one that routes to the PBX."""
    bind_port: PortOrAny = 0
    """Local SIP port; 0: any free one."""
    public_address: AddressOrNothing = Field(default="", description="an IP address")
    """Address written into SIP and SDP where it differs from `bind_address`."""
    user_agent: str = Field(
        default=f"acd/{__version__}",
        min_length=1,
        pattern=f"^{PRINTABLE}$",
        description="text on one line",
    )
    probe_user: str = Field(
        default="",
        pattern=r"^[A-Za-z0-9_.!~*'()&=+$,;?/%-]*$",
        description="the user part that OPTIONS ask for, without sip: and without @domain",
    )
    """Where a proxy stands before the PBX: a user for whom it asks the PBX."""
    assert_identity: Flag = False
    """Send the caller ID in P-Asserted-Identity too (RFC 3325)."""
    causes: dict[CauseStatus, DisconnectCause] = Field(
        default={},
        description='what 403, 480 and 603 mean on this trunk, e.g. { 480 = "no_answer" }',
    )
    """PBXes disagree about these three; the others are tables of ours."""
    after_failed_transfer: AfterFailedTransfer = AfterFailedTransfer.PBX
    """`pbx` ends our leg; `ours` keeps it, and the person may be sent to another target."""
    follow_redirects: Flag = False
    """True: call the number in the Contact of a 300, 301 or 302, where `[destinations]` lets it
    through, no do-not-call list holds it and its calling hours are open, at most `MOST_REDIRECTS`
    (3) times a call."""
    number_format: NumberFormat = NumberFormat.PLUS
    number_prefix: str = Field(
        default="", pattern=r"^[0-9*#]*$", description="digits, * or #, e.g. for an outside line"
    )

    @property
    def rtp_ports(self) -> int:
        """How many UDP ports the RTP range has."""
        return self.rtp_port_max - self.rtp_port_min + 1


class StoreSettings(Table):
    """`[store]`."""

    url: DatabaseUrl = "sqlite:///acd.sqlite"
    """May carry a password: print `acd.store.shown_url` of it."""


class AddressSettings(Table):
    """A server of ours."""

    enabled: Flag = True
    bind_address: ListenAddress = "127.0.0.1"
    port: PortOrAny = 0

    @property
    def on_loopback(self) -> bool:
        """Whether only programs on this machine can connect."""
        return self.bind_address == "localhost" or ip_address(self.bind_address).is_loopback


class ListenSettings(AddressSettings):
    """A server of ours; off loopback it needs a token."""

    token_env: EnvironmentName = ""
    token_file: Path | None = None
    token: SecretStr = SecretStr("")
    """Filled by `load_settings`; refused in the TOML."""


class MetricsSettings(ListenSettings):
    """`[metrics]`: where Prometheus scrapes."""

    port: PortOrAny = 9464


class ApiRole(StrEnum):
    """What a client of the HTTP API may do."""

    AGENT = "agent"
    """An agent's desktop: what agents do, and what came of the people whom they had."""
    SUPERVISOR = "supervisor"
    """Everything."""
    INTEGRATOR = "integrator"
    """A CRM: campaigns, leads and do-not-call, not agents."""


class ApiSettings(AddressSettings):
    """`[api]`: agent desktops, CRMs and supervisors; every client has a token of its own."""

    enabled: Flag = False
    port: PortOrAny = 8464
    tls_certificate_file: Path | None = None
    tls_key_file: Path | None = None
    desktop_grace_seconds: Number = Field(default=0.0, ge=0, le=3600)
    """How long an agent's own desktop may be without its events; 0: for ever."""


class ApiClientSettings(Table):
    """One `[[api_client]]`: a program that may use the HTTP API, and what it may do there."""

    name: str = Field(
        pattern=r"^[a-z0-9][a-z0-9_-]{0,31}$",
        description="1 to 32 lower-case letters, digits, - or _, a letter or digit first",
    )
    role: ApiRole = ApiRole.AGENT
    agent: str = Field(default="", description="an agent's name, for role agent; empty: any agent")
    """The one agent for whom a desktop speaks."""
    token_env: EnvironmentName = ""
    token_file: Path | None = None
    token: SecretStr = SecretStr("")
    """Filled by `load_settings`; refused in the TOML."""


class AmiSettings(Table):
    """`[feeds.ami]`: Asterisk's manager interface."""

    host: str = Field(
        pattern=r"^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9][A-Za-z0-9._:-]*)$",
        description='a host name or address without its port, e.g. "pbx.example.com"',
    )
    port: Port = 5038
    user: str = Field(
        min_length=1, pattern=f"^{PRINTABLE}$", description="the account in manager.conf, one line"
    )
    password_env: EnvironmentName = ""
    password_file: Path | None = None
    password: SecretStr = SecretStr("")
    """Filled by `load_settings`; refused in the TOML."""
    tls: Flag = False
    tls_verify: Flag = True
    tls_ca_file: Path | None = None
    device: str = Field(
        default="PJSIP/{extension}",
        pattern=r"^[^{}\x00-\x1f]*\{extension\}[^{}\x00-\x1f]*$",
        description='what Asterisk calls an agent\'s phone, e.g. "PJSIP/{extension}"',
    )
    queues: tuple[str, ...] = Field(
        default=(), description='a list of queues whose pauses count, e.g. ["sales"]; []: all'
    )
    queue_wrap_up_seconds: Number = Field(default=0.0, ge=0, le=3600)
    """`wrapuptime` of queues.conf, which Asterisk tells nobody; a member's own counts instead."""


class DialogInfoSettings(Table):
    """`[feeds.dialog_info]`: subscriptions to the agents' extensions (RFC 4235)."""

    trunk: str = Field(default="", description="the name of a [[trunk]]; empty: the first")
    domain: HostAndPort = Field(
        default="",
        pattern=f"^({HOST})?$",
        description="a host name or address, with its port if unusual; empty: the trunk's domain",
    )
    """Of who tells what the phones do, where that is not the PBX itself."""


class FeedsSettings(Table):
    """`[feeds]`: who tells what agents do, once a call was handed over."""

    ami: AmiSettings | None = None
    dialog_info: DialogInfoSettings | None = None


class TapiSettings(AddressSettings):
    """`[tapi]`: the gateway for TAPI applications; every client has a token of its own."""

    enabled: Flag = False
    port: PortOrAny = 8465
    trunk: str = Field(default="", description="the name of a [[trunk]]; empty: the first")
    lines: Whole = Field(default=30, ge=1, le=MAX_LINES)
    """Line devices that clients see; campaigns share the trunk's other lines."""
    disabled_lines: tuple[Annotated[Whole, Field(ge=1, le=MAX_LINES)], ...] = ()
    """Shown as deactivated; `lineOpen` answers LINEERR_RESOURCEUNAVAIL."""
    heartbeat_seconds: Number = Field(default=5.0, ge=0.1, le=60)
    grace_seconds: Number = Field(default=10.0, ge=0.1, le=300)
    """How long calls that ring outlive a lost connection."""
    tls_certificate_file: Path | None = None
    tls_key_file: Path | None = None


class TapiClientSettings(Table):
    """One `[[tapi_client]]`: an application that may connect, and what it may do."""

    name: str = Field(
        pattern=r"^[a-z0-9][a-z0-9_-]{0,31}$",
        description="1 to 32 lower-case letters, digits, - or _, a letter or digit first",
    )
    token_env: EnvironmentName = ""
    token_file: Path | None = None
    token: SecretStr = SecretStr("")
    """Filled by `load_settings`; refused in the TOML."""
    first_line: Whole = Field(default=1, ge=1, le=MAX_LINES)
    last_line: Whole = Field(default=MAX_LINES, ge=1, le=MAX_LINES)
    """Lines that it may open; those beyond `lines` of [tapi] do not exist."""
    calls_per_second: Number = Field(default=5.0, gt=0, le=200)
    transfer_targets: tuple[Annotated[str, Field(min_length=1)], ...] = Field(
        default=(), description='a list of patterns, e.g. ["70??", "sales-*"]'
    )
    """Empty: extensions, queues, numbers that it may dial, and URIs of the trunk's own hosts."""
    allowed_regions: tuple[Region, ...] = ()
    """Regions that it may call; empty: as `[destinations]` has them."""
    allow: tuple[SomeNumber, ...] = Field(default=(), description=SOME_NUMBERS)
    """Let through for it, besides those of `[destinations]`; never emergency."""
    caller_ids: tuple[Annotated[str, Field(min_length=1)], ...] = Field(
        default=(), description='a list of patterns, e.g. ["+43150564*"]'
    )
    """What it may show as dwCallingPartyID; empty: any number."""
    number_format: NumberFormat | None = None
    """How its numbers are written for the PBX; None: as the trunk says."""
    number_prefix: str | None = Field(
        default=None, pattern=r"^[0-9*#]*$", description="digits, * or #"
    )
    wait_limit_seconds: Number = Field(default=2.0, ge=0, le=3600)
    """How long an answered person waits for `lineBlindTransfer`; 0: no limit, agents listen in."""
    wait_message: Path | None = None
    """A WAV that the person hears when the limit has passed, before BYE."""
    comfort_audio: Path | None = None
    """A WAV that the person hears while they wait, over and over; None: quiet noise."""
    transfer_timeout_seconds: Number = Field(default=60.0, ge=1, le=300)
    """From the REFER to its final NOTIFY; then the transfer has failed."""
    transfer_reply: TransferReply = TransferReply.ANSWERED
    """When `lineBlindTransfer` is completed."""
    shortest_ring_seconds: Number = Field(default=float(SHORTEST_RING_SECONDS), ge=1, le=180)
    """A `dwNoAnswerTimeout` below this is raised to it."""
    keep_calling_hours: Flag = True
    """False: `calling_hours` are the application's own business."""
    calling_hours: HoursTable = HoursTable()
    """By the clock of whoever is called, as for campaigns."""


class ProfileSettings(Table):
    """One `[[profile]]`: how the lines from `first_line` to `last_line` of the gateway dial."""

    name: str = Field(
        pattern=r"^[a-z0-9][a-z0-9_-]{0,31}$",
        description="1 to 32 lower-case letters, digits, - or _, a letter or digit first",
    )
    first_line: Whole = Field(ge=1, le=MAX_LINES)
    last_line: Whole = Field(ge=1, le=MAX_LINES)
    mode: LineMode = LineMode.ACD
    trunk: str = Field(default="", description="the name of a [[trunk]]; empty: that of [tapi]")
    enabled: Flag = True
    """False: shown as deactivated; its trunk, where no other line needs it, does not register."""
    phone: HostAndPort = Field(
        default="",
        pattern=f"^({EXTENSION}(@{HOST})?)?$",
        description='the user\'s extension, e.g. "31" or "31@192.0.2.7:5060"',
    )
    """Empty: the trunk's `user`."""
    auto_answer: AutoAnswer = AutoAnswer.OFF
    incoming: Flag = False
    """Whether applications are shown who calls the account; it is never acd that answers."""
    send_180: Flag = False
    """Whether such a caller is told that it rings here, too."""


class DestinationSettings(Table):
    """`[destinations]`: what the one door lets through."""

    default_region: Region = "AT"
    """ISO 3166 region in which national numbers are read."""
    allowed_regions: tuple[Region, ...] = ()
    """Regions that leads may be in; empty: `default_region` only."""
    allow: tuple[SomeNumber, ...] = Field(default=(), description=SOME_NUMBERS)
    """Numbers or extensions let through although a rule would refuse them; never emergency."""


LogLevel = Literal["debug", "info", "warning", "error"]
Megabytes = Annotated[Number, Field(ge=0.01, le=10_000)]


class LogSettings(Table):
    """`[log]`: what the engine says, and where."""

    level: LogLevel = "info"
    file: Path | None = None
    """JSON lines of the engine; None: stderr."""
    file_megabytes: Megabytes = 50.0
    """A file is full at this size (10^6 bytes)."""
    old_files: Whole = Field(default=5, ge=0, le=1000)
    """Full files kept beside it, as FILE.1 (the newest) and so on."""


class SipTraceSettings(Table):
    """`[sip_trace]`: SIP messages into a file of their own; `acd trace` switches it meanwhile."""

    enabled: Flag = False
    file: Path = Path("sip-trace.jsonl")
    """Mode 0600: it has phone numbers."""
    file_megabytes: Megabytes = 20.0
    old_files: Whole = Field(default=1, ge=0, le=1000)
    trunks: tuple[str, ...] = Field(default=(), description='a list of trunks, e.g. ["main"]')
    numbers: tuple[SomeNumber, ...] = Field(default=(), description=SOME_NUMBERS)
    """Only these; with neither trunks nor numbers every message."""


class Settings(Table):
    """The whole `acd.toml`."""

    trunk: Annotated[
        tuple[TrunkSettings, ...],
        AfterValidator(_not_empty),
        Field(description="one or more tables, each headed [[trunk]] with two brackets"),
    ]
    """The first is the default of campaigns that name none."""
    store: StoreSettings = StoreSettings()
    metrics: MetricsSettings = MetricsSettings()
    api: ApiSettings = ApiSettings()
    feeds: FeedsSettings = FeedsSettings()
    tapi: TapiSettings = TapiSettings()
    tapi_client: tuple[TapiClientSettings, ...] = Field(
        default=(), description="tables, each headed [[tapi_client]] with two brackets"
    )
    api_client: tuple[ApiClientSettings, ...] = Field(
        default=(), description="tables, each headed [[api_client]] with two brackets"
    )
    profile: tuple[ProfileSettings, ...] = Field(
        default=(), description="tables, each headed [[profile]] with two brackets"
    )
    """Lines without one are in ACD mode on the trunk of [tapi]."""
    destinations: DestinationSettings = DestinationSettings()
    log: LogSettings = LogSettings()
    sip_trace: SipTraceSettings = SipTraceSettings()
    campaigns_folder: Path = Path("campaigns")
    control_socket: Path = Path("acd.sock")
    """Where commands reach the running engine."""
