"""Judging rows on every core: reading phone numbers is nine tenths of an import's work.

How it works: a few worker processes, started afresh (`spawn`: a fork would copy the database
connection and the threads around it), get chunks of rows and send back rows for the staging
tables, in the file's order. A worker whose parent is killed leaves by itself.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import chain, islice

from acd.dialer.lead_files import Row
from acd.dialer.lead_rows import Judged, RowJudge
from acd.errors import AcdError

Chunk = tuple[list[Row], int]
"""Rows, and how many bytes of the file were read with them."""
WORTH_A_POOL = 2
"""Chunks below which starting the workers costs more than they save."""

_judge: RowJudge | None = None


def judge_chunks(judge: RowJudge, chunks: Iterable[Chunk]) -> Iterator[tuple[Judged, int]]:
    """Judge chunks in order, each with how many bytes of the file were read."""
    chunks = iter(chunks)
    first = list(islice(chunks, WORTH_A_POOL))
    cores = len(os.sched_getaffinity(0))
    if len(first) < WORTH_A_POOL or cores == 1:
        for rows, bytes_read in chain(first, chunks):
            yield judge.judge(rows), bytes_read
        return
    yield from _judge_in_pool(judge, chain(first, chunks), cores)


def _judge_in_pool(
    judge: RowJudge, chunks: Iterable[Chunk], cores: int
) -> Iterator[tuple[Judged, int]]:
    pool = ProcessPoolExecutor(
        cores, multiprocessing.get_context("spawn"), initializer=_prepare, initargs=(judge,)
    )
    try:
        waiting: deque[tuple[Future[Judged], int]] = deque()
        for rows, bytes_read in chunks:
            waiting.append((pool.submit(_judge_rows, rows), bytes_read))
            # One chunk more than the cores keeps them busy; many more would fill the memory.
            if len(waiting) > cores + 1:
                future, read = waiting.popleft()
                yield future.result(), read
        for future, read in waiting:
            yield future.result(), read
    except BrokenProcessPool as exc:
        raise AcdError(
            "a process that read phone numbers was killed, out of memory perhaps; "
            "nothing was imported"
        ) from exc
    finally:
        pool.shutdown(cancel_futures=True)


def _prepare(judge: RowJudge) -> None:
    global _judge
    _judge = judge
    # Ctrl-C reaches the whole group; the parent ends the pool.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_leave_with_parent, daemon=True).start()


def _leave_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _judge_rows(rows: list[Row]) -> Judged:
    if _judge is None:
        raise AssertionError("a worker judges before it was prepared")
    return _judge.judge(rows)
