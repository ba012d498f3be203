"""Sample the answers that `benchmarks/verify.py` has graded; SOURCE.md says from what.

    python benchmarks/data/answers/make.py MATH500.jsonl

Problems of MATH-500 with short questions, every level and subject that has them; the model is
shown four of our own and asked for the answer alone.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from pathshift.decoding.policy import Policy
from pathshift.models import smollm2
from pathshift.models.hf.model import load_hf
from pathshift.models.protocol import Request

HERE = Path(__file__).parent
PROBLEMS = 24
SAMPLES = 64
LONGEST_QUESTION = 160

SHOTS = r"""Problem: What is half of 36?
Answer: $18$

Problem: Simplify $\sqrt{50}$.
Answer: $5\sqrt{2}$

Problem: Find the sum of the roots of $2x^2 - 3x + 1 = 0$.
Answer: $\frac{3}{2}$

Problem: Which points of the $x$-axis have distance 5 from the point $(0,3)$?
Answer: $(-4,0),(4,0)$

Problem: """


def chosen(path: Path) -> list[dict[str, Any]]:
    """Of the problems with a short question every third, in turn one whose reference is a plain
    integer and one whose reference is not.
    """
    rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    short = [row for row in rows if len(row["problem"]) <= LONGEST_QUESTION]
    whole = [row for row in short if row["answer"].lstrip("-").isdigit()]
    other = [row for row in short if row not in whole]
    pairs = zip(whole[::3], other[::3], strict=False)
    return [row for pair in pairs for row in pair][:PROBLEMS]


def main(path: Path) -> None:
    """Write one line for each problem."""
    model = load_hf("smollm2", str(smollm2.location()), n_rows=SAMPLES)
    policy = Policy(temperature=0.6, max_tokens=16, stop=("\n",))
    with (HERE / "smollm2_math500.jsonl").open("w", encoding="utf-8") as file:
        for row in chosen(path):
            prompt = f"{SHOTS}{row['problem']}\nAnswer:"
            request = Request(prompt=prompt, seeds=tuple(range(SAMPLES)))
            (drawn,) = model.generate([request], policy)
            texts = [f"Answer:{completion.text}" for completion in drawn]
            line = {"id": row["unique_id"], "gold": row["answer"], "texts": texts}
            file.write(json.dumps(line, ensure_ascii=False) + "\n")
            file.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
