"""One family of 1-D U-Nets, waveform in, waveform out; the originals' network is one of its configurations.

Introduced in chapter 04, used again for activation times and events.
"""

from collections.abc import Sequence

import torch
from torch import nn

from cardio_utils.models.layers import (
    AttentionGate,
    ConvBlock,
    Fold,
    GatedResidualBlock,
    ResidualBlock,
    Unfold,
    as_channels,
)


class UNet(nn.Module):
    """Encoder, decoder and skip connections (Ronneberger et al. 2015) along time.

    A level is a convolution, with stride but for the first one, and its blocks. The decoder enlarges the coarser
    level, joins it with the finer one of the encoder and convolves. With `patch` above 1 time is folded into channels
    ahead of the first convolution: narrow convolutions at full length are what a processor is slowest at.

    Parameters
    ----------
    n_in, n_out : int
        Channels in and out.
    widths : sequence of int
        Channels of the levels, from fine to coarse.
    strides : sequence of int
        Factor from each level to the next, one fewer than `widths`.
    kernel : int, odd
    blocks : int or sequence of int
        Residual blocks of each level of the encoder. By default the coarsest level has most: they cost least there,
        and let each sample of the output see 1.1 s of 5 kHz to either side.
    decoder_blocks : int
        Residual blocks a level of the decoder.
    patch : int, even or 1
        Samples that the stem folds into channels and the head unfolds.
    squeeze : int
        Reduction of the squeeze-and-excitation gate in each block (`GatedResidualBlock`); 0 for plain
        `ResidualBlock`s.
    attention : bool
        Attention gates on the skip connections.
    upsampling : {"linear", "nearest"}
    dropout : float
        Share of channels dropped within plain residual blocks.

    Attributes
    ----------
    last_conv : nn.Conv1d
        First convolution of the coarsest level, for Grad-CAM.

    Raises
    ------
    ValueError
        If `strides` or `blocks` do not fit `widths`.
    """

    def __init__(
        self,
        n_in: int = 1,
        n_out: int = 1,
        *,
        widths: Sequence[int] = (64, 96, 128),
        strides: Sequence[int] = (5, 4),
        kernel: int = 5,
        blocks: int | Sequence[int] = (1, 1, 3),
        decoder_blocks: int = 0,
        patch: int = 20,
        squeeze: int = 0,
        attention: bool = False,
        upsampling: str = "linear",
        dropout: float = 0.0,
    ):
        super().__init__()
        if len(strides) != len(widths) - 1:
            raise ValueError(f"{len(widths)} levels have {len(widths) - 1} strides between them, not {len(strides)}")
        counts = [blocks] * len(widths) if isinstance(blocks, int) else list(blocks)
        if len(counts) != len(widths):
            raise ValueError(f"{len(widths)} levels have as many numbers of blocks, not {len(counts)}")
        self.width = widths[0]
        self.upsampling = upsampling
        self.strides = tuple(strides)
        self.multiple = patch
        for stride in strides:
            self.multiple *= stride

        def block(width):
            if squeeze:
                return GatedResidualBlock(width, kernel, squeeze)
            return ResidualBlock(width, width, kernel, dropout=dropout)

        def level(n_before, width, stride, count):
            return nn.Sequential(ConvBlock(n_before, width, kernel, stride), *(block(width) for _ in range(count)))

        self.stem = Fold(patch) if patch > 1 else nn.Identity()
        steps = list(zip(widths, widths[1:], strides, strict=False))
        levels = [(n_in * patch, widths[0], 1), *steps]
        self.encoder = nn.ModuleList(level(*sizes, count) for sizes, count in zip(levels, counts, strict=True))
        self.last_conv = self.encoder[-1][0][0]
        steps.reverse()
        self.gates = nn.ModuleList(AttentionGate(fine, coarse, s) for fine, coarse, s in steps if attention)
        self.decoder = nn.ModuleList(level(fine + coarse, fine, 1, decoder_blocks) for fine, coarse, _ in steps)
        if patch > 1:
            self.head = Unfold(widths[0], n_out, patch)
        else:
            self.head = nn.Conv1d(widths[0], n_out, kernel, padding=kernel // 2)

    @classmethod
    def originals(cls, n_in: int = 1, n_out: int = 1, *, width: int = 32, kernel: int = 11, depth: int = 8):
        """The originals' network: full length, four levels five times coarser each, `depth` gated blocks a level.

        6.13 million trained parameters as it stands, 3.39 million at depth 4. Their tanh at the output belongs to
        `ActionPotentialNet`; their convolutions have biases, which the batch normalisation after them cancels.
        """
        return cls(
            n_in,
            n_out,
            widths=[width, 2 * width, 3 * width, 4 * width],
            strides=(5, 5, 5),
            kernel=kernel,
            blocks=depth,
            patch=1,
            squeeze=8,
            attention=True,
            upsampling="nearest",
        )

    def features(self, wave: torch.Tensor) -> torch.Tensor:
        """(batch, time) or (batch, n_in, time) to the decoder's last map (batch, widths[0], place).

        Any length: the last sample is held up to the next multiple of what all strides divide.
        """
        x = as_channels(wave)
        x = nn.functional.pad(x, (0, -x.shape[-1] % self.multiple), mode="replicate")
        x = self.stem(x)
        skips = []
        for level in self.encoder:
            x = level(x)
            skips.append(x)
        skips.pop()
        for i, (level, stride) in enumerate(zip(self.decoder, reversed(self.strides), strict=True)):
            skip = self.gates[i](skips.pop(), x) if self.gates else skips.pop()
            x = level(torch.cat([self._enlarged(x, stride), skip], dim=1))
        return x

    def _enlarged(self, x, stride):
        if self.upsampling == "nearest":
            return x.repeat_interleave(stride, dim=-1)
        return nn.functional.interpolate(x, scale_factor=stride, mode=self.upsampling)

    def read(self, features: torch.Tensor, n_time: int) -> torch.Tensor:
        """Features to waves (batch, n_out, n_time), in float32 also under autocast: residuals need the digits."""
        with torch.autocast(features.device.type, enabled=False):
            return self.head(features.float())[..., :n_time]

    def forward(self, wave: torch.Tensor) -> torch.Tensor:
        """(batch, time) or (batch, n_in, time) to (batch, n_out, time)."""
        return self.read(self.features(wave), wave.shape[-1])
