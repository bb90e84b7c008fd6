"""The engine as the HTTP API sees it: `EngineOffice`, which fulfils `acd.api.office.Office`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
import trio

from acd.agents import AgentState, Word
from acd.api.office import Plain
from acd.app_desktops import DesktopWatch
from acd.app_preview import PreviewOffice
from acd.app_words import DesktopWords
from acd.clock import WallClock
from acd.dialer import dnc
from acd.dialer.agent_report import agents_report, report_window
from acd.dialer.campaigns import SOUNDS, check_definition, definition_file, reload_from_file
from acd.dialer.lead_records import import_records
from acd.dialer.lead_why import explain_lead, leads_named
from acd.dialer.preview import PreviewDesk
from acd.dialer.reports import campaign_report
from acd.errors import BadCampaign, BadInput, Problem
from acd.rules.definition import CampaignDefinition
from acd.settings import Settings
from acd.store import Store
from acd.store.agent_dispositions import agent_of_attempt, dispose_attempt, last_person
from acd.store.agents import AgentRow, agent_named, all_agents, ask_agent
from acd.store.blocking import leads_by_blocking_rule
from acd.store.campaigns import (
    CampaignRow,
    CampaignState,
    all_campaigns,
    campaign_by_name,
    create_campaign,
    find_campaign,
    reload_campaign,
    set_campaign_state,
)
from acd.store.lead_changes import erase_lead, promise_for, reset_leads

_BUSY = (AgentState.ON_CALL, AgentState.WRAP_UP)
_AFTER_CALL = (AgentState.READY, AgentState.RESERVED)
"""Where an agent is as soon as they have hung up, and a desktop learns of it later."""


class EngineOffice(PreviewOffice):
    """Does what the API's clients ask, as the commands do; `look` tells the engine at once."""

    def __init__(
        self,
        store: Store,
        settings: Settings,
        *,
        words: DesktopWords,
        desktops: DesktopWatch,
        previews: PreviewDesk,
        clock: WallClock,
        look: Callable[[], None],
    ) -> None:
        super().__init__(store, previews)
        self._store = store
        self._settings = settings
        self._words = words
        self._desktops = desktops
        self._clock = clock
        self._look = look
        # Imports one after another: each holds a connection and a core.
        self._imports = trio.CapacityLimiter(1)

    async def agents(self) -> list[Plain]:
        """Everybody, by name."""
        return await self._store.read(_shown_agents)

    async def agent(self, name: str) -> Plain:
        """One agent by name or extension."""
        return await self._store.read(_shown_agent, name)

    async def agent_times(self, *, since: datetime | None, until: datetime | None) -> list[Plain]:
        """What everybody did with their time, from midnight or `since` to now or `until`."""
        begin, end = report_window(since, until, now=self._clock.now())
        rows = await self._store.read(agents_report, since=begin, until=end)
        return [row.as_json() for row in rows]

    async def ask(self, name: str, wanted: AgentState, reason: str) -> Plain:
        """Log an agent off, or have them ready or not; the agent after it."""
        row = await self._store.run(
            ask_agent, name, wanted=wanted, reason=reason, now=self._clock.now()
        )
        self._words.said(row, Word(wanted.value), reason)
        self._look()
        return await self.agent(name)

    async def wrap_up(self, name: str, *, done: bool) -> Plain:
        """The agent's call is over: they still write, or are done."""
        row = await self._store.read(agent_named, name)
        had_somebody = row.state in _AFTER_CALL and await self.person(name) is not None
        if row.state not in _BUSY and not had_somebody:
            raise BadInput(f"agent {row.name}: they are {row.state} and have no call to wrap up")
        if done:
            self._words.done(row)
        else:
            self._words.said(row, Word.WRAP_UP, "")
        return await self.agent(name)

    def listening(self, name: str) -> AbstractContextManager[None]:
        """While the block lasts an agent's own desktop listens to what happens."""
        return self._desktops.listening(name)

    async def person(self, name: str) -> Plain | None:
        """The person whom the agent has or had last."""
        row = await self._store.read(agent_named, name)
        found = await self._store.read(last_person, row.extension)
        if found is None:
            return None
        shown = asdict(found)
        return {"attempt": shown.pop("attempt_id"), "lead": shown.pop("lead_id"), **shown}

    async def dispose(
        self, attempt_id: int, *, code: str, at: datetime | None, owner: str | None, by: str
    ) -> str:
        """Write an agent's disposition."""
        now = self._clock.now()
        _check_to_come(at, now)
        return await self._store.run(
            _dispose, attempt_id, by=by, code=code, now=now, at=at, owner=owner
        )

    async def campaigns(self) -> list[Plain]:
        """Every campaign with its state."""
        return [_shown_campaign(row) for row in await self._store.read(all_campaigns)]

    async def campaign(self, name: str) -> Plain:
        """One, with its leads by the rule that blocks them."""

        def look(conn: sa.Connection) -> Plain:
            found = campaign_by_name(conn, name)
            leads = leads_by_blocking_rule(conn, found, self._clock.now())
            return {**_shown_campaign(found), "leads": dict(leads)}

        return await self._store.read(look)

    async def define(self, name: str, definition: Mapping[str, Any]) -> tuple[Plain, bool]:
        """Create a campaign, or give it its next version; whether it is new."""
        row, created = await self._store.run(
            _define, self._settings, name, definition, self._clock.now()
        )
        self._look()
        return _shown_campaign(row), created

    async def reload(self, name: str) -> Plain:
        """Take over what has changed in its campaign.toml."""

        def reload(conn: sa.Connection) -> CampaignRow:
            present = campaign_by_name(conn, name)
            return reload_from_file(conn, self._settings, present, self._clock.now())

        row = await self._store.run(reload)
        self._look()
        return _shown_campaign(row)

    async def move(self, name: str, state: str) -> Plain:
        """Start, pause or stop it."""

        def move(conn: sa.Connection) -> CampaignRow:
            campaign_id = campaign_by_name(conn, name).campaign_id
            now = self._clock.now()
            set_campaign_state(conn, campaign_id=campaign_id, state=CampaignState(state), now=now)
            return campaign_by_name(conn, name)

        row = await self._store.run(move)
        self._look()
        return _shown_campaign(row)

    async def report(self, name: str) -> Plain:
        """Count it."""
        report = await self._store.read(campaign_report, name, now=self._clock.now())
        return report.as_json()

    async def add_leads(self, campaign: str, rows: Sequence[Mapping[str, str]]) -> Plain:
        """Import rows; what was refused, a row each."""
        summary, refused = await trio.to_thread.run_sync(
            lambda: import_records(
                self._store,
                self._settings,
                campaign_name=campaign,
                records=rows,
                now=self._clock.now(),
            ),
            limiter=self._imports,
        )
        counted = {"rows": summary.rows, "added": summary.added, "refused": dict(summary.refused)}
        rejected = [asdict(each) for each in refused]
        left_out = summary.numbers_left_out
        return {**counted, "numbers_left_out": left_out, "rejected": rejected}

    async def why(self, lead: str) -> list[Plain]:
        """Why a lead is not dialed now, for each campaign that has it."""
        region = self._settings.destinations.default_region

        def look(conn: sa.Connection) -> list[Plain]:
            found = leads_named(conn, lead, region)
            return [explain_lead(conn, each, self._clock.now()).as_json() for each in found]

        return await self._store.read(look)

    async def reset(self, campaign: str, *, lead_ids: Sequence[int], reason: str) -> int:
        """Let closed leads wait again; how many."""
        if not lead_ids and not reason:
            raise BadInput("say which leads, by reason or by leads")

        def reset(conn: sa.Connection) -> int:
            return reset_leads(
                conn,
                campaign_id=campaign_by_name(conn, campaign).campaign_id,
                lead_ids=lead_ids or None,
                reason=reason,
                now=self._clock.now(),
            )

        return await self._store.run(reset)

    async def call_back(self, lead_id: int, *, at: datetime, owner: str | None) -> None:
        """Promise a call at a time."""
        now = self._clock.now()
        _check_to_come(at, now)
        await self._store.run(promise_for, lead_id=lead_id, at=at, owner=owner, now=now)

    async def erase(self, lead: str) -> list[int]:
        """Forget a person; the leads that were theirs."""
        region = self._settings.destinations.default_region

        def erase(conn: sa.Connection) -> list[int]:
            found = leads_named(conn, lead, region)
            return erase_lead(conn, lead_id=found[0].lead_id, now=self._clock.now())

        return await self._store.run(erase)

    async def dnc_add(self, numbers: Sequence[str], *, on_list: str) -> int:
        """Put numbers on a list; how many are new on it."""
        now = self._clock.now()
        return await self._store.run(dnc.add, self._settings, texts=numbers, name=on_list, now=now)

    async def dnc_remove(self, numbers: Sequence[str], *, on_list: str) -> int:
        """Take numbers off a list; how many stood on it."""
        now = self._clock.now()
        return await self._store.run(
            dnc.remove, self._settings, texts=numbers, name=on_list, now=now
        )

    async def dnc_check(self, number: str) -> list[str]:
        """The lists on which a number stands."""
        return list((await self._store.read(dnc.check, self._settings, number)).lists)


def _check_to_come(at: datetime | None, now: datetime) -> None:
    if at is not None and at <= now:
        raise BadInput(Problem("at", "this moment is over", "name one to come"))


def _dispose(
    conn: sa.Connection,
    attempt_id: int,
    *,
    by: str,
    code: str,
    now: datetime,
    at: datetime | None,
    owner: str | None,
) -> str:
    if by and agent_named(conn, by).extension != agent_of_attempt(conn, attempt_id):
        raise BadInput(f"attempt {attempt_id}: its person was not with agent {by}")
    meant = dispose_attempt(
        conn, attempt_id=attempt_id, code=code, now=now, callback_at=at, callback_agent=owner
    )
    return meant.value


def _define(
    conn: sa.Connection,
    settings: Settings,
    name: str,
    table: Mapping[str, Any],
    now: datetime,
) -> tuple[CampaignRow, bool]:
    file = definition_file(settings, name)
    definition = _checked(settings, table, file)
    trunk = definition.trunk or settings.trunk[0].name
    present = find_campaign(conn, name)
    if present is None:
        made = create_campaign(conn, name=name, definition=definition, trunk=trunk, now=now)
        return made, True
    renewed = reload_campaign(
        conn, campaign_id=present.campaign_id, definition=definition, trunk=trunk, now=now
    )
    return renewed, False


def _checked(settings: Settings, table: Mapping[str, Any], file: Path) -> CampaignDefinition:
    """The definition; nobody may have the engine play, or look for, files of other folders."""
    folder = file.parent.resolve()
    outside = [key for key in SOUNDS if _is_outside(folder, table.get(key))]
    if outside:
        put = f"put it in {folder.name}/"
        raise BadCampaign(
            [Problem(key, "it is outside the campaign's folder", put) for key in outside]
        )
    try:
        return check_definition(settings, table, file=file)
    except BadCampaign as exc:
        raise BadCampaign(
            [
                # Where the installation stands is nobody's business out there.
                Problem(
                    each.where.removeprefix(f"{file}, "),
                    each.what.replace(f"{folder}/", ""),
                    each.allowed,
                )
                for each in exc.problems
            ]
        ) from None


def _is_outside(folder: Path, sound: object) -> bool:
    if not isinstance(sound, str):
        return False
    return "\0" in sound or not (folder / sound).resolve().is_relative_to(folder)


def _shown_campaign(row: CampaignRow) -> Plain:
    return {"name": row.name, "state": row.state, "trunk": row.trunk, "version": row.version}


def _shown_agents(conn: sa.Connection) -> list[Plain]:
    campaigns = {row.campaign_id: row.name for row in all_campaigns(conn)}
    return [_shown(row, campaigns) for row in all_agents(conn)]


def _shown_agent(conn: sa.Connection, name: str) -> Plain:
    campaigns = {row.campaign_id: row.name for row in all_campaigns(conn)}
    return _shown(agent_named(conn, name), campaigns)


def _shown(row: AgentRow, campaigns: Mapping[int, str]) -> Plain:
    plain = asdict(row)
    for key in ("agent_id", "version", "campaign_ids"):
        del plain[key]
    names = sorted(campaigns[each] for each in row.campaign_ids)
    return {**plain, "skills": sorted(row.skills), "campaigns": names}
