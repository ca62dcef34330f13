"""Work shared out to processes, which end with the one that started them, whichever way that one ends."""

import os
import signal
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ProcessPoolExecutor, wait
from multiprocessing import connection, get_context, parent_process
from multiprocessing.sharedctypes import Synchronized
from multiprocessing.synchronize import Event
from threading import Thread
from typing import TypeVar

Item = TypeVar("Item")
Count = Callable[[int], None]

_POLL = 0.2  # seconds between two looks at what the processes have counted


def run(work: Callable[[Item, Count], None], items: Sequence[Item], processes: int, told: Count) -> int:
    """Does `work` on each item and returns the sum of what the work counted; `told` gets the sum so far, often.

    With one process, or one item, in this very process. The others are spawned, so work and items are pickled,
    and a script that asks for more than one needs the usual `if __name__ == "__main__"`. Work that counts ends
    early when other work has failed, or this process is interrupted. Raises what the work raised;
    BrokenProcessPool when one of the processes was killed.
    """
    if min(processes, len(items)) == 1:
        return _run_here(work, items, told)
    context = get_context("spawn")  # the same on Linux and macOS, and safe beside threads
    tally, stop = context.Value("q", 0), context.Event()
    pool = ProcessPoolExecutor(min(processes, len(items)), context, _enlist, (tally, stop))
    try:
        # Ctrl-C goes to all processes of a terminal. Those started while it is blocked never see it; we stop them.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            futures = [pool.submit(_run_there, work, item) for item in items]
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        pending = set(futures)
        while pending:
            done, pending = wait(pending, _POLL, FIRST_EXCEPTION)
            for future in (one for one in futures if one in done):  # the first item's error wins
                future.result()
            told(tally.value)
    finally:
        stop.set()
        pool.shutdown(cancel_futures=True)
    return int(tally.value)


def _run_here(work: Callable[[Item, Count], None], items: Sequence[Item], told: Count) -> int:
    total = 0

    def count(n: int) -> None:
        nonlocal total
        total += n
        told(total)

    for item in items:
        work(item, count)
    return total


class _Stopped(Exception):
    """Nobody wants the rest of this work."""


_tally: "Synchronized[int]"
_stop: Event


def _enlist(tally: "Synchronized[int]", stop: Event) -> None:
    global _tally, _stop
    _tally, _stop = tally, stop
    Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """A pool's process waits for work for ever, even when its parent was killed."""
    parent = parent_process()
    assert parent is not None
    connection.wait([parent.sentinel])
    os._exit(1)


def _run_there(work: Callable[[Item, Count], None], item: Item) -> None:
    work(item, _count)


def _count(n: int) -> None:
    if _stop.is_set():
        raise _Stopped
    with _tally.get_lock():
        _tally.value += n
