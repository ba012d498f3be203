"""Base against tuned: curves, bands, cells, amplification and the verdict, from counts alone."""

from __future__ import annotations

from functools import cached_property
from typing import Any, Unpack

import numpy as np

from pathshift.analysis.beyond import Prediction, predict_beyond
from pathshift.analysis.deciding import decide_at_ends, noise_share_of, would_decide
from pathshift.analysis.notes import (
    looks_of,
    notes_on,
    outcomes_of,
    run_facts,
    scale_of,
    shared_level,
)
from pathshift.analysis.pairing import Counts, Pair, load, pair_up
from pathshift.analysis.readings import pair_readings
from pathshift.analysis.result import (
    Amplification,
    Cells,
    Comparison,
    DecideAt,
    EfficiencyGap,
    ProblemRow,
    SplitHalfNull,
    Support,
)
from pathshift.analysis.settings import QUESTIONS, Options, Settings, versions
from pathshift.analysis.single import cell_shares, certainty, classes_of, failed_bounds, support
from pathshift.analysis.tool_numbers import lines, tool_numbers
from pathshift.analysis.verdict import allowed_by_floor, certify, first_loss, verdict
from pathshift.errors import ConfigError
from pathshift.stats import amplification, cells, exact
from pathshift.stats.bands import (
    Band,
    Weights,
    bayesian_band,
    cluster_weights,
    dirichlet_weights,
    guarded_band,
    strict_band,
    sup_t_band,
)
from pathshift.stats.drawn import Drawn, paired_misses
from pathshift.stats.knots import between, knots
from pathshift.stats.noise import noise_band
from pathshift.stats.passk import (
    FloatArray,
    IntArray,
    PairedTable,
    cluster_means,
    clustered_table,
    floor_curve,
)


def compare(
    base: Counts,
    tuned: Counts,
    *,
    names: tuple[str, str] | None = None,
    verifier: str | None = None,
    common: bool = False,
    **options: Unpack[Options],
) -> Comparison:
    """Whether the tuned model gained or lost against its base, at every k.

    Args:
        base: A run folder, a count file (JSONL, CSV, Parquet), a log of another tool that says
            which samples are right, rows of id, n and c, or an array with the columns n and c.
        tuned: The same for the tuned model, on the same problems.
        names: What to call the two; by default their paths.
        verifier: For run folders: whose verdicts to count.
        common: Compare the problems that both have, and pass over the others.
        **options: Any of `Settings`: k, level, band, replicates, seed, floor, question,
            beyond, false_positive.

    Raises:
        CountsError, RunError: as the inputs deserve.

    >>> compare([(8, 4)] * 40, [(8, 7)] * 40).verdict.word
    'gain'
    """
    sides = [load(s, name=n, verifier=verifier) for s, n in ((base, "base"), (tuned, "tuned"))]
    pair = pair_up(sides[0], sides[1], common=common)
    return _Analysis(pair, Settings(**options)).result(names or (pair.base.name, pair.tuned.name))


class _Analysis:
    """Intermediate arrays of one comparison, each computed once."""

    def __init__(self, pair: Pair, settings: Settings) -> None:
        self.pair, self.settings = pair, settings
        self.base, self.tuned = pair.drawn("base"), pair.drawn("tuned")
        self.k_max = int(min(self.base.reach.min(), self.tuned.reach.min()))
        self.k = self._grid()

    def _grid(self) -> IntArray:
        if self.settings.k is None:
            return np.arange(1, self.k_max + 1)
        k = np.unique(np.array(self.settings.k, dtype=np.int64))
        if k[-1] > self.k_max:
            raise ConfigError(
                f"pass@{k[-1]} needs at least {k[-1]} samples of every problem, the smallest n is "
                f"{self.k_max}; draw more or ask for a smaller k"
            )
        return k

    def _rng(self, purpose: int) -> np.random.Generator:
        return np.random.default_rng([self.settings.seed, purpose])

    @cached_property
    def table(self) -> PairedTable:
        return self._table_at(self.k)

    def _table_at(self, k: IntArray) -> PairedTable:
        """Miss probabilities at some k; its rows are those of the weights."""
        if self.clusters is None:
            return paired_misses(self.base, self.tuned, k)
        sides = [side.misses(int(k[-1]))[:, k - 1] for side in (self.base, self.tuned)]
        return clustered_table(sides[0], sides[1], self.clusters)

    @cached_property
    def clusters(self) -> IntArray | None:
        """Each problem's cluster; None where every problem is its own."""
        return self.pair.clusters()

    @cached_property
    def weights(self) -> Weights:
        draw = dirichlet_weights if self.clusters is None else cluster_weights
        return draw(self.table.weight, self.settings.replicates, self._rng(0))

    @cached_property
    def level(self) -> float:
        """Level of the difference's band: the error is shared among the looks of a retest."""
        return shared_level(self.pair, self.settings.level)

    @cached_property
    def difference_band(self) -> Band:
        table, settings = self.table, self.settings
        if settings.question == "these":
            return self._noise_band()
        if settings.band == "sup-t":
            band = sup_t_band(
                table.difference, table.weight, self.level, settings.replicates, self._rng(0)
            )
        else:
            draw = strict_band if settings.band == "strict" else guarded_band
            places = knots(self.k)
            rows = np.ascontiguousarray(table.difference[:, places])
            band = between(draw(self.weights, rows, (-1.0, 1.0), self.level), self.k, places)
        return self._exact_last(band)

    def _noise_band(self) -> Band:
        """These problems, held fixed."""
        if self.base.rule is not None or self.tuned.rule is not None:
            raise ConfigError(
                "question=these needs draws that were not stopped by their outcomes, and a rule "
                "stopped these runs; leave it at like"
            )
        return noise_band(
            self.base.counts, self.tuned.counts, self.k, level=self.level,
            replicates=min(self.settings.replicates, 2000), rng=self._rng(3),
        )  # fmt: skip

    def _exact_last(self, band: Band) -> Band:
        """Where a column holds only 0/1 outcomes, the interval inverts McNemar's exact test.

        At the whole error, so that a word is given there exactly when p is below it. The exact
        interval is cautious enough for that: studies/band_coverage.py.
        """
        if not self._last_is_binary:
            return band
        lost, gained = self.cells.base_only, self.cells.tuned_only
        interval = exact.mcnemar_interval(lost, gained, self.table.n_problems, self.level)
        return _with_last(band, interval)

    @property
    def _last_is_binary(self) -> bool:
        """Whether the last column is yes or no for independent problems."""
        last = int(self.k[-1])
        if self.clusters is not None:
            return False
        return bool((self.base.reach == last).all() and (self.tuned.reach == last).all())

    @cached_property
    def cells(self) -> cells.CellCounts:
        k, rng = int(self.k[-1]), self._rng(1)
        return cells.solved_cells(self.base.cut(k, rng), self.tuned.cut(k, rng), k, rng)

    def curve_band(self, miss: FloatArray) -> Band:
        """Band of one model's own curve."""
        band = bayesian_band(self.weights, 1 - miss, (0.0, 1.0), self.settings.level)
        if not self._last_is_binary:
            return band
        solved = round(float(self.table.weight @ (1 - miss[:, -1])))
        interval = exact.clopper_pearson(solved, self.table.n_problems, self.settings.level)
        return _with_last(band, interval)

    @cached_property
    def floors(self) -> FloatArray | None:
        """Null policy's success probability by problem."""
        return self.pair.floors(self.settings.floor)

    @cached_property
    def floor(self) -> FloatArray | None:
        return None if self.floors is None else floor_curve(self.floors, self.k)

    @cached_property
    def difference(self) -> FloatArray:
        return self.table.mean(self.table.difference)

    def result(self, names: tuple[str, str]) -> Comparison:
        """Everything, assembled."""
        base, tuned = (1 - self.table.mean(m) for m in (self.table.base, self.table.tuned))
        base_band, tuned_band = (self.curve_band(m) for m in (self.table.base, self.table.tuned))
        band = self.difference_band
        allowed = allowed_by_floor(base, self.floor)
        certified = certify(self.k, band.low, band.high, allowed)
        barred = bool((((band.low > 0) | (band.high < 0)) & ~allowed).any())
        is_decided = bool(certified.gain or certified.loss or barred)
        plan = None if is_decided else would_decide(self.pair, self.difference, band)
        off = tool_numbers(self.pair, int(self.k[-1]))
        classes = classes_of(self.base, self.tuned)
        return Comparison(
            names={"base": names[0], "tuned": names[1]},
            verdict=verdict(certified, self.settings.level, plan, barred=barred),
            n_problems=self.table.n_problems,
            n={"base": _span(self.base), "tuned": _span(self.tuned)},
            k=self.k.tolist(),
            base=base.tolist(),
            base_low=base_band.low.tolist(),
            base_high=base_band.high.tolist(),
            tuned=tuned.tolist(),
            tuned_low=tuned_band.low.tolist(),
            tuned_high=tuned_band.high.tolist(),
            difference=self.difference.tolist(),
            low=band.low.tolist(),
            high=band.high.tolist(),
            floor=None if self.floor is None else self.floor.tolist(),
            sampling_se={"base": self._noise(self.base), "tuned": self._noise(self.tuned)},
            gain_certified=certified.gain,
            loss_certified=certified.loss,
            first_loss=first_loss(self.k, certified),
            amplification=self._amplification(),
            cells=Cells(
                k=int(self.k[-1]),
                **self.cells._asdict(),
                mcnemar_p=exact.mcnemar_p(self.cells.base_only, self.cells.tuned_only),
            ),
            null=self._null(),
            outcomes=outcomes_of(self.pair),
            bounds=failed_bounds(self.pair, self.k),
            delta_se=self._gap(),
            would_decide=plan,
            histogram={
                "bins": list(cells.BIN_LABELS),
                "base": cells.accuracy_histogram(self.base.shares()),
                "tuned": cells.accuracy_histogram(self.tuned.shares()),
            },
            problems=self._problems(classes),
            certainty=certainty(classes, self.base, self.tuned),
            support=self._support(),
            beyond=self._beyond(),
            readings=pair_readings(
                self.pair, self.floors, false_positive=self.settings.false_positive
            ),
            decide_at=[] if is_decided else self._decide_at(band),
            notes=[*notes_on(self.pair, self.k, self.floor, allowed), *lines(off)],
            tool_numbers=off,
            runs=run_facts(self.pair),
            settings=self._settings(band),
        )

    def _decide_at(self, band: Band) -> list[DecideAt]:
        noise = noise_share_of(self.pair)
        if noise is not None and self.settings.question == "these":
            noise = 1.0  # such a band holds nothing else
        return decide_at_ends(self.pair, self.k, self.difference, band, noise)

    def _amplification(self) -> Amplification:
        found = amplification.worth(self.table, self.weights, self.k, self.settings.level)
        curve = {
            name: [None if np.isnan(v) else float(v) for v in values]
            for name, values in found._asdict().items()
        }
        return Amplification(
            k=int(self.k[0]),
            base_k=curve["base_k"][0],
            low=curve["low"][0],
            high=curve["high"][0],
            curve={"k": self.k.tolist(), **curve},
        )

    def _null(self) -> SplitHalfNull | None:
        half = self.k_max // 2
        if half < 1:
            return None
        table = paired_misses(self.base, self.tuned, np.array([half]))
        seen = cells.expected_cells(table, 0)
        return SplitHalfNull(
            k=half,
            base_only=cells.lost_between_halves(self.base.misses(2 * half)),
            tuned_only=cells.lost_between_halves(self.tuned.misses(2 * half)),
            observed_base_only=seen.base_only,
            observed_tuned_only=seen.tuned_only,
        )

    def _noise(self, side: Drawn) -> list[float | None]:
        rows, weight = np.unique(side.rows, axis=0, return_counts=True)
        variances = side.with_rows(rows).variances(int(self.k[-1]))[:, self.k - 1]
        # A sum of unbiased estimates can fall below zero by chance; a variance cannot.
        errors = np.sqrt(np.maximum(weight @ variances, 0)) / weight.sum()
        return [None if np.isnan(error) else float(error) for error in errors]

    def _gap(self) -> EfficiencyGap:
        first = self._table_at(np.array([1, int(self.k[-1])]))
        rows = first.tuned[:, :1] - first.base[:, 1:]
        band = bayesian_band(self.weights, rows, (-1.0, 1.0), self.settings.level)
        return EfficiencyGap(
            k=int(self.k[-1]),
            value=float(first.mean(rows)[0]),
            low=float(band.low[0]),
            high=float(band.high[0]),
        )

    def _beyond(self) -> Prediction | None:
        if self.settings.beyond is None:
            return None
        if self.base.rule is not None or self.tuned.rule is not None:
            raise ConfigError(
                "beyond needs draws that were not stopped by their outcomes, and a rule stopped "
                "these runs"
            )
        return predict_beyond(
            self.base.counts, self.tuned.counts, up_to=self.settings.beyond, seed=self.settings.seed
        )

    def _support(self) -> Support:
        k = int(self.k[-1])
        misses = [side.misses(k)[:, k - 1] for side in (self.base, self.tuned)]
        shares = cell_shares(misses[0], misses[1])
        if self.clusters is None:
            shares, count = np.unique(shares, axis=0, return_counts=True)
            weights = dirichlet_weights(count.astype(float), self.settings.replicates, self._rng(4))
        else:
            shares, weights = cluster_means(shares, self.clusters), self.weights
        return support(k, shares, weights, self.settings.level)

    def _problems(self, classes: list[str]) -> list[ProblemRow]:
        pairs = zip(self.pair.base.counts, self.pair.tuned.counts, classes, strict=True)
        return [
            ProblemRow(
                id=b.id, source=b.source, n_base=b.n, c_base=b.c, n_tuned=t.n, c_tuned=t.c,
                tuned_id=None if t.id == b.id else t.id, certainty=certain,
            )
            for b, t, certain in pairs
        ]  # fmt: skip

    def _settings(self, band: Band) -> dict[str, Any]:
        return {
            "band": self.settings.band,
            "level": self.settings.level,
            "looks": looks_of(self.pair),
            "seed": self.settings.seed,
            "replicates": self.settings.replicates,
            "pointwise_error": band.pointwise,
            "matched_by": self.pair.matched_by,
            "prompts_match": self.pair.prompts_match,
            "question": QUESTIONS[self.settings.question],
            "clusters": None if self.clusters is None else len(self.table.weight),
            "floor": self.settings.floor,
            "false_positive": self.settings.false_positive,
            "scale": scale_of(self.pair),
            "versions": versions(("pathshift", "numpy", "scipy")),
        }


def _with_last(band: Band, interval: exact.Interval) -> Band:
    low, high = band.low.copy(), band.high.copy()
    low[-1], high[-1] = interval
    return Band(low, high, band.pointwise)


def _span(side: Drawn) -> dict[str, int]:
    return {"min": int(side.n.min()), "max": int(side.n.max())}
