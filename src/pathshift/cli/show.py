"""pathshift show: what a run holds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pathshift.cli.output import JsonFlag, QuietFlag, Speaker
from pathshift.cli.readings import tell_readings

if TYPE_CHECKING:
    from pathshift.records import CountTable

_SETTINGS = ("model", "task", "mode", "temperature", "top_k", "top_p", "min_p", "max_tokens",
             "stop", "stopping", "system", "verifier", "seed", "dtype",
             "template_hash")  # fmt: skip
_MAX_TEXT = 2000
_MAY_BE_UNKNOWN = ("truncated", "n_tokens")
"""What an imported log need not say."""


def show(
    run: Annotated[Path, typer.Argument(help="Run folder.")],
    problem: Annotated[str | None, typer.Option(help="Id of a problem: print its samples.")] = None,
    samples: Annotated[int, typer.Option(help="How many samples to print.")] = 3,
    verifier: Annotated[str | None, typer.Option(help="[default: the run's own]")] = None,
    against: Annotated[
        str | None, typer.Option(help="Second verifier: where do the two disagree?")
    ] = None,
    false_positive: Annotated[
        float | None,
        typer.Option(help="Chance that the verifier takes a wrong answer for right."),
    ] = None,
    answers: Annotated[
        bool,
        typer.Option("--answers", help="Add the floor of guessing by the distribution of answers."),
    ] = False,
    json: JsonFlag = None,
    quiet: QuietFlag = False,
) -> None:
    """Settings, outcomes and pass@k of a run; with --problem its prompt and samples.

    Example: pathshift show runs/a --problem gsm8k-3
    """
    from pathshift.store.counts import run_counts

    speaker = Speaker(json, quiet=quiet)
    if problem is not None:
        _show_problem(run, problem, samples, verifier, speaker)
        return
    table = run_counts(run, verifier=verifier)
    for key in _SETTINGS:
        if table.settings.get(key) not in (None, "", []):
            speaker.say(f"{key:<14} {table.settings[key]}")
    speaker.say()
    totals = {
        name: sum(getattr(p, name) or 0 for p in table.counts)
        for name in ("n", "c", "unparsed", "failed", "truncated", "n_tokens")
    }
    drawn = totals["n"] + totals["failed"]
    known = {key: all(getattr(p, key) is not None for p in table.counts) for key in _MAY_BE_UNKNOWN}
    tokens = f"{totals['n_tokens']:,} tokens" if known["n_tokens"] else "tokens not known"
    cut = f"{totals['truncated']:,}" if known["truncated"] else "an unknown number"
    speaker.say(
        f"{len(table.counts)} problems, {drawn:,} samples, {tokens}: "
        f"{totals['c']:,} correct, {totals['n'] - totals['c'] - totals['unparsed']:,} wrong, "
        f"{totals['unparsed']:,} unparsed, {totals['failed']:,} failed; "
        f"{cut} cut by the token limit"
    )
    curve = _curve(table)
    for k, value, floor in curve:
        speaker.say(f"pass@{k:<5} {value:.3f}   floor {'-' if floor is None else f'{floor:.3f}'}")
    extra = tell_readings(
        speaker, run, table, against=against, false_positive=false_positive, answers=answers
    )
    speaker.advise(
        f"next: pathshift compare {run} OTHER_RUN   or: pathshift show {run} --problem ID"
    )
    rows = [{"k": k, "pass": value, "floor": floor} for k, value, floor in curve]
    told = {key: None if not known.get(key, True) else value for key, value in totals.items()}
    result = {"run": str(run), "settings": dict(table.settings), **told, "curve": rows, **extra}
    speaker.result(result)


def _curve(table: CountTable) -> list[tuple[int, float, float | None]]:
    """pass@k and floor at powers of two and at the largest k."""
    import numpy as np

    from pathshift.analysis.pairing import drawn
    from pathshift.stats.passk import floor_curve

    usable = [p for p in table.counts if p.n]
    if not usable:
        return []
    counts = drawn(replace(table, counts=tuple(usable)))
    reach = int(counts.reach.min())
    k = np.array(sorted({1, reach, *(2**i for i in range(31) if 2**i <= reach)}))
    values = counts.curve(reach)[k - 1]
    floors = [p.floor for p in usable if p.floor is not None]
    floor = floor_curve(np.array(floors), k) if len(floors) == len(usable) else None
    return [
        (int(k[i]), float(values[i]), None if floor is None else float(floor[i]))
        for i in range(len(k))
    ]


def _show_problem(
    run: Path, problem_id: str, count: int, verifier: str | None, speaker: Speaker
) -> None:
    from pathshift.errors import UnknownName
    from pathshift.store.run import RunFolder

    folder = RunFolder(run)
    problems = {p.id: p for p in folder.problems()}
    if problem_id not in problems:
        some = ", ".join(list(problems)[:5])
        raise UnknownName(f"{run} has no problem {problem_id!r}; it has {some}, ...")
    name = verifier or str(folder.manifest.config["verifier"])
    judged = {v.sample_no: v for v in folder.verdicts(name) if v.problem_id == problem_id}
    drawn = [s for s in folder.samples() if s.problem_id == problem_id]
    speaker.say(f"prompt:\n{_cut(folder.prompts()[problem_id])}\n")
    speaker.say(f"reference: {_cut(problems[problem_id].gold)}")
    rows = []
    for sample in sorted(drawn, key=lambda s: s.sample_no)[:count]:
        verdict = judged.get(sample.sample_no)
        outcome = "not judged" if verdict is None else verdict.outcome.value
        answer = None if verdict is None else verdict.answer
        speaker.say(f"\n--- sample {sample.sample_no}: {outcome}, answer {_cut(str(answer))}, "
                    f"{sample.n_tokens} tokens, {sample.finish_reason}")  # fmt: skip
        speaker.say(_cut(sample.text))
        rows.append({"sample_no": sample.sample_no, "outcome": outcome, "answer": answer,
                     "text": sample.text, "n_tokens": sample.n_tokens})  # fmt: skip
    speaker.result({"problem": problem_id, "gold": problems[problem_id].gold, "samples": rows})


def _cut(text: str) -> str:
    """Model text that fills no more than a screen or two."""
    return text if len(text) <= _MAX_TEXT else f"{text[:_MAX_TEXT]}… ({len(text)} characters)"
