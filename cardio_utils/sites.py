"""Neighbouring electrodes of one syncytium: their beats, how alike they are, the wave between them, resealing.

The beats of a recording are detected once, from all its sites together, and every site is then measured at its own
upstroke. A pair of sites is one observation, however many beats it holds, and pairs that share a site are not
independent: intervals come from resampled sites. Introduced in chapter 02.

References
----------
Snijders TAB, Borgatti SP (1999) Connections 22:161-170 (resampling the vertices of a network).
Bayly PV et al. (1998) IEEE Trans Biomed Eng 45:563-571 (conduction velocity from a surface fitted to activation times).
Fromherz P (2003) in: Nanoelectronics and Information Technology, Wiley-VCH, 781-810 (the junction as a divider).
"""

from __future__ import annotations

import warnings
import zlib
from typing import NamedTuple

import numpy as np
import pandas as pd
import xarray as xr
from scipy import stats

from cardio_utils import action_potential as ap
from cardio_utils import signals
from cardio_utils.agreement import waveform_agreement
from cardio_utils.data.nea_files import PITCH
from cardio_utils.evaluation import LEVEL, Estimate

__all__ = [
    "BAND",
    "Resealing",
    "Wave",
    "against_others",
    "beats",
    "common_beats",
    "from_channels",
    "mean_over_pairs",
    "pair_table",
    "plane_wave",
    "position",
    "resealing",
    "segment",
    "similarity",
]

BAND = 156.25
"""Upper end (Hz) of what is read as signal at 5 kHz, by the originals; their filter "a"."""

_RATE = 500.0  # Hz: of waveforms that are compared; they have nothing above BAND
_BEFORE, _AFTER = 0.2, 1.4  # s: the window of the originals around a beat
_STEP = (-0.06, -0.01), (0.02, 0.07)  # s from the upstroke: between their means lies the amplitude of a beat


def position(electrode, pitch=PITCH):
    """Where electrodes are, from labels that hold column and row.

    Parameters
    ----------
    electrode : (n,) array_like of str
        Labels of two digits, such as "23" for column 2, row 3.
    pitch : float
        Distance of neighbouring electrodes (mm).

    Returns
    -------
    (n, 2) float64
        x and y (mm).

    Raises
    ------
    ValueError
        A label is not of that form.
    """
    labels = [str(label) for label in np.asarray(electrode).ravel().tolist()]
    if wrong := [label for label in labels if not (len(label) == 2 and label.isascii() and label.isdigit())]:
        raise ValueError(f"electrode {wrong[0]!r}: a label is a column and a row, two digits such as '23'")
    return pitch * np.array([[int(column), int(row)] for column, row in labels], float).reshape(-1, 2)


def segment(times, pulses):
    """Which poration came last: 0 before the first pulse, 1 after it, and so on; (n,) int64 for times (s)."""
    return np.searchsorted(np.sort(np.asarray(pulses, float)), np.asarray(times, float), side="right")


def common_beats(x, fs, pulses=(), quiet=10.0):
    """Beats of a recording, found once for all its sites.

    Each site is scaled by its usual span, so that none outweighs the others, and the beats are those of the median
    over the sites (`action_potential.find_beats`), which no single bad site moves. The sites share the pacing: what
    sets them apart is a few ms.

    Parameters
    ----------
    x : (site, n) array_like
        Recording, any unit.
    fs : float
        Sampling rate (Hz).
    pulses : sequence of float
        Times of poration pulses (s from the first sample).
    quiet : float
        Beats closer than this to a pulse are left out, and so are those before the first (s; the originals' 10 s).

    Returns
    -------
    (k,) int64
        Samples, ascending.

    Raises
    ------
    ValueError
        No site has finite samples, or as `action_potential.find_beats`.
    """
    x = np.asarray(x)
    size = max(1, round(0.001 * fs))
    slow = x[:, : x.shape[1] // size * size].reshape(len(x), -1, size).mean(axis=2, dtype=np.float32)
    # The median over pieces of 5 s: the artefact of a pulse spoils one of many.
    pieces = np.array_split(slow, max(1, round(slow.shape[1] * size / fs / 5)), axis=1)
    span = np.median([np.ptp(piece, axis=1) for piece in pieces], axis=0)
    fine = np.isfinite(span) & (span > 0)
    if not fine.any():
        raise ValueError("no site has a signal without missing samples: there are no common beats")
    scaled = (slow[fine] - np.median(slow[fine], axis=1, keepdims=True)) / span[fine, None]
    samples = ap.find_beats(np.median(scaled, axis=0), fs / size) * size
    times, pulses = samples / fs, np.asarray(pulses, float)
    if pulses.size:
        apart = np.abs(times[:, None] - pulses).min(axis=1) >= quiet
        samples = samples[apart & (times > pulses.min())]
    return samples


class _Measured(NamedTuple):
    """Beats of one trace: arrays (beat, ...), NaN where a beat has no valid number."""

    wave: np.ndarray  # mV, at _RATE, from _BEFORE to _AFTER around the upstroke
    activation: np.ndarray  # ms after the sample of the common beat
    amplitude: np.ndarray  # mV
    apd: np.ndarray  # ms, (beat, level)
    reason: np.ndarray  # of each level


def _measure(x, fs, samples, levels):
    """Beats of one trace (n,) at the samples of the common beats, which all lie inside it."""
    smooth = signals.lowpass(x, fs, BAND, order=3)
    windows, _ = ap.cut_beats(smooth, fs, samples, before=_BEFORE, after=_AFTER)
    rise = ap.upstroke(windows, fs).time - 1000 * _BEFORE
    rise[np.abs(rise) > 50] = np.nan  # another upstroke than the common one
    durations = ap.apd(windows, fs, levels)
    at = np.where(np.isnan(rise), 0, rise) / 1000 + samples / fs
    grid = np.arange(round((_BEFORE + _AFTER) * _RATE)) / _RATE - _BEFORE
    wave = signals.sample_at(smooth, fs, at[:, None] + grid, _RATE)
    low, high = (wave[:, (grid >= begin) & (grid <= end)].mean(axis=1) for begin, end in _STEP)
    gone = np.isnan(rise)
    wave[gone] = np.nan
    return _Measured(
        wave,
        rise,
        np.where(gone, np.nan, high - low),
        np.where(gone[:, None], np.nan, durations.apd),
        durations.reason,
    )


def beats(dataset, levels=(50, 90), *, quiet=10.0):
    """Beats of every site, measured at each site's own upstroke.

    Traces are low-passed at `BAND` (zero phase). Site and truth are measured alike.

    Parameters
    ----------
    dataset : xarray.Dataset
        Part 'neighbours' of `data.nea.load`, or `from_channels`: `nea` (site, time), mV, and `vm`, if it is known;
        of site: recording, electrode, x, y (mm); pulse_time (s) and pulse_recording (pulse), if there were any.
    levels : sequence of float
        Of the durations (%).
    quiet : float
        As for `common_beats`.

    Returns
    -------
    xarray.Dataset
        Dims sensor ('nea' and, where the truth is known, 'vm'), site, beat (padded with NaN to the longest
        recording), level, time (s from the upstroke, 500 Hz). `wave` (sensor, site, beat, time), float32, mV;
        `activation` (sensor, site, beat), ms after the median site; `amplitude` (sensor, site, beat), mV,
        the step from the mean of 10 to 60 ms before the upstroke to that of 20 to 70 ms after it; `apd` (sensor,
        site, beat, level), ms; `reason`, of the same dims, int8 (`action_potential.Reason`; -1 for padding); `snr`
        (sensor, site, beat), true dB; `beat_time` (site, beat), s; `segment` (site, beat), which poration came last,
        -1 for padding. Coordinates of site are kept.

    Raises
    ------
    ValueError
        A recording has no beats whose windows it holds, or samples are missing before its end.
    """
    fs = float(dataset.attrs["fs"])
    begin = float(dataset["time"].values[0])
    names = dataset["recording"].values
    sensors = [name for name in ("nea", "vm") if name in dataset]
    found = {}
    for name in dict.fromkeys(names.tolist()):
        rows, pulses = np.flatnonzero(names == name), _pulses(dataset, name)
        x = _whole(dataset["nea"].values[rows], name)
        samples = common_beats(x, fs, pulses - begin, quiet)
        inside = (samples >= _margin(_BEFORE, fs)) & (samples + _margin(_AFTER, fs) <= x.shape[1])
        if not inside.any():
            raise ValueError(f"recording {name}: none of {samples.size} beats has its whole window in the recording")
        found[name] = rows, pulses, samples[inside], x.shape[1]
    out = _empty(dataset, sensors, levels, max(samples.size for _, _, samples, _ in found.values()))
    for rows, pulses, samples, length in found.values():
        k, time = slice(samples.size), begin + samples / fs
        out["beat_time"][rows, k], out["segment"][rows, k] = time, segment(time, pulses)
        for row in rows:
            for s, sensor in enumerate(sensors):
                trace = dataset[sensor].values[row, :length]
                out["snr"][s, row, k] = ap.snr(trace, fs, samples=samples, before=_BEFORE, after=_AFTER)
                measured = _measure(trace, fs, samples, levels)
                for key, values in measured._asdict().items():
                    out[key][s, row, k] = values
        out["activation"][:, rows, k] -= _median(out["activation"][:, rows, k], axis=1)
    return _labelled(dataset, sensors, levels, out)


def _whole(x, name):
    """The traces (site, n) of a recording without the padding behind their end."""
    finite = np.isfinite(x).all(axis=0)
    length = finite.size - int(finite[::-1].argmax())
    if not finite[:length].all():
        raise ValueError(
            f"recording {name}: {int((~finite[:length]).sum())} samples are missing in some site; interpolate them, "
            "or leave the site out"
        )
    return x[:, :length]


def _median(x, axis):
    """Median without NaN, NaN where there is nothing else; keeps the axis."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return np.nanmedian(x, axis=axis, keepdims=True)


def _margin(seconds, fs):
    """Samples that a window and the 50 ms by which a site may differ from the common beat need."""
    return round((seconds + 0.05) * fs) + 1


def _pulses(dataset, name):
    if "pulse_time" not in dataset.coords:
        return np.empty(0)
    return np.sort(dataset["pulse_time"].values[dataset["pulse_recording"].values == name])


def _empty(dataset, sensors, levels, n):
    """Arrays of the variables of `beats`, all NaN or -1."""
    sites, times = dataset.sizes["site"], round((_BEFORE + _AFTER) * _RATE)
    shape = len(sensors), sites, n
    nan = {"activation": shape, "amplitude": shape, "apd": (*shape, len(levels)), "snr": shape}
    out = {key: np.full(size, np.nan) for key, size in (nan | {"beat_time": (sites, n)}).items()}
    out["wave"] = np.full((*shape, times), np.nan, np.float32)
    return out | {"reason": np.full((*shape, len(levels)), -1, np.int8), "segment": np.full((sites, n), -1)}


_UNITS = {"wave": "mV", "activation": "ms", "amplitude": "mV", "apd": "ms", "snr": "dB", "beat_time": "s"}


def _labelled(dataset, sensors, levels, out):
    dims = {key: ("sensor", "site", "beat") for key in out} | {
        "wave": ("sensor", "site", "beat", "time"),
        "apd": ("sensor", "site", "beat", "level"),
        "reason": ("sensor", "site", "beat", "level"),
        **dict.fromkeys(("beat_time", "segment"), ("site", "beat")),
    }
    variables = {key: (dims[key], x, {"units": _UNITS[key]} if key in _UNITS else {}) for key, x in out.items()}
    coords = {name: c for name, c in dataset.coords.items() if c.dims == ("site",)}
    time = np.arange(out["wave"].shape[-1]) / _RATE - _BEFORE
    coords |= {"sensor": sensors, "level": list(levels), "time": ("time", time, {"units": "s"})}
    attrs = {key: dataset.attrs[key] for key in ("source", "licence", "citation", "groups") if key in dataset.attrs}
    return xr.Dataset(variables, coords, attrs | {"fs": _RATE})


def similarity(measured, sensor="nea", far=3):
    """How alike each beat is at each pair of sites of a recording.

    Parameters
    ----------
    measured : xarray.Dataset
        Of `beats`.
    sensor : {'nea', 'vm'}
        What the electrodes saw, or the truth at their places.
    far : int
        From so many steps of the grid on a pair is far.

    Returns
    -------
    xarray.Dataset
        Dims pair, beat, level. `mae`, `r`, `r2` (pair, beat) of the waveforms, each at its own upstroke
        (`agreement.waveform_agreement`); `delay` (pair, beat), ms, second - first; `difference` (pair, beat, level) of
        the durations, ms, second - first; `snr` (pair, beat), dB, of the worse nanoelectrode, also for the truth.
        Coordinates of pair: recording, first, second (positions in `measured`), distance (mm), steps (of the grid,
        the larger of columns and rows), and three groups that overlap: neighbour (one step, also diagonal),
        consecutive (channels that follow each other, the originals' rule), far. Without positions distance and steps
        are NaN, and no pair is a neighbour or far.

    Raises
    ------
    ValueError
        No recording has two sites.
    """
    about = _pair_sites(measured, far)
    s = measured["sensor"].values.tolist().index(sensor)
    wave, activation, apd = (measured[name].values[s] for name in ("wave", "activation", "apd"))
    snr = measured["snr"].sel(sensor="nea").values
    shape = len(about), measured.sizes["beat"]
    alike = {key: np.full(shape, np.nan) for key in ("mae", "r", "r2")}
    i, j = about["first"].to_numpy(), about["second"].to_numpy()
    for row, (a, b) in enumerate(zip(i, j, strict=True)):
        both = np.flatnonzero(np.isfinite(activation[a]) & np.isfinite(activation[b]))
        for key, values in waveform_agreement(wave[b, both], wave[a, both])._asdict().items():
            alike[key][row, both] = values
    variables = {key: (("pair", "beat"), values) for key, values in alike.items()}
    variables["delay"] = ("pair", "beat"), activation[j] - activation[i], {"units": "ms"}
    variables["difference"] = ("pair", "beat", "level"), apd[j] - apd[i], {"units": "ms"}
    variables["snr"] = ("pair", "beat"), np.minimum(snr[i], snr[j]), {"units": "dB"}
    coords = {name: ("pair", column.to_numpy()) for name, column in about.items()}
    return xr.Dataset(variables, coords | {"level": measured["level"].values}, {"sensor": sensor, **measured.attrs})


def _pair_sites(measured, far):
    """One row a pair of sites of one recording: which they are, how far apart, and its groups."""
    recording = measured["recording"].values
    i, j = np.triu_indices(recording.size, 1)
    same = recording[i] == recording[j]
    if not same.any():
        raise ValueError("no recording has two sites: there are no pairs")
    i, j = i[same], j[same]
    known = {"x", "y"} <= set(measured.coords)
    at = np.stack([measured["x"].values, measured["y"].values] if known else np.full((2, recording.size), np.nan), 1)
    apart = at[j] - at[i]
    order = np.concatenate([np.arange((recording == name).sum()) for name in dict.fromkeys(recording.tolist())])
    channel = measured["channel"].values if "channel" in measured.coords else order
    steps = np.round(np.abs(apart).max(axis=1) / PITCH)
    columns = {"recording": recording[i], "first": i, "second": j, "distance": np.hypot(*apart.T), "steps": steps}
    groups = {"neighbour": steps == 1, "consecutive": np.abs(channel[j] - channel[i]) == 1, "far": steps >= far}
    return pd.DataFrame(columns | groups)


def pair_table(alike, gate=-np.inf, least=10):
    """One row a pair: means over the beats that pass a gate of signal quality.

    Parameters
    ----------
    alike : xarray.Dataset
        Of `similarity`.
    gate : float
        Least SNR (true dB) of the worse site of the pair; a beat without one does not pass.
    least : int
        Beats that a pair needs; it is NaN with fewer.

    Returns
    -------
    DataFrame
        The coordinates of pairs; `beats` (that passed), `snr` (mean), `mae`, `r`, `r2` (means), `delay` (median, ms),
        and for each level, such as 50, `apd50` (mean absolute difference, ms) and `bias50` (mean difference, ms).
    """
    passed = (alike["snr"] >= gate) & alike["mae"].notnull()
    table = pd.DataFrame({name: c.values for name, c in alike.coords.items() if c.dims == ("pair",)})
    table["beats"] = passed.sum("beat").values
    kept = alike.where(passed)
    for name in ("snr", "mae", "r", "r2"):
        table[name] = kept[name].mean("beat").values
    table["delay"] = kept["delay"].median("beat").values
    for level in alike["level"].values:
        difference = kept["difference"].sel(level=level)
        table[f"apd{level:g}"] = np.abs(difference).mean("beat").values
        table[f"bias{level:g}"] = difference.mean("beat").values
    table.loc[table["beats"] < least, table.columns[table.columns.get_loc("beats") + 1 :]] = np.nan
    return table


def against_others(measured, scope="recording", sensor="nea"):
    """How far each site is from a guess that has not seen it.

    Parameters
    ----------
    measured : xarray.Dataset
        Of `beats`.
    scope : {'recording', 'elsewhere'}
        The guess: the mean, beat by beat, of the other sites of the recording; or the mean of all beats of the other
        recordings. Waveforms are scaled from 0 to 1 before they are averaged.
    sensor : {'nea', 'vm'}

    Returns
    -------
    DataFrame
        One row a site: recording, site (position), and means over its beats: `mae`, `r`, `r2` of the waveforms, and for
        each level the absolute error, such as `apd50` (ms).

    Raises
    ------
    ValueError
        The scope is unknown, or there is no other site or recording to average.
    """
    if scope not in ("recording", "elsewhere"):
        raise ValueError(f"scope {scope!r} is neither 'recording' nor 'elsewhere'")
    recording = measured["recording"].values
    one = measured.sel(sensor=sensor)
    wave, apd = ap.scale(one["wave"].values, convention="minmax"), one["apd"].values
    rows = []
    for site, name in enumerate(recording):
        others = (
            recording != name if scope == "elsewhere" else (recording == name) & (np.arange(recording.size) != site)
        )
        if not others.any():
            raise ValueError(f"site {site} of {name} has no other {'site' if scope == 'recording' else 'recording'}")
        axis = (0, 1) if scope == "elsewhere" else 0
        guess, duration = (_mean(values[others], axis) for values in (wave, apd))
        alike = waveform_agreement(wave[site], guess)
        row = {"recording": name, "site": site} | {key: np.nanmean(v) for key, v in alike._asdict().items()}
        error = np.nanmean(np.abs(apd[site] - duration), axis=0)
        rows.append(row | {f"apd{level:g}": e for level, e in zip(measured["level"].values, error, strict=True)})
    return pd.DataFrame(rows)


def _mean(x, axis):
    """Mean without NaN, NaN where there is nothing else."""
    n = np.isfinite(x).sum(axis=axis)
    with np.errstate(invalid="ignore"):
        return np.nansum(x, axis=axis) / np.where(n > 0, n, np.nan)


def mean_over_pairs(values, table, where=None, n_resamples=1000, seed=0):
    """Mean over pairs of sites, with an interval from resampled sites.

    Pairs that share a site are not independent, so sites are drawn with replacement within each recording and a pair
    counts as often as both of its sites were drawn together (Snijders and Borgatti 1999; a site drawn twice makes no
    pair with itself). All means over pairs of one table share their draws: their difference is paired.

    Parameters
    ----------
    values : (n,) array_like
        One a pair; NaN is left out.
    table : DataFrame
        Of `pair_table`: recording, first and second of all pairs.
    where : (n,) array_like of bool, optional
        Pairs that count; default all.
    n_resamples, seed : int

    Returns
    -------
    evaluation.Estimate
        `n` is the number of sites that the counted pairs have.

    Raises
    ------
    ValueError
        Unequal lengths, or no pair with a finite value.
    """
    values = np.asarray(values, float)
    if values.shape != (len(table),):
        raise ValueError(f"one value a pair is needed: {values.shape} values for {len(table)} pairs")
    fine = np.isfinite(values) & (True if where is None else np.asarray(where, bool))
    if not fine.any():
        raise ValueError("no pair has a finite value: there is nothing to average")
    sites, code = np.unique(table[["first", "second"]].to_numpy(), return_inverse=True)
    code = code.reshape(-1, 2)
    recording = np.empty(sites.size, object)
    recording[code.ravel()] = np.repeat(table["recording"].to_numpy(), 2)
    drawn = np.zeros((n_resamples, sites.size))
    rng = np.random.default_rng(seed)
    for name in sorted(set(recording)):
        own = np.flatnonzero(recording == name)
        counts = rng.multinomial(own.size, np.full(own.size, 1 / own.size), n_resamples)
        drawn[:, own] = counts
    weight = drawn[:, code[fine, 0]] * drawn[:, code[fine, 1]]
    with np.errstate(invalid="ignore"):
        replicates = weight @ values[fine] / weight.sum(axis=1)
    low, high = np.nanquantile(replicates, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    about = f"{len(sites)} sites {zlib.crc32(sites.tobytes())}, {n_resamples}, seed {seed}"
    n = np.unique(code[fine]).size
    return Estimate(float(values[fine].mean()), float(low), float(high), n, replicates, about)


class Wave(NamedTuple):
    """A plane wave of excitation.

    Attributes
    ----------
    speed : float
        m/s (mm/ms).
    direction : float
        Degrees, counter-clockwise from the direction of x, into which it travels.
    start : float
        ms, when it passes x = y = 0.
    residual : float
        Root mean square of what the plane leaves unexplained, ms.
    """

    speed: float
    direction: float
    start: float
    residual: float


def plane_wave(place, time):
    """The plane wave that fits activation times best, by least squares (Bayly 1998, order one).

    The slowness, time over distance, is what is linear in the data: ``time = start + slowness . place``, and the speed
    is one over its length. A pair of sites alone cannot give it: along a wave front two sites fire together.

    Parameters
    ----------
    place : (n, 2) array_like
        x and y, mm.
    time : (n,) array_like
        Activation, ms.

    Returns
    -------
    Wave

    Raises
    ------
    ValueError
        Fewer than three sites that are not on one line, or a site has no finite time.
    """
    place, time = np.asarray(place, float), np.asarray(time, float)
    design = np.column_stack([np.ones(len(place)), place])
    if not (np.isfinite(design).all() and np.isfinite(time).all()):
        raise ValueError("a place or a time is missing")
    if np.linalg.matrix_rank(design, tol=1e-6) < 3:
        raise ValueError("three sites that are not on one line are needed for a speed and a direction")
    (start, *slowness), *_ = np.linalg.lstsq(design, time, rcond=None)
    misfit = time - design @ [start, *slowness]
    size = np.hypot(*slowness)
    with np.errstate(divide="ignore"):
        speed = float(np.divide(1, size))
    return Wave(speed, float(np.degrees(np.arctan2(*slowness[::-1]))), float(start), float(np.sqrt(np.mean(misfit**2))))


class Resealing(NamedTuple):
    """How fast the pores of a site close.

    Attributes
    ----------
    tau : float
        Time constant, s: the geometric mean over segments.
    low, high : float
        95 % interval from the spread between segments (Student's t of the logarithms); NaN with one segment.
    segments : (k,) float64
        Time constant after each poration, s; NaN where the amplitude did not fall, or too few beats are left.
    fitted : (n,) float64
        Amplitude of each beat on the fitted curves, mV; NaN in segments without one.
    """

    tau: float
    low: float
    high: float
    segments: np.ndarray
    fitted: np.ndarray


def resealing(time, amplitude, segments, span=100.0, least=10):
    """Time constant of resealing of one site, from the amplitude of its beats.

    Seal Rs and pores Rp divide the action potential: ``A = S Rs / (Rs + Rp)``, with S its amplitude inside the cell.
    The conductance of the pores falls exponentially, ``1 / Rp ~ exp(-t / tau)``, so ``log(A / (S - A))`` is a straight
    line in time with the slope -1 / tau, whatever Rs is; log A is one only while Rp is much larger than Rs. Each
    segment between porations is fitted alone, beats weighted by the square of A (equal noise of the amplitudes). Beats
    of a segment are not independent, segments nearly are: these make the interval.

    Parameters
    ----------
    time, amplitude : (n,) array_like
        Of the beats of one site: s, and mV, NaN or below 0 where there is none.
    segments : (n,) array_like of int
        Which poration came last; segment 0, before the first, and padding are left out.
    span : float
        S, mV. About 100 for an action potential; infinite for the plain exponential.
    least : int
        Beats that a segment needs.

    Returns
    -------
    Resealing
        All NaN where no segment has a decay.
    """
    time, amplitude, segments = np.asarray(time, float), np.asarray(amplitude, float), np.asarray(segments)
    fine = np.isfinite(time) & (amplitude > 0) & (amplitude < span) & (segments > 0)
    names = np.unique(segments[segments > 0])
    taus, fitted = np.full(names.size, np.nan), np.full(time.size, np.nan)
    for k, name in enumerate(names):
        rows = fine & (segments == name)
        if rows.sum() < least:
            continue
        t, a = time[rows], amplitude[rows]
        line = np.polyfit(t - t.mean(), np.log(a) - np.log1p(-a / span), 1, w=a)
        if line[0] < 0:
            taus[k] = -1 / line[0]
            ratio = np.exp(np.polyval(line, t - t.mean()))
            fitted[rows] = ratio / (1 + ratio / span)
    logs = np.log(taus[np.isfinite(taus)])
    if logs.size == 0:
        return Resealing(np.nan, np.nan, np.nan, taus, fitted)
    error = logs.std(ddof=1) / np.sqrt(logs.size) if logs.size > 1 else np.nan
    side = error * stats.t.ppf((1 + LEVEL) / 2, logs.size - 1)
    return Resealing(*np.exp(logs.mean() + np.array([0, -side, side])).tolist(), taus, fitted)


def from_channels(traces, electrodes=None):
    """The data set that `beats` takes, from channels of a recording of one's own.

    Parameters
    ----------
    traces : sequence of xarray.Dataset
        One a channel, of `data.traces.read`: `trace` (time), mV.
    electrodes : sequence of str, optional
        Label of the electrode of each channel, column and row (`position`).

    Returns
    -------
    xarray.Dataset
        `nea` (site, time), mV, with the coordinates recording, channel, electrode, and x, y (mm) where electrodes are
        named; no pulses.

    Raises
    ------
    ValueError
        Fewer than two channels, unequal lengths or rates, a unit other than mV, or not one label a channel.
    """
    if len(traces) < 2:
        raise ValueError(f"{len(traces)} channel(s): neighbours need at least two; is the right number asked for?")
    about = {(trace.sizes["time"], float(trace.attrs["fs"]), trace["trace"].attrs["units"]) for trace in traces}
    if len(about) > 1:
        raise ValueError(f"channels differ in length, rate or unit: {sorted(about)}")
    ((_, fs, unit),) = about
    if unit != "mV":
        raise ValueError(f"the traces are in {unit}: voltages are needed to compare amplitudes")
    if electrodes is not None and len(electrodes) != len(traces):
        raise ValueError(f"{len(electrodes)} labels of electrodes for {len(traces)} channels")
    rows = np.stack([trace["trace"].values for trace in traces])
    number = np.arange(len(traces))
    coords = {
        "recording": ("site", np.full(len(traces), str(traces[0].attrs["recording"]))),
        "channel": ("site", number),
        "electrode": ("site", [f"channel {k}" for k in number] if electrodes is None else list(electrodes)),
        "time": traces[0]["time"],
    }
    if electrodes is not None:
        x, y = position(electrodes).T
        coords |= {"x": ("site", x, {"units": "mm"}), "y": ("site", y, {"units": "mm"})}
    return xr.Dataset({"nea": (("site", "time"), rows, {"units": "mV"})}, coords, dict(traces[0].attrs) | {"fs": fs})
