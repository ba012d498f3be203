"""Fixtures of the report's tests: a cache folder of their own, and a browser if there is one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.report import chromium


@pytest.fixture(scope="session")
def bundle_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The chart bundle is made once a session, outside the user's cache."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module", autouse=True)
def _own_cache(bundle_cache: Path) -> Iterator[None]:
    """For these tests alone: others look for real models in the user's cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(bundle_cache))
        patch.delenv("PATHSHIFT_CACHE", raising=False)
        yield


@pytest.fixture
def browser(tmp_path: Path) -> chromium.Browser:
    program = chromium.find()
    if program is None:
        pytest.skip("no chromium, chromium-browser or google-chrome on PATH")
    return chromium.Browser(program, tmp_path / "profile")
