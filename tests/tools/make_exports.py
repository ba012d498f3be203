"""Exports for the tools to check, made in this package's own environment.

    python -m tests.tools.make_exports FOLDER

For each source a folder with `passk.jsonl`, `logs/` (Inspect) and `store/` (Every Eval Ever), and
`expected.json` with what the tools have to find: counts, failed samples, texts, pass@k.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from tests.store.exporters.exports import LOGS, MADE_AT, nasty_log, run_command

from pathshift.rollout.ingest import Source, open_source, read_table
from pathshift.stats.passk import pass_at_k
from pathshift.store.manifest import is_run
from pathshift.store.rows import storable
from pathshift.store.run import RunFolder

PLACES = {"passk": "passk.jsonl", "inspect": "logs", "every-eval-ever": "store"}


def command(*arguments: object) -> None:
    """Run it, or say why it did not."""
    done = run_command(*arguments)
    if done.exception is not None:
        raise done.exception


def sampled(folder: Path, model: str) -> Path:
    """A run of a fake model whose answers are right by chance."""
    out = folder / "runs" / model
    command(
        "sample", "--model", f"fake:{model}", "--tasks", "arithmetic", "--n", 16, "--limit", 12,
        "--out", out, "--quiet",
    )  # fmt: skip
    return out


def texts_of(path: Path) -> list[str]:
    """All completions, sorted; half a code point is a question mark in every export."""
    if is_run(path):
        samples = RunFolder(path).samples()
    else:
        samples = [sample for _, sample, _ in open_source(path, Source()).rows()]
    return sorted(storable(sample.text) for sample in samples)


def expected(path: Path) -> dict[str, object]:
    """What a tool has to find in the exports of a source."""
    table = read_table(path)
    judged = [count for count in table.counts if count.n]
    return {
        "counts": {count.id: [count.c, count.n] for count in judged},
        "failed": sum(count.failed or 0 for count in table.counts),
        "texts": texts_of(path),
        "pass_at_k": {
            k: sum(pass_at_k(count.n, count.c, k) for count in judged) / len(judged)
            for k in range(1, min(count.n for count in judged) + 1)
        },
    }


def main() -> None:
    """Write everything into the folder named on the command line."""
    folder = Path(sys.argv[1])
    sources = {
        **LOGS,
        "base": sampled(folder, "base"),
        "tuned": sampled(folder, "tuned"),
        "nasty": nasty_log(folder / "runs" / "nasty.jsonl"),
    }
    for name, source in sources.items():
        for to, place in PLACES.items():
            command(
                "export", source, "--to", to, "--out", folder / name / place, "--quiet",
                "--model", f"toy/{name}", "--retrieved", MADE_AT,
            )  # fmt: skip
        text = json.dumps(expected(source), indent=2)
        (folder / name / "expected.json").write_text(text + "\n", encoding="ascii")
    sys.stdout.write(f"{len(sources)} sources exported as {', '.join(PLACES)}\n")


if __name__ == "__main__":
    main()
