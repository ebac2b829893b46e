"""A program in a process of its own that measures what a line asks, and tells in a line."""

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any


class Program:
    """A script of this folder, started with `--worker KIND`; it reads and writes lines of JSON."""

    def __init__(
        self, script: str, kind: str, options: Mapping[str, Any], env: Mapping[str, str]
    ) -> None:
        """`options` by their names on the command line, without the dashes."""
        command = [sys.executable, str(Path(script).resolve()), "--worker", kind]
        for name, value in options.items():
            command += [f"--{name}", str(value)]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=dict(env)
        )

    def ask(self, question: Any = None) -> dict[str, float]:
        """Its answer: seconds, and the peak memory so far."""
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit("a worker stopped; its error is above")
        answer: dict[str, float] = json.loads(line)
        return answer

    def close(self) -> None:
        """Ends it."""
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait()
