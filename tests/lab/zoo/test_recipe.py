"""Recipes: the committed ones hold together, and a wrong key or value is one line."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.lab.zoo.tiny_recipes import BASE, CHILD, TUNED, written

from pathshift.errors import ConfigError, PathshiftError, UnknownName
from pathshift.lab.zoo.corpus import FAMILIES
from pathshift.lab.zoo.recipe import Recipe, read_recipe, recipe_names

NAMED = {
    "compose-base", "compose-base-none", "compose-base-tenth", "compose-teacher", "countdown-base",
    "compose-grpo", "compose-ppo", "compose-rloo", "compose-remax", "compose-reinforce-pp",
    "compose-dapo", "compose-rft", "compose-distilled", "compose-random",
}  # fmt: skip


@pytest.fixture(scope="module")
def committed() -> dict[str, Recipe]:
    return {name: read_recipe(name) for name in recipe_names()}


def test_every_model_of_the_zoo_has_a_recipe(committed: dict[str, Recipe]) -> None:
    assert committed.keys() >= NAMED


def test_a_child_stands_on_a_recipe_of_its_family_that_is_pretrained(
    committed: dict[str, Recipe],
) -> None:
    for recipe in committed.values():
        assert recipe.family in FAMILIES
        for parent in (recipe.base, recipe.teacher):
            assert parent is None or committed[parent].kind == "pretrain"
            assert parent is None or committed[parent].family == recipe.family


def test_the_bases_differ_in_their_share_of_depth_three_alone(committed: dict[str, Recipe]) -> None:
    names = ("compose-base-none", "compose-base-tenth", "compose-base")
    bases = [committed[name] for name in names]
    assert [dict(base.corpus_plan.shares).get(3, 0.0) for base in bases] == [0.0, 0.001, 0.01]
    for section in ("shape", "training", "measure"):
        assert all(base[section] == bases[0][section] for base in bases)
    assert {base.corpus_plan.noise for base in bases} == {bases[0].corpus_plan.noise}


def test_the_children_by_rewards_differ_in_algorithm_base_or_reward_alone(
    committed: dict[str, Recipe],
) -> None:
    children = [recipe for recipe in committed.values() if recipe.kind == "rl"]
    free = {"algorithm", "reward"}
    told = [{k: v for k, v in one["training"].items() if k not in free} for one in children]
    assert all(one == told[0] for one in told)
    assert len({(r.base, r["training"]["algorithm"], r["training"]["reward"]) for r in children}) \
        == len(children)  # fmt: skip


@pytest.mark.parametrize(
    ("text", "old", "new", "said"),
    [
        (BASE, 'kind = "pretrain"', 'kind = "grown"', "kind 'grown' is not known; use one of pre"),
        (BASE, 'kind = "pretrain"', "", "kind 'None' is not known"),
        (BASE, 'family = "compose"', 'family = "chess"', "family 'chess' is not known"),
        (BASE, "width = 16", "width = 16\ndepth = 2", r"\[shape\]: unknown key 'depth'; use only"),
        (BASE, "width = 16", "", r"\[shape\]: key 'width' is missing"),
        (BASE, "width = 16", "width = 1.5", r"\[shape\]: width must be a whole number, got 1\.5"),
        (BASE, "width = 16", "width = true", r"\[shape\]: width must be a whole number, got True"),
        (BASE, "noise = 0.2", 'noise = "much"', r"\[corpus\]: noise must be a number, got 'much'"),
        (BASE, "noise = 0.2", "noise = 1.5", "noise must be from 0 to below 1, got 1.5"),
        (BASE, "[[1, 0.5], [2, 0.5]]", "[[1, 0.5], [2, 0.4]]", "sum to 1"),
        (BASE, "[[1, 0.5], [2, 0.5]]", "[1, 2]", r"shares must be like \[\[1, 0\.4\]"),
        (BASE, '["compose-1"]', '["compose-9"]', "no evaluation set 'compose-9'"),
        (BASE, '["compose-1"]', '["countdown-5"]', "countdown-5 is no set of the family compose"),
        (BASE, "[shape]", "base = 3\n[shape]", "unknown key 'base'"),
        (CHILD, 'base = "tiny-base"', "", "key 'base' is missing"),
        (CHILD, 'base = "tiny-base"', 'base = "../up"', r"like-this-one, got '\.\./up'"),
        (CHILD, 'n = "20"', "n = 20", "task options are texts"),
        (TUNED, 'teacher = "tiny-base"', "", "key 'teacher' is missing"),
        (BASE, "[shape]", "[shape", "is not TOML in UTF-8"),
    ],
)
def test_a_recipe_that_breaks_a_rule_is_one_line(
    tmp_path: Path, text: str, old: str, new: str, said: str
) -> None:
    assert old in text
    with pytest.raises(PathshiftError) as stop:
        written(tmp_path, "tiny", text.replace(old, new, 1))
    assert re.search(said, str(stop.value))
    assert "\n" not in str(stop.value)


def test_an_unknown_name_lists_the_recipes_and_a_lost_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match=r"no recipe 'compose'; there are: .*compose-base,"):
        read_recipe("compose")
    with pytest.raises(ConfigError, match=r"cannot read .*lost\.toml"):
        read_recipe("lost", tmp_path / "lost.toml")


def test_the_hash_is_that_of_the_file(tmp_path: Path) -> None:
    texts = (BASE, BASE, BASE.replace("noise = 0.2", "noise = 0.3"))
    one, same, other = (written(tmp_path / str(i), "tiny", text) for i, text in enumerate(texts))
    assert one.hash == same.hash != other.hash
    assert len(one.hash) == 64
