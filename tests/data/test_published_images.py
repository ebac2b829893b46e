"""Published data sets, downloaded from a server on this machine."""

from __future__ import annotations

import dataclasses
import hashlib
import http.server
import io
import os
import pickle
import tarfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from data_cases import WRITERS, Calls, one_sentence, python2_batch, some_images

from jaxnas import data
from jaxnas.data import DataError, Images, Source, UnsafePickleError
from jaxnas.data.sources import CIFAR10, CIFAR100, IMAGENET16_120


@dataclasses.dataclass
class Server:
    """Serves bytes by path; `cut` sends half, with the full length announced or not."""

    url: str
    files: dict[str, bytes]
    requests: list[str]
    cut: str = "no"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            state.requests.append(self.path)
            content = state.files.get(self.path)
            if content is None:
                self.send_error(404)
                return
            self.send_response(200)
            if state.cut != "silently":
                self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content if state.cut == "no" else content[: len(content) // 2])

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as httpd:
        state = Server(f"http://127.0.0.1:{httpd.server_port}/files", {}, [])
        thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield state
        httpd.shutdown()
        thread.join()


def md5(content: bytes) -> str:
    return f"md5:{hashlib.md5(content).hexdigest()}"


def tar(members: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return stream.getvalue()


def planar(images: np.ndarray) -> np.ndarray:
    """[N, H, W, 3] as the published [N, 3HW], channels first."""
    return np.ascontiguousarray(images.transpose(0, 3, 1, 2)).reshape(len(images), -1)


def publish(
    source: Source, server: Server, writer: Callable[..., bytes] = python2_batch, members: Any = ()
) -> Source:
    """Puts a small archive of the source's real form on the server: 2 images a batch."""
    batches = (*source.train, *source.test)
    content = {source.train[0].split("/")[0] + "/batches.meta": b"not read"}
    for i, name in enumerate(reversed(batches)):  # in another order, as published
        content[name] = writer(
            planar(some_images(2, 32, len(batches) - 1 - i)), [i, 1], source.label_key
        )
    archive = tar(content | dict(members))
    (file,) = source.files
    server.files[f"/files/{file}"] = archive
    return dataclasses.replace(source, url=server.url, files={file: md5(archive)})


@pytest.mark.parametrize("writer", WRITERS.values(), ids=WRITERS)
@pytest.mark.parametrize("published", [CIFAR10, CIFAR100], ids=lambda source: source.name)
def test_cifar_is_downloaded_once_and_read(
    published: Source, writer: Callable[..., bytes], server: Server, tmp_path: Path
) -> None:
    source = publish(published, server, writer)
    sources = {source.name: source}
    images = data.load(source.name, data_dir=tmp_path, sources=sources)
    batches = len(source.train)
    expected = np.concatenate([some_images(2, 32, i) for i in range(batches)])
    np.testing.assert_array_equal(images.x_train, expected)
    assert images.x_test is not None
    np.testing.assert_array_equal(images.x_test, some_images(2, 32, batches))
    assert images.y_train.tolist() == [n for i in range(batches, 0, -1) for n in (i, 1)]
    assert images.num_classes == published.num_classes
    np.testing.assert_array_equal(images.mean, np.array(published.mean) / 255)
    np.testing.assert_array_equal(images.std, np.array(published.std) / 255)
    again = data.load(source.name, data_dir=tmp_path, sources=sources, download=False)
    data.load(source.name, data_dir=tmp_path, sources=sources)
    assert again.digest == images.digest
    assert len(server.requests) == 1
    (file,) = tmp_path.iterdir()  # nothing extracted
    assert file.name in source.files
    (tmp_path / "usual").touch()
    assert file.stat().st_mode == (tmp_path / "usual").stat().st_mode


@pytest.mark.parametrize("cut", ["announced", "silently"])
def test_interrupted_download_leaves_nothing_and_can_be_repeated(
    cut: str, server: Server, tmp_path: Path
) -> None:
    source = publish(CIFAR10, server)
    server.cut = cut
    for _ in range(2):
        with pytest.raises(DataError) as error:
            data.load("cifar10", data_dir=tmp_path, sources={"cifar10": source})
        assert "try again" in one_sentence(error)
        assert not list(tmp_path.iterdir())
    server.cut = "no"
    images = data.load("cifar10", data_dir=tmp_path, sources={"cifar10": source})
    assert len(images.x_train) == 10


def test_wrong_checksum_is_one_clear_line(server: Server, tmp_path: Path) -> None:
    source = publish(CIFAR10, server)
    server.files["/files/cifar-10-python.tar.gz"] = b"an error page"
    with pytest.raises(DataError) as error:
        data.load("cifar10", data_dir=tmp_path, sources={"cifar10": source})
    expected = source.files["cifar-10-python.tar.gz"].removeprefix("md5:")
    found = md5(b"an error page").removeprefix("md5:")
    assert f"must have md5 {expected}, but has {found}, so it was not kept" in one_sentence(error)
    assert not list(tmp_path.iterdir())


def test_damaged_file_is_named_offline_and_replaced_online(server: Server, tmp_path: Path) -> None:
    sources = {"cifar10": publish(CIFAR10, server)}
    (tmp_path / "cifar-10-python.tar.gz").write_bytes(b"half")
    with pytest.raises(DataError, match="must have md5 .* damaged or another file") as error:
        data.load("cifar10", data_dir=tmp_path, sources=sources, download=False)
    one_sentence(error)
    assert len(data.load("cifar10", data_dir=tmp_path, sources=sources).x_train) == 10


def test_no_connection_is_one_clear_line(server: Server, tmp_path: Path) -> None:
    source = publish(CIFAR10, server)
    closed = dataclasses.replace(source, url="http://127.0.0.1:9")
    with pytest.raises(DataError, match=r"could not be downloaded .*\(ConnectionError\)") as error:
        data.load("cifar10", data_dir=tmp_path, sources={"cifar10": closed})
    assert "check the connection" in one_sentence(error)
    absent = dataclasses.replace(source, url=server.url + "/absent")
    with pytest.raises(DataError, match=r"\(HTTP status 404\)"):
        data.load("cifar10", data_dir=tmp_path, sources={"cifar10": absent})
    with pytest.raises(DataError, match="downloading is off; put them there from https"):
        data.load("cifar10", data_dir=tmp_path, sources={"cifar10": source}, download=False)
    assert not list(tmp_path.iterdir())


def test_folder_that_cannot_be_made_is_named(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="could not be downloaded to") as error:
        data.load(
            "cifar10",
            data_dir=tmp_path / "file" / "data",
            sources={"cifar10": publish(CIFAR10, server)},
        )
    one_sentence(error)


def test_malicious_archive_is_refused_and_not_run(server: Server, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    evil = pickle.dumps(Calls(os.system, f"touch {mark}"))
    source = publish(CIFAR10, server, members={"cifar-10-batches-py/data_batch_3": evil})
    with pytest.raises(UnsafePickleError, match="data_batch_3 .* asks for posix.system"):
        data.load("cifar10", data_dir=tmp_path / "data", sources={"cifar10": source})
    assert not mark.exists()


def test_archive_of_another_form_is_refused(server: Server, tmp_path: Path) -> None:
    def load(content: bytes) -> Images:
        server.files["/files/cifar-10-python.tar.gz"] = content
        source = dataclasses.replace(
            CIFAR10, url=server.url, files={"cifar-10-python.tar.gz": md5(content)}
        )
        return data.load("cifar10", data_dir=tmp_path, sources={"cifar10": source})

    with pytest.raises(DataError, match="cannot be read as .tar.gz"):
        load(b"no archive")
    whole = tar({"cifar-10-batches-py/data_batch_1": os.urandom(9000)})
    with pytest.raises(DataError):
        load(whole[:-4000])
    with pytest.raises(DataError, match="must hold .*data_batch_1, .*test_batch, but do not"):
        load(tar({"other": b""}))
    rows = planar(some_images(2, 32))
    contents: tuple[dict[str, Any], ...] = (
        {"data": rows[:, 1:], "labels": [0, 0]},
        {"data": rows.astype(float), "labels": [0, 0]},
        {"data": rows, "labels": [0]},
        {"data": rows, "labels": [0, [1, 2]]},
        {"data": rows, "labels": [0.5, 1]},
        {"data": rows, "labels": [0, 2**62]},
        {"data": rows, "labels": np.array([-1, 0])},
        {"data": rows, "fine_labels": [0, 0]},
        {"data": [], "labels": []},
        {},
    )
    for content in contents:
        batch = pickle.dumps(content, protocol=2)
        with pytest.raises(DataError, match=r"data, uint8 \[n, 3072\], and labels, n integers"):
            load(tar({"cifar-10-batches-py/data_batch_1": batch}))


def imagenet(folder: Path, batches: int = 10) -> Source:
    """Small ImageNet16 batches of the real form in a folder: 6 images each, labels 1..1000."""
    (folder / "ImageNet16").mkdir()
    files = {}
    for i, name in enumerate((*IMAGENET16_120.train, *IMAGENET16_120.test)):
        rows = planar(some_images(6, 16, i))
        content = python2_batch(rows, [1, 120, 121, 1000, 7, 500], "labels")
        files[name] = md5(content)
        if i < batches or i == 10:
            (folder / name).write_bytes(content)
    return dataclasses.replace(IMAGENET16_120, files=files)


def test_imagenet16_keeps_its_first_120_classes_from_0(tmp_path: Path) -> None:
    images = data.load(
        "imagenet16-120", data_dir=tmp_path, sources={"imagenet16-120": imagenet(tmp_path)}
    )
    assert images.image_shape == (16, 16, 3) and images.num_classes == 120
    assert images.y_train.tolist() == [0, 119, 6] * 10
    assert images.y_test is not None and images.y_test.tolist() == [0, 119, 6]
    expected = np.concatenate([some_images(6, 16, i)[[0, 1, 4]] for i in range(10)])
    np.testing.assert_array_equal(images.x_train, expected)


def test_missing_imagenet16_says_which_files_from_where_to_where(tmp_path: Path) -> None:
    source = imagenet(tmp_path, batches=8)
    with pytest.raises(DataError) as error:
        data.load("imagenet16-120", data_dir=tmp_path, sources={"imagenet16-120": source})
    assert one_sentence(error) == (
        "imagenet16-120: ImageNet16/train_data_batch_9, ImageNet16/train_data_batch_10 must be in "
        f"{tmp_path}, but are missing, and it has no direct download; put them there from the "
        "Google Drive folder in the README of https://github.com/D-X-Y/NAS-Bench-201"
    )


def test_damaged_imagenet16_is_named(tmp_path: Path) -> None:
    source = imagenet(tmp_path)
    (tmp_path / source.train[3]).write_bytes(b"half")
    with pytest.raises(DataError, match="train_data_batch_4 must have md5 .* damaged") as error:
        data.load("imagenet16-120", data_dir=tmp_path, sources={"imagenet16-120": source})
    one_sentence(error)
