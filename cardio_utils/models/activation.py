"""When each of 75 sites of the ventricles is activated, from leads of the electrocardiogram.

The originals' one-dimensional SqueezeNet in both of its forms, a published solution's network of convolutions and
LSTM, and the book's own `ActivationNet`. Introduced in chapter 08.

References
----------
Landajuela M et al. (2022) Comput Cardiol 49, doi:10.22489/CinC.2022.026 (the two SqueezeNets).
Iandola FN et al. (2016) arXiv:1602.07360 (SqueezeNet).
Szegedy C et al. (2015) CVPR 1-9 (convolutions of several widths side by side).
"""

import torch
from torch import nn

from cardio_utils.models.action_potential import monotone_quantiles
from cardio_utils.models.layers import ConvBlock, ResidualBlock

QUANTILES = (0.05, 0.5, 0.95)
"""What the three outputs a site of an `ActivationNet` are."""


class Fire(nn.Module):
    """A convolution of one sample to few channels, then two side by side, of one sample and of three, to many."""

    def __init__(self, n_in: int, squeeze: int, expand: int):
        super().__init__()
        self.squeeze = nn.Conv1d(n_in, squeeze, 1)
        self.narrow = nn.Conv1d(squeeze, expand, 1)
        self.wide = nn.Conv1d(squeeze, expand, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, n_in, time) to (batch, 2 * expand, time)."""
        x = torch.relu(self.squeeze(x))
        return torch.relu(torch.cat([self.narrow(x), self.wide(x)], dim=1))


class SqueezeNet1d(nn.Sequential):
    """The originals' SqueezeNet along time, for one number or for one wave a site.

    Parameters
    ----------
    n_leads, n_sites : int
    reduce : bool
        True: strides and poolings lead to (batch, site), activation times; 486,657 parameters. False: no stride
        anywhere, (batch, site, time), potentials; 392,907 parameters. A sample of these depends on 25 of the leads,
        12 before it and 12 after it.
    dropout : float
        Share of values dropped before the last convolutions; the originals: 0.1 for times, 0 for potentials.
    """

    def __init__(self, n_leads: int = 12, n_sites: int = 75, reduce: bool = True, dropout: float = 0.1):
        stride = 2 if reduce else 1

        def pool():
            return nn.MaxPool1d(3, stride, padding=1, ceil_mode=True)

        trunk = [
            nn.Conv1d(n_leads, 64, 3, stride, padding=1), nn.ReLU(), pool(),
            Fire(64, 16, 64), Fire(128, 16, 64), pool(),
            Fire(128, 32, 128), Fire(256, 32, 128), pool(),
            Fire(256, 48, 192), Fire(384, 48, 192), Fire(384, 64, 256), Fire(512, 64, 256),
            nn.Dropout(dropout),
        ]  # fmt: skip
        if reduce:
            head = [
                nn.Conv1d(512, n_sites, 3, 2), nn.ReLU(), nn.AdaptiveAvgPool1d(3),
                nn.Conv1d(n_sites, n_sites, 3), nn.Flatten(),
            ]  # fmt: skip
        else:
            head = [nn.Conv1d(512, n_sites, 1)]
        super().__init__(*trunk, *head)


class ConvLSTM(nn.Module):
    """Four convolutions, two LSTMs and three dense layers, as a public classroom solution has them.

    It takes the leads for steps in time and the samples for channels: convolutions and LSTMs go from lead to lead, in
    the order in which they are listed, and of twelve places two are left for the LSTMs. Restated as it is, to compare.

    Parameters
    ----------
    n_time, n_sites : int
    """

    def __init__(self, n_time: int = 500, n_sites: int = 75):
        super().__init__()
        widths, pools = (n_time, 64, 128, 256, 512), (2, 2, 2, 1)
        levels = [
            (
                nn.Conv1d(before, after, 3, padding=1),
                nn.ReLU(),
                nn.MaxPool1d(pool, ceil_mode=True),
                nn.BatchNorm1d(after),
            )
            for before, after, pool in zip(widths, widths[1:], pools, strict=False)
        ]
        self.convolutions = nn.Sequential(*(layer for level in levels for layer in level))
        self.first, self.second = nn.LSTM(512, 128, batch_first=True), nn.LSTM(128, 64, batch_first=True)
        self.head = nn.Sequential(
            nn.Linear(64, 256), nn.ReLU(), nn.Dropout(0.3),
            nn.Linear(256, 128), nn.ReLU(), nn.Dropout(0.2),
            nn.Linear(128, n_sites),
        )  # fmt: skip

    def forward(self, leads: torch.Tensor) -> torch.Tensor:
        """(batch, lead, time) to (batch, site)."""
        x = self.convolutions(leads.transpose(1, 2)).transpose(1, 2)
        return self.head(self.second(self.first(x)[0])[0][:, -1])


class ActivationNet(nn.Module):
    """The book's network for activation maps: eight leads in mV to three quantiles of the time of each site.

    Convolutions of three widths side by side look at the leads at once, since a fast wave front leaves a notch of a
    few ms and a slow one a slur of fifty; they step 5 ms, so that all that follows is wide and short, which a
    processor convolves fast. The last map is read place by place, not averaged: when something happens is the
    question. All leads have one scale, because the ratio between leads says where.

    Parameters
    ----------
    centre, spread : (site,) tensor
        Mean and standard deviation of activation times in training (ms): what an output of 0 and of 1 stand for.
    n_leads, n_time : int
    width : int
        Channels of each of the three kinds of convolution that see the leads.
    wide : int
        Channels of the residual blocks.
    hidden : int
        Width of the dense layer.
    dropout : float
        Share of the dense layer dropped in training.
    """

    def __init__(
        self,
        centre: torch.Tensor,
        spread: torch.Tensor,
        n_leads: int = 8,
        n_time: int = 500,
        *,
        width: int = 32,
        wide: int = 128,
        hidden: int = 256,
        dropout: float = 0.1,
    ):
        super().__init__()
        self.looks = nn.ModuleList(ConvBlock(n_leads, width, kernel, stride=5) for kernel in (5, 15, 45))
        self.blocks = nn.Sequential(
            ResidualBlock(3 * width, wide, stride=2),
            ResidualBlock(wide, wide, stride=2),
            ResidualBlock(wide, wide),
        )
        places = -(-n_time // 20)
        self.code = nn.Sequential(
            nn.Flatten(), nn.Linear(wide * places, hidden), nn.LayerNorm(hidden), nn.GELU(), nn.Dropout(dropout)
        )
        self.head = nn.Linear(hidden, len(QUANTILES) * len(centre))
        self.register_buffer("centre", torch.as_tensor(centre, dtype=torch.float32))
        self.register_buffer("spread", torch.as_tensor(spread, dtype=torch.float32))

    def forward(self, leads: torch.Tensor, delay: torch.Tensor | None = None) -> torch.Tensor:
        """Quantiles (batch, 3, site), ms, in rising order; the one in the middle is the estimate.

        Parameters
        ----------
        leads : (batch, lead, time)
            mV, one sample a ms.
        delay : (batch,), optional
            ms by which the leads come late, which is taken off the answer: how `delayed` beats keep their targets.
        """
        x = torch.cat([look(leads) for look in self.looks], dim=1)
        code = self.code(self.blocks(x))
        with torch.autocast(leads.device.type, enabled=False):
            raw = self.head(code.float()).reshape(len(leads), len(QUANTILES), -1)
            times = self.centre + self.spread * monotone_quantiles(raw)
            return times if delay is None else times - delay[:, None, None]


def delayed(inputs, generator, most=20):
    """Beats of which half begin late: by a number of ms of their own, the first sample held until then.

    The simulated beats all begin with the stimulus; nobody marks that moment in a recorded one. For
    `training.fit(augment=...)` with `ActivationNet`.

    Parameters
    ----------
    inputs : (leads, delay)
        Tensors (batch, lead, time), one sample a ms, and (batch,).
    generator : torch.Generator
        On the device of the leads.
    most : int
        Delays are 1 to `most` ms.

    Returns
    -------
    (leads, delay)
        New tensors.
    """
    leads, delay = inputs
    late = torch.randint(1 - most, most + 1, (len(leads),), generator=generator, device=leads.device).clamp(min=0)
    source = (torch.arange(leads.shape[-1], device=leads.device) - late[:, None]).clamp(min=0)
    return leads.gather(-1, source[:, None].expand_as(leads)), delay + late
