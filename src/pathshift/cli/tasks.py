"""pathshift tasks: what can be asked."""

from __future__ import annotations

from pathshift.cli.output import JsonFlag, QuietFlag, Speaker


def tasks(json: JsonFlag = None, quiet: QuietFlag = False) -> None:
    """List the task families: what is asked, what blind guessing is, where it comes from.

    Example: pathshift tasks
    """
    from dataclasses import fields

    from pathshift.problems.families import FAMILIES
    from pathshift.rollout.tasks import TASKS

    speaker = Speaker(json, quiet=quiet)
    rows = []
    for name, family in FAMILIES.items():
        options = {f.name: str(f.default) for f in fields(family.options)}
        task = TASKS[name]
        speaker.say(f"{name}: {family.summary}")
        speaker.say(f"    floor: {family.floor}")
        speaker.say(f"    from: {family.licence} · verifier: {task.verifier}")
        speaker.say(f"    options (-T name=value): {', '.join(options)}")
        rows.append(
            {
                "name": name,
                "summary": family.summary,
                "floor": family.floor,
                "licence": family.licence,
                "verifier": task.verifier,
                "options": options,
            }
        )
    speaker.advise(
        "next: pathshift sample --model smollm2 --tasks gsm8k --n 32 --limit 20 --out runs/a"
    )
    speaker.result({"tasks": rows})
