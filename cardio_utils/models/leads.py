"""Networks of the twelve-lead chapters: reconstruction of hidden leads, and superclasses from any set of leads.

All take the eight independent leads (record, 8, time) in mV, in the order of `lead_algebra.EIGHT`, with a mask
(record, 8) of those that are visible. What hidden leads hold is never looked at. Introduced in chapter 11.
"""

import itertools

import numpy as np
import torch
from torch import nn

from cardio_utils import lead_algebra
from cardio_utils.models.layers import ConvBlock, ResidualBlock, SqueezeExcitation
from cardio_utils.models.unet import UNet

_QUIET = 0.05  # mV: a record is not scaled up beyond it


class LeadNet(nn.Module):
    """The eight leads with a band, from any set of them: FIR ridge regression and a learned residual.

    A linear estimate of the hidden leads, from weights that were solved for every set (`leads.every_fir`), enters a
    `UNet` with the visible leads and the mask; what the network adds starts at zero. Everything is divided by the
    size of the visible leads and multiplied by it at the end, so that a heart twice as large is drawn twice as large.

    Parameters
    ----------
    weights : (256, 8, 8, lag) array_like
        Linear weights of every set of leads.
    quantiles : int
        Curves a lead: 3 for the mean between two quantiles, 1 for the mean alone.
    **arguments
        Replace those of `UNet`.

    Attributes
    ----------
    linear : Tensor
        The weights, not trained.
    """

    def __init__(self, weights, quantiles: int = 3, **arguments):
        super().__init__()
        if quantiles not in (1, 3):
            raise ValueError(f"a lead has one curve or three, not {quantiles}")
        given = dict(widths=(96, 128, 192), strides=(5, 5), blocks=(2, 2, 2), decoder_blocks=1, patch=4, squeeze=8)
        self.quantiles = quantiles
        self.unet = UNet(16, 8 * quantiles, **(given | arguments))
        self.register_buffer("linear", torch.as_tensor(np.asarray(weights, np.float32)))
        for values in self.unet.head.parameters():
            nn.init.zeros_(values.data) if values.ndim > 1 else values.data.fill_(0)

    def estimate(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """FIR ridge regression (record, 8, time) from the visible leads, which stay as they are."""
        seen = torch.where(mask[..., None], x, 0)
        code = (mask.long() << torch.arange(8, device=mask.device)).sum(1)
        weights = self.linear[code]
        lags = weights.shape[-1] // 2
        moved = nn.functional.pad(seen, (lags, lags)).unfold(-1, x.shape[-1], 1)
        drawn = torch.bmm(weights.flatten(2), moved.flatten(1, 2))
        return torch.where(mask[..., None], seen, drawn)

    def forward(self, x: torch.Tensor, mask: torch.Tensor):
        """Curves (record, quantile, 8, time) in mV, lowest first, then `x` and `mask` as they came.

        The visible leads pass unchanged, to the last bit, through all curves. A loss takes the truth from `x`, which
        lets the records be varied as a whole while training.
        """
        with torch.autocast(x.device.type, enabled=False):
            linear = self.estimate(x.float(), mask)
            size = _size(linear, mask)
            marks = mask[..., None].expand_as(linear).float()
            given = torch.cat([linear / size, marks], dim=1)
        features = self.unet.features(given)
        residual = self.unet.read(features, x.shape[-1]).unflatten(1, (self.quantiles, 8))
        size = size[:, None]
        middle = linear[:, None] + size * residual[:, :1]
        curves = middle
        if self.quantiles == 3:
            down, up = (nn.functional.softplus(residual[:, k : k + 1] - 1) * size for k in (1, 2))
            curves = torch.cat([middle - down, middle, middle + up], dim=1)
        return torch.where(mask[:, None, :, None], x[:, None], curves), x, mask


def _size(x, mask):
    """Root mean square (record, 1, 1) of the visible leads (mV), for a record of normal height about 0.2."""
    power = (x**2).mean(-1) * mask
    return (power.sum(1) / mask.sum(1)).sqrt().clamp(min=_QUIET)[:, None, None]


class OriginalsLeadNet(nn.Module):
    """The originals' reconstructor: a network a visible lead, one they share, a network a chest lead; full length.

    Blocks of two convolutions of 17 samples and a convolved shortcut, without normalisation. The channels of three
    blocks a lead and of two shared ones halve, block by block, what is left of the way from 1 to 32 channels a lead,
    and of the way back to one. 5.3 million parameters from two leads. One network serves one set of leads.

    Parameters
    ----------
    visible : (8,) array_like of bool
        The set of leads, I and II among them.
    width : int
        Channels a lead.
    kernel : int, odd

    Raises
    ------
    ValueError
        I or II is hidden.
    """

    def __init__(self, visible, width: int = 32, kernel: int = 17):
        super().__init__()
        if not np.all(np.asarray(visible, bool)[:2]):
            raise ValueError("the originals draw chest leads only: I and II must be visible")
        self.visible = np.flatnonzero(visible).tolist()
        n = len(self.visible)
        self.own = nn.ModuleList(_halving(1, width, 3, kernel) for _ in range(n))
        self.shared = _halving(n * width, 6 * width, 2, kernel)
        self.chest = nn.ModuleList(_halving(6 * width, 1, 3, kernel, linear=True) for _ in range(6))

    def forward(self, x: torch.Tensor, mask: torch.Tensor):
        """As `LeadNet`, with one curve."""
        seen = torch.cat([net(x[:, k : k + 1]) for net, k in zip(self.own, self.visible, strict=True)], dim=1)
        shared = self.shared(seen)
        chest = torch.cat([net(shared) for net in self.chest], dim=1)
        drawn = torch.cat([x[:, :2], chest], dim=1)
        return torch.where(mask[..., None], x, drawn)[:, None], x, mask


class _OriginalsBlock(nn.Module):
    """Convolution, ReLU, convolution, convolved shortcut, ReLU unless `linear`."""

    def __init__(self, n_in, n_out, kernel, linear):
        super().__init__()
        self.first = nn.Conv1d(n_in, n_out, kernel, padding=kernel // 2)
        self.second = nn.Conv1d(n_out, n_out, kernel, padding=kernel // 2)
        self.shortcut = nn.Conv1d(n_in, n_out, 1)
        self.linear = linear

    def forward(self, x):
        y = self.second(torch.relu(self.first(x))) + self.shortcut(x)
        return y if self.linear else torch.relu(y)


def _halving(n_in, n_out, count, kernel, linear=False):
    """`count` blocks, each of which halves the distance to `n_out` channels; the last one reaches it."""
    widths = [n_in]
    for left in range(count - 1, -1, -1):
        widths.append((widths[-1] + n_out) // 2 if left else n_out)
    steps = itertools.pairwise(widths)
    return nn.Sequential(*(_OriginalsBlock(a, b, kernel, linear and b == n_out) for a, b in steps))


class _Classifier(nn.Module):
    """Logits of superclasses from visible leads and their mask; `body` makes a map, its mean and maximum are read."""

    scale = 0.25  # mV

    def __init__(self, body, width, n_classes, dropout):
        super().__init__()
        self.body = body
        self.head = nn.Sequential(nn.Dropout(dropout), nn.Linear(2 * width, n_classes))

    def forward(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """(record, 8, time) mV and (record, 8) bool to logits (record, class)."""
        seen = torch.where(mask[..., None], x, 0) / self.scale
        y = self.body(torch.cat([seen, mask[..., None].expand_as(seen).to(seen.dtype)], dim=1))
        return self.head(torch.cat([y.mean(-1), y.amax(-1)], dim=1))


class LeadCritic(_Classifier):
    """Residual network for the superclasses: the one that takes part in the training of a reconstructor.

    Parameters
    ----------
    n_classes, width : int
        Channels after the stem (stride 4); later stages have 1.5 and 2 times as many.
    dropout : float
    """

    def __init__(self, n_classes: int = 5, width: int = 64, dropout: float = 0.4):
        wide, wider = 3 * width // 2, 2 * width
        body = nn.Sequential(
            ConvBlock(16, width, 15, stride=4),
            ResidualBlock(width, width, dropout=dropout / 4),
            ResidualBlock(width, wide, stride=2, dropout=dropout / 4),
            ResidualBlock(wide, wide, dropout=dropout / 4),
            ResidualBlock(wide, wider, stride=3, dropout=dropout / 4),
            ResidualBlock(wider, wider, dropout=dropout / 4),
        )
        super().__init__(body, wider, n_classes, dropout)


class LeadEvaluator(_Classifier):
    """Inception network (Ismail Fawaz et al. 2020) for the superclasses: the one that judges, never trained against.

    Each stage has parallel convolutions of three lengths and a maximum behind a bottleneck, gated by channel
    (squeeze and excitation); the stem has stride 2, later stages halve the length.

    Parameters
    ----------
    n_classes, width : int
        Channels of the first stage.
    dropout : float
    """

    def __init__(self, n_classes: int = 5, width: int = 64, dropout: float = 0.4):
        widths = (width, 3 * width // 2, 2 * width, 2 * width)
        stages = [ConvBlock(16, width, 9, stride=2)]
        for n_in, n_out in zip((width, *widths), widths, strict=False):
            stages += [_Inception(n_in, n_out), nn.MaxPool1d(2)]
        super().__init__(nn.Sequential(*stages[:-1]), widths[-1], n_classes, dropout)


class _Inception(nn.Module):
    """Convolutions of 5, 11 and 23 samples and a maximum side by side, gated, with a shortcut."""

    def __init__(self, n_in, n_out):
        super().__init__()
        quarter = n_out // 4
        self.narrow = nn.Conv1d(n_in, quarter, 1, bias=False)
        self.branches = nn.ModuleList(nn.Conv1d(quarter, quarter, k, padding=k // 2, bias=False) for k in (5, 11, 23))
        self.peak = nn.Sequential(nn.MaxPool1d(3, 1, 1), nn.Conv1d(n_in, n_out - 3 * quarter, 1, bias=False))
        self.norm = nn.BatchNorm1d(n_out)
        self.gate = SqueezeExcitation(n_out)
        self.shortcut = nn.Sequential(nn.Conv1d(n_in, n_out, 1, bias=False), nn.BatchNorm1d(n_out))

    def forward(self, x):
        narrow = self.narrow(x)
        y = torch.relu(self.norm(torch.cat([*(b(narrow) for b in self.branches), self.peak(x)], dim=1)))
        return torch.relu(y * self.gate(y) + self.shortcut(x))


# Records as they might have been


_REPORTED = ["II", "I,II", *(f"I,II,V{k}" for k in range(1, 7)), "I,II,V2,V5"]


class RandomLeads:
    """Varies the records of a batch, and which of their leads are visible: for `training.fit(augment=...)`.

    Each heart is turned by some degrees (the part of the leads that a dipole explains, by Dower's table), each chest
    electrode moves part of the way to a neighbour, the height changes, and the record starts elsewhere. Six masks in
    ten are of the sets that the chapter reports, the others hold one to six leads at random.

    Parameters
    ----------
    masks : (set, 8) array_like of bool, optional
        Draw from these only; a single set makes a network for that set.
    turn : float
        Standard deviation (rad) of the turn about each axis.
    shift : float
        Largest part of the way to the neighbouring electrode.
    complete : float
        Share of the records of which all leads are visible: 0 for a reconstructor, which has nothing to do there.
    noise : float
        Standard deviation (mV) of white noise.
    length : int, optional
        Samples of the piece that is kept; the whole record if not given.
    """

    def __init__(self, masks=None, *, complete=0.0, turn=0.15, shift=0.15, noise=0.0, length=None):
        names = [[name in leads.split(",") for name in lead_algebra.EIGHT] for leads in _REPORTED]
        self.mixed = masks is None
        self.masks = torch.tensor(np.asarray(names if masks is None else masks, bool))
        self.complete, self.turn, self.shift, self.noise = complete, turn, shift, noise
        self.length = length
        self.dower = torch.tensor(lead_algebra.DOWER, dtype=torch.float32)

    def __call__(self, inputs, generator):
        """(x (record, 8, time), mask (record, 8)) to the same, on the device of `x`."""
        x, mask = inputs
        mixing = (self._moved(len(x), generator) @ self._turned(len(x), generator)).to(x.device)
        start = int(torch.randint(x.shape[-1], (1,), generator=generator, device=generator.device))
        x = torch.roll(mixing @ x, start, -1)[..., : self.length]
        if self.noise:
            x = x + self.noise * torch.randn(x.shape, generator=generator, device=x.device)
        return x, self.draw(len(mask), generator).to(mask.device)

    def draw(self, n, generator):
        """Masks (n, 8)."""
        device = generator.device
        mask = self.masks.to(device)[torch.randint(len(self.masks), (n,), generator=generator, device=device)]
        if self.mixed:
            count = torch.randint(1, 7, (n, 1), generator=generator, device=device)
            rank = torch.rand(n, 8, generator=generator, device=device).argsort(1)
            reported = torch.rand(n, 1, generator=generator, device=device) < 0.6
            mask = torch.where(reported, mask, rank < count)
        return mask | (torch.rand(n, 1, generator=generator, device=device) < self.complete)

    def _turned(self, n, generator):
        """Matrices (n, 8, 8): the heart turned, and its height changed by up to a fifth."""
        device = generator.device
        dower = self.dower.to(device)
        x, y, z = (self.turn * torch.randn(3, n, generator=generator, device=device)).unbind()
        zero = torch.zeros_like(x)
        skew = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], 1).reshape(n, 3, 3)
        turned = torch.matrix_exp(skew) - torch.eye(3, device=device)
        height = 0.8 + 0.45 * torch.rand(n, 1, 1, generator=generator, device=device)
        return height * (torch.eye(8, device=device) + dower @ turned @ torch.linalg.pinv(dower))

    def _moved(self, n, generator):
        """Matrices (n, 8, 8): each chest electrode part of the way to the one before or behind it."""
        device = generator.device
        way = self.shift * (2 * torch.rand(n, 6, generator=generator, device=device) - 1)
        moved = torch.eye(8, device=device).repeat(n, 1, 1)
        for k in range(6):
            row = 2 + k
            moved[:, row, row] -= way[:, k].abs()
            moved[:, row, min(row + 1, 7)] += way[:, k].clamp(min=0)
            moved[:, row, max(row - 1, 2)] += (-way[:, k]).clamp(min=0)
        return moved
