"""Who draws: this process, or workers on a Ray cluster."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from pathshift.cli.output import Speaker
from pathshift.errors import ConfigError
from pathshift.models.load import LoadOptions, load_model
from pathshift.models.protocol import Model
from pathshift.rollout.clustered import draw_on_crew, placed
from pathshift.rollout.crew import Crew, CrewOptions, RemoteModel
from pathshift.rollout.plan import Plan
from pathshift.rollout.sampling import Progress, draw_samples

_READ: Mapping[str, Callable[[str], Any]] = {
    "workers": int, "cpus": int, "gpus": float, "problems": int, "address": str, "staging": str,
}  # fmt: skip


class Draw(Protocol):
    """Brings a run folder to what its plan asks for; as `draw_samples` without its model."""

    def __call__(
        self,
        plan: Plan,
        model: Model,
        out: Path,
        *,
        on_progress: Callable[[Progress], None],
        shard_seconds: float,
    ) -> Progress:
        """See `draw_samples`."""


def engine_named(name: str, options: Mapping[str, str]) -> CrewOptions | None:
    """What --engine and -E say; None for this process.

    Raises:
        ConfigError: no such engine or option, or a value that is none.
    """
    if name not in ("local", "ray"):
        raise ConfigError(f"--engine {name!r} is not known; use local or ray")
    if name == "local":
        if options:
            raise ConfigError(f"-E {next(iter(options))} belongs to --engine ray")
        return None
    values = {}
    for key, text in options.items():
        if key not in _READ:
            raise ConfigError(f"-E {key} is not known; use {', '.join(_READ)}")
        try:
            values[key] = _READ[key](text)
        except ValueError:
            raise ConfigError(f"-E {key}={text!r} must be a number") from None
    return CrewOptions(**values)


def part_of(text: str | None) -> tuple[int, int] | None:
    """From I/N to numbers.

    >>> part_of("2/8")
    (2, 8)
    """
    if text is None:
        return None
    found = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text)
    if not found or not 1 <= int(found[1]) <= int(found[2]):
        raise ConfigError(f"--shard {text!r} must be I/N with I from 1 to N, such as 1/8")
    return int(found[1]), int(found[2])


@contextmanager
def running(
    options: CrewOptions | None, spec: str, load: LoadOptions, speaker: Speaker
) -> Iterator[tuple[Model, Draw]]:
    """The model and the way to draw from it, for as long as it is needed."""
    if options is None:
        yield load_model(spec, load), draw_samples
        return
    with Crew(spec, load, options) as crew:
        speaker.advise(f"{len(crew.workers)} workers on Ray; waiting for the first")
        yield crew.first(), partial(_draw, crew, speaker)


def _draw(
    crew: Crew,
    speaker: Speaker,
    plan: Plan,
    model: Model,
    out: Path,
    *,
    on_progress: Callable[[Progress], None],
    shard_seconds: float,
) -> Progress:
    assert isinstance(model, RemoteModel)

    def note(line: str) -> None:
        speaker.say(f"note: {line}")

    return draw_on_crew(
        placed(plan, model), crew, out,
        on_progress=on_progress, on_note=note, shard_seconds=shard_seconds,
    )  # fmt: skip
