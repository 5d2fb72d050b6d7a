"""One-dimensional blocks that several networks share: (batch, channel, time) in and out."""

import torch
from torch import nn


def count_parameters(model: nn.Module) -> int:
    """Number of trainable values in `model`."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


def as_channels(wave: torch.Tensor) -> torch.Tensor:
    """Give a (batch, time) wave its channel axis; a (batch, channel, time) wave passes unchanged.

    Raises
    ------
    ValueError
        For any other number of dimensions.
    """
    if wave.ndim == 2:
        return wave.unsqueeze(1)
    if wave.ndim == 3:
        return wave
    raise ValueError(f"a wave is (batch, time) or (batch, channel, time), not {tuple(wave.shape)}")


class ConvBlock(nn.Sequential):
    """Convolution, batch normalisation, ReLU; an odd kernel leaves ceil(length / stride) samples."""

    def __init__(self, n_in: int, n_out: int, kernel: int, stride: int = 1):
        super().__init__(
            nn.Conv1d(n_in, n_out, kernel, stride=stride, padding=kernel // 2, bias=False),
            nn.BatchNorm1d(n_out),
            nn.ReLU(),
        )


class ResidualBlock(nn.Module):
    """Two convolutions around a shortcut (He et al. 2016), after batch normalisation.

    Parameters
    ----------
    n_in, n_out : int
        Channels in and out. The shortcut is the identity where channels and length stay, otherwise a mean
        over `stride` samples and a convolution of one sample.
    kernel : int, odd
    stride : int
        The length is divided by it and rounded up.
    dropout : float
        Share of channels dropped between the two convolutions.
    """

    def __init__(self, n_in: int, n_out: int, kernel: int = 5, stride: int = 1, dropout: float = 0.0):
        super().__init__()
        self.first = ConvBlock(n_in, n_out, kernel, stride)
        self.dropout = nn.Dropout1d(dropout)
        self.second = nn.Conv1d(n_out, n_out, kernel, padding=kernel // 2, bias=False)
        self.norm = nn.BatchNorm1d(n_out)
        if n_in == n_out and stride == 1:
            self.shortcut = nn.Identity()
        else:
            self.shortcut = nn.Sequential(
                nn.AvgPool1d(stride, ceil_mode=True),
                nn.Conv1d(n_in, n_out, 1, bias=False),
                nn.BatchNorm1d(n_out),
            )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, n_in, time) to (batch, n_out, ceil(time / stride))."""
        y = self.norm(self.second(self.dropout(self.first(x))))
        return torch.relu(y + self.shortcut(x))
