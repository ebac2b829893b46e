"""The environment with which a process is started again, and that it is once."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from jaxnas.engine import environment


def test_environment_is_added() -> None:
    env = environment.environment({"HOME": "/x"}, 3, (0, 10), glibc=True)
    assert env["HOME"] == "/x"
    assert env["XLA_FLAGS"].split() == [
        "--xla_force_host_platform_device_count=3",
        "--xla_cpu_multi_thread_eigen=false",
        "--xla_disable_hlo_passes=cpu-parallel-task-assigner",
        "--xla_cpu_copy_insertion_use_region_analysis=true",
    ]
    assert env["GLIBC_TUNABLES"] == (
        "glibc.malloc.hugetlb=1:glibc.malloc.mmap_max=0:"
        "glibc.malloc.trim_threshold=100000000000:glibc.malloc.arena_max=1"
    )
    assert "GLIBC_TUNABLES" not in environment.environment({}, 2, (0, 10), glibc=False)


def test_environment_of_the_user_stays() -> None:
    given = "--xla_cpu_multi_thread_eigen=true --xla_dump_to=/x"
    flags = environment.xla_flags(given, 2, (0, 10))
    assert flags.startswith(given + " ")
    assert flags.count("xla_cpu_multi_thread_eigen") == 1
    assert "device_count=2" in flags
    assert environment.xla_flags("flags.txt", 2, (0, 10)) == "flags.txt"
    tunables = environment.glibc_tunables("glibc.malloc.arena_max=4:glibc.malloc.check=1")
    assert tunables.startswith("glibc.malloc.arena_max=4:glibc.malloc.check=1:")
    assert tunables.count("arena_max") == 1
    assert "mmap_max=0" in tunables


def test_older_jaxlib_gets_no_unusual_flags() -> None:
    flags = environment.xla_flags("", 2, (0, 9))
    assert len(flags.split()) == 2
    assert "region_analysis" not in flags
    assert len(environment.xla_flags("", 2, (1, 0)).split()) == 4


def test_environment_is_added_once() -> None:
    assert environment.wanted({})
    assert not environment.wanted(environment.environment({}, 2, (0, 10), glibc=True))
    assert not environment.wanted({environment.PLAIN: "1"})
    again = environment.environment({}, 2, (0, 10), glibc=True)
    assert environment.environment(again, 2, (0, 10), glibc=True) == again


def test_accelerator_by_platform() -> None:
    assert not environment.accelerator({"JAX_PLATFORMS": "cpu"})
    assert not environment.accelerator({"JAX_PLATFORMS": "cpu,cuda"})
    assert environment.accelerator({"JAX_PLATFORMS": "cuda,cpu"})


def test_process_starts_itself_again(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import os, sys\n"
        "from jaxnas.engine import environment\n"
        "print('start', flush=True)\n"
        "environment.restart(1)\n"
        "print(sys.argv[1:], os.environ['XLA_FLAGS'], os.environ.get('GLIBC_TUNABLES'))\n"
    )
    env = {k: v for k, v in os.environ.items() if k not in (environment.PLAIN, environment.MARKER)}
    env |= {"JAX_PLATFORMS": "cpu", "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=true"}
    done = subprocess.run(
        [sys.executable, script, "a b"], env=env, capture_output=True, text=True, check=True
    )
    lines = done.stdout.splitlines()
    assert lines[:2] == ["start", "start"]
    assert len(lines) == 3
    assert lines[2].startswith("['a b'] --xla_cpu_multi_thread_eigen=true --xla_force")
    assert "device_count=1" in lines[2]
    env[environment.PLAIN] = "1"
    plain = subprocess.run(
        [sys.executable, script], env=env, capture_output=True, text=True, check=True
    )
    assert plain.stdout.splitlines() == ["start", "[] --xla_cpu_multi_thread_eigen=true None"]
