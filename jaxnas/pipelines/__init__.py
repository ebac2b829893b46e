"""Whole searches out of the library's parts, and what to cite of a run."""

from typing import TYPE_CHECKING

from jaxnas import lazy

if TYPE_CHECKING:
    from jaxnas.pipelines.citing import cite
    from jaxnas.pipelines.score_then_train import Found, Watcher, gt_nas

__all__ = ["Found", "Watcher", "cite", "gt_nas"]

_GT_NAS = "jaxnas.pipelines.score_then_train"

__getattr__, __dir__ = lazy.attach(
    __name__,
    {
        "Found": _GT_NAS,
        "Watcher": _GT_NAS,
        "cite": "jaxnas.pipelines.citing",
        "gt_nas": _GT_NAS,
    },
)
