"""Fair envelopes: the published flip, grids that are none, and runs whose truth is computed."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pathshift.analysis.draws import run_draws
from pathshift.analysis.entropy_match import match_entropy
from pathshift.analysis.envelope import Envelope, equal_entropy, fair_envelope
from pathshift.analysis.fair_grid import SettingRun, common_grid
from pathshift.decoding.policy import Policy
from pathshift.errors import ConfigError
from pathshift.models.fake import FakeModel
from pathshift.records import CountTable, ProblemCount
from pathshift.rollout.plan import SampleConfig, make_plan
from pathshift.rollout.sampling import draw_samples
from pathshift.store.counts import run_counts
from pathshift.store.run import RunFolder


def run(
    counts: list[tuple[int, int]], temperature: float | None = 1.0, model: str = "m",
    **settings: Any,
) -> SettingRun:  # fmt: skip
    """Counts by problem under a temperature."""
    known = {"temperature": temperature, "weights_hash": model, **settings}
    return SettingRun(
        table=CountTable(
            name=f"{model} T={temperature} {' '.join(map(str, settings.values()))}".strip(),
            counts=tuple(
                ProblemCount(id=f"p{i}", n=n, c=c, floor=0.0) for i, (n, c) in enumerate(counts)
            ),
            settings=known,
        )
    )


def solved(number: int, temperature: float, model: str) -> SettingRun:
    """30 problems of AIME24 at 1,024 samples, so many of them solved once."""
    return run([(1024, 1)] * number + [(1024, 0)] * (30 - number), temperature, model)


@pytest.fixture(scope="module")
def aime24() -> Envelope:
    """pass@1024 of Qwen2.5-7B and its tuned child (Yue et al. 2025, figure 16, digitised):
    .767/.633 at T=.6, .767/.700 at T=1, .633/.733 at T=1.2, as whole counts of 30 problems."""
    base = [solved(c, t, "base") for c, t in ((23, 0.6), (23, 1.0), (19, 1.2))]
    tuned = [solved(c, t, "tuned") for c, t in ((19, 0.6), (21, 1.0), (22, 1.2))]
    return fair_envelope(base, tuned, replicates=500, splits=2)


def test_at_one_temperature_the_tuned_model_ends_above_and_in_the_envelope_below(
    aime24: Envelope,
) -> None:
    last = {label: curves.difference[-1] for label, curves in aime24.by_setting.items()}
    assert last == pytest.approx({"T=0.6": -4 / 30, "T=1": -2 / 30, "T=1.2": 3 / 30})
    best = aime24.naive
    assert best.k[-1] == 1024
    assert (best.base[-1], best.tuned[-1]) == pytest.approx((0.767, 0.733), abs=5e-4)
    assert best.difference[-1] == pytest.approx(-1 / 30)
    assert (best.setting_base[-1], best.setting_tuned[-1]) == ("T=0.6", "T=1.2")


def test_thirty_problems_decide_nothing_about_it(aime24: Envelope) -> None:
    assert aime24.verdict.word == "undecided"
    assert aime24.other_problems is not None
    assert aime24.other_problems.low[-1] < 0 < aime24.other_problems.high[-1]


def test_the_result_is_plain_json(aime24: Envelope) -> None:
    plain = aime24.to_dict()
    assert json.loads(json.dumps(plain, allow_nan=False)) == plain
    assert plain["k"][-1] == 512
    assert len(plain["fair"]["low"]) == len(plain["k"])
    assert sum(shares[-1] for shares in plain["chosen"]["base"].values()) == pytest.approx(1)


def test_the_same_seed_gives_the_same_result() -> None:
    rng = np.random.default_rng(0)
    runs = [
        [run([(8, int(c)) for c in rng.integers(0, 9, 20)], t, m) for t in (0.6, 1.0)]
        for m in ("base", "tuned")
    ]
    found = [fair_envelope(*runs, seed=s, replicates=300).to_dict() for s in (1, 1, 2)]
    assert found[0] == found[1] != found[2]


def test_words_come_from_the_cross_fitted_band_and_the_floor() -> None:
    base = [run([(32, c)] * 80, t, "base") for t, c in ((0.6, 4), (1.0, 2))]
    tuned = [run([(32, c)] * 80, t, "tuned") for t, c in ((0.6, 12), (1.0, 20))]
    found = fair_envelope(base, tuned, replicates=500)
    assert found.verdict.word == "gain"
    assert found.fair.base[0] == pytest.approx(4 / 32)
    assert found.fair.tuned[0] == pytest.approx(20 / 32)
    barred = fair_envelope(base, tuned, replicates=500, floor=0.1)
    assert barred.gain_certified == []
    assert "blind guessing" in barred.verdict.sentence


def test_copies_of_a_problem_in_one_cluster_bring_no_evidence() -> None:
    def side(model: str, correct: list[int], copies: int) -> list[SettingRun]:
        found = []
        for temperature in (0.6, 1.0):
            one = run([(8, c) for c in correct for _ in range(copies)], temperature, model)
            counts = tuple(
                replace(p, cluster=str(i // copies)) for i, p in enumerate(one.table.counts)
            )
            found.append(SettingRun(table=replace(one.table, counts=counts)))
        return found

    base, tuned = [0, 1, 2, 3, 4, 5, 0, 2, 1, 4], [2, 1, 5, 3, 8, 6, 0, 1, 4, 7]
    widths = []
    for copies in (1, 4):
        found = fair_envelope(side("b", base, copies), side("t", tuned, copies), replicates=4000)
        widths.append(found.fair.high[0] - found.fair.low[0])
        assert found.fair.difference[0] == pytest.approx(1.5 / 8, abs=0.01)
    assert widths[1] == pytest.approx(widths[0], rel=0.1)


PLAIN = [(4, 1), (4, 3)]


@pytest.mark.parametrize(
    ("base", "tuned", "said"),
    [
        ([run(PLAIN, 0.6), run(PLAIN, 1.0, "other")], [run(PLAIN, 0.6)],
         r"m T=0.6 and other T=1.0 stand on the base side and are different models"),
        ([run(PLAIN, 0.6), run(PLAIN, 0.6, seed=2)], [run(PLAIN, 0.6)], "have the same setting"),
        ([run(PLAIN, None)], [run(PLAIN, 0.6)], "does not say how it was sampled"),
        ([run(PLAIN, 0.6, stopping={"pilot": 2})], [run(PLAIN, 0.6)], "rule that looks"),
        ([run(PLAIN, 0.6), run(PLAIN, 1.0)], [run(PLAIN, 0.6)],
         r"common: only T=0.6 \(tuned lacks T=1\)"),
        ([run(PLAIN, 0.6)], [run(PLAIN, 0.8)],
         r"common: none \(base lacks T=0.8; tuned lacks T=0.6\)"),
        ([run([(1, 1)], t) for t in (0.6, 1.0)], [run([(1, 1)], t) for t in (0.6, 1.0)],
         "at least 2 judged samples"),
    ],
)  # fmt: skip
def test_what_is_no_fair_grid_is_refused_in_one_line(
    base: list[SettingRun], tuned: list[SettingRun], said: str
) -> None:
    with pytest.raises(ConfigError, match=said) as refused:
        fair_envelope(base, tuned)
    assert "\n" not in str(refused.value)


def test_settings_of_one_side_only_are_left_out_and_named() -> None:
    base = [run(PLAIN, t, "base") for t in (0.6, 1.0, 1.2)]
    tuned = [run(PLAIN, t, "tuned") for t in (1.0, 0.6)]
    grid = common_grid(base, tuned)
    assert grid.labels == ("T=0.6", "T=1")
    assert [r.table.settings["temperature"] for r in grid.tuned] == [0.6, 1.0]
    assert grid.missing == {"base": (), "tuned": ("T=1.2",)}
    assert any("tuned lacks T=1.2" in note for note in grid.notes)


def test_a_template_per_side_is_told_and_one_that_varies_is_part_of_the_grid() -> None:
    base = [run(PLAIN, t, "base", template_hash="plain") for t in (0.6, 1)]
    tuned = [run(PLAIN, t, "tuned", template_hash="chat") for t in (0.6, 1.0)]
    grid = common_grid(base, tuned)
    assert grid.labels == ("T=0.6", "T=1")
    assert any(note.startswith("template_hash differs between the sides") for note in grid.notes)
    both = [run(PLAIN, 0.6, "base", template_hash=h) for h in ("a", "b")]
    theirs = [run(PLAIN, 0.6, "tuned", template_hash=h) for h in ("b", "a")]
    assert common_grid(both, theirs).labels == ("T=0.6 template_hash=a", "T=0.6 template_hash=b")


def test_problems_that_a_run_lacks_are_passed_over_on_request() -> None:
    base = [run([(4, 1), (4, 2), (4, 3)], 0.6), run([(4, 2), (4, 2)], 1.0)]
    tuned = [run([(4, 1), (4, 2), (4, 3)], t, "tuned") for t in (0.6, 1.0)]
    grid = common_grid(base, tuned, common=True)
    assert grid.counts("base").tolist() == [[[4, 1], [4, 2]], [[4, 2], [4, 2]]]
    assert grid.ids_of(grid.base[0]) == ["p0", "p1"]


def test_an_entropy_between_two_temperatures_is_met_in_proportion() -> None:
    known = {"T=.6": 0.22, "T=1": 0.40, "T=1.5": 0.50, "T=2": None}
    found = match_entropy(0.47, known)
    assert found is not None
    assert (found.low, found.high) == ("T=1", "T=1.5")
    assert found.share == pytest.approx(0.7)
    outside = match_entropy(0.75, known)
    assert outside is not None
    assert (outside.low, outside.high) == ("T=1.5", "T=1.5")
    assert outside.mismatch == pytest.approx(-0.25)
    assert match_entropy(0.5, {"T=1": None}) is None


def test_logged_entropies_are_compared_with_logged_ones() -> None:
    base = run([(8, 2)] * 12, 0.6, "base", entropy=0.5)
    tuned = [
        run([(8, c)] * 12, t, "tuned", entropy=e) for t, e, c in ((0.6, 0.3, 6), (1.0, 0.7, 2))
    ]
    found = equal_entropy(base, tuned, replicates=300)
    assert found is not None
    assert found.kind == "logged"
    assert found.temperature == pytest.approx(0.8)
    assert found.curves.difference[0] == pytest.approx((6 / 8 + 2 / 8) / 2 - 2 / 8)
    assert equal_entropy(run([(8, 2)] * 12, 0.6), tuned, replicates=300) is None


TEMPERATURES = (0.7, 1.3)


@pytest.fixture(scope="module")
def fakes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[SettingRun]]:
    """fake:base and fake:tuned on 40 problems x 64 samples at two temperatures."""
    folder = tmp_path_factory.mktemp("fakes")
    return {
        name: [_sampled(folder / f"{name}{t}", name, t) for t in TEMPERATURES]
        for name in ("base", "tuned")
    }


def _sampled(path: Path, name: str, temperature: float) -> SettingRun:
    model = FakeModel(name=name)
    config = SampleConfig(task="arithmetic", n=64, limit=40, temperature=temperature)
    draw_samples(make_plan(config, model), model, path)
    return SettingRun(table=run_counts(path), draws=run_draws(path))


def _answers(setting: SettingRun, name: str) -> list[dict[str, float]]:
    """The exact distribution over answers on every problem; the right one comes first."""
    prompts = RunFolder(Path(setting.table.name)).prompts().values()
    policy = Policy(temperature=setting.table.settings["temperature"])
    return [FakeModel(name=name).answers(prompt, policy) for prompt in prompts]


def test_sampled_runs_meet_the_true_envelope_of_their_problems(
    fakes: dict[str, list[SettingRun]],
) -> None:
    found = fair_envelope(fakes["base"], fakes["tuned"], replicates=300)
    k = np.array(found.k)
    for side, curve in (("base", found.fair.base), ("tuned", found.fair.tuned)):
        rates = [
            np.array([next(iter(one.values())) for one in _answers(setting, side)])
            for setting in fakes[side]
        ]
        truth = [(1 - (1 - r[:, None]) ** k).mean(axis=0) for r in rates]
        # 40 x 64 samples: a standard error of at most .015 at any k.
        assert np.array(curve) == pytest.approx(np.max(truth, axis=0), abs=0.06)


def test_policy_entropy_is_the_tempered_distributions_own(
    fakes: dict[str, list[SettingRun]],
) -> None:
    for side, settings in fakes.items():
        for setting in settings:
            answers = _answers(setting, side)
            exact = np.mean([-sum(p * np.log(p) for p in a.values() if p) for a in answers])
            assert setting.draws is not None
            assert setting.draws.policy_entropy() == pytest.approx(exact, abs=0.05)


def test_the_tuned_model_is_compared_at_the_temperature_of_equal_entropy(
    fakes: dict[str, list[SettingRun]],
) -> None:
    found = equal_entropy(fakes["base"][0], fakes["tuned"], replicates=300)
    assert found is not None
    assert found.kind == "policy"
    assert found.temperature is not None
    assert 0.7 < found.temperature < 1.3
    assert found.note == ""
    values = [v for v in found.tuned_entropies.values() if v is not None]
    assert min(values) < found.base_entropy < max(values)


def test_with_one_token_a_sample_equal_tokens_are_equal_samples(
    fakes: dict[str, list[SettingRun]],
) -> None:
    found = fair_envelope(fakes["base"], fakes["tuned"], replicates=300)
    assert found.tokens is not None
    assert found.tokens.budgets[-1] == 32
    by_k = dict(zip(found.k, found.fair.difference, strict=True))
    shown = dict(zip(found.tokens.budgets, found.tokens.curves.difference, strict=True))
    for budget, difference in shown.items():
        assert difference == pytest.approx(by_k[budget], abs=0.03)
    assert found.tokens.tokens_per_sample["base"] == {"T=0.7": 1.0, "T=1.3": 1.0}


def test_counts_alone_have_no_token_budget_and_say_so() -> None:
    runs = [[run([(4, 2)] * 5, t, m) for t in (0.6, 1.0)] for m in ("base", "tuned")]
    found = fair_envelope(*runs, replicates=300)
    assert found.tokens is None
    assert any("no equal token budgets" in note for note in found.notes)
