"""Records of other rhythms, built from the beats of recorded ones: what a few patients cannot show a network.

Among twenty patients, few have atrial fibrillation and fewer long atrial runs. Their normal beats, though,
can be laid out in any rhythm: the QRS complex and the noise stay the patient's own, the intervals follow the
rhythm's definition, the P wave is removed (fibrillation) or changed (atrial ectopic beats), and what the
neighbouring beats leave in the window moves along with them. The label follows from the construction.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr
from scipy.ndimage import median_filter

from cardio_utils.ecg import BEAT_FS, CENTRED_LENGTH, CENTRED_R

__all__ = ["RHYTHMS", "synthetic_rhythms"]

RHYTHMS = ("fibrillation", "atrial", "atrial", "sinus")
"""Rhythms a record is laid out in, one synthetic record each; atrial ectopy, the varied one, twice."""

_P_WAVE = slice(CENTRED_R - 36, CENTRED_R - 5)  # -288 to -40 ms
_SHORTEST = 0.28  # s, of an RR interval


def synthetic_rhythms(beats, *, rhythms=RHYTHMS, length=(150, 500), seed=0):
    """Lay the normal and ventricular beats of each record out in other rhythms.

    Parameters
    ----------
    beats : xarray.Dataset
        Beats in the layout `centred` with `label`, `record`, `patient`, `sample`, `rr_before`. Only records
        with at least `length[0]` normal beats are used.
    rhythms : sequence of {'fibrillation', 'atrial', 'sinus'}
        'fibrillation': intervals independent of each other (coefficient of variation 0.1 to 0.3), no P wave,
        sometimes a fibrillatory wave of 4 to 9 Hz; label N.
        'atrial': premature atrial beats, single or in runs, of a few up to most beats, with a P wave scaled
        (-1 to 1) and moved (up to 64 ms) and a pause after; label S.
        'sinus': respiratory arrhythmia (1 to 15 %) and, in half of them, sudden changes of rate; label N.
        In each, six times in ten, the record's own ventricular beats are inserted, premature, followed by a
        full, by no, or by an interpolated pause; label V.
    length : (int, int)
        Range of the number of beats a synthetic record.
    seed : int

    Returns
    -------
    xarray.Dataset
        As `beats`, with `record` naming origin and rhythm ("101~1-atrial"), `patient` the origin's (so that a
        grouped split keeps both on one side), `sample` at 360 Hz and the labels of the construction.

    Raises
    ------
    ValueError
        The layout is another one, a rhythm is unknown, or no record has enough normal beats.
    """
    if beats.sizes["time"] != CENTRED_LENGTH:
        raise ValueError("rhythms are built from beats in the layout 'centred'")
    if unknown := set(rhythms) - set(RHYTHMS):
        raise ValueError(f"unknown rhythm {', '.join(sorted(unknown))}; known are {', '.join(dict.fromkeys(RHYTHMS))}")
    rng = np.random.default_rng(seed)
    record, label, wave = beats["record"].values, beats["label"].values, beats["wave"].values
    interval = np.nan_to_num(beats["rr_before"].values.astype(float), nan=0.8)
    parts = []
    for name in dict.fromkeys(record.tolist()):
        rows = np.flatnonzero(record == name)
        rows = rows[np.argsort(beats["sample"].values[rows], kind="stable")]
        normal, ventricular = rows[label[rows] == "N"], rows[label[rows] == "V"]
        if normal.size < length[0]:
            continue
        following = np.r_[interval[rows[1:]], 0.8][label[rows] == "N"]
        for i, rhythm in enumerate(rhythms):
            start = rng.integers(0, max(1, normal.size - length[1]))
            part = slice(start, start + rng.integers(*length))
            columns = _lay_out(
                wave[normal[part]], interval[normal[part]], following[part], wave[ventricular], rhythm, rng
            )
            patient = beats["patient"].values[rows[0]]
            parts.append(_beats(*columns, f"{name}~{i}-{rhythm}", patient))
    if not parts:
        raise ValueError(f"no record has {length[0]} normal beats")
    data = xr.concat(parts, "beat").assign_coords(time=beats["time"])
    return data.assign_attrs(beats.attrs | {"source": f"{beats.attrs.get('source', '')}, synthetic rhythms"})


def _beats(wave, interval, label, name, patient):
    """Data set of one synthetic record."""
    # Unrounded intervals: a coarser grid than the recorded ones' would mark these records as synthetic.
    before, after = np.r_[np.nan, interval[1:]], np.r_[interval[1:], np.nan]
    mean = pd.Series(before).rolling(10, min_periods=1).mean().to_numpy()
    count = len(wave)
    columns = {
        "label": label,
        "symbol": label,
        "record": np.full(count, name),
        "patient": np.full(count, patient),
        "sample": np.round(np.cumsum(interval) * 360).astype(np.int64),
        "rr_before": before.astype(np.float32),
        "rr_after": after.astype(np.float32),
        "rr_mean": mean.astype(np.float32),
    }
    return xr.Dataset(
        {"wave": (("beat", "time"), wave.astype(np.float32))}, {k: ("beat", v) for k, v in columns.items()}
    )


def _lay_out(wave, before, after, ventricular, rhythm, rng):
    """Waves, intervals and labels of one synthetic record from a patient's normal and ventricular beats."""
    median = np.median(wave, axis=0)
    p_wave = _p_wave(median)
    neighbour = median * np.minimum(1, np.minimum(np.arange(1, 145), np.arange(144, 0, -1)) / 20)
    wave = wave - _moved(neighbour, -before) - _moved(neighbour, after)
    base = median_filter(before, 15, mode="nearest") * np.exp(rng.normal(0, 0.15))
    if rng.random() < 0.2:
        base *= rng.uniform(1.2, 1.9)  # bradycardia, rare in the recorded patients
    label = np.full(len(wave), "N")
    if rhythm == "fibrillation":
        interval = _fibrillation(len(wave), rng)
        wave = wave - p_wave + _fibrillatory_wave(len(wave), rng)
        neighbour = neighbour - p_wave
    elif rhythm == "sinus":
        interval = _sinus(base, rng)
    else:
        interval, ectopic = _atrial_ectopy(base, rng)
        label[ectopic] = "S"
        wave[ectopic] += rng.choice([-1, -0.5, 0, 0.3, 0.6, 1]) * np.roll(p_wave, rng.integers(-8, 9)) - p_wave
    foreign = np.zeros(len(wave), bool)
    if len(ventricular) >= 8 and rng.random() < 0.6:
        interval, foreign = _ventricular_ectopy(interval, rng)
    following = np.r_[interval[1:], interval[-1]]
    wave = wave + _moved(neighbour, -interval) + _moved(neighbour, following)
    wave[foreign] = ventricular[rng.integers(0, max(1, len(ventricular)), foreign.sum())]
    label[foreign] = "V"
    return wave, interval, label


def _p_wave(median):
    """The P wave of a median beat, (144,): what stands out from the line under its window, zero elsewhere."""
    piece = median[_P_WAVE]
    line = np.linspace(piece[:2].mean(), piece[-2:].mean(), piece.size)
    p_wave = np.zeros(CENTRED_LENGTH)
    p_wave[_P_WAVE] = piece - line
    return p_wave


def _moved(template, seconds):
    """The template with its R peak moved by `seconds` (n,), zero beyond its ends: (n, 144)."""
    source = np.arange(CENTRED_LENGTH) - np.round(seconds * BEAT_FS).astype(int)[:, None]
    inside = (source >= 0) & (source < CENTRED_LENGTH)
    return np.where(inside, template[np.clip(source, 0, CENTRED_LENGTH - 1)], 0)


def _fibrillation(n, rng):
    """Independent intervals around a slowly wandering mean (s)."""
    mean, spread = rng.uniform(0.45, 1.0), rng.uniform(0.1, 0.3)
    refractory = rng.uniform(_SHORTEST, 0.4)
    wander = np.exp(0.1 * np.sin(np.arange(n) / rng.uniform(20, 80) + rng.uniform(0, 6)))
    return np.maximum(mean * np.exp(rng.normal(0, spread, n)), refractory) * wander


def _fibrillatory_wave(n, rng):
    """A sinusoid of 4 to 9 Hz and up to 0.08 mV, of random phase in each beat (mV)."""
    phase = rng.uniform(0, 2 * np.pi, (n, 1))
    time = np.arange(CENTRED_LENGTH) / BEAT_FS
    return rng.choice([0, 0.02, 0.05, 0.08]) * np.sin(2 * np.pi * rng.uniform(4, 9) * time + phase)


def _respiration(base, depth, noise, rng):
    """Respiratory arrhythmia of relative depth `depth` (period 3 to 12 s) over the base intervals."""
    phase = np.cumsum(base) / rng.uniform(3, 12) * 2 * np.pi
    return base * np.exp(depth * np.sin(phase) + rng.normal(0, noise, base.size))


def _sinus(base, rng):
    """Sinus rhythm with arrhythmia and, in half of the records, sudden changes of rate."""
    interval = _respiration(base, rng.uniform(0.01, 0.15), 0.02, rng)
    if rng.random() < 0.5:
        step = np.cumsum(rng.random(base.size) < 0.01)
        level = rng.normal(0, 0.1, step.max() + 1)[step]
        interval *= np.exp(np.convolve(np.pad(level, 5, mode="edge"), np.ones(11) / 11, "valid"))
    return interval


def _atrial_ectopy(base, rng):
    """Premature atrial beats, single or in runs: intervals and which beats are ectopic."""
    interval = _respiration(base, rng.uniform(0, 0.06), 0.01, rng)
    share, run = 10 ** rng.uniform(-2, -0.07), rng.choice([1, 1, 1, 2, 4, 12, 40])
    coupling, within = rng.uniform(0.5, 0.88), rng.uniform(0.5, 0.9)
    pause, jitter = rng.choice([1, 1.1, 1.25, 1.5, 2]), rng.uniform(0.01, 0.06)
    onset = min(share / run / (1 - share), 0.5)
    ectopic = np.zeros(base.size, bool)
    i = 2
    while i < base.size - 2:
        if rng.random() >= onset:
            i += 1
            continue
        end = min(i + rng.geometric(1 / run), base.size - 1)
        factor = np.full(end - i, min(within, coupling + 0.1))
        factor[0] = coupling
        spread = np.where(np.arange(end - i) == 0, jitter, jitter / 2)
        interval[i:end] = base[i] * factor * np.exp(rng.normal(0, spread))
        interval[end] = base[i] * pause * np.exp(rng.normal(0, 0.05))
        ectopic[i:end] = True
        i = end + 1
    return np.maximum(interval, _SHORTEST), ectopic


def _ventricular_ectopy(interval, rng):
    """Premature ventricular beats put into a rhythm: its intervals, and which beats are ventricular."""
    coupling, pause = rng.uniform(0.45, 0.9), rng.choice(["full", "full", "none", "interpolated"])
    usual = median_filter(interval, 15, mode="nearest")
    foreign = rng.random(interval.size) < 10 ** rng.uniform(-2, -0.4)
    foreign[:2] = foreign[-2:] = False
    interval = interval.copy()
    for i in np.flatnonzero(foreign):
        early = coupling * np.exp(rng.normal(0, 0.05))
        interval[i] = max(_SHORTEST, usual[i] * early)
        if not foreign[i + 1]:
            rest = {"full": 2 - early, "none": 1.05, "interpolated": max(0.4, 1.04 - early)}[pause]
            interval[i + 1] = usual[i] * rest * np.exp(rng.normal(0, 0.03))
    return interval, foreign
