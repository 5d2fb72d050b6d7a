"""From an extracellular beat to the intracellular waveform: windows, honest parts, models, and their errors.

A window begins 0.1 s before the spike of the eAP and lasts 1.4 s, at 1 kHz: the spike is what an electrode outside
the cell knows, whereas the originals' windows are centred on the maximum of the iAP, which is to be predicted.
Introduced in chapter 04.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
from scipy import ndimage

from cardio_utils import action_potential as ap
from cardio_utils import residuals, signals
from cardio_utils.agreement import waveform_agreement

__all__ = [
    "AFTER",
    "BEFORE",
    "FS",
    "LEVELS",
    "QUANTILES",
    "Parts",
    "Windows",
    "attribution",
    "boosted_components",
    "collections",
    "compact_network",
    "errors",
    "extracellular",
    "mean_waveform",
    "measure",
    "parts",
    "predict",
    "ridge",
    "spikes",
    "stretched",
    "successive",
    "train",
    "windows",
]

FS = 1000.0
"""Sampling rate of windows, Hz."""

BEFORE, AFTER = 0.1, 1.3
"""Length of a window before and after the spike of the eAP, s."""

LEVELS = (30, 50, 70, 90)
"""Levels of repolarisation (%) whose durations are compared."""

QUANTILES = (0.05, 0.5, 0.95)
"""Levels of the curves of a network that gives three."""

_TIME = np.arange(round((BEFORE + AFTER) * FS)) / FS - BEFORE
_SPIKE = (-0.02, 0.03)  # s around the steepest fall: what is cut out before the slow wave is looked at
_SMOOTH = 0.004  # s: standard deviation of the Gaussian over the slow wave, whose noise is larger than its steps
_SHORTEST = 1.0  # s after the spike without which no window shows a whole beat
_BLUR = 5  # samples: standard deviation of the Gaussian over what a network adds to the usual waveform
_HOLD = 0.02  # s that are averaged to fill what is behind the end of a beat


@dataclass(frozen=True, eq=False)
class Windows:
    """Beats as the models see them; arrays (beat, time), time as in `Windows.time`.

    Attributes
    ----------
    wave : float32
        Slow wave of the eAP, spike cut out: 0 is the mean before the spike, its root mean square after it is 1.
    target : float32 or None
        iAP, 0 at rest and 1 at the peak. From the end of the beat on its last value is held, as in `wave`.
    inside : bool
        Until the next beat begins: where errors count.
    spike : (beat,) float64
        Time of the steepest fall of the eAP, s from the start of the window that was given.
    recording : (beat,) str
    position : (beat,) int64
        Which of the given beats each is.
    reason : (given,) str
        Why a given beat is none of these; empty for those that are.
    """

    wave: np.ndarray
    target: np.ndarray | None
    inside: np.ndarray
    spike: np.ndarray
    recording: np.ndarray
    position: np.ndarray
    reason: np.ndarray = field(repr=False)

    time = _TIME

    def __len__(self):
        return len(self.wave)

    def at(self, rows):
        """Some of the beats, by position or mask."""
        rows = np.arange(len(self))[rows]
        target = None if self.target is None else self.target[rows]
        own = (self.wave, self.inside, self.spike, self.recording, self.position)
        wave, inside, spike, recording, position = (column[rows] for column in own)
        return replace(
            self, wave=wave, target=target, inside=inside, spike=spike, recording=recording, position=position
        )


def spikes(eap, fs, search=0.4):
    """When an eAP falls most steeply, which is when the membrane beneath rises most steeply.

    Parameters
    ----------
    eap : (beat, n) array_like
        Windows of a beat each, any unit, finite.
    fs : float
        Sampling rate (Hz).
    search : float
        The spike lies within so many seconds from the start of the window.

    Returns
    -------
    first, following : (beat,) float64
        s from the start of the window: the spike, and the next fall of at least half its slope 0.3 s later or
        more; inf where there is none.
    """
    size = max(1, round(0.001 * fs))
    slope = np.diff(ndimage.uniform_filter1d(np.asarray(eap, float), size, axis=1), axis=1)
    rows, near = np.arange(len(slope)), slope[:, 1 : round(search * fs)]
    k = near.argmin(axis=1) + 1
    before, at, behind = (slope[rows, k + step] for step in (-1, 0, 1))
    bend = before - 2 * at + behind
    first = k + 0.5 + np.where(bend > 0, 0.5 * (before - behind) / np.where(bend > 0, bend, 1), 0)
    late = np.arange(slope.shape[1]) > k[:, None] + 0.3 * fs
    again = late & (slope < at[:, None] / 2)
    following = np.where(again.any(axis=1), again.argmax(axis=1) / fs, np.inf)
    return first / fs, following


def _sampled(x, fs, times):
    """Traces (beat, n) at times (beat, time) in s, free of what 1 kHz cannot carry; the last value is held."""
    smooth = signals.lowpass(x, fs, 0.35 * FS, order=3)
    place = np.clip(times * fs, 0, x.shape[1] - 1)
    below = np.minimum(place.astype(np.int64), x.shape[1] - 2)
    part = place - below
    low, high = (np.take_along_axis(smooth, below + step, axis=1) for step in (0, 1))
    return ((1 - part) * low + part * high).astype(np.float32)


def _held(x, inside):
    """Traces whose samples behind the end of the beat are the mean of the last 20 ms before it."""
    end = inside.sum(axis=1)[:, None]
    last = inside & (np.arange(x.shape[1]) >= end - round(_HOLD * FS))
    value = (x * last).sum(axis=1, keepdims=True) / np.maximum(last.sum(axis=1, keepdims=True), 1)
    return np.where(inside, x, value).astype(np.float32)


def _slow(x):
    """The slow wave of eAPs (beat, time): without their spike, smoothed, 0 before it and of unit size after it."""
    first, last = (round((BEFORE + t) * FS) for t in _SPIKE)
    base = x[:, : first - 10].mean(axis=1, keepdims=True)
    x = x - base
    left, right = x[:, first - 20 : first].mean(axis=1), x[:, last : last + 10].mean(axis=1)
    x[:, first:last] = left[:, None] + (right - left)[:, None] * np.linspace(0, 1, last - first)
    return _unit(ndimage.gaussian_filter1d(x, _SMOOTH * FS, axis=1, mode="nearest"))


def _unit(slow):
    """Slow waves divided by their root mean square after the spike."""
    behind = slow[:, round((BEFORE + _SPIKE[1]) * FS) :]
    size = np.sqrt((behind**2).mean(axis=1, keepdims=True))
    return (slow / np.where(size > 0, size, 1)).astype(np.float32)


def _unusable(eap, fs):
    """Reason (beat,) why an eAP cannot be used, '' where it can: missing samples, no signal, no beat."""
    reason = np.full(len(eap), "", "<U32")
    finite = np.isfinite(eap).all(axis=1)
    whole = np.where(finite[:, None], eap, 0)
    flat = np.ptp(whole, axis=1) <= 1e-9 * np.abs(whole).max(axis=1)
    reason[~finite], reason[finite & flat] = "eAP has missing samples", "eAP is constant"
    fine = np.flatnonzero(reason == "")
    first, following = spikes(eap[fine], fs)
    short = np.minimum(following, eap.shape[1] / fs) - first < 0.4
    reason[fine[short]] = "eAP is cut off"
    return reason


def extracellular(eap, fs, recording=""):
    """Windows of extracellular beats whose iAP nobody knows.

    Parameters
    ----------
    eap : (beat, n) array_like
        One beat a row, any unit; its spike within the first 0.4 s, and at least 1.0 s after it.
    fs : float
        Sampling rate (Hz), at least 1000.
    recording : str or (beat,) array_like of str

    Returns
    -------
    Windows
        Without `target`. Beats with missing samples, without signal, or with another beat within 0.4 s are left out.

    Raises
    ------
    ValueError
        The windows are too short, the rate too low, no beat is usable, or the polarity is inverted.
    """
    eap = np.atleast_2d(np.asarray(eap, np.float32))
    if not fs >= FS:
        raise ValueError(f"a sampling rate of {fs:g} Hz: windows need at least {FS:g} Hz (is it given in kHz?)")
    if eap.ndim != 2 or eap.shape[1] < (_SHORTEST + BEFORE) * fs:
        raise ValueError(
            f"eAPs of shape {eap.shape} at {fs:g} Hz: windows are (beat, sample) and last {_SHORTEST + BEFORE:g} s or "
            f"longer; cut {BEFORE:g} s before and {AFTER:g} s after each spike"
        )
    reason = _unusable(eap, fs)
    position = np.flatnonzero(reason == "")
    if position.size == 0:
        raise ValueError(f"none of {len(eap)} beats is usable: {', '.join(sorted(set(reason.tolist())))}")
    first, following = spikes(eap[position], fs)
    times = first[:, None] + _TIME
    inside = times < np.minimum(following - 0.03, eap.shape[1] / fs)[:, None]
    wave = _slow(_held(_sampled(eap[position], fs, times), inside))
    _check_polarity(wave)
    name = np.broadcast_to(np.asarray(recording, str), len(eap))[position]
    return Windows(wave, None, inside, first, name, position, reason)


def _check_polarity(wave):
    """After the spike the slow wave starts above where it goes, for as long as the membrane is depolarised."""
    early, later = ((begin <= _TIME) & (end > _TIME) for begin, end in ((0.05, 0.2), (0.3, 1.2)))
    inverted = (wave[:, early].mean(axis=1) < wave[:, later].mean(axis=1)).mean()
    if inverted > 0.5:
        raise ValueError(
            f"the eAP seems inverted: in {inverted:.0%} of the beats it is lower during the plateau than later; "
            "multiply the recording by -1"
        )


def windows(pairs):
    """Windows of pairs: eAP and iAP on one clock, both cut at the spike of the eAP.

    Nothing is estimated from more than the beat itself, so no split can leak through the scaling.

    Parameters
    ----------
    pairs : xarray.Dataset
        As `data.nea.load("pairs")` and `data.nea.clean` give them; flagged beats are left out.

    Returns
    -------
    Windows
        Left out are also beats whose eAP is unusable and those whose iAP does not repolarise by 90 % in the window.

    Raises
    ------
    ValueError
        As `extracellular`.
    """
    fs = float(pairs.attrs["fs"])
    seen = extracellular(pairs["eap"].values, fs, pairs["recording"].values)
    iap = pairs["iap"].values[seen.position]
    beat = ap.apd(iap, fs, [90])
    whole = (beat.reason[:, 0] == ap.Reason.VALID) & np.isfinite(iap).all(axis=1)
    flag = pairs["flag"].values.astype(str)
    reason = np.where(flag != "", flag, seen.reason.astype(flag.dtype))
    reason[seen.position[~whole & (reason[seen.position] == "")]] = "iAP does not repolarise in the window"
    kept = reason[seen.position] == ""
    seen, iap, following = seen.at(kept), iap[kept], beat.next_beat[kept] / 1000
    times = seen.spike[:, None] + _TIME
    end = np.where(np.isnan(following), np.inf, following - 0.05)
    inside = seen.inside & (times < end[:, None])
    target = _held(_sampled(ap.scale(iap, fs, "beat"), fs, times), inside)
    return replace(seen, target=target, inside=inside, reason=reason)


# Parts


def collections(load, count):
    """Windows of several collections of pairs, one after another, whose recordings and preparations stay apart.

    Parameters
    ----------
    load : callable(number) -> xarray.Dataset
        Cleaned pairs of one collection, numbered from 0.
    count : int

    Returns
    -------
    seen : Windows
        Its `position` counts on from collection to collection; recordings of all but the first are called "name (1)",
        "name (2)" and so on.
    about : DataFrame
        One row a window: preparation, named likewise, sensor ("nea" or "mea") and collection (number).
    """
    several, tables = [], []
    for number in range(count):
        pairs = load(number)
        seen = windows(pairs)
        suffix = f" ({number})" if number else ""
        preparation, sensor = (pairs[name].values[seen.position].astype(str) for name in ("preparation", "sensor"))
        table = {"preparation": np.char.add(preparation, suffix), "sensor": sensor, "collection": number}
        tables.append(pd.DataFrame(table))
        several.append(replace(seen, recording=np.char.add(seen.recording.astype(str), suffix)))
    start = np.cumsum([0, *(len(seen.reason) for seen in several)])
    several = [replace(seen, position=seen.position + first) for seen, first in zip(several, start, strict=False)]
    reason = np.concatenate([seen.reason for seen in several])
    return _joined(several, reason=reason), pd.concat(tables, ignore_index=True)


def _joined(several, **others):
    """Windows one after another; what is given per recording or given beat is passed on."""
    names = ("wave", "target", "inside", "spike", "recording", "position")
    joined = {name: np.concatenate([getattr(seen, name) for seen in several]) for name in names}
    return replace(several[0], **joined, **others)


@dataclass(frozen=True)
class Parts:
    """Positions of the beats to fit on, to choose by, and to test on; and the recordings that nobody may use."""

    fitting: np.ndarray
    validation: np.ndarray
    test: np.ndarray
    excluded: tuple


def parts(recording, preparation, test, share=0.25, seed=0):
    """Split beats so that no preparation is on two sides.

    The recordings named in `test` are the test. Recordings that share their preparation are left out, and whole
    preparations of the others are dealt to fitting and validation.

    Parameters
    ----------
    recording, preparation : (beat,) array_like of str
    test : sequence of str
        Recordings.
    share : float
        Of the beats and preparations, for validation.
    seed : int
        Of the deal.

    Returns
    -------
    Parts

    Raises
    ------
    ValueError
        A test recording has no beats, or fewer than two preparations remain.
    """
    from cardio_utils.evaluation import group_split

    recording, preparation = np.asarray(recording, str), np.asarray(preparation, str)
    if gone := [name for name in test if name not in recording]:
        raise ValueError(f"the test recording {', '.join(gone)} has no beats")
    held = np.isin(recording, list(test))
    known = np.isin(preparation, preparation[held])
    free = np.flatnonzero(~known)
    if len(np.unique(preparation[free])) < 2:
        raise ValueError("fewer than two preparations are left beside those of the test: nothing to fit or choose by")
    fitting, validation = group_split(preparation[free], (1 - share, share), seed=seed)
    excluded = tuple(sorted(set(recording[known & ~held].tolist())))
    return Parts(free[fitting], free[validation], np.flatnonzero(held), excluded)


def successive(recording, position, size=10):
    """Blocks of successive beats of a recording (beat,) str: what may be resampled where there is one recording.

    Beats follow a drug, so single beats are not independent; blocks are less dependent (Künsch 1989).
    """
    recording, position = np.asarray(recording, str), np.asarray(position)
    order = pd.Series(position).groupby(recording).rank(method="first").to_numpy().astype(int) - 1
    return np.char.add(np.char.add(recording, " "), (order // size).astype(str))


# Copies that a beat could have been


def stretched(seen, copies=8, seed=0, *, stretch=0.4, bend=0.1, highpass=0.15, noise=0.1):
    """The windows and varied copies of them: other durations, other amplifiers, more noise.

    Both traces are stretched after the spike, so that a model meets durations that no training cell has; the eAP gets a
    first-order high-pass of another corner, or the reverse of one, since amplifiers differ in it, and noise.

    Parameters
    ----------
    seen : Windows
        With targets.
    copies, seed : int
        Copies of each beat; beat and copy have a random stream of their own.
    stretch : float
        Largest logarithm of the factor of stretching.
    bend : float
        By how much more, or less, the plateau is stretched than the end.
    highpass : float
        Largest change of the corner (Hz).
    noise : float
        Largest standard deviation, relative to the root mean square of the wave.

    Returns
    -------
    Windows
        The given ones first.
    """
    streams = np.random.SeedSequence(seed).spawn(copies)
    made = [_varied(seen, np.random.default_rng(s), stretch, bend, highpass, noise) for s in streams]
    return _joined([seen, *made])


def _varied(seen, rng, stretch, bend, highpass, noise):
    """One varied copy of each window."""
    low = np.array([-stretch, -bend, -highpass, 0])
    factor, curve, corner, level = rng.uniform(low, [stretch, bend, highpass, noise], (len(seen), 4)).T[..., None]
    start = _SPIKE[1]
    # Where a sample of the copy comes from: time after the spike divided by the factor, the plateau a little more.
    since = np.maximum(_TIME - start, 0) / np.exp(factor)
    source = np.where(start > _TIME, _TIME, start + since * (1 + curve * (1 - np.minimum(since, 1))))
    place = np.clip((source + BEFORE) * FS, 0, _TIME.size - 1)
    below = np.minimum(place.astype(np.int64), _TIME.size - 2)
    part = (place - below).astype(np.float32)

    def read(x):
        return (1 - part) * np.take_along_axis(x, below, axis=1) + part * np.take_along_axis(x, below + 1, axis=1)

    wave = read(seen.wave)
    # A periodic signal behind a high-pass has no mean; the mean of a cycle is about that of the window.
    wave = wave - 2 * np.pi * corner * np.cumsum(wave - wave.mean(axis=1, keepdims=True), axis=1) / FS
    sigma = _SMOOTH * FS
    # Smoothed white noise loses its size by (4 pi)^(1/4) sqrt(sigma); the factor gives it back.
    hiss = ndimage.gaussian_filter1d(rng.standard_normal(wave.shape), sigma, axis=1) * (4 * np.pi) ** 0.25 * sigma**0.5
    wave = _unit(wave - wave[:, : round(0.8 * BEFORE * FS)].mean(axis=1, keepdims=True) + level * hiss)
    inside = np.take_along_axis(seen.inside, below, axis=1)
    return replace(seen, wave=wave, target=read(seen.target).astype(np.float32), inside=inside)


# Models


@dataclass(frozen=True, eq=False)
class Baseline:
    """A model without a network: `predict(wave)` gives waveforms (beat, time)."""

    predict: object


def mean_waveform(seen):
    """The mean training waveform, each recording counted the same, whatever the eAP says."""
    rows = pd.Series(np.arange(len(seen))).groupby(seen.recording).groups.values()
    mean = np.mean([seen.target[list(r)].mean(axis=0) for r in rows], axis=0)
    return Baseline(lambda wave: np.repeat(mean[None], len(wave), axis=0))


def ridge(seen, alpha=10.0, every=5):
    """Ridge regression (Hoerl and Kennard 1970) from every fifth sample of the wave to all samples of the waveform."""
    from sklearn.linear_model import Ridge

    model = Ridge(alpha).fit(seen.wave[:, ::every], seen.target)
    return Baseline(lambda wave: model.predict(wave[:, ::every]))


def boosted_components(seen, n_inputs=20, n_outputs=8, seed=0, **parameters):
    """Boosted trees (XGBoost) from principal components of the wave to those of the waveform."""
    from sklearn.decomposition import PCA
    from xgboost import XGBRegressor

    options = dict(n_estimators=150, max_depth=4, learning_rate=0.1, subsample=0.7) | parameters
    inputs = PCA(min(n_inputs, len(seen)), random_state=seed).fit(seen.wave)
    outputs = PCA(min(n_outputs, len(seen)), random_state=seed).fit(seen.target)
    trees = XGBRegressor(**options, tree_method="hist", max_bin=64, n_jobs=1, random_state=seed)
    trees.fit(inputs.transform(seen.wave), outputs.transform(seen.target))
    return Baseline(lambda wave: outputs.inverse_transform(trees.predict(inputs.transform(wave))))


def compact_network(usual, equations="aliev_panfilov", seed=0, n_quantiles=1, **arguments):
    """The book's network for these windows: pieces of 20 ms into 64 channels, three levels, 0.9 million values.

    What it gives is the difference from a usual waveform, which has the upstroke in its place. The difference is
    smoothed by a Gaussian of 5 ms: what sets a beat apart, other than the time of its upstroke, is slow.

    Parameters
    ----------
    usual : (time,) array_like
        Such as the mean waveform of training beats.
    equations : str or None
        As for `models.action_potential.ActionPotentialNet`; None for no physics.
    seed : int
        Of its first weights; the caller's random state is left as it was.
    n_quantiles : {1, 3}
        One waveform, or the curves of `QUANTILES`, which cannot cross.
    **arguments
        Replace those of the network.

    Returns
    -------
    ActionPotentialNet
    """
    import torch

    from cardio_utils.models.action_potential import ActionPotentialNet

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        given = dict(patch=20, strides=(5, 4), widths=(64, 96, 128)) | arguments
        network = ActionPotentialNet(n_quantiles, equations, **given)
    lag = torch.arange(-3 * _BLUR, 3 * _BLUR + 1)
    bell = torch.exp(-0.5 * (lag / _BLUR) ** 2)
    network.register_buffer("usual", torch.as_tensor(np.asarray(usual, np.float32)))
    network.register_buffer("bell", (bell / bell.sum())[None, None])
    network.register_forward_hook(_around_usual)
    return network


def _around_usual(network, _, output):
    from torch.nn import functional

    own, *others = output if isinstance(output, tuple) else (output,)
    reach = network.bell.shape[-1] // 2
    curves = functional.pad(own.flatten(0, -2)[:, None], (reach, reach), mode="replicate")
    wave = functional.conv1d(curves, network.bell).reshape(own.shape) + network.usual
    return (wave, *others) if others else wave


def train(network, fitting, validation, *, weight=0.02, epochs=8, batch_size=32, learning_rate=3e-3, **options):
    """Fit a network to windows, for a fixed number of epochs.

    Absolute error of the waveform, or quantile loss of three curves, plus, where the network has equations, `weight`
    times `residuals.physics_loss` of the waveform or the median. The error of the curves alone, each validation
    recording counted the same, is followed but chooses no epoch: with few validation recordings the best epoch is one
    of chance, and often one before the learning rate has come down.

    Parameters
    ----------
    network : ActionPotentialNet
    fitting, validation : Windows
        With targets.
    weight : float
        Of the physics.
    epochs, batch_size, learning_rate
        As for `training.fit`, and so are further options.

    Returns
    -------
    training.Fit

    Raises
    ------
    FloatingPointError
        As `training.fit`: the loss became NaN, and the network has its best weights again.
    """
    from cardio_utils import losses, training
    from cardio_utils.regression import equal_weights

    levels = QUANTILES if network.n_quantiles > 1 else (0.5,)
    balance = equal_weights(validation.recording)[:, None, None]
    quantile, factor = np.array(levels)[:, None], 2 if len(levels) == 1 else 1  # twice that at 0.5: the absolute error

    def metric(target, output):
        truth, curves = (part[0] if isinstance(part, tuple) else part for part in (target, output))
        error = truth[:, None] - curves.reshape(len(truth), len(levels), -1)
        return float(factor * (balance * np.maximum(quantile * error, (quantile - 1) * error)).mean())

    physics = network.equations is not None

    def data(seen):
        mask = residuals.beat_mask(seen.target, FS) & seen.inside if physics else None
        return seen.wave, ((seen.target, mask) if physics else seen.target)

    loss = losses.pinball(levels) if len(levels) > 1 else _absolute_error
    if physics:
        loss = losses.physics_informed(FS, network.equations, weight, data=loss)
    settings = dict(epochs=epochs, batch_size=batch_size, learning_rate=learning_rate)
    given = dict(patience=None, keep="last", weight_decay=1e-3) | options
    return training.fit(
        network, data(fitting), data(validation), loss=loss, metric=metric, mode="min", **settings, **given
    )


def _absolute_error(output, target):
    return (output - target).abs().mean()


def predict(model, wave):
    """Waveforms (beat, time) of a network or a baseline."""
    if isinstance(model, Baseline):
        return model.predict(wave)
    from cardio_utils import training

    output = training.predict(model, wave)
    return output[0] if isinstance(output, tuple) else output


# Errors


def errors(prediction, seen, max_lag=0.1):
    """How far each reconstructed beat is from the measured one.

    Parameters
    ----------
    prediction : (beat, time) array_like
    seen : Windows
        With targets; what is not `inside` does not count.
    max_lag : float
        Largest shift that the alignment may choose (s).

    Returns
    -------
    DataFrame
        One row a beat: recording; `mae`, `r`, `r2` on the clock of the recording (`agreement.waveform_agreement`);
        `lag` (ms, positive where the prediction comes late) at which the two correlate best, and `mae_aligned` there;
        `upstroke`, and for each of `LEVELS` such as `apd50`, prediction - measurement (ms), NaN where the prediction
        is no beat.
    """
    prediction = np.asarray(prediction, float)
    truth = np.where(seen.inside, seen.target, np.nan)
    alike = waveform_agreement(prediction, truth)
    lag = ap.align(prediction, seen.target, FS, max_lag=max_lag).lag
    aligned = waveform_agreement(ap.shift(prediction, -lag, FS), truth)
    table = {"recording": seen.recording, **alike._asdict(), "lag": lag, "mae_aligned": aligned.mae}
    difference = measure(prediction) - measure(seen.target)
    return pd.DataFrame(table).join(difference)


def measure(curves):
    """Upstroke and durations of waveforms (beat, time).

    Parameters
    ----------
    curves : (beat, time) array_like
        On the clock of `Windows.time`.

    Returns
    -------
    DataFrame
        One row a beat, ms: `upstroke`, from the spike of the eAP, and for each of `LEVELS` such as `apd50`
        (`action_potential.apd`); NaN where there is none.
    """
    curves = np.asarray(curves)
    table = {"upstroke": ap.upstroke(curves, FS).time - 1000 * BEFORE}
    durations = ap.apd(curves, FS, LEVELS).apd
    return pd.DataFrame(table | {f"apd{level}": durations[:, k] for k, level in enumerate(LEVELS)})


def attribution(network, wave, level, baseline, steps=16):
    """What each sample of the wave adds to the duration of the reconstructed beat.

    Integrated gradients (Sundararajan 2017, by captum) of the waveform at the moment at which it crosses the level,
    divided by its slope there: to first order, by how many ms the crossing comes later than for the baseline.

    Parameters
    ----------
    network : torch.nn.Module
    wave : (beat, time) array_like
    level : float
        Of repolarisation (%).
    baseline : (time,) array_like
        The wave that differs from nothing, such as the mean training wave.
    steps : int
        On the way from the baseline.

    Returns
    -------
    (beat, time) float32
        ms; NaN where the reconstruction does not cross the level.
    """
    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # captum's progress bars ask for notebook widgets, which nobody needs here
        from captum.attr import IntegratedGradients

    wave = np.asarray(wave, np.float32)
    curve = np.asarray(predict(network, wave), float)
    end = ap.apd(curve, FS, [level]).end[:, 0]
    rows = np.flatnonzero(np.isfinite(end) & (end < 1000 * (BEFORE + AFTER) - 3))
    out = np.full(wave.shape, np.nan, np.float32)
    if rows.size == 0:
        return out
    at = np.round(end[rows] * FS / 1000).astype(np.int64)
    slope = (curve[rows, at - 2] - curve[rows, at + 2]) / 4 * FS / 1000

    def later(x, at, slope):
        output = network(x)
        output = output[0] if isinstance(output, tuple) else output
        return output.gather(1, at[:, None])[:, 0] / slope

    device = next(network.parameters()).device
    start = torch.as_tensor(np.asarray(baseline, np.float32), device=device).expand(rows.size, -1)
    given = [torch.as_tensor(v, device=device) for v in (wave[rows], at, slope.astype(np.float32))]
    method = IntegratedGradients(later)
    found = method.attribute(given[0], start, additional_forward_args=tuple(given[1:]), n_steps=steps)
    out[rows] = found.detach().cpu().numpy()
    return out
