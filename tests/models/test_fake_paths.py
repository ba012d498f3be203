"""The chain's exact numbers against enumeration, its own draws, Python's arithmetic and torch."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from pathshift.decoding.policy import Policy
from pathshift.decoding.warp import warped
from pathshift.errors import ConfigError, ModelError, UnknownName
from pathshift.models.fake_chain import (
    END,
    HABITS,
    STRATEGIES,
    Back,
    encode,
    piece_of,
    plan_of,
    reshaped,
)
from pathshift.models.fake_paths import FakePaths
from pathshift.models.load import load_model
from pathshift.models.protocol import Completion, Continuation, Request
from pathshift.problems.families import load_problems
from pathshift.records import Outcome, Problem, Sample
from pathshift.rollout.tasks import task_named
from pathshift.rollout.templates import filled
from pathshift.verify.judge import Judge

PROMPT = "Question: What is 14 + 23?\nAnswer: 37\n\nQuestion: What is 37 + 48?\nAnswer:"
PRODUCT = "What is 12 * 34?"
POLICIES = [
    Policy(),
    Policy(temperature=0.5),
    Policy(temperature=1.7),
    Policy(top_p=0.9),
    Policy(temperature=1.3, top_k=2),
    Policy(min_p=0.1),
    Policy(max_tokens=14),
]
BASE, TUNED = (FakePaths(name=name) for name in HABITS)


def drawn(model: FakePaths, prompt: str, policy: Policy, n: int) -> list[Completion]:
    (found,) = model.generate([Request(prompt=prompt, seeds=tuple(range(n)))], policy)
    return found


@given(st.lists(st.integers(0, 99), min_size=2, max_size=4), st.data())
def test_every_strategy_without_a_mistake_ends_at_the_value(
    numbers: list[int], data: st.DataObject
) -> None:
    signs = [data.draw(st.sampled_from("+-*")) for _ in numbers[1:]]
    text = str(numbers[0]) + "".join(
        f" {sign} {n}" for sign, n in zip(signs, numbers[1:], strict=True)
    )
    for strategy in STRATEGIES:
        results: list[int] = []
        for step in plan_of(text, strategy):
            left, right = (
                results[x.step] if isinstance(x, Back) else x for x in (step.left, step.right)
            )
            results.append({"+": left + right, "-": left - right, "*": left * right}[step.sign])
        # The text is made above of digits and three operators; Python is the independent source.
        assert results[-1] == eval(text)


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("model", [BASE, TUNED])
def test_all_paths_sum_to_one_and_the_right_ones_to_the_success(
    model: FakePaths, policy: Policy
) -> None:
    paths = list(model.paths(PROMPT, policy))
    assert math.fsum(p.probability for p in paths) == pytest.approx(1, abs=1e-9)
    assert len({p.token_ids for p in paths}) == len(paths)
    right = math.fsum(p.probability for p in paths if p.text.endswith(" Answer: 85"))
    assert model.success_probability(PROMPT, policy) == pytest.approx(right, rel=1e-9)
    assert right == math.fsum(p.probability for p in paths if p.is_correct)


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("prompt", [PROMPT, PRODUCT])
def test_draws_come_right_as_often_as_computed(prompt: str, policy: Policy) -> None:
    n = 4000
    truth = TUNED.success_probability(prompt, policy)
    answer = {PROMPT: 85, PRODUCT: 408}[prompt]
    seen = sum(c.text.endswith(f" Answer: {answer}") for c in drawn(TUNED, prompt, policy, n)) / n
    assert seen == pytest.approx(truth, abs=4.5 * math.sqrt(truth * (1 - truth) / n) + 1e-9)


def test_single_paths_are_drawn_as_often_as_computed() -> None:
    n = 20_000
    texts = [c.text for c in drawn(BASE, PROMPT, Policy(temperature=0.8), n)]
    for path in BASE.paths(PROMPT, Policy(temperature=0.8)):
        if path.probability > 0.002:
            expected = n * path.probability
            assert abs(texts.count(path.text) - expected) < 5 * math.sqrt(expected)


@pytest.mark.parametrize("at", range(1, 14))
def test_success_after_a_prefix_is_that_of_the_paths_that_begin_so(at: int) -> None:
    paths = list(BASE.paths(PROMPT, Policy()))
    whole = max((p for p in paths if p.is_correct), key=lambda p: len(p.token_ids))
    prefix = "".join(map(piece_of, whole.token_ids[:at]))
    begun = [p for p in paths if p.token_ids[:at] == whole.token_ids[:at]]
    right, total = (
        math.fsum(p.probability for p in some)
        for some in ([p for p in begun if p.is_correct], begun)
    )
    assert BASE.success_probability(PROMPT + prefix, Policy()) == pytest.approx(right / total)


def test_success_is_the_sum_over_entrances() -> None:
    for model in (BASE, TUNED):
        ways = model.entrances(PROMPT, Policy()).values()
        total = math.fsum(way.probability * way.completion for way in ways)
        assert total == pytest.approx(model.success_probability(PROMPT, Policy()))
        assert math.fsum(way.probability for way in ways) == pytest.approx(1)


@pytest.mark.parametrize("policy", POLICIES[:6])
def test_token_logprobs_of_a_path_sum_to_its_probability(policy: Policy) -> None:
    for path in list(BASE.paths(PROMPT, policy))[::400]:
        table = BASE.token_table(PROMPT, path.token_ids, policy)
        assert math.fsum(table.policy_logprobs) == pytest.approx(math.log(path.probability))
        assert "".join(table.pieces) == path.text


def test_entropies_are_those_of_the_listed_options() -> None:
    (one,) = drawn(BASE, PROMPT, Policy(), 1)
    table = BASE.token_table(PROMPT, one.token_ids, Policy(temperature=0.5))
    ways = BASE.entrances(PROMPT, Policy()).values()
    assert table.entropies[0] == pytest.approx(
        -sum(w.probability * math.log(w.probability) for w in ways)
    )
    assert table.entropies[1] == 0.0  # the first operand is certain
    assert min(table.entropies) >= 0
    # A chain rule: the entropy of whole paths is the expected sum of token entropies.
    paths = list(BASE.paths(PROMPT, Policy()))
    whole = -math.fsum(p.probability * math.log(p.probability) for p in paths)
    summed = math.fsum(
        p.probability * math.fsum(BASE.token_table(PROMPT, p.token_ids, Policy()).entropies)
        for p in paths
        if p.probability > 1e-7
    )
    assert summed == pytest.approx(whole, rel=1e-3)


@given(
    st.lists(st.floats(0.001, 1), min_size=2, max_size=6),
    st.sampled_from([0.0, 0.4, 1.0, 2.5]),
    st.integers(0, 4),
    st.sampled_from([1.0, 0.9, 0.55]),
    st.sampled_from([0.0, 0.05, 0.3]),
)
def test_reshaping_is_what_the_real_models_do(
    weights: list[float], temperature: float, top_k: int, top_p: float, min_p: float
) -> None:
    import torch

    plain = [w / sum(weights) for w in weights]
    policy = Policy(temperature=temperature, top_k=top_k, top_p=top_p, min_p=min_p)
    ours = np.array(reshaped(plain, policy))
    theirs = warped(torch.tensor([plain]).log(), policy)[0].numpy()
    # In fp32 a token at the very edge of a cut may fall on the other side.
    assume(((ours > 0) == (theirs > 0)).all())
    assert ours == pytest.approx(theirs, abs=1e-5)


def test_a_small_temperature_takes_the_likeliest_and_divides_by_nothing() -> None:
    assert reshaped([0.6, 0.4], Policy(temperature=0.0001)) == [1.0, 0.0]
    texts = {c.text for c in drawn(BASE, PROMPT, Policy(temperature=0), 20)}
    assert len(texts) == 1


def test_the_tasks_own_verifier_agrees_with_every_verdict_of_the_chain() -> None:
    task = task_named("arithmetic")
    policy = Policy(max_tokens=task.max_tokens, stop=task.template.stop)
    problems = load_problems("arithmetic", {"n": "30"}, limit=30)
    with Judge(task.verifier) as judge:
        for problem in problems:
            prompt = filled(task.template.completion, problem.question)
            found = drawn(TUNED, prompt, policy, 40)
            verdicts = judge.verdicts(
                (problem, as_sample(problem, i, c)) for i, c in enumerate(found)
            )
            said = [v.outcome is Outcome.CORRECT for v in verdicts]
            assert said == [ends_right(problem, c) for c in found]


def as_sample(problem: Problem, number: int, completion: Completion) -> Sample:
    return Sample(
        problem_id=problem.id, sample_no=number, seed=number, text=completion.text,
        n_tokens=completion.n_tokens, finish_reason=completion.finish_reason,
    )  # fmt: skip


def ends_right(problem: Problem, completion: Completion) -> bool:
    pieces = [piece_of(token) for token in completion.token_ids]
    return (
        f" Answer: {problem.gold}" == "".join(p for p in pieces[-3:] if p)[-len(problem.gold) - 9 :]
    )


def test_a_sample_depends_on_its_seed_alone() -> None:
    (many,) = BASE.generate([Request(prompt=PROMPT, seeds=(1, 2, 3, 4))], Policy())
    both = BASE.generate(
        [Request(prompt=PRODUCT, seeds=(9,)), Request(prompt=PROMPT, seeds=(3,))], Policy()
    )
    assert both[1][0] == many[2]
    assert FakePaths(name="paths-base").generate([Request(prompt=PROMPT, seeds=(3,))], Policy())[
        0
    ] == [many[2]]


def test_sums_and_traces_of_a_draw_agree() -> None:
    policy = Policy(temperature=0.7, max_tokens=9)
    (found,) = TUNED.generate([Request(prompt=PROMPT, seeds=(1, 2, 3), with_trace=True)], policy)
    for one in found:
        assert one.trace is not None
        assert one.n_tokens == len(one.token_ids) <= 9
        assert one.trace.token_ids == one.token_ids
        assert one.logprob_sum == math.fsum(one.trace.logprobs)
        assert one.sampling_logprob_sum == math.fsum(one.trace.policy_logprobs)
        assert (one.finish_reason == "stop") == (one.token_ids[-1] == END)


def test_texts_are_encoded_back_to_the_tokens_that_were_drawn() -> None:
    for prompt in (PROMPT, PRODUCT, "What is 3 - 90 * 7?"):
        for one in drawn(BASE, prompt, Policy(), 50):
            assert (*encode(one.text), END) == one.token_ids


def test_scores_of_drawn_texts_are_their_logprobs() -> None:
    (one,) = drawn(BASE, PROMPT, Policy(), 1)
    continuation = Continuation(text=one.text, is_ended=True)
    (scored,) = TUNED.score_all(PROMPT, [continuation], Policy(), is_chat=False)
    assert scored.trace is not None
    assert math.fsum(scored.trace.logprobs) == pytest.approx(
        math.fsum(TUNED.score(PROMPT, one.text))
    )
    assert math.isfinite(math.fsum(scored.trace.logprobs))
    (again,) = BASE.score_all(PROMPT, [continuation], Policy(), is_chat=False)
    assert again.trace is not None
    assert math.fsum(again.trace.logprobs) == pytest.approx(one.logprob_sum)


def test_what_it_never_says_has_no_probability_and_an_empty_text_no_score() -> None:
    assert BASE.score(PROMPT, " tens 37 +")[0] > -math.inf
    assert BASE.score(PROMPT, "no such text") == [-math.inf]
    assert BASE.score(PROMPT, " tens 38") == [
        pytest.approx(BASE.score(PROMPT, " tens")[0]),
        -math.inf,
    ]
    (empty,) = BASE.score_all(PROMPT, [Continuation(text="")], Policy(), is_chat=False)
    assert (empty.trace, empty.detail) == (None, "empty completion")


@pytest.mark.parametrize(
    "prompt",
    ["Tell me a story.", "What is 99999 * 99999?", PROMPT + " tens 37 + 4", PROMPT + " tens 37 up"],
)
def test_what_it_cannot_read_or_go_on_from_it_mumbles_about(prompt: str) -> None:
    assert BASE.success_probability(prompt, Policy()) == 0
    assert {c.text for c in drawn(BASE, prompt, Policy(), 5)} == {" I am not sure"}


def test_the_tuned_model_enters_more_often_on_most_problems_and_loses_some() -> None:
    entered, ways = [], []
    for problem in load_problems("arithmetic", {"n": "150", "ops": "+,-"}, limit=150):
        prompt = f"{problem.question}"
        base, tuned = (m.entrances(prompt, Policy()) for m in (BASE, TUNED))
        works = max(base, key=lambda piece: base[piece].completion)
        assert base[works].completion > 0.19
        assert tuned[works].completion > base[works].completion
        entered.append((base[works].probability, tuned[works].probability))
        ways.append([sum(w.probability**2 for w in m.values()) for m in (base, tuned)])
    before, after = np.array(entered).T
    assert before.min() < 0.001 < 0.3 < before.max()
    assert 0.76 < (after > before).mean() < 0.94
    assert np.mean(after[after > before] > 2 * before[after > before]) > 0.6
    assert (after[after < before] < 0.001).all()
    fewer = np.array(ways)
    assert (fewer[:, 1] > fewer[:, 0]).mean() > 0.6


def test_loading_and_refusals() -> None:
    assert load_model("fake:paths-tuned").info.spec == "fake:paths-tuned"
    assert load_model("fake:paths-base").info.weights_hash != TUNED.info.weights_hash
    with pytest.raises(UnknownName, match=r"fake:magic.*fake:paths-base"):
        FakePaths(name="magic")
    with pytest.raises(ConfigError, match="delay"):
        FakePaths(name="paths-base", delay=-1)
    with pytest.raises(ConfigError, match="stop text ';'"):
        drawn(BASE, PROMPT, Policy(stop=("\n", ";")), 1)
    with pytest.raises(ModelError, match="no chat template"):
        BASE.render_chat([])
