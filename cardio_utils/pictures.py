"""Beats as pictures, for the primer on image classification."""

import numpy as np
from scipy.signal import ShortTimeFFT, windows

__all__ = ["gramian_field", "spectrogram"]


def gramian_field(wave, size=32):
    """Gramian angular summation field of waves (Wang and Oates 2015).

    Each wave is scaled to -1 to 1 and averaged in `size` pieces; a value x becomes the angle arccos x, and pixel
    (i, j) is the cosine of the sum of the angles at i and j. The diagonal holds the wave itself, as cos 2 arccos x.

    Parameters
    ----------
    wave : (..., n) array_like
    size : int
        Pixels a side.

    Returns
    -------
    (..., size, size) float32
        From -1 to 1; a constant wave gives -1 everywhere.

    Raises
    ------
    ValueError
        If a wave has fewer samples than the picture pixels a side.
    """
    wave = np.asarray(wave, float)
    if wave.shape[-1] < size:
        raise ValueError(f"waves of {wave.shape[-1]} samples give no picture of {size} pixels a side; choose fewer")
    edges = np.linspace(0, wave.shape[-1], size + 1).astype(int)
    coarse = np.add.reduceat(wave, edges[:-1], axis=-1) / np.diff(edges)
    low, high = coarse.min(-1, keepdims=True), coarse.max(-1, keepdims=True)
    x = np.where(high > low, 2 * (coarse - low) / np.where(high > low, high - low, 1) - 1, 0).clip(-1, 1)
    other = np.sqrt(1 - x**2)
    field = x[..., :, None] * x[..., None, :] - other[..., :, None] * other[..., None, :]
    return field.astype("float32")


def spectrogram(wave, fs, size=32, top=40.0, width=0.16):
    """Spectrogram of waves: power by frequency and time, in decibels relative to the wave's largest.

    Parameters
    ----------
    wave : (..., n) array_like
    fs : float
        Sampling rate (Hz).
    size : int
        Pixels a side.
    top : float
        Highest frequency (Hz).
    width : float
        Length of the Gaussian window, four of its standard deviations (s). Sharp in time is blurred in frequency.

    Returns
    -------
    (..., size, size) float32
        Frequency from 0 upwards along the rows, time along the columns; from 0 (the largest power) to -1 (40 dB
        below it, and less).

    Raises
    ------
    ValueError
        If `top` is above half of the sampling rate, or the window longer than the waves.
    """
    if top > fs / 2:
        raise ValueError(f"at {fs:g} Hz there is nothing above {fs / 2:g} Hz; top={top:g} is too high")
    wave = np.asarray(wave, float)
    n = max(8, round(2 * width * fs))
    if n > 2 * wave.shape[-1]:
        most = wave.shape[-1] / fs
        raise ValueError(f"the window of {width:g} s is longer than the waves: choose a width of {most:g} s at most")
    points = 2 ** int(np.ceil(np.log2(max(n, size * fs / top))))
    transform = ShortTimeFFT(windows.gaussian(n, width * fs / 4), hop=1, fs=fs, mfft=points)
    power = np.abs(transform.stft(wave - wave.mean(-1, keepdims=True), p0=0, p1=wave.shape[-1])) ** 2
    rows = np.rint(np.linspace(0, top, size) * points / fs).astype(int)
    columns = np.rint(np.linspace(0, wave.shape[-1] - 1, size)).astype(int)
    picture = power[..., rows[:, None], columns]
    largest = picture.max((-2, -1), keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        decibels = 10 * np.log10(np.where(largest > 0, picture / largest, 0))
    return (decibels.clip(-40, 0) / 40).astype("float32")
