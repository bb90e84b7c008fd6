from __future__ import annotations

from pathlib import Path

import pytest

from acd.app import node_name, open_engine
from acd.errors import BindingTooSmall
from acd.settings import DialogInfoSettings, FeedsSettings, Settings, StoreSettings, TrunkSettings
from acd.sip.limits import BUDDIES_PER_WATCH, compiled_limits
from acd.store import open_store_sync
from acd.store.agents import NewAgent, save_agents
from tests.contract.store.world import NOON, World


def settings(folder: str) -> Settings:
    trunk = TrunkSettings(domain="127.0.0.1", user="dialer")
    return Settings(trunk=(trunk,), control_socket=Path(folder) / "acd.sock")


def test_an_engine_keeps_its_name_and_two_installations_never_share_one() -> None:
    assert node_name(settings("/srv/one")) == node_name(settings("/srv/one"))
    assert node_name(settings("/srv/one")) != node_name(settings("/srv/two"))


def test_the_name_fits_its_column() -> None:
    assert len(node_name(settings("/srv/" + "x" * 300))) <= 64


async def test_more_agents_than_can_be_watched_end_the_start_with_both_numbers(
    tmp_path: Path,
) -> None:
    url = f"sqlite:///{tmp_path}/acd.sqlite"
    holds = compiled_limits().buddies // BUDDIES_PER_WATCH
    with open_store_sync(url, create=True) as store:
        world = World(store)
        campaign_id = world.campaign(agents={"extensions": ["101"], "skills": ["german"]})
        world.campaign(running=False, agents={"extensions": ["9999"]})
        store.run_sync(
            save_agents,
            [
                NewAgent(
                    name=f"agent-{number}",
                    extension=f"{1000 + number}",
                    display_name="",
                    # The last one serves nobody, so nobody watches their phone.
                    skills=frozenset({"german"} if number < holds else {"french"}),
                    campaign_ids=frozenset({campaign_id}),
                )
                for number in range(holds + 1)
            ],
            now=NOON,
        )
    watching = Settings(
        trunk=settings("/srv").trunk,
        store=StoreSettings(url=url),
        feeds=FeedsSettings(dialog_info=DialogInfoSettings()),
    )
    told = f"{holds + 1} extensions are to be watched, but this pjsua2 watches {holds}; "
    with pytest.raises(BindingTooSmall, match=told):
        async with open_engine(watching):
            pass
