"""Intracellular action potentials from extracellular waveforms: a U-Net with quantile and physics heads.

Introduced in chapters 04 and 05.
"""

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import nn

from cardio_utils import residuals
from cardio_utils.models.layers import ConvBlock
from cardio_utils.models.unet import UNet

Ranges = Mapping[str, tuple[float, float]]


def monotone_quantiles(raw: torch.Tensor, start: float = 0.05) -> torch.Tensor:
    """Curves that cannot cross: the middle channel is the median, each further one lies a softplus beyond.

    Parameters
    ----------
    raw : (batch, n, time), n odd
    start : distance between neighbours where `raw` is 0.

    Returns
    -------
    (batch, n, time) in rising order.
    """
    middle = raw.shape[1] // 2
    shift = torch.tensor(start).expm1().log().item()
    steps = nn.functional.softplus(raw + shift)
    median = raw[:, middle : middle + 1]
    below = median - steps[:, :middle].flip(1).cumsum(1).flip(1)
    above = median + steps[:, middle + 1 :].cumsum(1)
    return torch.cat([below, median, above], dim=1)


class BoundedParameters(nn.Module):
    """Numbers within bounds from features, by a sigmoid: the gradient vanishes at no finite value.

    A range over a factor of ten or more is covered in logarithm.

    Parameters
    ----------
    n_in : int
    ranges : mapping of name -> (low, high)

    Raises
    ------
    ValueError
        If a range is empty.
    """

    def __init__(self, n_in: int, ranges: Ranges):
        super().__init__()
        bounds = torch.tensor(list(ranges.values()), dtype=torch.float32)
        low, high = bounds.unbind(1)
        if not (low < high).all():
            raise ValueError(f"each range is (low, high) with low < high: {dict(ranges)}")
        log = (low > 0) & (high >= 10 * low)
        self.names = tuple(ranges)
        self.linear = nn.Linear(n_in, len(self.names))
        self.register_buffer("log", log, persistent=False)
        self.register_buffer("low", torch.where(log, low.abs().log(), low), persistent=False)
        self.register_buffer("high", torch.where(log, high.abs().log(), high), persistent=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, n_in) to (batch, parameter), in the order of `names`."""
        value = self.low + (self.high - self.low) * torch.sigmoid(self.linear(x))
        return torch.where(self.log, torch.where(self.log, value, 0).exp(), value)


class PhysicsHead(nn.Module):
    """Parameters of a beat from a map of features: convolutions, mean over time, a short code, bounds.

    Parameters
    ----------
    n_in : int
        Channels of the features.
    ranges : mapping of name -> (low, high)
    widths, stride, kernel : channels, stride and size of convolutions ahead of the mean; none by default.
    code : int
        Length of the code.
    """

    def __init__(
        self,
        n_in: int,
        ranges: Ranges,
        widths: Sequence[int] = (),
        stride: int = 5,
        kernel: int = 11,
        code: int = 8,
    ):
        super().__init__()
        steps = zip((n_in, *widths), widths, strict=False)
        self.features = nn.Sequential(*(ConvBlock(before, after, kernel, stride) for before, after in steps))
        n_last = (n_in, *widths)[-1]
        self.code = nn.Sequential(nn.BatchNorm1d(n_last), nn.Linear(n_last, code), nn.SiLU())
        self.parameters_of = BoundedParameters(code, ranges)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """(batch, n_in, place) to (batch, parameter)."""
        x = self.features(features)
        with torch.autocast(x.device.type, enabled=False):
            return self.parameters_of(self.code(x.float().mean(-1)))


def parameter_ranges(equations: str, ranges: Ranges | None = None) -> dict[str, tuple[float, float]]:
    """Bounds of a physics head: those of the equations and, but for "originals", of the map to the model's rest.

    Parameters
    ----------
    equations : a key of `residuals.RANGES`
    ranges : bounds that replace some of them.

    Raises
    ------
    ValueError
        Unknown equations, or bounds of a parameter that they do not have.
    """
    if equations not in residuals.RANGES:
        raise ValueError(f"equations={equations!r} is not known; one of {', '.join(residuals.RANGES)}")
    bounds = dict(residuals.RANGES[equations])
    if equations != "originals":
        bounds |= residuals.MAPPING
    unknown = set(ranges or {}) - set(bounds)
    if unknown:
        raise ValueError(f"{equations} has the parameters {', '.join(bounds)}, not {', '.join(sorted(unknown))}")
    return bounds | dict(ranges or {})


class ActionPotentialNet(nn.Module):
    """Extracellular window to intracellular waveform, with quantiles and the parameters of a beat where wanted.

    Parameters
    ----------
    n_quantiles : int, odd
        Waveforms; 3 for a band around the median.
    equations : str or None
        Key of `residuals.RANGES`: the physics head estimates its parameters, and but for "originals", whose
        form has none, a recovery variable becomes an output. None for no physics.
    trunk : callable(n_out=..., **arguments) -> UNet
    head_widths : sequence of int
        Convolutions of the `PhysicsHead`.
    ranges : mapping of name -> (low, high), optional
        Bounds that replace some of `parameter_ranges`.
    bounded : bool
        tanh on the median.
    **arguments
        Further arguments of `trunk`.

    Attributes
    ----------
    parameter_names : tuple of str
        Columns of the last output.

    Raises
    ------
    ValueError
        An even number of quantiles; otherwise as `parameter_ranges`.
    """

    def __init__(
        self,
        n_quantiles: int = 1,
        equations: str | None = "aliev_panfilov",
        *,
        trunk: Callable[..., UNet] = UNet,
        head_widths: Sequence[int] = (),
        ranges: Ranges | None = None,
        bounded: bool = False,
        **arguments,
    ):
        super().__init__()
        if n_quantiles < 1 or n_quantiles % 2 == 0:
            raise ValueError(f"an odd number of quantiles has a median among them, {n_quantiles} has none")
        self.n_quantiles, self.equations, self.bounded = n_quantiles, equations, bounded
        self.has_recovery = equations not in (None, "originals")
        self.parameter_names = ()
        if equations is not None:
            bounds = parameter_ranges(equations, ranges)
            self.parameter_names = tuple(bounds)
        self.trunk = trunk(n_out=n_quantiles + self.has_recovery, **arguments)
        if equations is not None:
            self.physics = PhysicsHead(self.trunk.width, bounds, head_widths)

    @classmethod
    def originals(cls, n_quantiles: int = 1, equations: str | None = "originals", **arguments):
        """The originals' network with its physics head: 6.37 million values as Keras counts them."""
        return cls(n_quantiles, equations, trunk=UNet.originals, head_widths=(64, 96, 128), bounded=True, **arguments)

    def forward(self, wave: torch.Tensor):
        """(batch, time) or (batch, 1, time) to waveforms, and what belongs to the physics.

        Returns
        -------
        wave : (batch, time), or (batch, n_quantiles, time) in rising order
        recovery : (batch, time) in (0, 1); with equations other than "originals"
        parameters : (batch, parameter), in the order of `parameter_names`; with equations
            Without equations the wave is returned alone, otherwise a tuple.
        """
        features = self.trunk.features(wave)
        raw = self.trunk.read(features, wave.shape[-1])
        curves = raw[:, : self.n_quantiles]
        if self.bounded:
            curves = curves.tanh()
        curves = curves[:, 0] if self.n_quantiles == 1 else monotone_quantiles(curves)
        if self.equations is None:
            return curves
        recovery = (torch.sigmoid(raw[:, -1]),) if self.has_recovery else ()
        return curves, *recovery, self.physics(features)
