"""(Problem, text) -> Verdict: extractors, graders and the killable worker pool.

    with Judge("math", workers=2) as judge:
        verdicts = judge.verdicts((problem, sample) for ...)

For trainers: `Reward` (TRL) and `compute_score` (verl), see docs/verifier.md.

Model text is hostile here: it is never evaluated in this process, and what needs a computer
algebra system runs in a process that is killed when it takes too long.
"""

from pathshift.verify.judge import Judge
from pathshift.verify.pool import WorkerPool
from pathshift.verify.rewards import Reward, compute_score, compute_scores
from pathshift.verify.verifiers import VERIFIERS, Verifier, verifier_named

__all__ = [
    "VERIFIERS",
    "Judge",
    "Reward",
    "Verifier",
    "WorkerPool",
    "compute_score",
    "compute_scores",
    "verifier_named",
]
