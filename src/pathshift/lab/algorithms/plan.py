"""What the study runs and by which rule it judges: read from TOML, checked key by key, hashed.

Everything that could be chosen after a look at the results stands here beforehand: margin, level,
grid of learning rates, which steps tune, how many problems and samples measure.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

from pathshift.errors import ConfigError, RunError, UnknownName
from pathshift.lab.zoo.evaluation import evaluation_set
from pathshift.records import digest
from pathshift.rollout.tasks import task_named
from pathshift.store.manifest import check_same_config, write_json

FILE_NAME = "plan.json"
KINDS = ("algorithm", "control", "ablation")
_Record = TypeVar("_Record")


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """One way to train, repeated over seeds.

    Attributes:
        kind: "algorithm" for those that are compared for being alike; "control"; "ablation".
        algorithm: One of `training.algorithms.ALGORITHMS`.
        reward: "verifier", "random" or "wrong-sign".
        rate_of: The arm whose tuned learning rate is used; empty for its own tuning.
        steps: In place of the study's; 0 for the study's.
        kl: Penalty a nat for leaving the base.
        n_seeds: Only so many of the study's seeds, the first ones; 0 for all.
    """

    name: str
    algorithm: str
    kind: str = "algorithm"
    reward: str = "verifier"
    rate_of: str = ""
    steps: int = 0
    kl: float = 0.0
    n_seeds: int = 0

    def __post_init__(self) -> None:
        """Check what needs no other arm."""
        if self.kind not in KINDS:
            raise ConfigError(f"arm {self.name}: kind {self.kind!r}; use one of {', '.join(KINDS)}")

    @property
    def tunes(self) -> bool:
        """Whether it has a tuning of its own."""
        return not self.rate_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """One family of problems and its base.

    Attributes:
        name: The task.
        base: Model spec of the base.
        options: The training task's options, as text; `seed` and `n` are set by the study.
        mode: How problems are asked: "chat" or "completion".
        n_train: Problems trained on.
        seed: Of the training problems; tuning has those of the next seed.
        inside, outside: Evaluation sets in and out of the training's domain.
        n_inside, n_outside: Their problems, the first ones.
        max_tokens: Of a sample.
        beside: Model specs that are measured beside the study's own, by name.
    """

    name: str
    base: str
    options: Mapping[str, str]
    inside: str
    outside: str
    n_inside: int
    n_outside: int
    n_train: int
    max_tokens: int
    seed: int = 7_001
    mode: str = "chat"
    beside: Mapping[str, str]

    def __post_init__(self) -> None:
        """Check the names it uses."""
        task_named(self.name)
        for name in (self.inside, self.outside):
            evaluation_set(name)

    @property
    def sets(self) -> dict[str, tuple[str, int]]:
        """Evaluation set and problems, "inside" and "outside"."""
        return {
            "inside": (self.inside, self.n_inside), "outside": (self.outside, self.n_outside)
        }  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The whole study.

    Attributes:
        seeds: Of training; every arm has the same ones.
        n_steps, n_prompts, n_samples: Of a training.
        redraws: DAPO's further attempts at groups that tell something.
        look_every: Steps between two looks at `look_problems` problems x `look_n` samples.
        final_n: Samples a problem in the final measurement.
        rates: Learning rates that every algorithm is tuned on.
        tune_steps, tune_seed: Of a tuning run; its problems are not trained on later.
        tune_last: The best rate has the highest mean reward over so many last steps.
        margin: Differences of pass@k within it count as alike.
        level: Of intervals and bands; both one-sided tests of TOST have an error of 1 - level.
        power: Chance of calling alike what is, for which the smallest margin is stated.
    """

    name: str
    arms: tuple[Arm, ...]
    families: tuple[Family, ...]
    rates: tuple[float, ...]
    seeds: tuple[int, ...] = (0, 1, 2)
    n_steps: int = 60
    n_prompts: int = 16
    n_samples: int = 16
    redraws: int = 1
    look_every: int = 20
    look_n: int = 64
    look_problems: int = 40
    final_n: int = 1024
    tune_steps: int = 20
    tune_seed: int = 1000
    tune_last: int = 5
    margin: float = 0.05
    level: float = 0.95
    power: float = 0.8

    def __post_init__(self) -> None:
        """Check every rule that needs the whole."""
        for name in ("n_steps", "n_prompts", "n_samples", "look_every", "look_n", "look_problems",
                     "final_n", "tune_steps", "tune_last"):  # fmt: skip
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 1, got {getattr(self, name)}")
        for name in ("margin", "level", "power"):
            if not 0 < getattr(self, name) < 1:
                raise ConfigError(f"{name} must lie between 0 and 1, got {getattr(self, name)}")
        if not self.rates or min(self.rates) <= 0:
            raise ConfigError(f"rates must be above 0, got {list(self.rates)}")
        if not self.seeds or len(set(self.seeds)) < len(self.seeds):
            raise ConfigError(f"seeds must differ, got {list(self.seeds)}")
        if self.tune_seed in self.seeds:
            raise ConfigError(f"tune_seed {self.tune_seed} is a seed of the study; use another one")
        _check_arms(self.arms)
        for family in self.families:
            _check_size(self, family)

    @property
    def hash(self) -> str:
        """Of everything in it."""
        return digest(asdict(self))[:16]

    def family(self, name: str) -> Family:
        """The family of that name."""
        return next(one for one in self.families if one.name == name)

    def arm(self, name: str) -> Arm:
        """The arm of that name."""
        return next(one for one in self.arms if one.name == name)

    def seeds_of(self, arm: Arm) -> tuple[int, ...]:
        """The seeds an arm is trained with."""
        return self.seeds[: arm.n_seeds or len(self.seeds)]

    def steps_of(self, arm: Arm) -> int:
        """The steps an arm is trained for."""
        return arm.steps or self.n_steps


def _check_arms(arms: tuple[Arm, ...]) -> None:
    names = [arm.name for arm in arms]
    if not names or len(set(names)) < len(names):
        raise ConfigError(f"arms need names that differ, got {', '.join(names) or 'none'}")
    tuned = {arm.name for arm in arms if arm.tunes}
    for arm in arms:
        if arm.rate_of and arm.rate_of not in tuned:
            raise ConfigError(
                f"arm {arm.name}: rate_of {arm.rate_of!r} is no arm that is tuned; "
                f"use one of {', '.join(sorted(tuned))}"
            )


def _check_size(plan: Plan, family: Family) -> None:
    if plan.look_problems > family.n_inside:
        raise ConfigError(
            f"look_problems {plan.look_problems} are the first of the {family.n_inside} of "
            f"{family.inside}; lower it or raise n_inside"
        )
    if family.n_train < plan.n_prompts:
        raise ConfigError(
            f"{family.name}: a step asks {plan.n_prompts} problems and n_train is {family.n_train}"
        )


def shipped(name: str) -> Plan:
    """The plan that comes with the package: "core" or "ablations"."""
    source = files("pathshift.lab.algorithms").joinpath(f"{name}.toml")
    return parsed(source.read_text(encoding="utf-8"), f"{name}.toml")


def parsed(text: str, name: str) -> Plan:
    """A plan from TOML.

    Raises:
        ConfigError: not TOML, an unknown or missing key, a value of the wrong kind or out of range.
    """
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{name} is not TOML: {error}; mend that place") from error
    arms = tuple(_record(Arm, one, f"{name}, arm {i}") for i, one in _tables(table, "arms", name))
    families = tuple(
        _record(Family, one, f"{name}, family {i}") for i, one in _tables(table, "families", name)
    )
    return _record(Plan, {**table, "arms": arms, "families": families}, name)


def chosen(
    plan: Plan, *, families: tuple[str, ...] = (), bases: Mapping[str, str], n_seeds: int | None
) -> Plan:
    """The plan for some of its families, with other bases or fewer or more seeds.

    Raises:
        UnknownName: a family the plan does not have.
    """
    known = [family.name for family in plan.families]
    for name in (*families, *bases):
        if name not in known:
            raise UnknownName(f"no family {name!r} in this study; there are: {', '.join(known)}")
    wanted = families or tuple(known)
    kept = tuple(
        replace(family, base=bases.get(family.name, family.base))
        for family in plan.families
        if family.name in wanted
    )
    seeds = plan.seeds if n_seeds is None else tuple(range(n_seeds))
    return replace(plan, families=kept, seeds=seeds)


def settle(plan: Plan, folder: Path) -> None:
    """Write the plan into a new study folder, or make sure that the folder holds this very plan.

    Raises:
        ConfigMismatch: it holds another one; names the first difference.
    """
    path = folder / FILE_NAME
    as_told = flat(plan)
    if path.is_file():
        check_same_config(folder, _told(folder), as_told, done="planned")
        return
    folder.mkdir(parents=True, exist_ok=True)
    write_json({"hash": plan.hash, "plan": as_told}, path)


def flat(plan: Plan) -> dict[str, Any]:
    """The plan as JSON values; arms and families under keys of their own."""
    whole: dict[str, Any] = asdict(plan)
    arms, families = whole.pop("arms"), whole.pop("families")
    # Numbered, because JSON is written with sorted keys.
    whole |= {f"arm.{i:02}.{arm['name']}": arm for i, arm in enumerate(arms)}
    whole |= {f"family.{i:02}.{family['name']}": family for i, family in enumerate(families)}
    return {key: list(value) if isinstance(value, tuple) else value for key, value in whole.items()}


def read_plan(folder: Path) -> Plan:
    """The plan of a study folder.

    Raises:
        RunError: the folder holds no study, or its plan cannot be read.
        ConfigError: as `parsed`.
    """
    told = _told(folder)
    whole = {k: v for k, v in told.items() if not k.startswith(("arm.", "family."))}
    for key, plural, cls in (("arm.", "arms", Arm), ("family.", "families", Family)):
        found = [told[k] for k in sorted(told) if k.startswith(key)]
        whole[plural] = tuple(_record(cls, one, f"{FILE_NAME}, {plural}") for one in found)
    return _record(Plan, whole, FILE_NAME)


def _told(folder: Path) -> dict[str, Any]:
    path = folder / FILE_NAME
    try:
        return dict(json.loads(path.read_text(encoding="utf-8"))["plan"])
    except FileNotFoundError:
        raise RunError(
            f"{folder} holds no study: it has no {FILE_NAME}; "
            "begin one with `pathshift lab run algorithms --out`"
        ) from None
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise RunError(f"{path} cannot be read ({error}); begin in another --out") from error


def _tables(table: Mapping[str, Any], key: str, name: str) -> list[tuple[int, dict[str, Any]]]:
    found = table.get(key)
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise ConfigError(f"{name}: write each of the {key} under [[{key}]]")
    return list(enumerate(found, 1))


def _record(cls: type[_Record], table: Mapping[str, Any], place: str) -> _Record:
    """A frozen record from a table, key by key."""
    kinds = get_type_hints(cls)
    names = [field.name for field in fields(cls)]  # type: ignore[arg-type]
    for key in table:
        if key not in names:
            raise ConfigError(f"{place}: unknown key {key!r}; use only {', '.join(names)}")
    values = {key: _value(table[key], kinds[key], f"{place}: {key}") for key in table}
    try:
        return cls(**values)
    except TypeError as error:
        raise ConfigError(f"{place}: {str(error).partition(' ')[2]}; add it") from error


def _value(value: Any, kind: Any, place: str) -> Any:
    """The value as its kind; ConfigError where it is of another."""
    if kind is float and type(value) in (int, float):
        return float(value)
    if kind in (int, str) and type(value) is kind:
        return value
    if getattr(kind, "__origin__", None) is tuple and isinstance(value, (list, tuple)):
        inner = kind.__args__[0]
        simple = inner in (int, float, str)
        return tuple(_value(one, inner, place) if simple else one for one in value)
    if isinstance(value, Mapping) and kind not in (int, float, str):
        return {str(key): _value(one, str, f"{place}.{key}") for key, one in value.items()}
    raise ConfigError(f"{place} must be {getattr(kind, '__name__', kind)}, got {value!r:.60}")
