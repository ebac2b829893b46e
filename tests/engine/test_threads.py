"""Jobs over workers: none waits for a slower one, and errors end the run."""

import threading
import time
from functools import partial

import pytest

from jaxnas.engine.threads import run_on_workers


def test_a_slow_job_does_not_hold_up_the_other_worker():
    release = threading.Event()
    results = []

    def work(name, job):
        if job == 0:
            assert release.wait(60)
        return name, job

    for name, job in run_on_workers([partial(work, "a"), partial(work, "b")], range(20)):
        results.append((name, job))
        if len(results) == 19:
            assert all(done != 0 for _, done in results)
            release.set()
    assert [job for _, job in results][-1] == 0
    assert sorted(job for _, job in results) == list(range(20))
    slow = results[-1][0]
    assert all(name != slow for name, _ in results[:-1])


def test_a_workers_error_is_raised_and_the_others_stop():
    done = []

    def fails(job):
        raise KeyError(job)

    def slow(job):
        time.sleep(0.01)
        done.append(job)
        return job

    before = threading.active_count()
    with pytest.raises(KeyError):
        list(run_on_workers([fails, slow], range(500)))
    assert len(done) < 500
    assert threading.active_count() == before


def test_closing_early_stops_the_workers():
    done = []
    results = run_on_workers([lambda job: done.append(job) or time.sleep(0.01)], range(500))
    next(results)
    before = len(done)
    results.close()
    assert before <= len(done) < 500
    finished_jobs = len(done)
    time.sleep(0.05)
    assert len(done) == finished_jobs


def test_no_jobs_give_no_results():
    assert list(run_on_workers([lambda job: job], [])) == []
