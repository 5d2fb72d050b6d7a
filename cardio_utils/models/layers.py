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


class SqueezeExcitation(nn.Sequential):
    """One gate in (0, 1) a channel, from the channel means over time (Hu et al. 2018): (batch, width, 1)."""

    def __init__(self, width: int, reduction: int = 8):
        super().__init__(
            nn.AdaptiveAvgPool1d(1),
            nn.Conv1d(width, width // reduction, 1),
            nn.ReLU(),
            nn.Conv1d(width // reduction, width, 1),
            nn.Sigmoid(),
        )


class GatedResidualBlock(nn.Module):
    """x + gate(x) * two `ConvBlock`s of x, without an activation after the sum.

    Unlike in Hu et al. (2018) the gate sees the block's input, not what it gates.
    """

    def __init__(self, width: int, kernel: int, reduction: int = 8):
        super().__init__()
        self.gate = SqueezeExcitation(width, reduction)
        self.body = nn.Sequential(ConvBlock(width, width, kernel), ConvBlock(width, width, kernel))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, width, time) to the same shape."""
        return x + self.gate(x) * self.body(x)


class AttentionGate(nn.Module):
    """Weighs a skip connection in time by a coarser signal (Oktay et al. 2018).

    Parameters
    ----------
    n_skip, n_gate : int
        Channels of the skip connection and of the coarser signal.
    stride : int
        How many times coarser; each weight holds for so many samples.
    """

    def __init__(self, n_skip: int, n_gate: int, stride: int):
        super().__init__()
        self.skip = nn.Conv1d(n_skip, n_skip, 1, stride=stride)
        self.gate = nn.Conv1d(n_gate, n_skip, 1)
        self.weight = nn.Conv1d(n_skip, 1, 1)
        self.stride = stride

    def forward(self, skip: torch.Tensor, gate: torch.Tensor) -> torch.Tensor:
        """(batch, n_skip, stride * place) and (batch, n_gate, place) to (batch, n_skip, stride * place)."""
        weight = torch.sigmoid(self.weight(torch.relu(self.skip(skip) + self.gate(gate))))
        return skip * weight.repeat_interleave(self.stride, dim=-1)


class Fold(nn.Module):
    """Time into channels: (batch, channel, size * place) to (batch, channel * size, place), no sample lost."""

    def __init__(self, size: int):
        super().__init__()
        self.size = size

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        n, channels, time = x.shape
        folded = x.reshape(n, channels, time // self.size, self.size)
        return folded.transpose(2, 3).reshape(n, channels * self.size, time // self.size)


class Unfold(nn.Module):
    """Channels back into time: each place gives two pieces of `size` samples, faded in and out over its neighbours'.

    The two hats that cover a sample add to 1, so that nothing marks the seam between two places. The weights of a
    piece start out equal, hence as linear interpolation between places: random ones would draw a jagged wave that
    training only slowly wears smooth.

    Parameters
    ----------
    n_in, n_out : int
        Channels in and out.
    size : int, even
        Samples from one place to the next.
    """

    def __init__(self, n_in: int, n_out: int, size: int):
        super().__init__()
        if size % 2:
            raise ValueError(f"places are an even number of samples apart, not {size}")
        self.convolution = nn.ConvTranspose1d(n_in, n_out, 2 * size, stride=size, padding=size // 2)
        one = torch.empty(n_in, n_out, 1).uniform_(-(n_in**-0.5), n_in**-0.5)
        self.convolution.weight.data = one.repeat(1, 1, 2 * size)
        ramp = (torch.arange(size) + 0.5) / size
        self.register_buffer("hat", torch.cat([ramp, ramp.flip(0)]), persistent=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, n_in, place) to (batch, n_out, size * place); beyond the ends the outermost place goes on."""
        weight, own = self.convolution.weight * self.hat, self.convolution
        size = own.stride[0]
        x = nn.functional.pad(x, (1, 1), mode="replicate")
        y = nn.functional.conv_transpose1d(x, weight, own.bias, own.stride, own.padding)
        return y[..., size:-size]
