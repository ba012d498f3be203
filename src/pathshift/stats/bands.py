"""Simultaneous bands: intervals over a whole grid of k that hold together.

The question they answer is "problems like these": the problems are taken as drawn from a larger
set, so both the choice of problems and the noise of sampling count. Two ways to the same end:
a Bayesian bootstrap with two end atoms (the default), and sup-t with Gaussian multipliers, which
is narrower and known to cover too seldom below some hundred problems.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pathshift.stats.passk import FloatArray

SMALL_ATOM = 0.25
"""Weight of an end atom in the part of the guarded band that holds over all k."""


class Band(NamedTuple):
    """A band over K columns.

    Attributes:
        low: Lower edges, shape (K,).
        high: Upper edges, shape (K,).
        pointwise: Two-sided error each column was given so that all hold together; at most
            1 - level, and equal to it (to 1/replicates) where there is one column.
    """

    low: FloatArray
    high: FloatArray
    pointwise: float


class Weights(NamedTuple):
    """Random problem weights of a Bayesian bootstrap; each row of both parts together sums to 1.

    Attributes:
        rows: Weight of each distinct row, shape (B, U).
        atoms: Weight of the lower and the upper end atom, shape (B, 2).
        share: Share of the problems that each row stands for, shape (U,).
        part: Part of either atom that belongs to an atom of weight 1/4, shape (B, 2).
        units: Independent problems, or clusters of equal size that tell as much as these do.
    """

    rows: FloatArray
    atoms: FloatArray
    share: FloatArray
    part: FloatArray
    units: float


def dirichlet_weights(
    weight: FloatArray, replicates: int, rng: np.random.Generator, *, atom: float = 1.0
) -> Weights:
    """Dirichlet weights over problems plus one atom at either end of the scale.

    Rubin (1981) gives each problem an exponential weight; rows that stand for m problems get the
    sum of m of them, a Gamma(m). The atoms stand for the problems that could have been drawn and
    were not: without them a set where all differences are zero would get a band of width zero.
    At weight 1 losses of size 1 on up to half of the problems are covered at .94; where nearly all
    problems lie at one end it is as little as .63 (studies/two_points.py); `guarded_band` helps.

    Args:
        weight: Problems per row, shape (U,).
        replicates: Number of weight vectors B.
    """
    shape = np.concatenate([weight, [atom, atom]])
    gamma = rng.standard_gamma(shape, size=(replicates, len(shape)))
    gamma /= gamma.sum(axis=1, keepdims=True)
    part = rng.beta(SMALL_ATOM, atom - SMALL_ATOM, size=(replicates, 2))
    total = weight.sum()
    return Weights(gamma[:, :-2], gamma[:, -2:], weight / total, part, float(total))


def cluster_weights(sizes: FloatArray, replicates: int, rng: np.random.Generator) -> Weights:
    """Weights of a Bayesian bootstrap that draws whole clusters: one exponential weight each.

    Problems that share a template or a contest are not independent, so the cluster is what could
    have been drawn otherwise (Miller 2024, arXiv 2411.00640). A row is then the mean curve of a
    cluster; it weighs its exponential times its size, and an end atom is an unseen cluster of
    average size. With clusters of one problem each this is `dirichlet_weights`.

    Args:
        sizes: Problems in each cluster, shape (C,).
    """
    gamma = rng.standard_exponential((replicates, len(sizes) + 2))
    gamma *= np.concatenate([sizes, [sizes.mean(), sizes.mean()]])
    gamma /= gamma.sum(axis=1, keepdims=True)
    part = rng.beta(SMALL_ATOM, 1 - SMALL_ATOM, size=(replicates, 2))
    units = float(sizes.sum() ** 2 / (sizes**2).sum())
    return Weights(gamma[:, :-2], gamma[:, -2:], sizes / sizes.sum(), part, units)


def bayesian_band(
    weights: Weights, rows: FloatArray, ends: tuple[float, float], level: float
) -> Band:
    """Band from weighted means of the rows and the end atoms, made simultaneous by ranks.

    It always holds the plain mean: where nearly all problems agree on an end of the scale, the
    atoms pull every weighted mean away from it.

    Args:
        weights: From `dirichlet_weights`.
        rows: One row a distinct problem, shape (U, K).
        ends: Smallest and largest possible value of an entry: where the atoms lie.
        level: Chance that the whole band holds.
    """
    draws = weights.rows @ rows + (weights.atoms @ np.array(ends))[:, None]
    band, mean = rank_band(draws, level), weights.share @ rows
    return band._replace(low=np.minimum(band.low, mean), high=np.maximum(band.high, mean))


def guarded_band(
    weights: Weights, rows: FloatArray, ends: tuple[float, float], level: float
) -> Band:
    """The wider of two bands at every edge: one for all columns at once, one for what was not seen.

    That no problem of an extreme kind was drawn is one event for all columns, so the guard against
    it need not pay for their number. The first band is `bayesian_band` with atoms of weight 1/4;
    the second, `unseen_band`, has an error of 1 - level at each edge of each column. Together they
    hold the yes/no populations that are worst for `bayesian_band` more often than it, and are
    narrower than it at few problems (docs/statistics.md).
    """
    seen, atoms = weights.rows @ rows, weights.atoms * weights.part
    total = weights.rows.sum(axis=1) + atoms.sum(axis=1)
    band = rank_band((seen + (atoms @ np.array(ends))[:, None]) / total[:, None], level)
    guard = unseen_band(weights, rows, ends, 1 - level, seen=seen)
    return band._replace(
        low=np.minimum(band.low, guard.low), high=np.maximum(band.high, guard.high)
    )


def unseen_band(
    weights: Weights,
    rows: FloatArray,
    ends: tuple[float, float],
    error: float,
    *,
    seen: FloatArray | None = None,
) -> Band:
    """Edges that allow for a share of the problems of which none was drawn.

    A share x at the end of the scale stays unseen among m problems with chance (1-x)^m. The lower
    edge is the least mean, over all x, for which that chance times the chance of the rest to look
    as good as it did is still `error`. The rest is judged by Gaffke's draws with an atom of weight
    1 at the smallest row. On yes/no data it is Clopper and Pearson's bound. It always holds the
    plain mean.

    Args:
        error: At each edge of each column.
        seen: Weighted sums of the rows, shape (B, K), where they are known already.
    """
    mean = weights.share @ rows
    seen_KB = np.ascontiguousarray((weights.rows @ rows if seen is None else seen).T)
    total, n_draws = weights.rows.sum(axis=1), len(weights.rows)
    chance = (np.arange(n_draws) + 0.5) / n_draws
    first = int(np.searchsorted(chance, error))
    drawn = (error / chance[first:]) ** (1 / weights.units)
    edges = []
    for i, (end, sign) in enumerate(zip(ends, (1, -1), strict=True)):
        atom = weights.atoms[:, i]
        extreme = (sign * rows).min(axis=0)
        draws = (sign * seen_KB + extreme[:, None] * atom) / (total + atom)
        draws.sort(axis=1)
        edge = (drawn * draws[:, first:] + (1 - drawn) * sign * end).min(axis=1)
        edges.append(sign * np.minimum(edge, sign * mean))
    return Band(edges[0], edges[1], 2 * error)


def strict_band(
    weights: Weights, rows: FloatArray, ends: tuple[float, float], level: float
) -> Band:
    """Gaffke's bound for each edge, made simultaneous by ranks: covers more, and is wider.

    The lower edge comes from draws with the lower atom alone, the upper from draws with the upper
    alone, so that neither atom ever pulls an edge inwards (Gaffke 2005; Phan, Thomas and
    Learned-Miller 2021).
    """
    seen = weights.rows @ rows
    total = weights.rows.sum(axis=1)[:, None]
    edges = [
        (seen + weights.atoms[:, [i]] * end) / (total + weights.atoms[:, [i]])
        for i, end in enumerate(ends)
    ]
    band, mean = _twin_band(edges[0], edges[1], level), weights.share @ rows
    return band._replace(low=np.minimum(band.low, mean), high=np.maximum(band.high, mean))


def rank_band(draws: FloatArray, level: float) -> Band:
    """Narrowest equal-tailed quantile band that holds the share `level` of whole draws.

    Every column gives up the same number of draws at either end; that number is as large as
    possible while enough draws lie inside at every column (Besag et al. 1995). Draws on an edge lie
    inside, so columns without spread cost nothing.

    Args:
        draws: Shape (B, K).
    """
    return _twin_band(draws, draws, level)


def _twin_band(lower: FloatArray, upper: FloatArray, level: float) -> Band:
    """The same where the lower edge is a quantile of one set of draws and the upper of another."""
    n_draws = len(lower)
    columns = [np.ascontiguousarray(side.T) for side in (lower, upper)]
    lows = np.sort(columns[0], axis=1)
    highs = lows if upper is lower else np.sort(columns[1], axis=1)
    needed = n_draws - int((1 - level) * n_draws + 1e-9)

    def holds(cut: int) -> bool:
        inside = (columns[0] >= lows[:, cut, None]).all(axis=0)
        inside &= (columns[1] <= highs[:, n_draws - 1 - cut, None]).all(axis=0)
        return int(inside.sum()) >= needed

    cut, too_many = 0, (n_draws - needed) // 2 + 1
    while too_many - cut > 1:
        middle = (cut + too_many) // 2
        cut, too_many = (middle, too_many) if holds(middle) else (cut, middle)
    return Band(lows[:, cut], highs[:, n_draws - 1 - cut], 2 * cut / n_draws)


def ranks_of(draws: FloatArray) -> tuple[npt.NDArray[np.int64], FloatArray]:
    """Rank of every entry within its column, from 0, and the columns sorted, both (B, K)."""
    order = np.argsort(draws, axis=0)
    ranks = np.empty_like(order)
    np.put_along_axis(ranks, order, np.arange(len(draws))[:, None], axis=0)
    return ranks, np.take_along_axis(draws, order, axis=0)


def sup_t_band(
    rows: FloatArray,
    weight: FloatArray,
    level: float,
    replicates: int,
    rng: np.random.Generator,
) -> Band:
    """Mean plus or minus one quantile of the largest studentised deviation over k.

    Gaussian multipliers over problems. Columns without spread get the whole scale [-1, 1],
    because an empty sample of differences is no evidence for their absence. Below some hundred
    problems, and on saturated sets, it covers less than it says.
    """
    total = weight.sum()
    mean = weight @ rows / total
    centred = rows - mean
    scale = np.sqrt(weight @ centred**2 / (total - 1) / total)
    flat = scale <= 1e-12
    noise = rng.standard_normal((replicates, len(rows))) * np.sqrt(weight)
    studentised = np.abs(noise @ centred) / (total * np.where(flat, np.inf, scale))
    quantile = np.quantile(studentised.max(axis=1), level)
    low = np.where(flat, -1.0, mean - quantile * scale)
    high = np.where(flat, 1.0, mean + quantile * scale)
    return Band(low, high, 1 - level)
