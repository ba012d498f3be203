"""Fixtures of the importers' tests."""

from __future__ import annotations

import pytest
from tests.store.importers.refusals import Refuses, refuser


@pytest.fixture
def refuses(tmp_path_factory: pytest.TempPathFactory) -> Refuses:
    """Checks that logs are refused with one line and leave no run behind."""
    return refuser(tmp_path_factory.mktemp("runs"))
