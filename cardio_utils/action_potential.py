"""Definitions of the action potential and its extracellular sign: upstroke, durations, SNR, beats, features.

Durations are in ms, times of beats in s, slopes in units per ms (V/s for a trace in mV). A beat without a
valid number gets NaN and a `Reason`, never a wrong number. Introduced in chapters 01 to 03.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from enum import IntEnum
from functools import cache
from typing import NamedTuple

import numpy as np
from scipy import fft, ndimage
from scipy import signal as sps

from cardio_utils import signals

__all__ = [
    "FEATURES",
    "LEVELS",
    "SPANS",
    "Alignment",
    "Durations",
    "Matches",
    "Reason",
    "Upstroke",
    "align",
    "apd",
    "check_cycle_lengths",
    "check_millivolt",
    "cut_beats",
    "eap_features",
    "find_beats",
    "match_beats",
    "scale",
    "shift",
    "snr",
    "upstroke",
]

LEVELS = tuple(range(10, 101, 10))
"""Levels of repolarisation (%) that the nanoelectrode studies report."""

SPANS = {"patch": (10.0, 300.0), "iap": (0.02, 300.0), "eap": (0.001, 20.0)}
"""Sensor -> plausible span of one beat (mV): patch clamp, intracellular and extracellular nanoelectrode."""

_BLOCK = 0.005  # s: beats are told apart on means of this length, which little noise and no spike passes
_SHORTEST = 0.02  # s: a beat that is over sooner is a spike (the originals' clean-up uses the same 20 ms)
_SLOWEST = 0.1  # s from 10 to 90 % of the rise: slower ones are no upstroke
_TAIL = 4  # blocks: a trace that still falls over its last three tails was cut too early
_CHUNK = 256  # rows a thread works on at a time, which bounds its temporaries


class Reason(IntEnum):
    """Why a beat, or one level of it, has no valid number."""

    VALID = 0
    MISSING = 1
    FLAT = 2
    SATURATED = 3
    NO_UPSTROKE = 4
    TRUNCATED = 5
    INTERRUPTED = 6
    NOT_REPOLARISED = 7

    @property
    def text(self):
        """The reason in words."""
        return _REASONS[self]


_REASONS = {
    Reason.VALID: "valid",
    Reason.MISSING: "samples are missing (NaN or infinite)",
    Reason.FLAT: "the trace is constant, or no larger than its noise",
    Reason.SATURATED: "the trace is clipped: it stays at its exact maximum for 5 ms or longer",
    Reason.NO_UPSTROKE: "no upstroke within 100 ms, faster than what follows, of a beat of 20 ms or longer",
    Reason.TRUNCATED: "the window ends while the trace still repolarises",
    Reason.INTERRUPTED: "the trace rises again by a quarter of its span before it reaches the level",
    Reason.NOT_REPOLARISED: "the level is not reached before the next beat or the end of the window",
}


class Upstroke(NamedTuple):
    """Where and how fast each beat depolarises; shapes are the leading shape of the input, NaN where invalid.

    Attributes
    ----------
    time : float64
        Time of the largest dV/dt (ms).
    value : float64
        The largest dV/dt (unit of the trace per ms; V/s for mV).
    reason : int8
        `Reason` of each beat.
    """

    time: np.ndarray
    value: np.ndarray
    reason: np.ndarray


class Durations(NamedTuple):
    """Action potential durations and the points between which they were measured; NaN where invalid.

    Attributes
    ----------
    apd : (..., level) float64
        Duration (ms).
    reason : (..., level) int8
        `Reason`, 0 where the duration is valid.
    start, end : (..., level) float64
        Times (ms) whose difference is the duration.
    value : (..., level) float64
        Value of the trace at the level (its unit).
    peak_time, peak, rest : (...) float64
        Time (ms) and value of the peak, and the value that 100 % stands for.
    next_beat : (...) float64
        Time (ms) of the upstroke of a second beat in the window, which was left out; NaN where there is none.
    levels : (level,) float64
        The levels (%).
    """

    apd: np.ndarray
    reason: np.ndarray
    start: np.ndarray
    end: np.ndarray
    value: np.ndarray
    peak_time: np.ndarray
    peak: np.ndarray
    rest: np.ndarray
    next_beat: np.ndarray
    levels: np.ndarray

    @property
    def valid(self):
        """Mask (..., level) of the valid durations."""
        return self.reason == Reason.VALID

    def reasons(self):
        """Number of durations of each reason that occurs: dict of text -> count."""
        codes, counts = np.unique(self.reason, return_counts=True)
        return {Reason(code).text: int(count) for code, count in zip(codes, counts, strict=True)}


# Kernels for numba. Only `_blocks` touches every sample, once; the others read blocks and single stretches.


def _blocks(x, size):
    """Mean, smallest and largest value of consecutive groups of `size` samples, (row, block) each.

    The last block takes the samples that are left over.
    """
    rows, n = x.shape
    blocks = n // size
    mean, low, high = np.empty((rows, blocks)), np.empty((rows, blocks)), np.empty((rows, blocks))
    for r in range(rows):
        for b in range(blocks):
            piece = x[r, b * size : (b + 1) * size if b < blocks - 1 else n]
            total, least, most = 0.0, piece[0], piece[0]
            for value in piece:
                total += value
                least = value if value < least else least
                most = value if value > most else most
            mean[r, b], low[r, b], high[r, b] = total / piece.size, least, most
    return mean, low, high


def _first_beat(d, low, high, shortest):
    """Blocks where the beat's own part, its rise (0: none) and a second rise (-1: none) begin, per row.

    A beat begins where the means exceed `high` and ends where they fall below `low` (a Schmitt trigger); one
    that ends within `shortest` blocks is none, unless the window ends first.
    """
    rows, blocks = d.shape
    first, rise = np.zeros(rows, np.int64), np.zeros(rows, np.int64)
    second = np.full(rows, -1)
    for r in range(rows):
        inside = d[r, 0] >= high[r]
        for k in range(1, blocks):
            if inside and d[r, k] < low[r]:
                inside = False
                if rise[r] == 0:
                    first[r] = k
            elif not inside and d[r, k] >= high[r]:
                inside = True
                lasts = True
                for j in range(k + 1, min(k + shortest, blocks)):
                    lasts = lasts and d[r, j] >= low[r]
                if lasts and rise[r] > 0:
                    second[r] = k
                    break
                if lasts:
                    rise[r] = k
    return first, rise, second


def _around(d, first, rise, last, high, least, reach):
    """What is before and after each rise: see `_Bounds` for `before`, `after`, `again` and `fall`."""
    rows, blocks = d.shape
    before, after = np.empty(rows), np.empty(rows)
    again, fall = np.full(rows, blocks), np.full(rows, blocks)
    for r in range(rows):
        end = max(rise[r] - 1, first[r] + 1)  # the block before the rise may hold a part of it
        begin = max(end - reach, first[r])
        before[r] = np.mean(d[r, begin:end])
        after[r] = top = low = d[r, rise[r]]
        fallen = False
        for k in range(rise[r], last[r]):
            after[r] = min(after[r], d[r, k])
            top = max(top, d[r, k])
            if not fallen:
                fallen, low = top - d[r, k] > least[r], d[r, k]
            low = min(low, d[r, k])
            if fallen and d[r, k] - low > least[r]:
                again[r] = min(again[r], k)
            if d[r, k] < high[r]:
                fall[r] = min(fall[r], k)
    return before, after, again, fall


def _extremes(x, low, high, size, first, rise, last):
    """Peak from `rise` on, length of the run at its value, smallest values left and right of it.

    `first`, `rise` and `last` are blocks, the results samples and values, per row.
    """
    rows, blocks = low.shape
    peak, run = np.empty(rows, np.int64), np.empty(rows, np.int64)
    left, right = np.empty(rows), np.empty(rows)
    for r in range(rows):
        row, best = x[r], rise[r]
        for b in range(rise[r], last[r]):
            if high[r, b] > high[r, best]:
                best = b
        top = high[r, best]
        stop = (best + 1) * size if best < blocks - 1 else row.size
        begin = best * size
        while begin < stop - 1 and row[begin] != top:
            begin += 1
        end = begin + 1
        while end < row.size and row[end] == top:
            end += 1
        peak[r], run[r] = (begin + end - 1) // 2, end - begin
        left[r] = right[r] = top
        for b in range(first[r], best):
            left[r] = min(left[r], low[r, b])
        for i in range(best * size, begin):
            left[r] = min(left[r], row[i])
        for i in range(end, stop):
            right[r] = min(right[r], row[i])
        for b in range(best + 1, last[r]):
            right[r] = min(right[r], low[r, b])
    return peak, run, left, right


def _crossings(x, low, size, peak, first, last, threshold):
    """Samples, interpolated, where each row first falls to its thresholds left and right of its peak.

    Thresholds fall along their axis; NaN where one is not reached. The walk of a level begins where that of
    the level above ended, and to the right it leaps over blocks that stay above.
    """
    rows, levels = threshold.shape
    left, right = np.full((rows, levels), np.nan), np.full((rows, levels), np.nan)
    for r in range(rows):
        row = x[r]
        i = j = peak[r]
        for k in range(levels):
            level = threshold[r, k]
            while i >= first[r] and row[i] > level:
                i -= 1
            if first[r] <= i < peak[r]:
                left[r, k] = i + (level - row[i]) / (row[i + 1] - row[i])
            while j < last[r] and row[j] > level:
                j += 1
                while j % size == 0 and j // size < low.shape[1] and j < last[r] and low[r, j // size] > level:
                    j += size
            if peak[r] < j < last[r]:
                right[r, k] = j - (level - row[j]) / (row[j - 1] - row[j])
    return left, right


def _steepest(x, peak, first, base):
    """Sample and value (per sample) of the largest slope between 10 and 90 % of each row's rise to its peak.

    Central differences; a parabola through the largest and its neighbours gives the point between samples.
    """
    rows = len(x)
    where, slope, rise = np.empty(rows), np.empty(rows), np.empty(rows)
    for r in range(rows):
        row, span = x[r], x[r, peak[r]] - base[r]
        begin = peak[r]
        while begin > first[r] and row[begin] > base[r] + 0.1 * span:
            begin -= 1
        end = begin
        while end < peak[r] and row[end] < base[r] + 0.9 * span:
            end += 1
        best, top = begin, -np.inf
        for i in range(max(begin, 1), min(end, len(row) - 2) + 1):
            d = 0.5 * (float(row[i + 1]) - row[i - 1])
            if d > top:
                best, top = i, d
        where[r], slope[r], rise[r] = best, top, end - begin
        if 1 < best < len(row) - 2:
            before, after = 0.5 * (float(row[best]) - row[best - 2]), 0.5 * (float(row[best + 2]) - row[best])
            bend = before - 2 * top + after
            if bend < 0 and before <= top and after <= top:
                where[r] += 0.5 * (before - after) / bend
                slope[r] -= 0.125 * (before - after) ** 2 / bend
    return where, slope, rise


@cache
def _compiled(kernel):
    """A kernel compiled by numba on first use; the machine code is kept on disk for the next process."""
    import numba

    # Only the order of sums is free: what is NaN must stay NaN.
    options = {"nogil": True, "fastmath": {"reassoc"}}
    try:
        return numba.njit(cache=True, **options)(kernel)
    except RuntimeError:  # neither the package nor the home directory can be written: compile anew each time
        return numba.njit(**options)(kernel)


def _by_chunks(work, x):
    """`work` of groups of rows, in the threads that numba may use; its tuples of arrays are joined."""
    import numba

    chunks = [x[i : i + _CHUNK] for i in range(0, max(len(x), 1), _CHUNK)]
    if len(chunks) == 1 or numba.get_num_threads() == 1:
        parts = [work(chunk) for chunk in chunks]
    else:
        with ThreadPoolExecutor(numba.get_num_threads()) as pool:
            parts = list(pool.map(work, chunks))
    return tuple(np.concatenate(column) for column in zip(*parts, strict=True))


def _sampling_rate(x, fs, time):
    """Sampling rate (Hz) and time of the first sample (s) from either argument; refuses impossible ones."""
    if (fs is None) == (time is None):
        raise ValueError("give either the sampling rate fs (Hz) or the times of the samples (s)")
    begin = 0.0
    if time is not None:
        time = np.asarray(time, float)
        if time.shape != x.shape[-1:]:
            raise ValueError(f"{x.shape[-1]} samples and {time.size} times: they must be equally many")
        step = np.diff(time)
        if step.size == 0 or not np.all(step > 0) or np.ptp(step) > 0.01 * np.mean(step):
            raise ValueError("the times of the samples must ascend in equal steps; resample the trace first")
        fs, begin = 1 / np.mean(step), time[0]
    if not (np.isfinite(fs) and fs > 0):
        raise ValueError(f"a sampling rate of {fs} Hz is impossible")
    return float(fs), float(begin)


def _beats(x, fs, time):
    """Rows (beat, time), leading shape, sampling rate and first time of windows of one beat each."""
    x = np.asarray(x)
    if x.ndim == 0 or x.shape[-1] == 0:
        raise ValueError("the trace has no samples")
    if x.dtype not in (np.float32, np.float64):
        x = x.astype(float)
    fs, begin = _sampling_rate(x, fs, time)
    duration = x.shape[-1] / fs
    if not (0.1 <= duration <= 60 and fs >= 200):
        raise ValueError(
            f"a window of {x.shape[-1]} samples at {fs:g} Hz lasts {duration:g} s, which no single beat does "
            "(0.1 to 60 s at 200 Hz or more): is the rate in Hz, the recording cut into beats (cut_beats)?"
        )
    return np.ascontiguousarray(x.reshape(-1, x.shape[-1])), x.shape[:-1], fs, begin


def _smoothed(x, fs, smooth):
    """Centred moving mean over `smooth` ms (an odd number of samples) along the last axis."""
    if smooth < 0:
        raise ValueError(f"smooth = {smooth} ms is negative")
    width = 2 * round(smooth * fs / 2000) + 1
    return x if smooth == 0 or width == 1 else ndimage.uniform_filter1d(x, width, axis=-1, mode="nearest")


def _block_means(x, size):
    """Means of consecutive groups of `size` samples, (row, block) float64."""
    return _compiled(_blocks)(x, size)[0]


class _Bounds(NamedTuple):
    """Blocks (row,) of a beat and its levels at rest; all of length row."""

    reason: np.ndarray  # what is wrong with the row
    first: np.ndarray  # block where the beat's own part begins (after an earlier beat's fall)
    rise: np.ndarray  # block that first exceeds half the amplitude
    last: np.ndarray  # block where the beat's own part ends (one past)
    second: np.ndarray  # block of the second beat's rise, -1 where there is none
    again: np.ndarray  # block of a new rise before repolarisation, number of blocks for none
    fall: np.ndarray  # first block after the rise below half the amplitude, the number of blocks for none
    before: np.ndarray  # mean of up to 100 ms before the upstroke
    after: np.ndarray  # smallest block after the rise


def _bounds(d):
    """The first whole beat of each row of block means, and what comes before and after it: `_Bounds`."""
    finite = np.isfinite(d).all(axis=1)
    d = np.where(finite[:, None], d, 0.0)
    bottom, top = d.min(axis=1), d.max(axis=1)
    span = top - bottom
    some = np.arange(0, d.shape[1] - 1, max(1, d.shape[1] // 64))  # enough of the steps for their median
    noise = np.median(np.abs(d[:, some + 1] - d[:, some]), axis=1) / (0.6745 * np.sqrt(2))
    flat = (span <= 1e-6 * np.maximum(np.abs(top), np.abs(bottom))) | (span < 10 * noise)
    trigger = bottom + 0.3 * span, bottom + 0.5 * span
    first, rise, second = _compiled(_first_beat)(d, *trigger, round(_SHORTEST / _BLOCK))
    last = np.where(second > 0, second - 1, d.shape[1])
    before, after, again, fall = _compiled(_around)(d, first, rise, last, trigger[1], 0.25 * span, round(0.1 / _BLOCK))
    tails = d[:, -3 * _TAIL :].reshape(len(d), 3, _TAIL).mean(axis=2)
    still = np.all(np.diff(tails, axis=1) < 0, axis=1)
    # Above the level before the upstroke a slow fall tells, below it (a falling diastole) only a fast one.
    least = np.where(after > before + 0.05 * span, 0.005, 0.04) * span + 2 * noise
    falling = (second < 0) & still & (tails[:, 0] - tails[:, 2] > least)
    reason = np.select(
        [~finite, flat, rise < 1, falling],
        [Reason.MISSING, Reason.FLAT, Reason.NO_UPSTROKE, Reason.TRUNCATED],
        Reason.VALID,
    ).astype(np.int8)
    return _Bounds(reason, first, rise, last, second, again, fall, before, after)


class _Beat(NamedTuple):
    """Samples and values (row,) of one beat; `first` and `last` bound its own part of the window."""

    reason: np.ndarray
    first: np.ndarray
    last: np.ndarray
    low: np.ndarray  # smallest value of each 5 ms, (row, block)
    peak: np.ndarray
    again: np.ndarray  # where the trace rises again before it repolarised
    base: np.ndarray  # the higher of the smallest values left and right of the peak
    before: np.ndarray
    after: np.ndarray
    second: np.ndarray
    start: np.ndarray
    slope: np.ndarray


def _beat(x, raw, fs):
    """Find the beat of each row: `_Beat`. Saturation is looked for in `raw`, the trace before smoothing."""
    size = max(1, round(_BLOCK * fs))
    mean, low, high = _compiled(_blocks)(x, size)
    b = _bounds(mean)
    reason = b.reason.copy()
    # The peak is searched from the rise on, not where a stimulus may have left its mark.
    span = b.first, np.maximum(b.rise - 1, b.first), b.last
    peak, run, left, right = _compiled(_extremes)(x, low, high, size, *span)
    if raw is not x:
        run = _compiled(_extremes)(raw, *_compiled(_blocks)(raw, size)[1:], size, *span)[1]
    first, last = b.first * size, np.where(b.second > 0, b.last * size, x.shape[1])
    top = x[np.arange(len(x)), peak].astype(float)
    start, slope, lasts = _compiled(_steepest)(x, peak, first, b.before)
    fine = reason == Reason.VALID
    reason[fine & (run >= max(3, _BLOCK * fs))] = Reason.SATURATED
    # An upstroke that takes as long as the fall to one half is none.
    slow = (lasts > b.fall * size - start) | (lasts > _SLOWEST * fs)
    reason[np.isin(reason, (Reason.VALID, Reason.TRUNCATED)) & slow] = Reason.NO_UPSTROKE
    open_end = b.after > b.before + 0.25 * (top - b.before)
    reason[(reason == Reason.VALID) & open_end] = Reason.TRUNCATED
    second = np.where(b.second > 0, b.second * size, np.nan)
    base = np.maximum(left, right)
    after = np.maximum(b.after, right)  # a mean can lie a rounding error below all that it is the mean of
    again = np.where(b.again < low.shape[1], b.again * size, x.shape[1])
    return _Beat(reason, first, last, low, peak, again, base, b.before, after, second, start, slope)


def upstroke(x, fs=None, *, time=None, smooth=0.0):
    """Time and value of the largest dV/dt of each beat.

    The slope is the central difference of the trace; it is searched between 10 and 90 % of the rise to the
    peak, and a parabola through its three largest values gives the point between samples.

    Parameters
    ----------
    x : (..., n) array_like
        One beat a row, any unit; time along the last axis.
    fs : float
        Sampling rate (Hz); or give `time`.
    time : (n,) array_like
        Times of the samples (s), in equal steps.
    smooth : float
        Length (ms) of a centred moving mean before the slope is taken; 0 for none.

    Returns
    -------
    Upstroke
        Times in ms from the first sample, or on the clock of `time`. NaN and a reason where no upstroke is
        seen whole; a beat that does not repolarise within the window still has one.

    Raises
    ------
    ValueError
        As `apd`.
    """
    x, shape, fs, begin = _beats(x, fs, time)

    def work(rows):
        b = _beat(_smoothed(rows, fs, smooth), rows, fs)
        return b.start, b.slope, b.reason

    where, slope, reason = _by_chunks(work, x)
    reason = np.where(reason >= Reason.TRUNCATED, np.int8(Reason.VALID), reason)
    bad = reason != Reason.VALID
    moment = np.where(bad, np.nan, 1000 * (where / fs + begin)).reshape(shape)
    return Upstroke(moment, np.where(bad, np.nan, slope * fs / 1000).reshape(shape), reason.reshape(shape))


def _durations(x, fs, levels, definition, rest, smooth):
    """Columns of `Durations` in samples for rows `x` and ascending `levels`; see `apd`."""
    y = _smoothed(x, fs, smooth)
    b = _beat(y, x, fs)
    top = y[np.arange(len(y)), b.peak].astype(float)
    zero = b.base if definition == "prominence" else b.after if rest == "after" else b.before
    with np.errstate(invalid="ignore"):  # infinite samples; those rows are refused
        value = top[:, None] - levels / 100 * (top - zero)[:, None]
    value[:, levels == 100] = zero[:, None]  # not a rounding error below it
    size = max(1, round(_BLOCK * fs))
    left, right = _compiled(_crossings)(y, b.low, size, b.peak, b.first, b.last, value)
    start = left if definition == "prominence" else np.repeat(b.start[:, None], len(levels), axis=1)
    reason = np.repeat(b.reason[:, None], len(levels), axis=1)
    # Where rest is not read after the peak, a cut window hurts only the levels that it does not reach.
    own = (reason == Reason.TRUNCATED) & (definition == "repolarisation") & (rest == "before")
    reason[own] = Reason.VALID
    reason[(reason == Reason.VALID) & (right > b.again[:, None])] = Reason.INTERRUPTED
    unreached = ~(np.isfinite(start) & np.isfinite(right))
    reason[(reason == Reason.VALID) & unreached] = Reason.NOT_REPOLARISED
    bad = reason != Reason.VALID
    start, right, value = (np.where(bad, np.nan, column) for column in (start, right, value))
    gone = bad.all(axis=1)
    beat = [np.where(gone, np.nan, column) for column in (b.peak, top, zero, b.second)]
    return (reason, start, right, value, *beat)


def apd(
    x,
    fs=None,
    levels=LEVELS,
    *,
    time=None,
    definition="repolarisation",
    rest="after",
    smooth=0.0,
):
    """Action potential durations of many beats, with linearly interpolated crossings.

    ``definition="repolarisation"`` (the field's): from the largest dV/dt of the upstroke to the first time
    after the peak at which the trace has fallen by `levels` % of the way from its peak to rest.
    ``definition="prominence"`` (the nanoelectrode studies'): full width at `levels` % of the prominence of
    the peak below its top, as `scipy.signal.peak_widths` has it: it begins on the upstroke at the same
    height, and 100 % is the higher of the two smallest values left and right of the peak.

    The beat is the first one whose upstroke lies in the window, told from noise and spikes on means over 5
    ms: it rises above half of the window's span and stays above 30 % for 20 ms or longer. A second rise ends
    it: nothing from the second beat on is read, also when that beat is larger. Durations of 10 % and 100 %
    depend most on noise, the former through the peak, the latter because rest is approached slowly; `smooth`
    helps. A lower rail that clips the rest is not recognised.

    Parameters
    ----------
    x : (..., n) array_like
        One beat a row, any unit, depolarisation upwards; time along the last axis. A window should begin
        before the upstroke and hold the whole repolarisation.
    fs : float
        Sampling rate (Hz); or give `time`.
    levels : array_like
        Levels (%), above 0 to 100, any order.
    time : (n,) array_like
        Times of the samples (s), in equal steps.
    definition : {"repolarisation", "prominence"}
        See above.
    rest : {"after", "before"}
        What 100 % repolarisation stands for: the smallest 5 ms mean after the peak (the maximum diastolic
        potential) or the mean of up to 100 ms before the upstroke (the take-off potential). The prominence
        brings its own.
    smooth : float
        Length (ms) of a centred moving mean applied first; 0 for none (the nanoelectrode studies: 20 samples
        at 5 kHz = 4 ms).

    Returns
    -------
    Durations
        In ms, NaN with a `Reason` where there is no valid duration. Times are ms from the first sample, or on
        the clock of `time`. A single trace (n,) gives arrays of shape (level,).

    Raises
    ------
    ValueError
        A level or name is unknown, `x` and `time` differ in length, times do not ascend evenly, the window
        lasts less than 0.1 s or more than 60 s, or the sampling rate is below 200 Hz (a rate in the wrong
        unit, or a recording that is not cut into beats).
    """
    levels = np.atleast_1d(np.asarray(levels, float))
    if levels.ndim != 1 or not np.all((levels > 0) & (levels <= 100)):
        raise ValueError(f"levels must lie above 0 and up to 100 %, not {levels}")
    if definition not in ("repolarisation", "prominence"):
        raise ValueError(f"definition {definition!r} is neither 'repolarisation' nor 'prominence'")
    if rest not in ("after", "before"):
        raise ValueError(f"rest {rest!r} is neither 'after' nor 'before'")
    x, shape, fs, begin = _beats(x, fs, time)
    order = np.argsort(levels, kind="stable")

    def work(rows):
        return _durations(rows, fs, levels[order], definition, rest, smooth)

    reason, start, end, value, *beat = _by_chunks(work, x)
    back = np.argsort(order, kind="stable")
    peak, top, zero, second = (column.reshape(shape) for column in beat)
    ms = 1000 / fs
    reason, start, end, value = (c[:, back].reshape(*shape, levels.size) for c in (reason, start, end, value))
    return Durations(
        apd=(end - start) * ms,
        reason=reason,
        start=start * ms + 1000 * begin,
        end=end * ms + 1000 * begin,
        value=value,
        peak_time=peak * ms + 1000 * begin,
        peak=top,
        rest=zero,
        next_beat=second * ms + 1000 * begin,
        levels=levels,
    )


def scale(x, fs=None, convention="beat"):
    """Traces without unit, for comparing shapes.

    Parameters
    ----------
    x : (..., n) array_like
        One beat a row, any unit.
    fs : float
        Sampling rate (Hz); needed by "beat" and "eap".
    convention : str
        ==============  ==================================================================================
        "beat"          (x - rest) / (peak - rest) with the rest and peak of `apd`: a second, larger beat
                        exceeds 1 and the first does not shrink; NaN where the beat is not valid
        "minmax"        (x - min) / (max - min) of the window (the originals' error of scaled waveforms)
        "first"         (x - x[0]) / (max - x[0]) (the originals' intracellular target)
        "tenth"         ("first" + 0.11) / 1.1 (the same as their networks see it: rest 0.1, peak 1.009)
        "eap"           (x - mean) / (60 x standard deviation from 0.23 to 0.27 s) (the originals'
                        extracellular input; that 40 ms segment holds signal as well as noise)
        ==============  ==================================================================================

    Returns
    -------
    (..., n) ndarray
        Floating type of `x`; NaN where the divisor is 0.

    Raises
    ------
    ValueError
        The convention is unknown, or needs a sampling rate or a longer window.
    """
    x = np.asarray(x)
    x = x if x.dtype in (np.float32, np.float64) else x.astype(float)
    if convention in ("beat", "eap") and fs is None:
        raise ValueError(f"the convention {convention!r} needs the sampling rate fs (Hz)")
    if convention == "beat":
        beat = apd(x, fs, 50)
        zero, one = beat.rest[..., None], beat.peak[..., None]
    elif convention == "minmax":
        zero, one = x.min(axis=-1, keepdims=True), x.max(axis=-1, keepdims=True)
    elif convention in ("first", "tenth"):
        zero, one = x[..., :1], x.max(axis=-1, keepdims=True)
    elif convention == "eap":
        segment = x[..., round(0.23 * fs) : round(0.27 * fs)]
        if segment.shape[-1] < 2:
            raise ValueError("the convention 'eap' needs windows of 0.27 s or longer")
        zero = x.mean(axis=-1, keepdims=True)
        one = zero + 60 * segment.std(axis=-1, keepdims=True)
    else:
        raise ValueError(f"convention {convention!r} is not one of beat, minmax, first, tenth, eap")
    span = one - zero
    scaled = (x - zero) / np.where(span > 0, span, np.nan)
    return ((scaled + 0.11) / 1.1 if convention == "tenth" else scaled).astype(x.dtype, copy=False)


def _without_gaps(x):
    """The traces with missing samples bridged by straight lines, and the mask of what was missing."""
    missing = ~np.isfinite(x)
    if not missing.any():
        return x, missing
    x = np.array(x, float)
    for row, gaps in zip(x.reshape(-1, x.shape[-1]), missing.reshape(-1, x.shape[-1]), strict=True):
        if gaps.all():
            row[:] = 0
        elif gaps.any():
            row[gaps] = np.interp(np.flatnonzero(gaps), np.flatnonzero(~gaps), row[~gaps])
    return x, missing


def snr(x, fs, *, convention="power", samples=None, before=0.2, after=1.4):
    """Signal-to-noise ratio of traces, from the power in two frequency bands.

    Signal is what lies between 0.125 Hz and fs/32, noise what lies above, up to fs/2 - 1 Hz (Butterworth
    filters of order 3, zero phase): the bands of the nanoelectrode studies. They depend on the sampling rate:
    two sensors are comparable only at the same rate and the same analogue bandwidth. A trace that was
    up-sampled has no noise in the upper part of its band.

    Parameters
    ----------
    x : (..., n) array_like
        Traces, any unit; time along the last axis.
    fs : float
        Sampling rate (Hz).
    convention : {"power", "doubled"}
        "power": 10 log10 of the ratio of powers, true dB. "doubled": 20 log10 of the same ratio, as the
        originals' data files carry it; their 90 dB are 45 dB.
    samples : (k,) array_like of int
        Of a continuous recording `x` (n,): beats, each of which gets the ratio of its own window. The filters
        see the whole recording, so that no window has transients at its ends.
    before, after : float
        Window around each beat (s).

    Returns
    -------
    ndarray
        dB, of the leading shape of `x`, or (k,) if `samples` are given. NaN where samples are missing, the
        trace is constant, or a window leaves the recording.

    Raises
    ------
    ValueError
        The convention is unknown, or `samples` come with more than one trace.
    """
    if convention not in ("power", "doubled"):
        raise ValueError(f"convention {convention!r} is neither 'power' nor 'doubled'")
    x = np.asarray(x)
    if samples is not None and x.ndim != 1:
        raise ValueError(f"samples belong to one recording (n,), not to traces of shape {x.shape}")
    whole, missing = _without_gaps(np.asarray(x, float))
    edge = fs / 32
    parts = [signals.bandpass(whole, fs, *band, order=3) ** 2 for band in ((0.125, edge), (edge + 0.001, fs / 2 - 1))]
    if samples is None:
        power, noise = (part.mean(axis=-1) for part in parts)
        bad = missing.any(axis=-1) | (np.ptp(whole, axis=-1) <= 1e-9 * np.abs(whole).max(axis=-1))
    else:
        first = np.asarray(samples, np.int64) - round(before * fs)
        last = first + round((before + after) * fs)
        inside = (first >= 0) & (last <= x.size)
        first, last = np.where(inside, first, 0), np.where(inside, last, 1)

        def mean(part):
            total = np.concatenate([[0.0], np.cumsum(part)])
            return (total[last] - total[first]) / (last - first)

        power, noise = mean(parts[0]), mean(parts[1])
        bad = ~inside | (mean(missing) > 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.log10(np.where(bad | (noise <= 0), np.nan, power / noise))
    return (10 if convention == "power" else 20) * ratio


class Alignment(NamedTuple):
    """How much later than a reference traces come.

    Attributes
    ----------
    lag : (...) float64
        ms; positive where the trace is the later one. NaN where samples are missing or a trace is constant.
    correlation : (...) float64
        Pearson correlation of the overlap at that lag, to the nearest sample.
    at_limit : (...) bool
        The best lag is the largest allowed: probably not the true one.
    """

    lag: np.ndarray
    correlation: np.ndarray
    at_limit: np.ndarray


def _correlations(x, y, reach):
    """Pearson correlation of x[t + lag] and y[t] where both are there, lags -reach to reach: (row, lag)."""
    n = x.shape[1]
    x, y = x - x.mean(axis=1, keepdims=True), y - y.mean(axis=1, keepdims=True)
    size = fft.next_fast_len(n + reach, real=True)
    product = fft.irfft(fft.rfft(x, size) * np.conj(fft.rfft(y, size)), size)
    lags = np.arange(-reach, reach + 1)
    product = product[:, lags]
    count = n - np.abs(lags)

    def sums(z, begin):
        total = np.pad(np.cumsum(z, axis=1), ((0, 0), (1, 0)))
        return total[:, begin + count] - total[:, begin]

    later, earlier = np.maximum(lags, 0), np.maximum(-lags, 0)
    mean_x, mean_y = sums(x, later) / count, sums(y, earlier) / count
    spread_x = np.maximum(sums(x**2, later) / count - mean_x**2, 0)
    spread_y = np.maximum(sums(y**2, earlier) / count - mean_y**2, 0)
    spread = np.sqrt(spread_x * spread_y)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(spread > 0, (product / count - mean_x * mean_y) / spread, np.nan)


def align(x, reference, fs, *, max_lag=0.2):
    """Lag of traces behind a reference, where their correlation over the overlap is largest.

    Parameters
    ----------
    x : (..., n) array_like
        Traces; time along the last axis.
    reference : array_like
        Of the same shape, or one trace (n,) for all.
    fs : float
        Sampling rate of both (Hz).
    max_lag : float
        Largest lag looked at (s), either way; at most half the window.

    Returns
    -------
    Alignment
        ``shift(x, -lag, fs)`` brings the traces onto the reference. A parabola through the three largest
        correlations gives the lag between samples.

    Raises
    ------
    ValueError
        The traces have unequal lengths, or `max_lag` is longer than half of them.
    """
    x, reference = np.asarray(x, float), np.asarray(reference, float)
    if x.shape[-1] != reference.shape[-1]:
        raise ValueError(f"traces of {x.shape[-1]} and {reference.shape[-1]} samples: a pair must have equal lengths")
    reach = round(max_lag * fs)
    if not 1 <= reach <= x.shape[-1] // 2:
        raise ValueError(f"max_lag = {max_lag} s must be at least a sample and at most half of the window")
    x, reference = np.broadcast_arrays(x, reference)
    rows, others = x.reshape(-1, x.shape[-1]), reference.reshape(-1, x.shape[-1])
    fine = np.isfinite(rows).all(axis=1) & np.isfinite(others).all(axis=1)
    r = np.full((len(rows), 2 * reach + 1), np.nan)
    r[fine] = _correlations(rows[fine], others[fine], reach)
    known = np.isfinite(r).all(axis=1)
    best = np.where(known[:, None], r, -1).argmax(axis=1)
    a, b, c = (r[np.arange(len(r)), np.clip(best, 1, 2 * reach - 1) + step] for step in (-1, 0, 1))
    limit = known & ((best == 0) | (best == 2 * reach))
    with np.errstate(invalid="ignore", divide="ignore"):
        part = np.where(limit | (a - 2 * b + c == 0), 0, 0.5 * (a - c) / (a - 2 * b + c))
    lag = np.where(known, (best - reach + part) * 1000 / fs, np.nan)
    top = np.where(known, r[np.arange(len(r)), best], np.nan)
    return Alignment(*(column.reshape(x.shape[:-1]) for column in (lag, top, limit)))


def shift(x, lag, fs):
    """Traces moved later by `lag` (ms), linearly interpolated; NaN where the window holds nothing.

    Parameters
    ----------
    x : (..., n) array_like
        Traces; time along the last axis.
    lag : array_like
        ms, one number or one a trace; negative moves a trace earlier.
    fs : float
        Sampling rate (Hz).

    Returns
    -------
    (..., n) ndarray
        Floating type of `x`. Nothing is padded: samples that the window does not hold are NaN.
    """
    x = np.asarray(x)
    kind = np.result_type(x.dtype, np.float32)
    at = np.arange(x.shape[-1]) - np.asarray(lag, float)[..., None] * fs / 1000
    at = np.broadcast_to(np.where(np.isnan(at), -1, at), x.shape)
    low = np.clip(np.floor(at), 0, max(x.shape[-1] - 2, 0)).astype(np.int64)
    high = np.minimum(low + 1, x.shape[-1] - 1)
    part = at - low
    moved = (1 - part) * np.take_along_axis(x, low, -1) + part * np.take_along_axis(x, high, -1)
    return np.where((at < 0) | (at > x.shape[-1] - 1), np.nan, moved).astype(kind)


def check_millivolt(x, sensor):
    """Refuse traces that can hardly be in mV, most often because they are in uV or V.

    Parameters
    ----------
    x : (..., n) array_like
        Windows of a beat, or recordings; NaN is ignored.
    sensor : {"patch", "iap", "eap"}
        What was measured with; `SPANS` has the plausible spans. Electrodes differ by a factor 1000 in what
        they see, so for "iap" and "eap" only gross errors are found.

    Raises
    ------
    ValueError
        The median span of the traces is outside; the message says by which factor the unit seems off.
    """
    if sensor not in SPANS:
        raise ValueError(f"sensor {sensor!r} is not one of {', '.join(SPANS)}")
    x = np.asarray(x, float)
    rows = x.reshape(-1, x.shape[-1])
    rows = rows[np.isfinite(rows).any(axis=1)]
    if len(rows) == 0:
        raise ValueError("all samples are missing")
    span = np.median(np.nanmax(rows, axis=1) - np.nanmin(rows, axis=1))
    low, high = SPANS[sensor]
    if span > high:
        hint = "the values seem to be uV, or raw counts: divide uV by 1000"
    elif span < low:
        hint = "the values seem to be V, or scaled, or the trace is flat: multiply V by 1000"
    else:
        return
    raise ValueError(
        f"traces of sensor {sensor!r} span {span:.3g} (median), but {low:g} to {high:g} mV are plausible: {hint}"
    )


def check_cycle_lengths(times, *, shortest=0.15, longest=15.0):
    """Refuse beats whose median cycle length no heart cell has.

    Parameters
    ----------
    times : (k,) array_like
        Times of the beats (s).
    shortest, longest : float
        Plausible median cycle lengths (s).

    Raises
    ------
    ValueError
        There are fewer than two beats, they do not ascend, or their median cycle length is outside.
    """
    times = np.asarray(times, float)
    if times.size < 2:
        raise ValueError(f"{times.size} beat(s): a cycle length needs at least 2")
    cycle = np.diff(times)
    if not np.all(cycle > 0):
        raise ValueError("the times of the beats must ascend")
    if not shortest <= np.median(cycle) <= longest:
        raise ValueError(
            f"the median cycle length is {np.median(cycle):.3g} s, but {shortest:g} to {longest:g} s are "
            "possible: is the sampling rate right, and in Hz?"
        )


def _local_span(y, fs, piece):
    """Span of the trace around each sample: range of each piece, median of five (artefacts drop out)."""
    pieces = np.array_split(y, max(1, round(y.size / (piece * fs))))
    spans = np.array([np.ptp(part) for part in pieces])
    spans = ndimage.median_filter(spans, size=min(5, spans.size), mode="nearest")
    centres = np.cumsum([part.size for part in pieces]) - 0.5 * np.array([part.size for part in pieces])
    return np.interp(np.arange(y.size), centres, spans)


def _steepest_near(y, at, reach):
    """Sample of the largest slope of `y` within `reach` samples of each of `at`."""
    slope = np.gradient(y)
    window = np.clip(at[:, None] + np.arange(-reach, reach + 1), 0, y.size - 1)
    return window[np.arange(at.size), slope[window].argmax(axis=1)]


def find_beats(x, fs, *, sensor="iap", shortest_cycle=0.2, piece=5.0):
    """Beats of a continuous recording: the samples of their upstrokes, or of their extracellular spikes.

    Intracellular, patch and optical traces (depolarisation upwards): peaks of the trace (5 ms mean) with a
    prominence of half its local span, each moved to the largest slope near the crossing of half its height.
    Extracellular ones: positive peaks above 5 Hz that reach half of the local maximum and eight times the
    noise. Local means five pieces of `piece` s, so that an amplitude may decay as pores reseal; what exceeds
    three times the local span (a poration pulse) is no beat. Beats within 0.1 s of missing samples are left
    out.

    Parameters
    ----------
    x : (n,) array_like
        The recording, any unit.
    fs : float
        Sampling rate (Hz).
    sensor : {"iap", "eap"}
        "iap" for every trace that shows the action potential.
    shortest_cycle : float
        Least distance of two beats (s).
    piece : float
        Length (s) of a piece, longer than the longest pause.

    Returns
    -------
    (k,) int64
        Samples, ascending; empty where nothing is seen, one number where there is one beat.

    Raises
    ------
    ValueError
        The recording is not one trace, has no finite sample, is constant, or has an impossible cycle length.
    """
    x = np.asarray(x, float)
    if x.ndim != 1:
        raise ValueError(f"one recording (n,) is needed, not {x.shape}")
    if sensor not in ("iap", "eap"):
        raise ValueError(f"sensor {sensor!r} is neither 'iap' nor 'eap'")
    y, missing = _without_gaps(x)
    if missing.all() or np.ptp(y) <= 1e-9 * np.abs(y).max():
        raise ValueError("the recording is constant or empty: there are no beats to find")
    if sensor == "eap":
        y = signals.highpass(y, fs, 5.0)
        noise = np.median(np.abs(y)) / 0.6745
        height = np.maximum(0.25 * _local_span(y, fs, piece), 8 * noise)
        beats, _ = sps.find_peaks(y, height=height, distance=max(1, round(shortest_cycle * fs)))
    else:
        y = ndimage.uniform_filter1d(y, 2 * round(0.0025 * fs) + 1, mode="nearest")
        span = _local_span(y, fs, piece)
        noise = np.median(np.abs(np.diff(y[:: max(1, round(_BLOCK * fs))]))) / 0.954
        limits = np.maximum(0.5 * span, 8 * noise), 3 * span
        distance, reach = max(1, round(shortest_cycle * fs)), 2 * round(2 * piece * fs) + 1
        peaks, found = sps.find_peaks(y, prominence=limits, distance=distance, wlen=reach)
        data = found["prominences"], found["left_bases"], found["right_bases"]
        half = sps.peak_widths(y, peaks, 0.5, prominence_data=data)[2]
        beats = _steepest_near(y, np.round(half).astype(np.int64), max(1, round(0.03 * fs)))
    near = ndimage.binary_dilation(missing, iterations=round(0.1 * fs)) if missing.any() else missing
    beats = np.unique(beats[~near[beats]]).astype(np.int64)
    if beats.size > 2:
        check_cycle_lengths(beats / fs)
    return beats


def cut_beats(x, fs, samples, *, before=0.2, after=1.4):
    """Windows around the beats of a recording.

    Parameters
    ----------
    x : (..., n) array_like
        One or several channels; time along the last axis.
    fs : float
        Sampling rate (Hz).
    samples : (k,) array_like of int
        Beats.
    before, after : float
        Time before and after the beat (s); the defaults give the originals' 8,000 samples at 5 kHz with the
        beat at sample 1,000.

    Returns
    -------
    windows : (..., m, round(before * fs) + round(after * fs)) ndarray
        One row a beat whose window lies within the recording.
    kept : (m,) int64
        Which of `samples` those are.
    """
    x, samples = np.asarray(x), np.asarray(samples, np.int64)
    ahead, behind = round(before * fs), round(after * fs)
    kept = np.flatnonzero((samples >= ahead) & (samples + behind <= x.shape[-1]))
    return x[..., samples[kept, None] + np.arange(-ahead, behind)], kept


class Matches(NamedTuple):
    """Beats of two clocks that are the same beat.

    Attributes
    ----------
    first, second : (m,) int64
        Positions in the two lists of the matched beats.
    only_first, only_second : int64
        Positions of the beats without a partner.
    lag, skew : float
        Clock of the second list: ``t2 = lag + (1 + skew) * t1``; `lag` in s, `skew` as a fraction (1e-6 = 1
        ppm).
    residual : (m,) float64
        t2 - lag - (1 + skew) * t1 of the matched beats (s).
    ambiguous : bool
        Another lag explains the beats nearly as well (a rhythm too regular to tell one cycle from the next).
    """

    first: np.ndarray
    second: np.ndarray
    only_first: np.ndarray
    only_second: np.ndarray
    lag: float
    skew: float
    residual: np.ndarray
    ambiguous: bool


def _nearest(a, b):
    """Index in ascending `b` of the value nearest to each of `a`."""
    right = np.clip(np.searchsorted(b, a), 1, b.size - 1)
    return np.where(a - b[right - 1] <= b[right] - a, right - 1, right)


def _candidates(a, b, max_lag, max_skew, tolerance):
    """Clocks to try, rows (lag, skew): the commonest differences of times, for each skew of a grid."""
    step = tolerance / max(np.ptp(a), tolerance)
    grid = np.arange(-np.ceil(max_skew / step), np.ceil(max_skew / step) + 1) * step
    rows = []
    for skew in np.clip(grid, -max_skew, max_skew):
        difference = (b[None] - (1 + skew) * a[:, None]).ravel()
        difference = difference[np.abs(difference) <= max_lag]
        bins, counts = np.unique(np.round(difference / tolerance).astype(np.int64), return_counts=True)
        for place in bins[np.argsort(-counts, kind="stable")[:12]]:
            near = difference[np.abs(difference - place * tolerance) <= tolerance]
            rows.append((np.median(near), skew))
    return rows


def _pairs(a, b, lag, skew, tolerance):
    """Mutual nearest neighbours within `tolerance` under one clock; truncated squared misfit of each a."""
    mapped = lag + (1 + skew) * a
    other = _nearest(mapped, b)
    misfit = b[other] - mapped
    mutual = _nearest(b, mapped)[other] == np.arange(a.size)
    near = mutual & (np.abs(misfit) <= tolerance)
    inside = (mapped >= b[0] - tolerance) & (mapped <= b[-1] + tolerance)
    return np.flatnonzero(near), other[near], np.where(near, (misfit / tolerance) ** 2, 1.0), inside


def _refined(a, b, lag, skew, max_skew, tolerance):
    """The clock after least squares over its own pairs, repeated until they no longer change."""
    previous = None
    for _ in range(20):
        i, j, _, _ = _pairs(a, b, lag, skew, tolerance)
        if i.size < 3 or (previous is not None and np.array_equal(i, previous)):
            break
        centre = a[i].mean()
        slope = np.dot(a[i] - centre, b[j] - a[i]) / np.dot(a[i] - centre, a[i] - centre)
        skew = float(np.clip(slope, -max_skew, max_skew))
        lag = float(np.median(b[j] - (1 + skew) * a[i]))
        previous = i
    return lag, skew


def match_beats(first, second, *, max_lag=10.0, max_skew=2e-4, tolerance=0.05):
    """Match the beats of two recordings of one cell whose clocks differ in start and rate.

    Beats are matched by time, not by number, so that one missed beat costs one pair. The clock is the one
    that leaves the least truncated squared misfit, over a grid of skews and the commonest lags, refined by
    least squares; pairs are mutual nearest neighbours under it.

    Parameters
    ----------
    first, second : (k,), (l,) array_like
        Times of the beats (s) on the two clocks, ascending; at least 3 each.
    max_lag : float
        Largest lag (s) between the clocks at time 0.
    max_skew : float
        Largest relative difference of their rates (2e-4 = 200 ppm; quartz clocks differ by 10 to 50 ppm).
    tolerance : float
        Largest misfit (s) of a pair.

    Returns
    -------
    Matches

    Raises
    ------
    ValueError
        Fewer than 3 beats, times that do not ascend or with impossible cycle lengths, or fewer than half of
        the beats that the recordings share find a partner (another cell, or one sampling rate is wrong).
    """
    a, b = np.asarray(first, float), np.asarray(second, float)
    if min(a.size, b.size) < 3:
        raise ValueError(f"{a.size} and {b.size} beats: two clocks can be compared over at least 3 beats each")
    check_cycle_lengths(a)
    check_cycle_lengths(b)
    clocks = [_refined(a, b, *c, max_skew, tolerance) for c in _candidates(a, b, max_lag, max_skew, tolerance)]
    clocks = [c for c in clocks if abs(c[0]) <= max_lag + tolerance]
    scores = [_pairs(a, b, *clock, tolerance)[2:] for clock in clocks]
    total = [round(float(misfit.sum()), 3) for misfit, _ in scores]
    ratio = np.median(np.diff(b)) / np.median(np.diff(a))
    hint = f"median cycle lengths have the ratio {ratio:.3g}: is a sampling rate wrong, or the cell another?"
    if not clocks:
        raise ValueError(f"no lag up to {max_lag:g} s brings beats of the two recordings together: {hint}")
    best = min(range(len(clocks)), key=lambda k: (total[k], abs(clocks[k][0])))
    lag, skew = clocks[best]
    i, j, misfit, inside = _pairs(a, b, lag, skew, tolerance)
    shared = max(3, min(inside.sum(), b.size))
    if i.size < 0.5 * shared:
        raise ValueError(f"only {i.size} of {shared} beats match within {tolerance:g} s: {hint}")
    rivals = [
        misfit_k[inside_k].mean()
        for (lag_k, _), (misfit_k, inside_k) in zip(clocks, scores, strict=True)
        if abs(lag_k - lag) > tolerance and inside_k.sum() >= 0.5 * inside.sum()
    ]
    return Matches(
        first=i,
        second=j,
        only_first=np.setdiff1d(np.arange(a.size), i),
        only_second=np.setdiff1d(np.arange(b.size), j),
        lag=lag,
        skew=skew,
        residual=b[j] - lag - (1 + skew) * a[i],
        ambiguous=bool(rivals) and min(rivals) < 2 * misfit[inside].mean() + 1e-3,
    )


FEATURES = {
    "t1": ("ms", "from the onset to the falling crossing of the onset's height"),
    "t2": ("ms", "from the falling crossing of the end's height to the end of the spike"),
    "ts": ("ms", "width of the spike: from its onset to its end"),
    "td": ("ms", "from the end of the spike to the dip of repolarisation"),
    "t_total": ("ms", "from the onset to the dip"),
    "t1_alt": ("ms", "from the onset to the peak"),
    "t2_alt": ("ms", "from the trough to the end of the spike"),
    "ts_alt": ("ms", "from the onset to the trough"),
    "v1": ("mV", "peak above the onset"),
    "v2": ("mV", "end of the spike above the trough"),
    "vd": ("mV", "end of the spike above the dip"),
    "v1_normalised": ("1", "v1 of the trace scaled by the convention 'eap'"),
    "v2_normalised": ("1", "v2 of the same"),
    "vd_normalised": ("1", "vd of the same"),
    "v1_v2": ("1", "v1 / v2"),
    "vd_v1": ("1", "vd / v1"),
    "vd_v2": ("1", "vd / v2"),
    "dr": ("mV/s", "mean rate of decay from 20 ms after the end of the spike to the dip, positive downwards"),
    "dr_normalised": ("1/s", "dr of the trace scaled by the convention 'eap'"),
    "ir": ("mV/s", "slope of a straight line through the 200 ms after the dip"),
    "ir_normalised": ("1/s", "ir of the same"),
    "s_n": ("1", "peak over the standard deviation of the last 0.6 s about a cubic"),
}
"""Feature of the extracellular action potential -> its unit and its definition."""

_LANDMARKS = ("onset", "peak", "fall1", "trough", "fall2", "end", "dip")


def _last_extreme(x, share, distance):
    """Index of the last local maximum of each row that reaches `share` of the row's largest; -1 if none.

    A smaller maximum within `distance` samples of a larger one does not count.
    """
    local = x == ndimage.maximum_filter1d(x, 2 * distance + 1, axis=1, mode="nearest")
    fine = local & (x >= share * x.max(axis=1, keepdims=True)) & (x > 0)
    return np.where(fine.any(axis=1), x.shape[1] - 1 - fine[:, ::-1].argmax(axis=1), -1)


def _from(x, start, length):
    """`length` samples of each row from `start` on; beyond an end its sample is held."""
    at = np.clip(start[:, None] + np.arange(length), 0, x.shape[1] - 1)
    return np.take_along_axis(x, at, axis=1)


def _slope_of_spike(piece, fs):
    """Slope (per sample) of pieces of a spike, smoothed as the originals: 15 ms polynomials of order 5."""
    width = max(7, 2 * round(0.0075 * fs) - 1)
    width = min(width, 2 * ((piece.shape[1] - 1) // 2) + 1)
    slope = np.gradient(sps.savgol_filter(piece, width, 5, axis=1), axis=1)
    return sps.savgol_filter(slope, width, 5, axis=1)


def _lowest_class(values, classes, bins=64):
    """Mask of the lowest of two or three natural classes of each row (Fisher 1958; Jenks 1967).

    The breaks that leave the least variance within classes, to one part in `bins` of the row's range.
    """
    low, high = values.min(axis=1, keepdims=True), values.max(axis=1, keepdims=True)
    code = np.minimum(bins * (values - low) / np.where(high > low, high - low, 1), bins - 1).astype(np.int64)
    rows = len(values)
    flat = (code + bins * np.arange(rows)[:, None]).ravel()
    count = np.bincount(flat, minlength=rows * bins).reshape(rows, bins)
    total = np.bincount(flat, values.ravel(), minlength=rows * bins).reshape(rows, bins)
    count, total = (np.pad(np.cumsum(z, axis=1), ((0, 0), (1, 0))) for z in (count, total))

    def explained(begin, end):
        n = count[:, end] - count[:, begin]
        return (total[:, end] - total[:, begin]) ** 2 / np.maximum(n, 1)

    if classes == 2:
        first = second = np.arange(1, bins)
    else:
        first, second = np.triu_indices(bins, 1)
        first, second = first[first > 0], second[first > 0]
    whole = explained([0], first) + explained(first, second) + explained(second, [bins])
    return code < first[whole.argmax(axis=1)][:, None]


def _onset(x, peak, fs):
    """Sample of the onset: the last flat one before the steepest rise to the peak.

    Flat is the lowest of three natural classes of the slope over the 100 ms before the peak.
    """
    length = round(0.1 * fs)
    slope = _slope_of_spike(_from(x, peak - length, length), fs)
    rising = np.arange(length) >= slope.argmax(axis=1)[:, None]
    flat = _lowest_class(slope, 3) & ~rising
    return np.where(flat.any(axis=1), peak - length + length - 1 - flat[:, ::-1].argmax(axis=1), -1)


def _end(x, trough, fs):
    """Sample of the spike's end: the first flat one after the steepest recovery from the trough.

    Flat is the lower of two natural classes of the slope over the 30 ms after the trough, less 2 ms at both
    ends.
    """
    length, edge = round(0.03 * fs), round(0.002 * fs)
    slope = _slope_of_spike(_from(x, trough, length), fs)[:, edge : length - edge]
    recovered = np.arange(slope.shape[1]) > slope.argmax(axis=1)[:, None]
    flat = _lowest_class(slope, 2) & recovered
    return np.where(flat.any(axis=1), trough + edge + flat.argmax(axis=1), -1)


def _falling_crossing(x, peak, trough, height, fs):
    """Sample, interpolated, where each row falls through `height` between peak and trough; else NaN."""
    piece = _from(x, peak, round(0.032 * fs))
    below = (piece <= height[:, None]) & (np.arange(piece.shape[1]) <= (trough - peak)[:, None])
    at = np.maximum(below.argmax(axis=1), 1)
    rows = np.arange(len(x))
    upper, lower = piece[rows, at - 1], piece[rows, at]
    with np.errstate(invalid="ignore", divide="ignore"):
        place = peak + at - (height - lower) / (upper - lower)
    return np.where(below.any(axis=1) & (upper > lower), place, np.nan)


def _first_true(mask, default):
    return np.where(mask.any(axis=1), mask.argmax(axis=1), default)


class _Slow(NamedTuple):
    """The trace without its fast part: 2 ms means, 100 ms polynomials of order 3."""

    value: np.ndarray  # (row, block)
    size: int  # samples a block

    def at(self, sample):
        """Value at samples (row,)."""
        block = np.clip(sample // self.size, 0, self.value.shape[1] - 1).astype(np.int64)
        return self.value[np.arange(len(self.value)), block]


def _dip(x, peak, fs):
    """Sample of the dip of each row, -1 if the search meets no minimum, and the slow trace it was found on.

    The smallest value between 60 ms after the peak and 40 ms before the next spike or the window's end.
    """
    size = max(1, round(0.002 * fs))
    slow = _block_means(x, size)
    slow = _Slow(sps.savgol_filter(slow, 2 * round(0.05 * fs / size) - 1, 3, axis=1), size)
    sample = np.arange(x.shape[1])
    top = x[np.arange(len(x)), peak]
    again = (x > 0.7 * top[:, None]) & (sample > (peak + round(0.06 * fs))[:, None])
    stop = (_first_true(again, x.shape[1]) - round(0.04 * fs)) // size
    start = (peak + round(0.06 * fs)) // size + 1
    block = np.arange(slow.value.shape[1])
    search = (block >= start[:, None]) & (block < stop[:, None])
    lowest = np.where(search, slow.value, np.inf).argmin(axis=1)
    inner = (lowest > start) & (lowest < np.minimum(stop, block.size) - 1) & search.any(axis=1)
    return np.where(inner, lowest * size + size // 2, -1), slow


def _slope_after(slow, dip, fs):
    """Slope (per s) of a straight line through 200 ms of the slow trace after the dip; NaN past its end."""
    length = round(0.2 * fs / slow.size)
    piece = _from(slow.value, dip // slow.size, length)
    time = np.arange(length) * slow.size / fs
    time = time - time.mean()
    inside = dip // slow.size + length <= slow.value.shape[1]
    return np.where(inside, piece @ time / (time @ time), np.nan)


def _residual_deviation(x, fs):
    """Standard deviation of the last 0.6 s of each row about a cubic."""
    tail = x[:, -round(0.6 * fs) :]
    cubic = np.linalg.qr(np.vander(np.linspace(-1, 1, tail.shape[1]), 4))[0]
    return (tail - (tail @ cubic) @ cubic.T).std(axis=1)


def _landmarks(x, fs):
    """Samples and values of the landmarks, dict name -> (row,), and what is wrong: '' where nothing is."""
    rows = np.arange(len(x))
    distance = max(1, round(0.004 * fs))
    peak = _last_extreme(x[:, : round(0.28 * fs)], 0.6, distance)
    reason = np.where(peak < 0, "no positive spike in the first 0.28 s", "").astype("<U64")
    peak = np.maximum(peak, 0)
    after = _from(x, peak, round(0.03 * fs))
    step = _last_extreme(-after, 0.6, distance)
    trough = peak + np.where(step < 0, after.argmin(axis=1), step)
    trough = np.minimum(trough, x.shape[1] - 1)
    onset, end = _onset(x, peak, fs), _end(x, trough, fs)
    dip, slow = _dip(x, peak, fs)
    at = {"onset": onset, "peak": peak, "trough": trough, "end": end, "dip": dip}
    value = {name: x[rows, np.clip(sample, 0, x.shape[1] - 1)] for name, sample in at.items()}
    value["dip"] = slow.at(dip)
    for name, of in (("fall1", "onset"), ("fall2", "end")):
        at[name], value[name] = _falling_crossing(x, peak, trough, value[of], fs), value[of]
    for text, bad in (
        ("no onset before the spike", onset < 0),
        ("no end of the spike within 30 ms of its trough", end < 0),
        ("no dip after the spike: the smallest value is at the border of the search", dip < 0),
        ("the spike does not rise above its onset (v1)", value["peak"] <= value["onset"]),
        ("the spike's end is not above its trough (v2)", value["end"] <= value["trough"]),
        ("the dip is not below the spike's end (vd)", value["end"] <= value["dip"]),
    ):
        reason = np.where((reason == "") & bad, text, reason)
    return at, value, slow, reason


def _features(x, fs):
    """Columns of `eap_features` for rows without missing samples."""
    x = x - x[:, : max(1, round(0.02 * fs))].mean(axis=1, keepdims=True)
    at, value, slow, reason = _landmarks(x, fs)
    noise = _residual_deviation(x, fs)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = value["peak"] / noise
    reason = np.where((reason == "") & ~(ratio >= 5), "the spike is below five times the noise", reason)
    unit = 60 * x[:, round(0.23 * fs) : round(0.27 * fs)].std(axis=1)
    ms = {name: sample * 1000 / fs for name, sample in at.items()}
    later = at["end"] + round(0.02 * fs)
    with np.errstate(divide="ignore", invalid="ignore"):
        unit = np.where(unit > 0, unit, np.nan)
        v1, v2 = value["peak"] - value["onset"], value["end"] - value["trough"]
        vd = value["end"] - value["dip"]
        dr = np.where(at["dip"] > later, (slow.at(later) - value["dip"]) * fs / (at["dip"] - later), np.nan)
        ir = _slope_after(slow, at["dip"], fs)
        columns = {
            "t1": ms["fall1"] - ms["onset"],
            "t2": ms["end"] - ms["fall2"],
            "ts": ms["end"] - ms["onset"],
            "td": ms["dip"] - ms["end"],
            "t_total": ms["dip"] - ms["onset"],
            "t1_alt": ms["peak"] - ms["onset"],
            "t2_alt": ms["end"] - ms["trough"],
            "ts_alt": ms["trough"] - ms["onset"],
            "v1": v1,
            "v2": v2,
            "vd": vd,
            "v1_normalised": v1 / unit,
            "v2_normalised": v2 / unit,
            "vd_normalised": vd / unit,
            "v1_v2": v1 / v2,
            "vd_v1": vd / v1,
            "vd_v2": vd / v2,
            "dr": dr,
            "dr_normalised": dr / unit,
            "ir": ir,
            "ir_normalised": ir / unit,
            "s_n": ratio,
        }
    columns |= {f"{name}_time": ms[name] for name in _LANDMARKS}
    columns |= {f"{name}_value": value[name] for name in _LANDMARKS}
    return columns, reason


def eap_features(x, fs):
    """Features of extracellular action potentials (eAP) and the points between which they are measured.

    A biphasic spike (onset, peak, trough, end) is followed by a slow decay to the dip that repolarisation
    leaves. Definitions are those of the nanoelectrode studies (`FEATURES`), in ms and mV throughout, with
    four points made definite: the onset is the last flat sample *before the steepest rise*, the end the first
    flat one *after the steepest recovery* (at the peak and the trough themselves the slope is flat as well);
    flat is the lowest natural class of the slope over 100 ms, not over all that the window holds before the
    peak; the slow trace is made on 2 ms means.

    Parameters
    ----------
    x : (beat, n) array_like
        Windows in mV, one beat a row, the spike within the first 0.28 s, 0.7 s or longer.
    fs : float
        Sampling rate (Hz), 1,000 or more.

    Returns
    -------
    pandas.DataFrame
        One row a beat, float64: the columns of `FEATURES`; for drawing, the landmarks ``onset``, ``peak``,
        ``fall1`` (falling through the onset's height), ``trough``, ``fall2`` (through the end's height),
        ``end`` and ``dip``, each with ``_time`` (ms from the first sample) and ``_value`` (mV; the mean of
        the first 20 ms is 0); and ``reason``, text, '' for a valid beat. An invalid beat is NaN throughout. A
        single feature of a valid beat is NaN where the window does not hold what it needs (`ir`, 200 ms after
        the dip) or a divisor is 0. ``attrs["units"]`` maps every column to its unit.

    Raises
    ------
    ValueError
        The sampling rate is too low, the windows are too short, or the spans cannot be mV.
    """
    import pandas as pd

    x = np.asarray(x, float)
    if x.ndim != 2:
        raise ValueError(f"windows (beat, n) are needed, not {x.shape}")
    if not fs >= 1000:
        raise ValueError(f"a spike of a few ms needs a sampling rate of 1000 Hz or more, not {fs:g}: is it in Hz?")
    if not 0.7 <= x.shape[1] / fs <= 60:
        raise ValueError(f"a window of {x.shape[1] / fs:g} s cannot hold an eAP: 0.7 to 60 s are needed")
    landmarks = [f"{name}_{what}" for what in ("time", "value") for name in _LANDMARKS]
    table = np.full((len(x), len(FEATURES) + len(landmarks)), np.nan)
    finite = np.isfinite(x).all(axis=1)
    flat = finite & (np.ptp(np.where(finite[:, None], x, 0), axis=1) <= 0)
    reason = np.where(finite, np.where(flat, Reason.FLAT.text, ""), Reason.MISSING.text).astype("<U80")
    fine = np.flatnonzero(finite & ~flat)
    if fine.size:
        check_millivolt(x[fine], "eap")
    for rows in np.split(fine, np.arange(_CHUNK, fine.size, _CHUNK)) if fine.size else []:
        columns, why = _features(x[rows], fs)
        reason[rows] = why
        table[rows] = np.where((why == "")[:, None], np.stack(list(columns.values()), axis=1), np.nan)
    frame = pd.DataFrame(table, columns=[*FEATURES, *landmarks]).assign(reason=reason)
    frame.attrs["units"] = {name: unit for name, (unit, _) in FEATURES.items()} | {
        name: "ms" if name.endswith("time") else "mV" for name in landmarks
    }
    return frame
