"""Published accuracies on NAS-Bench-201, to stand beside one's own."""

from typing import NamedTuple

from jaxnas.oracle.table import DATASETS
from jaxnas.search.experiment import Summary
from jaxnas.spaces import DEFAULT, Space

_SPACE = "nb201"

# Their released code searches on CIFAR-10 whatever data set is reported.
_NB201 = "NAS-Bench-201, ICLR 2020, as in NASWOT, Table 2; searched on cifar10"
_NASWOT = "NASWOT, ICML 2021, Table 2"
_KNAS = "KNAS, ICML 2021, by Papers with Code"

# Mean and deviation, percent.
_Figure = tuple[float, float | None] | None


class _Entry(NamedTuple):
    """A row of a paper: seconds, then validation and test accuracy on each data set."""

    method: str
    seconds: float | None
    source: str
    valid: tuple[_Figure, _Figure, _Figure]
    test: tuple[_Figure, _Figure, _Figure]


_ENTRIES = (
    _Entry(
        "REA",
        12000,
        _NB201,
        ((91.19, 0.31), (71.81, 1.12), (45.15, 0.89)),
        ((93.92, 0.30), (71.84, 0.99), (45.54, 1.03)),
    ),
    _Entry(
        "random search",
        12000,
        _NB201,
        ((90.93, 0.36), (70.93, 1.09), (44.45, 1.10)),
        ((93.70, 0.36), (71.04, 1.07), (44.57, 1.25)),
    ),
    _Entry(
        "REINFORCE",
        12000,
        _NB201,
        ((91.09, 0.37), (71.61, 1.12), (45.05, 1.02)),
        ((93.85, 0.37), (71.71, 1.09), (45.24, 1.18)),
    ),
    _Entry(
        "BOHB",
        12000,
        _NB201,
        ((90.82, 0.53), (70.74, 1.29), (44.26, 1.36)),
        ((93.61, 0.52), (70.85, 1.28), (44.42, 1.49)),
    ),
    _Entry(
        "RSPS",
        7587,
        _NB201,
        ((84.16, 1.69), (59.00, 4.60), (31.56, 3.28)),
        ((87.66, 1.69), (58.33, 4.34), (31.14, 3.88)),
    ),
    _Entry(
        "GDAS",
        28926,
        _NB201,
        ((90.00, 0.21), (71.14, 0.27), (41.70, 1.26)),
        ((93.51, 0.13), (70.61, 0.26), (41.84, 0.90)),
    ),
    _Entry(
        "NASWOT, best score of 10",
        3.05,
        _NASWOT,
        ((89.14, 1.14), (68.50, 2.03), (41.09, 3.97)),
        ((92.44, 1.13), (68.62, 2.04), (41.31, 4.11)),
    ),
    _Entry(
        "NASWOT, best score of 100",
        30.01,
        _NASWOT,
        ((89.55, 0.89), (69.35, 1.70), (42.81, 3.05)),
        ((92.81, 0.99), (69.48, 1.70), (43.10, 3.16)),
    ),
    _Entry(
        "NASWOT, best score of 1,000",
        306.19,
        _NASWOT,
        ((89.69, 0.73), (69.86, 1.21), (43.95, 2.05)),
        ((92.96, 0.81), (69.98, 1.22), (44.44, 2.10)),
    ),
    _Entry(
        "AREA",
        12000,
        _NASWOT,
        ((91.20, 0.27), (71.95, 0.99), (45.70, 1.05)),
        (None, None, None),
    ),
    _Entry(
        "KNAS, top 40",
        None,
        _KNAS,
        (None, None, None),
        ((93.43, None), (71.05, None), (45.05, None)),
    ),
)


def published(dataset: str, space: Space = DEFAULT) -> list[Summary]:
    """What others report on a data set.

    Args:
        dataset: `cifar10`, `cifar100` or `imagenet16-120`.
        space: what was searched.

    Returns:
        One summary a method, without the number of trainings, which is not published; none of
        another space than NAS-Bench-201.

    Raises:
        ValueError: there is no such data set.
    """
    if dataset not in DATASETS:
        raise ValueError(f"data set: expected one of {', '.join(DATASETS)}, got {dataset!r}")
    if space.name != _SPACE:
        return []
    column = DATASETS.index(dataset)
    rows = []
    for entry in _ENTRIES:
        valid, valid_std = entry.valid[column] or (None, None)
        test, test_std = entry.test[column] or (None, None)
        rows.append(
            Summary(
                entry.method,
                seconds=entry.seconds,
                valid=valid,
                valid_std=valid_std,
                test=test,
                test_std=test_std,
                source=entry.source,
            )
        )
    return rows
