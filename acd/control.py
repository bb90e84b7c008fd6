"""The local control socket: commands reach the running engine at once, and know whether one runs.

SQL is the truth: `acd campaign pause` writes it, then asks the engine to look. One JSON object a
line in each direction over a Unix socket that only its owner may open (0600):

    {"ask": "look"}  ─▶  {"ok": true, "pid": 4711}
    {"ask": "log-level", "level": "debug"}  ─▶  {"ok": true, "pid": 4711, "level": "debug"}

That no second engine runs here is not asked over the socket, for a busy engine answers late: each
holds a lock on a file beside it, which ends with its process.
"""

from __future__ import annotations

import fcntl
import inspect
import json
import os
import socket
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import trio

from acd.errors import AddressInUse, EngineSilent

ANSWER_SECONDS = 1.0
"""How long a command waits for the engine, and the engine for a command."""
MAX_LINE_BYTES = 1 << 20
"""999 profiles have 100,000 bytes and more."""

Handler = Callable[..., Mapping[str, Any]]
"""What the engine does and answers when it is asked; returns at once. Takes what stands beside
`ask` by keyword; an answer with `ok` false says `why`."""


@contextmanager
def only_engine(path: Path) -> Iterator[None]:
    """Be the one engine of this control socket while the block lasts.

    Raises:
        AddressInUse: another one is.
    """
    lock = path.with_name(f"{path.name}.lock")
    try:
        # Never unlinked: somebody may be opening it, and would then lock a file that is gone.
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise AddressInUse(_unusable(lock, error)) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise AddressInUse(
            f"another engine runs here and holds {lock}; stop it first, or name another "
            "control_socket"
        ) from None
    try:
        yield
    finally:
        os.close(descriptor)


def _unusable(path: Path, error: OSError) -> str:
    why = error.strerror or error
    return f"the control socket's {path} cannot be opened: {why}; name another control_socket"


@asynccontextmanager
async def open_control(path: Path, handlers: Mapping[str, Handler]) -> AsyncIterator[None]:
    """Answer on `path` while the block lasts; inside `only_engine`.

    Args:
        path: of the socket; what a dead engine left there is replaced.
        handlers: what may be asked, besides `ping`.

    Raises:
        AddressInUse: the path cannot be listened on.
    """
    with _listening(path) as sock:
        answer = partial(_answer, {"ping": _ping, **handlers})
        listener = trio.SocketListener(trio.socket.from_stdlib_socket(sock))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.serve_listeners, answer, [listener])
            yield
            nursery.cancel_scope.cancel()


def _ping() -> Mapping[str, Any]:
    return {}


@contextmanager
def _listening(path: Path) -> Iterator[socket.socket]:
    path.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        # Nobody else may connect in the moment between bind and chmod either.
        before = os.umask(0o177)
        try:
            sock.bind(str(path))
            sock.listen()
        except OSError as error:
            raise AddressInUse(_unusable(path, error)) from error
        finally:
            os.umask(before)
        try:
            yield sock
        finally:
            path.unlink(missing_ok=True)


async def _answer(handlers: Mapping[str, Handler], stream: trio.SocketStream) -> None:
    """One question a connection; whoever is slow or gone harms only themselves."""
    with trio.move_on_after(ANSWER_SECONDS), suppress(trio.BrokenResourceError):
        reply = _reply(handlers, await _read_line(stream))
        await stream.send_all(json.dumps(reply).encode() + b"\n")


async def _read_line(stream: trio.SocketStream) -> bytes:
    line = b""
    while not line.endswith(b"\n") and len(line) < MAX_LINE_BYTES:
        part = await stream.receive_some()
        if not part:
            break
        line += part
    return line


def _reply(handlers: Mapping[str, Handler], line: bytes) -> dict[str, Any]:
    try:
        arguments = json.loads(line)
        handler = handlers[arguments.pop("ask")]
    except (ValueError, KeyError, TypeError, AttributeError):
        known = ", ".join(sorted(handlers))
        return {"ok": False, "why": f"this engine does not answer that; allowed: {known}"}
    try:
        inspect.signature(handler).bind(**arguments)
    except (TypeError, ValueError):
        if arguments:
            return {"ok": False, "why": f"this engine does not know {', '.join(arguments)}"}
    return {"ok": True, "pid": os.getpid(), **handler(**arguments)}


def ask_engine(path: Path, question: str, **arguments: Any) -> dict[str, Any] | None:
    """Ask the running engine; blocks for `ANSWER_SECONDS` at most.

    Returns:
        Its answer; None when no engine runs here.

    Raises:
        EngineSilent: one is there and does not answer.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.settimeout(ANSWER_SECONDS)
        try:
            sock.connect(str(path))
            sock.sendall(json.dumps({"ask": question, **arguments}).encode() + b"\n")
            with sock.makefile("rb") as answer:
                reply = json.loads(answer.readline(MAX_LINE_BYTES))
        except (FileNotFoundError, ConnectionRefusedError):
            return None
        except (TimeoutError, BlockingIOError, ConnectionError, ValueError):
            raise EngineSilent(
                f"the engine behind {path} has not answered within {ANSWER_SECONDS:.0f} s"
            ) from None
        except OSError as error:
            raise EngineSilent(_unusable(path, error)) from error
    return dict(reply)
