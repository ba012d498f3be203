"""All probes in their order, over one subject."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np

from pathshift.records import Problem
from pathshift.rollout.audit import attacks, checks
from pathshift.rollout.audit.bench import Bench, generator_of
from pathshift.rollout.audit.result import Audit, Finding, Floors, ordered
from pathshift.rollout.audit.subject import AuditOptions, Subject
from pathshift.stats.passk import floor_curve

FLOOR_K = (1, 4, 16, 64, 256, 1024)

ATTACKS = (attacks.junk, attacks.empty, attacks.echo, attacks.long, attacks.hedge)


def audit_subject(
    subject: Subject,
    options: AuditOptions,
    *,
    training: Sequence[Problem] | None = None,
    on_probe: Callable[[str], None] = lambda name: None,
) -> Audit:
    """Run every probe.

    Args:
        training: What a model was trained on; another seed of the same task where there is one and
            nothing is given.
        on_probe: Called with the name of each probe before it runs.
    """
    started = time.monotonic()
    on_probe("loading")
    bench = Bench(
        subject=subject, options=options, problems=subject.problems(options.seed, options.limit)
    )
    on_probe("oracle")
    found = attacks.oracle(bench)
    for probe in ATTACKS:
        on_probe(probe.__name__)
        found += probe(bench)
    on_probe("cross-item")
    crossed, shares = attacks.cross_item(bench)
    on_probe("constant")
    constants, constant = attacks.best_constant(bench)
    on_probe("code")
    found += [*crossed, *constants, *checks.code(bench), *checks.failures(bench)]
    partial, histogram = checks.partial_credit(bench)
    on_probe("determinism")
    found += [*partial, *checks.determinism(bench), *_overlap(bench, training), *_floor(bench)]
    return Audit(
        task=subject.task,
        verifier=subject.verifier,
        n_problems=len(bench.problems),
        seed=options.seed,
        findings=ordered(found),
        attacks=tuple(bench.attacks),
        constant=constant,
        floors=_floors(bench.problems, shares, options.others),
        scores=histogram,
        seconds=round(time.monotonic() - started, 2),
    )


def _overlap(bench: Bench, training: Sequence[Problem] | None) -> list[Finding]:
    if training is not None:
        return checks.overlap(bench, training, which=f"the {len(training)} training problems")
    if not bench.subject.is_seeded:
        return checks.overlap(bench, [], which="")
    options = bench.options
    far = generator_of(bench, "overlap").getrandbits(30) + 1_000_000
    other = bench.subject.problems(far, options.limit)
    found = checks.overlap(bench, other, which=f"the {len(other)} of seed {far}")
    return [*found, *checks.neighbours(bench, other)]


def _floor(bench: Bench) -> list[Finding]:
    unknown = sum(problem.floor is None for problem in bench.problems)
    if not unknown or not bench.subject.states_floor:
        return []
    return [
        Finding(
            severity="note",
            name="no-floor",
            seen=f"{unknown} of {len(bench.problems)} problems do not say what guessing reaches",
            advice="give each row a field floor, or compare with --floor",
        )
    ]


def _floors(problems: Sequence[Problem], shares: Sequence[float], others: int) -> Floors:
    stated = [problem.floor for problem in problems if problem.floor is not None]
    # Whoever guesses by answers may guess blindly where that goes further.
    is_known = len(stated) == len(problems) == len(shares)
    best = [max(pair) for pair in zip(stated, shares, strict=True)] if is_known else shares
    return Floors(
        k=FLOOR_K,
        stated=_curve(stated) if len(stated) == len(problems) else None,
        answers=_answers(best, min(others, len(shares) - 1)) if shares else None,
    )


def _answers(shares: Sequence[float], tried: int) -> tuple[float | None, ...]:
    curve = zip(FLOOR_K, _curve(shares), strict=True)
    return tuple(value if k <= tried else None for k, value in curve)


def _curve(success: Sequence[float]) -> tuple[float, ...]:
    values = floor_curve(np.array(success), np.array(FLOOR_K))
    return tuple(round(float(value), 6) for value in values)
