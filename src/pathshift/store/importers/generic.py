"""Rows of anybody: JSON lines, JSON, CSV or Parquet with a column for what has to be known.

A row is a sample, or a problem with lists of completions and scores. Columns are found by the names
that tools use; `--column role=name` says what they are where they are called otherwise. Without a
column that says what is right, answers are judged by our verifiers against the reference.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pathshift.errors import LogError
from pathshift.records import Outcome
from pathshift.store.importers.files import each, peeked_rows
from pathshift.store.importers.logged import (
    Log,
    LogFormat,
    LoggedSample,
    Peek,
    ReadOptions,
    as_text,
    finish_of,
    judge_name,
    reference,
    settled,
    verdict_of,
    whole,
)
from pathshift.store.importers.messages import completion_text, prompt_text
from pathshift.store.rowfiles import Row

ALIASES: Mapping[str, tuple[str, ...]] = {
    "question": ("question", "problem", "prompt", "input", "query", "instruction"),
    "gold": ("gold", "reference", "ground_truth", "expected_answer", "gt_answer", "gt", "answer",
             "target", "solution", "label", "reward_model"),
    "text": ("completion", "completions", "response", "responses", "output", "outputs",
             "generation", "generations", "text", "samples", "model_output", "prediction"),
    "correct": ("correct", "is_correct", "is_corrects", "passed", "acc", "accuracy", "score",
                "scores", "reward", "rewards"),
    "id": ("id", "problem_id", "task_id", "question_id", "doc_id", "example_id", "data_id"),
    "number": ("sample_no", "epoch", "repeat", "rollout", "repetition", "generation_index"),
    "model": ("model", "model_name", "model_id"),
    "step": ("step", "global_step"),
    "finish": ("finish_reason", "stop_reason"),
    "n_tokens": ("n_tokens", "num_tokens", "completion_tokens", "response_length"),
    "entropy": ("entropy", "mean_entropy"),
    "error": ("error",),
    "outcome": ("outcome",),
}  # fmt: skip
"""Role -> names under which it is looked for, in this order."""


def columns_of(keys: frozenset[str], given: Mapping[str, str]) -> dict[str, str]:
    """Role -> column: what the user says, else the first name of the role that is there.

    Raises:
        LogError: an unknown role, or a column that is not there.
    """
    for role, name in given.items():
        if role not in ALIASES:
            raise LogError(f"--column {role}={name}: roles are {', '.join(ALIASES)}")
        if name not in keys:
            raise LogError(f"--column {role}={name}: columns are {', '.join(sorted(keys)[:20])}")
    taken = set(given.values())
    found = dict(given)
    for role, names in ALIASES.items():
        free = [name for name in names if name in keys and name not in taken]
        if role not in found and free:
            found[role] = free[0]
            taken.add(free[0])
    return found


def _matches(peek: Peek) -> bool:
    found = columns_of(peek.keys, {})
    has_problem = "question" in found or "id" in found
    return has_problem and ("correct" in found or ("text" in found and "gold" in found))


def _read(peeks: tuple[Peek, ...], options: ReadOptions) -> Log:
    given = {**options.columns, **({"correct": options.score} if options.score else {})}
    columns = columns_of(peeks[0].keys, given)
    if "question" not in columns and "id" not in columns:
        raise LogError(
            f"{peeks[0].path}: no column says which problem a row belongs to (it has "
            f"{', '.join(sorted(peeks[0].keys)[:12])}); name one: --column question=NAME or id=NAME"
        )
    if "correct" not in columns and not {"text", "gold"} <= columns.keys():
        raise LogError(
            f"{peeks[0].path}: no column says what is right (it has "
            f"{', '.join(sorted(peeks[0].keys)[:12])}); name one: --column correct=NAME, or "
            "text=NAME and gold=NAME to have it judged"
        )

    found: dict[tuple[str, ...], Mapping[str, str]] = {}

    def columns_in(row: Row) -> Mapping[str, str]:
        """Also those that the first row did not have: a log grows columns."""
        keys = tuple(row.values)
        if keys not in found:
            found[keys] = {**columns_of(frozenset(keys), {}), **columns}
        return found[keys]

    def samples_in(peek: Peek) -> Iterator[LoggedSample]:
        wanted = sorted(set(columns.values())) if peek.path.suffix == ".parquet" else None
        yield from each(
            peeked_rows(peek, wanted), lambda row: _samples(row, columns_in(row), options)
        )

    judge = columns.get("correct", "")
    return Log(
        format="generic",
        peeks=peeks,
        samples_in=samples_in,
        judged_by=judge_name("column", judge) if judge else "",
    )


def _samples(row: Row, columns: Mapping[str, str], options: ReadOptions) -> Iterator[LoggedSample]:
    """One sample, or several where the row holds lists."""
    values = {role: row.values.get(name) for role, name in columns.items()}
    many: dict[str, Any] = {
        role: values[role] for role in ("text", "correct") if _is_list(values.get(role))
    }
    if not many:
        yield _sample(values, row.where, columns, options)
        return
    lengths = {columns[role]: len(entries) for role, entries in many.items()}
    if len(set(lengths.values())) > 1:
        told = " and ".join(f"{size} entries in {name}" for name, size in lengths.items())
        raise LogError(f"{row.where}: {told}; they must be of one length")
    for entries in zip(*many.values(), strict=True):
        yield _sample(
            {**values, **dict(zip(many, entries, strict=True))}, row.where, columns, options
        )


def _is_list(value: object) -> bool:
    """Whether it is a list of completions or scores, and not one chat in messages."""
    if not isinstance(value, Sequence) or isinstance(value, str):
        return False
    return not (value and all(isinstance(item, Mapping) for item in value))


def _sample(
    values: Mapping[str, Any],
    where: str,
    columns: Mapping[str, str],
    options: ReadOptions,
) -> LoggedSample:
    finish = finish_of(values.get("finish"))
    outcome, detail = None, ""
    if "correct" in columns:
        outcome = verdict_of(_flag(values["correct"]), where, options, columns["correct"])
        outcome = settled(outcome, finish)
        detail = "no score" if outcome is Outcome.FAILED else ""
    if as_text(values.get("outcome")) in set(Outcome):
        outcome = Outcome(as_text(values["outcome"]))
    if values.get("error"):
        outcome, detail = Outcome.FAILED, as_text(values["error"])[:500]
    identity = values.get("id")
    question = prompt_text(values.get("question"))
    if not question and identity in (None, ""):
        raise LogError(f"{where}: neither question nor id; every row needs one of them")
    entropy = values.get("entropy")
    return LoggedSample(
        problem_id=None if identity in (None, "") else as_text(identity),
        question=question,
        gold=_gold(values.get("gold")),
        text=completion_text(values.get("text")),
        where=where,
        number=whole(_flag(values.get("number"))),
        outcome=outcome,
        finish_reason=finish,
        n_tokens=whole(_flag(values.get("n_tokens"))),
        entropy=entropy if isinstance(entropy, float) else None,
        detail=detail,
        model=as_text(values["model"]) if values.get("model") else None,
        step=whole(_flag(values.get("step"))),
    )


def _flag(value: object) -> object:
    """CSV writes scores as text: true, 1, 0.0."""
    if not isinstance(value, str):
        return value
    word = value.strip().lower()
    if word in ("", "nan", "none", "null"):
        return None
    if word in ("true", "false", "yes", "no"):
        return word in ("true", "yes")
    try:
        return float(word)
    except ValueError:
        return value


def _gold(value: object) -> str:
    """A reference answer; verl's data sets keep it as reward_model.ground_truth."""
    if isinstance(value, Mapping) and "ground_truth" in value:
        return reference(value["ground_truth"])
    return reference(value)


FORMAT = LogFormat(
    name="generic",
    summary="rows with columns for question, completion and what is right (--column role=name)",
    matches=_matches,
    read=_read,
)
