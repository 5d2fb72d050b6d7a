"""Filters and resampling of sampled signals: arrays in, arrays out, time on any axis.

All filters are zero-phase, so that no wave moves in time: a Butterworth filter runs forward and backward,
which doubles its order and squares its gain (-6 dB at the corner instead of -3 dB). `undo_highpass` takes back
what an amplifier has done.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from scipy import ndimage, signal

__all__ = ["bandpass", "highpass", "lowpass", "resample", "sample_at", "undo_highpass"]


def _filter(x, fs, corner, btype, order, axis):
    x = np.asarray(x)
    corners = np.atleast_1d(np.asarray(corner, float))
    if not (np.all(corners > 0) and np.all(corners < fs / 2) and np.all(np.diff(corners) > 0)):
        raise ValueError(f"the corner {corner} Hz must lie between 0 and half the sampling rate ({fs / 2:g} Hz)")
    sections = signal.butter(order, corner, btype, fs=fs, output="sos")
    length = x.shape[axis]
    if length < 2:
        raise ValueError(f"a signal of {length} sample(s) cannot be filtered")
    # The transient of the lowest corner lasts about one of its periods; mirror that much at both ends.
    padding = min(length - 1, max(3 * (2 * len(sections) + 1), int(fs / corners[0])))
    y = signal.sosfiltfilt(sections, x, axis=axis, padlen=padding)
    return y.astype(np.result_type(x.dtype, np.float32), copy=False)


def highpass(x, fs, corner, *, order=2, axis=-1):
    """Remove what is slower than `corner`, without a shift in time.

    Parameters
    ----------
    x : array_like
        Signal, any unit, time along `axis`.
    fs : float
        Sampling rate (Hz).
    corner : float
        Corner frequency (Hz); the gain there is one half.
    order : int
        Order of the Butterworth filter of one direction.
    axis : int
        Axis of time.

    Returns
    -------
    ndarray
        Shape, unit and floating type of `x`.

    Raises
    ------
    ValueError
        The corner is not between 0 and ``fs / 2``, or the signal has fewer than two samples.
    """
    return _filter(x, fs, corner, "highpass", order, axis)


def lowpass(x, fs, corner, *, order=2, axis=-1):
    """Remove what is faster than `corner` (Hz); see `highpass` for arguments, result and errors."""
    return _filter(x, fs, corner, "lowpass", order, axis)


def bandpass(x, fs, low, high, *, order=2, axis=-1):
    """Keep what lies between `low` and `high` (Hz); see `highpass` for arguments, result and errors."""
    return _filter(x, fs, (low, high), "bandpass", order, axis)


def undo_highpass(x, fs, corner, *, start=0):
    """What entered a causal high-pass of first order, such as the coupling capacitor of an amplifier.

    The filter loses ``2 pi corner`` times what has passed it; adding the running sum back restores the input up to a
    constant. The mean from `start` on is taken as 0, without which the sum would drift. Chapter 01 shows what it is
    worth.

    Parameters
    ----------
    x : (n,) array_like
        Output of the filter, any unit; NaN behind its end is left as it is.
    fs : float
        Sampling rate (Hz).
    corner : float
        Corner frequency of the filter (Hz).
    start : int
        First sample to restore: one behind the last artefact, whose overshoot would be summed as well.

    Returns
    -------
    (n,) float32

    Raises
    ------
    ValueError
        The corner is not between 0 and ``fs / 2``.
    """
    if not 0 < corner < fs / 2:
        raise ValueError(f"the corner {corner} Hz must lie between 0 and half the sampling rate ({fs / 2:g} Hz)")
    y = np.array(x, float)
    late = y[start:]
    late += 2 * np.pi * corner / fs * np.cumsum(late - np.nanmean(late))
    return y.astype(np.float32)


def resample(x, fs, new_fs, *, axis=-1):
    """Resample by the ratio of two sampling rates with an anti-aliasing polyphase filter.

    Parameters
    ----------
    x : array_like
        Signal, time along `axis`; its first sample stays at time 0.
    fs, new_fs : float
        Present and wanted sampling rate (Hz); their ratio is taken as a fraction of integers up to 10,000.
    axis : int
        Axis of time.

    Returns
    -------
    ndarray
        ``ceil(n * new_fs / fs)`` samples along `axis`, the floating type of `x`.
    """
    x = np.asarray(x)
    ratio = Fraction(new_fs / fs).limit_denominator(10_000)
    y = signal.resample_poly(x, ratio.numerator, ratio.denominator, axis=axis, padtype="line")
    return y.astype(np.result_type(x.dtype, np.float32), copy=False)


def _antialias(x, fs, new_fs):
    """Zero-phase low-pass below half of `new_fs` (the kernel that `scipy.signal.resample_poly` uses)."""
    if new_fs >= fs:
        return x
    ratio = fs / new_fs
    half = int(np.ceil(10 * ratio))
    kernel = signal.firwin(2 * half + 1, 1 / ratio, window=("kaiser", 5.0))
    return signal.oaconvolve(np.pad(x, half, mode="edge"), kernel, mode="valid")


def sample_at(x, fs, times, new_fs):
    """Values of one signal at any times, free of what a sampling rate of `new_fs` cannot carry.

    Windows around events need this rather than `resample`: an event lies between two samples of the slower
    rate, and rounding to the nearest would shift each window by up to half a sample. The signal is low-passed
    below ``new_fs / 2`` at its own rate and read off by a cubic spline.

    Parameters
    ----------
    x : (n,) array_like
        Signal, any unit.
    fs : float
        Its sampling rate (Hz).
    times : array_like
        Times (s) from its first sample; before the first and after the last sample the end value is held.
    new_fs : float
        Rate (Hz) at which neighbouring `times` follow each other.

    Returns
    -------
    ndarray, float32
        Shape of `times`, unit of `x`.
    """
    smooth = _antialias(np.asarray(x, float), fs, new_fs)
    return ndimage.map_coordinates(smooth, np.asarray(times, float)[None] * fs, order=3, mode="nearest").astype(
        np.float32
    )
