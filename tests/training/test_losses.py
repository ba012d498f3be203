from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import Tensor

from pathshift.training import losses
from pathshift.training.losses import Clip, Diagnostics


def _close(found: Tensor, wanted: list[list[float]]) -> None:
    torch.testing.assert_close(found, torch.tensor(wanted), rtol=1e-6, atol=1e-7)


def _log(values: list[list[float]]) -> Tensor:
    return torch.tensor(values).log()


@pytest.mark.parametrize(
    ("ratio", "advantage", "loss"),
    [
        (1.0, 2.0, -2.0),
        (1.1, 2.0, -2.2),
        (1.5, 2.0, -2.56),  # held at 1.28
        (0.5, 2.0, -1.0),  # going back is not held
        (0.5, -2.0, 1.6),  # held at 0.8
        (1.5, -2.0, 3.0),  # going back is not held
        (1.2, 0.0, 0.0),
    ],
)
def test_the_ratio_is_held_where_leaving_would_pay(
    ratio: float, advantage: float, loss: float
) -> None:
    found = losses.clipped_surrogate(
        _log([[ratio]]), torch.tensor([[advantage]]), Clip(low=0.2, high=0.28)
    )
    _close(found, [[loss]])


def test_the_ratio_of_a_completion_is_the_product_over_its_tokens() -> None:
    mask_BT = torch.tensor([[True, True, False], [True, True, True]])
    old_BT = _log([[0.5, 0.5, 0.5], [0.1, 0.1, 0.1]])
    new_BT = _log([[0.25, 0.5, 0.1], [0.2, 0.2, 0.1]])
    _close(losses.token_log_ratio(new_BT, old_BT, mask_BT).exp(), [[0.5, 1, 1], [2, 2, 1]])
    _close(losses.sequence_log_ratio(new_BT, old_BT, mask_BT).exp(), [[0.5, 0.5, 1], [4, 4, 4]])


def test_k3_is_never_negative_and_equals_k1_in_the_mean() -> None:
    generator = torch.Generator().manual_seed(0)
    logp = torch.randn(7, generator=generator, dtype=torch.float64).log_softmax(-1)
    reference = torch.randn(7, generator=generator, dtype=torch.float64).log_softmax(-1)
    kl = torch.nn.functional.kl_div(reference, logp, log_target=True, reduction="sum")
    k1, k3 = losses.k1(logp, reference), losses.k3(logp, reference)
    assert float((logp.exp() * k1).sum()) == pytest.approx(float(kl))
    assert float((logp.exp() * k3).sum()) == pytest.approx(float(kl))
    assert bool((k3 >= 0).all())
    assert bool((k1 < 0).any())


def test_k3_by_hand() -> None:
    found = losses.k3(_log([[0.5, 0.2]]), _log([[0.25, 0.2]]))
    _close(found, [[0.5 - 1 + math.log(2), 0.0]])


def test_the_value_error_is_the_larger_of_clipped_and_unclipped() -> None:
    old_BT = torch.tensor([[0.0, 0.0, 0.0]])
    value_BT = torch.tensor([[0.1, 1.0, 1.0]])
    return_BT = torch.tensor([[1.0, 1.0, -1.0]])
    # Held at .2: .8 squared beats 0; at the third the unclipped 2 squared beats 1.2 squared.
    _close(losses.value_error(value_BT, old_BT, return_BT, 0.2), [[0.405, 0.32, 2.0]])
    _close(losses.value_error(value_BT, old_BT, return_BT, None), [[0.405, 0.0, 2.0]])


# --- gradients ---------------------------------------------------------------------------------

_OLD_BT = _log([[0.5, 0.3, 0.4, 0.2]]).double()
_ADVANTAGE_BT = torch.tensor([[1.0, -2.0, 0.5, 3.0]], dtype=torch.float64)
_MASK_BT = torch.tensor([[True, True, True, False]])
_CLIP = Clip(0.2, 0.28)


def _surrogate(ratio: Callable[[Tensor, Tensor, Tensor], Tensor], logp_BT: Tensor) -> Tensor:
    return losses.clipped_surrogate(ratio(logp_BT, _OLD_BT, _MASK_BT), _ADVANTAGE_BT, _CLIP)


@pytest.mark.parametrize(
    "loss",
    [
        partial(_surrogate, losses.token_log_ratio),
        partial(_surrogate, losses.sequence_log_ratio),
        lambda logp_BT: losses.reinforce(logp_BT, _ADVANTAGE_BT),
        lambda logp_BT: losses.k3(logp_BT, _OLD_BT),
        lambda value_BT: losses.value_error(value_BT, _OLD_BT, _ADVANTAGE_BT, 0.2),
        lambda value_BT: losses.value_error(value_BT, _OLD_BT, _ADVANTAGE_BT, None),
    ],
    ids=["token", "sequence", "reinforce", "k3", "value-clipped", "value"],
)
@pytest.mark.parametrize("shift", [-0.5, -0.05, 0.07, 0.6])
def test_the_gradient_is_the_slope_of_the_loss(
    loss: Callable[[Tensor], Tensor], shift: float
) -> None:
    weight_BT = losses.sequence_mean(_MASK_BT, 4).double()
    at_BT = (_OLD_BT + shift * torch.tensor([[1.0, -1.1, 0.9, 2.0]])).requires_grad_()
    (gradient_BT,) = torch.autograd.grad(losses.weighed(loss(at_BT), weight_BT), at_BT)
    step = 1e-6
    slopes = []
    for place in range(4):
        moved_BT = torch.zeros_like(at_BT)
        moved_BT[0, place] = step
        up, down = (
            losses.weighed(loss(at_BT.detach() + sign * moved_BT), weight_BT) for sign in (1, -1)
        )
        slopes.append(float(up - down) / (2 * step))
    assert gradient_BT[0].tolist() == pytest.approx(slopes, rel=1e-6, abs=1e-8)


def test_a_held_ratio_has_no_gradient_and_a_free_one_minus_advantage_times_ratio() -> None:
    log_ratio_BT = _log([[1.1, 1.5, 0.5, 0.5, 1.5]]).requires_grad_()
    advantage_BT = torch.tensor([[2.0, 2.0, 2.0, -2.0, -2.0]])
    loss_BT = losses.clipped_surrogate(log_ratio_BT, advantage_BT, _CLIP)
    (gradient_BT,) = torch.autograd.grad(loss_BT.sum(), log_ratio_BT)
    _close(gradient_BT, [[-2.2, 0.0, -1.0, 0.0, 3.0]])


def test_what_stands_at_weight_zero_does_not_count() -> None:
    found = losses.weighed(torch.tensor([[2.0, math.nan, math.inf]]), torch.tensor([[0.5, 0, 0]]))
    assert float(found) == 1.0


# --- weights -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("aggregate", "short", "long"),
    [
        (losses.token_mean, 1 / 4, 1 / 4),
        (losses.sequence_mean, 1 / 2, 1 / 6),
        (losses.constant_length, 1 / 20, 1 / 20),
        (losses.sequence_sum, 1 / 2, 1 / 2),
    ],
)
def test_weights_of_completions_of_one_and_three_tokens(
    aggregate: Callable[[Tensor, int], Tensor], short: float, long: float
) -> None:
    mask_BT = torch.tensor([[True, False, False], [True, True, True], [False, False, False]])
    wanted = [[short, 0.0, 0.0], [long] * 3, [0.0, 0.0, 0.0]]
    _close(aggregate(mask_BT, 10), wanted)


@pytest.mark.parametrize(
    "aggregate",
    [losses.token_mean, losses.sequence_mean, losses.constant_length, losses.sequence_sum],
)
def test_a_batch_without_a_token_weighs_nothing(
    aggregate: Callable[[Tensor, int], Tensor],
) -> None:
    assert not aggregate(torch.zeros(2, 3).bool(), 10).any()


# --- diagnostics -------------------------------------------------------------------------------


def _diagnosed(rows: slice) -> Diagnostics:
    mask_BT = torch.tensor([[True, True, True], [True, False, False], [False, False, False]])
    log_ratio_BT = _log([[1.5, 1.5, 0.5], [0.5, 9.0, 9.0], [9.0, 9.0, 9.0]])
    advantage_BT = torch.tensor([[1.0, -1.0, 1.0], [-1.0, 1.0, 1.0], [1.0, 1.0, 1.0]])
    entropy_BT = torch.tensor([[1.0, 2.0, 3.0], [6.0, math.nan, math.nan], [math.nan] * 3])
    return losses.diagnose(
        log_ratio_BT[rows], advantage_BT[rows], mask_BT[rows],
        clip=Clip(0.2, 0.2), entropy_BT=entropy_BT[rows],
    )  # fmt: skip


def test_diagnostics_by_hand() -> None:
    found = _diagnosed(slice(3))
    assert found.n_tokens == 4
    assert found.clip_fraction_low == 0.25
    assert found.clip_fraction_high == 0.25
    kl = (2 * (0.5 - math.log(1.5)) + 2 * (-0.5 - math.log(0.5))) / 4
    assert found.approx_kl == pytest.approx(kl)
    assert found.entropy == 3.0
    assert [found.ratio_min, found.ratio_max] == pytest.approx([0.5, 1.5])
    assert math.isnan(found.reference_kl)


def test_diagnostics_of_parts_put_together_are_those_of_the_batch() -> None:
    parts = [_diagnosed(slice(i, i + 1)) for i in range(3)]
    assert math.isnan(parts[2].approx_kl)
    found, wanted = losses.together(parts), _diagnosed(slice(3))
    assert found == pytest.approx(wanted, nan_ok=True)


def test_diagnostics_of_no_token_are_undefined() -> None:
    assert math.isnan(losses.together([_diagnosed(slice(2, 3))]).clip_fraction_low)
    with pytest.raises(ValueError, match="no part"):
        losses.together([])
