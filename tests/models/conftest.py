"""SmolLM2 on this machine, loaded once a session."""

from __future__ import annotations

import pytest

from pathshift.models import smollm2
from pathshift.models.hf.model import HfModel, load_hf


@pytest.fixture(scope="session")
def smollm() -> HfModel:
    if not smollm2.is_here():
        pytest.skip("smollm2 is not unpacked; `pathshift models get smollm2` does it")
    return load_hf("smollm2", str(smollm2.location()), n_rows=16)
