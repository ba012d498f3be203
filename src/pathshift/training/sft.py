"""Supervised fine-tuning: a model, files of examples, and the loop of `fitting` over them.

Covers whole models and LoRA adapters, mixtures of files, an evaluation loss, and the refusal of
data that holds a test's problems. Distillation is this with rows from a run folder (`distill`).
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pathshift.errors import ConfigError
from pathshift.models.hf.attention import NAME as ENGINE_ATTENTION
from pathshift.models.hf.model import HfModel
from pathshift.models.load import LoadOptions, load_model
from pathshift.records import digest
from pathshift.training.examples import (
    Encoder,
    Example,
    Source,
    as_source,
    parse_data,
    read_examples,
)
from pathshift.training.fitting import FitSettings, Fitted, Schedule, Watching, fit, scheduled
from pathshift.training.folder import TrainingFolder
from pathshift.training.lora import add_lora
from pathshift.training.mixture import weights_checked
from pathshift.training.overlap import HeldOutTask, check_no_overlap
from pathshift.training.packing import Document, check_apart
from pathshift.training.saved_model import save_adapter, save_model, spec_of

NEW = "new "
"""How the spec of a network begins that was drawn and not loaded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Student:
    """A network that is trained, in fp32.

    Attributes:
        spec: What names it; of a new one what it is made of.
        weights_hash: Of the weights that training begins with.
        wrapped: peft's wrapper, where only an adapter is trained.
        lora: Rank and alpha of the adapter.
    """

    spec: str
    weights_hash: str
    network: Any
    tokenizer: Any
    wrapped: Any | None = None
    lora: tuple[int, float] | None = None

    @property
    def encoder(self) -> Encoder:
        """What makes documents for it."""
        return Encoder(self.tokenizer, self.spec)

    @property
    def config(self) -> dict[str, Any]:
        """What a resumed run must share of it."""
        rank, alpha = self.lora or (None, None)
        return {
            "model": self.spec, "weights_hash": self.weights_hash,
            "lora": rank, "lora_alpha": alpha,
        }  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Lora:
    """An adapter to train in place of all weights; alpha None is 2 rank."""

    rank: int
    alpha: float | None = None


def load_student(
    spec: str, *, device: str = "cpu", lora: Lora | None = None, seed: int = 0
) -> Student:
    """A model to go on training.

    Args:
        seed: Of the adapter's first weights.

    Raises:
        ConfigError: no transformers model, or an adapter asked for upon a merged one.
        ModelError: it is not there, or has no end token.
    """
    model = load_model(spec, LoadOptions(dtype="fp32", device=device))
    if not isinstance(model, HfModel):
        raise ConfigError(f"{spec} cannot be trained; give smollm2 or hf:PATH_OR_ID")
    network = model.network
    if network.config._attn_implementation == ENGINE_ATTENTION:
        network.set_attn_implementation("sdpa")  # the engine's is for drawing samples
    student = Student(
        spec=spec, weights_hash=model.info.weights_hash, network=network, tokenizer=model.tokenizer
    )
    if lora is None:
        network.requires_grad_(True)
        return student
    if "+" in spec and not Path(spec.removeprefix("hf:")).is_dir():
        raise ConfigError(
            f"{spec} is a model with an adapter already, and a second one would fit to nothing "
            "that is saved; leave --lora out, or merge the first into a model of its own"
        )
    alpha = 2.0 * lora.rank if lora.alpha is None else lora.alpha
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # peft asks transformers by an old name
        wrapped = add_lora(network, rank=lora.rank, alpha=alpha, seed=seed)
    return replace(student, wrapped=wrapped, lora=(lora.rank, alpha))


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSettings:
    """Where examples come from.

    Attributes:
        data: FILE or FILE:WEIGHT each; see `mixture` for what weights mean.
        eval_share: Share of the examples that the loss is only looked at; which ones hangs on their
            content alone, so equal rows fall on the same side.
        eval_data: Files that the loss is only looked at.
        tests: Tasks whose problems must not stand in the data.
    """

    data: tuple[str, ...] = ()
    eval_share: float = 0.0
    eval_data: tuple[Path, ...] = ()
    tests: tuple[HeldOutTask, ...] = ()

    def __post_init__(self) -> None:
        """Check the share."""
        if not 0 <= self.eval_share < 1:
            raise ConfigError(f"eval share must be from 0 to below 1, got {self.eval_share:g}")


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedExamples:
    """A source before it is encoded."""

    name: str
    weight: float | None
    examples: Sequence[Example]


def read_data(settings: DataSettings) -> list[NamedExamples]:
    """The files of a mixture.

    Raises:
        InputError: names file and row.
        ConfigError: no file, or weights that say nothing clear.
    """
    named = [parse_data(item) for item in settings.data]
    if not named:
        raise ConfigError("nothing to learn from; give --data FILE, or FILE:WEIGHT several times")
    weights_checked([(str(path), weight) for path, weight in named])
    return [
        NamedExamples(name=str(path), weight=weight, examples=read_examples(path))
        for path, weight in named
    ]


def schedule_of(
    data: Sequence[NamedExamples],
    settings: DataSettings,
    fit_settings: FitSettings,
    encoder: Encoder,
) -> Schedule:
    """Examples encoded, split, mixed and packed; nothing is trained yet.

    Raises:
        InputError: a test's problems stand in the data, or all rows are too long.
    """
    for test in settings.tests:
        check_no_overlap({each.name: each.examples for each in data}, test.problems(), test.task)
    length = fit_settings.length
    sources: list[Source] = []
    evals: list[Document] = []
    for each in data:
        kept, aside = split_off(each.examples, settings.eval_share)
        if not kept:
            raise ConfigError(
                f"{each.name}: nothing is left to train on; use a smaller --eval-share"
            )
        sources.append(as_source(each.name, each.weight, kept, encoder, length))
        if aside:
            evals += as_source(each.name, None, aside, encoder, length).documents
    for path in settings.eval_data:
        evals += as_source(str(path), None, read_examples(path), encoder, length).documents
    return scheduled(sources, fit_settings, evals)


def split_off(examples: Sequence[Example], share: float) -> tuple[list[Example], list[Example]]:
    """Examples to train on, and about `share` of them set aside by their content."""
    kept: list[Example] = []
    aside: list[Example] = []
    for example in examples:
        place = int(digest("eval", example.asked, example.completion)[:16], 16) / 16**16
        (aside if place < share else kept).append(example)
    return kept, aside


def data_hash(schedule: Schedule) -> str:
    """Identity of all documents with their targets, token by token, in the order of the files."""
    found = hashlib.sha256()
    for documents in [*(source.documents for source in schedule.sources), schedule.evals]:
        found.update(f"source of {len(documents)}".encode())
        for one in documents:
            found.update(f"{len(one)}".encode() + one.ids.tobytes() + one.is_target.tobytes())
    return found.hexdigest()[:32]


def config_of(
    kind: str, student: Student, schedule: Schedule, settings: FitSettings
) -> dict[str, Any]:
    """What a resumed run must share, flat.

    Args:
        kind: "sft", "pretrain", "distill" or "rft".
    """
    return {
        "kind": kind,
        **student.config,
        "data": [source.name for source in schedule.sources],
        "data_weights": [source.weight for source in schedule.sources],
        "data_hash": data_hash(schedule),
        "n_steps": schedule.n_steps,
        **settings.config(),
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """A finished training.

    Attributes:
        folder: OUT/model or OUT/adapter.
        spec: What loads it.
    """

    folder: Path
    spec: str
    fitted: Fitted


def usual_rate(n_parameters: int, *, lora: bool = False, new: bool = False) -> float:
    """A learning rate to begin with, one digit; a rule of thumb through what is used, no result.

    Fine-tuning: 1e-3 at a million weights, 1e-5 at 7 billion, an adapter ten times as much. A new
    network: 3e-3 and 3e-4.

    >>> usual_rate(1_000_000), usual_rate(7_000_000_000), usual_rate(7_000_000_000, new=True)
    (0.001, 1e-05, 0.0003)
    """
    millions = max(1, n_parameters) / 1e6
    rate = 3e-3 * millions**-0.25 if new else 1e-3 * millions**-0.52
    rate = min(rate * (10 if lora else 1), 1e-2)
    return float(f"{rate:.0e}")


def with_rate(settings: FitSettings, student: Student, rate: float | None) -> FitSettings:
    """The settings with a learning rate; None for the usual one of the network's size."""
    if rate is None:
        is_new = student.spec.startswith(NEW)
        n = int(student.network.num_parameters())
        rate = usual_rate(n, lora=student.lora is not None, new=is_new)
    return replace(settings, optimizer=replace(settings.optimizer, learning_rate=rate))


def check_fits(student: Student, settings: FitSettings) -> None:
    """Refuse rows that the network cannot read, and rows in which it would look across documents.

    Raises:
        ConfigError: the rows are longer than its context.
        ModelError: see `packing.check_apart`.
    """
    room = getattr(student.network.config.get_text_config(), "max_position_embeddings", None)
    if room is not None and settings.length > room:
        raise ConfigError(f"length {settings.length} exceeds the context of {student.spec}: {room}")
    if settings.packed:
        check_apart(student.network, student.spec)


def train(
    student: Student,
    schedule: Schedule,
    settings: FitSettings,
    folder: TrainingFolder,
    watching: Watching | None = None,
) -> Done:
    """Train to the last step and write the model; a finished training is left as it is.

    Raises:
        ConfigError, ModelError: see `check_fits`.
        NonFinite: loss or gradient is no number; the last checkpoint is kept.
        StorageError: the disk refused.
    """
    check_fits(student, settings)
    fitted = fit(student.network, schedule, settings, folder, watching=watching)
    is_lora = student.wrapped is not None
    path = folder.path / ("adapter" if is_lora else "model")
    if fitted.first_step < fitted.n_steps or not path.is_dir():
        if is_lora:
            save_adapter(student.wrapped, path, base=student.spec)
        else:
            save_model(student.network, student.tokenizer, path)
    spec = spec_of(student.spec, path, is_adapter=is_lora)
    return Done(folder=path, spec=spec, fitted=fitted)


def environment_of(student: Student) -> Mapping[str, Any]:
    """Versions, processor and what else is worth knowing of a run; never compared."""
    import platform
    from importlib.metadata import version

    packages = ("pathshift", "torch", "transformers", "tokenizers", "safetensors")
    return {
        "versions": {
            "python": platform.python_version(), **{name: version(name) for name in packages},
        },
        "machine": platform.machine(),
        "parameters": student.network.num_parameters(),
        "trained": sum(w.numel() for w in student.network.parameters() if w.requires_grad),
    }  # fmt: skip
