from __future__ import annotations

from pathlib import Path

import altair
import pytest
import vl_convert

from pathshift.errors import PathshiftError
from pathshift.report import bundle


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "pathshift"


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A library quick to make, with line ends of every kind; lists the versions it was made in."""
    made: list[str] = []

    def make(_snippet: str, *, vl_version: str) -> str:
        made.append(vl_version)
        return "window.vegaEmbed = 1;\r\n// é\r"

    monkeypatch.setattr(vl_convert, "javascript_bundle", make)
    return made


def test_bundle_is_kept_and_read_back(cache: Path, library: list[str]) -> None:
    assert bundle.script() == bundle.script() == "window.vegaEmbed = 1;\n// é\n"
    assert len(list(cache.iterdir())) == 1
    assert altair.SCHEMA_VERSION.startswith(f"v{library[0]}.")
    assert len(library) == 1


@pytest.mark.parametrize("damage", [b"", b"\xff\xfe", b"0" * 64 + b"\nwindow.vegaEmbed = evil"])
def test_damaged_cache_is_made_anew(cache: Path, library: list[str], damage: bytes) -> None:
    made = bundle.script()
    (kept,) = cache.iterdir()
    kept.write_bytes(damage)
    assert bundle.script() == bundle.script() == made
    assert len(library) == 2


@pytest.mark.usefixtures("library")
def test_unwritable_cache_is_done_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert "vegaEmbed" in bundle.script()


@pytest.mark.usefixtures("library")
def test_no_home_is_done_without(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)

    def homeless() -> Path:
        raise RuntimeError("no home")

    monkeypatch.setattr(Path, "home", homeless)
    assert "vegaEmbed" in bundle.script()


@pytest.mark.usefixtures("library")
def test_relative_cache_folder_is_ignored(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    bundle.script()
    assert (tmp_path / ".cache" / "pathshift").is_dir()


def test_bundle_brings_the_expression_interpreter() -> None:
    text = bundle.script()
    assert "expressionInterpreter" in text
    assert "window.vegaEmbed=" in text


@pytest.mark.usefixtures("cache")
def test_version_that_is_not_offered_names_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(altair, "SCHEMA_VERSION", "v99.1.0")
    with pytest.raises(PathshiftError, match=r"writes 99\.1: pip install"):
        bundle.script()


@pytest.mark.usefixtures("cache")
def test_failing_library_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_args: object, **_kwargs: object) -> str:
        raise RuntimeError("no runtime\n\nStack backtrace:\n 0: <unknown>")

    monkeypatch.setattr(vl_convert, "javascript_bundle", fails)
    with pytest.raises(PathshiftError) as caught:
        bundle.script()
    assert "(no runtime)" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.usefixtures("cache")
@pytest.mark.parametrize("text", ["nothing", "vegaEmbed = '</SCRIPT>'", "vegaEmbed = '<!--'"])
def test_bundle_that_would_break_the_page_is_refused(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vl_convert, "javascript_bundle", lambda *_args, **_kwargs: text)
    with pytest.raises(PathshiftError, match="cannot stand inside a page"):
        bundle.script()
