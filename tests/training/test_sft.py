"""Fine-tuning: what the loss is taken on, that it learns, that a resumed run is the same run."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from tests.tiny import save_tiny
from transformers import AutoModelForCausalLM, AutoTokenizer

from pathshift.errors import ConfigError, ConfigMismatch, InputError, ModelError, NonFinite
from pathshift.problems import load_problems
from pathshift.training import fitting
from pathshift.training.examples import Encoder, Example, as_source, parse_data, read_examples
from pathshift.training.fitting import EvalSet, FitSettings, Watching, backward, fit, scheduled
from pathshift.training.folder import TrainingFolder
from pathshift.training.optimizer import OptimizerSettings
from pathshift.training.overlap import HeldOutTask, check_no_overlap
from pathshift.training.packing import batch_of, document
from pathshift.training.progress import Progress, read_metrics
from pathshift.training.sft import (
    DataSettings,
    Lora,
    NamedExamples,
    Student,
    config_of,
    environment_of,
    load_student,
    schedule_of,
    split_off,
    train,
)

SENTENCES = [
    "the cat sat on the mat", "a dog ran in the park", "seven and two is nine", "rain fell at noon",
    "birds sing at dawn", "she reads an old book", "they bake fresh bread", "the sea is calm today",
]  # fmt: skip
CHAT = (
    "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny(tmp_path_factory.mktemp("base"), width=32, layers=1)


@pytest.fixture(scope="module")
def tokenizer(base: Path) -> Any:
    return AutoTokenizer.from_pretrained(base)


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def settings(**changed: Any) -> FitSettings:
    plain: dict[str, Any] = {
        "steps": 6, "batch": 2, "length": 64, "save_every": 2,
        "optimizer": OptimizerSettings(learning_rate=3e-3, schedule="cosine"),
    }  # fmt: skip
    return FitSettings(**(plain | changed))


def trained(student: Student, out: Path, asked: FitSettings, examples: list[Example]) -> Path:
    """Train on examples; the folder of what came out."""
    rows = [NamedExamples(name="mine", weight=None, examples=examples)]
    schedule = schedule_of(rows, DataSettings(eval_share=0.2), asked, student.encoder)
    config = config_of("sft", student, schedule, asked)
    with TrainingFolder(out, config, environment_of(student)) as folder:
        return train(student, schedule, asked, folder).folder


PAIRS = [Example(prompt=f"Q: {i}+{i}\nA:", completion=f" {2 * i}") for i in range(12)]


def test_the_loss_is_taken_on_the_completion_and_its_end_only(tokenizer: Any) -> None:
    encoder = Encoder(tokenizer, "tiny")
    one = encoder.document(Example(prompt="Q: 1+1\nA:", completion=" 2"))
    assert tokenizer.decode(one.ids[one.is_target]) == " 2<end>"
    assert tokenizer.decode(one.ids[~one.is_target]) == "Q: 1+1\nA:"
    text = encoder.document(Example(prompt="", completion="abc", is_plain=True))
    assert tokenizer.decode(text.ids) == "abc<end>"
    assert text.is_target.tolist() == [False, True, True, True]


def test_chat_turns_go_through_the_template_and_the_last_one_is_learned(
    tokenizer: Any, tmp_path: Path
) -> None:
    turns = [
        {"role": "system", "content": "be brief"}, {"role": "user", "content": "hi"},
        {"role": "assistant", "content": "hello"}, {"role": "user", "content": "1+1?"},
        {"role": "assistant", "content": "2"},
    ]  # fmt: skip
    path = write(
        tmp_path / "c.jsonl",
        [{"messages": turns}, {"prompt": turns[:-1], "completion": turns[-1:]}],
    )
    first, second = read_examples(path)
    assert first == second
    with pytest.raises(ModelError, match="no chat template and the data holds chat turns"):
        Encoder(tokenizer, "tiny").document(first)
    tokenizer.chat_template = CHAT
    one = Encoder(tokenizer, "tiny").document(first)
    tokenizer.chat_template = None
    assert tokenizer.decode(one.ids[~one.is_target]) == (
        "<system>be brief<user>hi<assistant>hello<user>1+1?<assistant>"
    )
    assert tokenizer.decode(one.ids[one.is_target]) == "2<end>"


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"question": "1"}, "row 1: needs the field text, prompt and completion, or messages"),
        ({"text": ""}, "row 1: text and completion must be texts that are not empty"),
        ({"prompt": "a", "completion": [{"role": "assistant", "content": "b"}]}, "both be texts"),
        ({"messages": [{"role": "user", "content": "a"}]}, "must end with one of the assistant"),
        ({"messages": [{"role": "robot", "content": "a"}]}, "a chat turn must be"),
    ],
)
def test_a_bad_row_is_named(tmp_path: Path, row: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        read_examples(write(tmp_path / "bad.jsonl", [row]))


def test_weights_stand_behind_a_colon() -> None:
    assert parse_data("a.jsonl:2") == (Path("a.jsonl"), 2.0)
    with pytest.raises(ConfigError, match="'x' is no weight"):
        parse_data("a.jsonl:x")


def test_a_tokenizer_without_an_end_is_refused(tokenizer: Any) -> None:
    class Endless:
        eos_token_id = None

    with pytest.raises(ModelError, match=r"the tokenizer of tiny has no end token"):
        Encoder(Endless(), "tiny")
    assert Encoder(tokenizer, "tiny").document(PAIRS[0]).ids[-1] == tokenizer.eos_token_id


def test_long_texts_are_cut_and_long_answers_left_out(tokenizer: Any) -> None:
    encoder = Encoder(tokenizer, "tiny")
    text = Example(prompt="", completion="x" * 99, is_plain=True)
    answer = Example(prompt="p" * 40, completion="c" * 40)
    source = as_source("mine", None, [text, answer], encoder, 30)
    assert [len(one) for one in source.documents] == [30, 30, 30, 10]
    assert source.too_long == 1
    with pytest.raises(InputError, match="all 1 rows are longer than 30 tokens"):
        as_source("mine", None, [answer], encoder, 30)


def test_the_gradient_is_the_mean_over_targets_for_any_micro_batches(base: Path) -> None:
    """Against transformers' own loss of each document alone, weighted by its targets."""
    network = AutoModelForCausalLM.from_pretrained(base)
    rng = np.random.default_rng(0)
    docs = [document(rng.integers(0, 257, n).tolist(), n // 3) for n in (20, 9, 31, 4, 16)]
    n_targets = sum(int(one.is_target.sum()) for one in docs)
    expected = 0.0
    for one in docs:
        ids = torch.tensor(one.ids.astype(np.int64))[None]
        labels = torch.where(torch.from_numpy(one.is_target)[None], ids, -100)
        share = int(one.is_target.sum()) / n_targets
        loss = network(input_ids=ids, labels=labels).loss * share
        loss.backward()
        expected += float(loss.detach())
    alone = {name: w.grad.clone() for name, w in network.named_parameters()}
    batch = batch_of([[docs[0], docs[1]], [docs[2]], [docs[3], docs[4]]])
    for micro_tokens in (1, 64, 10_000):
        network.zero_grad()
        asked = settings(micro_tokens=micro_tokens)
        assert backward(network, batch, asked, step=1, names=["a"]) == pytest.approx(
            expected, abs=1e-5
        )
        for name, weight in network.named_parameters():
            torch.testing.assert_close(weight.grad, alone[name], rtol=1e-4, atol=1e-6)


def test_steps_are_filled_and_epochs_are_exact(tokenizer: Any) -> None:
    encoder = Encoder(tokenizer, "tiny")
    source = as_source("mine", None, PAIRS, encoder, 64)
    steps = scheduled([source], settings(steps=5))
    assert (steps.n_steps, len(steps.rows)) == (5, 10)
    assert steps.table[0].epochs > 1
    epochs = scheduled([source], settings(steps=None, epochs=3))
    assert epochs.table[0].epochs == 3
    assert epochs.table[0].drawn_documents == 36
    assert epochs.n_steps == -(-len(epochs.rows) // 2)
    bare = scheduled([source], settings(steps=None, epochs=1, packed=False))
    assert [len(row) for row in bare.rows] == [1] * 12


def test_shares_hold_with_steps_too(tokenizer: Any) -> None:
    encoder = Encoder(tokenizer, "tiny")
    texts = [Example(prompt="", completion=line, is_plain=True) for line in SENTENCES]
    sources = [
        as_source("texts", 0.7, texts, encoder, 64), as_source("pairs", 0.3, PAIRS, encoder, 64)
    ]  # fmt: skip
    rows = scheduled(sources, settings(steps=20, batch=4)).table
    assert rows[0].share == pytest.approx(0.7, abs=0.01)


def test_a_tiny_model_memorises_eight_sentences(tmp_path: Path) -> None:
    base = save_tiny(tmp_path / "base", width=64, layers=2)
    texts = [Example(prompt=f"{i}", completion=line) for i, line in enumerate(SENTENCES)]
    student = load_student(f"hf:{base}")
    asked = settings(
        steps=120, batch=4, warmup=0.1, save_every=1000,
        optimizer=OptimizerSettings(learning_rate=3e-3, schedule="cosine"),
    )  # fmt: skip
    rows = [NamedExamples(name="mine", weight=None, examples=texts)]
    schedule = schedule_of(rows, DataSettings(), asked, student.encoder)
    with TrainingFolder(tmp_path / "out", config_of("sft", student, schedule, asked), {}) as folder:
        done = train(student, schedule, asked, folder)
    assert done.fitted.last["loss"] < 0.05
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "out" / "model")
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "out" / "model")
    for i, line in enumerate(SENTENCES):
        ids = torch.tensor([tokenizer.encode(f"{i}")])
        said = model.generate(ids, max_new_tokens=40, do_sample=False, pad_token_id=0)
        assert tokenizer.decode(said[0]) == f"{i}{line}<end>"


@pytest.mark.parametrize("lora", [None, Lora(rank=2)])
def test_a_resumed_run_equals_one_in_one_go_bit_for_bit(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lora: Lora | None
) -> None:
    def student() -> Student:
        return load_student(f"hf:{base}", lora=lora, seed=3)

    whole = trained(student(), tmp_path / "whole", settings(), PAIRS)
    count = 0
    real = fitting.backward

    def killed(*args: Any, **named: Any) -> float:
        nonlocal count
        count += 1
        if count == 4:
            raise KeyboardInterrupt
        return real(*args, **named)

    monkeypatch.setattr(fitting, "backward", killed)
    with pytest.raises(KeyboardInterrupt):
        trained(student(), tmp_path / "two", settings(), PAIRS)
    assert not (tmp_path / "two" / whole.name).exists()
    monkeypatch.undo()
    two = trained(student(), tmp_path / "two", settings(save_every=5), PAIRS)
    (weights,) = [path.name for path in whole.glob("*.safetensors")]
    before, after = load_file(whole / weights), load_file(two / weights)
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    told = [
        [{k: v for k, v in line.items() if k != "seconds"} for line in read_metrics(one)]
        for one in (tmp_path / "whole" / "metrics.jsonl", tmp_path / "two" / "metrics.jsonl")
    ]
    assert told[0] == told[1]
    assert [line["step"] for line in told[0]] == [1, 2, 3, 4, 5, 6]
    assert "eval_loss" in told[0][-1]
    other = replace(settings(), optimizer=OptimizerSettings(learning_rate=1e-3))
    with pytest.raises(ConfigMismatch, match=r"was trained with learning_rate=0\.003"):
        trained(student(), tmp_path / "two", other, PAIRS)


def test_an_adapter_loads_and_changes_the_model(base: Path, tmp_path: Path) -> None:
    from pathshift.models.load import load_model

    student = load_student(f"hf:{base}", lora=Lora(rank=2))
    trained(student, tmp_path / "out", settings(), PAIRS)
    plain = load_model(f"hf:{base}")
    tuned = load_model(f"hf:{base}+{tmp_path / 'out' / 'adapter'}")
    said = [sum(m.score("Q: 3+3\nA:", " 6")) for m in (plain, tuned)]
    assert said[1] > said[0]
    with pytest.raises(ConfigError, match="a model with an adapter already"):
        load_student(f"hf:{base}+{tmp_path / 'out' / 'adapter'}", lora=Lora(rank=2))


def test_the_evaluation_loss_is_a_mean_over_targets_and_moves_nothing(base: Path) -> None:
    network = AutoModelForCausalLM.from_pretrained(base)
    docs = [document([5, 6, 7, 8]), document([9, 10], 0), document([3, 4, 5])]
    found = EvalSet(docs, settings(), "cpu").loss(network)
    ids = [torch.tensor(one.ids.astype(np.int64))[None] for one in docs]
    with torch.no_grad():
        sums = [float(network(input_ids=i, labels=i).loss) * (i.shape[1] - 1) for i in ids]
    assert found == pytest.approx(sum(sums) / 6, abs=1e-5)
    assert EvalSet([], settings(), "cpu").loss(network) is None
    assert all(weight.grad is None for weight in network.parameters())


def test_bf16_computes_shorter_and_keeps_the_weights_long(base: Path) -> None:
    network = AutoModelForCausalLM.from_pretrained(base)
    batch = batch_of([[document(list(range(20)))]])
    long, short = (
        backward(network, batch, settings(dtype=dtype), step=1, names=["a"])
        for dtype in ("fp32", "bf16")
    )
    assert 0 < abs(long - short) < 0.05 * long
    assert {weight.dtype for weight in network.parameters()} == {torch.float32}


def test_a_loss_that_is_no_number_stops_and_names_the_documents(base: Path, tmp_path: Path) -> None:
    student = load_student(f"hf:{base}")
    with torch.no_grad():
        student.network.lm_head.weight[0, 0] = float("nan")
    schedule = scheduled([as_source("mine", None, PAIRS, student.encoder, 64)], settings())
    with (
        TrainingFolder(tmp_path / "out", {}, {}) as folder,
        pytest.raises(NonFinite, match=r"step 1: the loss is nan \(problems mine document \d+"),
    ):
        fit(student.network, schedule, settings(), folder)


def test_rows_longer_than_the_context_are_refused(base: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"length 4096 exceeds the context of hf:.*: 2048"):
        trained(load_student(f"hf:{base}"), tmp_path / "out", settings(length=4096), PAIRS)
    with pytest.raises(ConfigError, match="fake:base cannot be trained"):
        load_student("fake:base")


def test_progress_is_told_after_every_step(base: Path, tmp_path: Path) -> None:
    seen: list[Progress] = []
    student = load_student(f"hf:{base}")
    schedule = scheduled([as_source("mine", None, PAIRS, student.encoder, 64)], settings())
    with TrainingFolder(tmp_path / "out", {}, {}) as folder:
        fit(student.network, schedule, settings(), folder, watching=Watching(progress=seen.append))
    assert [one.step for one in seen] == [1, 2, 3, 4, 5, 6]
    assert list(seen[0].shown) == ["loss", "gradient norm"]


def test_rows_are_set_aside_by_their_content() -> None:
    kept, aside = split_off(PAIRS * 2, 0.4)
    assert len(kept) + len(aside) == 24
    assert aside
    assert not {one.asked for one in kept} & {one.asked for one in aside}
    assert split_off(PAIRS, 0.0) == (PAIRS, [])


@pytest.mark.parametrize(
    "made",
    [
        lambda p: Example(prompt=f"Question: {p.question}\nAnswer:", completion=p.gold),
        lambda p: Example(prompt="", completion=f"{p.question} {p.gold}", is_plain=True),
        lambda p: Example(prompt="reworded", completion=p.gold, content_hash=p.content_hash),
        lambda p: Example(prompt=({"role": "user", "content": p.question},), completion=p.gold),
    ],
)
def test_data_that_holds_a_test_is_refused(made: Callable[[Any], Example]) -> None:
    tests = load_problems("arithmetic", {"seed": "1"}, limit=30)
    others = [p for p in load_problems("arithmetic", {"seed": "2"}, limit=60)
              if p.question not in {t.question for t in tests}]  # fmt: skip
    clean = [made(p) for p in others]
    check_no_overlap({"mine": clean}, tests, "arithmetic")
    with pytest.raises(InputError) as caught:
        check_no_overlap({"mine": [*clean, made(tests[7])]}, tests, "arithmetic")
    assert f"such as {tests[7].id} in row {len(clean) + 1}" in str(caught.value)
    assert "1 of its 30 problems stand in 1 of" in str(caught.value)


def test_an_example_of_the_template_is_no_leak_and_a_longer_number_no_hit() -> None:
    test = load_problems("arithmetic", {}, limit=1)[0]
    shots = [
        Example(prompt=f"{test.question} 9\nWhat is {i}?", completion=f"{i}") for i in range(3)
    ]
    check_no_overlap({"mine": shots}, [test], "arithmetic")
    longer = Example(prompt=f"1{test.question}0", completion="1")
    check_no_overlap({"mine": [longer, *PAIRS]}, [test], "arithmetic")


def test_the_test_task_is_looked_at_before_anything_is_trained(base: Path) -> None:
    test = HeldOutTask(task="arithmetic", options={"seed": "1"}, limit=5)
    leaked = Example(prompt=test.problems()[0].question, completion="1")
    rows = [NamedExamples(name="mine", weight=None, examples=[leaked, *PAIRS])]
    encoder = Encoder(AutoTokenizer.from_pretrained(base), "tiny")
    with pytest.raises(InputError, match="mine overlaps arithmetic: 1 of its 5 problems"):
        schedule_of(rows, DataSettings(tests=(test,)), settings(), encoder)
