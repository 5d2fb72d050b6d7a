"""Networks that read potassium from an electrocardiogram: a published one repaired, and the book's own.

All are called as ``net(x, mask, context)``: leads (record, lead, time) in mV, which of them are there (record, lead),
and a table (record, value) of age, sex, rate and intervals followed by a flag of each that is missing. What a lead
holds that is not there is never looked at. All return the logits of 60 cumulative bins (record, 60), logit k being that
of a potassium of at least 1.6 + 0.1 k mmol/L, and the share of attention of each lead (record, lead).

The logits never rise with k, whatever the weights: the network finds one place on a line and how sure it is of it,
and the bins are ordered cut-points on that line. So there is one distribution, and everything else (the expected
value, the probability of each class) is read from it by `cardio_utils.potassium`. Introduced in chapter 12.

References
----------
Lin CS et al. (2020) JMIR Med Inform 8:e15931 (ECG12Net). Huang G et al. (2017) CVPR, 4700-4708 (dense blocks).
McCullagh P (1980) J R Stat Soc B 42:109-142 (cumulative links, location and scale).
"""

from __future__ import annotations

import torch
from torch import nn

from cardio_utils.models.layers import ConvBlock, ResidualBlock

N_BINS = 60


class OrdinalHead(nn.Module):
    """A place on a line and a scale, against ordered cut-points: logits (record, bin) = (place - cut) / scale.

    Parameters
    ----------
    n_in : int
        Features.
    rates : (bin,) array_like, optional
        Share of records at or above each bin, with which the cut-points begin; otherwise they are spread evenly.
    heteroscedastic : bool
        Whether the scale depends on the record (between 1/4 and 4); otherwise it is 1.

    Raises
    ------
    ValueError
        The rates rise.
    """

    def __init__(self, n_in: int, rates=None, heteroscedastic: bool = True, n_bins: int = N_BINS):
        super().__init__()
        if rates is None:
            cuts = torch.linspace(-4, 4, n_bins)
        else:
            share = torch.as_tensor(rates, dtype=torch.float32).clamp(0.002, 0.998)
            if (share.diff() > 1e-6).any():
                raise ValueError("the share of records at or above a bin cannot rise with the bin")
            cuts = torch.cummax(-torch.logit(share), 0).values
        steps = cuts.diff().clamp(min=1e-3)
        self.first = nn.Parameter(cuts[:1].clone())
        self.steps = nn.Parameter(torch.log(torch.expm1(steps)))
        self.place = nn.Linear(n_in, 1)
        self.width = nn.Linear(n_in, 1) if heteroscedastic else None
        for layer in (self.place, self.width):
            if layer is not None:
                nn.init.normal_(layer.weight, std=0.5 * n_in**-0.5)
                nn.init.zeros_(layer.bias)

    @property
    def cuts(self) -> torch.Tensor:
        """Cut-points, (bin,), rising."""
        return torch.cat([self.first, self.first + nn.functional.softplus(self.steps).cumsum(0)])

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """(record, n_in) to logits (record, bin), float32, that never rise along the bins."""
        with torch.autocast(features.device.type, enabled=False):
            features = features.float()
            distance = self.place(features) - self.cuts
            if self.width is None:
                return distance
            return distance * torch.exp(torch.tanh(self.width(features)) * 1.386)


def masked_attention(score: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Shares (record, lead) from scores: a softmax over the leads that are there, 0 for the others.

    Raises
    ------
    ValueError
        A record has no lead at all.
    """
    if not bool(mask.any(1).all()):
        raise ValueError("a record has no lead that is there")
    return torch.softmax(score.float().masked_fill(~mask, -torch.inf), dim=1)


def _each_lead(trunk, x, mask):
    """Features (record, lead, feature) of a trunk that sees one lead at a time; 0 for leads that are not there."""
    features = trunk(x[mask][:, None])
    placed = features.new_zeros(*mask.shape, features.shape[-1])
    placed[mask] = features
    return placed


class DenseUnit(nn.Sequential):
    """1-tap convolution to 4 x growth channels, 3-tap convolution (with the stride), 1-tap convolution to growth."""

    def __init__(self, n_in: int, growth: int = 32, stride: int = 1):
        wide = 4 * growth
        super().__init__(
            ConvBlock(n_in, wide, 1), ConvBlock(wide, wide, 3, stride), nn.Conv1d(wide, growth, 1, bias=False)
        )


class DenseBlock(nn.Module):
    """Dense units whose outputs are joined to their input, sample by sample: + growth channels each."""

    def __init__(self, n_in: int, units: int, growth: int = 32):
        super().__init__()
        self.units = nn.ModuleList(DenseUnit(n_in + k * growth, growth) for k in range(units))
        self.n_out = n_in + units * growth

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for unit in self.units:
            x = torch.cat([x, unit(x)], dim=1)
        return x


class PoolingBlock(nn.Module):
    """A dense unit of stride 2 beside the mean of two samples: half the length, + growth channels."""

    def __init__(self, n_in: int, growth: int = 32):
        super().__init__()
        self.unit = DenseUnit(n_in, growth, stride=2)
        self.pool = nn.AvgPool1d(2, ceil_mode=True)
        self.n_out = n_in + growth

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat([self.pool(x), self.unit(x)], dim=1)


class TransitionLayer(nn.Sequential):
    """Half the channels by a 1-tap convolution, half the length by a mean: the usual way down between dense blocks."""

    def __init__(self, n_in: int):
        super().__init__(ConvBlock(n_in, n_in // 2, 1), nn.AvgPool1d(2, ceil_mode=True))
        self.n_out = n_in // 2


class ECG12Net(nn.Module):
    """The network of Lin 2020 as it was meant: one dense trunk for all leads, attention over leads, context beside it.

    The originals' public code cuts gradients, takes batches of one record and always attends with weight 1; widths and
    order of the layers here are theirs: 79 convolutions and 864 features a lead by default.

    Parameters
    ----------
    n_context : int
        Values and flags of the context; 0: none, and `context` is ignored.
    units : sequence of int
        Dense units of each stage.
    growth : int
        Channels that a unit adds.
    down : {'pooling', 'transition'}
        How a stage begins.
    dropout : float
    rates : array_like, optional
        Of `OrdinalHead`.
    """

    def __init__(
        self, n_context: int = 0, units=(3, 3, 6, 6, 3), growth: int = 32, down: str = "pooling", dropout: float = 0.5,
        rates=None,
    ):  # fmt: skip
        super().__init__()
        if down not in ("pooling", "transition"):
            raise ValueError(f"a stage begins with 'pooling' or 'transition', not {down!r}")
        layers, width = [ConvBlock(1, growth, 7, stride=2)], growth
        for count in units:
            layers.append(PoolingBlock(width, growth) if down == "pooling" else TransitionLayer(width))
            layers.append(DenseBlock(layers[-1].n_out, count, growth))
            width = layers[-1].n_out
        self.trunk = nn.Sequential(*layers, nn.BatchNorm1d(width), nn.ReLU(), nn.AdaptiveAvgPool1d(1), nn.Flatten())
        self.attention = nn.Sequential(nn.Linear(width, 8), nn.ReLU(), nn.Linear(8, 1, bias=False))
        self.context = EMPNet(n_context) if n_context else None
        n_features = width + (self.context.n_out if n_context else 0)
        self.dropout = nn.Dropout(dropout)
        self.head = OrdinalHead(n_features, rates, heteroscedastic=False)

    def forward(self, x: torch.Tensor, mask: torch.Tensor, context: torch.Tensor | None = None):
        features = _each_lead(self.trunk, x, mask)
        share = masked_attention(self.attention(features)[..., 0], mask)
        joined = (share[..., None] * features).sum(1)
        if self.context is not None:
            joined = torch.cat([joined, self.context(context)], dim=1)
        return self.head(self.dropout(joined)), share


class EMPNet(nn.Sequential):
    """Age, sex, rate and intervals, with their flags, to 16 features: n - 32 - 16."""

    def __init__(self, n_context: int):
        super().__init__(nn.Linear(n_context, 32), nn.ReLU(), nn.Linear(32, 16), nn.ReLU())
        self.n_out = 16


class PotassiumNet(nn.Module):
    """The book's own: a short trunk on each lead's median beat, names of leads, attention over those that are there.

    The stem has stride 4, so that time goes into channels at once; the last map is read at all its places, since where
    something lies in the beat tells what it is. A learned vector names the lead, in what is read from it and in how
    much attention it gets.

    Parameters
    ----------
    n_context : int
        As for `ECG12Net`.
    n_leads : int
    width : int
        Channels after the stem and the first block; later ones have 1.5 times as many.
    n_places : int
        At which the last map is read.
    dropout : float
    rates : array_like, optional
        Of `OrdinalHead`.
    """

    def __init__(
        self, n_context: int = 0, n_leads: int = 8, width: int = 64, n_places: int = 6, dropout: float = 0.3, rates=None
    ):  # fmt: skip
        super().__init__()
        wide = 3 * width // 2
        self.trunk = nn.Sequential(
            ConvBlock(1, width // 2, 9, stride=4),
            ResidualBlock(width // 2, width),
            ResidualBlock(width, wide, 3, stride=2),
            ResidualBlock(wide, wide, 3, stride=2),
            nn.AdaptiveAvgPool1d(n_places),
            nn.Flatten(),
            nn.Linear(wide * n_places, wide),
            nn.ReLU(),
        )
        self.names = nn.Parameter(0.1 * torch.randn(n_leads, 16))
        self.value = nn.Sequential(nn.Linear(wide + 16, wide), nn.ReLU())
        self.attention = nn.Sequential(nn.Linear(wide + 16, 16), nn.Tanh(), nn.Linear(16, 1, bias=False))
        self.context = EMPNet(n_context) if n_context else None
        n_features = wide + (self.context.n_out if n_context else 0)
        self.head = nn.Sequential(
            nn.Dropout(dropout), nn.Linear(n_features, width), nn.ReLU(), OrdinalHead(width, rates)
        )

    def forward(self, x: torch.Tensor, mask: torch.Tensor, context: torch.Tensor | None = None):
        features = _each_lead(self.trunk, x, mask)
        named = torch.cat([features, self.names.expand(len(x), -1, -1).to(features.dtype)], dim=-1)
        share = masked_attention(self.attention(named)[..., 0], mask)
        joined = (share[..., None] * self.value(named)).sum(1)
        if self.context is not None:
            joined = torch.cat([joined, self.context(context)], dim=1)
        return self.head(joined), share


class SmallCNN(nn.Module):
    """Three convolutions over all leads at once and the mean of their map: the plain network of the comparison."""

    def __init__(self, n_leads: int = 8, width: int = 32, rates=None):
        super().__init__()
        self.body = nn.Sequential(
            ConvBlock(n_leads, width, 7, stride=2),
            ConvBlock(width, 2 * width, 5, stride=2),
            ConvBlock(2 * width, 2 * width, 5, stride=2),
            nn.AdaptiveAvgPool1d(1),
            nn.Flatten(),
        )
        self.head = OrdinalHead(2 * width, rates, heteroscedastic=False)

    def forward(self, x: torch.Tensor, mask: torch.Tensor, context: torch.Tensor | None = None):
        seen = torch.where(mask[..., None], x, 0)
        return self.head(self.body(seen)), mask.float() / mask.sum(1, keepdim=True)


class Augment:
    """Records as another machine, or another minute, might have shown them; for `training.fit(augment=...)`.

    Nothing here touches what potassium is read from: no record is scaled to unit variance, which would destroy the
    height of T, and none is stretched in time, which would destroy its width.

    Parameters
    ----------
    fs : float
        Hz.
    gain : float
        Standard deviation of the one factor by which all leads of a record are multiplied (logarithm).
    wander, muscle, mains : float
        Typical sizes (mV) of a slow wave, of white noise and of a sine of 50 or 60 Hz, each lead its own.
    drop : float
        Share of the records from which some leads are taken away, one at least being left.
    shift : float
        Largest shift in time of all leads together, s; the value at the end is held.
    """

    def __init__(self, fs, *, gain=0.1, wander=0.03, muscle=0.01, mains=0.005, drop=0.3, shift=0.02):
        self.fs = fs
        self.sizes = {"gain": gain, "wander": wander, "muscle": muscle, "mains": mains, "drop": drop, "shift": shift}

    def __call__(self, inputs, generator):
        """(x, mask, ...) to the same; what follows the mask is passed on."""
        x, mask, *others = inputs
        time = torch.arange(x.shape[-1], device=x.device) / self.fs
        x = self._shifted(x, generator)
        x = x * torch.exp(self.sizes["gain"] * self._normal(x, generator, len(x), 1, 1))
        x = x + self._wander(x, time, generator) + self._mains(x, time, generator)
        x = x + self.sizes["muscle"] * self._normal(x, generator, *x.shape)
        return x, self._dropped(mask, generator), *others

    @staticmethod
    def _normal(x, generator, *shape):
        return torch.randn(*shape, generator=generator, device=x.device)

    @staticmethod
    def _uniform(x, generator, *shape):
        return torch.rand(*shape, generator=generator, device=x.device)

    def _shifted(self, x, generator):
        most = round(self.sizes["shift"] * self.fs)
        if not most:
            return x
        steps = torch.randint(-most, most + 1, (len(x), 1), generator=generator, device=x.device)
        place = (torch.arange(x.shape[-1], device=x.device) - steps).clamp(0, x.shape[-1] - 1)
        return torch.gather(x, 2, place[:, None].expand_as(x))

    def _wander(self, x, time, generator):
        n, leads = x.shape[:2]
        turns = (0.15 + 0.25 * self._uniform(x, generator, n, 1, 1)) * time + self._uniform(x, generator, n, leads, 1)
        return self.sizes["wander"] * self._normal(x, generator, n, leads, 1) * torch.sin(2 * torch.pi * turns)

    def _mains(self, x, time, generator):
        n, leads = x.shape[:2]
        hertz = torch.where(self._uniform(x, generator, n, 1, 1) < 0.5, 50.0, 60.0)
        phase = self._uniform(x, generator, n, leads, 1)
        size = self.sizes["mains"] * self._normal(x, generator, n, leads, 1)
        return size * torch.sin(2 * torch.pi * (hertz * time + phase))

    def _dropped(self, mask, generator):
        """The mask with some leads taken away in some records; their values are not touched."""
        n, leads = mask.shape
        rank = self._uniform(mask, generator, n, leads).masked_fill(~mask, 2.0).argsort(1).argsort(1)
        kept = torch.randint(1, leads + 1, (n, 1), generator=generator, device=mask.device)
        chosen = self._uniform(mask, generator, n, 1) < self.sizes["drop"]
        return mask & (~chosen | (rank < kept))
