"""verl's data and reward: read back as its data set reads them, and called as its managers call."""

from __future__ import annotations

import asyncio
import importlib
import inspect
import json
import os
import re
import shlex
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from tests.commands import pathshift
from tests.training.sums import DIFFERENCES, SUMS

from pathshift.errors import ConfigError, InputError
from pathshift.problems.families import load_problems
from pathshift.training.bridges import verl
from pathshift.training.bridges.verl import Exported, VerlTask, export_task


def exported(out: Path, task: str = "arithmetic", **settings: Any) -> Exported:
    options = SUMS if task == "arithmetic" else {"n": "6"}
    return export_task(
        VerlTask(task=task, **{"task_options": options, "limit": 6, **settings}), out
    )


def settings_in(done: Exported) -> dict[str, str]:
    lines = done.settings.read_text(encoding="utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines)


def scored(done: Exported, answer: Any) -> list[dict[str, Any]]:
    """Every row's score, asked for as the naive reward manager does: from an event loop's threads.

    Args:
        answer: From a row and its number to what the model said.
    """
    settings = settings_in(done)
    module = settings["reward.custom_reward_function.path"].removeprefix("pkg://")
    name = settings["reward.custom_reward_function.name"]
    function = getattr(importlib.import_module(module), name)
    prefix = "+reward.custom_reward_function.reward_kwargs."
    more = {k.removeprefix(prefix): v for k, v in settings.items() if k.startswith(prefix)}
    assert not inspect.iscoroutinefunction(function)

    async def ask(loop: asyncio.AbstractEventLoop, row: dict[str, Any], said: str) -> Any:
        info = {**row["extra_info"], "num_turns": None, "rollout_reward_scores": {}}
        return await loop.run_in_executor(
            None,
            lambda: function(
                data_source=row["data_source"], solution_str=said,
                ground_truth=row["reward_model"]["ground_truth"], extra_info=info, **more,
            ),
        )  # fmt: skip

    async def ask_all() -> list[Any]:
        loop = asyncio.get_running_loop()
        loop.set_default_executor(ThreadPoolExecutor(8))
        rows = pq.read_table(done.train).to_pylist()
        return await asyncio.gather(*(ask(loop, row, answer(row, i)) for i, row in enumerate(rows)))

    return asyncio.run(ask_all())


def test_the_columns_are_those_that_verl_reads(tmp_path: Path) -> None:
    done = exported(tmp_path, system="Be short.")
    rows = pq.read_table(done.train).to_pylist()
    problems = load_problems("arithmetic", SUMS, limit=6)
    assert set(rows[0]) == {"data_source", "prompt", "ability", "reward_model", "extra_info"}
    for index, (row, problem) in enumerate(zip(rows, problems, strict=True)):
        assert [turn["role"] for turn in row["prompt"]] == ["system", "user"]
        assert problem.question in row["prompt"][-1]["content"]
        assert row["reward_model"] == {"style": "rule", "ground_truth": problem.gold}
        assert row["extra_info"]["index"] == index
        assert row["extra_info"]["split"] == "train"
        assert (row["data_source"], row["ability"]) == ("pathshift/arithmetic", "arithmetic")


@pytest.mark.filterwarnings("ignore")  # of libraries that are not ours
def test_the_library_by_which_verl_loads_it_gives_the_same_rows(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    done = exported(tmp_path / "out")
    loaded = datasets.load_dataset(
        "parquet", data_files=str(done.train), cache_dir=str(tmp_path / "cache")
    )["train"]
    assert list(loaded) == pq.read_table(done.train).to_pylist()


def test_the_same_task_gives_the_same_bytes(tmp_path: Path) -> None:
    one, other = exported(tmp_path / "a"), exported(tmp_path / "b")
    assert one.train.read_bytes() == other.train.read_bytes()


def test_plain_answers_are_judged_by_the_packages_reward(tmp_path: Path) -> None:
    done = exported(tmp_path)
    settings = settings_in(done)
    assert settings["reward.custom_reward_function.path"] == "pkg://pathshift.verify.rewards"

    def answer(row: dict[str, Any], number: int) -> str:
        right = int(row["reward_model"]["ground_truth"])
        return ("I cannot say", f"The answer is {right + 1}", f"The answer is {right}")[number % 3]

    found = scored(done, answer)
    assert [one["score"] for one in found] == [0.0, 0.0, 1.0] * 2
    assert [one["unparsed"] for one in found] == [1.0, 0.0, 0.0] * 2


def test_a_verifier_that_needs_the_problem_gets_it_from_the_row(tmp_path: Path) -> None:
    done = exported(tmp_path, "countdown")
    settings = settings_in(done)
    path = settings["reward.custom_reward_function.path"]
    assert path == "pkg://pathshift.training.bridges.verl"

    def answer(row: dict[str, Any], number: int) -> str:
        right = row["reward_model"]["ground_truth"]
        # The target itself is a number that is not given: right value, forbidden way.
        target = row["prompt"][-1]["content"].split("equals ")[1].split(".")[0]
        return f"<answer>{right if number % 2 else target}</answer>"

    found = scored(done, answer)
    assert [one["score"] for one in found] == [0.0, 1.0] * 3
    assert {tuple(one) for one in found} == {("score", "acc", "pred", "unparsed", "failed")}


def test_a_base_models_answer_ends_at_the_stop_text(tmp_path: Path) -> None:
    done = exported(tmp_path, mode="completion")
    settings = settings_in(done)
    template = settings["actor_rollout_ref.model.custom_chat_template"].strip('"')
    row = pq.read_table(done.train).to_pylist()[0]
    jinja2 = pytest.importorskip("jinja2")
    rendered = jinja2.Template(template).render(messages=row["prompt"], add_generation_prompt=True)
    assert rendered == row["prompt"][0]["content"]
    assert rendered.endswith("Answer:")
    after = "\nQuestion: What is 1 + 1?\nAnswer: 99"
    found = scored(done, lambda row, _: f" {row['reward_model']['ground_truth']}{after}")
    assert [one["score"] for one in found] == [1.0] * 6


def test_held_out_problems_that_are_trained_on_are_refused(tmp_path: Path) -> None:
    sums = VerlTask(task="arithmetic", task_options=SUMS, limit=6)
    with pytest.raises(InputError, match="6 of 6 held-out problems are trained on"):
        export_task(sums, tmp_path, held_out=sums)
    other = VerlTask(task="arithmetic", task_options=DIFFERENCES, limit=4)
    done = export_task(sums, tmp_path, held_out=other)
    assert done.held_out is not None
    rows = pq.read_table(done.held_out).to_pylist()
    assert {row["extra_info"]["split"] for row in rows} == {"test"}
    assert settings_in(done)["data.val_files"] == str(done.held_out)


def test_two_files_of_two_verifiers_share_the_reward_that_reads_the_row(tmp_path: Path) -> None:
    sums = VerlTask(task="arithmetic", task_options=SUMS, limit=6)
    done = export_task(
        sums, tmp_path, held_out=VerlTask(task="compose", task_options={"n": "2"}, mode="chat")
    )
    settings = settings_in(done)
    assert settings["reward.custom_reward_function.path"] == verl.WHOLE_REWARD
    assert settings["data.max_response_length"] == "256"
    found = scored(done, lambda row, _: row["reward_model"]["ground_truth"])
    assert [one["score"] for one in found] == [1.0] * 6
    with pytest.raises(ConfigError, match="use one mode"):
        export_task(
            sums, tmp_path, held_out=VerlTask(task="compose", task_options={}, mode="completion")
        )


@pytest.mark.parametrize(
    ("info", "told"),
    [
        (None, "AssertionError"),
        ({"index": 3}, "KeyError"),
        ({"problem": "p", "verifier": "countdown", "data": "[1"}, "JSONDecodeError"),
        ({"problem": "p", "verifier": "countdown", "data": "[" * 100_000}, "not as pathshift"),
        ({"problem": "p", "verifier": "countdown", "data": "1" * 2**21}, "2,097,152 characters"),
    ],
)
def test_rows_of_another_file_are_told_in_one_line(info: dict[str, Any] | None, told: str) -> None:
    with pytest.raises(ConfigError, match="extra_info is not as pathshift writes it") as caught:
        verl.compute_score("x", "1", "1", info)
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"mode": "both"}, "mode 'both' is not known"),
        ({"template": "no mark"}, "every problem would read the same"),
        ({"mode": "completion", "system": "x"}, "a system turn needs a chat"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        VerlTask(task="arithmetic", task_options={}, **settings)


def test_verls_workers_load_no_torch_for_it() -> None:
    code = (
        "import sys, pathshift.training.bridges.verl, pathshift.training.bridges.trl_settings\n"
        "heavy = {'torch', 'transformers', 'trl', 'peft', 'datasets'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=os.environ, check=False
    )
    assert done.returncode == 0, done.stderr


def test_the_page_does_what_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (Path(__file__).parents[2] / "docs" / "howto-train-verl.md").read_text(encoding="utf-8")
    (script,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    monkeypatch.chdir(tmp_path)
    exec(compile(script, "howto-train-verl.md", "exec"), {"__name__": "__main__"})
    names = {path.name for path in (tmp_path / "data").iterdir()}
    assert names == {"train.parquet", "val.parquet", "settings.txt"}
    (line,) = re.findall(r"```bash\n(.*?)\n```", text, re.DOTALL)
    name, *arguments = shlex.split(line)
    done = pathshift(*arguments[:-1], "by-command", cwd=tmp_path)
    assert (name, done.returncode) == ("pathshift", 0), done.stderr
    for file in ("train.parquet", "val.parquet"):
        same = [tmp_path / folder / file for folder in ("data", "by-command")]
        assert same[0].read_bytes() == same[1].read_bytes()
    for name in settings_in(
        Exported(
            train=Path("data/train.parquet"), held_out=None, settings=Path("data/settings.txt")
        )
    ):
        assert f"`{name.lstrip('+')}`" in text, name


def test_a_base_models_task_by_the_command_keeps_what_is_said_of_it(tmp_path: Path) -> None:
    template = tmp_path / "t.txt"
    template.write_text("Work it out: {question}")
    done = pathshift(
        "export", "arithmetic", "--to", "verl", "--limit", 3, "--completion", "--prompt-template",
        template, "--verifier", "number", "--held-out", "gsm8k", "--held-out-limit", 2, "--out",
        tmp_path / "d", "--json", "-",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    train, val, settings = map(Path, json.loads(done.stdout)["files"])
    rows, other = pq.read_table(train).to_pylist(), pq.read_table(val).to_pylist()
    assert (len(rows), len(other)) == (3, 2)
    assert all(row["prompt"][0]["content"].startswith("Work it out: ") for row in rows)
    assert {row["extra_info"]["verifier"] for row in rows} == {"number"}
    assert not any("Work it out" in row["prompt"][0]["content"] for row in other)
    assert "custom_chat_template" in settings.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--to", "passk", "-T", "digits=3"], "-T belongs to --to verl, not to --to passk"),
        (["--to", "verl", "--score", "acc"], "--to verl writes a task and reads no log"),
        (["--to", "verl", "-H", "seed=1"], "name --held-out"),
        (["--to", "verl", "--held-out", "arithmetic"], "held-out problems are trained on"),
    ],
)
def test_what_the_command_cannot_do_is_one_line(
    tmp_path: Path, flags: list[str], said: str
) -> None:
    done = pathshift("export", "arithmetic", *flags, "--out", tmp_path / "d.jsonl")
    assert done.returncode == 2, done.stdout
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
