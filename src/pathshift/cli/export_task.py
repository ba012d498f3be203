"""A task for verl: the part of `pathshift export` that has no samples."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from typer import Option

from pathshift.cli.output import Speaker
from pathshift.errors import ConfigError

if TYPE_CHECKING:
    from pathshift.training.bridges.verl import VerlTask

TaskOptions = Annotated[
    list[str] | None, Option("-T", metavar="K=V", help="verl: option of the task; repeat it.")
]
Limit = Annotated[int | None, Option(help="verl: first problems only. [default: all]")]
HeldOut = Annotated[
    str | None, Option(help="verl: task to validate on, none of it trained on. [default: none]")
]
HeldOutOptions = Annotated[
    list[str] | None, Option("-H", metavar="K=V", help="verl: option of --held-out; repeat it.")
]
HeldOutLimit = Annotated[int | None, Option(help="verl: first held-out problems only.")]
Chat = Annotated[
    bool | None,
    Option("--chat/--completion", help="verl: how a problem is asked. [default: chat]"),
]
PromptTemplate = Annotated[
    Path | None, Option(help="verl: file with {question} in it. [default: the task's]")
]
System = Annotated[str | None, Option(help="verl: system turn of a chat.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskFlags:
    """What a user says of a task; None where nothing is said."""

    options: list[str] | None
    limit: int | None
    held_out: str | None
    held_out_options: list[str] | None
    held_out_limit: int | None
    chat: bool | None
    template: Path | None
    system: str | None

    def check_unused(self, to: str) -> None:
        """Refuse them where samples are written.

        Raises:
            ConfigError: One is given.
        """
        flags = {
            "-T": self.options, "--limit": self.limit, "--held-out": self.held_out,
            "-H": self.held_out_options, "--held-out-limit": self.held_out_limit,
            "--chat/--completion": self.chat, "--prompt-template": self.template,
            "--system": self.system,
        }  # fmt: skip
        given = [flag for flag, value in flags.items() if value is not None]
        if given:
            raise ConfigError(f"{given[0]} belongs to --to verl, not to --to {to}")


def export_for_verl(
    task: str, flags: TaskFlags, verifier: str | None, out: Path, speaker: Speaker
) -> None:
    """Write data, settings and the line that trains on them."""
    from pathshift.training.bridges.verl import export_task

    asked, held_out = _tasks(task, flags, verifier)
    done = export_task(asked, out, held_out=held_out)
    files = [path for path in (done.train, done.held_out, done.settings) if path is not None]
    for path in files:
        speaker.say(str(path))
    speaker.advise(
        f"next, where verl is: xargs -a {shlex.quote(str(done.settings))} -d '\\n' "
        "python -m verl.trainer.main_ppo actor_rollout_ref.model.path=MODEL"
    )
    speaker.result({"format": "verl", "files": [str(path) for path in files]})


def _tasks(task: str, flags: TaskFlags, verifier: str | None) -> tuple[VerlTask, VerlTask | None]:
    """What is trained on and, where the task is the same one, held out as it is asked."""
    from pathshift.cli.sample import pairs, text_of
    from pathshift.training.bridges.verl import VerlTask

    if flags.held_out is None and (flags.held_out_options or flags.held_out_limit is not None):
        raise ConfigError("-H and --held-out-limit speak of held-out problems: name --held-out")
    mode: dict[str, Any] = {"mode": "completion" if flags.chat is False else "chat"}
    asked: dict[str, Any] = {
        **mode, "template": text_of(flags.template), "system": flags.system, "verifier": verifier,
    }  # fmt: skip
    first = VerlTask(
        task=task, task_options=pairs(flags.options or [], "-T"), limit=flags.limit, **asked
    )
    if flags.held_out is None:
        return first, None
    is_same = flags.held_out.partition(":")[0] == task.partition(":")[0]
    other = VerlTask(
        task=flags.held_out, task_options=pairs(flags.held_out_options or [], "-H"),
        limit=flags.held_out_limit, **(asked if is_same else mode),
    )  # fmt: skip
    return first, other
