from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from acd.demo.files import DemoFolder, DemoPlan, campaign_toml, write_installation
from acd.demo.leads import BLOCKS, MOST_LEADS, SHARES, demo_leads, leads_csv
from acd.dialer.campaigns import load_definition
from acd.lab.behaviour import CONDUCTS, Conduct
from acd.lines import Destination, DestinationKind, Door
from acd.settings import load_settings

CAMPAIGN = Path(__file__).parents[3] / "campaigns" / "demo"
DEFAULT = DemoPlan(leads=400, agents=40, seed=1)


def conducts(count: int) -> Counter[Conduct]:
    return Counter(CONDUCTS[lead.number[-1]] for lead in demo_leads(count, seed=1))


@pytest.mark.parametrize("count", [1, 7, 40, 400, MOST_LEADS])
def test_there_are_as_many_leads_as_wanted_and_no_number_twice(count: int) -> None:
    numbers = [lead.number for lead in demo_leads(count, seed=3)]

    assert len(numbers) == len(set(numbers)) == count


def test_the_shares_are_of_a_hundred_and_are_kept() -> None:
    assert sum(SHARES.values()) == 100
    assert conducts(400) == {conduct: 4 * share for conduct, share in SHARES.items()}


def test_every_conduct_that_takes_time_is_in_a_small_demo_too() -> None:
    assert set(conducts(40)) == set(SHARES)


def test_the_same_seed_gives_the_same_people() -> None:
    assert demo_leads(40, seed=1) == demo_leads(40, seed=1) != demo_leads(40, seed=2)


def test_every_number_is_one_that_the_regulator_keeps_free() -> None:
    for lead in demo_leads(MOST_LEADS, seed=1):
        assert lead.number[:-3] in BLOCKS


def test_phones_that_ring_out_do_not_come_last() -> None:
    late = demo_leads(400, seed=1)[360:]

    assert not [lead for lead in late if CONDUCTS[lead.number[-1]] is Conduct.RINGS_OUT]


def test_the_installation_is_one_that_acd_takes(tmp_path: Path) -> None:
    folder, plan = DemoFolder(tmp_path), DemoPlan(leads=20, agents=3, seed=1)

    write_installation(folder, plan, domain="127.0.0.1:5070", watch="127.0.0.1:5071")

    settings = load_settings(folder.settings, {})
    definition = load_definition(settings, "demo")
    assert settings.trunk[0].domain == "127.0.0.1:5070"
    assert settings.trunk[0].lines == plan.lines == 4
    assert settings.feeds.dialog_info is not None
    assert settings.feeds.dialog_info.domain == "127.0.0.1:5071"
    assert definition.agents.extensions == ("2001", "2002", "2003")
    assert definition.max_attempts == 1
    door = Door(settings.destinations, settings.trunk[0])
    for row in folder.leads.read_text().splitlines()[1:]:
        admitted = door.admit(row.split(",")[1], DestinationKind.LEAD)
        assert isinstance(admitted, Destination)
        assert admitted.user == row.split(",")[1]


def test_an_agent_is_never_offered_two_people() -> None:
    """By hand, and without the lab's agent states, the stated handle time alone decides."""
    handle = next(line for line in campaign_toml(DEFAULT).splitlines() if "handle" in line)

    assert float(handle.partition("=")[2]) > 8.0


def test_the_campaign_in_the_repository_is_the_demos() -> None:
    assert (CAMPAIGN / "campaign.toml").read_text() == campaign_toml(DEFAULT)
    assert (CAMPAIGN / "leads.csv").read_text() == leads_csv(demo_leads(400, seed=1))
