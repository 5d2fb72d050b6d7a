"""Transmembrane potentials at 75 sites from eight leads of the electrocardiogram: 500 ms at 1 kHz in and out.

Introduced in chapter 09.
"""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import nn

from cardio_utils.models.layers import ConvBlock, Fold, ResidualBlock
from cardio_utils.models.unet import UNet


class PotentialUNet(nn.Module):
    """The book's U-Net with a wave for each site: what it adds to the mean waves of training.

    Parameters
    ----------
    mean : (site, time) tensor
        mV.
    n_leads : int
    scale : float
        mV that an output of 1 of the U-Net stands for.
    **arguments
        Of `UNet`, in place of those chosen here: 20 ms are folded into the channels of a place, and three levels
        of 25, 5 and 1 places let each of them see the whole beat. An upstroke needs the QRS complex and the end of
        an action potential the T wave, 300 ms later: both must reach each sample.
    """

    def __init__(self, mean: torch.Tensor, n_leads: int = 8, *, scale: float = 50.0, **arguments):
        super().__init__()
        chosen = {"widths": (192, 256, 256), "strides": (5, 5), "blocks": (1, 1, 2), "patch": 20} | arguments
        self.unet = UNet(n_leads, len(mean), **chosen)
        self.scale = scale
        self.register_buffer("mean", torch.as_tensor(mean, dtype=torch.float32))

    def forward(self, leads: torch.Tensor) -> torch.Tensor:
        """(batch, lead, time) to (batch, site, time), mV."""
        return self.mean + self.scale * self.unet(leads)


class ParametricDecoder(nn.Module):
    """Action potentials from when they begin, how long they last and what shape they have.

    Vm = mean(x) + sum_k shape_k component_k(x) with x = (t - activation) * duration / APD: a table of waves that all
    cross 0 mV at x = 0 and last `duration`, read between its entries by straight lines. The activation time of
    what is drawn is the parameter, but for what samples every millisecond cannot tell.

    Parameters
    ----------
    waves : (1 + n_shapes, entry) tensor
        mV: the mean wave, then the components, which are 0 where the mean crosses 0.
    zero : float
        Entry at which the mean crosses 0 mV.
    step : float
        ms between entries.
    duration : float
        APD of the waves, ms.
    n_time : int
        Samples drawn, one a ms.

    Raises
    ------
    ValueError
        The mean does not cross 0 mV upwards at `zero`.
    """

    def __init__(self, waves: torch.Tensor, zero: float, step: float, duration: float, n_time: int = 500):
        super().__init__()
        waves = torch.as_tensor(waves, dtype=torch.float32)
        before, after = waves[0, int(zero) - 1], waves[0, int(zero) + 2]
        if not before < 0 < after:
            raise ValueError(f"no upstroke through 0 mV at entry {zero:g}: {before:.1f} mV, then {after:.1f} mV")
        self.zero, self.step, self.duration, self.n_time = zero, step, duration, n_time
        self.n_shapes = len(waves) - 1
        steps = torch.diff(waves, append=waves[:, -1:])
        self.register_buffer("table", torch.cat([waves, steps]).T.contiguous())

    def forward(
        self, activation: torch.Tensor, apd: torch.Tensor, shape: torch.Tensor, stride: int = 1, first: int = 0
    ):
        """Draw action potentials.

        Parameters
        ----------
        activation, apd : (batch, site)
            ms.
        shape : (batch, site, n_shapes)

        Returns
        -------
        (batch, site, n_time), mV
            Before the table begins and behind its end, its outermost entries.
        """
        time = torch.arange(self.n_time, device=activation.device)
        stretch = self.duration / (self.step * apd)
        place = (time - activation[..., None]) * stretch[..., None] + self.zero
        place = place.clamp(0, len(self.table) - 1)
        whole = place.detach().floor()
        rows = nn.functional.embedding(whole.long(), self.table)
        value, steps = rows.split(self.n_shapes + 1, dim=-1)
        waves = value + (place - whole)[..., None] * steps
        return waves[..., 0] + (waves[..., 1:] * shape[:, :, None]).sum(-1)


class ParametricNet(nn.Module):
    """Activation time, APD and shape of each site from the leads, drawn by a `ParametricDecoder`.

    Parameters
    ----------
    decoder : ParametricDecoder
    centre, spread : (site, 2 + n_shapes) tensor
        Mean and standard deviation of the parameters in training: activation and APD (ms), then shapes. The
        network begins at the mean.
    n_leads : int
    widths : sequence of int
        Channels of the encoder; time is halved from each to the next.
    patch : int
        Samples that are folded into the channels of a place before.
    hidden : int
        Length of the code that all parameters are read from.
    dropout : float
        Share of the code dropped in training.
    """

    def __init__(
        self,
        decoder: ParametricDecoder,
        centre: torch.Tensor,
        spread: torch.Tensor,
        n_leads: int = 8,
        *,
        widths: Sequence[int] = (128, 128, 192),
        patch: int = 10,
        hidden: int = 256,
        dropout: float = 0.1,
    ):
        super().__init__()
        centre, spread = (torch.as_tensor(a, dtype=torch.float32) for a in (centre, spread))
        self.decoder = decoder
        kernel = 5
        places = -(-decoder.n_time // patch)
        levels = [Fold(patch), ConvBlock(n_leads * patch, widths[0], kernel)]
        for before, after in pairwise(widths):
            levels.append(ResidualBlock(before, after, kernel, stride=2))
            places = -(-places // 2)
        self.encoder = nn.Sequential(*levels)
        self.code = nn.Sequential(
            nn.Flatten(), nn.Linear(widths[-1] * places, hidden), nn.LayerNorm(hidden), nn.GELU(), nn.Dropout(dropout)
        )
        self.head = nn.Linear(hidden, centre.numel())
        nn.init.zeros_(self.head.bias)
        self.register_buffer("centre", centre)
        self.register_buffer("spread", spread)

    def forward(self, leads: torch.Tensor) -> torch.Tensor:
        """(batch, lead, time) to (batch, site, 2 + n_shapes): activation and APD (ms), then shapes."""
        code = self.code(self.encoder(leads))
        with torch.autocast(leads.device.type, enabled=False):
            return self.centre + self.spread * self.head(code.float()).reshape(-1, *self.centre.shape)

    def draw(self, parameters: torch.Tensor) -> torch.Tensor:
        """Parameters (batch, site, 2 + n_shapes) to potentials (batch, site, time), mV."""
        return self.decoder(parameters[..., 0], parameters[..., 1].clamp(min=20), parameters[..., 2:])


class Rescaled(nn.Module):
    """A network whose output of 0 stands for `offset` mV, and of 1 for `scale` mV more: the originals' scale.

    Parameters
    ----------
    network : nn.Module
    offset, scale : float
        mV.
    """

    def __init__(self, network: nn.Module, offset: float = -85.5, scale: float = 135.5):
        super().__init__()
        self.network, self.offset, self.scale = network, offset, scale

    def forward(self, leads: torch.Tensor) -> torch.Tensor:
        """What the network takes to mV."""
        return self.offset + self.scale * self.network(leads).float()


class ConvGRUNet(nn.Module):
    """The originals' solution of this task: convolutions and a recurrent layer across the *leads*.

    Its input of 12 leads and 500 samples is read as 12 steps of 500 channels, so that each convolution joins
    neighbouring rows of a list whose order means nothing, and time is a list of features. 132,719 parameters as Keras
    counts them: 131,951 trained, and 768 running means and variances.

    Parameters
    ----------
    n_leads, n_sites, n_time : int
    widths : sequence of int
        Channels of the blocks.
    hidden : int
        Of the recurrent layer.
    dropout : float
        Share of channels dropped, in each block and before the last layer.
    """

    def __init__(
        self,
        n_leads: int = 12,
        n_sites: int = 75,
        n_time: int = 500,
        *,
        widths: Sequence[int] = (16, 16, 32, 32),
        hidden: int = 128,
        dropout: float = 0.5,
    ):
        super().__init__()
        self.blocks = nn.ModuleList(_LeadBlock(*sizes, dropout) for sizes in pairwise((n_time, *widths)))
        self.recurrent = nn.GRU(widths[-1], hidden, batch_first=True)
        self.sites = nn.Linear(hidden, n_sites)
        self.dropout = nn.Dropout1d(dropout)
        self.time = nn.Linear(n_leads, n_time)

    def forward(self, leads: torch.Tensor) -> torch.Tensor:
        """(batch, lead, time) to (batch, site, time)."""
        x = leads.transpose(1, 2)
        for block in self.blocks:
            x = block(x)
        states, _ = self.recurrent(x.transpose(1, 2))
        return self.time(self.dropout(self.sites(states).transpose(1, 2)))


class _LeadBlock(nn.Module):
    """A convolution, and three more around a shortcut: (batch, n_in, lead) to (batch, n_out, lead)."""

    def __init__(self, n_in, n_out, dropout):
        super().__init__()

        def step(before):
            return nn.Sequential(nn.Conv1d(before, n_out, 3, padding=1), nn.BatchNorm1d(n_out), nn.LeakyReLU(0.3))

        self.first, self.body = step(n_in), nn.Sequential(*(step(n_out) for _ in range(3)))
        self.dropout = nn.Dropout1d(dropout)

    def forward(self, x):
        x = self.first(x)
        return self.dropout(x + self.body(x))
