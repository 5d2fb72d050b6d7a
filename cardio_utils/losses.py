"""Losses over logits for classes of unequal size."""

from collections.abc import Callable, Sequence

import torch
from torch.nn.functional import cross_entropy

Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def _counts(class_counts: Sequence[float]) -> torch.Tensor:
    """Class sizes as a vector; an absent class counts as one example, so that its logarithm exists."""
    counts = torch.as_tensor(class_counts, dtype=torch.float32)
    if counts.ndim != 1 or len(counts) < 2:
        raise ValueError(f"class_counts is one number a class, at least two of them, not {class_counts!r}")
    if not torch.isfinite(counts).all() or (counts < 0).any() or counts.sum() == 0:
        raise ValueError(f"class_counts must be finite, not negative and not all zero: {class_counts!r}")
    return counts.clamp(min=1.0)


def logit_adjusted_cross_entropy(class_counts: Sequence[float], tau: float = 1.0) -> Loss:
    """Cross-entropy of `logits + tau * log(prior)` (Menon et al. 2021, equation 10).

    The prior is added while training only, so that the bare logits of the trained network are already fitted
    to the balanced error: at tau = 1 their largest is the class of highest balanced probability. tau = 0 is
    the plain cross-entropy.

    Parameters
    ----------
    class_counts : (class,) numbers of training examples; a class without any counts as one.
    tau : strength of the adjustment.

    Returns
    -------
    loss : callable of logits (example, class) and integer target (example,): the mean, a scalar in fp32.

    Raises
    ------
    ValueError
        If the counts are not a vector of finite, non-negative numbers.
    """
    counts = _counts(class_counts)
    adjustment = tau * torch.log(counts / counts.sum())

    def loss(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        return cross_entropy(logits.float() + adjustment.to(logits.device), target)

    return loss


def class_balanced_cross_entropy(class_counts: Sequence[float], beta: float = 0.999) -> Loss:
    """Cross-entropy weighted by the inverse effective number of examples (Cui et al. 2019).

    A class of n examples has the effective number (1 - beta^n) / (1 - beta): beta = 0 weighs all examples
    alike, beta towards 1 weighs each class by 1/n. Weights have mean 1 over the classes.

    Parameters
    ----------
    class_counts : (class,) numbers of training examples; a class without any counts as one.
    beta : in [0, 1).

    Returns
    -------
    loss : callable of logits (example, class) and integer target (example,): the weighted sum over the batch
        divided by the batch's summed weights, a scalar in fp32.

    Raises
    ------
    ValueError
        If the counts are not a vector of finite, non-negative numbers, or beta lies outside [0, 1).
    """
    if not 0 <= beta < 1:
        raise ValueError(f"beta lies in [0, 1), not {beta}")
    # In double precision: for beta near 1 the difference 1 - beta^n cancels in fp32.
    weights = 1.0 / (1.0 - beta ** _counts(class_counts).double())
    weights = (weights / weights.mean()).float()

    def loss(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        return cross_entropy(logits.float(), target, weight=weights.to(logits.device))

    return loss
