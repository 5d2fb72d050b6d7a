"""Networks that find miniature end-plate potentials: the originals' three, and ours. Chapter 13 trains them."""

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn.functional import softplus

from cardio_utils.models.layers import as_channels
from cardio_utils.models.unet import UNet


class EventNet(nn.Module):
    """Expected number of events in each millisecond, from long windows of any length.

    A `UNet` that folds 1 ms into channels at once and sees 0.4 s to either side. What it says is the logarithm of the
    intensity of a point process, since an event is a point in time and a window may hold any number of them.

    Parameters
    ----------
    n_in : int
        Channels of the input at 10 kHz (`detectors.EventDetector.inputs`).
    widths : sequence of int
        Channels at 1, 5 and 25 ms.
    blocks : sequence of int
        Residual blocks at each.
    rate : float
        Events a place that the untrained network expects.
    """

    def __init__(
        self,
        n_in: int = 4,
        *,
        widths: Sequence[int] = (32, 48, 64),
        blocks: Sequence[int] = (1, 1, 2),
        rate: float = 2e-3,
    ):
        super().__init__()
        self.options = {"n_in": n_in, "widths": list(widths), "blocks": list(blocks)}
        self.body = UNet(n_in, 1, widths=widths, strides=(5, 5), blocks=blocks, patch=10)
        self.body.head = nn.Conv1d(widths[0], 1, 1)
        nn.init.zeros_(self.body.head.weight)
        nn.init.constant_(self.body.head.bias, torch.tensor(rate).expm1().log().item())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, n_in, sample) to the logarithm of the expected events (batch, place), ten samples a place."""
        features = self.body.features(x)
        with torch.autocast(x.device.type, enabled=False):
            raw = self.body.head(features.float())[:, 0, : -(-x.shape[-1] // 10)]
            return log_softplus(raw)


def log_softplus(raw: torch.Tensor) -> torch.Tensor:
    """Logarithm of softplus: `raw` itself far below 0, where softplus is an exponential."""
    return torch.where(raw < -10, raw, softplus(raw.clamp(min=-10)).log())


def point_process_loss(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Negative log-likelihood of events as a Poisson process (Daley and Vere-Jones 2003, section 7.1).

    Parameters
    ----------
    output : (window, place) logarithm of the expected events.
    target : (window, place) events; those between two places count for both in part.

    Returns
    -------
    scalar tensor
        A second of trace, 1,000 places.
    """
    output = output.float()
    return 1000 * (output.exp() - target * output).mean()


def _convolutions(n_in, widths, kernel):
    """Convolution with bias, batch normalisation and ReLU, one for each width."""
    layers = []
    for n_out in widths:
        layers += [nn.Conv1d(n_in, n_out, kernel, padding=kernel // 2), nn.BatchNorm1d(n_out), nn.ReLU()]
        n_in = n_out
    return nn.Sequential(*layers)


class MiniUNet(nn.Module):
    """The originals' network: a mask, one logit a sample, from patches of 100 samples.

    Two versions are known: the code of the first, and a drawing of the last, which leaves the kernel open: 11 samples
    here, as in the first.

    Parameters
    ----------
    version : {"last", "first"}
    """

    def __init__(self, version: str = "last"):
        super().__init__()
        if version not in ("last", "first"):
            raise ValueError(f"version {version!r} is not known: 'last' or 'first'")
        last = version == "last"
        down = [(16, 16), (32, 32)] if last else [(50, 50)]
        up = [(32, 16), (16, 8)] if last else [(50, 10)]
        before = [1, *(widths[-1] for widths in down)]
        self.down = nn.ModuleList(_convolutions(n, widths, 11) for n, widths in zip(before, down, strict=False))
        self.middle = _convolutions(32, (64, 32), 11) if last else nn.Conv1d(50, 50, 3, padding=1)
        below = [before[-1], *(widths[-1] for widths in up)]
        skips = reversed(before[1:])
        self.up = nn.ModuleList(
            _convolutions(n + skip, widths, 11) for n, skip, widths in zip(below, skips, up, strict=False)
        )
        self.head = nn.Conv1d(up[-1][-1], 1, 1)

    def forward(self, wave: torch.Tensor) -> torch.Tensor:
        """(batch, sample) to logits (batch, sample); the number of samples is a multiple of 4."""
        x, skips = as_channels(wave), []
        for level in self.down:
            x = level(x)
            skips.append(x)
            x = nn.functional.max_pool1d(x, 2)
        x = self.middle(x)
        for level in self.up:
            x = nn.functional.interpolate(x, scale_factor=2, mode="linear")
            x = level(torch.cat([x, skips.pop()], dim=1))
        return self.head(x)[:, 0]


class Autoencoder(nn.Module):
    """The originals' autoencoder, of windows of 40 samples: five convolutions, and no bottleneck.

    Between its halves stand 16 numbers for every sample that came in, so that copying is easy. It takes any length.
    """

    convolutional = True

    def __init__(self):
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Conv1d(1, 32, 7, padding=3), nn.ReLU(), nn.Conv1d(32, 16, 7, padding=3), nn.ReLU()
        )
        self.decoder = nn.Sequential(
            nn.ConvTranspose1d(16, 16, 7, padding=3),
            nn.ReLU(),
            nn.Dropout(0.2),
            nn.ConvTranspose1d(16, 32, 7, padding=3),
            nn.ReLU(),
            nn.ConvTranspose1d(32, 1, 7, padding=3),
        )

    def forward(self, wave: torch.Tensor) -> torch.Tensor:
        """(batch, sample) to its reconstruction, the same shape."""
        return self.decoder(self.encoder(as_channels(wave)))[:, 0]


class BottleneckAutoencoder(nn.Module):
    """An autoencoder that cannot copy: a window goes through a few numbers.

    Parameters
    ----------
    window : int
        Samples, a multiple of 4.
    latent : int
        Numbers in the middle.
    """

    convolutional = False

    def __init__(self, window: int = 40, latent: int = 4):
        super().__init__()
        size = 32 * (window // 4)
        self.encoder = nn.Sequential(
            nn.Conv1d(1, 16, 5, stride=2, padding=2),
            nn.ReLU(),
            nn.Conv1d(16, 32, 5, stride=2, padding=2),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(size, latent),
        )
        self.decoder = nn.Sequential(nn.Linear(latent, 128), nn.ReLU(), nn.Linear(128, window))

    def forward(self, wave: torch.Tensor) -> torch.Tensor:
        """(batch, window) to its reconstruction, the same shape."""
        return self.decoder(self.encoder(as_channels(wave)))
