"""The card of a zoo model: what it is, what it was made from, what was measured of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathshift.lab.zoo.pack import Made

_KINDS = {
    "pretrain": "pre-trained from scratch",
    "rl": "reinforcement learning",
    "rft": "rejection-sampling fine-tuning",
    "distill": "distillation",
}


def card(made: Made, measured: Mapping[str, Any] | None) -> str:
    """The card in Markdown.

    Args:
        measured: What `measuring.measure` found; None where nothing was measured.
    """
    parts = [
        f"# {made.recipe}\n\n{made.about}",
        _table(("", ""), _facts(made)),
        *_corpus(made),
        "## Measured\n\n" + (_measured(measured) if measured else "Not measured."),
        "## How it was made\n\n"
        f"    pathshift lab build {made.recipe} --out zoo\n"
        f"    pathshift lab measure {made.recipe} --out zoo\n\n"
        "A toy: it knows these problems and nothing else, and what is found on it is found on a "
        "toy.",
    ]
    return "\n\n".join(parts) + "\n"


def _facts(made: Made) -> list[tuple[str, str]]:
    rows = [
        ("family", made.family),
        ("made by", _KINDS[made.kind]),
        ("recipe", f"{made.recipe}.toml, SHA-256 {made.recipe_hash}"),
        ("seeds", ", ".join(f"{name} {seed}" for name, seed in sorted(made.seeds.items()))),
        ("parameters", f"{made.parameters:,}, stored in bf16"),
        ("model.safetensors", f"SHA-256 {made.weights_hash}"),
        ("tokenizer.json", f"SHA-256 {made.tokenizer_hash}"),
        ("versions", ", ".join(f"{name} {found}" for name, found in sorted(made.versions.items()))),
    ]
    parents = (("base", made.base), ("teacher", made.teacher))
    return rows + [(what, f"{one[0]}, weights {one[1]}") for what, one in parents if one]


def _corpus(made: Made) -> list[str]:
    if not made.corpus:
        return []
    head = ("level", "documents", "share", "tokens", "share", "problems", "right")
    rows = [
        (f"{row.level}", f"{row.documents:,}", f"{row.document_share:.2%}", f"{row.tokens:,}",
         f"{row.token_share:.2%}", f"{row.problems:,}", f"{row.right:.1%}")
        for row in made.corpus
    ]  # fmt: skip
    return ["## Corpus\n\n" + _table(head, rows)]


def _measured(measured: Mapping[str, Any]) -> str:
    head = ("set", "problems x samples", "k", "pass@k", "interval", "blind guessing")
    rows = [
        (name, f"{one['problems']} x {one['samples']}", str(k), f"{value:.3f}",
         f"{low:.3f} to {high:.3f}", f"{floor:.3f}")
        for name, one in measured["sets"].items()
        for k, value, low, high, floor in zip(
            one["k"], one["value"], one["low"], one["high"], one["floor"], strict=True
        )
    ]  # fmt: skip
    return (
        f"On the stored weights, {measured['date']}, temperature 1, seed {measured['seed']}. The "
        f"intervals hold together over k with {measured['level']:.0%}, for problems like these.\n\n"
        + _table(head, rows)
    )


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
