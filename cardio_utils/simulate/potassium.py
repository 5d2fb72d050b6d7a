"""What potassium does to an electrocardiogram: a heart with its ten Tusscher-Panfilov cells, and real beats morphed.

Two ways lead to records whose potassium is known.

`simulate`
    The heart of `cardio_utils.simulate.heart`, patients as in `cardio_utils.simulate.twelve_lead`. The cell model is
    run at eight potassium concentrations (`LEVELS`; between them potentials are interpolated), and conduction slows as
    its upstroke does. That gives wide QRS complexes, small R waves and the late, flat T wave of hypokalaemia, but not
    the tall, narrow T wave of hyperkalaemia, no P wave and no U wave. What is missing is put in by hand: `GAINS`, and
    of `MAPS` the width of T.

`template`, `morph`, `morphed`
    A real record keeps its noise, its disease and its patient; the change that a concentration makes to the median
    beat (heights and widths of P, QRS and T, the level of ST, a U wave) is added at each beat, on the eight
    independent leads. The noise is not touched: it could betray the concentration.

Patients differ in how they respond, and many hardly do (`draw_responder`): hearts with a potassium of 7 mmol/L and a
normal electrocardiogram are common. A simulator in which all respond alike makes a task that no clinic has. The
`MAPS` are for a responder of strength 1; heights act as powers of the strength. They follow the direction of
biophysical simulations and were fitted so that medians of the classes stand to each other as in 299 public records
of patients, and so that a classifier on features does about as well as on those.

Concentrations are in mmol/L, times in s unless said otherwise, voltages in mV.

References
----------
ten Tusscher KHWJ, Panfilov AV (2006) Am J Physiol Heart Circ Physiol 291:H1088-H1100.
Weiss JN, Qu Z, Shivkumar K (2017) Circ Arrhythm Electrophysiol 10:e004667 (how potassium acts, stage by stage).
Corsi C et al. (2017) Sci Rep 7:42492 (the T wave as a measure). Montague BT et al. (2008) Clin J Am Soc Nephrol
3:324-330 (how seldom a reader sees it).
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np
from scipy import ndimage, signal
from scipy.interpolate import CubicSpline

from cardio_utils import ecg, lead_algebra, physics, signals
from cardio_utils.simulate import heart as engine
from cardio_utils.simulate import twelve_lead

__all__ = [
    "GAINS",
    "LEVELS",
    "MAPS",
    "Effect",
    "Marks",
    "Responder",
    "Template",
    "concentrations",
    "draw_potassium",
    "draw_responder",
    "effect",
    "laboratory",
    "morph",
    "morphed",
    "record",
    "response",
    "simulate",
    "template",
]

LEVELS = (1.5, 2.5, 3.5, 4.5, 5.4, 6.5, 7.5, 8.5)
"""Concentrations at which the cell model is run; beyond them the outermost holds."""

GAINS = {"neutral": 4.2, "transmural": 0.2, "apd": -0.02, "t_u": 0.14, "spread": 0.35}
"""What the cell model does not give, by hand: relative change of the transmural gradient and of action potential
duration per mmol/L from the neutral concentration on, for a responder of strength 1; s from the peak of T to that of
U; by how much patients differ in width and gradient of T and in the height of P (logarithmic standard deviation)."""

_AT = (1.5, 2.2, 3.1, 3.8, 4.2, 5.2, 5.9, 7.2, 8.5)
MAPS = {
    "t_height": (_AT, (0.42, 0.50, 0.81, 0.95, 1.0, 1.06, 1.31, 1.32, 1.15)),
    "t_width": (_AT, (1.90, 1.68, 1.15, 1.03, 1.0, 0.93, 0.74, 0.80, 0.95)),
    "qrs_width": ((5.5, 6.0, 6.7, 7.8, 9.0), (1.0, 1.08, 1.20, 1.60, 2.00)),
    "t_delay": ((1.5, 2.2, 3.1, 3.8), (0.07, 0.05, 0.01, 0.0)),
}
"""Concentrations, and there the factor on height and width of T, on the width of QRS, and the delay of T (s)."""

_T_LEADS = dict(zip(lead_algebra.EIGHT, (0.8, 0.5, 0.9, 1.2, 1.2, 1.0, 0.9, 0.8), strict=True))
_U_LEADS = dict(zip(lead_algebra.EIGHT, (0.3, 0.5, 0.4, 1.0, 1.0, 0.8, 0.6, 0.4), strict=True))
_ST_LEADS = dict(zip(lead_algebra.EIGHT, (0.6, 0.8, -0.2, 0.3, 0.8, 1.0, 1.0, 0.8), strict=True))
_LEADS = physics.twelve_leads(np.eye(len(engine.ELECTRODES)))[
    [lead_algebra.TWELVE.index(name) for name in lead_algebra.EIGHT]
]
_WEAK = (0.27, 0.4, 0.4)  # shares of patients that hardly respond: to low and to high potassium, in conduction
_MS = 1000  # samples a second while beats are laid out
_CLASSES = ((1.8, 2.5), (2.5, 3.5), (3.5, 5.5), (5.5, 6.5), (6.5, 9.0))
_NATURAL = (0.02, 0.20, 0.76, 0.014, 0.006)  # an emergency department: 22 % low, 2 % high


# Concentrations and patients


class Responder(NamedTuple):
    """How strongly a patient's electrocardiogram answers, 0 for not at all, 1 for as in `MAPS`."""

    low: float
    high: float
    conduction: float


def draw_responder(rng):
    """A patient's strengths, drawn independently: 0.5 to 1.5, or 0 to 0.25 in those who hardly respond.

    Those are one in four to low potassium, and two in five to high potassium and in their conduction.
    """
    weak = rng.random(3) < _WEAK
    return Responder(*np.where(weak, rng.uniform(0, 0.25, 3), rng.uniform(0.5, 1.5, 3)).tolist())


def draw_potassium(rng, group=None):
    """A true concentration.

    Parameters
    ----------
    rng : numpy.random.Generator
    group : int, optional
        0 to 4: up to 2.5, to 3.5, below 5.5, below 6.5, above. Default: as in an emergency department, 22 % up to
        3.5 and 2 % from 5.5 on.

    Returns
    -------
    float
        mmol/L, 1.8 to 9; what lies beyond the middle class becomes rarer with the distance from it.
    """
    group = int(rng.choice(5, p=_NATURAL)) if group is None else group
    low, high = _CLASSES[group]
    while True:
        if group == 2:
            value = rng.normal(4.2, 0.4)
        else:
            away = rng.exponential(0.4 if group < 2 else 0.6)
            value = high - away if group < 2 else low + away
        if low < value < high:
            return float(value)


def laboratory(rng, potassium):
    """What a laboratory reports for a true concentration, to a tenth of a mmol/L.

    The assay errs by 0.12 (standard deviation), blood and electrocardiogram are some minutes apart (0.15), and of 50
    samples one is haemolysed, which adds 0.5 to 2.
    """
    value = potassium + rng.normal(0, 0.12) + rng.normal(0, 0.15)
    value += rng.uniform(0.5, 2.0) * (rng.random() < 0.02)
    return float(np.round(10 * np.clip(value, 1.5, 9.9)) / 10)


def response(potassium, responder):
    """The strength that matters for repolarisation at a concentration: of the low or of the high arm."""
    return responder.low if potassium < GAINS["neutral"] else responder.high


class Effect(NamedTuple):
    """What a concentration does to the waves of one patient.

    Attributes
    ----------
    t_height, t_width, qrs_width, p_height : float
        Factors.
    t_delay, pr : float
        s by which T comes later after R, and P earlier before it.
    u_height, u_delay, st : float
        Height of a U wave (mV) and its further delay (s); shift of the ST segment (mV).
    merge : float
        0 to 1: how far QRS and T have become one slow wave.
    """

    t_height: float
    t_width: float
    qrs_width: float
    p_height: float
    t_delay: float
    pr: float
    u_height: float
    u_delay: float
    st: float
    merge: float


def _map(name, potassium):
    return float(np.interp(potassium, *MAPS[name]))


def effect(potassium, responder):
    """The maps at a concentration for one patient.

    Parameters
    ----------
    potassium : float
        mmol/L.
    responder : Responder

    Returns
    -------
    Effect
        Nothing changes (factors 1, the rest 0) at 4.2 mmol/L, or for a responder of strength 0.
    """
    strength = response(potassium, responder)
    lack, excess = max(0.0, 3.5 - potassium), max(0.0, potassium - 6)
    p_height = np.exp(-0.4 * responder.conduction * max(0.0, potassium - 5.2))
    return Effect(
        _map("t_height", potassium) ** strength,
        _map("t_width", potassium) ** strength,
        _map("qrs_width", potassium) ** responder.conduction,
        float(p_height * np.clip(1 - responder.conduction * (potassium - 7.5), 0, 1)),
        _map("t_delay", potassium) * strength,
        0.015 * responder.conduction * excess,
        (0.02 + 0.08 * lack) * strength * (lack > 0),
        0.025 * lack,
        -0.03 * strength * lack,
        float(np.clip(responder.conduction * (potassium - 8), 0, 1)),
    )


# Morphing of recorded beats


class Marks(NamedTuple):
    """Where the waves of a median beat are, s from its R peak."""

    qrs_onset: float
    qrs_offset: float
    t_peak: float
    t_end: float


class Template(NamedTuple):
    """The median beat of a record and where it stands.

    Attributes
    ----------
    beat : (8, w) ndarray
        mV against the level before QRS, 0.5 to 40 Hz.
    before : int
        Samples before the R peak.
    fs : float
    marks : Marks
    peaks : (k,) int
        R peaks of the beats that look like it; the others (ectopic ones) are left as they are.
    """

    beat: np.ndarray
    before: int
    fs: float
    marks: Marks
    peaks: np.ndarray


def template(eight, fs):
    """Median beat and waves of one record.

    Parameters
    ----------
    eight : (8, n) array_like
        mV, in the order of `lead_algebra.EIGHT`.
    fs : float
        Hz.

    Returns
    -------
    Template

    Raises
    ------
    ValueError
        There are fewer than three beats, or QRS complex or T wave cannot be found.
    """
    x = signals.bandpass(np.asarray(eight, float), fs, 0.5, min(40, 0.4 * fs))
    peaks = ecg.find_r_peaks(x, fs)
    if len(peaks) < 3:
        raise ValueError(f"{len(peaks)} beat(s) were found; at least 3 are needed")
    rr = np.median(np.diff(peaks)) / fs
    before, after = 0.28, float(np.clip(rr - 0.26, 0.40, 0.68))
    beat = ecg.mean_beat(x, fs, peaks, before=before, after=after)
    before = round(before * fs)
    waves = ecg.delineate(x, fs, peaks)
    times = np.stack([waves.qrs_onset, waves.qrs_offset, waves.t_end]) - waves.peak
    if not np.isfinite(times).any(axis=1).all():
        raise ValueError("its QRS complexes or T waves cannot be found")
    onset, offset, end = np.nanmedian(times, axis=1)
    time = (np.arange(beat.shape[1]) - before) / fs
    inside = (time > offset + 0.06) & (time < end)
    if not inside.any():
        raise ValueError("its T waves cannot be found")
    level = beat[:, (time > onset - 0.04) & (time < onset)].mean(1, keepdims=True)
    peak = time[np.where(inside, np.square(beat - level).sum(0), -1).argmax()]
    marks = Marks(float(onset), float(offset), float(peak), float(end))
    return Template(beat - level, before, fs, marks, _alike(x, peaks, beat, before))


def _alike(x, peaks, beat, before):
    """R peaks of the beats whose leads together correlate with the median beat by 0.8 or more."""
    steps = np.arange(beat.shape[1]) - before
    windows = x[:, np.clip(peaks[:, None] + steps, 0, x.shape[1] - 1)].transpose(1, 0, 2).reshape(len(peaks), -1)
    windows, own = windows - windows.mean(1, keepdims=True), beat.ravel() - beat.mean()
    size = np.linalg.norm(windows, axis=1) * np.linalg.norm(own)
    return peaks[windows @ own >= 0.8 * np.maximum(size, 1e-12)]


def _hill(u, left, right):
    """1 within [-left, right], falling to 0 at twice the distance."""
    v = np.where(u < 0, -u / left, u / right)
    return np.cos(np.pi / 2 * np.clip(v - 1, 0, 1)) ** 2


def morph(beat, before, fs, marks, change):
    """A median beat as it would look at another concentration.

    Times are warped (QRS about R; T about its peak, and moved; P earlier), smoothly and in order; then P and T are
    scaled, ST is shifted and a U wave is added.

    Parameters
    ----------
    beat : (8, w) array_like
        mV against the level before QRS.
    before : int
        Samples before the R peak.
    fs : float
        Hz.
    marks : Marks
    change : Effect

    Returns
    -------
    (8, w) ndarray
        mV; equal to `beat` where nothing changes, and at both ends in any case.
    """
    beat = np.asarray(beat, float)
    time = (np.arange(beat.shape[1]) - before) / fs
    end = time[-1]
    onset, offset = marks.qrs_onset * change.qrs_width, marks.qrs_offset * change.qrs_width
    from_t = time - (marks.t_peak + change.t_delay)
    left = max(0.04, (marks.t_peak + change.t_delay - offset) / 2)
    right = max(0.04, min(change.t_width * (marks.t_end - marks.t_peak), (end - marks.t_peak - change.t_delay) / 2))
    on_t = _hill(from_t, left, right)
    from_p = time - ((onset + time[0]) / 2 - change.pr)
    on_p = _hill(from_p, 0.06, 0.06) * (time < onset)
    source = time + (from_t * (1 / change.t_width - 1) - change.t_delay) * on_t
    source += time * (1 / change.qrs_width - 1) * _hill(time, -onset, offset) + change.pr * on_p
    source = np.clip(np.maximum.accumulate(source), time[0], end)
    waves = CubicSpline(time, beat, axis=1)(source)
    weights = {name: np.array(list(of.values()))[:, None] for name, of in _BY_LEAD.items()}
    waves = waves * (1 + (change.t_height ** weights["T"] - 1) * on_t) * (1 + (change.p_height - 1) * on_p)
    waves += weights["U"] * change.u_height * np.exp(-0.5 * ((from_t - GAINS["t_u"] - change.u_delay) / 0.03) ** 2)
    waves += weights["ST"] * change.st * _hill(time - (offset + 0.06), 0.03, 0.05)
    waves += change.merge * (ndimage.gaussian_filter1d(waves, 0.05 * fs, axis=1) - waves)
    fade = np.clip(np.minimum(time - time[0], end - time) / 0.06, 0, 1)
    return beat + np.sin(np.pi / 2 * fade) ** 2 * (waves - beat)


_BY_LEAD = {"T": _T_LEADS, "U": _U_LEADS, "ST": _ST_LEADS}


def morphed(eight, base, potassium, responder):
    """A record as it might look at a concentration, if it was recorded at a normal one.

    Parameters
    ----------
    eight : (8, n) array_like
        mV.
    base : Template
        Of this record.
    potassium : float
        mmol/L.
    responder : Responder

    Returns
    -------
    (8, n) ndarray
        The record plus, at each beat, what changes in the median beat.
    """
    eight = np.array(eight, float)
    change = morph(base.beat, base.before, base.fs, base.marks, effect(potassium, responder)) - base.beat
    steps = np.arange(change.shape[1]) - base.before
    for peak in base.peaks:
        place = peak + steps
        inside = (place >= 0) & (place < eight.shape[1])
        eight[:, place[inside]] += change[:, inside]
    return eight


# The simulated heart


@cache
def _upstroke(potassium):
    """Steepest rise of the cell model's action potential, mV/ms."""
    return float(np.diff(engine.action_potential(potassium).voltage[:50]).max() / 0.1)


def _between(potassium):
    """The two levels around a concentration, and the weight of the upper one."""
    place = float(np.interp(potassium, LEVELS, np.arange(len(LEVELS))))
    low = min(int(place), len(LEVELS) - 2)
    return LEVELS[low], LEVELS[low + 1], place - low


def _ventricles(who, field, potassium, responder, rr):
    """Eight leads of a ventricular beat without U wave, mV every ms, (8, 600)."""
    low, high, weight = _between(potassium)
    away = response(potassium, responder) * (potassium - GAINS["neutral"])
    speed = (1 - weight) * _upstroke(low) + weight * _upstroke(high)
    slowing = float(np.sqrt(max(1.0, _upstroke(5.4) / speed))) ** responder.conduction if potassium > 5.4 else 1.0
    level = dict(zip(who.kinds.values(), who.severity, strict=True))
    side = "left" if level.get("CLBBB", 0) > 0.65 else "right" if level.get("CRBBB", 0) > 0.65 else ""
    activation = who.heart.sinus(side, slowing=slowing)
    flat = 1.2 * max(0.0, max(level.get(kind, 0.0) for kind in ("NDT", "NST_", "ISC_")) - 0.2)
    gradients = {
        "transmural": who.traits["transmural"] * max(-0.3, 1 + GAINS["transmural"] * away - flat),
        "apicobasal": who.traits["apicobasal"],
        "coupling": 0.1,
    }
    apd = float(engine.repolarisation(rr, who.traits["apd"])) * (1 + GAINS["apd"] * away)
    durations = who.heart.durations(activation, apd + who.scatter, **gradients)
    parts = [engine.surface_potentials(field, activation, durations, potassium=k) for k in (low, high)]
    return (1 - weight) * parts[0] + weight * parts[1]


def _finished(beat, change, width):
    """A ventricular beat, mV every ms, with what the cell model does not give: the width of T, and a U wave."""
    time = np.arange(beat.shape[1]) / _MS
    peak = float(time[np.where(time > 0.2, np.square(beat).sum(0), -1).argmax()])
    only = Effect(1.0, change.t_width * width, 1.0, 1.0, 0.0, 0.0, change.u_height, change.u_delay, 0.0, 0.0)
    return morph(beat, 0, _MS, Marks(-0.01, 0.12, peak, peak + 0.09), only)


def record(who, potassium, responder, rng, *, fs=100.0, duration=10.0, width=1.0, p_height=1.0):
    """One record of a patient at a true concentration.

    Parameters
    ----------
    who : twelve_lead.Patient
    potassium : float
        mmol/L.
    responder : Responder
    rng : numpy.random.Generator
        Heart rate, electrodes placed anew, noise.
    fs, duration : float
        Hz (100 to 1000) and s.
    width, p_height : float
        The patient's own factors on the width of T and the height of P.

    Returns
    -------
    ecg : (12, n) float32
        mV.
    rr : float
        Mean interval between beats, s.
    """
    rr = float(np.clip(who.traits["rr"] * rng.lognormal(0, 0.08), 0.48, 1.4))
    positions = who.positions + rng.normal(0, 5, who.positions.shape)
    field = who.traits["gain"] * (_LEADS @ who.heart.lead_field(positions, who.rotation))
    change = effect(potassium, responder)
    beat = _finished(_ventricles(who, field, potassium, responder, rr), change, width)
    size = who.traits["gain"] * who.traits["p_wave"] * change.p_height * p_height
    p_wave = size * (_LEADS @ engine.atrial_potentials(positions, duration=140))
    lead = round(who.traits["pr"] + 1000 * change.pr)
    trace = _laid_out(rng, beat, p_wave, lead, rr, duration)
    eight = signal.resample_poly(trace, int(fs), _MS, axis=-1)[:, : round(duration * fs)]
    eight = eight + _noise(rng, eight.shape[1], fs)
    return lead_algebra.twelve_from_eight(eight.astype(np.float32)), rr


def _laid_out(rng, beat, p_wave, pr, rr, duration):
    """Beats one after the other, a little different in height, (8, ms)."""
    count = int(duration / rr) + 4
    onsets = np.cumsum(engine.sinus_rhythm(rng, count, rr, jitter=0.012)) - rr * rng.uniform(1, 2)
    before = 700
    trace = np.zeros((len(beat), before + int(_MS * duration) + engine.BEAT + 200))
    for onset, height in zip(onsets, rng.normal(1, 0.03, count), strict=True):
        start = before + round(_MS * onset)
        for first, wave in ((start, beat), (start - pr, p_wave)):
            stop = min(first + wave.shape[1], trace.shape[1])
            if first >= 0 and stop > first:
                trace[:, first:stop] += height * wave[:, : stop - first]
    return trace[:, before : before + int(_MS * duration)]


def _noise(rng, n, fs):
    """Wander, breathing and muscle at nine electrodes, as the eight leads see them, mV."""
    time = np.arange(n) / fs
    wander, muscle = rng.lognormal(np.log(0.035), 0.6), rng.lognormal(np.log(0.009), 0.55)
    knots = int(time[-1] * 0.5) + 5
    each = wander * CubicSpline(np.arange(knots), rng.normal(size=(knots, 9)))(1 + 0.5 * time).T
    each += 0.5 * wander * np.sin(2 * np.pi * 0.25 * time + rng.uniform(0, 2 * np.pi, (9, 1)))
    each += muscle * rng.normal(size=each.shape)
    return np.concatenate([each[1:3] - each[0], each[3:] - each[:3].mean(0)])


def simulate(n_patients=150, *, draws=5, distribution="balanced", fs=100.0, duration=10.0, folds=None, seed=0):
    """Records of simulated patients at several concentrations.

    Parameters
    ----------
    n_patients : int
        Patient i is the same whatever their number.
    draws : int
        Records a patient.
    distribution : {'balanced', 'natural'}
        'balanced': the records of a patient go through the five classes in turn, the first at random; 'natural': as
        in an emergency department.
    fs, duration : float
        Hz and s.
    folds : sequence of int, optional
        Only patients of these folds out of 1 to 10.
    seed : int

    Returns
    -------
    dict of str to ndarray
        ecg (record, 12, n) float32, mV, and one value a record: record, patient, sex (str), fold, age, potassium (as
        the laboratory reports it), true_potassium, rate (beats a minute), lvh, block (bool: thick left ventricle,
        bundle-branch block), response (the strength that matters at this concentration).

    Raises
    ------
    ValueError
        A number is not positive, or the distribution is unknown, or no patient is in the folds.
    """
    if n_patients < 1 or draws < 1 or duration <= 0:
        raise ValueError(f"patients, draws and duration must be positive, got {n_patients}, {draws} and {duration}")
    wanted = set(range(1, 11)) if folds is None else {int(fold) for fold in folds}
    rows = []
    for index in (i for i in range(n_patients) if i % 10 + 1 in wanted):
        who = twelve_lead.patient(index, seed)
        level = dict(zip(who.kinds.values(), who.severity, strict=True))
        facts = {
            "patient": str(index + 1),
            "fold": index % 10 + 1,
            "age": who.traits["age"],
            "sex": "female" if who.traits["female"] else "male",
            "lvh": level.get("LVH", 0.0) > twelve_lead.PRESENT,
            "block": max(level.get("CLBBB", 0.0), level.get("CRBBB", 0.0)) > 0.65,
        }
        width, p_height, gradient = _generator(seed, index, 0, 9).lognormal(0, GAINS["spread"], 3)
        who = who._replace(traits=who.traits | {"transmural": gradient * who.traits["transmural"]})
        own = {"fs": fs, "duration": duration, "width": width, "p_height": p_height}
        for number, (value, responder, rng) in enumerate(concentrations(index, index, draws, distribution, seed)):
            x, rr = record(who, value, responder, rng, **own)
            rows.append(
                {"ecg": x, "record": str(draws * index + number + 1), "true_potassium": value, "rate": 60 / rr}
                | {"potassium": laboratory(rng, value), "response": response(value, responder)}
                | facts
            )
    if not rows:
        raise ValueError(f"no patient out of {n_patients} is in the folds {sorted(wanted)}; folds are 1 to 10")
    return {name: np.stack([row[name] for row in rows]) for name in rows[0]}


def concentrations(patient, recording, draws, distribution="balanced", seed=0):
    """The concentrations that one recording of one patient is given.

    Parameters
    ----------
    patient, recording : int
        The strengths belong to the patient, the concentrations to the recording.
    draws : int
    distribution : {'balanced', 'natural'}
    seed : int

    Yields
    ------
    float, Responder, numpy.random.Generator
        True concentration (mmol/L), the patient, and a generator for all else that is random about this draw.

    Raises
    ------
    ValueError
        The distribution is unknown.
    """
    if distribution not in ("balanced", "natural"):
        raise ValueError(f"the distribution is 'balanced' or 'natural', not {distribution!r}")
    responder = draw_responder(_generator(seed, patient, 0, 7))
    first = int(_generator(seed, recording, 0, 8).integers(5))
    for number in range(draws):
        rng = _generator(seed, recording, number + 1, 8)
        group = (first + number) % 5 if distribution == "balanced" else None
        yield draw_potassium(rng, group), responder, rng


def _generator(seed, *key):
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=key))
