"""A tiny model that answers sums with a digit: right about one time in five, so rewards differ."""

from __future__ import annotations

from pathlib import Path

import torch
from tests.tiny import save_tiny
from torch.nn.functional import cross_entropy
from transformers import AutoModelForCausalLM, AutoTokenizer

DIGITS = "56789"
STEPS = 60


def save_guesser(folder: Path, *, seed: int = 0) -> Path:
    """Write the model; it says a space, a digit from 5 to 9, and a line's end."""
    save_tiny(folder, seed=seed)
    network = AutoModelForCausalLM.from_pretrained(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    draws = torch.Generator().manual_seed(seed)
    texts = [f"Answer: {digit}\n" for digit in DIGITS] * 4
    ids_BT = torch.tensor([tokenizer.encode(text) for text in texts])
    optimizer = torch.optim.AdamW(network.parameters(), lr=3e-3)
    for _ in range(STEPS):
        # Noise before the answer: a prompt the model has never seen must not change what it says.
        noise_BT = torch.randint(1, 250, (len(texts), 24), generator=draws)
        logits_BTV = network(torch.cat([noise_BT, ids_BT], dim=1)).logits[:, 24 + 6 : -1]
        target_BT = ids_BT[:, 7:]
        loss = cross_entropy(logits_BTV.flatten(0, 1), target_BT.flatten())
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        optimizer.zero_grad()
    network.save_pretrained(folder, safe_serialization=True)
    return folder
