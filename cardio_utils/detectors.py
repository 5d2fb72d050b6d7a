"""Detectors of events in a recording: a trace in, a score each millisecond out, events where the score peaks.

All have one interface, so that they can be tuned, streamed and compared in the same way. A score says how much like
an event the trace is around a place (one millisecond); events are maxima of the score above a threshold, at least
3 ms apart. A score depends on the trace within `reach` only, and on what `adapted` measured once over the whole
recording, so a recording of any length is read in pieces and gives what it gives at once. Chapter 13 explains each.

References
----------
Clements JD, Bekkers JM (1997) Biophys J 73:220-229 (template scaled at every place).
Pernia-Andrade AJ et al. (2012) Biophys J 103:1429-1439 (deconvolution).
Turin GL (1960) IRE Trans Inf Theory 6:311-329 (matched filter, and its whitening in coloured noise).
Saerens M, Latinne P, Decaestecker C (2002) Neural Comput 14:21-41 (a posterior for another prior).
Zhang X, Schloegl A, Vandael D, Jonas P (2021) J Neurosci Methods 357:109125 (filter learned from labels).
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
from scipy import fft, ndimage, signal, special

from cardio_utils import events

__all__ = [
    "WEIGHTS",
    "Clements",
    "Detector",
    "EventDetector",
    "LinearFilter",
    "MatchedFilter",
    "PeakFinder",
    "Reconstruction",
    "Score",
    "Segmentation",
    "candidates",
    "counts",
    "curve",
    "deconvolution",
    "detect",
    "estimate",
    "f1",
    "found_in",
    "iou",
    "learned_filter",
    "load",
    "local_scale",
    "noise_spectrum",
    "out_of_domain",
    "precision",
    "recall",
    "save",
    "score",
    "stream",
    "template",
    "training_patches",
    "training_snippets",
    "training_windows",
    "true_in",
    "tune",
    "witnessed",
]

PLACE = 1e-3  # s, the grid of scores
BLOCK = 0.5  # s, in which the local noise is measured; pieces of a stream begin at multiples of it
APART = 3  # places between two events
_SPAN = 3  # blocks whose median is the local scale
_NORMAL = 1.4826  # standard deviation of normal noise over its median absolute deviation
_SEGMENT = 4096  # samples a periodogram: 0.41 s at 10 kHz, which parts the mains from its neighbours
_SEGMENTS = 600  # periodograms at most, evenly spread over the recording
_QUIET = 0.3  # quantile of periodograms that is taken for noise: events are in some, hardly in two of three
_MEDIAN = 101  # places of the running median that is taken for the baseline
_KNOWN = (2.0, 0.25)  # what is known of the rate before: how many events weigh as much, and its ratio to training
_NOTHING = 1e-30  # in place of a noise of 0, of a flat trace
_LOWEST = 2.0  # Hz, below which there is drift only


class Score(NamedTuple):
    """Score of each place, (place,) float32, and the time of its highest value there, (place,) float64, s."""

    value: np.ndarray
    time: np.ndarray


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class Detector:
    """What every detector is.

    Attributes
    ----------
    threshold : float
        Score from which on a maximum counts as an event; `tune` finds it.
    lag : float
        By how much the score peaks late, s; `tune` finds it.
    reach : float
        How far to either side a score depends on the trace, s.
    """

    threshold: float = np.nan
    lag: float = 0.0
    reach: ClassVar[float] = 2.0

    def adapted(self, trace, fs):
        """This detector with what it must know of the whole recording `trace` (n,); read in pieces."""
        return self

    def score(self, x, fs) -> Score:
        """Score of one piece (n,) float32; a detector without one of its own gives one that has it by `adapted`."""
        raise TypeError(f"{type(self).__name__} must know the recording first: adapted(trace, fs).score(x, fs)")

    def selected(self, time, value, duration):
        """Events among the candidates of a recording of `duration` s: their times and scores, all of them here."""
        return time, value


# Reading a recording


def stream(detector, trace, fs, *, chunk=60.0) -> Iterator[Score]:
    """Scores of a recording of any length, piece by piece.

    Parameters
    ----------
    detector : Detector
    trace : (n,) array_like
        mV (any unit will do for all but the originals' networks); only slices of it are read, so it may be a
        memory-mapped file.
    fs : float
        Sampling rate (Hz), a multiple of 1 kHz from 5 kHz on.
    chunk : float
        Length of a piece (s); the result does not depend on it, memory does.

    Yields
    ------
    Score
        Of the next piece, times from the recording's first sample.

    Raises
    ------
    ValueError
        Another sampling rate, a trace that is empty or not a vector, or values that are not finite.
    """
    step, n = _check(trace, fs), len(trace)
    detector = detector.adapted(trace, fs)
    block = round(BLOCK * fs)
    hop, halo = (max(1, int(np.ceil(s / BLOCK))) * block for s in (chunk, detector.reach))
    for start in range(0, n, hop):
        first, stop = max(0, start - halo), min(n, start + hop)
        x = _finite(trace, first, min(n, stop + halo), fs)
        own = detector.score(x, fs)
        keep = slice((start - first) // step, (stop - first + step - 1) // step)
        yield Score(own.value[keep], own.time[keep] + first / fs)


def score(detector, trace, fs, *, chunk=60.0) -> Score:
    """Scores of the whole recording; arguments and errors as for `stream`."""
    return Score(*map(np.concatenate, zip(*stream(detector, trace, fs, chunk=chunk), strict=True)))


def candidates(detector, trace, fs, *, chunk=60.0):
    """All maxima of the score that are at least 3 ms apart, the higher one of two that are closer.

    Returns
    -------
    time : (event,) float64
        s, less the detector's lag.
    value : (event,) float32
        Score. Those of at least any threshold are what `detect` finds with that threshold.
    """
    value, time = score(detector, trace, fs, chunk=chunk)
    ends = np.full(1, value.min() - 1, value.dtype)
    peaks = signal.find_peaks(np.concatenate([ends, value, ends]), distance=APART)[0] - 1
    return detector.selected(time[peaks] - detector.lag, value[peaks], len(trace) / fs)


def detect(detector, trace, fs, *, chunk=60.0):
    """Times (s) and scores of the events of a recording: candidates from the detector's threshold on.

    Raises
    ------
    ValueError
        As `stream`, and for a detector that has no threshold yet.
    """
    if np.isnan(detector.threshold):
        raise ValueError("this detector has no threshold yet: tune(detector, recordings) finds one")
    time, value = candidates(detector, trace, fs, chunk=chunk)
    return time[value >= detector.threshold], value[value >= detector.threshold]


def _check(trace, fs):
    """Samples a place."""
    if np.ndim(trace) != 1 or len(trace) == 0:
        raise ValueError(f"a trace is a vector of at least one sample, not of shape {np.shape(trace)}")
    if fs < 5000 or not np.isclose(fs * PLACE, round(fs * PLACE)):
        raise ValueError(
            f"detectors take 5 kHz or a higher multiple of 1 kHz, not {fs:g} Hz: resample first (signals.resample)"
        )
    return round(fs * PLACE)


def _finite(trace, first, stop, fs):
    x = np.asarray(trace[first:stop], np.float32)
    if not np.isfinite(x).all():
        bad = first + int(np.flatnonzero(~np.isfinite(x))[0])
        raise ValueError(
            f"the trace is not finite at {bad / fs:.3f} s: fill gaps first, as data.mepp.read does, and leave the "
            "events found there out"
        )
    return x


def _pieces(trace, fs, seconds=60.0):
    size = round(seconds * fs)
    return (_finite(trace, k, min(k + size, len(trace)), fs) for k in range(0, len(trace), size))


# Filters and the local noise


def _places(y, fs):
    """Highest value of each place, and when it is."""
    step = round(fs * PLACE)
    y = np.pad(y, (0, -len(y) % step), constant_values=-np.inf).reshape(-1, step)
    where = y.argmax(1)
    value = np.take_along_axis(y, where[:, None], 1)[:, 0].astype(np.float32)
    return Score(value, (np.arange(len(y)) * step + where) / fs)


def _filtered(x, kernel):
    """Convolution with a kernel of odd length, centred; both ends are mirrored."""
    half = len(kernel) // 2
    padded = np.pad(
        x - np.float32(np.median(x[:: max(1, len(x) // 1000)])), half, mode="reflect" if len(x) > 1 else "edge"
    )
    return signal.oaconvolve(padded, kernel.astype(np.float32), mode="valid")


def _mean_places(x, fs):
    """Mean of each place."""
    step = round(fs * PLACE)
    return np.pad(x, (0, -len(x) % step), mode="edge").reshape(-1, step).mean(1)


def _above_median(x, fs):
    """A trace above its running median over 101 ms, which is found on means over 1 ms: (n,)."""
    base = ndimage.median_filter(_mean_places(x, fs), _MEDIAN, mode="mirror")
    at = (np.arange(len(base)) + 0.5) * round(fs * PLACE)
    return x - np.interp(np.arange(len(x)), at, base).astype(np.float32)


def local_scale(y, fs):
    """Standard deviation of the noise around each sample, whatever events there are: (n,) float32.

    The median absolute deviation in blocks of 0.5 s, then the median of three, and straight lines
    between their centres. Events are too short to move the first, a burst of noise too short to move the second; noise
    that stays, as where an electrode leaves, moves both.
    """
    block = round(BLOCK * fs)
    n, thin = len(y), max(1, round(fs / 2500))
    blocks = np.pad(y, (0, -n % block), constant_values=np.nan).reshape(-1, block)[:, ::thin]
    if n % block and n > block and n % block < block // 2:
        blocks = blocks[:-1]  # too few samples to count for themselves
    with np.errstate(all="ignore"):
        last = np.nanmedian(blocks[-1])
        centre = np.append(np.median(blocks[:-1], axis=1), last)
        spread = np.abs(blocks - centre[:, None])
        scale = _NORMAL * np.append(np.median(spread[:-1], axis=1), np.nanmedian(spread[-1]))
    scale = ndimage.median_filter(scale, _SPAN, mode="reflect")
    floor = max(1e-6 * float(np.abs(y).max()), np.finfo(np.float32).tiny)
    at = (np.arange(len(scale)) + 0.5) * block
    return np.interp(np.arange(n), at, np.maximum(scale, floor)).astype(np.float32)


def noise_spectrum(trace, fs):
    """Power spectral density of the noise of a recording, events or not.

    The 30 % quantile of Hann-windowed periodograms at each frequency, divided by that quantile of an exponential
    distribution; Welch's mean would count the events as noise. At most 600 segments are read.

    Parameters
    ----------
    trace : (n,) array_like
    fs : float
        Hz.

    Returns
    -------
    frequency : (k,) Hz
    power : (k,) unit of the trace squared a Hz
    """
    n = len(trace)
    size = int(min(_SEGMENT, 2 ** max(4, np.floor(np.log2(max(n // 4, 16))))))
    size = min(size, n)
    starts = np.unique(np.linspace(0, n - size, min(_SEGMENTS, max(1, 2 * n // size))).astype(int))
    segments = np.stack([_finite(trace, k, k + size, fs) for k in starts])
    frequency, power = signal.periodogram(segments, fs, "hann", detrend="linear", axis=1)
    return frequency, np.quantile(power, _QUIET, axis=0) / -np.log1p(-_QUIET)


def _grid(fs):
    """Length of a kernel before it is cut, a power of 2 of at least 0.8 s, and its frequencies."""
    size = 2 ** int(np.ceil(np.log2(0.8 * fs)))
    return size, fft.rfftfreq(size, 1 / fs)


def _kernel(spectrum, size):
    """Centred kernel of odd length whose spectrum is about the given one, faded out at its ends."""
    kernel = np.roll(fft.irfft(spectrum, size), size // 2)[1:]
    fade = signal.windows.tukey(len(kernel), 0.5)
    kernel = kernel * fade
    # Fading out has changed the sum, which is the gain for what is constant: give it back.
    kernel += fade * (spectrum[0].real - kernel.sum()) / fade.sum()
    return kernel.astype(np.float32)


def template(recordings, *, fs=10_000.0, length=0.02):
    """Mean shape of the true events of labelled recordings: from onset on, peak 1, (n,) float64.

    Parameters
    ----------
    recordings : Dataset, or sequence of them
        As `data.mepp.load` returns.
    fs, length : float
        Sampling rate (Hz) and length (s) of the shape.
    """
    from cardio_utils.simulate.mepp import shape

    rise, decay = (
        np.median(np.concatenate([d[name].values for d in _datasets(recordings)])) for name in ("tau_rise", "tau_decay")
    )
    return shape(np.arange(round(length * fs)) / fs, rise, decay)


# Detectors by formula


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class PeakFinder(Detector):
    """Height and prominence of peaks of the smoothed trace above its running median, in standard deviations.

    The trace is averaged over 1 ms, the median taken over 101 ms; the score is the smaller one of the two heights,
    and 0 where there is no peak.
    """

    def score(self, x, fs):
        y = _mean_places(x, fs)
        y = y - ndimage.median_filter(y, _MEDIAN, mode="mirror")
        y = y / local_scale(y, 1 / PLACE)
        peaks = signal.find_peaks(y)[0]
        value = np.zeros(len(y), np.float32)
        value[peaks] = np.maximum(np.minimum(y[peaks], signal.peak_prominences(y, peaks, wlen=41)[0]), 0)
        return Score(value, (np.arange(len(y)) + 0.5) * PLACE)


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class Clements(Detector):
    """Scale of a template fitted with an offset at every sample, over the standard error of that fit.

    Attributes
    ----------
    shape : (m,) ndarray
        An event from its onset on, at the sampling rate of the trace; 2 ms of rest are put in front of it.
    """

    shape: np.ndarray

    def score(self, x, fs):
        return _places(_criterion(x, self.shape, fs), fs)


def _criterion(x, shape, fs):
    """Scale over standard error at each sample, taken as the place of the template's peak: (n,)."""
    t = np.concatenate([np.zeros(round(0.002 * fs)), shape])
    m, peak = len(t), int(np.argmax(t))
    t = t - t.mean()
    x = np.pad(x.astype(float), (peak, m - 1 - peak), mode="reflect" if len(x) > 1 else "edge")
    x -= np.median(x[:: max(1, len(x) // 1000)])
    product = signal.oaconvolve(x, t[::-1], mode="valid")
    total, square = (np.cumsum(np.pad(v, (1, 0))) for v in (x, x * x))
    total, square = total[m:] - total[:-m], square[m:] - square[:-m]
    scale = product / (t**2).sum()
    rest = np.maximum(square - total**2 / m - scale * product, 1e-9 * square.max() + 1e-30)
    return scale / np.sqrt(rest / (m - 1))


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class LinearFilter(Detector):
    """A fixed filter, and its output in local standard deviations.

    Attributes
    ----------
    kernel : (k,) ndarray
        Of odd length, centred, at the sampling rate of the trace.
    """

    kernel: np.ndarray

    def score(self, x, fs):
        y = _filtered(x, self.kernel)
        return _places(y / local_scale(y, fs), fs)


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class MatchedFilter(Detector):
    """The best linear filter for a known shape in noise of a known spectrum: the spectrum is that of each recording.

    Attributes
    ----------
    shape : (m,) ndarray
        An event from its onset on, at the sampling rate of the trace.
    """

    shape: np.ndarray

    def adapted(self, trace, fs):
        kernel = _matched(self.shape, *noise_spectrum(trace, fs), fs)
        return LinearFilter(kernel=kernel, threshold=self.threshold, lag=self.lag)


def _matched(shape, frequency, power, fs):
    size, f = _grid(fs)
    noise = np.interp(f, frequency, power)
    noise = np.maximum(noise, max(1e-6 * noise.max(), _NOTHING))
    spectrum = np.conj(_spectrum(shape, size)) / noise
    spectrum[f < _LOWEST] = 0
    return _kernel(spectrum / np.sqrt(np.mean(np.abs(spectrum) ** 2 * noise) * fs / 2), size)


def _spectrum(shape, size):
    """Spectrum of a shape whose peak is at time 0."""
    return fft.rfft(np.roll(np.pad(shape, (0, size - len(shape))), -int(np.argmax(shape))))


def deconvolution(shape, fs, *, strength=0.05, band=(0.5, 300.0)):
    """Division by the spectrum of the shape, with a Tikhonov term and within a band: events become pulses.

    Parameters
    ----------
    shape : (m,) array_like
        An event from its onset on, at `fs`.
    fs : float
        Hz.
    strength : float
        Regularisation: share of the shape's largest power that is added to its power.
    band : (float, float)
        Hz.

    Returns
    -------
    LinearFilter
    """
    size, f = _grid(fs)
    h = _spectrum(np.asarray(shape, float), size)
    power = np.abs(h) ** 2
    spectrum = np.conj(h) / (power + strength * power.max())
    spectrum = spectrum * np.exp(-0.5 * (f / band[1]) ** 2)
    spectrum[f < max(band[0], _LOWEST)] = 0
    return LinearFilter(kernel=_kernel(spectrum, size))


def learned_filter(recordings, *, width=5e-4, ridge=1e-3):
    """The linear filter that turns labelled recordings best into a bell at each event (Wiener), in least squares.

    Nothing is assumed of shape or noise: both come from the labels.

    Parameters
    ----------
    recordings : Dataset, or sequence of them
        As `data.mepp.load` returns.
    width : float
        Standard deviation of the bell, s.
    ridge : float
        Share of the mean power that is added at each frequency.

    Returns
    -------
    LinearFilter
    """
    cross, power = 0, 0
    for trace, peaks, fs in _traces(recordings):
        size, f = _grid(fs)
        trace = trace / local_scale(signal.sosfilt(signal.butter(1, 20, "high", fs=fs, output="sos"), trace), fs)
        wanted = np.bincount((peaks * fs).astype(int), minlength=len(trace))[: len(trace)].astype(float)
        wanted = ndimage.gaussian_filter1d(wanted, width * fs)
        starts = range(0, max(1, len(trace) - size + 1), size // 2)
        x, d = (np.stack([v[k : k + size] for k in starts]) for v in (trace, wanted))
        x, d = (fft.rfft(signal.detrend(v) * np.hanning(v.shape[1]), size) for v in (x, d))
        cross, power = cross + (np.conj(x) * d).sum(0), power + (np.abs(x) ** 2).sum(0)
    spectrum = cross / (power + ridge * power[f > _LOWEST].mean())
    spectrum[f < _LOWEST] = 0
    return LinearFilter(kernel=_kernel(spectrum, size))


# Detectors that are networks


def _outputs(model, batches):
    """What a network in evaluation mode makes of each array of a sequence, without gradients, float32."""
    import torch

    model.eval()
    with torch.inference_mode():
        return [model(torch.from_numpy(np.require(x, np.float32, ["C", "W"]))).float().numpy() for x in batches]


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class EventDetector(Detector):
    """Our network, `models.mepp.EventNet`: how many events it expects in each millisecond.

    What the network sees is measured in local noise: the trace without mains above its running median, the outputs of
    the matched and of the learned filter, and the local noise itself against that of the whole recording. Its score is
    the logarithm of the number of events expected within 1.5 ms of a place, the time of an event their mean.
    Candidates are weighed once more by how many of them the recording has (`selected`).

    Attributes
    ----------
    model : EventNet
    shape : (m,) ndarray
        For the matched filter.
    learned : (k,) ndarray
        Kernel of a filter that was learned from labels (`learned_filter`), at 10 kHz.
    rate : float
        Events a second in the windows that the network has learnt from.
    kernel, cleaning, noise : ndarray, ndarray, float
        Matched filter, filter against the mains, and standard deviation of the noise of a recording; `adapted` fills
        them in.
    about : dict
        What the file of the weights says of them.
    """

    model: Any
    shape: np.ndarray
    learned: np.ndarray
    rate: float = 2.0
    kernel: np.ndarray | None = None
    cleaning: np.ndarray | None = None
    noise: float = 1.0
    about: dict = dataclasses.field(default_factory=dict)

    def adapted(self, trace, fs):
        frequency, power = noise_spectrum(trace, fs)
        # Where the noise is above that of its neighbours by 30 Hz to either side, the mains are.
        gain = np.minimum(1, ndimage.median_filter(power, 25) / np.maximum(power, _NOTHING))
        fast = frequency > 1 / (_MEDIAN * PLACE)  # what the running median leaves
        noise = np.sqrt(np.trapezoid((power * gain**2)[fast], frequency[fast]))
        size, f = _grid(fs)
        return dataclasses.replace(
            self,
            kernel=_matched(self.shape, frequency, power, fs),
            cleaning=_kernel(np.interp(f, frequency, gain), size),
            noise=max(float(noise), _NOTHING),
        )

    def inputs(self, x, fs):
        """What the network sees of a piece (n,): (4, n) float32."""
        if fs != 10_000:
            raise ValueError(f"the network has learnt 10 kHz, not {fs:g} Hz: resample first (signals.resample)")
        above = _above_median(_filtered(x, self.cleaning), fs)
        scale = local_scale(above, fs)
        filtered = [_filtered(x, kernel) for kernel in (self.kernel, self.learned)]
        rows = [above / scale, *(y / local_scale(y, fs) for y in filtered)]
        # The inverse hyperbolic sine is a line for noise and a logarithm for giants and artefacts.
        return np.stack([*(np.arcsinh(row / 2) for row in rows), np.log(scale / self.noise)])

    def expected(self, x, fs):
        """Expected number of events in each place of a piece: (place,) float32."""
        return np.exp(_outputs(self.model, [self.inputs(x, fs)[None]])[0][0])

    def score(self, x, fs):
        rate = self.expected(x, fs)
        near, late = (ndimage.correlate1d(rate, w, mode="constant") for w in ([1, 1, 1], [-1, 0, 1]))
        time = (np.arange(len(rate)) + 0.5 + late / near) * PLACE
        return Score(np.log(near), time)

    def selected(self, time, value, duration):
        """Scores as logarithmic odds, for the rate of this recording in place of the one in training.

        A place of middling score is likely an event where there are many, and hardly one where there are none. The rate
        is found by expectation and maximisation (Saerens et al. 2002), and weighed against a quarter of the rate in
        training as if two events had been seen at that before. Two steps only: of events unlike those in training the
        network is less sure than it ought to be, and on the way to the end each step would take the next one's hold.
        """
        expected = np.minimum(np.exp(value.astype(float)), 3.0)
        # A number that is expected is a probability, but for what exceeds 1 a little: that is nearly sure.
        sure = np.where(expected < 0.9, expected, 1 - 0.1 * np.exp(9 - 10 * expected))
        odds, ratio = sure / (1 - sure), 1.0
        for _ in range(2):
            found = np.sum(ratio * odds / (1 + ratio * odds))
            ratio = (found + _KNOWN[0]) / (duration * self.rate + _KNOWN[0] / _KNOWN[1])
        return time, np.log(ratio * odds).astype(np.float32)


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class Segmentation(Detector):
    """The originals' mask network on patches of 100 samples end to end, the trace less the mean of its recording.

    The score is the mean probability of the mask over 3 ms; the originals' mask begins at an event's onset and ends
    one decay time behind its peak.

    Attributes
    ----------
    model : models.mepp.MiniUNet
    mean : float
        Of the recording; `adapted` fills it in.
    """

    model: Any
    mean: float = 0.0

    def adapted(self, trace, fs):
        return dataclasses.replace(self, mean=_mean_and_deviation(trace, fs)[0])

    def probability(self, x, fs):
        """Probability of the mask at each sample of a piece: (n,) float32."""
        patches = np.pad(x - np.float32(self.mean), (0, -len(x) % 100), mode="edge").reshape(-1, 100)
        logit = np.concatenate(_outputs(self.model, np.array_split(patches, -(-len(patches) // 1000))))
        return special.expit(logit.ravel()[: len(x)])

    def score(self, x, fs):
        mask = ndimage.uniform_filter1d(_mean_places(self.probability(x, fs), fs), 3)
        return Score(mask, (np.arange(len(mask)) + 0.5) * PLACE)


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class Reconstruction(Detector):
    """An autoencoder that has learnt windows of 4 ms: what it cannot reconstruct is taken for an event.

    The trace is standardised by mean and standard deviation of its recording, events included, as the originals do. The
    score is the lowest mean absolute error of three windows, each 1 ms later, that must all exceed a threshold: the
    originals ask it of 19 windows, each a sample later.

    Attributes
    ----------
    model : models.mepp.Autoencoder or BottleneckAutoencoder
    mean, deviation : float
        Of the recording; `adapted` fills them in.
    """

    model: Any
    mean: float = 0.0
    deviation: float = 1.0

    def adapted(self, trace, fs):
        mean, deviation = _mean_and_deviation(trace, fs)
        return dataclasses.replace(self, mean=mean, deviation=deviation)

    def reconstructed(self, x, fs):
        """Standardised windows of 40 samples, one each millisecond, and their reconstructions: two (place, 40)."""
        step = round(fs * PLACE)
        z = np.pad(
            (x - np.float32(self.mean)) / np.float32(self.deviation), (0, -len(x) % step + 40 - step), mode="edge"
        )
        windows = np.lib.stride_tricks.sliding_window_view(z, 40)[::step]
        if self.model.convolutional:  # without a bottleneck there is no need to reconstruct each sample 40 times
            (whole,) = _outputs(self.model, [z[None]])
            return windows, np.lib.stride_tricks.sliding_window_view(whole[0], 40)[::step]
        return windows, np.concatenate(_outputs(self.model, np.array_split(windows, -(-len(windows) // 4000))))

    def score(self, x, fs):
        windows, again = self.reconstructed(x, fs)
        error = ndimage.minimum_filter1d(np.abs(windows - again).mean(1), 3)
        return Score(error.astype(np.float32), np.arange(len(error)) * PLACE + 20 / fs)


def _mean_and_deviation(trace, fs):
    """Of a whole recording, read in pieces, in double precision about its first sample."""
    first, total, square = float(trace[0]), 0.0, 0.0
    for x in _pieces(trace, fs):
        x = x.astype(float) - first
        total, square = total + x.sum(), square + (x**2).sum()
    mean = total / len(trace)
    return first + mean, float(np.sqrt(max(square / len(trace) - mean**2, 1e-12)))


# The network's file

VERSION = 1
WEIGHTS = Path(__file__).parent / "weights" / "event_net.pt"


def save(path, detector, *, about=None):
    """Write a trained and tuned `EventDetector`: weights in half precision, template, threshold, lag, checksum.

    Parameters
    ----------
    path : path
    detector : EventDetector
    about : dict of str to str, optional
        What a user should know: data, date, scores, licence. Kept in the file, and written beside it as a card, a
        Markdown table of the same name.

    Returns
    -------
    Path
    """
    import torch

    path, about = Path(path), dict(about or {})
    weights = {name: t.half() if t.is_floating_point() else t for name, t in detector.model.state_dict().items()}
    content = {
        "version": VERSION,
        "options": detector.model.options,
        "weights": weights,
        "shape": torch.from_numpy(np.asarray(detector.shape, np.float32)),
        "learned": torch.from_numpy(np.asarray(detector.learned, np.float32)),
        "threshold": float(detector.threshold),
        "lag": float(detector.lag),
        "rate": float(detector.rate),
        "about": about,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(content | {"checksum": _checksum(content)}, path)
    rows = "".join(f"| {name} | {value} |\n" for name, value in about.items())
    card = f"# Weights of the event detector\n\n| | |\n|---|---|\n{rows}"
    path.with_suffix(".md").write_text(card + f"| version | {VERSION} |\n| SHA-256 | `{_checksum(content)}` |\n")
    return path


def load(path=WEIGHTS):
    """The `EventDetector` that `save` wrote; by default the one that comes with the package.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    ValueError
        The file is of another kind or version, or damaged.
    """
    import torch

    from cardio_utils.models.mepp import EventNet

    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path} is not there: the full run of chapter 13 writes it")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        version, checksum = content["version"], content.pop("checksum")
    except Exception as error:
        raise ValueError(f"{path} holds no event detector: write it again with detectors.save") from error
    if version != VERSION:
        raise ValueError(f"{path} is of version {version}, this package reads version {VERSION}: train it anew")
    if checksum != _checksum(content):
        raise ValueError(f"{path} is damaged, its checksum is wrong: fetch it again")
    model = EventNet(**content["options"])
    model.load_state_dict({name: t.float() if t.is_floating_point() else t for name, t in content["weights"].items()})
    fixed = {name: content[name].numpy() for name in ("shape", "learned")}
    tuned = {name: content[name] for name in ("threshold", "lag", "rate")}
    return EventDetector(model=model.eval(), about=content["about"], **fixed, **tuned)


def _checksum(content):
    """Of all that decides what is found."""
    found = hashlib.sha256(repr([content[name] for name in ("options", "threshold", "lag", "rate")]).encode())
    for name, tensor in sorted((content["weights"] | {k: content[k] for k in ("shape", "learned")}).items()):
        found.update(name.encode() + tensor.contiguous().numpy().tobytes())
    return found.hexdigest()


# Tuning and counting


def _datasets(recordings):
    return [recordings] if hasattr(recordings, "sizes") else list(recordings)


def _traces(recordings):
    """(trace, true peak times, fs) of every recording."""
    for d in _datasets(recordings):
        for i in range(d.sizes["recording"]):
            yield d.vm.values[i], d.peak.values[d.event_recording.values == i], float(d.attrs["fs"])


def counts(found, true, thresholds, *, tolerance=2e-3):
    """True positives, false positives and false negatives of each recording at each threshold.

    Parameters
    ----------
    found : sequence of (time, score)
        Candidates of each recording, as `candidates` returns.
    true : sequence of (k,) array
        Times of its true events, s.
    thresholds : (t,) array_like
    tolerance : float
        s; one found event matches one true event at most (`events.match`).

    Returns
    -------
    (t, recording, 3) int ndarray
    """
    table = np.zeros((len(np.atleast_1d(thresholds)), len(found), 3), int)
    true = [np.sort(np.asarray(peaks, float)) for peaks in true]
    for i, ((time, value), peaks) in enumerate(zip(found, true, strict=True)):
        for k, threshold in enumerate(np.atleast_1d(thresholds)):
            chosen = time[value >= threshold]
            hits = _pairs(peaks, chosen, tolerance)
            table[k, i] = hits, len(chosen) - hits, len(peaks) - hits
    return table


def _pairs(true, found, tolerance):
    """How many pairs `events.match` would make of sorted times: the number alone is a hundred times cheaper."""
    true, found, i, j, pairs = true.tolist(), found.tolist(), 0, 0, 0
    while i < len(true) and j < len(found):
        if abs(found[j] - true[i]) <= tolerance * (1 + 1e-9):
            i, j, pairs = i + 1, j + 1, pairs + 1
        elif found[j] < true[i]:
            j += 1
        else:
            i += 1
    return pairs


def tune(detector, recordings, *, limit=None, levels=60):
    """Threshold and lag of a detector from labelled recordings, which must not be the ones it is judged by.

    The lag is the median delay of the highest scores. The threshold has the best F1 of all recordings together,
    among those that give at most `limit` false positives a minute in recordings without any event.

    Parameters
    ----------
    detector : Detector
    recordings : Dataset, or sequence of them
        As `data.mepp.load` returns.
    limit : float, optional
        False positives a minute; None: no limit.
    levels : int
        Thresholds that are tried.

    Returns
    -------
    Detector
        A copy with `threshold` and `lag`.

    Raises
    ------
    ValueError
        No recording has an event, or a limit without any recording that has none.
    """
    traces = list(_traces(recordings))
    found = [candidates(detector, trace, fs) for trace, _, fs in traces]
    true = [peaks for _, peaks, _ in traces]
    empty = np.array([len(peaks) == 0 for peaks in true])
    if empty.all() or (limit is not None and not empty.any()):
        missing = "events" if empty.all() else "recordings without events"
        raise ValueError(f"tuning needs {missing}: none of the {len(traces)} recordings will do")
    lag = _lag(found, true)
    found = [(time - lag, value) for time, value in found]
    top = [np.sort(value)[-3 * max(len(peaks), 5) :] for (_, value), peaks in zip(found, true, strict=True)]
    thresholds = np.unique(np.quantile(np.concatenate(top), np.linspace(0, 1, levels)))
    table = counts(found, true, thresholds)
    tp, fp, fn = table.sum(1).T
    f1 = 2 * tp / (2 * tp + fp + fn)
    threshold = thresholds[f1.argmax()]
    if limit is not None:
        minutes = sum(len(trace) / fs for (trace, _, fs), e in zip(traces, empty, strict=True) if e) / 60
        threshold = max(
            threshold, _quiet_threshold([f[1] for f, e in zip(found, empty, strict=True) if e], limit * minutes)
        )
    return dataclasses.replace(detector, threshold=float(threshold), lag=detector.lag + lag)


def _quiet_threshold(values, allowed):
    """Lowest threshold above which at most `allowed` of the scores lie."""
    values = np.sort(np.concatenate(values))[::-1]
    k = int(allowed)
    return -np.inf if len(values) <= k else float(np.nextafter(values[k], np.inf))


def _lag(found, true, within=5e-3):
    """Median of found less true times, of as many of the highest scores as there are events."""
    delays = []
    for (time, value), peaks in zip(found, true, strict=True):
        if len(peaks):
            best = np.sort(time[np.argsort(-value)[: len(peaks)]])
            delays.append(events.match(peaks, best, within).error)
    delays = np.concatenate(delays)
    return float(np.median(delays)) if len(delays) else 0.0


def training_windows(detector, recordings, seconds=2.0):
    """Windows with their natural background for a network: what `EventDetector` shows it, and what it should say.

    Parameters
    ----------
    detector : EventDetector
        Its model is not used.
    recordings : Dataset, or sequence of them
        As `data.mepp.load` returns, with a sampling rate of 10 kHz.
    seconds : float
        Length of a window; windows follow each other without overlap.

    Returns
    -------
    inputs : (window, 4, sample) float32
    target : (window, place) float32
        Events in each millisecond; one that peaks between the centres of two places counts for both in part.
    """
    inputs, target = [], []
    for trace, peaks, fs in _traces(recordings):
        size, places = round(seconds * fs), round(seconds / PLACE)
        n = len(trace) // size
        x = detector.adapted(trace, fs).inputs(trace, fs)[:, : n * size]
        inputs.append(x.reshape(len(x), n, size).transpose(1, 0, 2).astype(np.float32))
        at = np.clip(peaks / PLACE - 0.5, 0, n * places - 2)
        at = at[at < n * places - 2]
        share, first = at % 1, at.astype(int)
        own = np.bincount(first, 1 - share, n * places) + np.bincount(first + 1, share, n * places)
        target.append(own.reshape(n, places).astype(np.float32))
    return np.concatenate(inputs), np.concatenate(target)


def found_in(detector, recordings):
    """Candidates (time, score) of each recording, those below the threshold too: a list."""
    return [candidates(detector, trace, fs) for trace, _, fs in _traces(recordings)]


def true_in(recordings):
    """Times of the true events of each recording, s: a list."""
    return [peaks for _, peaks, _ in _traces(recordings)]


def f1(table):
    """F1 of counts (..., recording, 3), all recordings together; NaN where there is neither event nor detection."""
    tp, fp, fn = np.moveaxis(np.asarray(table).sum(-2), -1, 0)
    with np.errstate(invalid="ignore"):
        return 2 * tp / (2 * tp + fp + fn)


def precision(table):
    """Share of detections that are events, as `f1`; NaN without a detection."""
    tp, fp, _ = np.moveaxis(np.asarray(table).sum(-2), -1, 0)
    with np.errstate(invalid="ignore"):
        return tp / (tp + fp)


def recall(table):
    """Share of events that are detected, as `f1`; NaN without an event."""
    tp, _, fn = np.moveaxis(np.asarray(table).sum(-2), -1, 0)
    with np.errstate(invalid="ignore"):
        return tp / (tp + fn)


def estimate(metric, table, recording):
    """A metric of counts (recording, 3) with its interval from resampled recordings: an `evaluation.Estimate`.

    Estimates of two detectors on the same recordings can be subtracted: the difference is paired.
    """
    from cardio_utils import evaluation

    return evaluation.bootstrap(lambda rows, _: metric(rows), table, table, recording)


def curve(found, true, recording, *, levels=25, n_resamples=200, seed=0):
    """Precision against recall over thresholds, with the interval of precision from resampled recordings.

    Parameters
    ----------
    found, true : list
        From `found_in` and `true_in`.
    recording : (recording,) array_like
        Names, the unit that is resampled.
    levels, n_resamples, seed : int

    Returns
    -------
    DataFrame
        Columns `threshold`, `recall`, `precision`, `low`, `high`; from the highest threshold down, where three times as
        many events are found as there are.
    """
    import pandas as pd

    n = sum(map(len, true))
    best = np.sort(np.concatenate([value for _, value in found]))[::-1][: 3 * n]
    thresholds = np.unique(np.quantile(best, np.linspace(0, 1, levels)))[::-1]
    table = counts(found, true, thresholds)
    names = np.unique(np.asarray(recording), return_inverse=True)[1]
    drawn = np.random.default_rng(seed).integers(0, names.max() + 1, (n_resamples, names.max() + 1))
    weight = np.stack([np.bincount(row, minlength=names.max() + 1)[names] for row in drawn])
    tp, fp, _ = np.moveaxis(np.einsum("br,trk->btk", weight, table), -1, 0)
    with np.errstate(invalid="ignore"):
        low, high = np.nanquantile(np.where(tp + fp > 0, tp / (tp + fp), np.nan), [0.025, 0.975], axis=0)
    columns = {"threshold": thresholds, "recall": recall(table), "precision": precision(table)}
    return pd.DataFrame(columns | {"low": low, "high": high})


def training_patches(recordings, *, whole=True, stride=10, most=None, seed=0):
    """Patches of 100 samples and their masks, as the originals cut them: the trace less its recording's mean.

    Parameters
    ----------
    recordings : Dataset, or sequence of them
    whole : bool
        Only patches that hold a whole event, as the originals; otherwise all patches.
    stride : int
        Samples from one patch to the next.
    most : int, optional
        A random choice of so many.
    seed : int

    Returns
    -------
    patches, masks : (patch, 100) float32, masks 0 or 1
    """
    from cardio_utils.data.mepp import truth_mask

    patches, masks = [], []
    for d in _datasets(recordings):
        for trace, mask in zip(d.vm.values, truth_mask(d), strict=True):
            x, m = (np.lib.stride_tricks.sliding_window_view(v, 100)[::stride] for v in (trace - trace.mean(), mask))
            keep = m.any(1) & ~m[:, 0] & ~m[:, -1] if whole else slice(None)
            patches.append(x[keep])
            masks.append(m[keep])
    return _some(np.concatenate(patches), np.concatenate(masks), most, seed)


def training_snippets(recordings, *, quiet=True, most=20_000, seed=0):
    """Standardised windows of 40 samples for an autoencoder, which is to give back what it gets: (window, 40) twice.

    `quiet` leaves out those that touch an event, which takes labels; recordings are standardised as a whole.
    """
    from cardio_utils.data.mepp import truth_mask

    windows = []
    for d in _datasets(recordings):
        for trace, mask in zip(d.vm.values, truth_mask(d, reach=3.0), strict=True):
            z = ((trace - trace.mean()) / trace.std()).astype(np.float32)
            x, m = (np.lib.stride_tricks.sliding_window_view(v, 40)[::7] for v in (z, mask))
            windows.append(x[~m.any(1)] if quiet else x)
    windows = np.concatenate(windows)
    return _some(windows, windows, most, seed)


def _some(inputs, target, most, seed):
    rows = np.arange(len(inputs))
    if most is not None and most < len(rows):
        rows = np.sort(np.random.default_rng(seed).choice(rows, most, replace=False))
    return np.ascontiguousarray(inputs[rows], np.float32), np.ascontiguousarray(target[rows], np.float32)


def iou(true, said):
    """Intersection over union of two masks, all samples together; NaN where both are empty."""
    true, said = np.asarray(true, bool), np.asarray(said, bool)
    union = (true | said).sum()
    return float((true & said).sum() / union) if union else float("nan")


# Real recordings


def witnessed(detector, voltage, current, fs, limit=5.0, *, tolerance=3e-3, block=5.0):
    """Agreement of events in a voltage with those in the current of a second electrode: no truth, but a witness.

    The events of an inward current, which go down, are found with the matched filter. Each channel has events that the
    noise of the other hides. So precision asks of each voltage event above `limit` whether the current has an event of
    at least 4 standard deviations there, recall of each current event above `limit` whether the voltage has any.

    Parameters
    ----------
    detector : EventDetector or MatchedFilter
        Of voltage events, with its threshold.
    voltage, current : (n,) array_like
        Of one recording, at `fs` (Hz).
    limit : float
        In standard deviations of the output of each channel's matched filter.
    tolerance : float
        s.
    block : float
        s, of the stretches that are resampled for the intervals.

    Returns
    -------
    dict of str to evaluation.Estimate
        precision, recall, and their harmonic mean f1.
    """
    filtered = MatchedFilter(shape=detector.shape)
    time, _ = detect(detector, voltage, fs)
    own, size = candidates(filtered, voltage, fs)
    clear = events.match(time, own[size >= limit], tolerance).true
    other, size = candidates(filtered, -np.asarray(current), fs)
    seen = events.match(time[clear], other[size >= 4], tolerance).true
    witnesses = other[size >= limit]
    found = events.match(witnesses, time, tolerance).true
    blocks = np.arange(int(np.ceil(len(voltage) / fs / block)))
    groups = time[clear][seen], time[clear], witnesses[found], witnesses
    table = np.stack([np.bincount((t / block).astype(int), minlength=len(blocks)) for t in groups], axis=1)
    share = {
        "precision": lambda rows: rows[:, 0].sum() / rows[:, 1].sum(),
        "recall": lambda rows: rows[:, 2].sum() / rows[:, 3].sum(),
    }
    share["f1"] = lambda rows: 2 / (1 / share["precision"](rows) + 1 / share["recall"](rows))
    return {name: estimate(metric, table, blocks) for name, metric in share.items()}


def out_of_domain(detector, windows):
    """Area under the ROC curve of a detector's highest score in windows with and without a current event.

    The windows are joined after a straight line through their ends was taken away, since noise is measured over longer
    stretches than theirs.

    Parameters
    ----------
    detector : Detector
    windows : Dataset
        ``data.mepp.load("mini_epsc")``; windows that were left open are not used.

    Returns
    -------
    float
    """
    from sklearn.metrics import roc_auc_score

    from cardio_utils.signals import resample

    label = windows["score"].values
    x = -windows["current"].values[label < 2]
    line = np.linspace(x[:, :50].mean(1), x[:, -50:].mean(1), x.shape[1], axis=1)
    trace = resample((x - line).ravel(), float(windows.attrs["fs"]), 10_000)
    best = score(detector, trace, 10_000.0).value.reshape(len(x), -1).max(1)
    return float(roc_auc_score(label[label < 2] == 1, best))
