"""Networks that name one heartbeat: three published ones restated, and the book's own `BeatNet`.

All return logits, shape (beat, class); none holds a softmax, because a loss over logits is the stable one.
"""

import torch
from torch import nn

from cardio_utils.models.layers import ConvBlock, ResidualBlock, as_channels


class BeatMLP(nn.Sequential):
    """Two hidden layers on the raw samples: n_time - 64 - 32 - n_outputs.

    The network of the public classroom solution for healthy against irregular beats, with logits in place of
    probabilities; 14,145 parameters at 187 samples and one output.
    """

    def __init__(self, n_time: int = 187, n_outputs: int = 1):
        super().__init__(nn.Linear(n_time, 64), nn.ReLU(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, n_outputs))


class ThreeConvNet(nn.Module):
    """Three unpadded convolutions (64 x 3, 128 x 5, 256 x 10), each halved by pooling, and two dense layers.

    The five-class network of the same classroom solution. At 187 samples and five classes it counts 928,645
    values the way Keras counts: 927,877 trained ones and the 768 running statistics of its two batch
    normalisations.

    Attributes
    ----------
    last_conv : nn.Conv1d
        The layer whose activations Grad-CAM weighs.
    """

    def __init__(self, n_time: int = 187, n_classes: int = 5, dropout: float = 0.2):
        super().__init__()
        self.last_conv = nn.Conv1d(128, 256, 10)
        self.features = nn.Sequential(
            nn.Conv1d(1, 64, 3), nn.ReLU(), nn.MaxPool1d(2), nn.Dropout(dropout),
            nn.Conv1d(64, 128, 5), nn.ReLU(), nn.BatchNorm1d(128), nn.MaxPool1d(2), nn.Dropout(dropout),
            self.last_conv, nn.ReLU(), nn.BatchNorm1d(256), nn.MaxPool1d(2), nn.Dropout(dropout),
        )  # fmt: skip
        length = n_time
        for kernel in (3, 5, 10):
            length = (length - kernel + 1) // 2
        if length < 1:
            raise ValueError(f"{n_time} samples are too few for three unpadded convolutions")
        self.head = nn.Sequential(
            nn.Flatten(),
            nn.Linear(256 * length, 128),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(128, n_classes),
        )

    def forward(self, wave: torch.Tensor) -> torch.Tensor:
        """(beat, n_time) or (beat, 1, n_time) to logits (beat, n_classes)."""
        return self.head(self.features(as_channels(wave)))


class _KachueeBlock(nn.Module):
    """Convolution, ReLU, convolution, shortcut, ReLU, then max-pooling of 5 with stride 2."""

    def __init__(self, width: int):
        super().__init__()
        self.first = nn.Conv1d(width, width, 5, padding=2)
        self.second = nn.Conv1d(width, width, 5, padding=2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.second(torch.relu(self.first(x)))
        return nn.functional.max_pool1d(torch.relu(x + y), 5, stride=2)


class KachueeNet(nn.Module):
    """Residual network of Kachuee, Fazeli and Sarrafzadeh 2018 (IEEE ICHI): 55,013 parameters at 5 classes.

    One convolution, five residual blocks of 32 channels and kernel 5, two dense layers of 32, logits.

    Attributes
    ----------
    last_conv : nn.Conv1d
        Second convolution of the third block: the deeper blocks see fewer than 20 places, too few for a map.
    """

    def __init__(self, n_time: int = 187, n_classes: int = 5, width: int = 32):
        super().__init__()
        self.stem = nn.Conv1d(1, width, 5, padding=2)
        self.blocks = nn.Sequential(*(_KachueeBlock(width) for _ in range(5)))
        self.last_conv = self.blocks[2].second
        length = n_time
        for _ in range(5):
            length = (length - 5) // 2 + 1
        if length < 1:
            raise ValueError(f"{n_time} samples are too few for five poolings")
        self.head = nn.Sequential(
            nn.Flatten(), nn.Linear(width * length, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(),
            nn.Linear(32, n_classes),
        )  # fmt: skip

    def forward(self, wave: torch.Tensor) -> torch.Tensor:
        """(beat, n_time) or (beat, 1, n_time) to logits (beat, n_classes)."""
        return self.head(self.blocks(self.stem(as_channels(wave))))


class BeatNet(nn.Module):
    """The book's own beat network: a compact residual network on the wave, joined by the beat's rhythm.

    The stem has stride 4: time goes into channels at once, because wide and short is what a processor
    convolves fast. The head sees the final map at `n_places` places in order, not its mean: where something
    lies relative to R is what tells a P wave from a T wave. The context (standardised
    RR ratios and the like) enters beside it.

    Parameters
    ----------
    n_channels : int
        Channels of the wave: the beat; with it, where wanted, its record's usual beat or a mask of padding.
    n_context : int
        Values of context a beat; 0 makes a network of the wave alone, called as `net(wave)`.
    n_classes : int
    width : int
        Channels after the stem; the two later stages have 1.5 and 2 times as many.
    n_places : int
    dropout : float
        In front of the head's two dense layers.

    Attributes
    ----------
    backbone : nn.Sequential
        Stem and residual stages: what a fine-tuned network takes over.
    last_conv : nn.Conv1d
        Last convolution (one place every 8 samples), for Grad-CAM.
    """

    def __init__(
        self,
        n_channels: int = 1,
        n_context: int = 0,
        n_classes: int = 5,
        width: int = 64,
        n_places: int = 9,
        dropout: float = 0.3,
    ):
        super().__init__()
        wide, wider = 3 * width // 2, 2 * width
        self.backbone = nn.Sequential(
            ConvBlock(n_channels, width, 15, stride=4),
            ResidualBlock(width, width),
            ResidualBlock(width, wide, stride=2),
            ResidualBlock(wide, wider),
        )
        self.last_conv = self.backbone[-1].second
        self.pool = nn.AdaptiveAvgPool1d(n_places)
        self.n_context = n_context
        if n_context:
            self.context = nn.Sequential(nn.Dropout(dropout / 2), nn.Linear(n_context, width), nn.ReLU())
        self.head = nn.Sequential(
            nn.Dropout(dropout),
            nn.Linear(wider * n_places + (width if n_context else 0), wider),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(wider, n_classes),
        )

    def forward(self, wave: torch.Tensor, context: torch.Tensor | None = None) -> torch.Tensor:
        """Logits (beat, n_classes).

        Parameters
        ----------
        wave : (beat, time) or (beat, channel, time)
        context : (beat, n_context), where the network has one

        Raises
        ------
        ValueError
            If a context is missing where the network has one, or given where it has none.
        """
        if (context is None) != (self.n_context == 0):
            raise ValueError(f"this network takes {self.n_context} values of context a beat")
        x = self.pool(self.backbone(as_channels(wave))).flatten(1)
        if context is not None:
            x = torch.cat([x, self.context(context)], dim=1)
        return self.head(x)


class _OneChannel(nn.Module):
    def forward(self, picture):
        return picture[:, None]


class PictureNet(nn.Sequential):
    """Three convolutions, each of which halves the picture, then the mean of every map.

    Input (beat, height, width), at least 8 pixels a side; output logits (beat, n_classes). For the second primer.

    Parameters
    ----------
    n_classes : int
    width : int
        Patterns of the first convolution; the later ones have twice and four times as many.
    """

    def __init__(self, n_classes: int = 4, width: int = 16):
        layers: list[nn.Module] = [_OneChannel()]
        for before, after in ((1, width), (width, 2 * width), (2 * width, 4 * width)):
            layers += [nn.Conv2d(before, after, 5, stride=2, padding=2, bias=False), nn.BatchNorm2d(after), nn.ReLU()]
        super().__init__(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4 * width, n_classes))


def augment_beats(inputs, generator):
    """Beats as another recording might have shown them: scaled, shifted, on a wandering baseline, noisy.

    The amplitude changes by 10 %, the R peak moves by up to two samples (one shift a batch; the value at the end is
    held), a slow sine of up to a tenth or so of the beat's own spread is added, and white noise of 2 % of it; further
    inputs (the context) get noise of 0.03. Zeros up to the end of a wave, the padding, stay zero. Meant for
    `training.fit(augment=...)`.

    Parameters
    ----------
    inputs : tuple of tensors
        The wave, (beat, time) or (beat, channel, time), of which all channels are shifted and only the first is
        changed otherwise; then any others.
    generator : torch.Generator
        On the device of the wave.

    Returns
    -------
    tuple of tensors
        Shaped as `inputs`, which stay as they are.
    """

    def noise(*shape):
        return torch.randn(*shape, generator=generator, device=wave.device)

    wave, *others = inputs
    time = wave.shape[-1]
    shift = int(torch.randint(-2, 3, (1,), generator=generator, device=wave.device))
    wave = wave[..., (torch.arange(time, device=wave.device) - shift).clamp(0, time - 1)]
    signal = as_channels(wave)[:, :1]
    n = len(signal)
    spread = signal.std(-1, keepdim=True)
    turns = torch.linspace(0, 1, time, device=wave.device) * (1 + noise(n, 1, 1).abs())
    wander = 0.1 * noise(n, 1, 1) * torch.sin(2 * torch.pi * (turns + noise(n, 1, 1)))
    changed = signal * (1 + 0.1 * noise(n, 1, 1)) + spread * (wander + 0.02 * noise(n, 1, time))
    padding = (signal != 0).flip(-1).cumsum(-1).flip(-1) == 0
    changed = changed.masked_fill(padding, 0)
    wave = changed[:, 0] if wave.ndim == 2 else torch.cat([changed, wave[:, 1:]], dim=1)
    return wave, *(x + 0.03 * noise(*x.shape) for x in others)
