"""What a campaign is told (`campaign.toml`), as frozen, validated tables.

Reading the file is `acd.dialer.campaigns`; SQL keeps a copy of every version that ran.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    PlainValidator,
    field_validator,
    model_validator,
)

from acd.rules.dispositions import (
    ABANDON_LOCK_OUT_SECONDS,
    AGENT_DISPOSITIONS,
    DEFAULT_RULES,
    Disposition,
    RetryAction,
    RetryRule,
)
from acd.rules.hours import CallingHours, Window
from acd.rules.ledger import AbandonWindow
from acd.rules.preview import PreviewTimeout


class DialMode(StrEnum):
    """How many calls are started for the agents at hand."""

    PREVIEW = "preview"
    """None by itself: agents take leads, and have them dialed."""
    PROGRESSIVE = "progressive"
    """One call for one ready agent."""
    RATIO = "ratio"
    """`calls_per_agent` calls for one ready agent, as far as the abandon ledger allows."""


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


def _window(value: object) -> Window:
    if isinstance(value, Window):
        return value
    if not isinstance(value, str):
        raise ValueError('a window is written "09:00-20:00"')  # noqa: TRY004 - pydantic's way
    return Window.parse(value)


WindowText = Annotated[
    Window,
    PlainValidator(_window, json_schema_input_type=str),
    PlainSerializer(str, return_type=str),
]


def _abandon_window(value: object) -> AbandonWindow:
    if isinstance(value, AbandonWindow):
        return value
    return AbandonWindow.parse(value if isinstance(value, str) else "")


AbandonWindowText = Annotated[
    AbandonWindow,
    PlainValidator(_abandon_window, json_schema_input_type=str),
    PlainSerializer(str, return_type=str),
]

_DAY = (Window(10 * 60, 13 * 60), Window(14 * 60, 20 * 60))


class HoursTable(_Table):
    """`[calling_hours]`: windows of local time a weekday, and days without any.

    The default is the strictest of the rules that we know (France's decree in force since
    1 March 2023: Monday to Friday 10:00-13:00 and 14:00-20:00, no weekends, no public
    holidays). It lies inside those of the US (47 CFR 64.1200: 8-21), Canada (9:00-21:30,
    weekends 10-18) and Germany (BNetzA: 8-20, not on Sundays).
    """

    monday: tuple[WindowText, ...] = _DAY
    tuesday: tuple[WindowText, ...] = _DAY
    wednesday: tuple[WindowText, ...] = _DAY
    thursday: tuple[WindowText, ...] = _DAY
    friday: tuple[WindowText, ...] = _DAY
    saturday: tuple[WindowText, ...] = ()
    sunday: tuple[WindowText, ...] = ()
    holidays: tuple[date, ...] = ()

    @cached_property
    def hours(self) -> CallingHours:
        """As the pure rules want them; each call asks three times."""
        weekdays = (
            self.monday,
            self.tuesday,
            self.wednesday,
            self.thursday,
            self.friday,
            self.saturday,
            self.sunday,
        )
        return CallingHours(weekdays, frozenset(self.holidays))

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """Pydantic's, whose copy would keep these hours whatever was changed."""
        copied = super().model_copy(update=update, deep=deep)
        vars(copied).pop("hours", None)
        return copied

    @model_validator(mode="after")
    def _never_closed_for_good(self) -> HoursTable:
        if not any(self.hours.weekdays):
            raise ValueError("no day of the week has a window, so nobody could ever be called")
        return self


class CallerIdTable(_Table):
    """`[caller_id]`: what the called person's phone shows."""

    number: Annotated[str, Field(pattern=r"^\+?[0-9]{2,15}$")]
    display_name: Annotated[str, Field(max_length=64, pattern=r'^[^\r\n"\\<>]*$')] = ""


TransferTarget = Annotated[str, Field(pattern=r"^[A-Za-z0-9+][A-Za-z0-9._-]{0,31}$")]


AgentCode = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,31}$")]
Skill = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,31}$")]


class AgentsTable(_Table):
    """`[agents]`: who gets the answered people, besides the agents that SQL assigns.

    Fixed extensions, a queue of the PBX, or neither: then only whom `acd agents import` assigns.
    """

    extensions: tuple[TransferTarget, ...] = ()
    handle_seconds: Annotated[float, Field(gt=0, le=86400)] = 180.0
    """Talk and wrap-up together, where no feed tells when an agent is ready again."""
    wrap_up_seconds: Annotated[float, Field(ge=0, le=86400)] = 0.0
    """After each person, where a feed sees the agent's phone; `ready` and `wrap-up-done` end it."""
    queue: TransferTarget | Literal[""] = ""
    slots: Annotated[int, Field(ge=0, le=999)] = 0
    """How many people the queue's agents take at a time."""
    skills: tuple[Skill, ...] = ()
    """Only agents who have all of them are taken; see `acd agents import`."""
    disposition_seconds: Annotated[float, Field(ge=0, le=86400)] = 0.0
    """Longest that a lead handed over waits for its agent's word; 0: it closes at once."""
    no_answer_limit: Annotated[int, Field(ge=0, le=100)] = 3
    """People in a row whom an agent's phone may not take before they are not ready; 0: any."""
    overflow: TransferTarget | Literal[""] = ""
    """Queue or extension of the PBX for whoever no agent takes in time; empty: none."""
    overflow_before_limit_seconds: Annotated[float, Field(gt=0, le=30)] = 1.0
    """How long before `wait_limit_seconds` a person for whom nobody is ready is sent there."""
    codes: Mapping[AgentCode, Disposition] = Field(default_factory=dict)
    """The agents' own codes besides the dispositions; what follows is `[retry.<disposition>]`."""

    @field_validator("codes")
    @classmethod
    def _an_agents_word(cls, codes: Mapping[str, Disposition]) -> Mapping[str, Disposition]:
        for code, disposition in codes.items():
            if disposition not in AGENT_DISPOSITIONS:
                allowed = ", ".join(sorted(AGENT_DISPOSITIONS))
                raise ValueError(f"{code} must mean what an agent can say: {allowed}")
            if code in AGENT_DISPOSITIONS and code != disposition:
                raise ValueError(f"{code} has its meaning already; choose another code")
        return codes

    def disposition_of(self, code: str) -> Disposition | None:
        """What a code of an agent means; None: they have no such code."""
        if code in AGENT_DISPOSITIONS:
            return Disposition(code)
        return self.codes.get(code)

    @model_validator(mode="after")
    def _not_both(self) -> AgentsTable:
        if self.extensions and self.queue:
            raise ValueError('give extensions = ["201", …] or queue = "sales", not both')
        if self.queue and self.skills:
            raise ValueError("skills are not for a queue: there the PBX chooses the agent")
        if self.queue and not self.slots:
            raise ValueError("a queue needs slots: how many people its agents take at a time")
        if self.overflow and self.overflow in (*self.extensions, self.queue):
            raise ValueError("overflow must be another target than the campaign's own agents")
        if len(set(self.extensions)) != len(self.extensions):
            raise ValueError("an extension is listed twice in extensions")
        return self


class DncTable(_Table):
    """`[dnc]`: lists that must be there and fresh.

    Every list made for all campaigns, and those made for this one, hold without being named.
    """

    required_lists: tuple[Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_.-]{0,63}$")], ...] = ()
    max_age_days: Annotated[int, Field(ge=1, le=3660)] = 31
    """47 CFR 64.1200(c)(2)(i)(D) and the CRTC's rules: a copy not older than 31 days."""
    when_stale: Literal["block", "alarm"] = "block"


class LeadOrder(StrEnum):
    """Which of the leads of one priority goes first."""

    LONGEST_WAITING = "longest_waiting"
    NEWEST = "newest"


MAX_PRIORITY = 9
CALLBACK_PRIORITY = 10
"""A callback that is due goes before everybody else: somebody gave their word."""


def _fold(text: str) -> str:
    return text.strip().casefold()


class FilterTable(_Table):
    """`[[filter]]`: what a column of the lead must be. Capitals and outer spaces don't count."""

    column: Annotated[str, Field(min_length=1, pattern=r'^[^"]+$')]
    one_of: tuple[str, ...] = ()
    none_of: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _says_something(self) -> FilterTable:
        if bool(self.one_of) == bool(self.none_of):
            raise ValueError('give either one_of = ["AT", …] or none_of = ["sold", …]')
        return self

    @property
    def folded(self) -> frozenset[str]:
        """The values of the list, as they are compared."""
        return frozenset(map(_fold, self.one_of or self.none_of))

    def passes(self, columns: Mapping[str, str]) -> bool:
        """Whether a lead with these columns may be dialed; a missing column is empty."""
        listed = _fold(columns.get(self.column, "")) in self.folded
        return listed if self.one_of else not listed

    def __str__(self) -> str:
        kind, values = ("one of", self.one_of) if self.one_of else ("none of", self.none_of)
        return f"{self.column} must be {kind} {', '.join(values)}"


class CampaignDefinition(_Table):
    """The whole `campaign.toml`."""

    trunk: Annotated[str, Field(pattern=r"^([a-z0-9][a-z0-9_-]{0,31})?$")] = ""
    """Name of a `[[trunk]]`; empty: the first one."""
    dial_mode: DialMode = DialMode.PROGRESSIVE
    calls_per_agent: Annotated[Decimal, Field(ge=1, le=20)] = Decimal(1)
    """For `ratio`: calls aimed for per ready agent."""
    ramp_seconds: Annotated[float, Field(ge=0, le=3600)] = 60.0
    """For `ratio`: from the first agent at work until `calls_per_agent` is reached."""
    preview_seconds: Annotated[float, Field(ge=1, le=600)] = 60.0
    """For `preview`: how long an agent may look at a lead."""
    preview_timeout: PreviewTimeout = PreviewTimeout.DIAL
    """For `preview`: what follows when that time is over without a word."""
    preview_skip_seconds: Annotated[int, Field(ge=0, le=366 * 86400)] = 3600
    """For `preview`: how long a skipped lead waits before it is shown again."""
    abandon_limit_percent: Annotated[Decimal, Field(ge=0, le=10)] = Decimal(3)
    """Of the live answers in `abandon_window` (16 CFR 310.4(b)(4)(i) has 3 % in 30 days)."""
    abandon_window: AbandonWindowText = AbandonWindow()
    """What the limit holds for: the `day`, or rolling, `24h` to `30d`."""
    agents: AgentsTable = AgentsTable()
    caller_id: CallerIdTable | None = None
    callback_owner_seconds: Annotated[int, Field(ge=0, le=7 * 86400)] = 900
    """How long after its moment a callback is kept for the agent who promised it."""
    wait_limit_seconds: Annotated[float, Field(gt=0, le=30)] = 2.0
    """From the answer to the agent; longer is an abandoned call (16 CFR 310.4(b)(1)(iv))."""
    abandon_message: Path | None = None
    """WAV, 8 kHz mono 16-bit PCM, heard by an abandoned person; absolute once loaded."""
    comfort_audio: Path | None = None
    """WAV of the same kind, repeated for a person who waits for an agent; None: quiet noise."""
    ring_timeout_seconds: Annotated[float, Field(ge=15, le=180)] | None = None
    """None: the trunk's. At least 15 s: 16 CFR 310.4(b)(4)(ii)."""
    shortest_ring_seconds: Annotated[float, Field(ge=0, le=60)] = 0.0
    """For `progressive`: before this a ringing phone whose agent has left is not hung up."""
    calling_hours: HoursTable = HoursTable()
    max_attempts: Annotated[int, Field(ge=1, le=100)] = 4
    """In all; France allows 4 in 30 days."""
    max_attempts_per_day: Annotated[int, Field(ge=1, le=100)] = 3
    """In any 24 hours, so in any calendar day too (BNetzA: 3 a day; Florida: 3 in 24 hours)."""
    gap_seconds: Annotated[int, Field(ge=0, le=366 * 86400)] = 7200
    """From the end of one attempt to the start of the next."""
    retry: Mapping[Disposition, RetryRule] = Field(default_factory=dict)
    """Rules that differ from `DEFAULT_RULES`."""
    default_region: Annotated[str, Field(pattern=r"^([A-Z]{2})?$")] = ""
    """ISO 3166 region of national numbers; empty: the installation's."""
    number_columns: tuple[str, ...] = ()
    """Headers (after `header_map`) that hold numbers, in the order in which they are tried."""
    header_map: Mapping[str, str] = Field(default_factory=dict)
    """Header in the file → name of the column here."""
    priority_column: str = ""
    """Header (after `header_map`) of a priority 0 to 9 a lead; the highest go first."""
    order: LeadOrder = LeadOrder.LONGEST_WAITING
    """Among leads of one priority."""
    filter: tuple[FilterTable, ...] = ()
    """Only leads that pass every one are dialed."""
    dnc: DncTable = DncTable()
    weight: Annotated[int, Field(ge=1, le=100)] = 1
    """Share of the trunk's lines and calls per second, where campaigns want more than there are."""
    line_limit: Annotated[int, Field(ge=1, le=999)] | None = None
    """Most calls of this campaign at once; None: as many as the trunk has lines."""

    @field_validator("dial_mode", mode="before")
    @classmethod
    def _modes_so_far(cls, value: object) -> object:
        if value not in [str(mode) for mode in DialMode]:
            raise ValueError('only "preview", "progressive" and "ratio" can be dialed so far')
        return value

    @model_validator(mode="after")
    def _a_ratio_says_how_many(self) -> CampaignDefinition:
        if self.dial_mode is not DialMode.RATIO and self.calls_per_agent != 1:
            raise ValueError('calls_per_agent is for dial_mode = "ratio"; the others have one')
        return self

    @model_validator(mode="after")
    def _a_preview_is_before_somebody(self) -> CampaignDefinition:
        if self.dial_mode is DialMode.PREVIEW and self.agents.queue:
            raise ValueError('dial_mode = "preview" is for agents, not for a queue of the PBX')
        return self

    @model_validator(mode="after")
    def _the_overflow_has_time(self) -> CampaignDefinition:
        before = self.agents.overflow_before_limit_seconds
        if self.agents.overflow and before >= self.wait_limit_seconds:
            raise ValueError(
                f"agents.overflow_before_limit_seconds ({before:g}) must be less than "
                f"wait_limit_seconds ({self.wait_limit_seconds:g})"
            )
        return self

    @field_validator("retry")
    @classmethod
    def _nobody_is_redialed_blindly(
        cls, rules: Mapping[Disposition, RetryRule]
    ) -> Mapping[Disposition, RetryRule]:
        if Disposition.CALLBACK in rules:
            raise ValueError("callback has no rule: whoever promises it says when")
        for disposition in (Disposition.UNKNOWN, Disposition.UNWANTED, Disposition.DO_NOT_CALL):
            rule = rules.get(disposition)
            if rule and rule.action not in (RetryAction.CLOSE, RetryAction.REVIEW):
                raise ValueError(f"{disposition} leads are never redialed: close or review them")
        return rules

    def rule_for(self, disposition: Disposition) -> RetryRule:
        """The retry rule in force."""
        return self.retry.get(disposition, DEFAULT_RULES[disposition])

    @property
    def abandon_lock_out_seconds(self) -> int:
        """No call to somebody who was abandoned for so long, whatever else happens to the lead."""
        rule = self.rule_for(Disposition.ABANDONED)
        retries = rule.action is RetryAction.RETRY
        return rule.after_seconds if retries else ABANDON_LOCK_OUT_SECONDS

    def as_json(self) -> dict[str, Any]:
        """Plain values for SQL; `CampaignDefinition.model_validate` reads them back."""
        return self.model_dump(mode="json")
