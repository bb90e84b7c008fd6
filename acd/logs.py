"""Logs: sentences with fields for a person on a terminal, JSON lines otherwise.

Every line has a stable `action`; campaign, lead, attempt and call ids come from the
context (`structlog.contextvars`). Passwords, tokens and full phone numbers never get here.
"""

from __future__ import annotations

import logging
import sys

import structlog

from acd.settings import LogSettings


def configure_logs(settings: LogSettings) -> None:
    """Send every log line to stderr in the form that suits who reads it."""
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer(colors=True)
        if sys.stderr.isatty()
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
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=False,
    )
