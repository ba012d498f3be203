"""pathshift export: samples, or counts, as other tools read them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pathshift.cli import export_task as task_flags
from pathshift.cli.log_flags import (
    ColumnFlag,
    DuplicatesFlag,
    FormatFlag,
    ScoreFlag,
    ThresholdFlag,
    source_of,
)
from pathshift.cli.output import JsonFlag, QuietFlag, Speaker

if TYPE_CHECKING:
    from pathshift.records import CountTable
    from pathshift.rollout.ingest import Source
    from pathshift.store.exporters.formats import ExportFormat
    from pathshift.store.exporters.judged import Exported, Judged, JudgedSample

    _Given = tuple[CountTable, Callable[[], Iterable[JudgedSample]]]

_YEAR_10000 = 253_402_300_799
_NEXT = {
    "passk": "passk-inference --base {path} --rl OTHER",
    "every-eval-ever": "every_eval_ever validate {path}",
    "csv": "pathshift compare {path} OTHER",
    "parquet": "pathshift compare {path} OTHER",
    "inspect": "inspect view --log-dir {folder}",
}


@dataclass(frozen=True, slots=True)
class _Labels:
    """What a user says of samples that they do not say themselves."""

    model: str | None
    made_at: int


def export(
    source: Annotated[
        Path,
        typer.Argument(help="Run folder, log of another tool, or counts; for verl a task."),
    ],
    to: Annotated[
        str, typer.Option("--to", help="passk, every-eval-ever, csv, parquet, inspect or verl.")
    ],
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            help="New file; for every-eval-ever and inspect it may be a folder, for verl it is.",
        ),
    ],
    verifier: Annotated[
        str | None, typer.Option(help="Whose verdicts to write. [default: the run's or log's own]")
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(help="What to call the model; every-eval-ever needs DEVELOPER/NAME."),
    ] = None,
    retrieved: Annotated[
        int | None,
        typer.Option(
            metavar="UNIX_SECONDS", min=0, max=_YEAR_10000,
            help="Time to write into every-eval-ever and inspect files. [default: now]",
        ),
    ] = None,
    form: FormatFlag = None,
    score: ScoreFlag = None,
    threshold: ThresholdFlag = None,
    column: ColumnFlag = None,
    duplicates: DuplicatesFlag = "error",
    task_option: task_flags.TaskOptions = None,
    limit: task_flags.Limit = None,
    held_out: task_flags.HeldOut = None,
    held_out_option: task_flags.HeldOutOptions = None,
    held_out_limit: task_flags.HeldOutLimit = None,
    chat: task_flags.Chat = None,
    prompt_template: task_flags.PromptTemplate = None,
    system: task_flags.System = None,
    json: JsonFlag = None,
    quiet: QuietFlag = False,
) -> None:  # fmt: skip
    """Write samples and verdicts as another tool reads them, whole or not at all.

    passk: counts for passk-inference. every-eval-ever: its two files under data/. csv, parquet: one
    row a sample. inspect: a log for `inspect view`. Counts can go to passk, csv and parquet. What a
    log does not say of its samples is judged first, as by `pathshift compare`.

    verl: a task to train on, as Parquet, with the settings that name its reward.

    Example: pathshift export runs/a --to inspect --out logs

    Example: pathshift export val/400.jsonl --to passk --out step400.jsonl

    Example: pathshift export arithmetic -T digits=3 --to verl --held-out arithmetic -H digits=3
    -H seed=1 --held-out-limit 100 --out data
    """
    speaker = Speaker(json, quiet=quiet)
    task = task_flags.TaskFlags(
        options=task_option, limit=limit, held_out=held_out, held_out_options=held_out_option,
        held_out_limit=held_out_limit, chat=chat, template=prompt_template, system=system,
    )  # fmt: skip
    given = source_of(form, score, threshold, column, verifier, duplicates)
    if to == "verl":
        _check_no_log(given, model, retrieved)
        task_flags.export_for_verl(str(source), task, verifier, out, speaker)
        return
    task.check_unused(to)
    made_at = int(time.time()) if retrieved is None else retrieved
    _export_samples(source, out, to, given, _Labels(model, made_at), speaker)


def _check_no_log(given: Source, model: str | None, retrieved: int | None) -> None:
    """A task has no log to be read."""
    from pathshift.errors import ConfigError
    from pathshift.rollout.ingest import Source

    if given != Source(verifier=given.verifier) or model is not None or retrieved is not None:
        raise ConfigError(
            "--to verl writes a task and reads no log; leave --format, --score, --threshold, "
            "--column, --duplicates, --model and --retrieved out"
        )


def _export_samples(
    source: Path, out: Path, to: str, given: Source, labels: _Labels, speaker: Speaker
) -> None:
    """Write them, and tell what was written."""
    from pathshift.store.exporters.formats import format_for

    chosen = format_for(to, out)
    written = _written(source, out, chosen, to, given, labels)
    for line in _lines(written, to):
        speaker.say(line)
    last = written.paths[-1]
    speaker.advise(f"next: {_NEXT[to].format(path=last, folder=last.parent)}")
    speaker.result(
        {
            "format": to,
            "files": [str(path) for path in written.paths],
            "problems": written.n_problems,
            "samples": written.n_samples,
            "failed": written.failed,
            "left_out": written.left_out,
            "notes": list(written.notes),
        }
    )


def _written(
    source: Path, out: Path, chosen: ExportFormat, to: str, given: Source, labels: _Labels
) -> Exported:
    """The export of samples, or of counts where there is nothing else."""
    from pathshift.errors import InputError
    from pathshift.store.countfiles import is_counts, read_counts
    from pathshift.store.manifest import is_run

    if is_run(source) or not is_counts(source):
        return chosen.write(_judged(source, given, labels), out)
    if chosen.write_counts is None:
        raise InputError(
            f"{source} holds counts, and {to} is made of samples; give a run folder or a log, or "
            "use --to passk, csv or parquet"
        )
    table = read_counts(source, verifier=given.verifier)
    _refuse_stopped(table)
    return chosen.write_counts(table, out)


def _refuse_stopped(table: CountTable) -> None:
    """No other tool knows a stopping rule: it would take the draws for plain ones, with a bias."""
    from pathshift.errors import InputError

    if table.is_stopped:
        raise InputError(
            f"{table.name} was stopped by its outcomes (--stop-at), and no format here can say so; "
            "its numbers would be read as plain n and c: use the run folder itself"
        )


def _judged(path: Path, given: Source, labels: _Labels) -> Judged:
    """The samples at a path with their counts."""
    from pathshift.store.exporters.judged import Judged
    from pathshift.store.manifest import is_run

    table, rows = _of_run(path, given) if is_run(path) else _of_log(path, given)
    _refuse_stopped(table)
    return Judged(
        table=table,
        rows=rows,
        model=labels.model or str(table.settings.get("model") or ""),
        made_at=labels.made_at,
        rates=_rates(table),
    )


def _rates(table: CountTable) -> Mapping[int, list[float]]:
    """pass@k of every judged problem at the powers of two and at the smallest n."""
    import numpy as np

    from pathshift.stats.passk import miss_table

    counts = [count for count in table.counts if count.n]
    if not counts:
        return {}
    n, c = np.array([count.n for count in counts]), np.array([count.c for count in counts])
    k_max = int(n.min())
    solved = 1 - miss_table(n, c, k_max)
    powers = {2**i for i in range(k_max.bit_length())}
    return {k: solved[:, k - 1].tolist() for k in sorted(powers | {k_max})}


def _of_run(path: Path, given: Source) -> _Given:
    from pathshift.store.counts import run_counts
    from pathshift.store.exporters.runs import run_rows

    table = run_counts(path, verifier=given.verifier)
    return table, lambda: run_rows(path, str(table.settings["verifier"]))


def _of_log(path: Path, given: Source) -> _Given:
    """As the log says, or judged once where it does not say or a verifier is named."""
    from pathshift.rollout.ingest import default_verifier, judged, open_source

    log = open_source(path, given)
    if log.is_judged and given.verifier is None:
        table = log.counts(str(path))
        return table, lambda: ((p, s, v) for p, s, v in log.rows() if v is not None)
    verifier = given.verifier or default_verifier(log)
    verdicts = {(v.problem_id, v.sample_no): v for v in judged(log, given.verifier)}
    outcomes = [
        [verdicts[problem.id, draw.number].outcome for draw in draws]
        for problem, draws in zip(log.problems, log.draws, strict=True)
    ]
    table = log.count_table(str(path), outcomes, verifier)

    def rows() -> Iterator[JudgedSample]:
        for problem, sample, _ in log.rows():
            verdict = verdicts.get((problem.id, sample.sample_no))
            if verdict is not None:  # else the log has grown since, which the writer finds out
                yield problem, sample, verdict

    return table, rows


def _lines(written: Exported, to: str) -> list[str]:
    """What was written, and what was not."""
    lines = [
        *map(str, written.paths),
        f"{written.n_samples:,} samples of {written.n_problems:,} problems as {to}"
        + (f", {written.failed:,} failed" if written.failed else ""),
    ]
    if written.left_out:
        lines.append(f"left out {written.left_out:,} problems without a judged sample")
    return [*lines, *written.notes]
