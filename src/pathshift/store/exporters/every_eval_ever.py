"""Every Eval Ever, schema 0.3.0: `data/{collection}/{developer}/{model}/{uuid}.json` and
`{uuid}_samples.jsonl`.

The aggregate states pass@k over all judged problems, one result a k. The samples are rows that
share a `sample_id` where they answer one question; their number, finish reason and outcome stand in
`metadata`, for which the schema has no other place. A sample that failed has `error`, and
`is_correct` false because the schema allows no null: a reader has to look at `error` first. Output
tokens stand in `metadata` too: `token_usage` must also state the input's, which nobody counted.

Only ASCII is written, since the tool's checks split lines where Unicode does. The name is a UUID of
version 4, the only one its checks let pass, made of the content: the same samples of the same model
get the same name, whenever they are exported.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import IO, Any
from uuid import UUID

from pathshift.errors import InputError
from pathshift.records import Outcome, digest
from pathshift.store.exporters.judged import Exported, Judged, JudgedSample, Tally, why_failed
from pathshift.store.exporters.whole import refuse_existing, room, settle
from pathshift.store.rows import storable

SCHEMA_VERSION = "0.3.0"
RESULT = "pass_at_1"
"""Result that the rows of samples belong to."""

_MODEL = re.compile(r"[A-Za-z0-9][\w.:+-]*(/[A-Za-z0-9][\w.:+-]*)+", re.ASCII)
_NAMES_OF_DEVICES = re.compile(r"(CON|PRN|AUX|NUL|COM\d|LPT\d)(\..*)?", re.IGNORECASE)
_DETAILS = ("system", "seed", "min_p", "stop", "mode", "dtype", "task_hash", "template_hash",
            "weights_hash", "entropy")  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """Where a model's files belong.

    Attributes:
        model: DEVELOPER/NAME.
        folder: Relative to the data store, with slashes.
        evaluation: Name, model and time, as the schema asks.
    """

    model: str
    folder: str
    evaluation: str


def write(judged: Judged, out: Path) -> Exported:
    """Both files under the data store `out`.

    Raises:
        InputError: no model of the form DEVELOPER/NAME, no judged sample, or the same samples have
            been exported there already.
    """
    place = _place(judged)
    content = _aggregate(judged, place)
    folder = out / place.folder
    tally = Tally(judged)
    with room(folder) as aside:
        rows, about = aside / "samples", aside / "aggregate"
        with rows.open("w", encoding="ascii", newline="\n") as lines:
            name = _write_rows(judged, place, tally, lines)
        targets = {rows: folder / f"{name}_samples.jsonl", about: folder / f"{name}.json"}
        for target in targets.values():
            refuse_existing(target)
        details = {
            "format": "jsonl",
            "file_path": f"{place.folder}/{name}_samples.jsonl",
            "hash_algorithm": "sha256",
            "checksum": _sha256(rows),
            "total_rows": tally.samples,
        }
        content = {**content, "detailed_evaluation_results": details}
        about.write_text(json.dumps(content, indent=2, allow_nan=False) + "\n", encoding="ascii")
        # The aggregate last: it names the samples, and what it names has to be there.
        settle(targets)
    return tally.exported(*targets.values(), notes=judged.rate_notes)


def _place(judged: Judged) -> _Place:
    """Where the files go, and what they call the model."""
    model = judged.model.removeprefix("hf:").partition("@")[0]
    parts = model.split("/")
    if not _MODEL.fullmatch(model) or not all(map(_is_portable, parts)):
        said = f"the model is {judged.model!r:.80}" if judged.model else "no model is named"
        raise InputError(
            f"{judged.table.name}: {said}, but every-eval-ever files models under DEVELOPER/NAME; "
            "name it so with --model"
        )
    name = "_".join(parts[1:]).replace(":", "_")
    collection = re.sub(r"[^A-Za-z0-9._-]+", "_", judged.task).strip("._ ")[:100] or "samples"
    if not _is_portable(collection):
        collection = f"{collection}_"
    return _Place(
        model=model,
        folder=f"data/{collection}/{parts[0].replace(':', '_')}/{name}",
        evaluation=f"{judged.task}/{model.replace('/', '_')}/{judged.made_at}",
    )


def _is_portable(name: str) -> bool:
    """Whether the data store takes it as the name of a folder."""
    is_word = name.lower() not in ("data", "unknown")
    return is_word and not name.endswith(".") and not _NAMES_OF_DEVICES.fullmatch(name)


def _write_rows(judged: Judged, place: _Place, tally: Tally, lines: IO[str]) -> UUID:
    """One line a sample; the name that their content gives."""
    content = hashlib.sha256(digest(place.model, judged.task, judged.verifier).encode())
    for problem, sample, verdict in tally.rows():
        row = _row(judged, place, (problem, sample, verdict))
        lines.write(json.dumps(row) + "\n")
        identity = (problem.content_hash, sample.id, sample.text, verdict.outcome, verdict.answer)
        content.update(digest(*identity).encode())
    return UUID(bytes=content.digest()[:16], version=4)


def _row(judged: Judged, place: _Place, judged_sample: JudgedSample) -> dict[str, Any]:
    problem, sample, verdict = judged_sample
    question, gold = storable(problem.question), storable(problem.gold)
    is_correct = verdict.outcome is Outcome.CORRECT
    metadata = {
        "sample_index": str(sample.sample_no),
        "finish_reason": sample.finish_reason,
        "outcome": verdict.outcome.value,
    }
    if sample.n_tokens is not None:
        metadata["output_tokens"] = str(sample.n_tokens)
    row = {
        "schema_version": SCHEMA_VERSION,
        "evaluation_id": place.evaluation,
        "model_id": place.model,
        "evaluation_name": judged.task,
        "evaluation_result_id": RESULT,
        "sample_id": storable(problem.id),
        "sample_hash": hashlib.sha256((question + gold).encode()).hexdigest(),
        "interaction_type": "single_turn",
        "input": {"raw": question, "reference": [gold]},
        "output": {"raw": [storable(sample.text)]},
        "answer_attribution": _attribution(verdict.answer, judged.verifier),
        "evaluation": {"score": float(is_correct), "is_correct": is_correct},
        "metadata": metadata,
    }
    error = why_failed(sample, verdict)
    return row if error is None else {**row, "error": storable(error)}


def _attribution(answer: str | None, verifier: str) -> list[dict[str, Any]]:
    if answer is None:
        return []
    return [
        {
            "turn_idx": 0,
            "source": "output.raw",
            "extracted_value": storable(answer),
            "extraction_method": verifier,
            "is_terminal": True,
        }
    ]


def _aggregate(judged: Judged, place: _Place) -> dict[str, Any]:
    """All but the reference to the samples."""
    counts = judged.table.counts
    details = {
        "problems": str(len(judged.judged_problems)),
        "judged_samples": str(sum(count.n for count in counts)),
        "failed_samples": str(sum(count.failed or 0 for count in counts)),
    }
    return {
        "schema_version": SCHEMA_VERSION,
        "evaluation_id": place.evaluation,
        "retrieved_timestamp": str(judged.made_at),
        "source_metadata": {
            "source_type": "evaluation_run",
            "source_name": "pathshift export",
            "source_organization_name": "unknown",
            "evaluator_relationship": "other",
        },
        "eval_library": _library(judged),
        "model_info": {
            "name": place.model.rpartition("/")[2],
            "id": place.model,
            "developer": place.model.partition("/")[0],
            "additional_details": {
                "deployment_type": "unknown",
                "model_availability": "unknown",
                "spec": storable(judged.model),
            },
        },
        "evaluation_results": [
            _result(judged, k, {"score": score, "details": details})
            for k, score in sorted(judged.means().items())
        ],
    }


def _library(judged: Judged) -> dict[str, Any]:
    """Who made the evaluation: the tool of a foreign log with its version, or this package."""
    settings = judged.settings
    own = version("pathshift")
    found = {"name": "pathshift", "version": own}
    if "format" in settings:
        said = str(settings.get("tool") or settings["format"])
        tool, _, number = said.rpartition(" ")
        is_split = bool(tool) and number[:1].isdigit()
        name, number = (tool, number) if is_split else (said, "unknown")
        found = {"name": name, "version": number}
    details = {"verifier": judged.verifier, "exported_by": f"pathshift {own}"}
    return {**found, "additional_details": details}


def _result(judged: Judged, k: int, score: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "evaluation_result_id": f"pass_at_{k}",
        "evaluation_name": judged.task,
        "source_data": {"dataset_name": judged.task, "source_type": "other"},
        "metric_config": {
            "evaluation_description": "Unbiased pass@k (Chen et al. 2021), mean over problems",
            "metric_id": "pass_at_k",
            "metric_name": f"pass@{k}",
            "metric_kind": "pass_rate",
            "metric_unit": "proportion",
            "metric_parameters": {"k": k},
            "lower_is_better": False,
            "score_type": "continuous",
            "min_score": 0.0,
            "max_score": 1.0,
        },
        "score_details": score,
        "generation_config": _generation(judged.settings),
    }


def _generation(settings: Mapping[str, Any]) -> dict[str, Any]:
    """What is known of how the samples were drawn; numbers only where the schema wants them."""
    numbers = {
        name: settings[name]
        for name in ("temperature", "top_p", "top_k", "max_tokens")
        if isinstance(settings.get(name), int | float) and not isinstance(settings[name], bool)
    }
    # Our top_k 0 means that nothing is cut; the schema wants at least one token.
    arguments: dict[str, Any] = {
        name: value for name, value in numbers.items() if value or name in ("temperature", "top_p")
    }
    if isinstance(settings.get("template"), str):
        arguments["prompt_template"] = settings["template"]
    details = {
        name: settings[name] if isinstance(settings[name], str) else json.dumps(settings[name])
        for name in _DETAILS
        if settings.get(name) not in (None, "", [])
    }
    return {"generation_args": arguments, "additional_details": details}


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
