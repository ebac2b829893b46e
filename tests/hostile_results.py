"""Folders of results as nobody should find them: (name, writer) each, for tests and the fuzzer.

A writer makes the folder at a path that is not there. `FINISHED` is what they are made of.
"""

from __future__ import annotations

import functools
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hostile_parquet as lies
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]
from commands import SETTINGS, representatives

from jaxnas.results import Folder, Record, Request
from jaxnas.results.files import parquet_bytes
from jaxnas.results.parts import write_part, write_part_bytes
from jaxnas.scoring.tables import finish, read_table
from jaxnas.spaces import DEFAULT

Writer = Callable[[Path], None]

ESCAPE = "\x1b]0;owned\x07\x1b[31m"
"""What sets a terminal's title and turns it red."""

CELLS = tuple(representatives(40)[::10])
ARCHS = tuple(map(DEFAULT.arch, CELLS))


def write_finished(path: Path, **changes: Any) -> None:
    """A small folder of a run that has finished, in two parts."""
    with Folder.open(path, SETTINGS | changes, {"jax": "0"}) as folder:
        folder.request(Request(ARCHS, (0,), ("js", "pjs", "params")))
        for archs in (ARCHS[:2], ARCHS[2:]):
            folder.append(
                Record(a, 0, {"js": -len(a) / 7, "pjs": 1.5}, {"js": 0.25}) for a in archs
            )
        finish(folder)


@functools.cache
def finished() -> Path:
    """The folder of `write_finished`, written once a process."""
    folder = Path(tempfile.mkdtemp(prefix="jaxnas-hostile-")) / "run"
    write_finished(folder)
    return folder


def copy_finished(path: Path) -> None:
    """The same, copied from one that was written once."""
    shutil.copytree(finished(), path)


# Documents: what may stand in place of any JSON file.


def documents(good: bytes) -> Iterator[tuple[str, bytes]]:
    """A JSON file's content as it should not be, by name; most without the seal of the good one."""
    content = json.loads(good)
    content.pop("checksum", None)
    yield "no bytes", b""
    yield "cut", good[: len(good) // 2]
    yield "no UTF-8", b"\xff\xfe\x00{"
    yield "brackets", b"[" * 200_000
    yield "objects", b'{"a":' * 200_000
    yield "brackets that are closed", b'{"settings":' + b"[" * 500 + b"]" * 500 + b"}"
    yield "four million values", b"[" + b"[]," * 2_200_000 + b"[]]"
    yield "a number of 5,000 digits", b'{"format": ' + b"9" * 5_000 + b"}"
    yield "no object", b'"text"'
    yield "null", b"null"
    yield "a name twice", good.replace(b"{", b'{"format": "other",', 1)
    yield "another checksum", json.dumps(content | {"checksum": "0" * 64}).encode()
    yield "a checksum that is a list", json.dumps(content | {"checksum": []}).encode()
    yield "NaN", json.dumps(content | {"version": float("nan")}).encode()
    yield "infinity", json.dumps({"x": 1} | content).replace("1", "1e999", 1).encode()
    yield "half a surrogate pair", json.dumps(content | {"format": "\ud800"}).encode()
    yield "escape sequences", json.dumps(content | {"format": ESCAPE, ESCAPE: ESCAPE}).encode()
    for name in content:
        yield f"no {name}", json.dumps({k: v for k, v in content.items() if k != name}).encode()
        for value in (None, True, -1, 10**40, 0.5, "text", [], {}, [[]], {"a": None}):
            if value != content[name] or isinstance(value, bool):
                data = json.dumps(content | {name: value}).encode()
                yield f"{name} {str(value)[:20]}", data


# Places: what may be in place of any file.


def places(file: Path) -> Iterator[tuple[str, Writer]]:
    """What is no regular file, by name, with what puts it in a file's place."""

    def put(make: Callable[[], None]) -> Writer:
        def writer(folder: Path) -> None:
            if os.path.lexists(file):
                file.unlink()
            file.parent.mkdir(parents=True, exist_ok=True)
            make()

        return writer

    yield "a pipe", put(lambda: os.mkfifo(file))
    yield "a folder", put(file.mkdir)
    yield "a link to a device", put(lambda: file.symlink_to("/dev/zero"))
    yield "a link to nothing", put(lambda: file.symlink_to("nothing"))
    yield "a link to itself", put(lambda: file.symlink_to(file.name))


# Tables.


def _tables_of_columns() -> Iterator[tuple[str, bytes]]:
    """The bytes of a scores.parquet with other columns, by name."""
    table = read_table(finished())

    def changed(name: str, column: Any) -> bytes:
        at = table.column_names.index(name)
        return parquet_bytes(table.set_column(at, name, column))

    rows = table.num_rows
    for name in ("arch", "function", "seed", "status"):
        yield f"no {name}", parquet_bytes(table.drop_columns([name]))
        yield f"{name} of nulls", changed(name, pa.nulls(rows, table.schema.field(name).type))
        yield f"{name} of structs", changed(name, pa.array([{"a": 1}] * rows))
        yield f"{name} of lists", changed(name, pa.array([[1]] * rows))
        yield f"{name} of numbers", changed(name, pa.array([0.5] * rows))
        yield f"{name} of bytes", changed(name, pa.array([b"\xff"] * rows))
    yield "arch another's", changed("arch", pa.array(ARCHS[::-1]))
    yield "arch unknown", changed("arch", pa.array([ESCAPE] * rows))
    yield "seed of floats", changed("seed", pa.array([0.0] * rows))
    yield "cell another's", changed("cell", pa.array([2] * rows))
    yield "cell of texts", changed("cell", pa.array(["1"] * rows))
    yield "function another's", changed("function", pa.array([1] * rows))
    yield "status unknown", changed("status", pa.array([ESCAPE] * rows))
    yield "status another's", changed("status", pa.array(["disconnected"] * rows))
    yield "js of texts", changed("js", pa.array(["1"] * rows))
    yield "js of structs", changed("js", pa.array([{"a": 1.0}] * rows))
    yield "js of dates", changed("js", pa.array([1] * rows, pa.timestamp("s")))
    yield "js of flags", changed("js", pa.array([True] * rows))
    yield "js of decimals", changed("js", pa.array([1] * rows).cast(pa.decimal128(20)))
    yield "js of large numbers", changed("js", pa.array([2**64 - 1] * rows, pa.uint64()))
    yield "a column twice", parquet_bytes(table.append_column("js", table["js"]))
    yield "arch twice", parquet_bytes(table.append_column("arch", table["arch"]))
    yield "rows twice", parquet_bytes(pa.concat_tables([table, table]))
    yield "a column's name", parquet_bytes(table.append_column(ESCAPE, table["js"]))
    yield "a name without end", parquet_bytes(table.append_column("j" * 10**6, table["js"]))
    yield "long texts", changed("status", pa.array(["x" * 10_000_000] * rows))


def _tables_of_bytes() -> Iterator[tuple[str, bytes]]:
    """The bytes of a scores.parquet with other metadata, and of what is none, by name."""
    table = read_table(finished())
    good = (finished() / "scores.parquet").read_bytes()

    def told(**metadata: str) -> bytes:
        known = {k.decode(): v for k, v in table.schema.metadata.items()}
        new = {f"jaxnas.{name}": value for name, value in metadata.items()}
        return parquet_bytes(table.replace_schema_metadata(known | new))

    yield "no bytes", b""
    yield "cut", good[: len(good) // 2]
    yield "no tail", good[:-4]
    yield "text", b"cell,js\n1,2\n"
    yield "a thousand columns", _wide(table, 1_100)
    yield "no settings", parquet_bytes(table.replace_schema_metadata({}))
    for name, value in (
        ("brackets", "[" * 200_000),
        ("no JSON", "{"),
        ("a text", '"a"'),
        ("nothing", "{}"),
        ("NaN", '{"space": NaN}'),
        ("another space", json.dumps(SETTINGS | {"space": ESCAPE})),
        ("mistyped", json.dumps(SETTINGS | {"depth": "5"})),
        ("merge", json.dumps(SETTINGS | {"merge": "yes"})),
        ("huge", json.dumps(SETTINGS | {"channels": 10**30})),
    ):
        yield f"settings {name}", told(settings=value)
    for value in ("[1]", "[[]]", '"ab"', "[NaN, 1]", "{", "[" * 100_000, "7"):
        yield f"noise range {value[:9]}", told(noise_range=value)
    yield "another checksum", told(checksum="0" * 64)
    yield "metadata of 20 MB", told(settings=json.dumps({"a": "x" * 20_000_000}))
    yield "a lie about rows", lies.with_rows(good, 10**12)
    yield "a lie about pages", lies.with_page_size(good, 2**31 - 1)
    yield "a schema 50,000 deep", lies.with_footer(good, lies.deep_schema(50_000))
    yield "a schema 50 deep", lies.with_footer(good, lies.deep_schema(50))
    yield "a billion rows of nulls", lies.with_rows(good, 10**9, everywhere=True)
    yield "two gigabytes of text in rows", _long_texts()


def _wide(table: pa.Table, count: int) -> bytes:
    more = {f"s{n}": table["js"] for n in range(count)}
    columns = dict(zip(table.column_names, table.columns, strict=True))
    return parquet_bytes(pa.table(columns | more, metadata=table.schema.metadata))


@functools.cache
def _long_texts() -> bytes:
    """One text of a megabyte, 2,000 times, a megabyte and less in the file."""
    texts = pa.DictionaryArray.from_arrays(pa.array([0] * 2_000, pa.int32()), ["x" * 10**6])
    sink = pa.BufferOutputStream()
    table = pa.table({"arch": texts})
    pq.write_table(table, sink, compression="zstd", store_schema=False)
    return bytes(sink.getvalue())


# Whole folders.


def folders() -> Iterator[tuple[str, Writer]]:
    """Folders of results with one thing wrong each, by name."""
    for kind in KINDS.values():
        yield from kind()


def _with_manifests() -> Iterator[tuple[str, Writer]]:
    def writer(data: bytes) -> Writer:
        def write(path: Path) -> None:
            copy_finished(path)
            (path / "manifest.json").write_bytes(data)

        return write

    manifest = (finished() / "manifest.json").read_bytes()
    for what, data in (*documents(manifest), *_manifests(manifest)):
        yield f"manifest: {what}", writer(data)


def _with_tables() -> Iterator[tuple[str, Writer]]:
    def writer(data: bytes) -> Writer:
        def write(path: Path) -> None:
            path.mkdir()
            (path / "scores.parquet").write_bytes(data)

        return write

    for what, data in (*_tables_of_columns(), *_tables_of_bytes()):
        yield f"scores: {what}", writer(data)


def _with_places() -> Iterator[tuple[str, Writer]]:
    def writer(name: str, which: int) -> Writer:
        def write(path: Path) -> None:
            copy_finished(path)
            list(places(path / name))[which][1](path)

        return write

    some_part = min(path.name for path in (finished() / "parts").iterdir())
    for file in ("manifest.json", "scores.parquet", f"parts/{some_part}", ".lock"):
        for which, (what, _) in enumerate(places(Path(file))):
            yield f"{file}: {what}", writer(file, which)
    yield "parts: a file", _parts_are_a_file


def _manifests(good: bytes) -> Iterator[tuple[str, bytes]]:
    content = json.loads(good)
    del content["checksum"]
    (asked,) = content["requests"]
    for name in SETTINGS:
        left = {k: v for k, v in content["settings"].items() if k != name}
        yield f"no setting {name}", json.dumps(content | {"settings": left}).encode()
        for value in (None, [], {"a": 1}, ESCAPE, -1, 10**30, 0.5):
            settings = content["settings"] | {name: value}
            what = f"setting {name} {str(value)[:9]!r}"
            yield what, json.dumps(content | {"settings": settings}).encode()
    for name, value in (
        ("cells", "0-99999999999"),
        ("seeds", "0-99999999999"),
        ("seeds", "0-1000000"),
        ("seeds", "9" * 5_000),
        ("seeds", "٣"),
        ("seeds", 0),
        ("cells", "15625"),
        ("cells", ["1"]),
        ("columns", "js"),
        ("columns", [1]),
        ("columns", [ESCAPE]),
        ("columns", []),
        ("archs", [ESCAPE]),
        ("archs", [["a"]]),
        ("archs", "a"),
    ):
        requests = [asked | {name: value}]
        what = f"request of {name} {str(value)[:15]!r}"
        yield what, json.dumps(content | {"requests": requests}).encode()
    many = [asked | {"seeds": f"{n}-{n + 2**19}"} for n in range(0, 2**30, 2**20)]
    yield "many requests", json.dumps(content | {"requests": many}).encode()


def _parts_are_a_file(path: Path) -> None:
    copy_finished(path)
    shutil.rmtree(path / "parts")
    (path / "parts").write_bytes(b"")


def _with_parts() -> Iterator[tuple[str, Writer]]:
    """Parts with the right checksum that are none, each beside the good ones."""
    for what, writer in _parts():
        yield f"part: {what}", writer


def _parts() -> Iterator[tuple[str, Writer]]:
    with Folder.load(finished()) as folder:
        table = next(folder.good_parts())

    def of(content: pa.Table | bytes, **changes: Any) -> Writer:
        def writer(path: Path) -> None:
            copy_finished(path)
            if isinstance(content, bytes):
                write_part_bytes(path / "parts", 3, content)
            else:
                write_part(path / "parts", 3, content, SETTINGS | changes)

        return writer

    yield "of another run", of(table, batch_size=32)
    yield "of a run by another name", of(table, **{ESCAPE: ESCAPE})
    yield "no Parquet", of(b"no Parquet")
    yield "other columns", of(pa.table({ESCAPE: [1]}))
    yield "structs", of(pa.table({"arch": pa.array([{"a": 1}])}))
    for name in ("arch", "seed", "score"):
        at = table.column_names.index(name)
        nulls = pa.nulls(table.num_rows, table.schema.field(name).type)
        yield f"{name} of nulls", of(table.set_column(at, table.schema.field(name), nulls))
    old = pa.table(
        {"cell": pa.array([99_999] * table.num_rows, pa.int32())}
        | {name: table[name] for name in table.column_names[1:]}
    )
    yield "cells that there are not", of(old)
    settings = {"jaxnas.settings": "[" * 200_000}
    yield "settings of brackets", of(parquet_bytes(table.replace_schema_metadata(settings)))
    good = parquet_bytes(table)
    yield "a lie about rows", of(lies.with_rows(good, 10**12))
    yield "a lie about pages", of(lies.with_page_size(good, 2**31 - 1))


KINDS: dict[str, Callable[[], Iterator[tuple[str, Writer]]]] = {
    "manifest": _with_manifests,
    "table": _with_tables,
    "place": _with_places,
    "part": _with_parts,
}
"""What is wrong in a folder, and the folders with it."""
