"""Predictions beyond the samples: what is printed, what is refused, the bar on released counts."""

from __future__ import annotations

import json
from importlib.resources import files

import numpy as np
import pytest

from pathshift.analysis.beyond import k_beyond, lines, predict_beyond
from pathshift.errors import ConfigError
from pathshift.stats.passk import IntArray, best_with_replacement


@pytest.fixture(scope="module")
def deepscaler() -> list[IntArray]:
    folder = files("pathshift") / "examples" / "deepscaler32k"
    sides = [(folder / f"{side}.jsonl").read_text().splitlines() for side in ("base", "tuned")]
    return [np.array([(r["n"], r["c"]) for r in map(json.loads, s)]) for s in sides]


def best(counts: IntArray) -> float:
    return best_with_replacement(counts[:, 0], counts[:, 1], 128)


def subsamples(sides: list[IntArray], rng: np.random.Generator) -> list[IntArray]:
    drawn = [rng.hypergeometric(s[:, 1], s[:, 0] - s[:, 1], 16) for s in sides]
    return [np.column_stack([np.full(len(c), 16), c]) for c in drawn]


def test_from_16_deepscaler_samples_the_range_holds_128_and_the_middle_is_close(
    deepscaler: list[IntArray],
) -> None:
    rng, true, errors, held = np.random.default_rng(7), [0.8906, 0.8708], [], []
    for seed in range(20):
        base, tuned = subsamples(deepscaler, rng)
        found = predict_beyond(base, tuned, up_to=128, replicates=100, seed=seed)
        sides = (found.base, found.tuned)
        errors.append([s.middle[-1] - t for s, t in zip(sides, true, strict=True)])
        held.append([s.low[-1] <= t <= s.high[-1] for s, t in zip(sides, true, strict=True)])
    assert (abs(np.mean(errors, axis=0)) <= 0.01).all()
    assert (np.mean(held, axis=0) >= 0.85).all()


def test_the_plug_in_has_the_sign_wrong_where_the_middle_has_it_right(
    deepscaler: list[IntArray],
) -> None:
    rng, plug_in, middle = np.random.default_rng(8), [], []
    for seed in range(20):
        base, tuned = subsamples(deepscaler, rng)
        plug_in.append(best(tuned) - best(base))
        middle.append(
            predict_beyond(base, tuned, up_to=128, replicates=50, seed=seed).difference[-1]
        )
    assert np.mean(np.array(plug_in) < 0) < 0.5
    assert np.mean(np.array(middle) < 0) >= 0.8


def test_lists_agree_and_ranges_hold_the_laws(deepscaler: list[IntArray]) -> None:
    found = predict_beyond(deepscaler[0], deepscaler[1], replicates=100)
    assert found.n == 128
    assert found.k == [256, 512, 1024]
    for side in (found.base, found.tuned):
        for law in (side.bb, side.zibb, side.smooth, side.middle):
            assert len(law) == 3
            assert all(a <= x <= b for a, x, b in zip(side.low, law, side.high, strict=True))
            assert (np.diff(law) > 0).all()
    difference = zip(found.difference_low, found.difference, found.difference_high, strict=True)
    assert all(a <= x <= b for a, x, b in difference)
    assert found.base.laws["zibb"]["impossible"] == pytest.approx(0.062, abs=0.001)
    assert json.loads(json.dumps(found.to_dict())) == found.to_dict()


def test_same_seed_same_prediction(deepscaler: list[IntArray]) -> None:
    few = [side[:60] for side in deepscaler]
    first, second, other = (
        predict_beyond(few[0], few[1], replicates=60, seed=seed) for seed in (1, 1, 2)
    )
    assert first == second
    assert first != other


def test_a_model_against_itself_differs_by_nothing(deepscaler: list[IntArray]) -> None:
    found = predict_beyond(deepscaler[0], deepscaler[0], up_to=256, replicates=100)
    assert found.difference == [0.0]
    assert found.difference_low[0] < 0 < found.difference_high[0]


def test_lines_show_ranges_and_say_they_are_no_verdict(deepscaler: list[IntArray]) -> None:
    found = predict_beyond(deepscaler[0], deepscaler[1], up_to=256, replicates=100)
    heading, told = lines(found)
    assert heading == (
        "beyond n=128, by model only (not part of the verdict); ranges over models at 90%"
    )
    assert told.startswith("pass@256 base .")
    assert "(ZIBB .902, BB .911; model-free ." in told
    assert "difference -." in told


@pytest.mark.parametrize("n", [4, 16])
@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("problems", [1, 15])
def test_degenerate_counts_give_ranges_with_width(n: int, share: float, problems: int) -> None:
    counts = np.tile([[n, int(n * share)]], (problems, 1))
    found = predict_beyond(counts, counts, replicates=60)
    for low, high in ((found.base.low, found.base.high), (found.tuned.low, found.tuned.high)):
        assert all(0 <= a < b <= 1 for a, b in zip(low, high, strict=True))
    assert all(a < 0 < b for a, b in zip(found.difference_low, found.difference_high, strict=True))


def test_unequal_n_are_read_each_at_its_own() -> None:
    rng = np.random.default_rng(0)
    n = rng.integers(8, 40, 80)
    counts = [np.column_stack([n, rng.binomial(n, rng.beta(0.4, 0.6, 80))]) for _ in range(2)]
    found = predict_beyond(counts[0], counts[1], up_to=32, replicates=60)
    assert found.n == int(n.min())
    assert found.k == [16, 32]


def test_grid_is_powers_of_two_and_what_was_asked_for() -> None:
    assert k_beyond(16, None).tolist() == [32, 64, 128]
    assert k_beyond(16, 100).tolist() == [32, 64, 100]
    assert k_beyond(100, None).tolist() == [128, 256, 512, 800]
    assert k_beyond(1024, None).tolist() == [2048, 4096]
    assert k_beyond(5000, None).tolist() == [8192, 10000]


@pytest.mark.parametrize("up_to", [0, 16, 1 << 21])
def test_a_k_that_is_not_beyond_is_refused(up_to: int) -> None:
    with pytest.raises(ConfigError, match=f"beyond the samples: .* above 16 .* got {up_to}"):
        k_beyond(16, up_to)


def test_one_sample_is_too_few() -> None:
    with pytest.raises(ConfigError, match="at least 2 samples of every problem"):
        k_beyond(1, None)


def test_the_plug_in_is_refused_with_its_reason() -> None:
    counts = np.array([(4, 1), (4, 0)])
    with pytest.raises(ConfigError, match=r"refused beyond n: .*out of reach.* use the range"):
        predict_beyond(counts, counts, predictor="plug-in")


def test_an_unknown_predictor_is_refused() -> None:
    counts = np.array([(4, 1), (4, 0)])
    with pytest.raises(ConfigError, match="'power law' is not known; use range"):
        predict_beyond(counts, counts, predictor="power law")
