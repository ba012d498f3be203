"""pass@k of a zoo model on the evaluation sets, and whether a rebuilt model is the same.

Samples lie in ordinary run folders, OUT/NAME/measured/SET, so they can be looked at, compared and
topped up by every other command. The model asked is the packed one, in fp32 from its bf16 weights.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pathshift.decoding.uniforms import seed_of
from pathshift.errors import RunError
from pathshift.lab.zoo.building import MODEL, Told
from pathshift.lab.zoo.evaluation import evaluation_set, floor_at
from pathshift.lab.zoo.pack import is_packed, keep_measured, made_of, measured_of
from pathshift.lab.zoo.recipe import Recipe
from pathshift.models.load import LoadOptions, load_model
from pathshift.models.protocol import Model
from pathshift.rollout.plan import SampleConfig, make_plan
from pathshift.rollout.sampling import draw_samples
from pathshift.stats.bands import bayesian_band, dirichlet_weights
from pathshift.stats.passk import miss_table
from pathshift.store.counts import run_counts
from pathshift.store.run import RunFolder

RUNS = "measured"
LEVEL = 0.99
"""Of an interval: it is to hold for a whole model, some twenty numbers."""
_REPLICATES = 4000


def measure(recipe: Recipe, out: Path, told: Told | None = None) -> dict[str, Any]:
    """Sample the built model on its sets, keep the numbers beside it and write its card.

    Returns:
        JSON values: "date", "seed", "level", "weights_hash", and by set under "sets" the lists k,
        value, low, high and floor (what blind guessing reaches).

    Raises:
        RunError: the model is not built.
    """
    told = told or Told()
    here = out.resolve() / recipe.name
    if not is_packed(here / MODEL):
        raise RunError(f"{here / MODEL} holds no model; `pathshift lab build {recipe.name}` first")
    given = recipe["measure"]
    model = load_model(f"hf:{here / MODEL}", LoadOptions(dtype="fp32"))
    found = {name: measured_set(name, recipe, model, here, told) for name in given["sets"]}
    measured = {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "seed": given["seed"], "level": LEVEL, "weights_hash": made_of(here / MODEL).weights_hash,
        "sets": found,
    }  # fmt: skip
    keep_measured(here / MODEL, measured)
    return measured


def measured_set(name: str, recipe: Recipe, model: Model, here: Path, told: Told) -> dict[str, Any]:
    """One set's numbers, drawn as far as they are not there."""
    given, chosen = recipe["measure"], evaluation_set(name)
    asked = SampleConfig(
        task=chosen.task, task_options=chosen.options, n=given["samples"],
        max_tokens=given["max_tokens"], seed=given["seed"],
    )  # fmt: skip
    told.say(f"{recipe.name}: sampling {name}")
    run = here / RUNS / name
    draw_samples(make_plan(asked, model), model, run, on_progress=told.on_draw)
    return summary(run, rng=np.random.default_rng(seed_of("measure", name, given["seed"])))


def summary(run: Path, *, rng: np.random.Generator) -> dict[str, Any]:
    """pass@k of a run at the powers of two, with a band that holds over all of them together."""
    counts = run_counts(run).counts
    n, c = (np.array([getattr(row, field) for row in counts]) for field in ("n", "c"))
    k = 2 ** np.arange(int(n.min()).bit_length())
    rows = 1 - miss_table(n, c, int(k[-1]))[:, k - 1]
    weights = dirichlet_weights(np.ones(len(rows)), _REPLICATES, rng)
    band = bayesian_band(weights, rows, (0.0, 1.0), LEVEL)
    return {
        "problems": len(rows), "samples": int(n.min()), "k": k.tolist(),
        "value": rows.mean(axis=0).tolist(), "low": band.low.tolist(), "high": band.high.tolist(),
        "floor": floor_at(RunFolder(run).problems(), k.tolist()),
    }  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Departure:
    """A number of a rebuilt model that lies outside of the stated interval."""

    name: str
    k: int
    value: float
    low: float
    high: float

    @property
    def line(self) -> str:
        """For a terminal."""
        return (
            f"{self.name} pass@{self.k} {self.value:.3f}, stated {self.low:.3f} to {self.high:.3f}"
        )


def departures(stated: Mapping[str, Any], again: Mapping[str, Any]) -> list[Departure]:
    """Where a rebuilt model's numbers lie outside of the stated intervals; empty if it reproduces.

    The rule: at every set and every k that both were measured at, the rebuilt model's pass@k lies
    within the stated interval. Where training repeats bit for bit (one CPU type, one torch) the
    numbers are equal. Elsewhere rounding sets two trainings apart as another seed would; the stated
    interval is for other problems of the kind, which is wider than the noise of sampling these, and
    its level is 99%, so that one model passes at all of its numbers. A model that passes may still
    differ by less than the interval; that is all the rule says.

    Raises:
        RunError: they have no set in common.
    """
    common = [name for name in stated["sets"] if name in again["sets"]]
    if not common:
        raise RunError("the stated and the new measurement have no evaluation set in common")
    return [found for name in common for found in _apart(name, stated["sets"], again["sets"])]


def _apart(name: str, stated: Mapping[str, Any], again: Mapping[str, Any]) -> Sequence[Departure]:
    new = dict(zip(again[name]["k"], again[name]["value"], strict=True))
    one = stated[name]
    bounds = zip(one["k"], one["low"], one["high"], strict=True)
    return [
        Departure(name=name, k=k, value=new[k], low=low, high=high)
        for k, low, high in bounds
        if k in new and not low <= new[k] <= high
    ]


def check(recipe: Recipe, out: Path, stated: Path, told: Told | None = None) -> list[Departure]:
    """Measure a rebuilt model and set it against the numbers stated beside the bundled one."""
    return departures(measured_of(stated), measure(recipe, out, told))


def table_lines(measured: Mapping[str, Any]) -> list[str]:
    """The table for a terminal: pass@1, pass@16 and the largest k of each set."""
    lines = [f"{'set':<14}{'k':>6}{'pass@k':>9}  {'interval':<16}{'blind':>7}"]
    for name, one in measured["sets"].items():
        for i, k in enumerate(one["k"]):
            if k in (1, 16, one["k"][-1]):
                span = f"{one['low'][i]:.3f} to {one['high'][i]:.3f}"
                row = f"{name:<14}{k:>6}{one['value'][i]:>9.3f}  {span:<16}"
                lines.append(row + f"{one['floor'][i]:>7.3f}")
    return lines
