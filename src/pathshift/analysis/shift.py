"""Where training moved probability: both models on the same prefixes, token by token.

The change at a token is ln p_tuned - ln p_base of that token after the same prompt and the same
tokens, both at temperature 1 and untruncated. Summed over a sample of the tuned model drawn that
way it is an unbiased draw of the divergence KL(tuned || base), which goes with what is forgotten
(arXiv 2509.04259); summed over the base's samples it is one of -KL(base || tuned). The tuned
model's samples show what was raised; the base's own, as control, what was lowered.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from pathshift.analysis import token_shift as tokens
from pathshift.analysis.pairing import Pair
from pathshift.analysis.scored import Bootstrapping, ScoredRun, matched, need_scores, scored_run
from pathshift.analysis.shift_result import GroupShift, Place, Shift, SideShift, TokenShift
from pathshift.errors import ConfigError, InputError, RunError
from pathshift.stats.passk import FloatArray, IntArray
from pathshift.stats.quantiles import Estimate
from pathshift.stats.ratios import ratio_of_means, ratio_of_sums
from pathshift.store.run import RunFolder
from pathshift.store.scores import Scorer, scorers
from pathshift.traces.token_classes import PHASES

CONTEXT_CHARS = 40
FORK_QUANTILE = 0.8
"""The share of tokens below a fork (Wang et al. 2025, arXiv 2506.01939)."""

TOP = 20
MIN_COUNT = 5


def shift(
    base_run: Path,
    tuned_run: Path,
    *,
    fork_quantile: float = FORK_QUANTILE,
    verifier: str | None = None,
    common: bool = False,
    bootstrap: Bootstrapping | None = None,
) -> Shift:
    """Signed change of ln p by position, kind of token, forks and the first operation.

    Both models' token scores of the tuned run are needed (`sample --store tokens` gives the run's
    own); those of the base run are the control where they are there.

    Args:
        fork_quantile: A token is a fork where the base's entropy exceeds this quantile of its
            entropies over all tokens of the tuned run's samples.

    Raises:
        RunError: token scores are missing; names the command.
        InputError: the two models cut texts into different tokens.
    """
    if not 0 < fork_quantile < 1:
        raise ConfigError(f"a fork's quantile lies between 0 and 1, got {fork_quantile}")
    bootstrap = bootstrap or Bootstrapping()
    pair = matched(base_run, tuned_run, verifier=verifier, common=common)
    tuned = _Side("tuned", tuned_run, base_run, [p.id for p in pair.tuned.counts], verifier)
    tuned.check(base_run)
    base = _Side("base", base_run, tuned_run, [p.id for p in pair.base.counts], verifier)
    weights = _weights(bootstrap, pair)
    threshold = tuned.fork_entropy(fork_quantile)
    moved = tuned.result(threshold, weights, bootstrap.level)
    control = base.result(threshold, weights, bootstrap.level) if base.is_ready else None
    return Shift(
        sentence=_sentence(moved, bootstrap.level),
        n_problems=len(pair.base.counts),
        fork_quantile=fork_quantile,
        fork_entropy=threshold,
        tuned=moved,
        base=control,
        notes=_notes(moved, control, base_run, tuned_run),
    )


def _weights(bootstrap: Bootstrapping, pair: Pair) -> FloatArray:
    """Random weights over problems; without end atoms, since a change of ln p has no end."""
    return bootstrap.weights(pair).rows


class _Side:
    """One run's samples, scored by its own model and the other."""

    def __init__(
        self, name: str, run: Path, other: Path, ids: Sequence[str], verifier: str | None
    ) -> None:
        self.name, self.run, self.ids = name, run, list(ids)
        self.scored: ScoredRun = scored_run(run, ids, other, verifier=verifier)
        self.numbers = {problem_id: i for i, problem_id in enumerate(ids)}

    @property
    def is_ready(self) -> bool:
        """Whether both models scored it token by token."""
        scorer, folder = self.scored.scorer, RunFolder(self.run)
        has_own = folder.has_traces or any(s.has_traces for s in _own_scorers(self.run))
        return scorer is not None and scorer.has_traces and has_own and self._shares

    @property
    def _shares(self) -> bool:
        return self.scored.shares_tokenizer is not False

    def check(self, base_run: Path) -> None:
        """Say what is missing, if anything is."""
        if self.scored.scorer is None:
            raise need_scores(self.run, base_run)
        if not self._shares:
            raise InputError(
                f"a change by token needs one tokenizer, and {self.scored.scorer.model} cuts texts "
                f"otherwise than the model of {self.run}"
            )
        if not self.is_ready:
            raise RunError(
                f"{self.run} lacks scores token by token; sample it with --store tokens or run "
                f"`pathshift score --as {self.run} {self.run}`, and score it by the base without "
                "leaving tokens out"
            )

    @property
    def _scorer(self) -> Scorer:
        assert self.scored.scorer is not None
        return self.scored.scorer

    @property
    def _size(self) -> IntArray:
        """Scored tokens by problem."""
        run = self.scored
        size = np.bincount(run.problem, weights=run.other_tokens, minlength=len(self.ids))
        return size.astype(np.int64)

    def _each(self, do: Callable[[tokens.Tokens], None]) -> None:
        for batch in tokens.batches(self.ids, self._size):
            do(tokens.read_tokens(self.run, self._scorer, batch, self.numbers, own=self.name))

    def fork_entropy(self, quantile: float) -> float:
        counts: list[FloatArray] = []
        self._each(lambda batch: counts.append(tokens.entropy_counts(batch)))
        return tokens.entropy_quantile(np.sum(counts, axis=0), quantile)

    def result(self, threshold: float, weights: FloatArray, level: float) -> SideShift:
        sums = tokens.Sums.empty(len(self.ids))
        self._each(lambda batch: tokens.add_tokens(sums, batch, threshold))
        if not sums.samples.any():
            raise RunError(
                f"no sample of {self.run} has token scores of the same tokens by both models; "
                "score it again with both"
            )
        report = _Report(sums, weights, level)
        pieces = sorted(
            (item for item in sums.pieces.items() if item[1].count >= MIN_COUNT),
            key=lambda item: item[1].total,
        )
        down, up = pieces[:TOP], pieces[::-1][:TOP]
        far = sums.places[:TOP]
        shown = [*far, *(p.lowest for _, p in down), *(p.highest for _, p in up)]
        places = self._places([found for found in shown if found is not None])
        divergence, excluded = self._divergence(weights, level)
        return SideShift(
            samples=self.name,
            n_problems=int((sums.samples > 0).sum()),
            n_samples=int(sums.samples.sum()),
            n_tokens=int(sums.tables["class"][0].sum()),
            left_out=sums.n_unmatched,
            infinite=sums.n_infinite,
            per_sample=report.per_sample("change"),
            divergence=divergence,
            excluded=excluded,
            base_entropy=report.per_token("base_entropy"),
            tuned_entropy=report.per_token("tuned_entropy"),
            entrance=report.entrance(),
            by_class=report.groups("class"),
            by_phase=report.groups("phase"),
            by_fork=report.groups("fork"),
            by_position=report.groups("position"),
            by_decile=report.groups("decile"),
            raised=[_token(name, p, p.highest, places) for name, p in up if p.total > 0],
            lowered=[_token(name, p, p.lowest, places) for name, p in down if p.total < 0],
            largest=[places[found] for found in far if found in places],
        )

    def _divergence(self, weights: FloatArray, level: float) -> tuple[Estimate | None, int]:
        """Mean over problems of ln p_own - ln p_other under both policies, and what has none."""
        run = self.scored
        known = run.is_exact & np.isfinite(run.own_policy) & ~np.isnan(run.other_policy)
        if not known.any():
            return None, 0
        excess = run.own_policy[known] - run.other_policy[known]
        excluded = int(np.isposinf(excess).sum())
        if excluded:
            return Estimate(float("inf"), float("inf"), float("inf")), excluded
        total = np.bincount(run.problem[known], weights=excess, minlength=len(self.ids))
        size = np.bincount(run.problem[known], minlength=len(self.ids)).astype(float)
        means = np.divide(total, size, out=np.zeros_like(total), where=size > 0)
        return ratio_of_sums(means, (size > 0).astype(float), weights, level), 0

    def _places(self, wanted: Sequence[tokens.Found]) -> dict[tokens.Found, Place]:
        """Contexts of some tokens, read anew."""
        names = list(dict.fromkeys(found.problem_id for found in wanted))
        size = self._size[[self.numbers[name] for name in names]]
        shown: dict[tokens.Found, Place] = {}
        for batch in tokens.batches(names, size):
            some = [found for found in wanted if found.problem_id in batch]
            pieces = tokens.read_pieces(self.run, self._scorer, batch, some)
            shown |= {found: _shown(found, pieces[found[:2]]) for found in some}
        return shown


def _own_scorers(run: Path) -> list[Scorer]:
    weights = RunFolder(run).manifest.config.get("weights_hash")
    return [s for s in scorers(run) if s.weights_hash == weights]


class _Report:
    """Estimates from the sums; every problem with samples weighs the same."""

    def __init__(self, sums: tokens.Sums, weights: FloatArray, level: float) -> None:
        self._weights, self._level = weights, level
        self._has = (sums.samples > 0).astype(float)
        size = np.maximum(sums.samples, 1)[:, None]
        self._tables = {kind: table / size for kind, table in sums.tables.items()}
        self._counts: dict[str, IntArray] = {
            kind: table[0].sum(axis=0).astype(np.int64) for kind, table in sums.tables.items()
        }

    def _sum(self, name: str, kind: str = "class", group: int | None = None) -> FloatArray:
        table = self._tables[kind][tokens.SUMMED.index(name)]
        out: FloatArray = table.sum(axis=1) if group is None else table[:, group]
        return out

    def _ratio(self, top: FloatArray, bottom: FloatArray) -> Estimate:
        return ratio_of_sums(top, bottom, self._weights, self._level)

    def per_sample(self, name: str) -> Estimate:
        return self._ratio(self._sum(name), self._has)

    def per_token(self, name: str) -> Estimate:
        return self._ratio(self._sum(name), self._sum("n"))

    def groups(self, kind: str) -> list[GroupShift]:
        """Groups that hold a token."""
        total = float(self._sum("change").sum())
        found = []
        for i, name in enumerate(tokens.KINDS[kind]):
            n, change, size, base, tuned = (self._sum(s, kind, i) for s in tokens.SUMMED)
            if self._counts[kind][i]:
                found.append(
                    GroupShift(
                        name=name,
                        n_tokens=int(self._counts[kind][i]),
                        mean=self._ratio(change, n),
                        size=self._ratio(size, n),
                        share=float(change.sum() / total) if total else float("nan"),
                        base_entropy=float(base.sum() / n.sum()),
                        tuned_entropy=float(tuned.sum() / n.sum()),
                    )
                )
        return found

    def entrance(self) -> Estimate:
        """Mean absolute change before the first operation over that after it."""
        before, after = (
            (self._sum("size", "phase", i), self._sum("n", "phase", i))
            for i in (PHASES.index("before"), PHASES.index("after"))
        )
        return ratio_of_means(before, after, self._weights, self._level)


def _token(
    name: str,
    piece: tokens.PieceSums,
    found: tokens.Found | None,
    places: dict[tokens.Found, Place],
) -> TokenShift:
    return TokenShift(
        token=escaped(name),
        count=piece.count,
        mean=piece.total / piece.count,
        total=piece.total,
        example=None if found is None else places.get(found),
    )


def _shown(found: tokens.Found, pieces: Sequence[str]) -> Place:
    before = "".join(pieces[max(0, found.position - CONTEXT_CHARS) : found.position])
    return Place(
        problem_id=found.problem_id,
        sample_no=found.sample_no,
        position=found.position,
        context=escaped(before[-CONTEXT_CHARS:]),
        token=escaped(pieces[found.position]),
        change=found.change,
        base_logprob=found.base,
        tuned_logprob=found.tuned,
    )


def escaped(text: str) -> str:
    r"""Text with everything that is not printable spelled out: model text is hostile.

    >>> escaped("a\n\u202eb")
    'a\\n\\u202eb'
    """
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def _sentence(moved: SideShift, level: float) -> str:
    change = moved.per_sample
    text = (
        f"On its own samples the tuned model gives the tokens e^{change.value:.2f} "
        f"[{change.low:.2f}, {change.high:.2f}] times the base's probability "
        f"({moved.n_samples} samples, {moved.n_problems} problems, {level:.0%} interval)"
    )
    if np.isfinite(moved.entrance.value):
        entrance = moved.entrance
        text += (
            f"; a token before the first operation changes {entrance.value:.1f} "
            f"[{entrance.low:.1f}, {entrance.high:.1f}] times as much as one after it"
        )
    return text + "."


def _notes(
    moved: SideShift, control: SideShift | None, base_run: Path, tuned_run: Path
) -> list[str]:
    notes = []
    if control is None:
        notes.append(
            f"no control: the tuned model has not scored the base's samples token by token "
            f"(`pathshift score --as {tuned_run} {base_run}`)"
        )
    for side in (moved, *([control] if control else [])):
        if side.left_out:
            notes.append(
                f"{side.left_out} samples of {side.samples} lack token scores of the same tokens "
                "by both models and are left out"
            )
        if side.infinite:
            notes.append(
                f"{side.infinite} tokens of {side.samples} have no finite change and are left out"
            )
        if side.excluded:
            notes.append(
                f"{side.excluded} samples of {side.samples} are impossible under the other's "
                "policy, so the divergence between the policies is infinite"
            )
    return notes
