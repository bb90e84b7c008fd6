"""What may be played, and the one sentence about what may not."""

from __future__ import annotations

from pathlib import Path

import pytest

from acd.dialer.comfort import open_comfort_noise
from acd.errors import BadInput
from acd.sip.wav import read_wav
from tests.peers.g711 import write_wav


def test_8_khz_mono_16_bit_may_be_played(tmp_path: Path) -> None:
    assert read_wav(write_wav(tmp_path / "a.wav", [0] * 4000)).seconds == 0.5


def test_the_engines_own_noise_may_be_played_by_the_name_that_it_is_given() -> None:
    with open_comfort_noise() as path:
        wav = read_wav(path)
        assert wav.seconds == 8
        assert Path(wav.path).read_bytes().startswith(b"RIFF")
    assert not path.exists()


@pytest.mark.parametrize(
    ("format_", "said"),
    [
        ({"rate": 16000}, "16000 Hz, 1 channel"),
        ({"channels": 2}, "2 channel"),
        ({"width": 3}, "24 bit"),
    ],
)
def test_another_format_is_refused_with_the_command_that_converts_it(
    tmp_path: Path, format_: dict[str, int], said: str
) -> None:
    path = write_wav(tmp_path / "a.wav", [0] * 4000, **format_)
    with pytest.raises(BadInput, match=rf"{said}.*sox a\.wav -r 8000 -c 1 -b 16"):
        read_wav(path)


@pytest.mark.parametrize("content", [b"", b"RIFF", b"ID3 this is an mp3", b"RIFF\0\0\0\0WAVE"])
def test_what_is_no_wav_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(content)
    with pytest.raises(BadInput, match="no PCM WAV"):
        read_wav(path)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="No such file"):
        read_wav(tmp_path / "none.wav")


def test_a_file_without_a_whole_frame_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="shorter than 20 ms"):
        read_wav(write_wav(tmp_path / "a.wav", [0] * 100))


def test_a_file_that_was_written_again_is_another_one(tmp_path: Path) -> None:
    before = read_wav(write_wav(tmp_path / "a.wav", [0] * 4000))
    path = write_wav(tmp_path / "a.wav", [1] * 4000)
    assert read_wav(path) != before
