"""Spreads jobs over devices, each taking the next when it is done: none waits for a slower one."""

import queue
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def run_on_workers(
    workers: Sequence[Callable[[T], R]], jobs: Iterable[T], stop: threading.Event | None = None
) -> Iterator[R]:
    """Yields each job's result as it comes, in no particular order.

    Args:
        workers: one function for each device; each is called from one thread of its own.
        jobs: what there is to do.
        stop: it is set when the run ends early; a worker with a long job may look at it and return.

    Raises:
        Whatever a worker raises; the others finish the job in hand and stop. They also do when the
        iterator is closed early.
    """
    todo: queue.SimpleQueue[T] = queue.SimpleQueue()
    total = 0
    for job in jobs:
        todo.put(job)
        total += 1
    done: queue.SimpleQueue[tuple[R | None, BaseException | None]] = queue.SimpleQueue()
    stop = stop or threading.Event()

    def work(worker: Callable[[T], R]) -> None:
        while not stop.is_set():
            try:
                job = todo.get_nowait()
            except queue.Empty:
                return
            try:
                done.put((worker(job), None))
            except BaseException as error:  # noqa: BLE001 - handed to the caller's thread
                done.put((None, error))
                return

    threads = [threading.Thread(target=work, args=(worker,), daemon=True) for worker in workers]
    for thread in threads:
        thread.start()
    try:
        for _ in range(total):
            result, error = done.get()
            if error is not None:
                raise error
            yield result  # type: ignore[misc]  # there is a result where there is no error
    finally:
        stop.set()
        for thread in threads:
            thread.join()
