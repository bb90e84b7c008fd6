"""Logs: sentences with fields for a person on a terminal, JSON lines otherwise.

Every line has a stable `action`; campaign, lead, attempt and call ids come from the
context (`structlog.contextvars`). Passwords, tokens and full phone numbers never get here.
"""

from __future__ import annotations

import logging
import sys
from typing import TextIO

import structlog

from acd.settings import LogSettings


def configure_logs(settings: LogSettings, file: TextIO | None = None) -> None:
    """Send every log line to `file`, or to stderr, in the form that suits who reads it."""
    file = file or sys.stderr
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer(colors=True)
        if file.isatty()
        else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.getLevelNamesMapping()[settings.level.upper()]
        ),
        logger_factory=structlog.PrintLoggerFactory(file=file),
        cache_logger_on_first_use=False,
    )
