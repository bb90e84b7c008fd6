from __future__ import annotations

import re
import wave
from pathlib import Path

import pytest
from pydantic import BaseModel

from acd.dialer.campaigns import load_definition
from acd.errors import BadCampaign, UnknownName
from acd.rules.definition import (
    AgentsTable,
    CallerIdTable,
    CampaignDefinition,
    DncTable,
    FilterTable,
    HoursTable,
)
from acd.rules.dispositions import RetryRule
from acd.settings import Settings

MINIMAL = '[agents]\nextensions = ["201"]\n'


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    trunk = {"domain": "pbx", "user": "1"}
    return Settings.model_validate({"trunk": [trunk], "campaigns_folder": tmp_path})


def write(settings: Settings, text: str) -> Path:
    folder = settings.campaigns_folder / "x"
    folder.mkdir()
    (folder / "campaign.toml").write_text(text, encoding="utf-8")
    return folder


def test_agents_are_all_that_must_be_said(settings: Settings) -> None:
    write(settings, MINIMAL)
    assert load_definition(settings, "x").agents.extensions == ("201",)


def test_the_sample_is_right() -> None:
    folder = Path(__file__).parents[3] / "campaigns"
    settings = Settings.model_validate(
        {"trunk": [{"domain": "pbx", "user": "1"}], "campaigns_folder": folder}
    )
    assert load_definition(settings, "sample").default_region == "DE"


def test_the_sample_shows_every_key() -> None:
    sample = Path(__file__).parents[3] / "campaigns" / "sample" / "campaign.toml"
    shown: dict[str, set[str]] = {"": set()}
    table = ""
    for line in sample.read_text(encoding="utf-8").splitlines():
        text = line.removeprefix("# ")
        if found := re.match(r"\[{1,2}([a-z_]+)\.?([a-z_]*)", text):
            table = found[1]
            shown.setdefault(table, set()).add(found[2])
        shown[table] |= set(re.findall(r"(?:^|or: )([a-z_]+) = ", text))
    tables: dict[str, type[BaseModel]] = {
        "agents": AgentsTable,
        "caller_id": CallerIdTable,
        "calling_hours": HoursTable,
        "dnc": DncTable,
        "filter": FilterTable,
        "retry": RetryRule,
    }
    for name, model in tables.items():
        assert shown[name] >= set(model.model_fields), name
    assert shown[""] | shown.keys() >= set(CampaignDefinition.model_fields)


def test_everything_wrong_is_said_at_once_with_file_and_key(settings: Settings) -> None:
    write(
        settings,
        """
        dial_mode = "predictive"
        ring_timeout_seconds = 5
        max_atempts = 3
        [agents]
        extensions = ["201"]
        queue = "sales"
        [calling_hours]
        monday = ["9-17"]
        [retry.bussy]
        action = "retry"
        [retry.no_answer]
        action = "again"
        """,
    )
    with pytest.raises(BadCampaign) as raised:
        load_definition(settings, "x")
    places = [problem.where.rpartition(", ")[2] for problem in raised.value.problems]
    told = dict(
        zip((place.partition(" ")[0] for place in places), raised.value.problems, strict=True)
    )
    assert set(places) == {
        "dial_mode (line 2)",
        "ring_timeout_seconds (line 3)",
        "max_atempts (line 4)",
        "agents (line 5)",
        "calling_hours.monday.0 (line 9)",
        "retry.bussy.[key] (line 10)",
        "retry.no_answer.action (line 13)",
    }
    assert told["max_atempts"].allowed == "did you mean max_attempts?"
    assert "'predictive'" in str(told["dial_mode"])
    assert "progressive" in told["dial_mode"].allowed
    assert all("campaign.toml" in problem.where for problem in raised.value.problems)


@pytest.mark.parametrize(
    ("text", "where", "what"),
    [
        ('trunk = "carrier"\n' + MINIMAL, "trunk (line 1)", "there is main"),
        ('[agents]\nextensions = ["112"]\n', "agents.extensions (line 2)", "emergency"),
        (
            '\nabandon_message = "sorry.wav"\n' + MINIMAL,
            "abandon_message (line 2)",
            "cannot be read",
        ),
        ('comfort_audio = "wait.wav"\n' + MINIMAL, "comfort_audio", "cannot be read"),
        ('comfort_audio = "a\\u0000b"\n' + MINIMAL, "comfort_audio", "no NUL byte"),
        ("weight = 0\n" + MINIMAL, "weight", "greater than or equal to 1"),
        ("shortest_ring_seconds = 61\n" + MINIMAL, "shortest_ring", "less than or equal to 60"),
        ("ramp_seconds = -1\n" + MINIMAL, "ramp_seconds", "greater than or equal to 0"),
        ("agents = nobody\n", "campaign.toml", "line 1"),
        ('[agents]\nqueue = "sales"\n', "agents", "slots"),
        ('[agents]\nextensions = ["201"]\noverflow = "112"\n', "agents.overflow", "emergency"),
        ('[agents]\nextensions = ["201"]\noverflow = "201"\n', "agents", "another target"),
        (
            '[agents]\noverflow = "all"\noverflow_before_limit_seconds = 2\n',
            "campaign.toml",
            "less than wait_limit_seconds (2)",
        ),
        ('[retry.unknown]\naction = "retry"\n' + MINIMAL, "retry", "never redialed"),
    ],
)
def test_a_definition_that_does_not_fit_is_refused(
    settings: Settings, text: str, where: str, what: str
) -> None:
    write(settings, text)
    with pytest.raises(BadCampaign) as raised:
        load_definition(settings, "x")
    [problem] = raised.value.problems
    assert where in problem.where
    assert what in str(problem)


def test_comfort_audio_that_is_no_wav_is_refused_in_one_sentence(settings: Settings) -> None:
    folder = write(settings, 'comfort_audio = "wait.wav"\n' + MINIMAL)
    (folder / "wait.wav").write_bytes(b"ID3 this is no WAV")
    with pytest.raises(BadCampaign, match=r"wait\.wav is not such a file") as raised:
        load_definition(settings, "x")
    [problem] = raised.value.problems
    assert "\n" not in str(problem)


def test_a_message_has_an_absolute_path_and_the_lines_own_format(settings: Settings) -> None:
    folder = write(settings, 'abandon_message = "sorry.wav"\n' + MINIMAL)
    for rate in (44100, 8000):
        with wave.open(str(folder / "sorry.wav"), "wb") as sound:
            sound.setnchannels(1)
            sound.setsampwidth(2)
            sound.setframerate(rate)
            sound.writeframes(b"\0\0" * 80)
        if rate == 44100:
            with pytest.raises(BadCampaign, match="44100 Hz"):
                load_definition(settings, "x")
    assert load_definition(settings, "x").abandon_message == folder / "sorry.wav"


def test_a_missing_definition_is_named(settings: Settings) -> None:
    with pytest.raises(UnknownName, match=r"there is no file .*nothing.campaign\.toml"):
        load_definition(settings, "nothing")


@pytest.mark.parametrize("name", ["../x", "A", "", "a b"])
def test_a_name_is_no_path(settings: Settings, name: str) -> None:
    with pytest.raises(BadCampaign, match="small letters"):
        load_definition(settings, name)
