"""What tests of trainings share: a small genotype, small settings, a checkpoint's state."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp

from jaxnas.spaces.darts import NODES, Genotype

CELLS = (855, 4)
TINY: dict[str, Any] = {"channels": 4, "depth": 1, "batch_size": 64}

# Few operations, one of each kind of parameter, to compile in seconds.
LITTLE = Genotype(
    (("sep_conv_3x3", 0), ("skip_connect", 1)) + (("skip_connect", 0), ("skip_connect", 2)) * 3,
    NODES,
    (("dil_conv_3x3", 0), ("skip_connect", 1)) + (("max_pool_3x3", 0), ("skip_connect", 2)) * 3,
    NODES,
)
TINY_DARTS: dict[str, Any] = {"depth": 3, "channels": 2, "batch_size": 80, "epochs": 2, "cutout": 4}
TINY_DARTS |= {"auxiliary_weight": 0, "drop_path": 0.5}


def newest(out: Path, name: str) -> tuple[int, Any]:
    """Epoch and state of a candidate's checkpoint of seed 0, read by orbax alone."""
    folder = out / "candidates" / f"{name}-0" / "checkpoints"
    with ocp.CheckpointManager(folder.resolve()) as manager:
        step = manager.latest_step()
        assert step is not None
        restored = manager.restore(step, args=ocp.args.Composite(state=ocp.args.StandardRestore()))
    return step, jax.tree.map(np.asarray, restored.state)
