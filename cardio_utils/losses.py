"""Losses: over logits for classes of unequal size, over quantiles, and over waveforms that follow a model."""

from collections.abc import Callable, Sequence

import torch
from torch.nn.functional import cross_entropy, l1_loss

from cardio_utils import residuals
from cardio_utils.models.action_potential import parameter_ranges

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


def pinball(quantiles: Sequence[float]) -> Loss:
    """Quantile loss (Koenker and Bassett 1978): max(q e, (q - 1) e) with e = target - output, mean over all.

    Twice that at q = 0.5 is the absolute error.

    Parameters
    ----------
    quantiles : in (0, 1), rising; one a channel of the output.

    Returns
    -------
    loss : callable of output (example, quantile, ...) and target (example, ...): a scalar in fp32.

    Raises
    ------
    ValueError
        If the quantiles do not rise within (0, 1), or an output has another number of channels.
    """
    levels = torch.as_tensor(quantiles, dtype=torch.float32)
    if levels.ndim != 1 or not ((levels > 0) & (levels < 1)).all() or (levels.diff() <= 0).any():
        raise ValueError(f"quantiles rise within (0, 1), unlike {quantiles!r}")

    def loss(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        if output.shape[1:2] != levels.shape or output[:, 0].shape != target.shape:
            expected = (target.shape[0], len(levels), *target.shape[1:])
            raise ValueError(f"the output has the shape {tuple(output.shape)}, the loss expects {expected}")
        error = target.float().unsqueeze(1) - output.float()
        q = levels.to(error.device).reshape(-1, *[1] * (error.ndim - 2))
        return torch.maximum(q * error, (q - 1) * error).mean()

    return loss


def physics_informed(
    fs: float,
    equations: str = "aliev_panfilov",
    weight: float = 0.02,
    data: Loss = l1_loss,
    **options,
) -> Loss:
    """Error of a waveform plus `weight` times how far its median is from a beat of a model of excitation.

    Of quantiles only the median is asked to follow the model: a pointwise quantile of its solutions is none.

    Parameters
    ----------
    fs : sampling rate (Hz).
    equations : a key of `residuals.RANGES`. "aliev_panfilov" and "rogers_mcculloch" cost
        `residuals.physics_loss` after the map to the model's own rest; "originals" costs
        `residuals.originals_loss` of the waveform as it is.
    weight : 0 leaves the physics out, and its heads without gradient.
    data : loss of waveforms and target.
    **options : for `residuals.physics_loss`.

    Returns
    -------
    loss : callable of the output of `ActionPotentialNet` and the target (waveform (beat, time), mask (beat,
        time) of `residuals.beat_mask`): a scalar in fp32.

    Raises
    ------
    ValueError
        If the equations are unknown.
    """
    names = tuple(parameter_ranges(equations))

    def loss(output, target) -> torch.Tensor:
        wave, *recovery, parameters = output
        truth, mask = target
        value = data(wave.float(), truth)
        if weight == 0:
            return value
        median = (wave if wave.ndim == 2 else wave[:, wave.shape[1] // 2]).float()
        own = dict(zip(names, parameters.float().unbind(1), strict=True))
        if equations == "originals":
            return value + weight * residuals.originals_loss(median, own, fs)
        u = (median - own["offset"][:, None]) / own["gain"][:, None]
        cost = residuals.physics_loss(u, recovery[0], own, mask, fs, equations=equations, **options)
        return value + weight * cost

    return loss
