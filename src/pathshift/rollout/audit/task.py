"""One task of this package, audited in this process: its verifier keeps what may hang apart."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pathshift.errors import ConfigError
from pathshift.problems.families import load_problems
from pathshift.rollout.audit.battery import audit_subject
from pathshift.rollout.audit.gym import GYM, audit_gym
from pathshift.rollout.audit.result import Audit
from pathshift.rollout.audit.subject import AuditOptions, TaskSubject


def audit_task(
    spec: str,
    options: AuditOptions | None = None,
    *,
    pairs: Mapping[str, str] | None = None,
    verifier: str | None = None,
    training: str | None = None,
    on_probe: Callable[[str], None] = lambda name: None,
) -> Audit:
    """What an attack on one task and its verifier finds.

    A reasoning-gym data set is judged by its own scorer, in a child process.

    Args:
        spec: As `pathshift tasks` lists them: arithmetic, jsonl:FILE, reasoning_gym:NAME.
        options: How much to try.
        pairs: Task options as text, as `-T key=value` gives them.
        verifier: Another verifier than the task's own.
        training: Spec of the training problems, to look for questions that stand in both.
        on_probe: Called with the name of each probe before it runs.

    Raises:
        UnknownName: There is no such task, data set or verifier.
        ConfigError: An option is out of its range, or does not apply to reasoning-gym.
        InputError: The problems are not to be had.
        MissingExtra: An optional package is not installed.
    """
    options = options or AuditOptions()
    family, _, name = spec.partition(":")
    if family == GYM:
        if verifier is not None or training is not None:
            raise ConfigError(
                "a reasoning_gym data set is audited with its own scorer and against another seed; "
                "leave out --verifier and --train"
            )
        # Before a child starts: an unknown name or setting is the user's mistake, no finding.
        load_problems(spec, {**(pairs or {}), "n": "1", "floor_draws": "0"}, limit=1)
        return audit_gym(options, names=[name], settings=pairs)[0]
    known = load_problems(training) if training is not None else None
    with TaskSubject(spec, pairs, verifier=verifier, timeout_s=options.timeout_s) as subject:
        return audit_subject(subject, options, training=known, on_probe=on_probe)
