"""Files from the network: of a bounded size, within a bounded time, on disk whole or not at all."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import secrets
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import pooch  # type: ignore[import-untyped]

from jaxnas.checks import in_words, one_line, opened, shown
from jaxnas.data.images import DataError

# Seconds: of silence, and of the whole download.
_SILENCE, _WHOLE = 30, 3600
_CHUNK = 1 << 16
_MOST_BYTES = 10**10  # of a file whose checksum is computed
_BY_HAND = "try again later, or put the right file there by hand"


def download(url: str, path: Path, checksum: str, most_bytes: int) -> None:
    """Downloads a file unless it is there and whole; leaves nothing half-written behind.

    What a killed download left is removed by the next one into the same folder.

    Args:
        url: of the file.
        path: where it is kept.
        checksum: `md5:<hex>` or `sha256:<hex>`.
        most_bytes: its size, which the server may not exceed.

    Raises:
        DataError: it cannot be downloaded, is another file, or cannot be written.
    """
    try:
        if difference(path, checksum) is None:
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_leftovers(path)
        pooch.get_logger().info(f"Downloading data from {url} to {shown(path)}.")
        with _temporary(path) as (temporary, file):
            writer = _Writer(file, most_bytes)
            _within(_WHOLE, lambda: _fetch(url, writer))
            writer.close()
            wrong = difference(temporary, checksum)
            if wrong:
                raise DataError(
                    f"{path.name}, downloaded from {url}, {wrong}, so it was not kept; {_BY_HAND}, "
                    f"at {shown(path)}"
                )
            temporary.replace(path)
    except OSError as error:  # requests' errors are OSErrors
        raise DataError(
            f"{url} could not be downloaded to {shown(path)} ({_reason(error)}); "
            f"check the connection and try again, or put the file there by hand"
        ) from error


def difference(path: Path, checksum: str) -> str | None:
    """How a file differs from its checksum, `algorithm:hex`, in words; None if it does not.

    Raises:
        DataError: it is no regular file.
        OSError: it cannot be read.
    """
    algorithm, expected = checksum.split(":")
    if not path.exists():
        return f"must have {algorithm} {expected}, but is not there"
    with opened(path, "a published file", _MOST_BYTES, DataError) as file:
        found = hashlib.file_digest(file, algorithm).hexdigest()  # type: ignore[arg-type]
    return None if found == expected else f"must have {algorithm} {expected}, but has {found}"


class _Writer:
    """Takes what is downloaded, and no more than is expected."""

    def __init__(self, file: IO[bytes], most_bytes: int) -> None:
        self._file, self._left, self._most = file, most_bytes, most_bytes
        self._lock = threading.Lock()

    def write(self, chunk: bytes) -> None:
        """Writes a chunk.

        Raises:
            OSError: there is more than expected, or nobody waits for it any more.
        """
        with self._lock:
            self._left -= len(chunk)
            if self._left < 0:
                raise OSError(f"the server sends more than the file's {in_words(self._most)}")
            self._file.write(chunk)

    def flush(self) -> None:
        """Leaves what was written to the file's buffer."""

    def close(self) -> None:
        """Ends the writing."""
        with self._lock:
            self._left = -1
            self._file.flush()
            os.fsync(self._file.fileno())


def _fetch(url: str, writer: _Writer) -> None:
    fetch = pooch.HTTPDownloader(progressbar=False, timeout=_SILENCE, chunk_size=_CHUNK)
    fetch(url, writer, None)


def _within(seconds: float, action: Callable[[], None]) -> None:
    """Does something in a thread of its own, so that it can be left behind when time is over."""
    errors: list[BaseException] = []

    def attempt() -> None:
        try:
            action()
        except BaseException as error:  # noqa: BLE001  # raised again by whoever waits
            errors.append(error)

    thread = threading.Thread(target=attempt, daemon=True)
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        raise TimeoutError(f"not done within {seconds:,.0f} seconds")
    for error in errors:
        raise error


@contextlib.contextmanager
def _temporary(path: Path) -> Iterator[tuple[Path, IO[bytes]]]:
    """A new file beside another, locked while it is in use, and removed unless it was renamed."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}.part")
    # Not opened where anything, even a link, has that name; with the usual permissions.
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(temporary, flags, 0o666), "w+b") as file:
        try:
            with contextlib.suppress(OSError):  # some disks have no locks
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield temporary, file
        finally:
            temporary.unlink(missing_ok=True)


def _remove_leftovers(path: Path) -> None:
    """Removes what killed downloads of a file left: temporary files that nobody has locked."""
    for leftover in path.parent.glob(f".{path.name}.*.part"):
        with contextlib.suppress(OSError):
            descriptor = os.open(leftover, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                leftover.unlink()
            finally:
                os.close(descriptor)


def _reason(error: Any) -> str:
    """An error in a few words: requests' own messages run over many lines."""
    status = getattr(getattr(error, "response", None), "status_code", None)
    if status:
        return f"HTTP status {status}"
    if type(error) in (OSError, TimeoutError) and not error.errno:
        return one_line(error).partition(": ")[2]
    return error.strerror or type(error).__name__
