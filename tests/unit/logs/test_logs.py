from __future__ import annotations

import io
import json
import stat
from pathlib import Path

import pytest
import structlog

from acd.errors import BadSettings
from acd.logs import configure_logs, debugging, engine_logs, set_log_level
from acd.logs.rotating import RotatingFile
from acd.settings import LogSettings


def test_lines_are_json_off_a_terminal_and_carry_the_context() -> None:
    stream = io.StringIO()
    configure_logs(LogSettings(), stream)
    with structlog.contextvars.bound_contextvars(campaign="sample", attempt=17):
        structlog.get_logger().info("answered", action="call.answered")
    line = json.loads(stream.getvalue())
    assert (line["event"], line["action"], line["level"]) == ("answered", "call.answered", "info")
    assert (line["campaign"], line["attempt"]) == ("sample", 17)


def test_lines_are_sentences_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(stream, "isatty", lambda: True)
    configure_logs(LogSettings(), stream)
    structlog.get_logger().info("answered", action="call.answered")
    assert "answered" in stream.getvalue()
    assert not stream.getvalue().startswith("{")


def test_the_level_changes_while_the_program_runs() -> None:
    stream = io.StringIO()
    log = structlog.get_logger()
    configure_logs(LogSettings(level="warning"), stream)
    log.debug("unheard", action="a")
    set_log_level("debug")
    assert debugging()
    log.debug("heard", action="a")
    set_log_level("error")
    assert not debugging()
    log.warning("unheard", action="a")
    assert [json.loads(line)["event"] for line in stream.getvalue().splitlines()] == ["heard"]


def test_the_file_gets_every_line_and_stderr_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "acd.log"
    with engine_logs(LogSettings(file=file)):
        structlog.get_logger().info("answered", action="call.answered")
    structlog.get_logger().info("later", action="call.answered")
    assert [json.loads(line)["event"] for line in file.read_text().splitlines()] == ["answered"]
    assert "answered" not in capsys.readouterr().err.replace("call.answered", "")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_files_rotate_by_size_and_the_oldest_goes(tmp_path: Path) -> None:
    path = tmp_path / "acd.log"
    with RotatingFile(path, most_bytes=22, old_files=2) as file:
        for number in range(8):
            file.write(f"line {number} ..")
    assert {each.name: each.read_text().split()[1::3] for each in tmp_path.iterdir()} == {
        "acd.log": ["6", "7"],
        "acd.log.1": ["4", "5"],
        "acd.log.2": ["2", "3"],
    }


def test_a_line_that_the_file_refuses_goes_to_the_stream(tmp_path: Path) -> None:
    stream = io.StringIO()
    file = RotatingFile(tmp_path / "acd.log", most_bytes=100, old_files=0)
    file.close()
    configure_logs(LogSettings(), stream, also=file)
    structlog.get_logger().info("answered", action="call.answered")
    assert json.loads(stream.getvalue())["event"] == "answered"


def test_a_file_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    with (
        pytest.raises(BadSettings, match=r"none/acd\.log cannot be written: No such file"),
        engine_logs(LogSettings(file=tmp_path / "none" / "acd.log")),
    ):
        pass
