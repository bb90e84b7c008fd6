"""`acd.toml` in a folder of its own, loaded, and what is said where it is refused.

Every refusal is looked at as the person sees it: one line with file, key, line, value and what is
allowed. A secret is searched for in the whole text of the error and of its tracebacks.
"""

from __future__ import annotations

import traceback
from pathlib import Path

import pytest

from acd.errors import BadSettings
from acd.settings import Settings, load_settings

TRUNK = '[[trunk]]\ndomain = "pbx.example.com"\nuser = "dialer"\n'
AMI = TRUNK + '[feeds.ami]\nhost = "pbx"\nuser = "acd"\npassword_env = "ACD_AMI"\n'
API_CLIENT = '[[api_client]]\nname = "crm"\nrole = "integrator"\ntoken_env = "ACD_API"\n'
SECRET = "hunter2-the-password"


def load(folder: Path, text: str, environ: dict[str, str] | None = None) -> Settings:
    """The settings of this text."""
    path = folder / "acd.toml"
    path.write_text(text, encoding="utf-8")
    return load_settings(path, environ or {})


def refusal(folder: Path, text: str, environ: dict[str, str] | None = None) -> list[str]:
    """One line a problem, without the folder."""
    with pytest.raises(BadSettings) as caught:
        load(folder, text, environ)
    everything = "".join(traceback.format_exception(caught.value)) + repr(caught.value)
    assert SECRET not in everything
    return [str(problem).replace(f"{folder}/", "") for problem in caught.value.problems]


def secret_file(folder: Path, text: str = SECRET + "\n", mode: int = 0o600) -> Path:
    """What `password_file` may name."""
    path = folder / "dialer.password"
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)
    return path
