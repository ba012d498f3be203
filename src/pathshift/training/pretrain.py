"""Pre-training from scratch: a Llama of any size, a tokenizer, a mixture, the loop of `fitting`.

The network is drawn from the seed alone. Its size against its tokens is told beforehand: about 20
tokens a parameter is where a fixed amount of computing is spent best (Hoffmann et al. 2022, table
3), and a small model that is to be used much is trained far beyond that.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import torch
from tokenizers import Tokenizer
from tokenizers.decoders import ByteLevel as ByteDecoder
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel
from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from pathshift.errors import ConfigError, ModelError
from pathshift.records import digest
from pathshift.training.fitting import Schedule
from pathshift.training.sft import NEW, Student

BYTES = "bytes"
"""The tokenizer that needs no file: one token a byte."""
END, PAD = "<end>", "<pad>"
CHINCHILLA = 20.0
"""Tokens a parameter of compute-optimal training (Hoffmann et al. 2022)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """A Llama's measures.

    Attributes:
        width: Of the hidden states; a multiple of twice the heads (rotary positions turn pairs).
        kv_heads: Heads of keys and values; None for as many as `heads`.
        inner: Width between the two layers of each feed-forward part; None for 8/3 of the width,
            rounded up to 16.
        context: Longest prompt and answer, in tokens.
        tied: The output layer shares its matrix with the embedding.
        init: Standard deviation of the first weights.
        rope_theta: Base of the rotary positions; a small one suits short texts, where the slow
            turns of a large one would never be seen.
    """

    width: int = 128
    layers: int = 4
    heads: int = 4
    kv_heads: int | None = None
    inner: int | None = None
    context: int = 512
    tied: bool = True
    init: float = 0.02
    rope_theta: float = 10_000.0

    def __post_init__(self) -> None:
        """Check every field against its rule."""
        for name in ("width", "layers", "heads", "context"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.width % (2 * self.heads):
            raise ConfigError(
                f"width must be a multiple of twice the heads, got {self.width} and {self.heads}"
            )
        if self.kv_heads is not None and (self.kv_heads < 1 or self.heads % self.kv_heads):
            raise ConfigError(f"heads {self.heads} must be a multiple of kv heads {self.kv_heads}")
        if self.inner is not None and self.inner < 1:
            raise ConfigError(f"inner must be at least 1, got {self.inner}")
        if not 0 < self.init < math.inf:
            raise ConfigError(f"init must be above 0, got {self.init:g}")
        if not 1 < self.rope_theta < math.inf:
            raise ConfigError(f"rope theta must be above 1, got {self.rope_theta:g}")

    @property
    def inner_width(self) -> int:
        """Between the two layers of a feed-forward part.

        >>> Shape(width=128).inner_width
        352
        """
        return self.inner or -(-8 * self.width // (3 * 16)) * 16


def byte_tokenizer() -> Any:
    """One token a byte (256), an end and a filling token; every text can be written and read."""
    letters = [END, PAD, *sorted(ByteLevel.alphabet())]
    inner = Tokenizer(BPE(vocab={letter: i for i, letter in enumerate(letters)}, merges=[]))
    inner.pre_tokenizer = ByteLevel(add_prefix_space=False, use_regex=False)
    inner.decoder = ByteDecoder()
    return PreTrainedTokenizerFast(tokenizer_object=inner, eos_token=END, pad_token=PAD)


def load_tokenizer(name: str) -> Any:
    """`bytes`, or a folder or hub id with a tokenizer.

    Raises:
        ModelError: it cannot be loaded.
    """
    if name == BYTES:
        return byte_tokenizer()
    try:
        return AutoTokenizer.from_pretrained(name, trust_remote_code=False)
    except (OSError, ValueError, KeyError, ImportError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ModelError(
            f"tokenizer {name} cannot be loaded: {reason}; give bytes, or a folder with a "
            "tokenizer.json"
        ) from error


def new_student(shape: Shape, tokenizer: Any, *, seed: int, device: str = "cpu") -> Student:
    """A network with weights drawn from the seed: the same seed gives the same bits."""
    config = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=shape.width, intermediate_size=shape.inner_width,
        num_hidden_layers=shape.layers, num_attention_heads=shape.heads,
        num_key_value_heads=shape.kv_heads or shape.heads, max_position_embeddings=shape.context,
        tie_word_embeddings=shape.tied, bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id,
        initializer_range=shape.init,
        rope_parameters={"rope_type": "default", "rope_theta": shape.rope_theta},
    )  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = LlamaForCausalLM(config)
    backend = getattr(tokenizer, "backend_tokenizer", None)
    words = backend.to_str() if backend is not None else sorted(tokenizer.get_vocab().items())
    return Student(
        spec=f"{NEW}llama of {shape.layers} layers, width {shape.width}",
        weights_hash=digest("new", asdict(shape), seed, words),
        network=network.to(torch.device(device)),
        tokenizer=tokenizer,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """A network's size against what it is trained on.

    Attributes:
        parameters: All weights, a shared matrix once.
        embedding: Those of the embedding and of the output layer among them.
        tokens: To be drawn, filling left out.
    """

    parameters: int
    embedding: int
    tokens: int

    @property
    def tokens_a_parameter(self) -> float:
        """Of all parameters."""
        return self.tokens / self.parameters

    @property
    def flops(self) -> float:
        """Of training, about: 6 a parameter and token (Kaplan et al. 2020, section 2.1)."""
        return 6.0 * self.parameters * self.tokens

    def lines(self) -> list[str]:
        """The table for a terminal."""
        times = self.tokens_a_parameter / CHINCHILLA
        rows = [
            ("parameters", f"{self.parameters:,}", f"{self.embedding:,} of them embedding"),
            ("tokens", f"{self.tokens:,}", f"about {self.flops:.1e} operations"),
            ("tokens a parameter", f"{self.tokens_a_parameter:.2f}",
             f"{times:.2f} of the {CHINCHILLA:g} that are compute-optimal"),
        ]  # fmt: skip
        wide, wider = (max(len(row[i]) for row in rows) for i in (0, 1))
        return [f"{name.ljust(wide)}  {value.rjust(wider)}  {more}" for name, value, more in rows]


def budget_of(student: Student, schedule: Schedule) -> Budget:
    """The table's numbers."""
    network = student.network
    ends = {id(m.weight): m.weight for m in
            (network.get_input_embeddings(), network.get_output_embeddings())}  # fmt: skip
    return Budget(
        parameters=network.num_parameters(),
        embedding=sum(weight.numel() for weight in ends.values()),
        tokens=schedule.n_tokens,
    )
