"""The end of a server that a test has started."""

from __future__ import annotations

import trio


async def terminate(process: trio.Process, *, timeout_seconds: float) -> None:
    """SIGTERM, whoever cancels meanwhile; one that hangs is killed after `timeout_seconds`."""
    with trio.CancelScope(shield=True):
        if process.poll() is None:
            process.terminate()
        with trio.move_on_after(timeout_seconds):
            await process.wait()
            return
        process.kill()
        await process.wait()
