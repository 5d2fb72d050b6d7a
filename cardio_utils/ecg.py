"""Definitions of the electrocardiogram: beats, their classes, intervals and windows; waves of several leads."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import ndimage
from scipy import signal as sps

from cardio_utils import lead_algebra, signals

__all__ = [
    "AAMI",
    "BEAT_FS",
    "CENTRED_LENGTH",
    "CENTRED_R",
    "KACHUEE_LENGTH",
    "Delineation",
    "Recording",
    "aami_class",
    "beat_windows_centred",
    "beat_windows_kachuee",
    "check_recording",
    "delineate",
    "find_r_peaks",
    "lead_swap",
    "mean_beat",
    "records_in_order",
    "rr_features",
    "rr_intervals",
]

AAMI = {"N": "NLRej", "S": "AaJS", "V": "VE", "F": "F", "Q": "/fQ"}
"""Class of the standard ANSI/AAMI EC57 -> the MIT-BIH beat symbols that it gathers."""

BEAT_FS = 125.0  # Hz, of every beat window (Kachuee 2018)
KACHUEE_LENGTH = 187  # samples
CENTRED_LENGTH = 144  # samples
CENTRED_R = 64  # index of the R peak in a centred window

_SHORTEST = 10.0  # s, one window of Kachuee 2018
_FLAT = 0.05  # mV


class Recording(NamedTuple):
    """One lead of one record with its annotated beats.

    Attributes
    ----------
    name, patient : str
        Record, and whose it is: a split must not part records of one patient.
    signal : (n,) float32
        The lead in mV.
    fs : float
        Sampling rate (Hz).
    samples : (k,) int64
        Samples of the R peaks, ascending.
    symbols : (k,) '<U1'
        MIT-BIH beat symbols ('' where no expert named the beat).
    """

    name: str
    patient: str
    signal: np.ndarray
    fs: float
    samples: np.ndarray
    symbols: np.ndarray


def aami_class(symbols):
    """AAMI class of MIT-BIH annotation symbols.

    Parameters
    ----------
    symbols : array_like of str
        Annotation symbols, one character each.

    Returns
    -------
    ndarray of '<U1'
        'N', 'S', 'V', 'F' or 'Q' (ANSI/AAMI EC57:1998, table 3); '' where the symbol marks no beat
        (rhythm changes, noise, waves of ventricular flutter, blocked P waves).
    """
    class_of = {symbol: name for name, members in AAMI.items() for symbol in members}
    found, inverse = np.unique(np.asarray(symbols, "<U1"), return_inverse=True)
    return np.array([class_of.get(s, "") for s in found.tolist()], "<U1")[inverse]


def rr_intervals(samples, fs, local=10):
    """Intervals between R peaks, before and after each beat.

    Parameters
    ----------
    samples : (k,) array_like of int
        Samples of the R peaks, ascending.
    fs : float
        Sampling rate (Hz).
    local : int
        Number of intervals in the local mean.

    Returns
    -------
    before, after : (k,) float32
        Seconds since the previous and until the next beat; NaN at the record's first and last beat.
    mean : (k,) float32
        Mean (s) of the last `local` intervals up to and including the present beat's own `before`: causal, no
        later beat enters. Fewer are averaged while fewer exist; NaN at the first beat.
    """
    rr = np.diff(np.asarray(samples, np.int64)) / fs
    before = np.concatenate([[np.nan], rr])
    after = np.concatenate([rr, [np.nan]])
    total = np.concatenate([[0.0], np.cumsum(rr)])
    last = np.arange(1, rr.size + 1)
    first = np.maximum(last - local, 0)
    mean = np.concatenate([[np.nan], (total[last] - total[first]) / (last - first)])
    count = np.size(samples)
    return tuple(x[:count].astype(np.float32) for x in (before, after, mean))


def beat_windows_centred(signal, fs, samples):
    """Windows with the R peak in the middle, P wave included, in mV.

    The record's baseline is removed by a zero-phase high-pass at 0.5 Hz (a corner that leaves the ST segment
    alone when the phase is zero, Kligfield 2007); each window is then read off at the time of its R peak,
    free of aliasing.

    Parameters
    ----------
    signal : (n,) array_like
        One lead (mV).
    fs : float
        Its sampling rate (Hz).
    samples : (k,) array_like of int
        R peaks. Beats near the ends stay: beyond the record its end value is held.

    Returns
    -------
    (k, 144) float32
        mV at 125 Hz, from -0.512 s to +0.632 s; the R peak is at index 64.
    """
    flat = signals.highpass(np.asarray(signal, float), fs, 0.5)
    offsets = (np.arange(CENTRED_LENGTH) - CENTRED_R) / BEAT_FS
    return signals.sample_at(flat, fs, np.asarray(samples)[:, None] / fs + offsets, BEAT_FS)


def _kachuee_duration(samples, fs):
    """1.2 x the median RR (s) of the 10 s window that each beat lies in."""
    rr = np.diff(samples) / fs
    typical = np.median(rr) if rr.size else 1.0
    window = np.floor(samples / (fs * _SHORTEST)).astype(int)
    inside = window[1:] == window[:-1]
    medians = {w: np.median(rr[inside & (window[1:] == w)]) for w in np.unique(window[1:][inside])}
    return 1.2 * np.array([medians.get(w, typical) for w in window])


def beat_windows_kachuee(signal, fs, samples):
    """Windows that start at the R peak, zero padded, as in published work on the 187-sample beats.

    Kachuee 2018: from the R peak on, 1.2 times the median RR interval of the 10 s window that the beat lies
    in (the record's median where a window holds fewer than two beats), scaled to [0, 1], zero padded. Two
    things differ from the authors' own files: R peaks are the annotated ones, and the scale is that of the
    beat, not that of the 10 s window.

    Parameters
    ----------
    signal : (n,) array_like
        One lead, any unit.
    fs : float
        Its sampling rate (Hz).
    samples : (k,) array_like of int
        R peaks. A window that the record's end cuts is shorter.

    Returns
    -------
    wave : (k, 187) float32
        In [0, 1] at 125 Hz, 0 from `valid_length` on.
    valid_length : (k,) int16
        Samples before the padding, 1 to 187.
    """
    samples = np.asarray(samples, np.int64)
    steps = np.arange(KACHUEE_LENGTH)
    wave = signals.sample_at(signal, fs, samples[:, None] / fs + steps / BEAT_FS, BEAT_FS)
    wanted = np.round(_kachuee_duration(samples, fs) * BEAT_FS)
    there = np.floor((np.size(signal) - 1 - samples) / fs * BEAT_FS) + 1
    valid_length = np.clip(np.minimum(wanted, there), 1, KACHUEE_LENGTH).astype(np.int16)
    padding = steps >= valid_length[:, None]
    low = np.min(wave, axis=1, where=~padding, initial=np.inf, keepdims=True)
    high = np.max(wave, axis=1, where=~padding, initial=-np.inf, keepdims=True)
    scaled = (wave - low) / np.where(high > low, high - low, 1)
    return np.where(padding, 0, scaled).astype(np.float32), valid_length


def _qrs_energy(signal, fs):
    """Energy of the slope in the QRS band, (..., n), any unit: 5 to 15 Hz (Pan & Tompkins 1985), 100 ms mean."""
    slope = np.gradient(signals.bandpass(np.asarray(signal, float), fs, 5, 15), axis=-1)
    return ndimage.uniform_filter1d(slope**2, max(1, round(0.1 * fs)))


def find_r_peaks(signal, fs):
    """R peaks of one lead, or of several together, for records that no expert annotated.

    Peaks of the QRS-band slope energy (5 to 15 Hz, squared, 100 ms mean: Pan & Tompkins 1985) above a fifth
    of its typical height (the median over 2 s pieces of each piece's maximum), at least 0.25 s apart; each is
    then moved to the largest deflection of the band-passed lead within 80 ms.

    Parameters
    ----------
    signal : (n,) array_like
        One lead, any unit.
    fs : float
        Sampling rate (Hz).

    Returns
    -------
    (k,) int64
        Samples, ascending.
    """
    signal = np.atleast_2d(np.asarray(signal, float))
    energy = _qrs_energy(signal, fs).sum(0)
    pieces = np.array_split(energy, max(1, int(energy.size / (2 * fs))))
    height = 0.2 * np.median([piece.max() for piece in pieces])
    peaks, _ = sps.find_peaks(energy, height=height, distance=max(1, round(0.25 * fs)))
    deflection = np.linalg.norm(signals.bandpass(signal, fs, 1, min(40, 0.4 * fs)), axis=0)
    reach = round(0.08 * fs)
    spans = np.clip(peaks[:, None] + np.arange(-reach, reach + 1), 0, energy.size - 1)
    return np.unique(spans[np.arange(peaks.size), deflection[spans].argmax(axis=1)]).astype(np.int64)


def check_recording(recording):
    """Refuse a recording from which no beat can be trusted.

    The last rule finds annotations that belong to another record. Slope energy in the QRS band (largest
    within 30 ms) is above the record's own upper quartile at 25 % of arbitrary times by construction, and at
    nearly all true R peaks; annotations that reach it at fewer than half of their samples are foreign. (In
    the 44 unpaced MIT-BIH records the true share is 0.76 or more, and 0.29 or less for any annotations of
    another record.)

    Parameters
    ----------
    recording : Recording

    Raises
    ------
    ValueError
        With the reason, if samples are missing, the lead is shorter than 10 s or flat (within 0.05 mV but for
        0.2 % of its samples), fewer than two beats are annotated, their order is wrong, one lies outside the
        signal, or they do not sit on QRS complexes.
    """
    signal, fs, samples = np.asarray(recording.signal), recording.fs, np.asarray(recording.samples)
    if missing := np.count_nonzero(~np.isfinite(signal)):
        raise ValueError(f"{missing} of its {signal.size} samples are missing")
    if signal.size < _SHORTEST * fs:
        raise ValueError(f"it lasts {signal.size / fs:.1f} s; at least {_SHORTEST:g} s are needed")
    if np.ptp(np.quantile(signal, [0.001, 0.999])) < _FLAT:
        raise ValueError(f"its lead is flat (it stays within {_FLAT:g} mV)")
    if samples.size < 2:
        raise ValueError(f"{samples.size} beat(s) are annotated; at least 2 are needed")
    if np.any(np.diff(samples) <= 0):
        raise ValueError("its beats are not in ascending order")
    if samples[0] < 0 or samples[-1] >= signal.size:
        raise ValueError(
            f"beats are annotated at samples {samples[0]} to {samples[-1]}, but the signal has {signal.size} "
            "samples: the annotations belong to another record"
        )
    energy = ndimage.maximum_filter1d(_qrs_energy(signal, fs), 2 * round(0.03 * fs) + 1)
    share = np.mean(energy[samples] > np.quantile(energy, 0.75))
    if share < 0.5:
        raise ValueError(
            f"only {share:.0%} of the annotated beats sit on a QRS complex: the annotations belong to another record"
        )


def records_in_order(beats):
    """Positions of each record's beats in order of time: a list of (m,) index arrays."""
    order = np.lexsort((beats["sample"].values, beats["record"].values))
    names = beats["record"].values[order]
    return np.split(order, np.flatnonzero(names[1:] != names[:-1]) + 1)


def rr_features(beats):
    """Ratios of RR intervals that tell early and late beats, comparable between patients.

    Call it on whole records, before beats are left out: neighbours are the neighbours in `beats`.

    Parameters
    ----------
    beats : xarray.Dataset
        Beats with the coordinates `record`, `sample`, `rr_before`, `rr_after` and `rr_mean`.

    Returns
    -------
    pandas.DataFrame
        One row a beat in the order of `beats`, float32; NaN where an interval is unknown. No label is used.

        ================  ==========================================================  ======================
        column            meaning                                                     reads ahead by
        ================  ==========================================================  ======================
        rr_before         interval that ends at the beat (s)                          nothing
        rr_after          interval that begins at the beat (s)                        one beat
        before_mean       rr_before / causal mean of the last ten intervals           nothing
        before_recent     rr_before / median of the ten intervals before it           nothing
        before_local      rr_before / median of the 21 intervals around it            ten beats
        after_local       rr_after / the same local median                            ten beats
        before_record     rr_before / the record's median interval                    the whole record
        after_record      rr_after / the record's median interval                     the whole record
        before_average    rr_before / the record's mean interval (de Chazal 2004)     the whole record
        after_before      rr_after / rr_before                                        one beat
        previous_recent   before_recent of the previous beat                          nothing
        next_recent       rr_after / median of the ten intervals before rr_before     one beat
        previous_local    before_local of the previous beat                           nine beats
        after_next_local  the interval that follows rr_after / its local median       twelve beats
        log_...           natural logarithm of before_recent, before_local,           as the ratio
                          before_record, after_before
        ================  ==========================================================  ======================
    """
    import pandas as pd

    rr, after, mean = (beats[name].values.astype(float) for name in ("rr_before", "rr_after", "rr_mean"))
    table = pd.DataFrame({"rr_before": rr, "rr_after": after, "before_mean": rr / mean})
    parts = []
    for rows in records_in_order(beats):
        before, following = pd.Series(rr[rows]), pd.Series(after[rows])
        recent = before.rolling(10, min_periods=1).median().shift(1)
        local = before.rolling(21, min_periods=1, center=True).median()
        part = pd.DataFrame(
            {
                "before_recent": before / recent,
                "before_local": before / local,
                "after_local": following / local,
                "before_record": before / before.dropna().median(),
                "after_record": following / before.dropna().median(),
                "before_average": before / before.mean(),
                "after_before": following / before,
                "next_recent": following / recent,
            }
        )
        part["previous_recent"] = part["before_recent"].shift(1)
        part["previous_local"] = part["before_local"].shift(1)
        part["after_next_local"] = part["before_local"].shift(-2)
        parts.append(part.set_axis(rows, axis=0))
    table = table.join(pd.concat(parts).sort_index())
    for name in ("before_recent", "before_local", "before_record", "after_before"):
        table[f"log_{name}"] = np.log(table[name])
    return table.astype(np.float32)


def mean_beat(x, fs, peaks, *, before=0.25, after=0.45):
    """The median over beats of some leads around their R peaks.

    Parameters
    ----------
    x : (lead, n) array_like
        mV.
    fs : float
        Hz.
    peaks : (k,) array_like of int
        R peaks; beats whose window leaves the record are passed over.
    before, after : float
        Length of the window to both sides of the peak, s.

    Returns
    -------
    (lead, w) ndarray
        The peak is at index ``round(before * fs)``.

    Raises
    ------
    ValueError
        No beat is whole.
    """
    x, peaks = np.asarray(x), np.asarray(peaks, int)
    steps = np.arange(-round(before * fs), round(after * fs))
    peaks = peaks[(peaks + steps[0] >= 0) & (peaks + steps[-1] < x.shape[-1])]
    if not peaks.size:
        raise ValueError("no beat lies wholly within the record")
    return np.median(x[..., peaks[:, None] + steps], axis=-2)


# Leads I and II from V1 to V6, by least squares on folds 1 to 8 of a 14 % part of PTB-XL (Wagner 2020), within the
# P wave and within QRS complex and T wave
_LIMB_FROM_CHEST = {
    "P": ((-0.546, 0.650, -0.155, -0.296, 0.139, 0.824), (-0.006, 0.032, 0.348, -0.410, 0.193, 1.451)),
    "QRST": ((-0.596, 0.275, 0.013, -0.047, 0.013, 0.367), (-0.001, -0.060, 0.100, 0.154, -0.183, 0.665)),
}


def lead_swap(x, fs, *, margin=0.3):
    """Which two limb electrodes were exchanged, if any.

    V1 to V6 do not change when limb electrodes change places, since they are measured against the mean of the three.
    They say, by a linear rule, about what I and II should look like, in the P wave and in QRS complex and T wave. The
    order of electrodes whose I and II come nearest is the answer; an exchange must win by `margin`.

    Right arm and left arm, and right arm and left leg, are found in 97 of 100 records of PTB-XL that were exchanged
    on purpose. Left arm and left leg are not: the leads that result are those of another normal heart. Of 100
    untouched records, one or two are named. In atrial fibrillation there is no P wave to help.

    Parameters
    ----------
    x : (12, n) array_like
        mV, in the order of `lead_algebra.TWELVE`.
    fs : float
        Hz.
    margin : float
        By how much an exchange must be nearer, in the sum of two relative squared distances, each from 0 to about 2.

    Returns
    -------
    str
        '' or one of `lead_algebra.SWAPS`: 'LA-RA', 'RA-LL', 'LA-LL'.

    Raises
    ------
    ValueError
        Leads are missing, or there are no beats to look at.
    """
    x = np.asarray(x, float)
    if not np.isfinite(x).all():
        raise ValueError("twelve leads without missing values are needed to tell exchanged electrodes")
    x = signals.bandpass(lead_algebra.eight_leads(x), fs, 0.5, min(40, 0.4 * fs))
    beat = mean_beat(x, fs, find_r_peaks(x, fs))
    cuts = [round(fs * t) for t in (0.07, 0.18, 0.21)]
    beat = beat - beat[:, cuts[1] : cuts[2]].mean(axis=1, keepdims=True)
    parts = {"P": beat[:, : cuts[1]], "QRST": beat[:, cuts[1] :]}
    distance = {}
    for name in ("", *lead_algebra.SWAPS):
        distance[name] = margin * (name != "")
        for part, piece in parts.items():
            limb = lead_algebra.swap_electrodes(lead_algebra.twelve_from_eight(piece), name)[:2]
            wanted = np.array(_LIMB_FROM_CHEST[part]) @ piece[2:]
            distance[name] += np.sum((limb - wanted) ** 2) / (np.sum(limb**2) + np.sum(wanted**2) + 1e-3)
    return min(distance, key=distance.get)


class Delineation(NamedTuple):
    """Waves of the beats of one record; NaN where a wave or its end could not be seen.

    Attributes
    ----------
    peak, qrs_onset, qrs_offset, t_end : (beat,) float64
        s from the record's first sample, from all leads together.
    r, s : (beat, lead) float64
        Highest and lowest value within the QRS complex, mV against the level just before it.
    st : (beat, lead) float64
        Level 60 ms after the end of the QRS complex, mV against the same.
    t : (beat, lead) float64
        Largest deflection, with its sign, from 100 ms after the QRS complex to the end of the T wave, mV.
    """

    peak: np.ndarray
    qrs_onset: np.ndarray
    qrs_offset: np.ndarray
    t_end: np.ndarray
    r: np.ndarray
    s: np.ndarray
    st: np.ndarray
    t: np.ndarray


_FINE = 500.0  # Hz, at least, when boundaries are looked for


def delineate(x, fs, peaks=None):
    """Boundaries and amplitudes of the waves of each beat.

    Leads are taken together. The QRS complex lasts from where the slope (root of the sum of squares over leads, 0.5 to
    40 Hz, 12 ms mean) has been below a tenth of its largest value in the beat for 12 ms to where it is so again. The T
    wave ends where the tangent at the steepest descent of the leads' root mean square meets its lowest level before the
    next beat (Lepeschkin and Surawicz 1952).

    Parameters
    ----------
    x : (lead, n) or (n,) array_like
        mV.
    fs : float
        Hz, 100 or more; interpolated to 500 Hz and more.
    peaks : (k,) array_like of int, optional
        R peaks; default `find_r_peaks` of all leads.

    Returns
    -------
    Delineation
    """
    x = np.atleast_2d(np.asarray(x, float))
    peaks = find_r_peaks(x, fs) if peaks is None else np.asarray(peaks, int)
    finer = int(np.ceil(_FINE / fs))
    rate = fs * finer
    x = signals.resample(signals.bandpass(x, fs, 0.5, min(40, 0.4 * fs)), fs, rate)
    steps = np.arange(round(-0.3 * rate), round(0.75 * rate))
    where = peaks[:, None] * finer + steps
    inside = (where >= 0) & (where < x.shape[1])
    windows = x[:, np.clip(where, 0, x.shape[1] - 1)]
    slope = np.sqrt(np.square(np.gradient(x, axis=1)).sum(0))
    slope = ndimage.uniform_filter1d(slope, round(0.012 * rate))[np.clip(where, 0, x.shape[1] - 1)]
    onset, offset = _qrs_bounds(slope, steps / rate, rate)
    level = _mean_within(windows, steps, onset - round(0.024 * rate), onset - round(0.004 * rate))
    windows = windows - level.T[:, :, None]
    following = np.r_[np.diff(peaks) / fs, np.inf]
    end = _t_end(windows, inside, steps / rate, offset / rate, following)
    qrs = (steps >= onset[:, None]) & (steps <= offset[:, None])
    t_wave = (steps > offset[:, None] + 0.1 * rate) & (steps / rate <= end[:, None])
    later = offset + round(0.06 * rate)
    seen = inside[:, 0] | (onset / rate > -peaks / fs)
    largest = np.where(t_wave, np.abs(windows), -1).argmax(-1)[..., None]
    columns = {
        "r": np.where(qrs, windows, -np.inf).max(-1).T,
        "s": np.where(qrs, windows, np.inf).min(-1).T,
        "st": _mean_within(windows, steps, later - round(0.01 * rate), later + round(0.01 * rate)),
        "t": np.where(np.isnan(end), np.nan, np.take_along_axis(windows, largest, -1)[..., 0]).T,
    }
    columns = {name: np.where(seen[:, None], values, np.nan) for name, values in columns.items()}
    times = [np.where(seen, peaks / fs + extra, np.nan) for extra in (onset / rate, offset / rate, end)]
    return Delineation(peaks / fs, *times, **columns)


def _qrs_bounds(slope, time, rate):
    """First and last step (relative to the R peak) of the QRS complexes, (beat,), from slopes (beat, step)."""
    near = (time > -0.1) & (time < 0.14)
    largest = slope[:, near].max(1, keepdims=True)
    quiet = ndimage.maximum_filter1d(slope, round(0.012 * rate), axis=1) < 0.1 * largest
    steep = (slope > 0.3 * largest) & near
    first, last = steep.argmax(1), steep.shape[1] - 1 - steep[:, ::-1].argmax(1)
    index = np.arange(slope.shape[1])
    onset = np.where(quiet & (index < first[:, None]), index, 0).max(1)
    offset = np.where(quiet & (index > last[:, None]), index, len(index) - 1).min(1)
    zero = np.argmin(np.abs(time))
    return onset - zero, offset - zero


def _mean_within(windows, steps, low, high):
    """Mean over the steps from low to high (beat,) of each beat's windows (lead, beat, step): (beat, lead)."""
    inside = (steps >= low[:, None]) & (steps <= high[:, None])
    return (np.where(inside, windows, 0).sum(-1) / np.maximum(inside.sum(-1), 1)).T


def _t_end(windows, inside, time, offset, following):
    """Ends of the T waves, s from the R peak, (beat,); NaN where there is no T wave to be seen whole."""
    rms = np.sqrt(np.square(windows).mean(0))
    rms = ndimage.uniform_filter1d(rms, max(1, round(0.03 / (time[1] - time[0]))), axis=1)
    limit = np.minimum(0.7, following - 0.26)
    span = (time > offset[:, None] + 0.08) & (time < limit[:, None]) & inside
    top = np.where(span, rms, -1).argmax(1)
    after = span & (np.arange(len(time)) >= top[:, None])
    floor = np.where(after, rms, np.inf).min(1)
    fall = np.where(after & (time < time[top][:, None] + 0.2), np.gradient(rms, time, axis=1), np.inf)
    steepest = fall.argmin(1)
    rows = np.arange(len(rms))
    with np.errstate(invalid="ignore"):
        end = time[steepest] - (rms[rows, steepest] - floor) / fall[rows, steepest]
        whole = span.any(1) & (end < limit) & (rms[rows, top] - floor > 0.02)
    return np.where(whole, end, np.nan)
