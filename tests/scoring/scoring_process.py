"""A scoring run in a process of its own, which can be killed."""

import json
import os
import subprocess
import sys
from typing import Any

from quick import with_flags
from small import SMALL

SCRIPT = """
import json, sys
import numpy as np
import jax, jaxnas
from jaxnas.data import Images
from jaxnas.scoring import run as scoring

random = np.random.default_rng(0)
x = random.integers(0, 256, (24, 8, 8, 3), dtype=np.uint8)
images = Images.from_arrays("noise8", x, random.integers(0, 10, 24), num_classes=10)
options = json.loads(sys.argv[1])
scoring._SECONDS_A_PART = options.pop("seconds_a_part", 10.0)
totals = []
table = jaxnas.score(dataset=images, progress=lambda done, total: totals.append(total), **options)
print(json.dumps([len(jax.devices()), max(totals, default=0), table.to_pylist()]))
"""


def in_process(options, cache: str, flags: str = "") -> subprocess.Popen:
    env = os.environ | {
        "XLA_FLAGS": with_flags(flags),
        "JAX_COMPILATION_CACHE_DIR": cache,
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0.2",
        "JAX_PLATFORMS": "cpu",
    }
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT, json.dumps(SMALL | {"batch_size": 6} | options)],
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finished(process: subprocess.Popen) -> Any:
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    return json.loads(out)
