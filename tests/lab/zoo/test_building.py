"""A recipe of a few steps, from the corpus to a bundled model that was measured."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from tests.lab.zoo.tiny_recipes import BASE, CHILD, TUNED, written

from pathshift.errors import RunError
from pathshift.lab.zoo import building
from pathshift.lab.zoo.building import MODEL, TRAINING, build
from pathshift.lab.zoo.exposures import exposures, lines
from pathshift.lab.zoo.measuring import Departure, departures, measure
from pathshift.lab.zoo.pack import bundle, made_of, measured_of
from pathshift.lab.zoo.recipe import Recipe
from pathshift.lab.zoo.stored import held_out
from pathshift.lab.zoo.traces import trace
from pathshift.models import load
from pathshift.models.load import load_model
from pathshift.models.zoo import zoo_location, zoo_names
from pathshift.problems import compose
from pathshift.records import Sample
from pathshift.training.distill import Harvest, TrainingRow


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Recipe:
    return written(tmp_path_factory.mktemp("recipes"), "tiny-base", BASE)


@pytest.fixture(scope="module")
def out(recipe: Recipe, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the base, built and measured."""
    folder = tmp_path_factory.mktemp("zoo")
    assert build(recipe, folder) == folder / "tiny-base" / MODEL
    measure(recipe, folder)
    return folder


def test_the_packed_weights_are_the_trained_ones_in_bf16(out: Path) -> None:
    packed = load_file(out / "tiny-base" / MODEL / "model.safetensors")
    trained = load_file(out / "tiny-base" / TRAINING / "model" / "model.safetensors")
    assert packed.keys() == trained.keys()
    for name, value in packed.items():
        assert value.dtype == torch.bfloat16
        assert torch.equal(value, trained[name].bfloat16())


def test_a_model_built_twice_is_the_same_file_and_a_third_time_nothing_is_done(
    recipe: Recipe, out: Path, tmp_path: Path
) -> None:
    again = build(recipe, tmp_path)
    first = out / "tiny-base" / MODEL
    assert made_of(again) == made_of(first)
    before = (again / "model.safetensors").stat().st_mtime_ns
    build(recipe, tmp_path)
    assert (again / "model.safetensors").stat().st_mtime_ns == before


def test_another_recipe_of_the_name_is_refused(recipe: Recipe, out: Path, tmp_path: Path) -> None:
    other = written(tmp_path, "tiny-base", BASE.replace("noise = 0.2", "noise = 0.3"))
    with pytest.raises(RunError, match=r"was built from another tiny-base\.toml"):
        build(other, out)


def test_what_it_was_made_from_is_told_and_its_hashes_are_of_the_files(
    recipe: Recipe, out: Path
) -> None:
    folder = out / "tiny-base" / MODEL
    made = made_of(folder)
    assert (made.recipe_hash, made.seeds["corpus"]) == (recipe.hash, 0)
    assert [(row.level, row.documents) for row in made.corpus] == [(1, 20), (2, 20)]
    weights = (folder / "model.safetensors").read_bytes()
    assert made.weights_hash == hashlib.sha256(weights).hexdigest()
    text = (folder / "README.md").read_text(encoding="utf-8")
    for shown in (recipe.hash, made.weights_hash, made.tokenizer_hash, f"{made.parameters:,}"):
        assert shown in text


def test_no_problem_that_models_are_measured_on_is_in_the_corpus(out: Path) -> None:
    (corpus,) = (out / "tiny-base").glob("corpus-*.jsonl")
    rows = [json.loads(line) for line in corpus.read_text(encoding="utf-8").splitlines()]
    assert len(rows) == 40
    assert not {row["content_hash"] for row in rows} & {p.content_hash for p in held_out("compose")}


def test_a_bundled_model_is_loaded_by_its_name(
    out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copied = bundle(out / "tiny-base" / MODEL, "tiny-base", tmp_path)
    assert zoo_names(tmp_path) == ["tiny-base"]
    for file in (out / "tiny-base" / MODEL).iterdir():
        assert (copied / file.name).read_bytes() == file.read_bytes()
    monkeypatch.setattr(load, "zoo_location", lambda name: zoo_location(name, tmp_path))
    info = load_model("zoo:tiny-base").info
    assert info.details["parameters"] == made_of(copied).parameters


def test_a_model_that_was_changed_after_packing_or_not_measured_is_not_bundled(
    out: Path, tmp_path: Path
) -> None:
    for name in ("bare", "other"):
        shutil.copytree(out / "tiny-base" / MODEL, tmp_path / name)
    (tmp_path / "bare" / "measured.json").unlink()
    with pytest.raises(RunError, match="was not measured yet"):
        bundle(tmp_path / "bare", "tiny-base", tmp_path / "zoo")
    (tmp_path / "other" / "tokenizer.json").write_text("{}", encoding="utf-8")
    with pytest.raises(RunError, match=r"tokenizer\.json is not the file that was packed"):
        bundle(tmp_path / "other", "tiny-base", tmp_path / "zoo")
    (tmp_path / "other" / "model.safetensors").write_bytes(b"")
    with pytest.raises(RunError, match="other weights than were measured"):
        measured_of(tmp_path / "other")
    assert not (tmp_path / "zoo").exists()


def test_the_card_states_what_was_measured(out: Path) -> None:
    measured = measured_of(out / "tiny-base" / MODEL)
    one = measured["sets"]["compose-1"]
    assert (one["problems"], one["samples"], one["k"]) == (200, 2, [1, 2])
    assert all(low <= value <= high for value, low, high in
               zip(one["value"], one["low"], one["high"], strict=True))  # fmt: skip
    text = (out / "tiny-base" / MODEL / "README.md").read_text(encoding="utf-8")
    assert f"| compose-1 | 200 x 2 | 1 | {one['value'][0]:.3f} |" in text
    assert not departures(measured, measured)


def test_a_child_by_rewards_tells_its_base(out: Path, tmp_path: Path) -> None:
    child = build(written(tmp_path, "tiny-child", CHILD), out)
    made = made_of(child)
    assert made.base is not None
    assert (made.base[0], made.teacher, made.corpus) == ("tiny-base", None, ())
    assert made.weights_hash != made_of(out / "tiny-base" / MODEL).weights_hash
    text = (child / "README.md").read_text(encoding="utf-8")
    assert f"tiny-base, weights {made.base[1]}" in text


def test_a_distilled_child_tells_base_and_teacher(
    out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An untaught teacher finds nothing; the worked solutions stand in for what it would draw."""

    def taught(run: Path, selection: object) -> Harvest:
        assert (run / "manifest.json").is_file()
        options = compose.Options(depth=(1,), n=6, definitions="none", seed=5)
        rows = []
        for problem in compose.load(options, limit=None):
            text = trace(problem, noise=0.0, seed=0).text
            drawn = Sample(problem_id=problem.id, sample_no=0, seed=0, text=text, n_tokens=None,
                           finish_reason="stop")  # fmt: skip
            prompt = ({"role": "user", "content": problem.question},)
            rows.append(TrainingRow(problem=problem, sample=drawn, prompt=prompt, answer=None))
        return Harvest(rows=tuple(rows))

    monkeypatch.setattr(building, "harvest", taught)
    made = made_of(build(written(tmp_path, "tiny-pupil", TUNED), out))
    assert made.base is not None
    assert made.teacher is not None
    assert (made.base[0], made.teacher[0]) == ("tiny-base", "tiny-base")


def test_an_exposure_pair_is_built_measured_and_compared(
    recipe: Recipe, out: Path, tmp_path: Path
) -> None:
    child = written(tmp_path, "tiny-child", CHILD)
    (found,) = exposures(out, recipes=[(recipe, child)], sets=["compose-1"])
    assert (found.base_name, found.tuned_name, found.share) == ("tiny-base", "tiny-child", 0.0)
    assert (found.k, len(found.base), len(found.tuned)) == ([1, 2], 2, 2)
    head, *rows = lines([found])
    assert head.split() == ["depth", "3", "set", "k", "base", "child", "blind"]
    assert rows[0].split()[:3] == ["0.0%", "compose-1", "1"]
    assert rows[-1] == f"tiny-child, compose-1: {found.sentence}"


def test_measuring_what_is_not_built_says_how_to_build_it(tmp_path: Path, recipe: Recipe) -> None:
    with pytest.raises(RunError, match="`pathshift lab build tiny-base` first"):
        measure(recipe, tmp_path)


def test_a_number_outside_of_its_interval_is_a_departure() -> None:
    stated = {"sets": {"a": {"k": [1, 2], "low": [0.1, 0.2], "high": [0.3, 0.4]}, "b": {}}}
    again = {"sets": {"a": {"k": [1, 2, 4], "value": [0.3, 0.41, 0.9]}}}
    (found,) = departures(stated, again)
    assert found == Departure(name="a", k=2, value=0.41, low=0.2, high=0.4)
    assert found.line == "a pass@2 0.410, stated 0.200 to 0.400"
    with pytest.raises(RunError, match="no evaluation set in common"):
        departures(stated, {"sets": {"c": {}}})
