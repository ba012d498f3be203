"""Where workers leave finished shards until the run's one writer takes them into the run.

A worker never writes among a run's shards. It puts a file aside, whole or not at all, and says so;
the driver, who holds the run's lock, moves it in. A worker that was given up for lost but lives on,
or one of a driver that is dead, can then neither double nor hide a sample: what nobody takes is
swept away.

The place is a folder that all machines see, or any address that fsspec opens (s3://, gs://,
memory:// in tests): a put there is one upload, and taking is one download.
"""

from __future__ import annotations

import contextlib
import io
import re
import shutil
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pathshift.errors import MissingExtra, RunError, StorageError
from pathshift.store.shards import disk_errors, sync_folder, whole_or_absent, write_table

_HELLO = "driver"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,150}")


class Staging:
    """One driver's place.

    Args:
        address: A folder, or scheme://path.
        token: Names the driver, so that two never meet in one place.

    Raises:
        MissingExtra: an address needs fsspec.
        StorageError: no such scheme, or its package is not installed.
    """

    def __init__(self, address: str, token: str) -> None:
        self.address, self.token = address, token
        self._store = _Remote(address, token) if "://" in address else _Local(address, token)

    def open(self) -> None:
        """Make the place, so that workers can tell whether they see it.

        Raises:
            StorageError: it cannot be written.
        """
        self._store.put_bytes(_HELLO, b"")

    def check_seen(self) -> None:
        """Make sure, on a worker's machine, that it is the driver's own place.

        Raises:
            RunError: nothing is there.
        """
        if not self._store.has(_HELLO):
            raise RunError(
                f"this machine does not see {self.address} as the driver's does; use an --out that "
                "all machines share, or -E staging=ADDRESS with one that all can reach (s3://...)"
            )

    def put(self, table: pa.Table, name: str) -> str:
        """Leave a table as a Parquet file; returns its name.

        Raises:
            StorageError: the place refused.
        """
        self._store.put(table, _checked(name))
        return name

    def take(self, name: str, path: Path) -> None:
        """Move a file to a path of this machine, where it is whole or absent.

        Raises:
            StorageError: it is gone, or the disk refused.
        """
        self._store.take(_checked(name), path)

    def close(self) -> None:
        """Sweep the place away with all that was not taken."""
        self._store.remove()


def _checked(name: str) -> str:
    assert _NAME.fullmatch(name), name
    return name


class _Local:
    def __init__(self, address: str, token: str) -> None:
        self._folder = Path(address).absolute() / token

    def put_bytes(self, name: str, content: bytes) -> None:
        with whole_or_absent(self._folder / name) as file:
            file.write(content)

    def has(self, name: str) -> bool:
        return (self._folder / name).is_file()

    def put(self, table: pa.Table, name: str) -> None:
        write_table(table, self._folder / name)

    def take(self, name: str, path: Path) -> None:
        source = self._folder / name
        with disk_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            if source.stat().st_dev == path.parent.stat().st_dev:
                source.replace(path)
                sync_folder(path.parent)
                return
        with source.open("rb") as file, whole_or_absent(path) as new:
            shutil.copyfileobj(file, new)
        source.unlink()

    def remove(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)
        with contextlib.suppress(OSError):  # others may be in there
            self._folder.parent.rmdir()


class _Remote:
    def __init__(self, address: str, token: str) -> None:
        try:
            import fsspec
        except ModuleNotFoundError as error:
            raise MissingExtra("fsspec", "ray") from error
        try:
            self._files, root = fsspec.core.url_to_fs(address)
        except (ValueError, ImportError) as error:
            raise StorageError(f"{address} cannot be opened: {error}") from error
        self._root = PurePosixPath(root) / token
        self._address = address

    def put_bytes(self, name: str, content: bytes) -> None:
        with self._told():
            self._files.makedirs(str(self._root), exist_ok=True)
            self._files.pipe_file(self._at(name), content)

    def has(self, name: str) -> bool:
        with self._told():
            self._files.invalidate_cache()
            return bool(self._files.exists(self._at(name)))

    def put(self, table: pa.Table, name: str) -> None:
        buffer = io.BytesIO()
        pq.write_table(table, buffer, compression="zstd")
        self.put_bytes(name, buffer.getvalue())

    def take(self, name: str, path: Path) -> None:
        with self._told():
            content: Any = self._files.cat_file(self._at(name))
        with whole_or_absent(path) as file:
            file.write(content)
        with self._told():
            self._files.rm_file(self._at(name))

    def remove(self) -> None:
        with contextlib.suppress(Exception):  # what stays there is no part of the run
            self._files.rm(str(self._root), recursive=True)

    def _at(self, name: str) -> str:
        return str(self._root / name)

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        """Every store has errors of its own, so all of them end here."""
        try:
            yield
        except Exception as error:
            reason = " ".join(str(error).split())[:200] or type(error).__name__
            raise StorageError(
                f"{self._address} refused ({reason}); closed shards are safe, "
                "mend it and run the same command again"
            ) from error
