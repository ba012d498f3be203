"""The same recipe by TRL: settings, rewards, run folders, and a training that nobody disturbs."""

from __future__ import annotations

import re
import shlex
import shutil
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("trl")

import torch
from tests.commands import pathshift as command
from tests.tiny import save_tiny
from tests.training.guesser import save_guesser
from tests.training.sums import DIFFERENCES, SUMS
from transformers import AutoTokenizer

import pathshift
from pathshift.errors import ConfigError, ConfigMismatch, InputError, MissingExtra, RunError
from pathshift.models.load import load_model
from pathshift.models.protocol import Continuation
from pathshift.records import Outcome, Problem
from pathshift.rollout.plan import SampleConfig, make_plan
from pathshift.rollout.sampling import draw_samples
from pathshift.store.run import RunFolder
from pathshift.training import bridges
from pathshift.training.bridges.trl import Looks, make_trainer, stop_ids, train
from pathshift.training.bridges.trl_rows import rl_rows, sft_rows
from pathshift.training.bridges.trl_settings import Recipe
from pathshift.training.progress import read_metrics
from pathshift.verify.rewards import Reward

pytestmark = pytest.mark.filterwarnings("ignore")  # of libraries that are not ours

HELD_OUT = SampleConfig(
    task="arithmetic", task_options=DIFFERENCES, n=8, limit=32, max_tokens=6, stop=("\n",)
)
LOOKS = Looks(held_out=HELD_OUT, every=2, keep_completions=True)
STEPS = 4


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_guesser(tmp_path_factory.mktemp("guesser") / "base")


def recipe(base: Path, out: Path, algorithm: str = "grpo", **settings: Any) -> Recipe:
    """Four steps of 8 sums with 4 answers each."""
    drawn = {} if algorithm == "sft" else {"group_size": 4, "max_tokens": 6}
    return Recipe(
        model=f"hf:{base}", task="arithmetic", task_options=SUMS, limit=24, algorithm=algorithm,
        out=out, **{"steps": STEPS, "learning_rate": 1e-3, **drawn, **settings},
    )  # fmt: skip


def test_without_trl_the_pip_command_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "pathshift.training.bridges.trl")
    monkeypatch.setitem(sys.modules, "trl", None)
    with pytest.raises(MissingExtra, match=r"pip install 'pathshift\[train\]'"):
        bridges.train  # noqa: B018 - the name is what loads it


def right_by_hand(problem: Problem, text: str) -> bool:
    """Whether the text begins with the sum, which is read from the question itself."""
    first, second = (int(word) for word in problem.question.rstrip("?").split() if word.isdigit())
    begins = re.match(r" *(\d+)", text)
    return begins is not None and int(begins[1]) == first + second


@pytest.fixture(scope="module", params=["grpo", "rloo", "dapo", "dr-grpo"])
def trained(
    request: pytest.FixtureRequest, base: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A folder of each algorithm, trained with boundary and completions."""
    out = tmp_path_factory.mktemp(request.param) / "out"
    done = train(recipe(base, out, request.param), LOOKS)
    assert done.spec == f"hf:{out}/model"
    return out


def test_trl_trains_and_its_rewards_are_the_verifiers(trained: Path, base: Path) -> None:
    lines = read_metrics(trained / "metrics.jsonl")
    assert [line["step"] for line in lines] == [1, 2, 3, 4]
    for line in lines:
        folder = RunFolder(trained / "rollouts" / f"step-{line['step']:06d}")
        problems = {problem.id: problem for problem in folder.problems()}
        samples = folder.samples()
        assert Counter(s.problem_id for s in samples) == dict.fromkeys(problems, 4)
        right = [right_by_hand(problems[s.problem_id], s.text) for s in samples]
        assert line["rewards/number-first_reward/mean"] == pytest.approx(sum(right) / 32)
        outcomes = folder.outcomes("number-first")
        assert right == [outcomes[s.problem_id][s.sample_no] is Outcome.CORRECT for s in samples]
        tokens = sum(s.n_tokens or 0 for s in samples) / 32
        assert line["completions/mean_length"] == pytest.approx(tokens)
        cut = sum(s.finish_reason == "length" for s in samples) / 32
        assert line["completions/clipped_ratio"] == pytest.approx(cut)
    assert any(line["rewards/number-first_reward/mean"] > 0 for line in lines)
    assert any(line["grad_norm"] > 0 for line in lines)


def test_the_model_loads_and_is_the_one_the_last_look_drew_from(trained: Path) -> None:
    last = RunFolder(trained / "runs" / f"step-{STEPS:06d}")
    model = load_model(f"hf:{trained}/model")
    again = replace(HELD_OUT, stream=str(last.manifest.config["stream"]))
    plan = make_plan(again, model)
    draw_samples(plan, model, trained / "again")
    assert [(s.seed, s.text) for s in RunFolder(trained / "again").samples()] == [
        (s.seed, s.text) for s in last.samples()
    ]
    assert model.end_ids == {0}  # type: ignore[attr-defined]  # the newline ended TRL's only


def test_steps_compare_and_no_two_share_their_draws(trained: Path) -> None:
    steps = [trained / "runs" / f"step-{step:06d}" for step in (0, 2, 4)]
    assert sorted(path.name for path in (trained / "runs").iterdir()) == [p.name for p in steps]
    seeds = [{s.seed for s in RunFolder(path).samples()} for path in steps]
    assert not seeds[0] & seeds[1]
    result = pathshift.compare(steps[0], steps[-1])
    assert result.n_problems == 32
    assert result.to_dict()["n"]["base"] == {"min": 8, "max": 8}
    assert max(result.to_dict()["base"]) > 0


def test_nothing_pickled_and_no_foreign_end_token_is_left(trained: Path, base: Path) -> None:
    names = {path.name for path in (trained / "model").iterdir()}
    assert not {name for name in names if name.endswith((".bin", ".pt", ".pth"))}


@pytest.mark.parametrize("lora", [None, 4])
def test_looking_does_not_change_the_training(base: Path, tmp_path: Path, lora: int | None) -> None:
    def losses(name: str, looks: Looks | None) -> list[tuple[float, float, float]]:
        trainer = make_trainer(recipe(base, tmp_path / name, lora_rank=lora, steps=3), looks)
        trainer.train()
        history = [line for line in trainer.state.log_history if "loss" in line]
        return [(line["loss"], line["grad_norm"], line["entropy"]) for line in history]

    often = replace(LOOKS, every=1, held_out=replace(HELD_OUT, limit=4))
    alone = losses("alone", None)
    assert losses("watched", often) == alone
    assert len(alone) == 3
    assert any(grad > 0 for _, grad, _ in alone)


def test_a_network_is_left_as_it_was_found(base: Path, tmp_path: Path) -> None:
    from pathshift.training.bridges.trl_callback import as_for_sampling

    trainer = make_trainer(recipe(base, tmp_path / "out", lora_rank=2))
    network = trainer.model
    network.train()
    frozen = next(module for module in network.modules() if hasattr(module, "base_layer"))
    frozen.eval()
    before = {name: module.training for name, module in network.named_modules()}
    weights = {name: value.clone() for name, value in network.state_dict().items()}
    state = torch.get_rng_state()
    with as_for_sampling(network) as inner:
        assert not any(module.training for module in inner.modules())
        inner.set_attn_implementation("eager")
    assert {name: module.training for name, module in network.named_modules()} == before
    assert network.get_base_model().config._attn_implementation == "sdpa"
    assert torch.equal(torch.get_rng_state(), state)
    after = network.state_dict()
    assert all(torch.equal(after[name], value) for name, value in weights.items())


def test_an_adapter_loads_beside_its_base(base: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = train(
        recipe(base, out, lora_rank=4, learning_rate=1e-2), Looks(held_out=HELD_OUT, every=4)
    )
    assert done.spec == f"hf:{base}+{out}/adapter"
    assert not (out / "model").exists()
    text = [Continuation(text=" 7\n")]
    policy = make_plan(HELD_OUT, load_model(f"hf:{base}")).policy

    def logprobs(spec: str) -> tuple[float, ...]:
        (scored,) = load_model(spec).score_all("Answer:", text, policy, is_chat=False)
        assert scored.trace is not None
        return scored.trace.logprobs

    assert logprobs(done.spec) != logprobs(f"hf:{base}")
    with pytest.raises(ConfigError, match="an adapter on an adapter"):
        make_trainer(replace(recipe(base, out, lora_rank=4), model=done.spec))


def test_fine_tuning_learns_the_right_samples_of_a_run(base: Path, tmp_path: Path) -> None:
    model = load_model(f"hf:{base}")
    asked = SampleConfig(task="arithmetic", task_options=SUMS, limit=24, n=16, max_tokens=6)
    plan = make_plan(asked, model)
    draw_samples(plan, model, tmp_path / "run")
    rows = sft_rows(tmp_path / "run")
    by_prompt = dict(zip(plan.prompts, plan.problems, strict=True))
    assert rows
    assert all(right_by_hand(by_prompt[row["prompt"]], row["completion"]) for row in rows)
    assert len({(row["prompt"], row["completion"]) for row in rows}) == len(rows)
    out = tmp_path / "out"
    settings = recipe(base, out, "sft", examples=tmp_path / "run", steps=5, learning_rate=3e-3)
    done = train(settings, Looks(held_out=HELD_OUT, every=5))
    losses = [line["loss"] for line in read_metrics(out / "metrics.jsonl")]
    assert losses[-1] < losses[0]
    assert load_model(done.spec).info.weights_hash != model.info.weights_hash
    pathshift.compare(out / "runs" / "step-000000", out / "runs" / "step-000005")


def test_a_run_without_a_right_sample_has_nothing_to_learn(base: Path, tmp_path: Path) -> None:
    model = load_model(f"hf:{save_tiny(tmp_path / 'random')}")
    asked = SampleConfig(task="arithmetic", task_options=SUMS, limit=2, n=1, max_tokens=2)
    draw_samples(make_plan(asked, model), model, tmp_path / "run")
    with pytest.raises(InputError, match="holds no correct sample"):
        sft_rows(tmp_path / "run")


def test_an_ended_training_goes_on_where_it_was(base: Path, tmp_path: Path) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    train(recipe(base, whole, steps=4))
    train(recipe(base, parts, steps=2, save_every=2))
    train(recipe(base, parts, steps=4, save_every=2))

    def kept(out: Path) -> list[tuple[int, float, float]]:
        lines = read_metrics(out / "metrics.jsonl")
        return [(line["step"], line["loss"], line["grad_norm"]) for line in lines]

    assert kept(parts) == kept(whole)
    before = (parts / "model" / "model.safetensors").stat().st_mtime_ns
    assert train(recipe(base, parts, steps=4, save_every=2)).spec == f"hf:{parts}/model"
    assert (parts / "model" / "model.safetensors").stat().st_mtime_ns == before  # it was done
    with pytest.raises(ConfigMismatch, match="learning_rate"):
        train(recipe(base, parts, learning_rate=2e-3, save_every=2))
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "letter.txt").write_text("mine")
    with pytest.raises(RunError, match="is no training folder"):
        train(recipe(base, tmp_path / "other"))


def test_a_look_at_other_weights_is_moved_aside_and_not_lost(base: Path, tmp_path: Path) -> None:
    few = replace(LOOKS, every=1, held_out=replace(HELD_OUT, limit=4))
    train(recipe(base, tmp_path / "out", steps=1), few)
    shutil.rmtree(tmp_path / "out" / "model")
    train(recipe(base, tmp_path / "out", steps=1), few)  # without a checkpoint it begins again
    assert not (tmp_path / "out" / "superseded" / "runs").exists()  # the same weights: finished
    again = tmp_path / "out" / "superseded" / "rollouts" / "step-000001-0"
    assert len(RunFolder(again).samples()) == 32


def test_held_out_problems_that_are_trained_on_are_refused(base: Path, tmp_path: Path) -> None:
    same = replace(HELD_OUT, task_options=SUMS)
    with pytest.raises(InputError, match="training problems are among the 32 held out"):
        make_trainer(recipe(base, tmp_path), Looks(held_out=same, every=1))


def test_a_setting_that_trl_does_not_have_is_named(base: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"TRL has no setting 'use_vlm'; those of GRPOConfig"):
        make_trainer(recipe(base, tmp_path, trl={"use_vlm": True}))


def test_our_reward_for_plain_answers_plugs_in_unchanged(base: Path, tmp_path: Path) -> None:
    reward = Reward("number-first", column="reference", workers=1)
    trainer = make_trainer(recipe(base, tmp_path / "out", steps=1), reward=reward)
    trainer.train()
    logged = {name for line in trainer.state.log_history for name in line}
    assert "rewards/number-first_reward/mean" in logged


def test_a_chat_is_given_as_messages_which_trl_renders_as_we_do(tmp_path: Path) -> None:
    folder = save_tiny(tmp_path / "chat")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.chat_template = (
        "{% for m in messages %}[{{ m.role }}] {{ m.content }}\n{% endfor %}"
        "{% if add_generation_prompt %}[assistant]{% endif %}"
    )
    tokenizer.save_pretrained(folder)
    model = load_model(f"hf:{folder}")
    asked = SampleConfig(
        task="arithmetic", task_options=SUMS, n=2, limit=2, system="Be short.", max_tokens=3
    )
    plan = make_plan(asked, model)
    rows = rl_rows(plan)
    rendered = [
        tokenizer.apply_chat_template(row["prompt"], tokenize=False, add_generation_prompt=True)
        for row in rows
    ]
    assert plan.is_chat
    assert rendered == list(plan.prompts)
    assert [row["reference"] for row in rows] == [problem.gold for problem in plan.problems]


def test_a_stop_text_of_one_token_ends_a_completion_and_others_are_told(
    base: Path, tmp_path: Path
) -> None:
    tokenizer = AutoTokenizer.from_pretrained(base)
    newline = tokenizer.encode("\n")
    assert stop_ids(tokenizer, ("\n", "\n\nQuestion:")) == newline
    trainer = make_trainer(recipe(base, tmp_path / "a"))
    assert set(trainer.eos_token_ids) == {0, *newline}
    assert trainer.model.generation_config.eos_token_id == 0
    file = tmp_path / "own.jsonl"
    file.write_text('{"question": "1 + 5", "answer": "6"}\n{"question": "2 + 5", "answer": "7"}\n')
    own = replace(
        recipe(base, tmp_path / "b", steps=1), task=f"jsonl:{file}", task_options={}, limit=None,
        verifier="number-first",
    )  # fmt: skip
    (note,) = train(own).notes
    assert "one token" in note


def test_the_page_does_what_it_says(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (Path(__file__).parents[2] / "docs" / "howto-train-trl.md").read_text(encoding="utf-8")
    (script,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    (commands,) = re.findall(r"```bash\n(.*?)```", text, re.DOTALL)
    smaller = {"steps=100": "steps=2", "every=25": "every=2", "n=32, limit=64": "n=4, limit=8",
               "hf:base": f"hf:{base}", "step-000100": "step-000002"}  # fmt: skip
    for old, new in smaller.items():
        assert old in script + commands
        script, commands = script.replace(old, new), commands.replace(old, new)
    monkeypatch.chdir(tmp_path)
    exec(compile(script, "howto-train-trl.md", "exec"), {"__name__": "__main__"})
    install, *lines = commands.strip().splitlines()
    assert install == "python -m pip install './pathshift[train]'"
    for line in lines:
        name, *arguments = shlex.split(line)
        assert name == "pathshift"
        done = command(*arguments, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
    assert (tmp_path / "run.html").exists()
    assert (tmp_path / "report.html").exists()
