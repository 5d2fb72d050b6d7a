"""Definitions of brief events in a trace, such as miniature end-plate potentials: table, matching, counts.

Times of events are in s, durations in ms, amplitudes in the unit of the trace (mV). Everything is done for all events
at once. Introduced in chapter 13. The definitions:

baseline    median of the 4 ms that end 0.5 ms before the onset. Where the event before is closer than 15 ms, what is
            left of its decay is extended under the event (exponential of the recording's median time constant) and
            the baseline is the value of that curve at the peak; `overlap` tells so, as well as an event within 15 ms
            behind
peak        maximum of the trace averaged over 0.9 ms; the amplitude is the average over 0.3 ms there, above the
            baseline. A maximum sought on the shorter average would pick the noise up: 9 % too high at an SNR of 6,
            where this is right within 1 %
onset       where the straight line through 20 and 80 % of the rise meets the baseline
rise        10 to 90 % of the amplitude, last crossings before the peak, interpolated between samples
half-width  last upward to first downward crossing of 50 %; half-decay: peak to that downward crossing
tau         least-squares exponential through the samples from 90 % of the decay to where 10 % is due, 3.3 half-decays
            behind the peak (the first sample below 10 % comes early in noise); tau_r2 is its share of explained
            variance; NaN where fewer than 5 samples, or none that decays, are there
area        integral above the baseline from onset to 4 half-decays behind the peak, or to the next event
noise       standard deviation of the samples within 100 ms to either side that belong to no event, about their line
snr         amplitude over noise
interval    from the peak before to this peak; NaN for the first, and where an excluded stretch lies between
"""

from __future__ import annotations

import itertools
from typing import NamedTuple

import numpy as np
from scipy import ndimage, optimize

__all__ = [
    "COLUMNS",
    "Matches",
    "event_table",
    "local_noise",
    "match",
    "precision_recall_f1",
    "score",
    "summary",
    "waveforms",
]

COLUMNS = {
    "onset": "s",
    "peak": "s",
    "amplitude": "mV",
    "baseline": "mV",
    "rise": "ms",
    "onset_to_peak": "ms",
    "half_width": "ms",
    "half_decay": "ms",
    "tau": "ms",
    "tau_r2": "1",
    "area": "mV ms",
    "noise": "mV",
    "snr": "1",
    "score": "1",
    "interval": "s",
    "overlap": "",
}
"""Column of the event table -> unit."""

_SMOOTH, _SEARCH = 0.3e-3, 0.9e-3  # s, over which the trace is averaged to read it, and to find its maximum
_BASE, _BASE_GAP = 4e-3, 0.5e-3  # s, length of the baseline window, and its distance from the onset
_REACH = 15e-3  # s: an event leaves 2 % of itself (4 time constants) behind that
_BEFORE, _AFTER = 20e-3, 60e-3  # s, of the window in which an event is measured
_NOISE = 100e-3  # s to either side in which the local noise is taken
_EVENT = (3e-3, 20e-3)  # s before and behind a peak that are no noise
_BLOCK = 5e-3  # s, for sums of the local noise
_TAU = 4.0  # ms, where a recording has no event by itself that shows it
_CHUNK = 4096  # events measured at a time, which bounds the memory


# Matching


class Matches(NamedTuple):
    """Pairs of a true and a found event.

    Attributes
    ----------
    true, found : (pair,) int
        Indices into what was given.
    error : (pair,) float
        Found minus true time (s).
    """

    true: np.ndarray
    found: np.ndarray
    error: np.ndarray


def match(true, found, tolerance=2e-3):
    """Pair found with true events one to one: as many pairs as possible, of these the closest.

    Parameters
    ----------
    true, found : array_like
        Times (s) in any order.
    tolerance : float
        Largest distance of a pair (s).

    Returns
    -------
    Matches
        Sorted by true time. What is in no pair is a miss or a false alarm.

    Raises
    ------
    ValueError
        A time is not finite, or the tolerance is negative.
    """
    true, found = (np.asarray(t, float).ravel() for t in (true, found))
    if not (np.isfinite(true).all() and np.isfinite(found).all() and tolerance >= 0):
        raise ValueError("times must be finite and the tolerance not negative")
    times = np.concatenate([true, found])
    order = np.argsort(times, kind="stable")
    # Events further apart than the tolerance cannot compete: each crowd is settled by itself.
    crowd = np.cumsum(np.diff(times[order], prepend=-np.inf) > tolerance * (1 + 1e-9))
    edges = np.flatnonzero(np.diff(crowd, prepend=0, append=crowd[-1] + 1 if crowd.size else 1))
    pairs = [_settle(order[a:b], times, true.size, tolerance) for a, b in itertools.pairwise(edges)]
    pairs = np.array([pair for crowd in pairs for pair in crowd], int).reshape(-1, 2)
    pairs = pairs[np.argsort(true[pairs[:, 0]], kind="stable")]
    return Matches(pairs[:, 0], pairs[:, 1], found[pairs[:, 1]] - true[pairs[:, 0]])


def _settle(members, times, n_true, tolerance):
    """Best pairs (true, found) among the few events of one crowd."""
    true, found = members[members < n_true], members[members >= n_true]
    if true.size == 0 or found.size == 0:
        return []
    distance = np.abs(times[true][:, None] - times[found])
    near = distance <= tolerance * (1 + 1e-9)
    # A pair that is too far costs more than any set of pairs that are near enough.
    far = (tolerance + 1e-12) * (min(distance.shape) + 1)
    rows, columns = optimize.linear_sum_assignment(np.where(near, distance, far))
    return [(true[i], found[j] - n_true) for i, j in zip(rows, columns, strict=True) if near[i, j]]


def score(true, true_recording, found, found_recording, tolerance=2e-3, recordings=None):
    """Hits, false alarms and misses of each recording.

    Parameters
    ----------
    true, found : (n,), (m,) array_like
        Times (s).
    true_recording, found_recording : (n,), (m,) array_like
        The recording of each event.
    tolerance : float
        See `match`.
    recordings : sequence, optional
        All recordings, where some have no event; default those that occur.

    Returns
    -------
    pandas.DataFrame
        Index: recording. `tp`, `fp`, `fn`, and `precision`, `recall`, `f1` of each. For a figure of several
        recordings sum the counts first: ``precision_recall_f1(*table[["tp", "fp", "fn"]].sum())``.

    Raises
    ------
    ValueError
        Lengths differ, or an event is of a recording that is not listed.
    """
    import pandas as pd

    true, found = np.asarray(true, float), np.asarray(found, float)
    of_true, of_found = np.asarray(true_recording), np.asarray(found_recording)
    if true.shape != of_true.shape or found.shape != of_found.shape:
        raise ValueError("one recording a time is needed")
    parts = [part for part in (of_true, of_found) if part.size]
    occurring = np.unique(np.concatenate(parts)) if parts else np.empty(0)
    names = occurring if recordings is None else np.asarray(recordings)
    if stray := set(occurring.tolist()) - set(names.tolist()):
        raise ValueError(f"events of recordings that are not listed: {', '.join(map(str, sorted(stray)))}")
    rows = []
    for name in names:
        a, b = true[of_true == name], found[of_found == name]
        tp = len(match(a, b, tolerance).true)
        rows.append((tp, len(b) - tp, len(a) - tp))
    table = pd.DataFrame(rows, pd.Index(names, name="recording"), ["tp", "fp", "fn"], dtype=int)
    table["precision"], table["recall"], table["f1"] = precision_recall_f1(*table.to_numpy().T)
    return table


def precision_recall_f1(tp, fp, fn):
    """Precision, recall and F1 of counts, which broadcast; NaN where nothing was found, or nothing is there."""
    tp, fp, fn = (np.asarray(count, float) for count in (tp, fp, fn))
    with np.errstate(invalid="ignore", divide="ignore"):
        return tp / (tp + fp), tp / (tp + fn), 2 * tp / (2 * tp + fp + fn)


# The event table


def event_table(x, fs, times, *, polarity=1, scores=None, refine=1e-3, excluded=()):
    """Measure events at known places.

    Parameters
    ----------
    x : (n,) array_like
        Trace (mV), its first sample at 0 s.
    fs : float
        Sampling rate (Hz).
    times : (event,) array_like
        About where the peaks are (s); each moves to the maximum within `refine`, no further than half way to the next.
    polarity : {1, -1}
        -1 for events that go down; amplitude and area are positive all the same.
    scores : (event,) array_like, optional
        What the detector gave each; default NaN.
    refine : float
        s.
    excluded : sequence of (float, float)
        Stretches (s) that were not analysed: an interval across one is unknown, and no noise is taken from them.

    Returns
    -------
    pandas.DataFrame
        One row an event, sorted by time, with `COLUMNS`; NaN where a number cannot be had. ``attrs``: units, polarity.

    Raises
    ------
    ValueError
        The trace is not one finite trace, a time lies outside of it, or scores do not fit.
    """
    import pandas as pd

    x = _checked(x, fs, polarity)
    times, scores = _sorted(times, scores, x.size / fs)
    peak = _refined(x, fs, times, polarity, refine)
    before = np.diff(peak, prepend=-np.inf)
    after = np.append(before[1:], np.inf)
    link = before < _REACH * fs
    parts = [_measured(x, fs, peak, before, after, link, rows, polarity) for rows in _chunks(link)]
    columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]} if parts else {}
    table = pd.DataFrame(columns, columns=list(COLUMNS), dtype=float)
    table["peak"], table["score"] = peak / fs, scores
    table["noise"] = np.interp(peak, *_block_noise(x, fs, peak / fs, excluded))
    table["snr"] = table["amplitude"] / table["noise"]
    table["interval"] = _intervals(peak / fs, excluded)
    table["overlap"] = link | (after < _REACH * fs)
    table.attrs = {"units": COLUMNS, "polarity": polarity}
    return table


def _checked(x, fs, polarity):
    x = np.asarray(x)
    if x.ndim != 1 or x.size < 2:
        raise ValueError(f"one trace (n,) is needed, not {x.shape}")
    if polarity not in (1, -1):
        raise ValueError(f"polarity must be 1 or -1, not {polarity}")
    if not fs > 0:
        raise ValueError(f"fs = {fs} Hz is no sampling rate")
    if not np.isfinite(x).all():
        raise ValueError("the trace has samples that are not finite: fill them, and list the stretches as excluded")
    return x


def _sorted(times, scores, duration):
    times = np.asarray(times, float).ravel()
    scores = np.full(times.size, np.nan) if scores is None else np.asarray(scores, float).ravel()
    if scores.shape != times.shape:
        raise ValueError(f"{scores.size} scores for {times.size} events")
    if not (np.isfinite(times).all() and ((times >= 0) & (times <= duration)).all()):
        raise ValueError(f"the times of events must lie within the trace, 0 to {duration:g} s")
    order = np.argsort(times, kind="stable")
    return times[order], scores[order]


def _rows(x, centre, before, after):
    """Windows (row, sample) around samples, as float64; beyond the ends the outermost sample is repeated."""
    at = np.clip(np.asarray(centre)[:, None] + np.arange(-before, after + 1), 0, x.size - 1)
    return x[at].astype(float)


def _smooth(rows, fs, length=_SMOOTH):
    """Rows averaged over an odd number of samples, about `length` (s)."""
    size = 2 * round((length * fs - 1) / 2) + 1
    return ndimage.uniform_filter1d(rows, max(1, size), axis=-1, mode="nearest")


def _refined(x, fs, times, polarity, refine):
    """Sample of the maximum near each time."""
    at = np.clip(np.round(times * fs).astype(int), 0, x.size - 1)
    if at.size == 0:
        return at
    reach = max(1, round(refine * fs))
    offset = np.arange(-reach, reach + 1)
    margin = round(_SEARCH * fs)
    rows = _smooth(polarity * _rows(x, at, reach + margin, reach + margin), fs, _SEARCH)[
        :, margin : margin + 2 * reach + 1
    ]
    half = np.diff(at) // 2
    left, right = np.append(reach, half), np.append(half, reach)
    outside = (offset < -left[:, None]) | (offset > right[:, None])
    outside |= (at[:, None] + offset < 0) | (at[:, None] + offset >= x.size)
    return at + offset[np.where(outside, -np.inf, rows).argmax(1)]


def _chunks(link):
    """Index ranges of at most about `_CHUNK` events that do not part events linked to each other."""
    edges = [0]
    while edges[-1] < link.size:
        end = min(edges[-1] + _CHUNK, link.size)
        while end < link.size and link[end]:
            end += 1
        edges.append(end)
    return [slice(a, b) for a, b in itertools.pairwise(edges)]


def _measured(x, fs, peak, before, after, link, rows, polarity):
    """Columns of some events, from windows around them."""
    peak, before, after, link = peak[rows], before[rows], after[rows], link[rows]
    centre, length = round(_BEFORE * fs), round(_AFTER * fs)
    y = _smooth(polarity * _rows(x, peak, centre, length), fs)
    first = np.maximum(centre - before, 0) + round(0.3e-3 * fs) * link  # behind the peak before
    last = np.minimum(centre + after - 1.5e-3 * fs, centre + length)  # about the onset of the next
    onset, base = _baseline(y, fs, centre, first, link)
    found = _shape(y - base[:, None], fs, centre, first, last, onset)
    if link.any():
        alone = ~link & (after >= _REACH * fs) & (found["tau_r2"] > 0.5)
        tau = np.median(found["tau"][alone]) if alone.any() else _TAU
        under = _extended(onset[link], base, link, y.shape[1], tau * fs / 1000)
        again = _shape(y[link] - under, fs, centre, first[link], last[link], onset[link])
        for name, values in again.items():
            found[name][link] = values
        base[link] = under[:, centre]
    return {**found, "onset": (peak + found["onset"] - centre) / fs, "baseline": polarity * base}


def _baseline(y, fs, centre, first, link):
    """Onset (sample of the window) and level before it: a median, or the foot where the event before is too close."""
    sample = np.arange(y.shape[1])
    # Twice: a first guess of the baseline gives the onset, whose own baseline gives the final one.
    onset = np.full(len(y), centre - 2.5e-3 * fs)
    for _ in range(2):
        stop = onset - _BASE_GAP * fs
        within = (sample <= stop[:, None]) & (sample > stop[:, None] - _BASE * fs)
        base = np.nanmedian(np.where(within, y, np.nan), axis=1)
        onset = _foot(y - base[:, None], centre, first)
    between = (sample > first[:, None]) & (sample <= centre)
    valley = np.where(between, y, np.inf)
    lowest = np.minimum(valley.argmin(1), centre)
    return np.where(link, lowest, onset), np.where(link, y[np.arange(len(y)), lowest], base)


def _foot(z, centre, first):
    """Where the line through 20 and 80 % of the rise meets 0 (sample), not before `first`."""
    top = z[:, centre]
    low, high = (_crossing_before(z, centre, share * top, first) for share in (0.2, 0.8))
    foot = low - (high - low) / 3
    return np.clip(np.where(np.isfinite(foot), foot, centre - 10.0), first, centre)


def _crossing_before(z, centre, level, first):
    """Last upward crossing of a level before the peak (sample, interpolated); NaN where there is none."""
    sample = np.arange(centre)
    below = (z[:, :centre] < level[:, None]) & (sample >= np.floor(first)[:, None])
    at = np.where(below, sample, -1).max(1)
    return _between(z, at, level, at >= 0)


def _crossing_after(z, centre, level, last):
    """First downward crossing of a level behind the peak (sample, interpolated); NaN where there is none."""
    sample = np.arange(centre + 1, z.shape[1])
    below = (z[:, centre + 1 :] < level[:, None]) & (sample <= np.ceil(last)[:, None])
    at = np.where(below.any(1), centre + below.argmax(1), -1)
    return _between(z, at, level, at >= 0)


def _between(z, at, level, valid):
    row, at = np.arange(len(z)), np.clip(at, 0, z.shape[1] - 2)
    a, b = z[row, at], z[row, at + 1]
    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.where(a == b, 0.0, (level - a) / (b - a))
    return np.where(valid, at + share, np.nan)


def _extended(foot, base, link, length, tau):
    """What earlier events leave under those linked to them (row, sample): from the level of their foot, a decay to
    the baseline of the first event of the group."""
    head = np.maximum.accumulate(np.where(link, 0, np.arange(link.size)))[link]
    height = base[link] - base[head]
    passed = np.maximum(np.arange(length) - foot[:, None], 0)
    return base[head][:, None] + height[:, None] * np.exp(-passed / tau)


def _shape(z, fs, centre, first, last, onset):
    """Amplitude, times and area of events above their baseline: dict of columns, `onset` in samples."""
    top, ms = z[:, centre].copy(), 1000 / fs
    rising = {share: _crossing_before(z, centre, share * top, first) for share in (0.1, 0.5, 0.9)}
    falling = {share: _crossing_after(z, centre, share * top, last) for share in (0.9, 0.5)}
    foot = _foot(z, centre, np.minimum(onset, first))
    half_decay = falling[0.5] - centre
    tau, r2 = _exponential(z, centre, falling[0.9], np.minimum(centre + np.log2(10) * half_decay, last), fs)
    sample = np.arange(z.shape[1])
    counted = (sample >= foot[:, None]) & (sample <= np.fmin(centre + 4 * half_decay, last)[:, None])
    area = np.where(np.isfinite(half_decay), np.sum(np.where(counted, z, 0.0), axis=1) * ms, np.nan)
    return {
        "onset": foot,
        "amplitude": top,
        "baseline": np.zeros(len(z)),
        "rise": (rising[0.9] - rising[0.1]) * ms,
        "onset_to_peak": (centre - foot) * ms,
        "half_width": (falling[0.5] - rising[0.5]) * ms,
        "half_decay": half_decay * ms,
        "tau": tau,
        "tau_r2": r2,
        "area": area,
    }


def _exponential(z, centre, start, end, fs):
    """Time constant (ms) of the decay between two samples of each row, and the variance that it explains."""
    sample = np.arange(z.shape[1])
    used = (sample >= start[:, None]) & (sample <= end[:, None])
    t, y = np.where(used, sample - centre, 0.0), np.where(used, z, 0.0)
    count = used.sum(1)
    with np.errstate(all="ignore"):
        # Start from the line through the logarithms weighted by the squared values, then five steps of Gauss-Newton.
        weight = np.where(y > 0, y, 0) ** 2
        log = np.log(np.where(y > 0, y, 1))
        total, mean_t = weight.sum(1), (weight * t).sum(1) / weight.sum(1)
        mean_log = (weight * log).sum(1) / total
        centred = t - mean_t[:, None]
        rate = -(weight * centred * log).sum(1) / (weight * centred**2).sum(1)
        height = np.exp(mean_log + rate * mean_t)
        for _ in range(5):
            e = np.where(used, np.exp(-rate[:, None] * t), 0.0)
            slope = -height[:, None] * t * e
            residual = y - height[:, None] * e
            aa, ab, bb = (e * e).sum(1), (e * slope).sum(1), (slope * slope).sum(1)
            ra, rb = (e * residual).sum(1), (slope * residual).sum(1)
            determinant = aa * bb - ab**2
            height = height + (bb * ra - ab * rb) / determinant
            rate = rate + (aa * rb - ab * ra) / determinant
        fitted = np.where(used, height[:, None] * np.exp(-rate[:, None] * t), 0.0)
        mean = y.sum(1) / count
        r2 = 1 - ((y - fitted) ** 2).sum(1) / (np.where(used, y - mean[:, None], 0.0) ** 2).sum(1)
        tau = 1000 / (rate * fs)
    good = (count >= 5) & np.isfinite(tau) & np.isfinite(r2) & (tau > 0) & (tau < 100)
    return np.where(good, tau, np.nan), np.where(good, r2, np.nan)


# Noise, intervals, summary, windows


def local_noise(x, fs, times=(), excluded=()):
    """Standard deviation of the trace around each sample, without events and excluded stretches.

    Parameters
    ----------
    x : (n,) array_like
        Trace, finite.
    fs : float
        Sampling rate (Hz).
    times : array_like
        Peaks of events (s).
    excluded : sequence of (float, float)
        Stretches (s) to leave out.

    Returns
    -------
    (n,) float32
        Unit of `x`, of the samples within 100 ms to either side about their straight line.
    """
    x = _checked(x, fs, 1)
    return np.interp(np.arange(x.size), *_block_noise(x, fs, np.asarray(times, float), excluded)).astype(np.float32)


def _block_noise(x, fs, times, excluded):
    """Centres of blocks (sample) and the noise there; blocks without noise take the nearest that has some."""
    size = max(1, round(_BLOCK * fs))
    n_blocks = -(-x.size // size)
    quiet = np.ones(n_blocks * size, bool)
    quiet[x.size :] = False
    lost = [(t - _EVENT[0], t + _EVENT[1]) for t in times]
    for begin, end in [*lost, *excluded]:
        quiet[max(0, round(begin * fs)) : max(0, round(end * fs))] = False
    sums = _block_sums(x, quiet, n_blocks, size)
    reach = max(1, round(_NOISE / _BLOCK))
    deviation, count = _line_residual(sums, reach)
    good = np.flatnonzero((count >= size) & (deviation > 0))
    centres = (np.arange(n_blocks) + 0.5) * size
    if good.size == 0:
        return centres, np.full(n_blocks, np.nan)
    return centres[good], deviation[good]


def _block_sums(x, quiet, n_blocks, size):
    """Per block: number of quiet samples, and sums of u, u^2, x, x^2, u x over them; u in blocks from the first."""
    step = max(1, 1_000_000 // size)  # blocks at a time, which bounds the memory
    level = float(np.median(x[:: max(1, x.size // 1000)]))
    parts = []
    for begin in range(0, n_blocks, step):
        end = min(begin + step, n_blocks)
        piece = np.zeros((end - begin) * size)
        held = x[begin * size : end * size]
        piece[: held.size] = held - level
        w = quiet[begin * size : end * size].reshape(-1, size).astype(float)
        v = piece.reshape(-1, size) * w
        u = begin + np.arange((end - begin) * size).reshape(-1, size) / size
        squares = (v * piece.reshape(-1, size)).sum(1)
        parts.append([w.sum(1), (w * u).sum(1), (w * u * u).sum(1), v.sum(1), squares, (v * u).sum(1)])
    return np.concatenate(parts, axis=1)


def _line_residual(sums, reach):
    """Standard deviation about the line through the samples within `reach` blocks, and how many these are."""
    block = np.arange(sums.shape[1], dtype=float)
    n, su, suu, sx, sxx, sux = sums
    # Moments about each block's own index keep the sums of squares small.
    local = np.stack([n, su - block * n, suu - 2 * block * su + block**2 * n, sx, sxx, sux - block * sx])
    kernel = np.arange(-reach, reach + 1)

    def around(values, power):
        return ndimage.correlate1d(values, kernel.astype(float) ** power, mode="constant")

    n, su0, suu0, sx, sxx, sux0 = local
    total, tx, txx = (around(v, 0) for v in (n, sx, sxx))
    tu = around(su0, 0) + around(n, 1)
    tuu = around(suu0, 0) + 2 * around(su0, 1) + around(n, 2)
    tux = around(sux0, 0) + around(sx, 1)
    with np.errstate(all="ignore"):
        uu, xx, ux = tuu - tu**2 / total, txx - tx**2 / total, tux - tu * tx / total
        variance = (xx - np.where(uu > 0, ux**2 / uu, 0.0)) / np.maximum(total - 2, 1)
    return np.sqrt(np.maximum(np.nan_to_num(variance), 0)), total


def _intervals(peak, excluded):
    interval = np.diff(peak, prepend=np.nan)
    for begin, end in excluded:
        after = np.searchsorted(peak, 0.5 * (begin + end))
        if after < peak.size:
            interval[after] = np.nan
    return interval


def waveforms(x, fs, times, *, before=2e-3, after=15e-3, polarity=1):
    """Windows around times, each less the median of its first part.

    Parameters
    ----------
    x : (n,) array_like
        Trace.
    fs : float
        Sampling rate (Hz).
    times : (event,) array_like
        What is aligned, such as onsets (s).
    before, after : float
        Reach of the window (s); the median is taken of what lies `before` it.
    polarity : {1, -1}

    Returns
    -------
    (event, sample) float64
        Sampled at `fs`, read off by straight lines between samples; NaN beyond the ends of the trace.
    """
    x, times = np.asarray(x), np.asarray(times, float)
    offset = np.arange(-round(before * fs), round(after * fs) + 1)
    at = times[:, None] * fs + offset
    low = np.clip(np.floor(at).astype(int), 0, x.size - 2)
    y = polarity * (x[low] + (at - low) * (x[low + 1].astype(float) - x[low]))
    y = np.where((at >= 0) & (at <= x.size - 1), y, np.nan)
    base = y[:, : max(1, round(before * fs))]
    known = np.isfinite(base).any(1)
    level = np.full(len(y), np.nan)
    level[known] = np.nanmedian(base[known], axis=1)
    return y - level[:, None]


def summary(table, duration):
    """What a table of events says about the recording.

    Parameters
    ----------
    table : pandas.DataFrame
        From `event_table`.
    duration : float
        Analysed time (s): without excluded stretches.

    Returns
    -------
    pandas.DataFrame
        Index: `rate` and the columns that are measured; columns: n, mean, median, sd, cv, unit. The rate has the
        number of events, the rate itself (Hz), and its standard deviation if events come by chance.
    """
    import pandas as pd

    n = len(table)
    rows = {"rate": (n, n / duration, np.nan, np.sqrt(n) / duration, np.nan, "Hz")}
    measured = [name for name in COLUMNS if name not in ("onset", "peak", "baseline", "score", "overlap")]
    for name in measured:
        values = table[name].to_numpy(float)
        values = values[np.isfinite(values)]
        mean, median = (values.mean(), np.median(values)) if values.size else (np.nan, np.nan)
        sd = values.std(ddof=1) if values.size > 1 else np.nan
        rows[name] = (values.size, mean, median, sd, sd / mean if mean else np.nan, COLUMNS[name])
    return pd.DataFrame.from_dict(rows, orient="index", columns=["n", "mean", "median", "sd", "cv", "unit"])
