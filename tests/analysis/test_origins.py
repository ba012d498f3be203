"""What can be said of two runs with the scores that are there, and what is told of the rest."""

from __future__ import annotations

import math
import shlex
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from tests.analysis.origin_runs import QUICK, copied, drawn_pair, halves, known, sampled
from tests.analysis.scored_runs import BASE, TUNED
from tests.commands import pathshift

from pathshift.analysis.origins import CONTROLS, Gap, gaps, origins
from pathshift.errors import RunError


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return drawn_pair(tmp_path_factory.mktemp("drawn"))


@pytest.fixture
def runs(drawn: Path, tmp_path: Path) -> tuple[Path, Path]:
    return copied(drawn, tmp_path)


def test_a_run_that_was_drawn_on_lacks_scores_again(runs: tuple[Path, Path]) -> None:
    base, tuned = runs
    assert pathshift("score", "--as", base, tuned, "-q").returncode == 0
    assert gaps(base, tuned) == [Gap(scorer=tuned, run=base, parts=CONTROLS)]
    sampled(tuned.parent, "tuned", "--store", "tokens", "--n", 20)
    assert [(gap.scorer, gap.run) for gap in gaps(base, tuned)] == [(base, tuned), (tuned, base)]


def test_scores_of_the_base_alone_leave_only_the_controls_out(runs: tuple[Path, Path]) -> None:
    assert pathshift("score", "--as", *runs, "-q").returncode == 0
    found = origins(*runs, bootstrap=QUICK)
    assert None not in (found.perplexity, found.reach, found.shift)
    assert found.shift is not None
    assert found.shift.base is None
    assert [one.parts for one in found.missing] == [CONTROLS]


def test_two_tokenizers_leave_reach_and_shift_out_and_say_why(tmp_path: Path) -> None:
    base, _ = halves(tmp_path)
    shutil.rmtree(tmp_path / "tuned")
    other = replace(TUNED, tokenizer="words")
    tuned = known(tmp_path / "tuned", other, {"r": (True, -2.0, -1.0, 8)})
    found = origins(base, tuned, bootstrap=QUICK)
    assert found.perplexity is not None
    assert found.perplexity.measure == "bits per byte"
    assert found.reach is None
    assert found.shift is None
    (why,) = [one.reason for one in found.missing if one.parts == ("reach",)]
    assert why.startswith("reach needs one tokenizer")


def test_a_reference_is_one_more_distribution_and_its_scores_are_asked_for(tmp_path: Path) -> None:
    runs, text = halves(tmp_path), {"a": (True, -4.0, -1.0, 3)}
    third = known(tmp_path / "third", replace(TUNED, model="third"), text)
    found = origins(*runs, reference=third, bootstrap=QUICK)
    assert found.perplexity is not None
    (third_party,) = [d for d in found.perplexity.distributions if d.samples == "reference"]
    assert third_party.parts[0].perplexity is not None
    # One nat a token under the base.
    assert third_party.parts[0].perplexity.quantiles[2].value == pytest.approx(math.e)
    stranger = known(tmp_path / "b", replace(TUNED, model="third", other="stranger"), text)
    found = origins(*runs, reference=stranger, bootstrap=QUICK)
    assert found.perplexity is None
    (entry,) = [one for one in found.missing if "perplexity" in one.parts]
    words = shlex.split(str(entry.command))
    assert words[:4] == ["pathshift", "score", "--as", str(runs[0])]
    assert words[-1] == str(stranger)


def test_a_run_that_does_not_name_its_weights_is_told_so(tmp_path: Path) -> None:
    nameless = replace(BASE, config={"weights_hash": None})
    base = known(tmp_path / "base", nameless, {"r": (True, -2.0, -1.0, 8)})
    tuned = known(tmp_path / "tuned", TUNED, {"r": (True, -2.0, -1.0, 8)})
    found = origins(base, tuned, bootstrap=QUICK)
    (entry,) = [one for one in found.missing if "reach" in one.parts]
    assert entry.command is None
    assert entry.reason.startswith(f"{base} does not say which weights drew it")


def test_results_do_not_depend_on_when_they_are_computed(tmp_path: Path) -> None:
    runs = halves(tmp_path)
    first, second, other = (
        origins(*runs, bootstrap=replace(QUICK, seed=seed)).to_dict() for seed in (1, 1, 2)
    )
    assert first == second
    assert first["settings"]["seed"] != other["settings"]["seed"]


def test_a_damaged_run_is_an_error_and_no_missing_part(runs: tuple[Path, Path]) -> None:
    assert pathshift("score", "--as", *runs, "-q").returncode == 0
    (shard,) = runs[1].glob("scores/*/*.parquet")
    shard.write_bytes(shard.read_bytes()[:200])
    with pytest.raises(RunError, match="cannot be read"):
        origins(*runs, bootstrap=QUICK)
