"""The published datasets: where they are found, by which checksums, and how they are laid out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True)
class Source:
    """Where a published dataset is found and how its batches are laid out.

    A file that ends in `.tar.gz` is read as an archive of batches, any other as one batch. A
    batch is a pickled dict of `data`, uint8 [n, 3 * side * side], channels first, and labels.

    Attributes:
        name: what messages and manifests call the data.
        files: path below the data folder → checksum, `md5:<hex>` or `sha256:<hex>`.
        train: names of the training batches, in order: members of the archive, or files.
        test: names of the test batches.
        side: height and width of an image in pixels.
        num_classes: number of classes kept.
        mean: channel means, 0 to 255.
        std: channel deviations, 0 to 255.
        url: the address that serves the files, each at `url/<file>`; None where there is none.
        origin: where a person gets the files.
        label_key: which entry of a batch holds its labels.
        first_label: the label of class 0 in the files.
        most_bytes: the largest size of a file, which a download may not exceed.
        subset: True where the files hold further classes, which are left out.
    """

    name: str
    files: Mapping[str, str]
    train: tuple[str, ...]
    test: tuple[str, ...]
    side: int
    num_classes: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    url: str | None
    origin: str
    label_key: str = "labels"
    first_label: int = 0
    most_bytes: int = 10**9
    subset: bool = False


# Checksums: CIFAR's as on https://www.cs.toronto.edu/~kriz/cifar.html; ImageNet16's, and all
# means and deviations, as in AutoDL-Projects (DownsampledImageNet.py and
# get_dataset_with_transform.py), the code by which NAS-Bench-201 was trained.
CIFAR10 = Source(
    name="cifar10",
    files={"cifar-10-python.tar.gz": "md5:c58f30108f718f92721af3b95e74349a"},
    train=tuple(f"cifar-10-batches-py/data_batch_{i}" for i in range(1, 6)),
    test=("cifar-10-batches-py/test_batch",),
    side=32,
    num_classes=10,
    mean=(125.3, 123.0, 113.9),
    std=(63.0, 62.1, 66.7),
    url="https://www.cs.toronto.edu/~kriz",
    origin="https://www.cs.toronto.edu/~kriz/cifar.html",
    most_bytes=170_498_071,
)

CIFAR100 = Source(
    name="cifar100",
    files={"cifar-100-python.tar.gz": "md5:eb9058c3a382ffc7106e4002c42a8d85"},
    train=("cifar-100-python/train",),
    test=("cifar-100-python/test",),
    side=32,
    num_classes=100,
    mean=(129.3, 124.1, 112.4),
    std=(68.2, 65.4, 70.4),
    url="https://www.cs.toronto.edu/~kriz",
    origin="https://www.cs.toronto.edu/~kriz/cifar.html",
    label_key="fine_labels",
    most_bytes=169_001_437,
)

IMAGENET16_120 = Source(
    name="imagenet16-120",
    files={
        "ImageNet16/train_data_batch_1": "md5:27846dcaa50de8e21a7d1a35f30f0e91",
        "ImageNet16/train_data_batch_2": "md5:c7254a054e0e795c69120a5727050e3f",
        "ImageNet16/train_data_batch_3": "md5:4333d3df2e5ffb114b05d2ffc19b1e87",
        "ImageNet16/train_data_batch_4": "md5:1620cdf193304f4a92677b695d70d10f",
        "ImageNet16/train_data_batch_5": "md5:348b3c2fdbb3940c4e9e834affd3b18d",
        "ImageNet16/train_data_batch_6": "md5:6e765307c242a1b3d7d5ef9139b48945",
        "ImageNet16/train_data_batch_7": "md5:564926d8cbf8fc4818ba23d2faac7564",
        "ImageNet16/train_data_batch_8": "md5:f4755871f718ccb653440b9dd0ebac66",
        "ImageNet16/train_data_batch_9": "md5:bb6dd660c38c58552125b1a92f86b5d4",
        "ImageNet16/train_data_batch_10": "md5:8f03f34ac4b42271a294f91bf480f29b",
        "ImageNet16/val_data": "md5:3410e3017fdaefba8d5073aaa65e4bd6",
    },
    train=tuple(f"ImageNet16/train_data_batch_{i}" for i in range(1, 11)),
    test=("ImageNet16/val_data",),
    side=16,
    num_classes=120,
    mean=(122.68, 116.66, 104.01),
    std=(63.22, 61.26, 65.09),
    url=None,
    origin="the Google Drive folder in the README of https://github.com/D-X-Y/NAS-Bench-201",
    first_label=1,
    subset=True,
)

SOURCES: Mapping[str, Source] = MappingProxyType(
    {source.name: source for source in (CIFAR10, CIFAR100, IMAGENET16_120)}
)
