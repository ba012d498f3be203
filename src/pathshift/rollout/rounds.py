"""Two finished runs drawn on in rounds, by one rule and to one cap on both sides.

What was drawn is the pilot: a problem goes on until so many of its samples were right or the cap is
reached, whatever the other model did on it. Draws are then spent where a verdict can still change
(nothing found, found by one model only, found too seldom), and yet every estimate stays without
bias, because each side ends by its own outcomes and path counting knows how. To draw again only
where the models differ, and only for the one that failed, would not be: chance alone makes that
one catch up.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from pathshift.decoding.policy import Policy
from pathshift.errors import ConfigError, ConfigMismatch, RunError
from pathshift.models.load import LoadOptions
from pathshift.models.protocol import Model
from pathshift.records import CountTable
from pathshift.rollout.course import ended
from pathshift.rollout.plan import Plan, rule_of
from pathshift.rollout.sampling import Progress, draw_samples
from pathshift.stats.stopping import StoppingRule
from pathshift.store.counts import run_counts
from pathshift.store.run import RunFolder, RunWriter


def common_rule(base: Path, tuned: Path, successes: int) -> StoppingRule:
    """The rule by which both runs are drawn on, with the cap of its first look.

    Runs without a rule take one with all their draws as the pilot; `adopt` writes it down.

    Raises:
        RunError: the two differ in rule or n.
    """
    folders = [RunFolder(base), RunFolder(tuned)]
    stated = [folder.manifest.config.get("stopping") for folder in folders]
    known = next((rule for rule in stated if rule is not None), None)
    wanted = known or {"pilot": folders[0].manifest.n, "successes": successes}
    for folder, rule in zip(folders, stated, strict=True):
        if rule != wanted and not (rule is None and folder.manifest.n == wanted["pilot"]):
            raise RunError(
                f"{folder.path} has {folder.manifest.n} samples a problem and stops by "
                f"{rule or 'no rule'}, the other run by {wanted}; both must start alike: draw the "
                "smaller on with `pathshift sample --n`"
            )
    return StoppingRule(**wanted, cap=max(wanted["pilot"], wanted["successes"]))


def adopt(paths: Sequence[Path], rule: StoppingRule, looks: int) -> None:
    """Write into runs the rule by which they are drawn on, and how often they are looked at.

    Before the first look: whoever compares them later shares the error among all that were planned.

    Raises:
        RunError: a run is not finished.
    """
    for path in paths:
        manifest = RunFolder(path).manifest
        is_known = manifest.config.get("stopping") is not None
        if is_known and manifest.environment.get("looks", 0) >= looks:
            continue
        with RunWriter(path, str(manifest.config["verifier"])) as writer:
            if not is_known:
                writer.adopt_stopping(rule.pilot, rule.successes)
            writer.record_looks(looks)


def caps_of(rule: StoppingRule, last: int) -> list[int]:
    """Caps of the rounds, each twice the one before, the pilot's own first and `last` at the end.

    Raises:
        ConfigError: `last` is not above the pilot.
    """
    caps = [rule.cap]
    if last <= rule.cap:
        raise ConfigError(f"--up-to {last} must be above the {rule.cap} samples of the pilot")
    while caps[-1] < last:
        caps.append(min(2 * caps[-1], last))
    return caps


def table_at(path: Path, cap: int) -> CountTable | None:
    """Counts of a run as they were when its cap was this one; None if draws are missing.

    Taken from the samples, so that a repeated look sees what the first one saw.
    """
    folder = RunFolder(path)
    rule = rule_of(folder.manifest.config, cap)
    assert rule is not None
    outcomes = folder.outcomes(str(folder.manifest.config["verifier"]))
    ends = {p.id: ended(outcomes.get(p.id, {}), rule) for p in folder.problems()}
    if None in ends.values():
        return None
    table = run_counts(path)
    counts = tuple(
        replace(
            p, n=end.n, c=end.c, failed=end.failed, unparsed=None, truncated=None, n_tokens=None
        )
        for p in table.counts
        if (end := ends[p.id]) is not None
    )
    return replace(
        table, counts=counts, settings={**table.settings, "stopping": rule.as_settings()}
    )


def draw_to(
    path: Path,
    cap: int,
    load: Callable[[str, LoadOptions], Model],
    *,
    device: str = "cpu",
    on_progress: Callable[[Progress], None] = lambda progress: None,
) -> Progress:
    """Draw a run on until every problem has enough successes or the cap.

    Args:
        load: Makes a model from its spec; as `load_model`.
        device: Where the model runs.

    Raises:
        ConfigMismatch: the spec names other weights now.
    """
    folder = RunFolder(path)
    config = folder.manifest.config
    model = load(
        str(config["model"]),
        LoadOptions(
            dtype=config.get("dtype") or "fp32", rows=config.get("rows") or 32, device=device
        ),
    )
    if model.info.weights_hash != config["weights_hash"]:
        raise ConfigMismatch(
            f"{path} was sampled with other weights than {config['model']} has now; "
            "draws of two models are not one run"
        )
    return draw_samples(_plan_of(folder, cap), model, path, on_progress=on_progress)


def _plan_of(folder: RunFolder, cap: int) -> Plan:
    """What the run was asked for, with another cap; problems and prompts as they are stored."""
    config, problems, prompts = folder.manifest.config, folder.problems(), folder.prompts()
    return Plan(
        problems=tuple(problems),
        prompts=tuple(prompts[problem.id] for problem in problems),
        is_chat=config["mode"] == "chat",
        policy=Policy(
            temperature=config["temperature"], top_k=config["top_k"], top_p=config["top_p"],
            min_p=config["min_p"], max_tokens=config["max_tokens"], stop=tuple(config["stop"]),
        ),
        manifest=replace(folder.manifest, n=cap),
    )  # fmt: skip
