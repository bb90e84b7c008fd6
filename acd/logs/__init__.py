"""Logs: sentences with fields for a person on a terminal, JSON lines otherwise.

Every line has a stable `action` (`acd.logs.actions` is the table); campaign, lead, attempt and
call ids come from the context (`structlog.contextvars`), so that one `grep` tells a call's story.
Passwords, tokens and full phone numbers never get here.

With `[log] file` the engine writes JSON lines there, which rotate by size, and on a terminal still
talks to the person in front of it.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

import structlog

from acd.logs.rotating import RotatingFile, megabytes
from acd.settings import LogLevel, LogSettings

_debugging = False


def configure_logs(
    settings: LogSettings, file: TextIO | None = None, *, also: RotatingFile | None = None
) -> None:
    """Send every log line to `file`, or to stderr, in the form that suits who reads it.

    Args:
        settings: of the level.
        file: a stream; None: stderr.
        also: gets every line as JSON; the stream then gets them on a terminal only.
    """
    file = file or sys.stderr
    renderers: list[structlog.typing.Processor] = []
    if also is not None:
        renderers.append(_FileRenderer(also, silence=not file.isatty()))
    renderers.append(
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
            *renderers,
        ],
        wrapper_class=_wrapper(settings.level),
        logger_factory=structlog.PrintLoggerFactory(file=file),
        cache_logger_on_first_use=False,
    )


@contextmanager
def engine_logs(settings: LogSettings) -> Iterator[None]:
    """Write to `[log] file` too while the block lasts, where one is set.

    Raises:
        BadSettings: the file cannot be written.
    """
    if settings.file is None:
        configure_logs(settings)
        yield
        return
    with RotatingFile(
        settings.file,
        most_bytes=megabytes(settings.file_megabytes),
        old_files=settings.old_files,
    ) as file:
        configure_logs(settings, also=file)
        try:
            yield
        finally:
            configure_logs(settings)


def set_log_level(level: LogLevel) -> None:
    """Change the level of a program that runs.

    Every later line obeys it; those that tell of one attempt obey the level of its beginning.
    """
    structlog.configure(wrapper_class=_wrapper(level))


def debugging() -> bool:
    """Whether debug lines are wanted; ask before one that is written several times a call.

    structlog takes 6 µs to find out that nobody wants a line, more than all else that a line's
    event or a decision of the pacing costs.
    """
    return _debugging


def _wrapper(level: LogLevel) -> type[structlog.typing.FilteringBoundLogger]:
    global _debugging
    _debugging = level == "debug"
    return structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()])


class _FileRenderer:
    """Writes each line to a file, and ends it there where no person watches."""

    def __init__(self, file: RotatingFile, *, silence: bool) -> None:
        self._file = file
        self._silence = silence
        self._render = structlog.processors.JSONRenderer()

    def __call__(
        self, logger: structlog.typing.WrappedLogger, name: str, event: structlog.typing.EventDict
    ) -> structlog.typing.EventDict:
        try:
            self._file.write(str(self._render(logger, name, dict(event))))
        except OSError:
            return event  # a full disk must not cost the line, nor the engine: stderr gets it
        if self._silence:
            raise structlog.DropEvent
        return event
