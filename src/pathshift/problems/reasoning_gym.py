"""reasoning_gym:NAME, the procedural data sets of the reasoning-gym package (extra `gym`).

Covers every data set that can be set up by plain values; its own settings are given as further task
options and checked against its configuration (one that is called like an option of ours is out of
reach: the `n` of n_queens). Does not cover `composite`, which takes a list of data sets. Questions
that come twice are asked once, so fewer than `n` may come.

`data` holds the data set's name and the entry its scorer needs, as JSON values: tuples come back as
lists, which the scorers of arc_agi and rearc tell apart. Five data sets (boxnet, graph_color,
propositional_logic, rubiks_cube, rush_hour) give no reference answer: gold is empty, floor unknown.

Null policy: the gold answer of another item of the same data set, drawn blindly; the floor is the
share of `floor_draws` such answers that the scorer accepts, no finer than one of them. For the four
data sets whose scorer evaluates the answer as code, texts are compared instead.
"""

from __future__ import annotations

import contextlib
import dataclasses
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, get_type_hints

from pathshift.errors import ConfigError, InputError, MissingExtra, UnknownName
from pathshift.problems.options import check_at_least, convert
from pathshift.problems.seeds import generator
from pathshift.records import Problem

EVALUATING = frozenset({"string_insertion", "spiral_matrix", "binary_matrix", "n_queens"})
"""Data sets whose scorer hands the answer to Python's eval."""

ACCEPTED = 0.99
"""Score from which an answer counts as right; scorers give partial credit below."""

# What scorers were seen or may be expected to raise on an answer of another shape.
_SCORER_ERRORS = (ArithmeticError, AttributeError, LookupError, SyntaxError, TypeError, ValueError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Which data set, and how it is set up.

    Attributes:
        name: Name of the data set.
        n: How many items to draw.
        seed: Seed of the draw.
        floor_draws: Answers of other items that the floor is estimated from; 0 for no floor.
        settings: The data set's own settings as pairs of name and text.
    """

    name: str = ""
    n: int = 100
    seed: int = 0
    floor_draws: int = 64
    settings: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        check_at_least(self, n=1, seed=0, floor_draws=0)


def load(options: Options, *, limit: int | None) -> list[Problem]:
    """The first items of the data set.

    Raises:
        MissingExtra: reasoning-gym is not installed.
        UnknownName: It has no such data set.
        ConfigError: The data set refuses a setting.
    """
    dataset = create(options, seed=options.seed, size=options.n)
    others = _answers_of_others(options)
    problems: dict[str, Problem] = {}
    for number in range(options.n):
        if limit is not None and len(problems) >= limit:
            break
        item = dataset[number]
        if item["question"] not in problems:
            chance = _floor(dataset, item, others, name=options.name)
            problems[item["question"]] = _problem(item, number, chance, options)
    return list(problems.values())


def data_set_names() -> list[str]:
    """Every data set that a spec can name, in the order of the alphabet.

    Raises:
        MissingExtra: reasoning-gym is not installed.
    """
    try:
        import reasoning_gym
        import reasoning_gym.factory
    except ModuleNotFoundError:
        raise MissingExtra("reasoning-gym", "gym") from None
    return sorted(set(reasoning_gym.factory.DATASETS) - {"composite"})


def create(options: Options, *, seed: int, size: int) -> Any:
    """The package's own data set of `size` items; `load` says what is raised."""
    names = data_set_names()
    import reasoning_gym
    from reasoning_gym.factory import DATASETS

    if options.name not in names:
        raise UnknownName(
            f"no reasoning_gym data set {options.name!r}; there are: {', '.join(names)}"
        )
    settings = _settings(options, DATASETS[options.name][1])
    try:
        return reasoning_gym.create_dataset(options.name, seed=seed, size=size, **settings)
    # Its configurations check themselves by assert.
    except (AssertionError, TypeError, ValueError) as error:
        raise ConfigError(f"reasoning_gym:{options.name} refuses {settings}: {error}") from None


def _settings(options: Options, config: type) -> dict[str, Any]:
    """The settings in the types that the data set's configuration declares."""
    kinds = get_type_hints(config)
    known = {field.name for field in dataclasses.fields(config)} - {"seed", "size"}
    for key, _ in options.settings:
        if key not in known:
            raise ConfigError(
                f"reasoning_gym:{options.name} has no setting {key!r}; it knows n, seed, "
                f"floor_draws, {', '.join(sorted(known))}"
            )
    return {key: convert(key, text, kinds[key]) for key, text in options.settings}


def _answers_of_others(options: Options) -> list[str]:
    """Gold answers of items from another seed, the same ones for every item and limit."""
    if not options.floor_draws:
        return []
    seed = generator("reasoning_gym floor", options.seed).getrandbits(31)
    others = create(options, seed=seed, size=options.floor_draws)
    answers = [others[number]["answer"] for number in range(options.floor_draws)]
    return [answer for answer in answers if answer is not None]


def _floor(dataset: Any, item: Mapping[str, Any], others: list[str], *, name: str) -> float | None:
    if not others or item["answer"] is None:
        return None
    if name in EVALUATING:
        gold = str(item["answer"]).strip()
        return sum(answer.strip() == gold for answer in others) / len(others)
    # Some scorers print what they find wrong.
    with contextlib.redirect_stdout(io.StringIO()):
        return sum(_accepts(dataset, item, answer) for answer in others) / len(others)


def _accepts(dataset: Any, item: Mapping[str, Any], answer: str) -> bool:
    try:
        return bool(dataset.score_answer(answer, item) >= ACCEPTED)
    except _SCORER_ERRORS:
        return False


def stored(item: Mapping[str, Any]) -> Any:
    """An item as a run folder keeps it: JSON values, and text for what JSON has no value for.

    gsm_symbolic has fractions among its variables, which its scorer does not look at.
    """
    return json.loads(json.dumps(item, default=str))


def _problem(
    item: Mapping[str, Any], number: int, chance: float | None, options: Options
) -> Problem:
    try:
        entry = stored(item)
    except (TypeError, ValueError) as error:
        raise InputError(f"reasoning_gym:{options.name} has items beyond JSON: {error}") from None
    return Problem(
        id=f"{options.name}-{options.seed}-{number}",
        task="reasoning_gym",
        question=item["question"],
        gold="" if item["answer"] is None else str(item["answer"]),
        source=f"reasoning_gym-{options.name}",
        floor=chance,
        data={"dataset": options.name, "entry": entry},
    )
