"""The chart library as one script text, from the installed vl-convert: nothing is downloaded.

Making the bundle takes a second, so it is kept in the user's cache folder, under a name with the
versions and beside its own checksum. A cache that cannot be read or written is done without.
"""

from __future__ import annotations

import hashlib
import os
import re
from importlib.metadata import version
from pathlib import Path

import altair
import vl_convert

from pathshift.errors import PathshiftError
from pathshift.store.cache_folder import cache_folder

_VL_CONVERT = version("vl-convert-python")
_EXPORT = "window.vegaEmbed = vegaEmbed;"
_CLOSES_SCRIPT = re.compile(r"</script|<script|<!--", re.IGNORECASE)


def script() -> str:
    """Vega, Vega-Lite and vega-embed for a script element; defines `vegaEmbed`.

    Raises:
        PathshiftError: if vl-convert has no bundle for Altair's version of Vega-Lite.
    """
    vega_lite = _vegalite_version()
    folder = cache_folder()
    if folder is None:
        return _make(vega_lite)
    path = folder / f"vega-bundle-{_VL_CONVERT}-{vega_lite}.js"
    text = _read(path)
    if text is None:
        text = _make(vega_lite)
        _keep(path, text)
    return text


def _vegalite_version() -> str:
    """Altair's Vega-Lite as vl-convert names it: 6.4 of v6.4.1."""
    wanted = ".".join(altair.SCHEMA_VERSION.lstrip("v").split(".")[:2])
    offered: list[str] = vl_convert.get_vegalite_versions()
    if wanted not in offered:
        raise PathshiftError(
            f"vl-convert {_VL_CONVERT} holds Vega-Lite {', '.join(offered)}, Altair"
            f" {altair.__version__} writes {wanted}: pip install -U altair vl-convert-python"
        )
    return wanted


def _make(vega_lite: str) -> str:
    """Line ends as an HTML parser leaves them, or the checksum in the page would not match."""
    try:
        text = str(vl_convert.javascript_bundle(_EXPORT, vl_version=vega_lite))
    except (ValueError, RuntimeError) as error:
        reason = str(error).partition("\n")[0]  # a stack trace of the library follows it
        raise PathshiftError(
            f"vl-convert {_VL_CONVERT} makes no chart bundle ({reason}):"
            " pip install -U altair vl-convert-python"
        ) from error
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if "vegaEmbed" not in text or _CLOSES_SCRIPT.search(text):
        raise PathshiftError(
            f"vl-convert {_VL_CONVERT} makes a chart bundle that cannot stand inside"
            " a page: pip install -U vl-convert-python"
        )
    return text


def _checksum(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _read(path: Path) -> str | None:
    """The bundle, if the file is whole: its first line is the checksum of the rest."""
    try:
        checksum, _, text = path.read_bytes().decode().partition("\n")
    except (OSError, UnicodeDecodeError):
        return None
    return text if checksum == _checksum(text) else None


def _keep(path: Path, text: str) -> None:
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(f"{_checksum(text)}\n{text}".encode())
        temporary.replace(path)
    except OSError:
        return
