"""Lead files of a size that takes time, on both databases."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import structlog

from acd.settings import Settings
from tests.peers.postgres import PostgresServer, running_postgres


@dataclass(frozen=True)
class Place:
    """An installation in a folder of its own: settings file, campaign, database URL."""

    folder: Path
    url: str

    @property
    def settings(self) -> Settings:
        return Settings.model_validate(
            {
                "trunk": [{"domain": "pbx.example", "user": "1"}],
                "store": {"url": self.url},
                "campaigns_folder": self.folder / "campaigns",
            }
        )

    @property
    def config(self) -> Path:
        return self.folder / "acd.toml"


@pytest.fixture(autouse=True)
def _own_logs() -> Iterator[None]:
    """A command run in this process sends its log where it stood then; later tests must not."""
    yield
    structlog.reset_defaults()


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    with running_postgres() as server:
        yield server


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.real)])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path / 'acd.sqlite'}"
    else:
        server: PostgresServer = request.getfixturevalue("postgres")
        url = server.new_database()
    folder = tmp_path / "campaigns" / "spring"
    folder.mkdir(parents=True)
    (folder / "campaign.toml").write_text('[agents]\nextensions = ["201"]\n')
    found = Place(folder=tmp_path, url=url)
    found.config.write_text(
        f'campaigns_folder = "{folder.parent}"\n'
        '[[trunk]]\ndomain = "pbx.example"\nuser = "1"\nregister = false\n'
        f'[store]\nurl = "{url}"\n'
    )
    return found


def write_leads(path: Path, rows: int, *, start: int = 0) -> Path:
    """Valid Austrian mobile numbers, one a row; other numbers for another start."""
    with path.open("w") as file:
        file.write("name;phone;zip\n")
        file.writelines(
            f"Anna {row};0664/{1000000 + row};01{row % 1000:03}\n"
            for row in range(start, start + rows)
        )
    return path
