"""Recipes of a few steps, for tests."""

from __future__ import annotations

from pathlib import Path

from pathshift.lab.zoo.recipe import Recipe, read_recipe

_MEASURE = """
[measure]
sets = ["compose-1"]
samples = 2
max_tokens = 8
seed = 1
"""
BASE = (
    """kind = "pretrain"
family = "compose"
about = "A tiny one."

[corpus]
documents = 40
shares = [[1, 0.5], [2, 0.5]]
noise = 0.2
seed = 0

[shape]
width = 16
inner = 32
layers = 1
heads = 2
context = 128
init = 0.02
rope_theta = 100.0

[training]
steps = 3
batch = 4
length = 96
micro_tokens = 512
learning_rate = 3e-3
matrix_rate = 0.02
beta2 = 0.98
weight_decay = 0.1
final_share = 0.05
warmup = 0.1
seed = 0
"""
    + _MEASURE
)
_TASK = """
[task]
max_tokens = 8
options = { depth = "1", definitions = "none", n = "20", seed = "3" }
"""
CHILD = (
    """kind = "rl"
family = "compose"
about = "Its child."
base = "tiny-base"
"""
    + _TASK
    + """
[training]
algorithm = "grpo"
steps = 1
prompts = 2
samples = 2
learning_rate = 1e-3
reward = "random"
micro_tokens = 512
seed = 0
"""
    + _MEASURE
)
TUNED = (
    """kind = "distill"
family = "compose"
about = "Learns from a teacher."
base = "tiny-base"
teacher = "tiny-base"
"""
    + _TASK
    + """
[draw]
samples = 2
temperature = 1.0
seed = 0

[training]
per_problem = 2
epochs = 1
batch = 4
length = 96
micro_tokens = 512
learning_rate = 1e-3
weight_decay = 0.0
warmup = 0.1
seed = 0
"""
    + _MEASURE
)


def written(folder: Path, name: str, text: str) -> Recipe:
    """A recipe through a file."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.toml"
    path.write_text(text, encoding="utf-8")
    return read_recipe(name, path)
