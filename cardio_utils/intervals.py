"""How sure is a reconstructed action potential: bands around waveforms, intervals of durations, and their coverage.

A network gives three curves, 5 %, 50 % and 95 % at each time. What it gives is calibrated on recordings that it has
not seen, by phase of the beat, and every recording counts the same. Durations get their intervals from whole
waveforms that are drawn within the band, not from its edges: the duration of a quantile curve is no quantile of the
duration. Introduced in chapter 05.

References
----------
Koenker R, Bassett G (1978) Econometrica 46:33-50 (quantile loss). Romano Y, Patterson E, Candes E (2019) NeurIPS
(conformalised quantile regression). Sesia M, Candes E (2020) Stat 9:e261 (scores relative to the width). Dunn R,
Wasserman L, Ramdas A (2023) J Am Stat Assoc 118:2491-2502 (groups). Clark M et al. (2004) J Hydrometeorol 5:243-262
(whole past errors as a pattern in time).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from cardio_utils import action_potential as ap
from cardio_utils import reconstruction
from cardio_utils.reconstruction import FS, LEVELS, QUANTILES

__all__ = [
    "PHASES",
    "Band",
    "Errors",
    "band_coverage",
    "calibrate",
    "calibrate_durations",
    "constant_band",
    "curve_intervals",
    "draw",
    "duration_coverage",
    "duration_intervals",
    "durations",
    "phases",
    "predict",
    "relative_errors",
    "widen",
]

PHASES = ("rest", "upstroke", "plateau", "repolarisation")
"""Names of the codes that `phases` gives."""

_AROUND = (0.012, 0.018)  # s before and after the steepest rise that count as upstroke
_LONGER = 0.1  # of APD90: by how much the phase of repolarisation outlasts it, since a beat may do so
_THINNEST = 0.004  # of a beat's height: half a band is no thinner, so that a width never divides by zero
_EVERY = 5  # samples: neighbours say the same, and calibration needs no more
_POSSIBLE = (-0.2, 1.15)  # of a beat's height: where a drawn waveform may lie
_OWN_TIME = np.linspace(-0.12, 1.6, 173)  # of a beat: 0 at its upstroke, 1 at its APD90


def predict(networks, wave):
    """Three curves (beat, 3, time) of a network, or the mean of those of several."""
    networks = networks if isinstance(networks, (list, tuple)) else [networks]
    curves = [reconstruction.predict(network, wave) for network in networks]
    return np.mean(curves, axis=0)


# Bands


def constant_band(prediction, usual, seen):
    """Curves of a model without quantiles: its waveform, and the 5 % and 95 % of its errors at each time.

    Parameters
    ----------
    prediction : (beat, time) array_like
        For the beats that get a band.
    usual : (row, time) array_like
        Predictions for beats whose iAP is known.
    seen : reconstruction.Windows
        Those beats.

    Returns
    -------
    (beat, 3, time) ndarray
    """
    error = np.quantile(seen.target - usual, [QUANTILES[0], QUANTILES[-1]], axis=0)
    prediction = np.asarray(prediction)
    low, high = (prediction + end for end in (np.minimum(error[0], 0), np.maximum(error[1], 0)))
    return np.stack([low, prediction, high], axis=1).astype(np.float32)


@dataclass(frozen=True, eq=False)
class Band:
    """By how much the halves of a raw band must be multiplied in each phase to hold the share that is promised.

    Attributes
    ----------
    factor : (phase,) ndarray
        In the order of `PHASES`.
    coverage : float
        The share.
    groups : int
        Independent recordings, or preparations, behind it.
    """

    factor: np.ndarray
    coverage: float
    groups: int


def phases(curves):
    """The phase of each sample, from the predicted median alone, so that it is known for a new beat too.

    Upstroke: 12 ms before to 18 ms after the steepest rise. Plateau: from there to 40 % repolarisation.
    Repolarisation: from there until a tenth of APD90 after 90 %. Rest: before and after.

    Parameters
    ----------
    curves : (beat, 3, time) array_like
        At `reconstruction.FS`.

    Returns
    -------
    (beat, time) int8
        Positions in `PHASES`. A median that is no beat gets the moments of the other ones.
    """
    time = np.arange(np.shape(curves)[-1]) / FS
    upstroke, middle, end = _moments(np.asarray(curves)[:, 1])
    late = end + _LONGER * (end - upstroke)
    code = np.zeros((len(upstroke), time.size), np.int8)
    code[(time >= upstroke[:, None] - _AROUND[0]) & (time < late[:, None])] = PHASES.index("repolarisation")
    code[(time >= upstroke[:, None] - _AROUND[0]) & (time < middle[:, None])] = PHASES.index("plateau")
    near = (time >= upstroke[:, None] - _AROUND[0]) & (time < upstroke[:, None] + _AROUND[1])
    code[near] = PHASES.index("upstroke")
    return code


def _moments(median):
    """Steepest rise, 40 % and 90 % repolarisation (s from the start of the window) of each beat."""
    found = ap.apd(median, FS, [40, 90])
    moments = np.array([ap.upstroke(median, FS).time, *found.end.T]) / 1000
    usual = np.nanmedian(moments, axis=1) if np.isfinite(moments).all(axis=0).any() else np.array([0.1, 0.4, 0.7])
    whole = np.isfinite(moments).all(axis=0)
    return np.where(whole, moments, usual[:, None])


def _halves(curves):
    """Lower and upper half of the raw bands (beat, time)."""
    low, median, high = np.moveaxis(np.asarray(curves, float), 1, 0)
    return np.maximum(median - low, _THINNEST), np.maximum(high - median, _THINNEST)


def relative_errors(curves, target):
    """Error of the median in units of the half of the raw band that it falls into (beat, time), signed."""
    down, up = _halves(curves)
    error = np.asarray(target, float) - np.asarray(curves)[:, 1]
    return error / np.where(error < 0, down, up)


def calibrate(curves, seen, group, coverage=0.9):
    """By how much bands must be widened, learnt from recordings that the network has not seen.

    The score of a sample is its error in units of its half of the raw band (Sesia and Candes 2020). Within each phase
    of the beat the factor is the quantile of scores that `regression.conformal_margin` gives, so that a sample of a
    *new* recording is inside with the promised probability, on average over recordings and beats.

    Parameters
    ----------
    curves : (beat, 3, time) array_like
        Of networks that have not seen these beats, nor others of their groups.
    seen : reconstruction.Windows
        With targets.
    group : (beat,) array_like
        Preparations.
    coverage : float
        At most G / (G + 1) for G groups.

    Returns
    -------
    Band

    Raises
    ------
    ValueError
        Shapes do not fit, or the groups are too few for the coverage.
    """
    from cardio_utils.regression import conformal_margin

    curves, group = _checked(curves, seen, group), np.asarray(group)
    some = slice(None, None, _EVERY)
    score = np.abs(relative_errors(curves, seen.target))[:, some]
    code, names = phases(curves)[:, some], np.repeat(group[:, None], score.shape[1], axis=1)
    factor = []
    for k in range(len(PHASES)):
        mine = seen.inside[:, some] & (code == k)
        factor.append(conformal_margin(score[mine][:, None], names[mine], coverage)[0])
    return Band(np.array(factor), coverage, len(np.unique(group)))


def _checked(curves, seen, group):
    curves = np.asarray(curves)
    if curves.shape != (len(seen), len(QUANTILES), seen.wave.shape[1]) or len(group) != len(seen):
        raise ValueError(
            f"{len(seen)} windows of {seen.wave.shape[1]} samples need curves (beat, 3, time) and one group a beat, "
            f"not curves of shape {curves.shape} and {len(group)} groups"
        )
    return curves


def widen(curves, band):
    """Calibrated curves (beat, 3, time): the median stays, each half is multiplied by the factor of its phase."""
    down, up = _halves(curves)
    factor, median = band.factor[phases(curves)], np.asarray(curves)[:, 1]
    return np.stack([median - factor * down, median, median + factor * up], axis=1).astype(np.float32)


def band_coverage(curves, seen, raw=None):
    """Share of samples inside their band, and its width, of each beat and phase.

    Parameters
    ----------
    curves : (beat, 3, time) array_like
    seen : reconstruction.Windows
        With targets; what is not `inside` does not count.
    raw : (beat, 3, time) array_like, optional
        Curves whose medians say the phases; default the same.

    Returns
    -------
    DataFrame
        One row a beat and phase, and one of phase "whole": beat, recording, phase, samples, coverage, width.
    """
    curves = np.asarray(curves)
    held = (curves[:, 0] <= seen.target) & (seen.target <= curves[:, 2])
    width = curves[:, 2] - curves[:, 0]
    code = phases(curves if raw is None else raw)
    parts = {name: seen.inside & (code == k) for k, name in enumerate(PHASES)} | {"whole": seen.inside}
    tables = []
    for name, part in parts.items():
        n = part.sum(axis=1)
        with np.errstate(invalid="ignore"):
            columns = {"samples": n, "coverage": (held & part).sum(axis=1) / n, "width": (width * part).sum(axis=1) / n}
        tables.append(pd.DataFrame({"beat": np.arange(len(n)), "recording": seen.recording, "phase": name, **columns}))
    return pd.concat(tables, ignore_index=True)


# Durations


@dataclass(frozen=True, eq=False)
class Errors:
    """Errors of whole held-out beats, from which waveforms are drawn.

    Attributes
    ----------
    curve : (beat, place) float32
        `relative_errors` on the beat's own time: 0 at the predicted upstroke, 1 at the predicted APD90.
    group : (beat,) ndarray
        Preparation of each; every one counts the same.
    """

    curve: np.ndarray
    group: np.ndarray

    @classmethod
    def of(cls, curves, seen, group):
        """Those of held-out beats; parameters as for `calibrate`."""
        curves = _checked(curves, seen, group)
        error = np.where(seen.inside, relative_errors(curves, seen.target), np.nan)
        start, length = _clock(curves)
        place = (start[:, None] + _OWN_TIME * length[:, None]) * FS
        out = np.empty((len(error), _OWN_TIME.size), np.float32)
        for row, at, into in zip(error, place, out, strict=True):
            known = np.flatnonzero(np.isfinite(row))
            into[:] = np.interp(at, known, row[known])  # beyond the beat's end its last error stays
        return cls(out, np.asarray(group))


def _clock(curves):
    """Predicted upstroke and APD90 (s) of each beat: the origin and the unit of its own time."""
    upstroke, _, end = _moments(np.asarray(curves)[:, 1])
    return upstroke, np.maximum(end - upstroke, 0.05)


def draw(curves, errors, n=24, seed=0, without=None, shared=False):
    """Whole waveforms that the beat may have had: the median plus the error curves of held-out beats.

    Each error curve is one that really occurred, so that errors at different times go together as they do; it is laid
    on the beat's own time and multiplied by the beat's own raw band. Preparations are drawn with equal chances.

    Parameters
    ----------
    curves : (beat, 3, time) array_like
    errors : Errors
    n : int
        Waveforms a beat.
    seed : int
        Each beat has a random stream of its own.
    without : (beat,) array_like, optional
        A preparation whose errors are not used for the beat: its own, when held-out beats are judged.
    shared : bool
        The same error curves for all beats, as beats of one recording share much of their error: what is drawn then
        changes from beat to beat only as the prediction does.

    Returns
    -------
    (beat, n, time) float32
    """
    curves = np.asarray(curves)
    down, up = _halves(curves)
    start, length = _clock(curves)
    time = np.arange(curves.shape[-1]) / FS
    rows = {name: np.flatnonzero(errors.group == name) for name in np.unique(errors.group)}
    streams = np.random.SeedSequence(seed).spawn(len(curves))
    out = np.empty((len(curves), n, time.size), np.float32)
    for k, stream in enumerate(streams):
        rng = np.random.default_rng(streams[0] if shared else stream)
        usable = [name for name in rows if without is None or name != without[k]]
        chosen = [rng.choice(rows[usable[i]]) for i in rng.integers(len(usable), size=n)]
        place = np.interp((time - start[k]) / length[k], _OWN_TIME, np.arange(_OWN_TIME.size))
        below = np.minimum(place.astype(int), _OWN_TIME.size - 2)
        picked = errors.curve[chosen]
        error = picked[:, below] + (place - below) * (picked[:, below + 1] - picked[:, below])
        wave = curves[k, 1] + error * np.where(error < 0, down[k], up[k])
        # An upstroke that comes earlier than its phase meets a thin part of the band and would tower above the beat.
        out[k] = np.clip(wave, *_POSSIBLE)
    return out


def durations(x, levels=LEVELS):
    """Durations (..., level) in ms of waveforms (..., time) of windows; NaN where there is none."""
    return ap.apd(x, FS, levels).apd


def duration_intervals(
    curves, errors, levels=LEVELS, *, coverage=0.9, n=24, seed=0, without=None, shared=False, margin=0.0
):
    """Intervals of durations from waveforms that are drawn within the band.

    Parameters
    ----------
    curves, errors, n, seed, without, shared
        As for `draw`.
    levels : sequence of float
        %.
    coverage : float
    margin : (level,) array_like or float
        By how much each end is moved outwards (ms), such as `regression.conformal_margin` of held-out beats.

    Returns
    -------
    (beat, 3, level) float64
        Lower end, median and upper end, ms; NaN where fewer than half of the drawn waveforms have the duration.
    """
    curves = np.asarray(curves)
    tail = (1 - coverage) / 2
    out = np.full((len(curves), 3, len(levels)), np.nan)
    size = 256  # beats at a time, which bounds memory
    for i in range(0, len(curves), size):
        piece = slice(i, i + size)
        left_out = None if without is None else np.asarray(without)[piece]
        own_seed = seed if shared else (seed, i)
        found = durations(draw(curves[piece], errors, n, own_seed, left_out, shared), levels)
        enough = np.isfinite(found).mean(axis=1) >= 0.5
        found = np.where(enough[:, None], found, 0)
        ends = np.nanquantile(found, [tail, 0.5, 1 - tail], axis=1)
        out[piece] = np.where(enough[:, None], np.moveaxis(ends, 0, 1), np.nan)
    out[:, 0] -= margin
    out[:, 2] += margin
    return out


def calibrate_durations(curves, seen, group, levels=LEVELS, *, coverage=0.9, n=24, seed=0):
    """Error curves to draw with, and by how much the intervals of durations that follow must be widened.

    Parameters
    ----------
    curves, seen, group, coverage
        As for `calibrate`.
    levels, n, seed
        As for `duration_intervals`.

    Returns
    -------
    errors : Errors
    margin : (level,) ndarray
        ms, of which `regression.conformal_margin` promises the coverage for a new group. The intervals behind it are
        drawn for each beat without the errors of its own group.
    """
    from cardio_utils.regression import conformal_margin

    errors = Errors.of(curves, seen, group)
    options = dict(coverage=coverage, n=n, seed=seed, without=group)
    held, truth = duration_intervals(curves, errors, levels, **options), durations(seen.target, levels)
    outside = np.maximum(held[:, 0] - truth, truth - held[:, 2])
    known = np.isfinite(outside).all(axis=1)
    return errors, conformal_margin(outside[known], np.asarray(group)[known], coverage)


def curve_intervals(curves, levels=LEVELS):
    """The originals' way, to be compared with: the duration of each quantile curve (beat, 3, level), ms, unsorted."""
    return np.moveaxis(durations(np.moveaxis(np.asarray(curves), 1, 0), levels), 0, 1)


def duration_coverage(intervals, truth, recording, levels=LEVELS):
    """Whether each duration lies in its interval.

    Parameters
    ----------
    intervals : (beat, 3, level) array_like
        ms.
    truth : (beat, level) array_like
        ms.
    recording : (beat,) array_like of str
    levels : sequence of float

    Returns
    -------
    DataFrame
        One row a beat and level: recording, level, missing (no interval), crossed (its ends are in the wrong order),
        inside (0 or 1, 0 where missing or crossed), width (ms), error of the median (ms). Beats without a true duration
        are left out.
    """
    low, middle, high = np.moveaxis(np.asarray(intervals, float), 1, 0)
    truth = np.asarray(truth, float)
    missing = ~(np.isfinite(low) & np.isfinite(high))
    table = {
        "recording": np.repeat(np.asarray(recording)[:, None], len(levels), axis=1),
        "level": np.broadcast_to(levels, truth.shape),
        "missing": missing,
        "crossed": ~missing & (low > high),
        "inside": ((low <= truth) & (truth <= high)).astype(float),
        "width": high - low,
        "error": middle - truth,
    }
    return pd.DataFrame({name: column[np.isfinite(truth)] for name, column in table.items()})
