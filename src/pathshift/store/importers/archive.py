"""Members of a zip file, read into memory within limits; nothing is ever unpacked to disk.

Covers stored, deflated and zstandard members (method 93), which Python's own zipfile reads from
3.14 on only. A member is read to its declared size and no further, so a bomb ends at the limit.
"""

from __future__ import annotations

import lzma
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import Self

import pyarrow as pa

from pathshift.errors import LogError

MAX_MEMBER_BYTES = 2_000_000_000
_ZSTD = 93
_LOCAL_HEADER = 30


class Archive:
    """A zip file open for reading; use as a context manager.

    Raises:
        LogError: it is not a whole zip file, or a member's name points outside of it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._zip = zipfile.ZipFile(path)
        except (zipfile.BadZipFile, OSError, ValueError) as error:
            raise LogError(
                f"{path}: not a whole zip file ({error}); if the copy was cut, copy it again"
            ) from None
        self._members = {info.filename: info for info in self._zip.infolist()}
        for name in self._members:
            parts = PurePosixPath(name.replace("\\", "/"))
            if parts.is_absolute() or ".." in parts.parts or ":" in "".join(parts.parts[:1]):
                self._zip.close()
                raise LogError(f"{path}, member {name[:80]!r}: points outside of the archive")
        self._file = path.open("rb")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()
        self._zip.close()

    def names(self) -> list[str]:
        """Names of the members, in the order they were written."""
        return list(self._members)

    def size(self, name: str) -> int:
        """Bytes of a member when unpacked, as the archive declares them."""
        return self._members[name].file_size

    def read(self, name: str) -> bytes:
        """A member's content.

        Raises:
            LogError: it is damaged, larger than the limit, or packed in an unknown way.
        """
        info = self._members[name]
        where = f"{self.path}, member {name[:80]!r}"
        if info.file_size > MAX_MEMBER_BYTES:
            raise LogError(f"{where}: more than {MAX_MEMBER_BYTES} bytes")
        with _damage(where):
            data = self._unzstd(info) if info.compress_type == _ZSTD else self._unzip(info)
        if len(data) != info.file_size or zlib.crc32(data) != info.CRC:
            raise LogError(f"{where}: damaged, its checksum does not fit; copy the file again")
        return data

    def _unzip(self, info: zipfile.ZipInfo) -> bytes:
        with self._zip.open(info) as member:
            return member.read(info.file_size + 1)

    def _unzstd(self, info: zipfile.ZipInfo) -> bytes:
        if info.file_size == 0:
            return b""
        self._file.seek(info.header_offset)
        header = self._file.read(_LOCAL_HEADER)
        if len(header) < _LOCAL_HEADER or header[:4] != b"PK\x03\x04":
            raise ValueError("no local header")
        skip = int.from_bytes(header[26:28], "little") + int.from_bytes(header[28:30], "little")
        self._file.seek(skip, 1)
        packed = self._file.read(info.compress_size)
        data: bytes = pa.decompress(
            packed, decompressed_size=info.file_size, codec="zstd", asbytes=True
        )
        return data


# RuntimeError: the member is encrypted.
_DAMAGED = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, pa.ArrowException, OSError, ValueError,
    EOFError, RuntimeError,
)  # fmt: skip


@contextmanager
def _damage(where: str) -> Iterator[None]:
    try:
        yield
    except NotImplementedError as error:
        raise LogError(f"{where}: packed in a way that is not known here ({error})") from None
    except _DAMAGED as error:
        reason = " ".join(str(error).split())[:120]
        raise LogError(f"{where}: damaged ({reason}); copy the file again") from None
