"""A random model of any size with one token a byte, saved as a folder that `hf:` loads."""

from __future__ import annotations

from pathlib import Path

import torch
from tokenizers import Tokenizer
from tokenizers.decoders import ByteLevel as ByteDecoder
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

END = "<end>"


def save_tiny(
    folder: Path, *, seed: int = 0, width: int = 32, layers: int = 2, reverse: bool = False
) -> Path:
    """Write the model; about 1M parameters at width 128 with 4 layers.

    Args:
        reverse: Number the tokens the other way round: the same texts, a foreign tokenizer.
    """
    letters = [END, *sorted(ByteLevel.alphabet())]
    order = reversed(letters) if reverse else letters
    inner = Tokenizer(BPE(vocab={letter: i for i, letter in enumerate(order)}, merges=[]))
    inner.pre_tokenizer = ByteLevel(add_prefix_space=False)
    inner.decoder = ByteDecoder()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=inner, eos_token=END)
    config = LlamaConfig(
        vocab_size=len(letters), hidden_size=width, intermediate_size=3 * width,
        num_hidden_layers=layers, num_attention_heads=4, num_key_value_heads=4,
        max_position_embeddings=2048, bos_token_id=None, eos_token_id=tokenizer.eos_token_id,
        initializer_range=0.3,
    )  # fmt: skip
    torch.manual_seed(seed)
    LlamaForCausalLM(config).save_pretrained(folder, safe_serialization=True)
    tokenizer.save_pretrained(folder)
    return folder
