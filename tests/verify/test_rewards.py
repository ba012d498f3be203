"""The reward functions, called as TRL and verl call them."""

from __future__ import annotations

import asyncio
import importlib
import multiprocessing
import pickle
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from pathshift.errors import ConfigError, UnknownName
from pathshift.verify import Reward, compute_score, compute_scores, rewards

TEXTS = [r"so \boxed{18}", r"so \boxed{17}", "I do not know"]


def test_a_reward_for_each_completion_in_their_order() -> None:
    reward = Reward("number")
    assert reward(["?"] * 3, TEXTS, solution=["18"] * 3) == [1.0, 0.0, 0.0]


def test_conversations_count_by_their_last_assistant_message() -> None:
    parts = [{"type": "text", "text": "#### "}, {"type": "image"}, {"type": "text", "text": "18"}]
    completions = [
        [{"role": "assistant", "content": "#### 18"}],
        [{"role": "assistant", "content": "#### 18"}, {"role": "tool", "content": "#### 3"}],
        [{"role": "assistant", "content": "#### 18"}, {"role": "assistant", "content": "no: 4"}],
        [{"role": "assistant", "content": parts}],
        [{"role": "assistant", "content": None}],
        [],
        {"role": "assistant", "content": "#### 18"},
    ]
    found = Reward("number")(completions=completions, solution=["18"] * 7)
    assert found == [1.0, 1.0, 0.0, 1.0, 0.0, 0.0, 1.0]


def test_a_worked_solution_is_read_for_its_answer() -> None:
    golds = ["9 * 2 = <<9*2=18>>18 dollars.\n#### 18", r"Hence $\boxed{18}$.", "18", 18, 18.0]
    assert Reward("number")(completions=["#### 18"] * 5, solution=golds) == [1.0] * 5


def test_without_a_reference_there_is_no_reward() -> None:
    golds = [None, "", float("nan"), "18"]
    assert Reward("number")(completions=["#### 18"] * 4, solution=golds) == [None] * 3 + [1.0]


def test_a_column_of_another_name() -> None:
    reward = Reward("number", column="answer")
    assert reward(completions=["#### 18"], answer=["18"], solution=["17"]) == [1.0]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"answer": ["18"]}, r"no column 'solution'.*there are: answer"),
        ({"solution": ["18", "19"]}, "one reference for each of 1"),
        ({"solution": "18"}, "one reference for each of 1"),
    ],
)
def test_a_wrong_column_is_said(columns: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Reward("number")(completions=["#### 18"], **columns)


def test_a_completion_of_another_kind_is_said() -> None:
    with pytest.raises(ConfigError, match="got int"):
        Reward("number")(completions=[3], solution=["3"])


def test_an_unknown_verifier_is_said_at_once() -> None:
    with pytest.raises(UnknownName):
        Reward("no-such")


def test_an_answer_that_hangs_has_no_reward_and_takes_none_from_others() -> None:
    pytest.importorskip("math_verify")
    texts = [r"\boxed{\frac{2}{\sqrt{2}}}", r"\boxed{9^{9^{9^{9}}}+1}", r"\boxed{\sqrt{3}}"]
    logged: dict[str, float] = {}
    reward = Reward(timeout_s=3)
    found = reward(
        completions=texts * 4, solution=[r"\sqrt{2}"] * 12, log_metric=logged.__setitem__
    )
    reward.close()
    assert found == [1.0, None, 0.0] * 4
    assert logged == {"math_reward/unparsed": 0.0, "math_reward/failed": pytest.approx(1 / 3)}


def grade_there(reward: Reward) -> list[float | None]:
    return reward(completions=TEXTS, solution=["18"] * 3)


def test_a_reward_works_in_a_spawned_process() -> None:
    with multiprocessing.get_context("spawn").Pool(1) as processes:
        assert processes.apply(grade_there, (Reward("number"),)) == [1.0, 0.0, 0.0]


def test_a_pickled_reward_keeps_its_settings() -> None:
    copy = pickle.loads(pickle.dumps(Reward("number", column="c", timeout_s=2.0, workers=3)))
    assert (copy.column, copy._settings, copy.__name__) == (
        "c",
        ("number", 2.0, 3),
        "number_reward",
    )


# verl 0.9.1


def call_with_kwargs(raw_fn: Any, extra_kwargs: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
    """How verl's `trainer.ppo.reward.get_custom_reward_fn` wraps a function."""
    return raw_fn(*args, **{**kwargs, **extra_kwargs})


@pytest.fixture
def verl_score() -> Any:
    """Loaded as `pkg://pathshift.verify.rewards` is, with `reward_kwargs`."""
    module = importlib.import_module("pathshift.verify.rewards")
    return partial(call_with_kwargs, module.compute_score, {"verifier": "number"})


def test_verl_calls_it_from_the_threads_of_an_event_loop(verl_score: Any) -> None:
    async def run_all() -> list[dict[str, Any]]:
        loop = asyncio.get_running_loop()
        calls = [
            loop.run_in_executor(
                None,
                partial(
                    verl_score,
                    data_source="openai/gsm8k",
                    solution_str=text,
                    ground_truth="18",
                    extra_info={"num_turns": None, "rollout_reward_scores": {}},
                    reward_router_address="host:1",
                    reward_model_tokenizer=None,
                ),
            )
            for text in TEXTS * 20
        ]
        return list(await asyncio.gather(*calls))

    results = asyncio.run(run_all())
    assert [result["score"] for result in results] == [1.0, 0.0, 0.0] * 20
    # verl gathers each key of the first result from all of them, and averages what is a number.
    assert {tuple(result) for result in results} == {("score", "acc", "pred", "unparsed", "failed")}
    assert results[0]["pred"] == "18"
    assert results[2]["unparsed"] == 1.0


def test_positional_arguments_do_as_well() -> None:
    assert compute_score("gsm8k", "#### 18", "18", {}, verifier="number")["score"] == 1.0
    assert compute_score("gsm8k", "#### 18", "18", verifier="number")["score"] == 1.0


def test_verls_batch_manager_gets_a_list() -> None:
    scores = compute_scores(
        data_sources=["gsm8k"] * 4,
        solution_strs=[*TEXTS, TEXTS[0]],
        ground_truths=["18", "18", "18", None],
        extra_infos=[{}] * 4,
        verifier="number",
    )
    assert [score["score"] for score in scores] == [1.0, 0.0, 0.0, 0.0]
    assert [score["failed"] for score in scores] == [0.0, 0.0, 0.0, 1.0]


def test_more_hanging_answers_than_workers_take_no_score_from_later_ones() -> None:
    """verl 0.9.1's own pool of four scores every answer after four hanging ones 0."""
    pytest.importorskip("math_verify")
    hanging = [rf"\boxed{{{n}^{{9^{{9^{{9}}}}}}+1}}" for n in range(2, 8)]
    right = [rf"\boxed{{\frac{{{n}\sqrt{{4}}}}{{{2 * n}}}+{n}-{n}}}" for n in range(1, 7)]
    scores = compute_scores([None] * 12, [*hanging, *right], ["1"] * 12, timeout_s=2.0, workers=2)
    assert [score["failed"] for score in scores] == [1.0] * 6 + [0.0] * 6
    assert [score["score"] for score in scores] == [0.0] * 6 + [1.0] * 6


# TRL


@pytest.mark.filterwarnings("ignore")  # of libraries that are not ours
def test_trl_trains_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trl = pytest.importorskip("trl")
    datasets = pytest.importorskip("datasets")
    from tests.tiny import save_tiny

    monkeypatch.setenv("TRL_EXPERIMENTAL_SILENCE", "1")
    seen: list[list[float | None]] = []

    class Watched(Reward):
        def __call__(self, *arguments: Any, **columns: Any) -> list[float | None]:
            seen.append(super().__call__(*arguments, **columns))
            return seen[-1]

    trainer = trl.GRPOTrainer(
        model=str(save_tiny(tmp_path / "model")),
        reward_funcs=Watched("number-lenient"),
        args=trl.GRPOConfig(
            output_dir=str(tmp_path / "out"), max_steps=2, num_generations=2,
            per_device_train_batch_size=2, max_completion_length=8, report_to=[], use_cpu=True,
            bf16=False, disable_tqdm=True, save_strategy="no", logging_steps=1,
        ),
        train_dataset=datasets.Dataset.from_dict(
            {"prompt": ["What is 2+2?", "What is 3+3?"], "solution": ["4", "6"]}
        ),
    )  # fmt: skip
    trainer.train()
    assert [len(found) for found in seen] == [2, 2]
    assert all(value in (0.0, 1.0) for found in seen for value in found)
    logged = {key for line in trainer.state.log_history for key in line}
    assert "rewards/number-lenient_reward/mean" in logged
    assert "number-lenient_reward/unparsed" in logged


def test_workers_are_as_many_as_processors_up_to_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    for usable, wanted in ((1, 1), (2, 2), (64, rewards.MAX_WORKERS)):
        monkeypatch.setattr(
            "os.sched_getaffinity", lambda _, n=usable: set(range(n)), raising=False
        )
        assert rewards.default_workers() == wanted
