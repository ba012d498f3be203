"""The readings of a comparison, by hand on three problems."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pathshift.analysis.comparison import compare
from pathshift.analysis.readings import readings
from pathshift.errors import ConfigError
from pathshift.records import CountTable, ProblemCount

STOPPING = {"pilot": 16, "successes": 2, "cap": 32}


def table(c: list[int], floor: float | None = 0.001) -> CountTable:
    counts = tuple(
        ProblemCount(id=f"p{i}", n=16, c=x, failed=0, floor=floor) for i, x in enumerate(c)
    )
    return CountTable(name="run", counts=counts)


THREE = ([(16, 0), (16, 8), (16, 16)], [(16, 2), (16, 16), (16, 16)])
"""Base and tuned on three problems."""


def test_a_comparison_holds_the_readings_of_both_sides() -> None:
    found = compare(*THREE, floor=0.5, replicates=200).readings
    assert found is not None
    base, tuned = found["base"], found["tuned"]
    assert base.cover is not None
    assert tuned.cover is not None
    assert [p.share for p in base.cover] == pytest.approx([2 / 3, 2 / 3, 2 / 3, 1 / 3])
    assert [p.share for p in tuned.cover] == pytest.approx([1, 1, 2 / 3, 2 / 3])
    assert base.curve[1].floor == pytest.approx(1 - 0.5**2)
    assert base.curve[-1].g_pass == pytest.approx(2 / 3)
    assert base.beyond is not None
    assert tuned.beyond is not None
    # Only 16 of 16 is more than coin flips: 2^-16. 8 of 16 is what they bring.
    assert (base.beyond.solved, tuned.beyond.solved) == (1, 2)
    assert base.beyond.by_chance == pytest.approx(3 * (1 - 0.5**16))


def test_a_comparison_takes_the_rate_as_a_setting() -> None:
    found = compare(*THREE, false_positive=0.25, replicates=200)
    assert found.settings["false_positive"] == 0.25
    assert found.readings is not None
    first = found.readings["base"].curve[0]
    assert first.corrected == pytest.approx(1 - 0.5 / 0.75)
    assert first.no_ability == pytest.approx(0.25)
    with pytest.raises(ConfigError, match="false-positive rate"):
        compare(*THREE, false_positive=1.0)


def test_a_floor_that_one_side_states_holds_for_both() -> None:
    base, tuned = table([1, 4], floor=0.25), table([2, 8], floor=None)
    found = compare(base, tuned, replicates=200)
    assert found.readings is not None
    assert [found.readings[side].curve[0].floor for side in ("base", "tuned")] == [
        pytest.approx(0.25)
    ] * 2
    assert found.floor is not None
    assert found.floor[0] == pytest.approx(0.25)


def test_a_stopped_side_leaves_out_what_does_not_apply() -> None:
    stopped = replace(table([2, 2]), settings={"stopping": STOPPING})
    found = compare(table([1, 4]), stopped, replicates=200).readings
    assert found is not None
    assert found["base"].cover is not None
    assert (found["tuned"].cover, found["tuned"].mg_pass) == (None, None)
    assert found["tuned"].beyond is not None


def test_json_has_the_names_of_show() -> None:
    plain = compare(*THREE, replicates=200).to_dict()
    shown = readings(table([0, 8, 16], floor=None))
    assert shown is not None
    assert plain["readings"]["base"] == shown.to_dict()
    assert "pass" in plain["readings"]["tuned"]["curve"][0]
