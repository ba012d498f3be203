"""An Inspect log, `.json`, version 2, as inspect_ai 0.3.285 writes it: `inspect view` shows it.

A sample's epoch is its number from 1, its score C, I or N (no answer was found). A sample that
failed has an error and no score, as in Inspect itself: its reducers then leave it out of n. Results
hold the reducers mean and pass_at_k with the numbers handed in, and equal what Inspect computes
from the samples. What Inspect writes beside this is not in our records and left out: events, times
(start and end are the time that is handed in), input tokens (which it then shows as 0).

`inspect view` lists a `.json` log only if its name begins with a time, so that a folder given as
place gets a file of Inspect's own naming. Only ASCII is written, and no NaN.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import IO, Any

from pathshift.records import Outcome, Sample, Verdict, digest
from pathshift.store.exporters.judged import Exported, Judged, JudgedSample, Tally, why_failed
from pathshift.store.exporters.whole import refuse_existing, room, settle
from pathshift.store.rows import storable

_LISTED = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}[:-]\d{2}[:-]\d{2}")
_VALUES = {Outcome.CORRECT: "C", Outcome.WRONG: "I", Outcome.UNPARSED: "N"}
_STOPS = {"stop": "stop", "length": "max_tokens"}
_CONFIG: Mapping[str, tuple[str, type | tuple[type, ...]]] = {
    "temperature": ("temperature", (int, float)),
    "top_p": ("top_p", (int, float)),
    "top_k": ("top_k", int),
    "max_tokens": ("max_tokens", int),
    "seed": ("seed", int),
    "system": ("system_message", str),
    "stop": ("stop_seqs", list),
}
"""Our settings, with Inspect's names and types for them."""


def write(judged: Judged, out: Path) -> Exported:
    """A log at `out` if that is a `.json` file, else in the folder `out` under a name of its own.

    Raises:
        InputError: no judged sample, or the file is there already.
    """
    log = _Log(judged)
    is_file = out.suffix.lower() == ".json"
    target = out if is_file else out / log.file_name
    refuse_existing(target)
    tally = Tally(judged)
    with room(target.parent) as aside:
        file = aside / "log.json"
        with file.open("w", encoding="ascii", newline="\n") as content:
            log.write(tally.rows(), content)
        settle({file: target})
    unlisted = () if _LISTED.match(target.name) else (_UNLISTED.format(name=log.file_name),)
    return tally.exported(target, notes=(*judged.rate_notes, *unlisted))


_UNLISTED = (
    "`inspect view` lists .json logs whose names begin with a time only, like {name}; a folder as "
    "--out names it so"
)


class _Log:
    """One log; its ids follow from what is in it."""

    def __init__(self, judged: Judged) -> None:
        self.judged = judged
        self.counts = judged.judged_problems
        self.task, self.verifier, self.settings = judged.task, judged.verifier, judged.settings
        self.model = storable(judged.model) or "unknown"
        known = [(count.id, count.n, count.c, count.failed) for count in judged.table.counts]
        self.id = _short(self.model, self.task, judged.made_at, self.settings, known)

    @property
    def file_name(self) -> str:
        """As Inspect names its logs: time, task, id."""
        task = re.sub(r"[^A-Za-z0-9.-]+", "-", self.task).strip(".-")[:80] or "task"
        stamp = re.sub(r"[:+]", "-", self.judged.time.isoformat())
        return f"{stamp}_{task}_{_short(self.id, 'task')}.json"

    def write(self, rows: Iterable[JudgedSample], content: IO[str]) -> None:
        """Header first and samples one by one: readers stop there, and none is kept in memory."""
        header = {
            "version": 2,
            "status": "success",
            "eval": self._spec(),
            "plan": self._plan(),
            "results": self._results(),
            "stats": self._stats(),
            "invalidated": False,
        }
        content.write(json.dumps(header, allow_nan=False)[:-1] + ',\n"samples": [\n')
        for place, row in enumerate(rows):
            content.write(",\n" if place else "")
            content.write(json.dumps(self._sample(row), allow_nan=False))
        reductions = json.dumps(self._reductions(), allow_nan=False)
        content.write(f'\n],\n"reductions": {reductions}}}\n')

    def _spec(self) -> dict[str, Any]:
        table = self.judged.table
        return {
            "eval_id": self.id,
            "run_id": _short(self.id, "run"),
            "created": self.judged.time.isoformat(),
            "task": self.task,
            "task_id": _short(self.id, "task"),
            "task_version": 0,
            "dataset": {
                "name": self.task,
                "samples": len(table.counts),
                "sample_ids": [storable(count.id) for count in table.counts],
                "shuffled": False,
            },
            "model": self.model,
            "config": {
                "epochs": max(count.n + (count.failed or 0) for count in table.counts),
                "epochs_reducer": list(self._reducers()),
                "fail_on_error": False,
            },
            "packages": {"pathshift": version("pathshift")},
            "metadata": {"exported_by": "pathshift export", "settings": self.settings},
            "scorers": [
                {
                    "name": self.verifier,
                    "options": {},
                    "metrics": [{"name": "inspect_ai/accuracy", "options": {}}],
                    "metadata": {},
                }
            ],
        }

    def _plan(self) -> dict[str, Any]:
        given = self.settings
        config = {
            name: given[ours]
            for ours, (name, kind) in _CONFIG.items()
            if isinstance(given.get(ours), kind) and not isinstance(given[ours], bool)
        }
        if not config.get("top_k"):
            config.pop("top_k", None)  # ours is 0 where nothing is cut
        step = {"solver": "generate", "params": {}, "params_passed": {}}
        return {"name": "plan", "steps": [step], "config": config}

    def _reducers(self) -> dict[str, int]:
        """Name of each reducer and the k whose numbers it has; the mean of the scores is pass@1."""
        return {"mean": 1, **{f"pass_at_{k}": k for k in sorted(self.judged.rates)}}

    def _results(self) -> dict[str, Any]:
        means = self.judged.means()
        table = self.judged.table
        judged = sum(count.n for count in table.counts)
        return {
            "total_samples": judged + sum(count.failed or 0 for count in table.counts),
            "completed_samples": judged,
            "scores": [
                {
                    "name": self.verifier,
                    "scorer": self.verifier,
                    "reducer": reducer,
                    "scored_samples": len(self.counts),
                    "unscored_samples": 0,
                    "params": {},
                    "metrics": {"accuracy": {"name": "accuracy", "value": means[k], "params": {}}},
                }
                for reducer, k in self._reducers().items()
            ],
            "headline": {
                "scorer": self.verifier,
                "score": self.verifier,
                "metric": "accuracy",
                "reducer": "mean",
            },
        }

    def _reductions(self) -> list[dict[str, Any]]:
        names = [storable(count.id) for count in self.counts]
        return [
            {
                "scorer": self.verifier,
                "reducer": reducer,
                "samples": [
                    {"value": value, "sample_id": name}
                    for name, value in zip(names, self.judged.rates[k], strict=True)
                ],
            }
            for reducer, k in self._reducers().items()
        ]

    def _stats(self) -> dict[str, Any]:
        # Nobody knows when the samples were drawn; without a time the viewer shows "NaN days".
        made_at = self.judged.time.isoformat()
        known = [count.n_tokens for count in self.judged.table.counts]
        tokens = [n for n in known if n is not None]
        spent = sum(tokens) if len(tokens) == len(known) else None
        usage = _usage_of(self.model, spent)
        return {"started_at": made_at, "completed_at": made_at, "model_usage": usage}

    def _sample(self, row: JudgedSample) -> dict[str, Any]:
        problem, sample, verdict = row
        question, uuid = storable(problem.question), _short(self.id, sample.id)
        asked = {"id": _short(uuid, 0), "role": "user", "source": "input", "content": question}
        choices = self._choices(sample, verdict, _short(uuid, 1))
        content = {
            "id": storable(problem.id),
            "epoch": sample.sample_no + 1,
            "input": question,
            "target": storable(problem.gold),
            "messages": [asked, *(choice["message"] for choice in choices)],
            "output": {
                "model": self.model,
                "choices": choices,
                "completion": choices[0]["message"]["content"] if choices else "",
                "usage": _usage_of("usage", sample.n_tokens).get("usage"),
            },
            "scores": self._scores(verdict),
            "model_usage": _usage_of(self.model, sample.n_tokens),
            "uuid": uuid,
        }
        reason = why_failed(sample, verdict)
        if reason is not None:
            # The viewer shows the traceback alone; ours is the reason.
            content["error"] = dict.fromkeys(
                ("message", "traceback", "traceback_ansi"), storable(reason)
            )
        return content

    def _choices(self, sample: Sample, verdict: Verdict, name: str) -> list[dict[str, Any]]:
        """What the model said; nothing where it failed before it said a word."""
        if verdict.outcome is Outcome.FAILED and not sample.text:
            return []
        message = {
            "id": name,
            "role": "assistant",
            "source": "generate",
            "model": self.model,
            "content": storable(sample.text),
        }
        stop = _STOPS.get(sample.finish_reason, "unknown")
        return [{"message": message, "stop_reason": stop}]

    def _scores(self, verdict: Verdict) -> dict[str, Any]:
        if verdict.outcome is Outcome.FAILED:
            return {}
        score = {
            "value": _VALUES[verdict.outcome],
            "answer": None if verdict.answer is None else storable(verdict.answer),
            "explanation": f"{verdict.outcome.value}, judged by {self.verifier}",
        }
        return {self.verifier: score}


def _usage_of(name: str, output_tokens: int | None) -> dict[str, Any]:
    """Tokens under a name; nothing where nobody counted them."""
    if output_tokens is None:
        return {}
    return {name: {"output_tokens": output_tokens, "total_tokens": output_tokens}}


def _short(*parts: object) -> str:
    """An id of 22 digits and letters, as long as Inspect's own."""
    return digest(*parts)[:22]
