"""Files as an attacker, a broken disk or a mistaken user makes them, by small functions.

`HOSTILE` has, for each kind of file that a user may bring, (name, writer) of each; a writer makes
the file, or for an archive the folder, at the path it is given. Every one must be refused.
"""

from __future__ import annotations

import bz2
import functools
import io
import os
import pickle
import struct
import warnings
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]
from hostile_pickles import PICKLES

from jaxnas.spaces import nb201

Writer = Callable[[Path], None]

TABLE: dict[str, Any] = {"cell": np.array([5, 6]), "cifar10_valid_200": np.array([10.0, 90.0])}
IMAGES: dict[str, Any] = {
    "x_train": np.arange(8 * 48, dtype=np.uint8).reshape(8, 4, 4, 3),
    "y_train": np.arange(8) % 2,
}
ESCAPES = "\x1b]0;owned\x07\x1b[31m"


def as_bytes(content: bytes) -> Writer:
    """The writer of a file of this content."""
    return lambda path: _ignore(path.write_bytes(content))


def _ignore(_: object) -> None:
    """A writer gives nothing back."""


def whole_npz(arrays: Mapping[str, Any], compressed: bool = True) -> bytes:
    """The bytes of a good `.npz` file."""
    stream = io.BytesIO()
    (np.savez_compressed if compressed else np.savez)(stream, **arrays)
    return stream.getvalue()


def _zip(members: Sequence[tuple[str, bytes]], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of two members of one name
        for name, content in members:
            archive.writestr(name, content)
    return stream.getvalue()


def _npy(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def _headed(head: str, content: bytes = b"", version: int = 1, claim: int | None = None) -> bytes:
    """An array with a head of any text, which may claim another length."""
    length = struct.pack("<H" if version == 1 else "<I", len(head) if claim is None else claim)
    return b"\x93NUMPY" + bytes([version, 0]) + length + head.encode() + content


def _flipped(content: bytes, position: int) -> bytes:
    return content[:position] + bytes([content[position] ^ 0xFF]) + content[position + 1 :]


def _everywhere(content: bytes, old: bytes, new: bytes, offset: int) -> bytes:
    """The content with a few bytes replaced, so far after each signature."""
    changed, at = bytearray(content), content.find(old)
    while at >= 0:
        changed[at + offset : at + offset + len(new)] = new
        at = content.find(old, at + 1)
    return bytes(changed)


def npz_files(good: Mapping[str, Any]) -> Iterator[tuple[str, bytes]]:
    """Damaged `.npz` files in place of a good one; the last of its arrays is hit."""
    name, array = list(good.items())[-1]
    member = f"{name}.npy"
    others = [(f"{key}.npy", _npy(value)) for key, value in list(good.items())[:-1]]
    whole, plain = whole_npz(good), whole_npz(good, compressed=False)

    def with_member(content: bytes, method: int = zipfile.ZIP_DEFLATED) -> bytes:
        return _zip([*others, (member, content)], method)

    def head(descr: str, shape: str) -> str:
        return f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}\n"

    yield "empty", b""
    yield "page of a server", b"<html>not found</html>"
    yield "cut short", whole[: len(whole) // 2]
    yield "end cut off", whole[:-30]
    yield "npy with another name", _npy(array)
    yield "renamed in its head only", plain.replace(member.encode(), b"?" * len(member), 1)
    yield "flipped byte", _flipped(plain, plain.index(member.encode()) + len(member) + 150)
    yield (
        "unknown packing",
        _everywhere(
            _everywhere(whole, b"PK\x01\x02", b"\x63\x00", 10), b"PK\x03\x04", b"\x63\x00", 8
        ),
    )
    yield "packed by lzma", with_member(_npy(array), zipfile.ZIP_LZMA)
    yield (
        "encrypted",
        _everywhere(
            _everywhere(whole, b"PK\x01\x02", b"\x01\x00", 8), b"PK\x03\x04", b"\x01\x00", 6
        ),
    )
    yield "claims a larger member", _everywhere(whole, b"PK\x01\x02", b"\xff\xff\xff\x7f", 24)
    yield "member that is no array", with_member(b"not an array")
    yield "head cut short", with_member(_npy(array)[:40])
    yield "head of 4 GB", with_member(_headed(head("'<f8'", "(2,)"), b"", 2, 2**32 - 1))
    yield "head of brackets", with_member(_headed("(" * 9000))
    yield "head of signs", with_member(_headed("{'descr': " + "-" * 9000 + "1}"))
    yield "head of code", with_member(_headed(head("__import__('os').abort()", "(2,)")))
    yield "claim of terabytes", with_member(_headed(head("'<f8'", "(10000000000000,)")))
    yield "claim beyond counting", with_member(_headed(head("'<f8'", f"({'9' * 4000},)")))
    yield "negative size", with_member(_headed(head("'<f8'", "(-1,)")))
    yield (
        "more axes than any array",
        with_member(_headed(head("'<f8'", f"({'1,' * 99})"), b"1" * 8)),
    )
    yield "records", with_member(_npy(np.zeros(2, [("a", "f8"), ("b", "i4")])))
    yield "objects", with_member(_npy(np.array([{}, []], object)))
    yield "dates", with_member(_npy(np.zeros(2, "M8[s]")))
    yield "complex numbers", with_member(_npy(np.zeros(2, complex)))
    yield "texts of no characters", with_member(_headed(head("'<U1'", "(2,)"), b"\xff" * 8))
    yield "texts without length", with_member(_headed(head("'<U0'", "(2,)")))
    yield "content cut short", with_member(_npy(array)[:-1])
    yield "content too long", with_member(_npy(array) + b"1")
    yield "two arrays of one name", _zip([*others, (member, _npy(array)), (member, _npy(array))])
    yield "bomb", with_member(_npy(np.zeros(65_000_000, np.uint8)))


def no_files() -> Iterator[tuple[str, Writer]]:
    """What is at a path in place of a file."""
    yield "named pipe", os.mkfifo
    yield "link to a device", lambda path: path.symlink_to("/dev/zero")
    yield "link to itself", lambda path: path.symlink_to(path)
    yield "folder", lambda path: path.mkdir()


TABLES: Mapping[str, Mapping[str, Any]] = {
    "no key": {"cell": None},
    "no accuracy": {"cifar10_valid_200": None},
    "row twice": {"cell": [5, 5]},
    "cell of another space": {"cell": [5, 15_625]},
    "key of fractions": {"cell": [5, 6.5]},
    "key of text": {"cell": ["five", "six"]},
    "percent signs": {"cifar10_valid_200": ["10%", "90%"]},
    "words": {"cifar10_valid_200": ["10.5", "n.a."]},
    "fractions": {"cifar10_valid_200": [0.1, 0.9]},
    "one column of fractions": {"cifar10_valid_200_seed3": [0.1, 0.9]},
    "above 100": {"cifar10_valid_200": [10.0, 101.0]},
    "infinite": {"cifar10_valid_200": [10.0, np.inf]},
    "negative time": {"cifar10_seconds_12": [-1.0, 2.0]},
    "escapes": {"cell": None, ESCAPES: [1, 2]},
    "escapes in text": {"cifar10_valid_200": [ESCAPES, "1"]},
    "two rows more than cells": {"cell": np.arange(15_627), "cifar10_valid_200": [5.0] * 15_627},
}
"""Changes of `TABLE` that make it wrong, whatever it is written in; None leaves a column out."""


def changed(changes: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """`TABLE` with changes."""
    columns = {**TABLE, **changes}
    return {name: np.asarray(column) for name, column in columns.items() if column is not None}


def csv_text(columns: Mapping[str, np.ndarray]) -> bytes:
    """Columns as a CSV file."""
    rows = [
        ",".join(columns),
        *(",".join(map(str, row)) for row in zip(*columns.values(), strict=True)),
    ]
    return ("\n".join(rows) + "\n").encode()


def parquet_bytes(columns: Mapping[str, Any]) -> bytes:
    """Columns as a Parquet file."""
    sink = io.BytesIO()
    arrays = [pa.array(list(column) if isinstance(column, np.ndarray) else column)
              for column in columns.values()]  # fmt: skip
    pq.write_table(pa.Table.from_arrays(arrays, list(columns)), sink, write_page_checksum=True)
    return sink.getvalue()


def csv_files() -> Iterator[tuple[str, bytes]]:
    """Wrong CSV tables."""
    for name, changes in TABLES.items():
        yield name, csv_text(changed(changes))
    yield "empty", b""
    yield "heads only", b"cell,cifar10_valid_200\n"
    yield "column twice", b"cell,cifar10_valid_200,cifar10_valid_200\n5,10,20\n"
    yield "semicolons", b"cell;cifar10_valid_200\n5;10\n"
    yield "rows of another length", b"cell,cifar10_valid_200\n5,10,20\n6\n"
    yield "quote without end", b'cell,cifar10_valid_200\n5,"10\n' + b"6,7\n" * 1000
    yield "zero bytes", b"cell,cifar10_valid_200\n5,1\x000\n"
    yield "no text", b"cell,cifar10_valid_200\n5,\xff\xfe\n"
    yield "huge field", b"cell,cifar10_valid_200\n5," + b"1" * 20_000_000 + b"\n"
    yield "too many columns", ",".join(f"c{n}" for n in range(120_000)).encode() + b"\n"
    yield "Parquet with another name", parquet_bytes(TABLE)


def parquet_files() -> Iterator[tuple[str, bytes]]:
    """Wrong and damaged Parquet tables."""
    for name, changes in TABLES.items():
        yield name, parquet_bytes(changed(changes))
    whole = parquet_bytes(TABLE)
    for name, column in {
        "structs": [{"a": 1}, {"a": 2}],
        "lists": [[1.0], [2.0]],
        "dates": pa.array([1, 2], pa.timestamp("s")),
        "booleans": [True, False],
        "nothing": pa.nulls(2),
    }.items():
        yield name, parquet_bytes({**TABLE, "cifar10_valid_200": column})
    yield "key of structs", parquet_bytes({**TABLE, "cell": [{"a": 1}, {"a": 2}]})
    yield "key with nothing", parquet_bytes({**TABLE, "cell": [5, None]})
    yield (
        "arch with nothing",
        parquet_bytes({"arch": [None, "x"], "cifar10_valid_200": [10.0, 90.0]}),
    )
    yield "column twice", _twice()
    yield "rows without end", parquet_bytes({"cell": pa.array(np.zeros(3_000_000, np.int32))})
    yield "empty", b""
    yield "cut short", whole[: len(whole) // 2]
    yield "end cut off", whole[:-9]
    yield "ends only", b"PAR1" + b"PAR1"
    yield "foot of 4 GB", b"PAR1" + b"\xff\xff\xff\xff" + b"PAR1"
    yield "foot of noise", b"PAR1" + bytes(range(200)) + struct.pack("<I", 200) + b"PAR1"
    yield "flipped byte", _flipped(whole, 40)
    yield "CSV with another name", csv_text(changed({}))


def _twice() -> bytes:
    sink = io.BytesIO()
    column = pa.array([10.0, 90.0])
    names = ["cell", "cifar10_valid_200", "cifar10_valid_200"]
    pq.write_table(pa.Table.from_arrays([pa.array([5, 6]), column, column], names), sink)
    return sink.getvalue()


@functools.cache
def meta() -> bytes:
    """The list of cells of an archive."""
    archs = [nb201.index_to_arch(cell) for cell in range(nb201.NUM_CELLS)]
    return bz2.compress(pickle.dumps({"meta_archs": archs}, protocol=4))


def archive(cell: bytes | Writer, cells: bytes | Writer | None = None) -> Writer:
    """The writer of an archive's folder with one cell, and with its list of cells."""

    def write(path: Path) -> None:
        path.mkdir()
        for name, content in (
            ("meta.pickle.pbz2", meta() if cells is None else cells),
            ("000000.pickle.pbz2", cell),
        ):
            (as_bytes(content) if isinstance(content, bytes) else content)(path / name)

    return write


def archives() -> Iterator[tuple[str, Writer]]:
    """Archives whose cell or list of cells is hostile or damaged."""
    for name, (content, _) in PICKLES.items():
        # Made where it is written: some are large.
        yield name, lambda path, content=content: archive(bz2.compress(content(), 1))(path)
    good = bz2.compress(pickle.dumps({"12": {}}))
    yield "cell of nothing", archive(good)
    yield "no bz2", archive(b"<html>not found</html>")
    yield "empty cell", archive(b"")
    yield "cell cut short", archive(good[:-5])
    yield "bytes after the cell", archive(good + b"and more")
    yield "cell twice", archive(good + good)
    yield "bomb", archive(bz2.compress(bytes(65_000_000)))
    yield "bomb in the list", archive(good, bz2.compress(bytes(65_000_000)))
    yield "list of others", archive(good, bz2.compress(pickle.dumps({"meta_archs": ["x"]})))
    yield "folder without cells", lambda path: path.mkdir()
    for name, writer in no_files():
        yield f"{name} for a cell", archive(writer)
        yield f"{name} for the list", archive(good, writer)


def image_files() -> Iterator[tuple[str, bytes]]:
    """Images of wrong forms, and the damaged `.npz` files."""
    yield from npz_files(IMAGES)
    for name, changes in {
        "no labels": {"y_train": None},
        "one label too few": {"y_train": IMAGES["y_train"][1:]},
        "labels below 0": {"y_train": IMAGES["y_train"] - 1},
        "labels of words": {"y_train": IMAGES["y_train"].astype(str)},
        "labels far apart": {"y_train": IMAGES["y_train"] * 2**40},
        "one-hot labels": {"y_train": np.eye(8)},
        "transparency": {"x_train": np.zeros((8, 4, 4, 4), np.uint8)},
        "floats": {"x_train": IMAGES["x_train"] / 255},
        "NaN": {"x_train": np.full((8, 4, 4, 3), np.nan)},
        "no image": {"x_train": IMAGES["x_train"][:0], "y_train": IMAGES["y_train"][:0]},
        "classes in a grid": {"classes": [["a", "b"]]},
        "no classes": {"classes": np.array([], str)},
        "test without labels": {"x_test": IMAGES["x_train"]},
        "named by escapes only": {"x_train": None, "y_train": None, ESCAPES: np.arange(3)},
    }.items():
        arrays = {key: value for key, value in {**IMAGES, **changes}.items() if value is not None}
        yield name, whole_npz(arrays)


def _files(contents: Iterator[tuple[str, bytes]]) -> Iterator[tuple[str, Writer]]:
    for name, content in contents:
        yield name, as_bytes(content)
    yield from no_files()


def _npz_tables() -> Iterator[tuple[str, bytes]]:
    yield from npz_files(TABLE)
    for name, changes in TABLES.items():
        yield name, whole_npz(changed(changes))


KINDS: Mapping[str, Callable[[], Iterator[tuple[str, Writer]]]] = {
    "archive": archives,
    "npz": lambda: _files(_npz_tables()),
    "csv": lambda: _files(csv_files()),
    "parquet": lambda: _files(parquet_files()),
    "images": lambda: _files(image_files()),
}
SUFFIX = {"archive": "", "npz": ".npz", "csv": ".csv", "parquet": ".parquet", "images": ".npz"}
"""How the name of a file of a kind ends."""


@functools.cache
def hostile(kind: str) -> tuple[tuple[str, Writer], ...]:
    """(name, writer) of each hostile file of a kind, one of `KINDS`."""
    return tuple(KINDS[kind]())
