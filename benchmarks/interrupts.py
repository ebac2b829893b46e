"""Interrupts a scoring run at random moments, and counts how it ends.

Each run scores four small cells in a folder of its own, and gets one signal or two after a random
time. It should always end with 130 (SIGINT) or 143 (SIGTERM) and the one line "stopped; …" among
those of its progress; or be done before. Signals in the time in which Python itself starts, before
any code of jaxnas runs, end it in Python's way: `--from` leaves that time out.

    python benchmarks/interrupts.py --runs 100 --signal INT --twice --to 6
"""

from __future__ import annotations

import argparse
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter

COMMAND = (
    *("score", "--cells", "random:4", "--proxies", "js", "--channels", "4", "--depth", "1"),
    *("--batch-size", "4", "--devices", "2", "--out", "run"),
)
PROGRESS = ("scoring ", "nothing is left")


def interrupted(signum: int, seconds: float, second: float | None) -> tuple[int, str, str]:
    """Exit status, how it ended in a word or in its own, and all of stderr.

    Args:
        signum: the signal.
        seconds: until it is sent.
        second: seconds until it is sent again; None for once.
    """
    with tempfile.TemporaryDirectory() as folder:
        process = subprocess.Popen(
            [sys.executable, "-m", "jaxnas", *COMMAND],
            cwd=folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        time.sleep(seconds)
        process.send_signal(signum)
        if second is not None:
            time.sleep(second)
            process.send_signal(signum)
        _, err = process.communicate(timeout=600)
    lines = [
        line
        for line in err.splitlines()
        if not line.startswith(PROGRESS) and " cells scored in " not in line
    ]
    if len(lines) == 1 and lines[0].startswith("stopped"):
        return process.returncode, "stopped", err
    if "Traceback" in err or "Exception ignored" in err:
        return process.returncode, "traceback", err
    return process.returncode, "|".join(lines)[:80] or "silent", err


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--signal", choices=["INT", "TERM"], default="INT")
    parser.add_argument("--twice", action="store_true", help="send two in a row")
    parser.add_argument("--from", dest="first", type=float, default=0.1, help="seconds")
    parser.add_argument("--to", dest="last", type=float, default=6.0, help="seconds")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    # What is started in the background of a shell ignores SIGINT, and so does what it starts.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signum = signal.Signals[f"SIG{args.signal}"]
    chance = random.Random(args.seed)
    counts: Counter[tuple[int, str]] = Counter()
    for _ in range(args.runs):
        seconds = chance.uniform(args.first, args.last)
        second = chance.choice([0, 0.001, 0.05, 0.3]) if args.twice else None
        status, how, err = interrupted(signum, seconds, second)
        counts[status, how] += 1
        if (status, how) not in ((128 + signum, "stopped"), (0, "silent")):
            print(f"after {seconds:.2f} s: {status}, {how}\n{err}", flush=True)
    for (status, how), count in counts.most_common():
        print(f"{count:5} {status:4} {how}")


if __name__ == "__main__":
    main()
