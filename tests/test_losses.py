"""Losses for unequal classes: their definitions by hand, and what they do to a decision."""

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from cardio_utils.losses import class_balanced_cross_entropy, logit_adjusted_cross_entropy, pinball

LOGITS = torch.tensor([[2.0, 0.5, -1.0], [0.0, 1.0, 0.5], [-0.3, 0.2, 0.1]])
TARGET = torch.tensor([0, 2, 1])


def test_logit_adjustment_is_the_prior_inside_the_softmax():
    prior = np.array([90, 9, 1]) / 100
    odds = np.exp(LOGITS.numpy()) * prior**0.7
    expected = -np.log((odds / odds.sum(axis=1, keepdims=True))[np.arange(3), TARGET]).mean()
    assert logit_adjusted_cross_entropy([90, 9, 1], tau=0.7)(LOGITS, TARGET).item() == pytest.approx(expected)


@pytest.mark.parametrize(
    "loss",
    [
        logit_adjusted_cross_entropy([90, 9, 1], tau=0),
        logit_adjusted_cross_entropy([5, 5, 5], tau=1),
        class_balanced_cross_entropy([90, 9, 1], beta=0),
        class_balanced_cross_entropy([5, 5, 5], beta=0.99),
    ],
)
def test_without_adjustment_or_imbalance_it_is_the_plain_cross_entropy(loss):
    assert loss(LOGITS, TARGET).item() == pytest.approx(cross_entropy(LOGITS, TARGET).item(), rel=1e-5)


def test_class_balanced_weights_follow_the_effective_number():
    counts, beta = np.array([1000, 100, 10]), 0.99
    weights = (1 - beta) / (1 - beta**counts)
    each = cross_entropy(LOGITS, TARGET, reduction="none").numpy()
    expected = (each * weights[TARGET]).sum() / weights[TARGET].sum()
    assert class_balanced_cross_entropy(counts, beta)(LOGITS, TARGET).item() == pytest.approx(expected, rel=1e-5)


def test_adjusted_training_moves_the_boundary_to_the_balanced_one():
    """One feature, Gaussians of variance 1 at -1 and +1, 1 in 20 positive: the balanced boundary is 0."""
    generator = torch.Generator().manual_seed(0)
    target = (torch.arange(20_000) % 20 == 0).long()
    x = torch.randn(20_000, 1, generator=generator) + (2.0 * target - 1)[:, None]
    boundary = {}
    for tau in (0.0, 1.0):
        net = torch.nn.Linear(1, 2)
        torch.nn.init.zeros_(net.weight)
        loss = logit_adjusted_cross_entropy(target.bincount(), tau)
        optimiser = torch.optim.LBFGS(net.parameters(), max_iter=100, line_search_fn="strong_wolfe")

        def closure(net=net, loss=loss, optimiser=optimiser):
            optimiser.zero_grad()
            value = loss(net(x), target)
            value.backward()
            return value

        optimiser.step(closure)
        (weight, bias) = (net.weight[1] - net.weight[0]).item(), (net.bias[1] - net.bias[0]).item()
        boundary[tau] = -bias / weight
    assert boundary[1.0] == pytest.approx(0, abs=0.1)
    assert boundary[0.0] == pytest.approx(np.log(19) / 2, abs=0.15)


@pytest.mark.parametrize("build", [logit_adjusted_cross_entropy, class_balanced_cross_entropy])
def test_computed_in_full_precision_and_differentiable(build):
    logits = LOGITS.to(torch.bfloat16).requires_grad_()
    value = build([90, 9, 1])(logits, TARGET)
    value.backward()
    assert value.dtype == torch.float32
    assert torch.isfinite(logits.grad).all()


@pytest.mark.parametrize("build", [logit_adjusted_cross_entropy, class_balanced_cross_entropy])
def test_an_absent_class_counts_as_one_example(build):
    assert build([90, 9, 0])(LOGITS, TARGET).item() == build([90, 9, 1])(LOGITS, TARGET).item()


@pytest.mark.parametrize("build", [logit_adjusted_cross_entropy, class_balanced_cross_entropy])
@pytest.mark.parametrize("counts", [[3], [3, -1], [0, 0], [1, float("nan")], [[1, 2], [3, 4]]])
def test_counts_that_are_none_are_refused(build, counts):
    with pytest.raises(ValueError, match="class_counts"):
        build(counts)


@pytest.mark.parametrize("beta", [1.0, -0.1])
def test_beta_outside_its_range_is_refused(beta):
    with pytest.raises(ValueError, match="beta"):
        class_balanced_cross_entropy([1, 2], beta)


def test_pinball_by_hand_and_half_the_absolute_error_at_the_median():
    output = torch.tensor([[[0.0, 0.0], [1.0, 1.0]]])
    target = torch.tensor([[2.0, -1.0]])
    expected = np.mean([0.1 * 2, 0.9 * 1, 0.5 * 1, 0.5 * 2])
    assert pinball([0.1, 0.5])(output, target).item() == pytest.approx(expected)
    assert 2 * pinball([0.5])(output[:, :1], target).item() == pytest.approx(output[:, 0].sub(target).abs().mean())


def test_pinball_is_smallest_at_the_quantiles():
    sample = torch.randn(20_000, generator=torch.Generator().manual_seed(0))
    levels = [0.05, 0.5, 0.95]
    estimate = torch.zeros(3, requires_grad=True)
    optimiser = torch.optim.Adam([estimate], lr=0.02)
    for _ in range(400):
        optimiser.zero_grad()
        pinball(levels)(estimate.expand(len(sample), 3), sample).backward()
        optimiser.step()
    np.testing.assert_allclose(estimate.detach(), np.quantile(sample, levels), atol=0.03)


@pytest.mark.parametrize("quantiles", [[0.0, 0.5], [0.5, 1.0], [0.5, 0.05], [0.5, 0.5], [[0.5]]])
def test_quantiles_that_are_none_are_refused(quantiles):
    with pytest.raises(ValueError, match="quantiles rise within"):
        pinball(quantiles)


def test_pinball_refuses_an_output_that_would_broadcast():
    with pytest.raises(ValueError, match=r"shape \(4, 1, 9\), the loss expects \(4, 3, 9\)"):
        pinball([0.05, 0.5, 0.95])(torch.zeros(4, 1, 9), torch.zeros(4, 9))
    with pytest.raises(ValueError, match=r"the loss expects \(4, 1, 9\)"):
        pinball([0.5])(torch.zeros(4, 9), torch.zeros(4, 9))
