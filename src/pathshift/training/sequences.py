"""Token sequences in batches, and their log-probabilities under a network, with gradient.

Rows are filled up on the right. What stands behind a row's end comes after all its tokens, where
causal attention never looks, so no attention mask is needed and any token will do as filling: a
tokenizer without a pad token is no obstacle.

The vocabulary is large and few positions are predicted, so logits exist only there and a bounded
number at a time; where they do not all fit, they are formed anew on the way back. A network that
is more than a trunk and an output layer (see `network_parts`) is asked as a whole, a few rows at a
time.

Shapes: B rows, T positions, N predicted tokens, D width, V tokens. Values at [b, t] belong to the
token ids_BT[b, t], which is predicted from those before it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from pathshift.errors import ConfigError, ModelError
from pathshift.training.chosen import chosen_logprob
from pathshift.training.network_parts import plain_model, split_of, vocabulary
from pathshift.training.shared_prompts import (
    Layout,
    best_number,
    can_share,
    layout_of,
    same_prompts,
)

MOST_LOGITS = 2**25
"""Logits held at once: 128 MB in fp32."""
_FILLING = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Transcript:
    """A prompt and the completion a network learns from.

    Attributes:
        prompt_ids: Read, never predicted; may be empty, and the first token then is not predicted.
        completion_ids: Predicted, the end token included where it was sampled.
        old_logprobs: ln p of each completion token under the policy it was drawn with.
    """

    prompt_ids: tuple[int, ...]
    completion_ids: tuple[int, ...]
    old_logprobs: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        """Check that something is predicted, and that lengths agree."""
        if not self.completion_ids or len(self) < 2:
            raise ValueError(
                f"nothing to predict: {len(self.prompt_ids)} prompt tokens and "
                f"{len(self.completion_ids)} completion tokens"
            )
        if self.old_logprobs is not None and len(self.old_logprobs) != len(self.completion_ids):
            raise ValueError(
                f"{len(self.old_logprobs)} log-probabilities for {len(self.completion_ids)} tokens"
            )

    def __len__(self) -> int:
        """Tokens of prompt and completion."""
        return len(self.prompt_ids) + len(self.completion_ids)


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Rows of tokens, filled up on the right.

    Attributes:
        ids_BT: Token ids, int64.
        mask_BT: Whether the token is one of a completion and predicted; never at position 0.
        length_B: Tokens of each row without filling, int64 on the CPU.
        rows_B: Number of each row in the batch this one was cut from, int64.
        old_logp_BT: fp32, 0 outside the mask; None where no row has them.
        positions_BT: Position of each token in its text, for rows packed of several texts: it
            starts again at 0 with each, and transformers keeps them apart by that. None: one text
            a row.
        prompt_B: Tokens of each row's prompt, int64 on the CPU; None where rows have none.
    """

    ids_BT: Tensor
    mask_BT: Tensor
    length_B: Tensor
    rows_B: Tensor
    old_logp_BT: Tensor | None = None
    positions_BT: Tensor | None = None
    prompt_B: Tensor | None = None

    @property
    def n_predicted(self) -> int:
        """Tokens that are predicted."""
        return int(self.mask_BT.sum())

    def take(self, rows: Sequence[int]) -> Batch:
        """Some of the rows, no wider than the longest of them."""
        at_B = torch.tensor(rows, dtype=torch.long)
        width = int(self.length_B[at_B].max())
        at_B = at_B.to(self.ids_BT.device)

        def cut(values_BT: Tensor | None) -> Tensor | None:
            return None if values_BT is None else values_BT[at_B, :width]

        return Batch(
            ids_BT=self.ids_BT[at_B, :width],
            mask_BT=self.mask_BT[at_B, :width],
            length_B=self.length_B[at_B.cpu()],
            rows_B=self.rows_B[at_B],
            old_logp_BT=cut(self.old_logp_BT),
            positions_BT=cut(self.positions_BT),
            prompt_B=None if self.prompt_B is None else self.prompt_B[at_B.cpu()],
        )

    def part(self, values: Tensor) -> Tensor:
        """What belongs to this batch's rows of values made for the batch it was cut from.

        Args:
            values: One a row (B,), or one a token (B, T) of the whole batch.
        """
        mine = values[self.rows_B.to(values.device)]
        return mine if mine.ndim == 1 else mine[:, : self.ids_BT.shape[1]]


def pad_batch(sequences: Sequence[Transcript], *, device: str | torch.device = "cpu") -> Batch:
    """Sequences as one batch, in their order.

    Raises:
        ValueError: no sequences, or only some have old log-probabilities.
    """
    if not sequences:
        raise ValueError("a batch needs at least one sequence")
    shape = (len(sequences), max(len(one) for one in sequences))
    ids_BT = torch.full(shape, _FILLING, dtype=torch.long)
    mask_BT = torch.zeros(shape, dtype=torch.bool)
    for row, one in enumerate(sequences):
        ids_BT[row, : len(one)] = torch.tensor(one.prompt_ids + one.completion_ids)
        mask_BT[row, max(1, len(one.prompt_ids)) : len(one)] = True
    old_logp_BT = _old_logprobs(sequences, mask_BT)
    return Batch(
        ids_BT=ids_BT.to(device),
        mask_BT=mask_BT.to(device),
        length_B=torch.tensor([len(one) for one in sequences]),
        rows_B=torch.arange(len(sequences), device=device),
        old_logp_BT=None if old_logp_BT is None else old_logp_BT.to(device),
        prompt_B=torch.tensor([len(one.prompt_ids) for one in sequences]),
    )


def _old_logprobs(sequences: Sequence[Transcript], mask_BT: Tensor) -> Tensor | None:
    known = [one.old_logprobs for one in sequences if one.old_logprobs is not None]
    if not known:
        return None
    if len(known) < len(sequences):
        raise ValueError(f"only {len(known)} of {len(sequences)} sequences have log-probabilities")
    old_logp_BT = torch.zeros(mask_BT.shape)
    for row, (one, values) in enumerate(zip(sequences, known, strict=True)):
        old_logp_BT[row, len(one.prompt_ids) : len(one)] = torch.tensor(values)
    return old_logp_BT * mask_BT


def micro_batches(batch: Batch, most_tokens: int) -> list[Batch]:
    """The batch in pieces of at most so many tokens, filling included; long rows first.

    Rows of one prompt stay together, so that their pieces can share it. A row longer than that
    makes a piece of its own. Losses of the pieces that are divided by the whole batch's counts add
    up to its loss, and their gradients to its gradient.

    Raises:
        ConfigError: fewer than one token.
    """
    if most_tokens < 1:
        raise ConfigError(f"micro-batch tokens must be at least 1, got {most_tokens}")
    lengths = batch.length_B.tolist()
    pieces: list[list[int]] = []
    longest = 0
    for group in _groups(batch):
        width = max(lengths[row] for row in group)
        most = max(1, most_tokens // width)
        for part in (group[first : first + most] for first in range(0, len(group), most)):
            longest = max(longest, width)
            if pieces and (len(pieces[-1]) + len(part)) * longest <= most_tokens:
                pieces[-1] += part
            else:
                pieces.append(part)
                longest = width
    return [batch.take(rows) for rows in pieces]


def _groups(batch: Batch) -> list[list[int]]:
    """Rows of equal prompts together, long ones first; without prompts each row alone."""
    lengths = batch.length_B.tolist()
    rows = sorted(range(len(lengths)), key=lambda row: -lengths[row])
    if batch.prompt_B is None:
        return [[row] for row in rows]
    ids_BT, prompts = batch.ids_BT.cpu()[rows], batch.prompt_B[rows].tolist()
    return [[rows[place] for place in group] for group in same_prompts(ids_BT, prompts)]


class TokenLogprobs(NamedTuple):
    """Of every predicted token, fp32; 0 outside the batch's mask.

    Attributes:
        logp_BT: ln p of the token at the temperature, with gradient.
        entropy_BT: Of the distribution it stands in, at the same temperature, in nats, with
            gradient; NaN where not asked for.
    """

    logp_BT: Tensor
    entropy_BT: Tensor


def token_logprobs(
    network: Any,
    batch: Batch,
    *,
    temperature: float = 1.0,
    with_entropy: bool = False,
    most_logits: int = MOST_LOGITS,
) -> TokenLogprobs:
    """ln p of each predicted token given those before it: log-softmax in fp32 of logits / T.

    Args:
        network: Any causal language model of transformers, plain or with a LoRA adapter by peft.
        temperature: The one the tokens were drawn at, for ratios of policies.
        most_logits: Logits held at once; memory grows with it, not with the batch.

    Raises:
        ConfigError: a temperature that is not above 0: the likeliest token has no gradient.
        ValueError: the batch predicts nothing.
    """
    if not temperature > 0:
        raise ConfigError(f"temperature must be above 0 to train with, got {temperature}")
    if not batch.n_predicted:
        raise ValueError("the batch predicts no token")
    split = split_of(network)
    settings = _Settings(temperature, with_entropy, most_logits)
    if split is None:
        return _from_whole_network(network, batch, settings)
    hidden_ND, target_N = _before_targets(network, split.trunk, batch)
    rows = max(1, most_logits // vocabulary(network))
    pieces = zip(torch.split(hidden_ND, rows), torch.split(target_N, rows), strict=True)

    def work(hidden_RD: Tensor, target_R: Tensor) -> tuple[Tensor, Tensor]:
        return _scored(split.head(hidden_RD), target_R, settings)

    return _spread(_in_pieces(work, list(pieces)), batch)


def last_hidden(network: Any, batch: Batch) -> Tensor:
    """The network's last hidden states before its output layer, (B, T, D), with gradient.

    The state at [b, t] has read the tokens up to and with t (what a value head stands on).
    """
    trunk = plain_model(network).base_model
    layout = _layout(network, batch)
    if layout is None:
        alone_BTD: Tensor = trunk(**_inputs(batch)).last_hidden_state
        return alone_BTD
    hidden_RLD: Tensor = trunk(**layout.inputs(network.dtype)).last_hidden_state
    return hidden_RLD.flatten(0, 1)[layout.at_BT]


def _before_targets(network: Any, trunk: Any, batch: Batch) -> tuple[Tensor, Tensor]:
    """Of each predicted token the hidden state before it (N, D), and the token itself (N,)."""
    before_N, target_N = _places(batch)
    layout = _layout(network, batch)
    inputs = _inputs(batch) if layout is None else layout.inputs(network.dtype)
    if layout is not None:
        before_N = layout.at_BT.flatten()[before_N]
    hidden_BTD = trunk(**inputs).last_hidden_state
    return hidden_BTD.reshape(-1, hidden_BTD.shape[-1])[before_N], target_N


def _layout(network: Any, batch: Batch) -> Layout | None:
    """The batch with its prompts shared; None where nothing is saved or the network cannot."""
    if batch.prompt_B is None or batch.positions_BT is not None or not can_share(network):
        return None
    prompts, lengths = batch.prompt_B.tolist(), batch.length_B.tolist()
    groups = same_prompts(batch.ids_BT.cpu(), prompts)
    prompt = sum(prompts) / len(prompts)
    n = max(map(len, groups))
    m = best_number(network, prompt=prompt, completion=sum(lengths) / len(lengths) - prompt, n=n)
    return None if m == 1 or not min(prompts) else layout_of(batch.ids_BT, prompts, lengths, m)


def end_id_of(network: Any, tokenizer: Any) -> int:
    """The token that ends a completion: the tokenizer's, else the network's first.

    Raises:
        ModelError: neither names one.
    """
    own = tokenizer.eos_token_id
    if own is not None:
        return int(own)
    named = getattr(getattr(network, "generation_config", None), "eos_token_id", None)
    first = named[0] if isinstance(named, list) and named else named
    if not isinstance(first, int):
        raise ModelError(
            "the tokenizer names no end token and neither does the model: completions would never "
            "end; set eos_token in its tokenizer_config.json"
        )
    return first


def unfit(network: Any, sequence: Transcript) -> str:
    """Why the network cannot read a sequence; empty if it can."""
    config = plain_model(network).config.get_text_config()
    room = getattr(config, "max_position_embeddings", None)
    if room is not None and len(sequence) > room:
        return f"{len(sequence)} tokens exceed the context of {room}"
    ids = sequence.prompt_ids + sequence.completion_ids
    if min(ids) < 0 or max(ids) >= config.vocab_size:
        return "a token number the model does not have"
    return ""


@dataclass(frozen=True, slots=True)
class _Settings:
    temperature: float
    with_entropy: bool
    most_logits: int


def _inputs(batch: Batch) -> dict[str, Any]:
    """What a network is called with; positions only where they are not 0, 1, 2 ..."""
    inputs: dict[str, Any] = {"input_ids": batch.ids_BT, "use_cache": False}
    if batch.positions_BT is not None:
        inputs["position_ids"] = batch.positions_BT
    return inputs


def _places(batch: Batch) -> tuple[Tensor, Tensor]:
    """Of each predicted token the flat position before it, and the token itself; shape (N,)."""
    at_N = batch.mask_BT.flatten().nonzero().squeeze(-1)
    return at_N - 1, batch.ids_BT.flatten()[at_N]


def _spread(scored: tuple[Tensor, Tensor], batch: Batch) -> TokenLogprobs:
    """Values of the predicted tokens at their places."""
    logp_N, entropy_N = scored
    at_N = batch.mask_BT.flatten().nonzero().squeeze(-1)
    empty = logp_N.new_zeros(batch.mask_BT.numel())
    return TokenLogprobs(
        *(empty.index_copy(0, at_N, values_N).reshape(batch.mask_BT.shape)
          for values_N in (logp_N, entropy_N))
    )  # fmt: skip


Work = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]


def _in_pieces(work: Work, pieces: Sequence[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    """The work on all pieces, joined; of several only the inputs are kept for the way back."""
    if len(pieces) == 1:
        return work(*pieces[0])
    done = [checkpoint(work, *piece, use_reentrant=False) for piece in pieces]
    logps, entropies = zip(*done, strict=True)
    return torch.cat(logps), torch.cat(entropies)


def _from_whole_network(network: Any, batch: Batch, settings: _Settings) -> TokenLogprobs:
    """The network asked for the logits of all positions, a few rows at a time."""
    height, width = batch.ids_BT.shape
    rows = max(1, settings.most_logits // (width * vocabulary(network)))

    def work(at_R: Tensor, _: Tensor) -> tuple[Tensor, Tensor]:
        piece = _rows(batch, at_R)
        logits_RTV = network(**_inputs(piece)).logits
        before_N, target_N = _places(piece)
        return _scored(logits_RTV.flatten(0, 1)[before_N], target_N, settings)

    blocks = torch.split(torch.arange(height, device=batch.ids_BT.device), rows)
    return _spread(_in_pieces(work, [(block, block) for block in blocks]), batch)


def _rows(batch: Batch, at_R: Tensor) -> Batch:
    positions_BT = batch.positions_BT
    return replace(
        batch,
        ids_BT=batch.ids_BT[at_R],
        mask_BT=batch.mask_BT[at_R],
        positions_BT=None if positions_BT is None else positions_BT[at_R],
    )


def _scored(logits_NV: Tensor, target_N: Tensor, settings: _Settings) -> tuple[Tensor, Tensor]:
    logits_NV = logits_NV.float()
    if settings.temperature != 1.0:
        logits_NV = logits_NV / settings.temperature
    return chosen_logprob(logits_NV, target_N, with_entropy=settings.with_entropy)
