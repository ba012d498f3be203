"""pathshift lab build, measure, check, bundle, exposures: the zoo from its recipes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from typer import Argument, Option

from pathshift.cli.interrupts import resumable
from pathshift.cli.output import JsonFlag, ProgressLine, QuietFlag, Speaker

if TYPE_CHECKING:
    from pathshift.lab.zoo.building import Told
    from pathshift.lab.zoo.recipe import Recipe

Names = Annotated[list[str], Argument(help="Recipes, such as compose-base; `all` for every one.")]
Out = Annotated[Path, Option(help="Folder that holds a folder for each model.")]
File = Annotated[
    Path | None, Option("--recipe", help="A recipe file of your own, for the one NAME.")
]
Threads = Annotated[int | None, Option(help="CPU threads. [default: torch's choice]")]


def build(
    names: Names,
    out: Out,
    recipe: File = None,
    threads: Threads = None,
    json: JsonFlag = None,
    quiet: QuietFlag = False,
) -> None:
    """Make models of the zoo from their recipes: corpus, training, weights in bf16, card. A base
    that is not there is built first. Run the same command again to go on where it ended.

    Example: pathshift lab build compose-base compose-grpo --out zoo
    """
    from pathshift.cli.train_sft import use_threads
    from pathshift.lab.zoo.building import build as build_one

    speaker = Speaker(json, quiet=quiet)
    use_threads(threads)
    found: dict[str, Any] = {}
    for one in _recipes(names, recipe):
        with resumable(f"what was made of {one.name} is in {out / one.name}"):
            found[one.name] = str(build_one(one, out, _told(speaker)))
        speaker.say(f"{one.name}: {found[one.name]}")
    speaker.advise(f"next: pathshift lab measure {' '.join(found)} --out {out}")
    speaker.result({"models": found})


def measure(
    names: Names,
    out: Out,
    recipe: File = None,
    threads: Threads = None,
    json: JsonFlag = None,
    quiet: QuietFlag = False,
) -> None:
    """Sample built models on their evaluation sets and write pass@k, intervals and what blind
    guessing reaches into their cards.

    Example: pathshift lab measure compose-base --out zoo
    """
    from pathshift.cli.train_sft import use_threads
    from pathshift.lab.zoo.measuring import measure as measure_one
    from pathshift.lab.zoo.measuring import table_lines

    speaker = Speaker(json, quiet=quiet)
    use_threads(threads)
    found: dict[str, Any] = {}
    for one in _recipes(names, recipe):
        with resumable(f"what was drawn of {one.name} is in {out / one.name}"):
            found[one.name] = measure_one(one, out, _told(speaker))
        for line in [one.name, *table_lines(found[one.name])]:
            speaker.say(line)
    speaker.result({"models": found})


def check(
    names: Names,
    out: Out,
    threads: Threads = None,
    json: JsonFlag = None,
    quiet: QuietFlag = False,
) -> None:
    """Rebuild bundled models from their recipes and measure them: each number must lie within the
    interval that the bundled card states. Exits with 1 where one does not.

    Example: pathshift lab check compose-base --out rebuilt
    """
    import typer

    from pathshift.cli.train_sft import use_threads
    from pathshift.lab.zoo.building import build as build_one
    from pathshift.lab.zoo.measuring import check as check_one
    from pathshift.models.zoo import zoo_location

    speaker = Speaker(json, quiet=quiet)
    use_threads(threads)
    found: dict[str, Any] = {}
    for one in _recipes(names, None):
        stated = zoo_location(one.name)
        with resumable(f"what was made of {one.name} is in {out / one.name}"):
            build_one(one, out, _told(speaker))
            apart = check_one(one, out, stated, _told(speaker))
        speaker.say(f"{one.name}: {'reproduced' if not apart else 'NOT within its intervals'}")
        for departure in apart:
            speaker.say(f"  {departure.line}")
        found[one.name] = [departure.line for departure in apart]
    speaker.result({"departures": found})
    if any(found.values()):
        raise typer.Exit(1)


def bundle(
    names: Names,
    out: Out,
    into: Annotated[
        Path | None, Option(help="Where to. [default: the package, where zoo:NAME looks]")
    ] = None,
    json: JsonFlag = None,
    quiet: QuietFlag = False,
) -> None:
    """Copy built and measured models to where `zoo:NAME` finds them.

    Example: pathshift lab bundle compose-base --out zoo
    """
    from pathshift.lab.zoo.building import MODEL
    from pathshift.lab.zoo.pack import bundle as bundle_one
    from pathshift.models.zoo import FOLDER

    speaker = Speaker(json, quiet=quiet)
    found = {}
    for one in _recipes(names, None):
        copied = bundle_one(out / one.name / MODEL, one.name, FOLDER if into is None else into)
        size = sum(file.stat().st_size for file in copied.iterdir())
        speaker.say(f"{one.name}: {copied} ({size / 1e6:.2f} MB)")
        found[one.name] = str(copied)
    speaker.result({"models": found})


def exposures(
    out: Out, threads: Threads = None, json: JsonFlag = None, quiet: QuietFlag = False
) -> None:
    """How much of depth 3 must a base have seen? Builds three bases that saw none, 0.1% and 1% of
    it and a GRPO child of each, measures them at depths 3 and 4, and compares. It takes hours; run
    it again to go on where it ended.

    Example: pathshift lab exposures --out exposures
    """
    from dataclasses import asdict

    from pathshift.cli.train_sft import use_threads
    from pathshift.lab.zoo.exposures import exposures as all_pairs
    from pathshift.lab.zoo.exposures import lines

    speaker = Speaker(json, quiet=quiet)
    use_threads(threads)
    with resumable(f"what was made is in {out}"):
        found = all_pairs(out, _told(speaker))
    for line in lines(found):
        speaker.say(line)
    speaker.result({"pairs": [asdict(one) for one in found]})


def _recipes(names: list[str], path: Path | None) -> list[Recipe]:
    """All are read before anything is done."""
    from pathshift.errors import ConfigError
    from pathshift.lab.zoo.recipe import read_recipe, recipe_names

    wanted = recipe_names() if names == ["all"] else names
    if path is not None and len(wanted) != 1:
        raise ConfigError(f"--recipe {path} is one model; give one name, not {len(wanted)}")
    return [read_recipe(name, path) for name in wanted]


def _told(speaker: Speaker) -> Told:
    from pathshift.lab.zoo.building import Told
    from pathshift.training.progress import StepLine

    return Told(
        say=speaker.advise, on_step=StepLine(quiet=speaker.quiet),
        on_draw=ProgressLine(quiet=speaker.quiet),
    )  # fmt: skip
