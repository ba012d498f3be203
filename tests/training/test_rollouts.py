"""Groups of a step: pure functions of seed and step, log-probabilities of the very policy."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import pytest
import torch
from tests.training.letters import N_PROBLEMS, Letters, make_letters

from pathshift.errors import ConfigError
from pathshift.models.hf.model import HfModel
from pathshift.models.protocol import Request
from pathshift.records import Outcome, Problem, Sample, Verdict
from pathshift.training.gathering import Reward, gather
from pathshift.training.lora import adapter_off, add_lora, merged_for_sampling
from pathshift.training.rollouts import Rollouts, RolloutSettings, judged_safely, places_of
from pathshift.training.sequences import pad_batch, token_logprobs

Pairs = Iterable[tuple[Problem, Sample]]


def verdict(sample: Sample, outcome: Outcome) -> Verdict:
    return Verdict(problem_id=sample.problem_id, sample_no=sample.sample_no, outcome=outcome)


def by_letter(pairs: Pairs) -> list[Verdict]:
    """Letters of the first half of the alphabet are right, other ones wrong."""
    return [verdict(s, Outcome.CORRECT if s.text[:1] < "n" else Outcome.WRONG) for _, s in pairs]


@pytest.fixture(scope="module")
def letters(tmp_path_factory: pytest.TempPathFactory) -> Letters:
    return make_letters(tmp_path_factory.mktemp("letters"))


@pytest.fixture(scope="module")
def model(letters: Letters) -> HfModel:
    return letters.model()


def rollouts_of(letters: Letters, model: HfModel, **changed: int | bool) -> Rollouts:
    settings = replace(RolloutSettings(n_prompts=4, n_samples=8, seed=3), **changed)  # type: ignore[arg-type]
    return Rollouts(letters.plan(model, max_tokens=6), model, by_letter, settings)


def test_every_problem_comes_once_before_any_comes_again() -> None:
    settings = RolloutSettings(n_prompts=3, n_samples=1, seed=1)
    asked = [place for step in range(1, 8) for place in places_of(7, step, settings)]
    assert [sorted(asked[start : start + 7]) for start in (0, 7, 14)] == [list(range(7))] * 3
    assert asked[:7] != asked[7:14]


def test_the_order_depends_on_seed_and_step_alone() -> None:
    settings = RolloutSettings(n_prompts=5, n_samples=1, seed=1)
    backwards = [places_of(40, step, settings) for step in (4, 3, 2, 1)]
    assert backwards[::-1] == [places_of(40, step, settings) for step in (1, 2, 3, 4)]
    assert places_of(40, 1, settings) != places_of(40, 1, replace(settings, seed=2))
    again = places_of(40, 1, settings, attempt=1)
    assert again != places_of(40, 1, settings)
    assert len(set(again)) == 5


def test_the_same_step_gives_the_same_samples_whatever_was_drawn_before(
    letters: Letters, model: HfModel
) -> None:
    one, other = rollouts_of(letters, model), rollouts_of(letters, model)
    one.draw(1)
    one.draw(2, 1)
    assert one.draw(2).groups == other.draw(2).groups
    assert one.draw(2).groups != other.draw(3).groups


def test_sampling_log_probabilities_are_those_of_the_training_pass(
    letters: Letters, model: HfModel
) -> None:
    for temperature in (1.0, 0.7):
        plan = letters.plan(model, max_tokens=6, temperature=temperature)
        settings = RolloutSettings(n_prompts=4, n_samples=8)
        drawn = gather(
            Rollouts(plan, model, by_letter, settings), 1, reward="verifier", seed=0
        ).sequences()
        batch = pad_batch(drawn)
        found = token_logprobs(model.network, batch, temperature=temperature).logp_BT
        assert batch.old_logp_BT is not None
        assert batch.n_predicted > 32
        assert float((found - batch.old_logp_BT).detach().abs().max()) < 1e-4


def test_training_through_the_engines_attention_is_plain_attention_bit_for_bit(
    letters: Letters, model: HfModel
) -> None:
    """Outside of the engine's passes its attention is transformers' own: logits and gradients."""
    rollouts_of(letters, model).draw(1)  # switches the engine's attention on
    network = model.network
    assert network.config._attn_implementation == "pathshift"
    batch = pad_batch(gather(rollouts_of(letters, model), 1, reward="verifier", seed=0).sequences())
    found = []
    for kind in ("pathshift", "sdpa"):
        network.set_attn_implementation(kind)
        network.zero_grad()
        token_logprobs(network, batch).logp_BT.sum().backward()  # type: ignore[no-untyped-call]
        found.append([weight.grad.clone() for weight in network.parameters()])
    network.set_attn_implementation("pathshift")
    network.zero_grad(set_to_none=True)
    assert all(torch.equal(ours, plain) for ours, plain in zip(*found, strict=True))


def test_the_engine_draws_from_the_weights_as_they_are(letters: Letters) -> None:
    model = letters.model()
    rollouts = rollouts_of(letters, model)
    before = rollouts.draw(1).groups
    with torch.no_grad():
        model.network.get_output_embeddings().weight.mul_(0.5)
    after = rollouts.draw(1).groups
    assert [s.logps for g in after for s in g.samples] != [
        s.logps for g in before for s in g.samples
    ]


def test_an_adapter_is_drawn_from_trained_and_switched_off(letters: Letters) -> None:
    model = letters.model()
    plain = rollouts_of(letters, model).draw(1).groups
    wrapped = add_lora(model.network, rank=2)
    assert rollouts_of(letters, model).draw(1).groups == plain  # it begins as no change
    with torch.no_grad():
        for name, weight in model.network.named_parameters():
            if "lora_B" in name:
                weight.normal_(std=0.5, generator=torch.Generator().manual_seed(1))
    base = {n: w.clone() for n, w in model.network.named_parameters() if "lora" not in n}
    sequences = gather(rollouts_of(letters, model), 1, reward="verifier", seed=0).sequences()
    batch = pad_batch(sequences)
    assert batch.old_logp_BT is not None
    trained = token_logprobs(model.network, batch).logp_BT
    assert float((trained - batch.old_logp_BT).detach().abs().max()) < 1e-4
    with adapter_off(wrapped):
        reference = token_logprobs(model.network, batch).logp_BT
    assert float((trained - reference).detach().abs().max()) > 0.1
    for name, weight in model.network.named_parameters():
        assert "lora" in name or torch.equal(weight, base[name])


def test_an_adapter_is_taken_out_of_the_weights_also_after_an_error(letters: Letters) -> None:
    model = letters.model()
    add_lora(model.network, rank=2)
    before = {name: weight.clone() for name, weight in model.network.named_parameters()}
    with pytest.raises(KeyboardInterrupt), merged_for_sampling(model.network):
        raise KeyboardInterrupt
    assert all(torch.equal(w, before[name]) for name, w in model.network.named_parameters())
    trained = [name for name, w in model.network.named_parameters() if w.requires_grad]
    assert trained
    assert all("lora" in name for name in trained)


def test_greedy_completions_are_the_likeliest_and_no_part_of_the_groups(
    letters: Letters, model: HfModel
) -> None:
    groups = rollouts_of(letters, model, with_greedy=True).draw(1).groups
    plain = rollouts_of(letters, model).draw(1).groups
    assert [group.samples for group in groups] == [group.samples for group in plain]
    plan = letters.plan(model, max_tokens=6)
    prompts = {p.id: prompt for p, prompt in zip(plan.problems, plan.prompts, strict=True)}
    for group in groups:
        assert group.greedy is not None
        request = Request(prompt=prompts[group.problem.id], seeds=(1,))
        ((completion,),) = model.generate([request], replace(plan.policy, temperature=0.0))
        assert group.greedy.token_ids == completion.token_ids


def test_what_a_verifier_raises_on_is_failed_and_the_rest_is_judged(
    letters: Letters, model: HfModel
) -> None:
    def raising(pairs: Pairs) -> list[Verdict]:
        found = []
        for _, sample in pairs:
            if sample.sample_no == 3:
                raise ZeroDivisionError("three")
            found.append(verdict(sample, Outcome.WRONG))
        return found

    settings = RolloutSettings(n_prompts=2, n_samples=5)
    groups = Rollouts(letters.plan(model), model, raising, settings).draw(1).groups
    for group in groups:
        outcomes = [sample.outcome for sample in group.samples]
        assert outcomes == [Outcome.WRONG] * 3 + [Outcome.FAILED, Outcome.WRONG]
        assert group.samples[3].detail == "the verifier raised ZeroDivisionError: three"


def test_an_interrupt_of_a_verifier_is_none_of_its_failures() -> None:
    def interrupted(pairs: Pairs) -> list[Verdict]:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        judged_safely(interrupted, [])


def test_failed_verdicts_are_not_judged_and_leave_no_reward(
    letters: Letters, model: HfModel
) -> None:
    def half(pairs: Pairs) -> list[Verdict]:
        kinds = (Outcome.FAILED, Outcome.CORRECT)
        return [verdict(sample, kinds[sample.sample_no % 2]) for _, sample in pairs]

    settings = RolloutSettings(n_prompts=2, n_samples=4)
    rollouts = Rollouts(letters.plan(model), model, half, settings)
    found = gather(rollouts, 1, reward="verifier", seed=0)
    assert found.is_judged_GN.tolist() == [[False, True] * 2] * 2
    assert (found.drawn.correct, found.drawn.failed) == (1.0, 0.5)
    assert found.drawn.zero_variance == 1.0


def test_controls_replace_the_reward_and_nothing_else(letters: Letters, model: HfModel) -> None:
    rollouts = rollouts_of(letters, model)
    kinds: list[tuple[Reward, int]] = [
        ("verifier", 0), ("wrong-sign", 0), ("random", 0), ("random", 1),
    ]  # fmt: skip
    plain, wrong, coin, other = (
        gather(rollouts, 1, reward=reward, seed=seed) for reward, seed in kinds
    )
    assert torch.equal(wrong.rewards_GN, -plain.rewards_GN)
    assert set(coin.rewards_GN.flatten().tolist()) == {0.0, 1.0}
    assert not torch.equal(coin.rewards_GN, other.rewards_GN)
    assert coin.drawn.correct == plain.drawn.correct
    assert coin.groups == plain.groups


def test_dynamic_sampling_draws_on_until_the_groups_tell_something_or_its_bound(
    letters: Letters, model: HfModel
) -> None:
    def only_first(pairs: Pairs) -> list[Verdict]:
        """One problem in four has a right sample."""
        return [
            verdict(
                s, Outcome.CORRECT if hash_of(p) % 4 == 0 and s.sample_no == 0 else Outcome.WRONG
            )
            for p, s in pairs
        ]

    settings = RolloutSettings(n_prompts=4, n_samples=4)
    rollouts = Rollouts(letters.plan(model), model, only_first, settings)
    bound = gather(rollouts, 1, reward="verifier", seed=0, filters_groups=True, most_redraws=0)
    free = gather(rollouts, 1, reward="verifier", seed=0, filters_groups=True, most_redraws=50)
    assert (len(free.groups), bound.drawn.redraws) == (4, 0)
    assert 0 < free.drawn.redraws < 50
    assert free.drawn.n_samples == 16 * (1 + free.drawn.redraws)
    assert len(bound.groups) < 4
    assert all(sum(row) == 1 for row in free.rewards_GN.tolist())


def hash_of(problem: Problem) -> int:
    return int(problem.content_hash, 16)


def test_a_prompt_that_does_not_fit_is_failed_and_not_trained_on(letters: Letters) -> None:
    model = letters.model()
    model.network.config.max_position_embeddings = 4
    rollouts = Rollouts(
        letters.plan(model, max_tokens=2), model, by_letter,
        RolloutSettings(n_prompts=N_PROBLEMS, n_samples=2),
    )  # fmt: skip
    found = gather(rollouts, 1, reward="verifier", seed=0)
    short = [group for group in found.groups if len(group.problem.question) == 2]
    assert len(found.groups) == len(short) == 10  # "0?" to "9?"
    assert found.drawn.n_samples == 2 * N_PROBLEMS
    assert "exceeds context" in found.drawn.failure


@pytest.mark.parametrize(
    ("changed", "n_prompts", "said"),
    [
        ({"temperature": 0.0, "n": 1}, 4, "temperature above 0"),
        ({"top_p": 0.9}, 4, "no top-k, top-p"),
        ({}, 17, "a step asks 17 problems and the task has 16"),
    ],
)
def test_what_cannot_be_trained_is_said_before_anything_is_drawn(
    letters: Letters, model: HfModel, changed: dict[str, float], n_prompts: int, said: str
) -> None:
    plan = letters.plan(model, **changed)
    with pytest.raises(ConfigError, match=said):
        Rollouts(plan, model, by_letter, RolloutSettings(n_prompts=n_prompts, n_samples=4))
