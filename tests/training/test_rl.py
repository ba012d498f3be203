"""The loop: what can be learned is learned, controls and resumed runs are what they say."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from tests.commands import environment
from tests.training.letters import Letters, make_letters

from pathshift.errors import ConfigError, ConfigMismatch, ModelError, NonFinite, TrainingError
from pathshift.models.load import load_model
from pathshift.records import Outcome, Problem, Sample, Verdict
from pathshift.training.algorithms import ALGORITHMS, GRPO, PPO, RLOO, Algorithm
from pathshift.training.lora import add_lora
from pathshift.training.optimizer import OptimizerSettings
from pathshift.training.progress import Progress, read_metrics
from pathshift.training.rl import train
from pathshift.training.rl_settings import Hearing, RlResult, RlSettings, RlSetup

RATE = 1e-2


@pytest.fixture(scope="module")
def letters(tmp_path_factory: pytest.TempPathFactory) -> Letters:
    return make_letters(tmp_path_factory.mktemp("letters"))


def settings_of(algorithm: Algorithm = GRPO, **changed: Any) -> RlSettings:
    usual: dict[str, Any] = {
        "algorithm": algorithm, "n_steps": 30, "n_prompts": 8, "n_samples": 8, "redraws": 1,
        "optimizer": OptimizerSettings(learning_rate=RATE), "checkpoint_every": 1000,
    }  # fmt: skip
    return RlSettings(**(usual | changed))


def trained(letters: Letters, out: Path, settings: RlSettings, **more: Any) -> RlResult:
    model = letters.model()
    setup = RlSetup(model=model, plan=letters.plan(model), settings=settings, **more)
    return train(setup, out)


def rewards_of(out: Path) -> list[float]:
    return [line["reward"] for line in read_metrics(out / "metrics.jsonl")]


@pytest.mark.parametrize("name", list(ALGORITHMS))
def test_every_algorithm_raises_the_reward_from_its_floor(
    letters: Letters, tmp_path: Path, name: str
) -> None:
    result = trained(letters, tmp_path, settings_of(ALGORITHMS[name]))
    rewards = rewards_of(tmp_path)
    assert sum(rewards[:3]) / 3 < 0.3
    assert sum(rewards[-3:]) / 3 > 0.6
    # The first update is on-policy: what was drawn with is what is trained.
    first = next(line for line in read_metrics(tmp_path / "metrics.jsonl") if line["n_updates"])
    assert first["ratio_min"] == pytest.approx(1, abs=1e-4)
    assert first["ratio_max"] == pytest.approx(1, abs=1e-4)
    again = load_model(f"hf:{result.path}")
    assert again.score("3?", letters.letter)[0] > -0.5


@pytest.mark.parametrize("reward", ["random", "wrong-sign"])
def test_a_control_does_not_raise_it(letters: Letters, tmp_path: Path, reward: Any) -> None:
    trained(letters, tmp_path, settings_of(reward=reward))
    rewards = rewards_of(tmp_path)
    assert sum(rewards[-5:]) / 5 < 0.45
    if reward == "wrong-sign":
        assert sum(rewards[-5:]) / 5 < sum(rewards[:3]) / 3


def test_an_adapter_learns_and_the_base_stays_as_it_is(letters: Letters, tmp_path: Path) -> None:
    model = letters.model()
    before = {n: w.clone() for n, w in model.network.state_dict().items()}
    wrapped = add_lora(model.network, rank=8, seed=1)
    setup = RlSetup(
        model=model, plan=letters.plan(model), wrapped=wrapped,
        settings=settings_of(
            measure_kl=True, n_samples=32, optimizer=OptimizerSettings(learning_rate=0.02)
        ),
    )  # fmt: skip
    result = train(setup, tmp_path)
    rewards = rewards_of(tmp_path)
    # The output layer is frozen, and with it how far a random model's hidden states can go.
    assert sum(rewards[-5:]) / 5 > sum(rewards[:5]) / 5 + 0.04
    kl = [line["reference_kl"] for line in read_metrics(tmp_path / "metrics.jsonl")]
    assert kl[0] == pytest.approx(0, abs=1e-6)
    assert kl[-1] > 0.1
    after = {n.replace(".base_layer", ""): w for n, w in model.network.state_dict().items()}
    assert all(torch.equal(w, after[n]) for n, w in before.items())
    loaded = load_model(f"{letters.spec}+{result.path}")
    assert (
        loaded.score("3?", letters.letter)[0] > letters.model().score("3?", letters.letter)[0] + 0.5
    )


def test_a_penalty_keeps_the_policy_near_its_start(letters: Letters, tmp_path: Path) -> None:
    ends = []
    for coefficient, place in ((0.0, "loss"), (2.0, "loss"), (2.0, "reward")):
        out = tmp_path / f"{coefficient}-{place}"
        algorithm = replace(GRPO, kl_coefficient=coefficient, kl_place=place)  # type: ignore[arg-type]
        trained(letters, out, settings_of(algorithm, n_steps=12, measure_kl=True))
        ends.append(read_metrics(out / "metrics.jsonl")[-1]["reference_kl"])
    assert ends[1] < ends[0] / 2
    assert ends[2] < ends[0] / 2


RUN = """
import sys
from pathlib import Path
from dataclasses import replace
from tests.training.letters import Letters
from tests.training.test_rl import run_slowly
run_slowly(Letters(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]), Path(sys.argv[4]))
"""


def run_slowly(letters: Letters, out: Path) -> None:
    """A run with a value head, two optimizers and a reference that says every step."""
    model = letters.model()
    settings = settings_of(
        replace(PPO, kl_coefficient=0.01, epochs=2), n_updates=2, n_steps=6,
        checkpoint_every=2, n_prompts=4,
        optimizer=OptimizerSettings(learning_rate=RATE, schedule="cosine", warmup_steps=2),
    )  # fmt: skip
    setup = RlSetup(model=model, plan=letters.plan(model), settings=settings)

    def say(progress: Progress) -> None:
        sys.stdout.write(f"{progress.step}\n")
        sys.stdout.flush()

    train(setup, out, Hearing(on_step=say))


def timeless(line: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in line.items() if "second" not in k}


def test_a_run_killed_at_any_moment_goes_on_bit_for_bit(letters: Letters, tmp_path: Path) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    run_slowly(letters, whole)
    process = subprocess.Popen(
        [sys.executable, "-c", RUN, letters.folder, letters.tasks, letters.letter, killed],
        stdout=subprocess.PIPE, text=True, env=environment(),
    )  # fmt: skip
    assert process.stdout is not None
    while process.stdout.readline().strip() != "3":  # beyond the checkpoint of step 2
        assert process.poll() is None
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    assert not (killed / "model").exists()
    run_slowly(letters, killed)
    one, other = (load_file(path / "model" / "model.safetensors") for path in (whole, killed))
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)
    lines = [
        [timeless(line) for line in read_metrics(path / "metrics.jsonl")]
        for path in (whole, killed)
    ]
    assert lines[0] == lines[1]
    assert [line["step"] for line in lines[0]] == [1, 2, 3, 4, 5, 6]


def test_more_steps_go_on_with_a_run_that_is_done(letters: Letters, tmp_path: Path) -> None:
    short, long = tmp_path / "short", tmp_path / "long"
    trained(letters, short, settings_of(n_steps=2))
    on = trained(letters, short, settings_of(n_steps=4))
    trained(letters, long, settings_of(n_steps=4))
    assert (on.first_step, on.step) == (2, 4)
    one, other = (load_file(path / "model" / "model.safetensors") for path in (short, long))
    assert all(torch.equal(one[name], other[name]) for name in one)
    done = trained(letters, short, settings_of(n_steps=4))
    assert (done.first_step, done.step, dict(done.last)) == (4, 4, {})


def test_another_configuration_is_refused(letters: Letters, tmp_path: Path) -> None:
    trained(letters, tmp_path, settings_of(n_steps=1))
    with pytest.raises(ConfigMismatch, match=r"trained with algorithm\."):
        trained(letters, tmp_path, settings_of(RLOO, n_steps=1))


def test_an_interrupt_keeps_the_last_whole_step(letters: Letters, tmp_path: Path) -> None:
    def interrupt(progress: Any) -> None:
        if progress.step == 3:
            raise KeyboardInterrupt

    model = letters.model()
    setup = RlSetup(model=model, plan=letters.plan(model), settings=settings_of(n_steps=5))
    with pytest.raises(KeyboardInterrupt):
        train(setup, tmp_path / "a", Hearing(on_step=interrupt))
    assert [p.name for p in (tmp_path / "a" / "checkpoints").iterdir()] == ["step-000003"]
    assert trained(letters, tmp_path / "a", settings_of(n_steps=5)).first_step == 3
    trained(letters, tmp_path / "b", settings_of(n_steps=5))
    one, other = (load_file(tmp_path / n / "model" / "model.safetensors") for n in "ab")
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_a_failed_verdict_is_neither_reward_nor_penalty(letters: Letters, tmp_path: Path) -> None:
    """Every wrong answer failed: nothing is left to tell a right one from, and nothing moves."""

    def only_right(pairs: Iterable[tuple[Problem, Sample]]) -> list[Verdict]:
        return [
            Verdict(
                problem_id=s.problem_id, sample_no=s.sample_no,
                outcome=Outcome.CORRECT if s.text.strip() == p.gold else Outcome.FAILED,
            )
            for p, s in pairs
        ]  # fmt: skip

    before = letters.model().network.state_dict()
    result = trained(letters, tmp_path, settings_of(n_steps=3), judging=only_right)
    after = load_file(result.path / "model.safetensors")
    assert all(torch.equal(before[name], weight) for name, weight in after.items())
    assert result.last["failed"] > 0.5
    assert result.last["loss"] in (0.0, None)


def test_a_verifier_that_always_raises_ends_the_run_with_its_words(
    letters: Letters, tmp_path: Path
) -> None:
    def raising(pairs: Iterable[tuple[Problem, Sample]]) -> list[Verdict]:
        raise LookupError("no such column")

    with pytest.raises(TrainingError, match=r"no sample of the last 3 steps.*no such column"):
        trained(letters, tmp_path, settings_of(), judging=raising)


def test_steps_without_a_right_answer_are_said_with_what_to_check(
    letters: Letters, tmp_path: Path
) -> None:
    def wrong(pairs: Iterable[tuple[Problem, Sample]]) -> list[Verdict]:
        return [
            Verdict(problem_id=s.problem_id, sample_no=s.sample_no, outcome=Outcome.UNPARSED)
            for _, s in pairs
        ]

    said: list[str] = []
    model = letters.model()
    setup = RlSetup(
        model=model, plan=letters.plan(model), settings=settings_of(n_steps=8, patience=2),
        judging=wrong,
    )  # fmt: skip
    result = train(setup, tmp_path, Hearing(on_note=said.append))
    assert [line.split(",")[0] for line in said] == [
        f"note: no right answer in {n} steps" for n in (2, 4, 8)
    ]
    assert "100% held no answer" in said[0]
    assert f"--tasks {letters.task}" in said[0]
    assert result.last["zero_variance"] == 1.0


def test_a_loss_that_is_no_number_stops_names_the_batch_and_keeps_the_checkpoint(
    letters: Letters, tmp_path: Path
) -> None:
    model = letters.model()
    setup = RlSetup(
        model=model, plan=letters.plan(model), settings=settings_of(checkpoint_every=1, n_steps=4)
    )

    def spoil(progress: Any) -> None:
        if progress.step == 2:
            hook.append(model.network.lm_head.register_forward_hook(poison))

    def poison(_module: Any, _inputs: Any, out: torch.Tensor) -> torch.Tensor:
        return out * float("nan") if torch.is_grad_enabled() else out

    hook: list[Any] = []
    with pytest.raises(NonFinite, match=r"step 3: the loss is nan \(problems jsonl-"):
        train(setup, tmp_path, Hearing(on_step=spoil))
    kept = sorted(path.name for path in (tmp_path / "checkpoints").iterdir())
    assert kept == ["step-000001", "step-000002"]
    weights = load_file(tmp_path / "checkpoints" / "step-000002" / "weights.safetensors")
    assert all(bool(torch.isfinite(weight).all()) for weight in weights.values())


def test_a_model_without_an_end_is_refused(letters: Letters, tmp_path: Path) -> None:
    model = letters.model()
    model._end_ids = frozenset()
    setup = RlSetup(model=model, plan=letters.plan(model), settings=settings_of())
    with pytest.raises(ModelError, match="names an end token"):
        train(setup, tmp_path)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"n_samples": 1}, "grpo compares the samples of a problem and needs at least 2"),
        ({"n_samples": 3, "algorithm": ALGORITHMS["pass-at-k"]}, "needs at least 4"),
        ({"n_updates": 2, "algorithm": RLOO}, "rloo has no ratio"),
        ({"n_steps": 0}, "n_steps must be at least 1"),
        ({"redraws": -1}, "redraws must be 0 or more"),
        ({"reward": "praise"}, "reward 'praise' is not known"),
    ],
)
def test_settings_out_of_range_are_named(changed: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        settings_of(**changed)


def test_the_training_folder_says_what_was_asked(letters: Letters, tmp_path: Path) -> None:
    trained(letters, tmp_path, settings_of(n_steps=1))
    found = json.loads((tmp_path / "training.json").read_text())
    assert found["config"]["algorithm.name"] == "grpo"
    assert found["config"]["task"] == letters.task
    assert found["config"]["optimizer.learning_rate"] == RATE
    assert "torch" in found["environment"]["versions"]
