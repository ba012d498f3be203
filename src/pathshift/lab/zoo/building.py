"""Builds a zoo model from its recipe: corpus or samples, training, the model in bf16.

    OUT/NAME/corpus-HASH.jsonl, tokenizer/    of a model that is pre-trained
    OUT/NAME/drawn/                           run folder of the samples a fine-tuning learns from
    OUT/NAME/training/                        training folder
    OUT/NAME/model/                           what came out, packed (`pack`)

A base or teacher is the one built under the same OUT, else the bundled one, else it is built
first. Every step goes on where it ended; a model that is there is left alone. The held-out problems
of the family are in no corpus and in no training.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from pathshift.errors import ConfigError, RunError
from pathshift.lab.zoo.corpus import ShareRow, read_corpus, share_table, write_corpus
from pathshift.lab.zoo.pack import Made, is_packed, made_of, pack
from pathshift.lab.zoo.recipe import Recipe, read_recipe, recipe_names
from pathshift.lab.zoo.stored import held_out
from pathshift.lab.zoo.tokens import save_tokenizer, tokenizer_for
from pathshift.models.load import LoadOptions, load_model
from pathshift.models.protocol import Model
from pathshift.models.zoo import zoo_names
from pathshift.records import Problem, digest
from pathshift.rollout.plan import Plan, SampleConfig, make_plan
from pathshift.rollout.sampling import Progress as DrawProgress
from pathshift.rollout.sampling import draw_samples
from pathshift.training.algorithms import algorithm_named
from pathshift.training.boundary import without_overlap
from pathshift.training.distill import Selection, harvest
from pathshift.training.examples import Example, read_examples
from pathshift.training.fitting import FitSettings, Watching
from pathshift.training.folder import TrainingFolder
from pathshift.training.optimizer import Muon, OptimizerSettings
from pathshift.training.pretrain import Shape, load_tokenizer, new_student
from pathshift.training.progress import Progress
from pathshift.training.recipes import RlRecipe, only, prepared
from pathshift.training.rl import train as train_rl
from pathshift.training.rl_settings import Hearing, RlSettings
from pathshift.training.sft import (
    DataSettings,
    NamedExamples,
    Student,
    config_of,
    environment_of,
    load_student,
    schedule_of,
    train,
)

MODEL, TRAINING, DRAWN = "model", "training", "drawn"
_FP32 = LoadOptions(dtype="fp32")


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """Who is told how a build goes."""

    say: Callable[[str], None] = lambda line: None
    on_step: Callable[[Progress], None] = lambda progress: None
    on_draw: Callable[[DrawProgress], None] = lambda progress: None


def build(recipe: Recipe, out: Path, told: Told | None = None) -> Path:
    """The folder of the packed model, built as far as it is not there.

    Raises:
        ConfigError: a value of the recipe breaks a rule of what it is for.
        RunError: the folder holds the model of another recipe.
        PathshiftError: what training and sampling raise.
    """
    told = told or Told()
    out = out.resolve()
    here = out / recipe.name
    if is_packed(here / MODEL):
        _check_same_recipe(recipe, here / MODEL)
        return here / MODEL
    trained, made = _BUILDERS[recipe.kind](recipe, out, told)
    told.say(f"{recipe.name}: packing {trained} in bf16")
    return pack(trained, recipe, here / MODEL, made)


def spec_of(name: str, out: Path, told: Told) -> str:
    """The model of a recipe: built under OUT, bundled, or else built now."""
    out = out.resolve()
    model = out / name / MODEL
    if is_packed(model):
        if name in recipe_names():
            _check_same_recipe(read_recipe(name), model)
        return f"hf:{model}"
    if name in zoo_names():
        return f"zoo:{name}"
    told.say(f"{name} is neither in {out} nor bundled, so it is built first")
    return f"hf:{build(read_recipe(name), out, told)}"


def _check_same_recipe(recipe: Recipe, folder: Path) -> None:
    have = made_of(folder).recipe_hash
    if have != recipe.hash:
        raise RunError(
            f"{folder} was built from another {recipe.name}.toml ({have[:8]}, now "
            f"{recipe.hash[:8]}); use another --out, or remove it"
        )


def _pretrained(recipe: Recipe, out: Path, told: Told) -> tuple[Path, Made]:
    """From the corpus to a training folder's model."""
    here = out / recipe.name
    given = recipe["training"]
    settings = FitSettings(
        steps=given["steps"], batch=given["batch"], length=given["length"],
        micro_tokens=given["micro_tokens"], packed=False, warmup=given["warmup"],
        seed=given["seed"], muon=Muon(rate=given["matrix_rate"]),
        optimizer=OptimizerSettings(
            learning_rate=given["learning_rate"], schedule="cosine", beta2=given["beta2"],
            weight_decay=given["weight_decay"], final_share=given["final_share"],
        ),
    )  # fmt: skip
    shape = Shape(**recipe["shape"])
    save_tokenizer(recipe.family, here / "tokenizer")
    corpus = corpus_of(recipe, here, told)
    tokenizer = load_tokenizer(str(here / "tokenizer"))
    student = new_student(shape, tokenizer, seed=given["seed"])
    trained = _fitted("pretrain", student, read_examples(corpus), settings, here, told)
    return trained, Made.by(recipe, corpus=_shares(corpus, recipe.family))


def corpus_of(recipe: Recipe, folder: Path, told: Told) -> Path:
    """The corpus in a folder, written if it is not there; its name holds what it is made from."""
    plan = recipe.corpus_plan
    refused = held_out(recipe.family)
    made_from = digest(asdict(plan), sorted(problem.content_hash for problem in refused))
    path = folder / f"corpus-{made_from[:8]}.jsonl"
    if not path.is_file():
        told.say(f"{recipe.name}: writing {plan.n_documents:,} documents")
        folder.mkdir(parents=True, exist_ok=True)
        write_corpus(plan, path, refused)
    return path


def _shares(corpus: Path, family: str) -> list[ShareRow]:
    tokenizer = tokenizer_for(family)
    made = list(read_corpus(corpus))
    return share_table(made, lambda text: len(tokenizer.encode(text).ids))


def _reinforced(recipe: Recipe, out: Path, told: Told) -> tuple[Path, Made]:
    """From the base to a training folder's model, by rewards."""
    given = recipe["training"]
    base = spec_of(_named(recipe.base), out, told)
    asked = _asked(recipe, n=given["samples"], temperature=1.0, seed=given["seed"])
    settings = RlSettings(
        algorithm=algorithm_named(given["algorithm"]), n_steps=given["steps"],
        n_prompts=given["prompts"], n_samples=given["samples"], reward=given["reward"],
        micro_tokens=given["micro_tokens"], seed=given["seed"],
    )  # fmt: skip
    setup = prepared(
        RlRecipe(
            model=base, asked=asked, settings=settings, learning_rate=given["learning_rate"],
            load=_FP32,
        )
    )  # fmt: skip
    setup = replace(setup, plan=_clear(setup.plan, recipe.family))
    hearing = Hearing(on_step=told.on_step, on_note=told.say)
    result = train_rl(setup, out / recipe.name / TRAINING, hearing)
    return result.path, Made.by(recipe, base=_parent(recipe.base, setup.model))


def _tuned(recipe: Recipe, out: Path, told: Told) -> tuple[Path, Made]:
    """From correct samples, of a teacher or the base's own, to a training folder's model."""
    here, given, draw = out / recipe.name, recipe["training"], recipe["draw"]
    settings = FitSettings(
        epochs=given["epochs"], batch=given["batch"], length=given["length"],
        micro_tokens=given["micro_tokens"], packed=False, warmup=given["warmup"],
        seed=given["seed"],
        optimizer=OptimizerSettings(
            learning_rate=given["learning_rate"], schedule="cosine",
            weight_decay=given["weight_decay"],
        ),
    )  # fmt: skip
    selection = Selection(per_problem=given["per_problem"])
    drawer = recipe.teacher or recipe.base
    source = load_model(spec_of(_named(drawer), out, told), _FP32)
    asked = _asked(
        recipe, n=draw["samples"], temperature=draw["temperature"], seed=draw["seed"]
    )  # fmt: skip
    told.say(f"{recipe.name}: sampling {drawer}")
    plan = _clear(make_plan(asked, source), recipe.family)
    draw_samples(plan, source, here / DRAWN, on_progress=told.on_draw)
    found = harvest(here / DRAWN, selection)
    told.say(f"{recipe.name}: {found.line()}")
    student = load_student(spec_of(_named(recipe.base), out, told))
    examples = [row.example for row in found.rows]
    trained = _fitted(recipe.kind, student, examples, settings, here, told)
    teacher = _parent(recipe.teacher, source) if recipe.teacher else None
    base = (_named(recipe.base), student.weights_hash)
    return trained, Made.by(recipe, base=base, teacher=teacher)


_BUILDERS: dict[str, Callable[[Recipe, Path, Told], tuple[Path, Made]]] = {
    "pretrain": _pretrained,
    "rl": _reinforced,
    "rft": _tuned,
    "distill": _tuned,
}


def _fitted(
    kind: str,
    student: Student,
    examples: Sequence[Example],
    settings: FitSettings,
    folder: Path,
    told: Told,
) -> Path:
    """The model folder of a training on examples; the data is named by what it is, not by where."""
    data = [NamedExamples(name="examples", weight=None, examples=examples)]
    schedule = schedule_of(data, DataSettings(), settings, student.encoder)
    config = config_of(kind, student, schedule, settings)
    watching = Watching(progress=told.on_step, say=told.say)
    told.say(f"{folder.name}: {schedule.n_steps:,} steps, {schedule.n_tokens:,} tokens")
    with TrainingFolder(folder / TRAINING, config, environment_of(student)) as place:
        return train(student, schedule, settings, place, watching).folder


def _asked(recipe: Recipe, *, n: int, temperature: float, seed: int) -> SampleConfig:
    task: Any = recipe["task"]
    return SampleConfig(
        task=recipe.family, n=n, task_options=task["options"], max_tokens=task["max_tokens"],
        temperature=temperature, seed=seed,
    )  # fmt: skip


def _clear(plan: Plan, family: str) -> Plan:
    """The plan without the problems that models are measured on."""
    kept = without_overlap(plan.problems, held_out(family), drop=True, task=family)
    return only(plan, _ids(kept))


def _ids(problems: Sequence[Problem]) -> set[str]:
    return {problem.id for problem in problems}


def _named(name: str | None) -> str:
    if name is None:  # checked when the recipe was read
        raise ConfigError("the recipe names no base")
    return name


def _parent(name: str | None, model: Model) -> tuple[str, str]:
    """Name and weights hash of a model that another was made from."""
    return _named(name), model.info.weights_hash
