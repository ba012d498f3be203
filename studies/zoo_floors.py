"""What blind guessing reaches on the zoo's evaluation sets, exactly, up to 1,024 tries.

    python studies/zoo_floors.py

The null policies are the families' own: for compose the better of blindly chosen functions and a
blind shuffle of the letters, for countdown the better of a uniformly random legal expression and a
guesser that keeps to whole numbers. A row says where the mean curve stands, the largest floor of
one problem, and up to which k the bound of .05 holds. Takes about two minutes.
"""

from __future__ import annotations

from pathshift.lab.zoo.evaluation import BOUND, SETS, floor_at

TRIES = tuple(2**power for power in range(11))
SHOWN = (1, 16, 64, 256, 1024)


def main() -> None:
    """Prints the table; fails if a set does not keep what it states."""
    print(
        f"{'set':<12} {'n':>4} " + " ".join(f"{f'k={k}':>8}" for k in SHOWN),
        "  largest  below",
        BOUND,
    )
    for name, found in SETS.items():
        problems = found.problems()
        curve = dict(zip(TRIES, floor_at(problems, TRIES), strict=True))
        largest = max(problem.floor or 0.0 for problem in problems)
        reached = max((k for k in TRIES if curve[k] <= BOUND), default=0)  # the curve only rises
        cells = " ".join(f"{curve[k]:8.5f}" for k in SHOWN)
        print(f"{name:<12} {len(problems):>4} {cells}   {largest:.1e}  to k={reached}")
        if reached != found.tries:
            raise SystemExit(f"{name} states {found.tries} tries and the bound holds to {reached}")


if __name__ == "__main__":
    main()
