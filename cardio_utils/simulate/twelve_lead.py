"""Ten-second records of twelve leads with diagnoses of five superclasses, in the shape of PTB-XL.

Every patient is a heart of its own (`cardio_utils.simulate.heart`, voxels of 4 mm), in which processes of the four
abnormal superclasses run at continuous severities from 0 to 1, alone or together:

====  ===============================================================================================================
MI    A region of the left ventricle (anterior, anteroseptal, inferior, lateral, inferolateral) loses part of its
      muscle; what is left repolarises late and, in some, is acutely injured.
STTC  Subendocardial ischaemia, T waves that flatten or invert, a long QT interval.
CD    Delay of one bundle branch or of the left anterior fascicle up to block, slow muscle, a long PR interval.
HYP   A thick left wall with or without strain, a thick right wall, a large left atrium.
====  ===============================================================================================================

Nobody is at 0: normal hearts have all processes at low severity. What a heart *has* (`true_label`) is what exceeds
`PRESENT`; what the record is *labelled* is what a reader says, who is unsure around that limit, overlooks some and
sees some that are not there. A perfect model of the heart therefore cannot predict all labels.

A patient has one to three records: same heart, other heart rate, electrodes placed anew, somewhat other severity. A
split that parts them is answered by memory.

References
----------
Wagner P et al. (2020) Sci Data 7:154 (the set whose shape this has). McSharry PE et al. (2003) IEEE Trans Biomed Eng
50:289-294 (heart rate). Durrer D et al. (1970) Circulation 41:899-912 (roots of activation).
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
from scipy import signal, sparse
from scipy.interpolate import CubicSpline
from scipy.sparse.csgraph import dijkstra
from scipy.spatial.transform import Rotation

from cardio_utils import lead_algebra, physics
from cardio_utils.simulate import heart as engine

__all__ = ["PRESENT", "PROCESSES", "Patient", "patient", "record", "simulate"]

PRESENT = 0.35
"""Severity from which a heart has a disease."""

PROCESSES = {
    "MI": {"ASMI": 0.3, "IMI": 0.35, "AMI": 0.1, "LMI": 0.1, "ILMI": 0.15},
    "STTC": {"ISC_": 0.35, "NDT": 0.35, "NST_": 0.15, "LNGQT": 0.15},
    "CD": {"CLBBB": 0.2, "CRBBB": 0.34, "LAFB": 0.22, "1AVB": 0.12, "IVCD": 0.12},
    "HYP": {"LVH": 0.86, "LAO/LAE": 0.08, "RVH": 0.06},
}
"""Superclass -> its processes, named by the statement of PTB-XL, and how frequent each is within the class."""

INCOMPLETE = {"CLBBB": "ILBBB", "CRBBB": "IRBBB"}
"""Statement for a bundle-branch block of severity below 0.65."""

SHARES = {"MI": 0.26, "STTC": 0.28, "CD": 0.24, "HYP": 0.16}
"""Shares of patients in whom a process of the class runs."""

_HEALTHY = 0.46  # share of patients in whom none does
_HALF = 0.25  # severity at which half of a change has come about
_SPACING = 4.0  # mm
_LEADS = physics.twelve_leads(np.eye(len(engine.ELECTRODES)))[
    [lead_algebra.TWELVE.index(n) for n in lead_algebra.EIGHT]
]
_REGIONS = {"ASMI": (150, -30), "AMI": (110, -28), "LMI": (15, -20), "IMI": (265, -15), "ILMI": (310, -18)}
_MS = 1000  # samples a second while beats are laid out


class Patient(NamedTuple):
    """What belongs to a patient and not to one record.

    Attributes
    ----------
    kinds : dict of str to str
        Superclass -> its process.
    severity : ndarray, shape (4,)
        MI, STTC, CD, HYP, from 0 to 1.
    records : int
        How many there are, 1 to 3.
    heart : heart.Heart
    edges : sparse matrix, shape (node, node)
        Travel times between neighbours, ms.
    rotation : ndarray, shape (3, 3)
    positions : ndarray, shape (10, 3)
        Electrodes as a careful technician would place them, mm.
    scatter : ndarray, shape (node,)
        Difference of action potential duration between neighbours, ms.
    traits : dict of str to float
        apd, transmural, apicobasal (ms), gain, rr (s), pr (ms), age (years), female (0 or 1), p_wave (its size), strain
        (how much of it a thick wall brings), acute (injury current of an infarct, 0 for an old one).
    """

    kinds: dict
    severity: np.ndarray
    records: int
    heart: engine.Heart
    edges: sparse.csr_matrix
    rotation: np.ndarray
    positions: np.ndarray
    scatter: np.ndarray
    traits: dict


def _severities(rng):
    """Severities of the four processes: all small, and large in some patients."""
    severity = 0.17 * rng.beta(1.2, 3, 4)
    if rng.random() < _HEALTHY:
        return severity
    runs = rng.random(4) < np.array(list(SHARES.values())) / (1 - _HEALTHY)
    if not runs.any():
        runs[rng.integers(4)] = True
    return np.where(runs, rng.uniform(0.25, 1.0, 4), severity)


def _levels(kinds, severity):
    """How far each process has changed the heart, 0 to 1: little at low severity, most of it soon after `PRESENT`."""
    return {kind: (1 + _HALF**2) * s**2 / (s**2 + _HALF**2) for kind, s in zip(kinds.values(), severity, strict=True)}


def patient(index, seed=0):
    """One patient, the same whichever others are asked for.

    Parameters
    ----------
    index, seed : int

    Returns
    -------
    Patient
    """
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(index,)))
    severity = _severities(rng)
    kinds = {name: str(rng.choice(list(of), p=list(of.values()))) for name, of in PROCESSES.items()}
    level = _levels(kinds, severity)
    female = float(rng.random() < 0.48)
    anatomy = engine.Anatomy.draw(rng, spacing=_SPACING)
    anatomy = replace(
        anatomy,
        lv_wall=anatomy.lv_wall + 8.0 * level.get("LVH", 0.0),
        rv_wall=anatomy.rv_wall + 9.0 * level.get("RVH", 0.0),
    )
    conduction = engine.Conduction.draw(rng)
    sides = {"left": level.get("CLBBB", 0.0), "right": level.get("CRBBB", 0.0)}
    conduction = replace(conduction, **{k: getattr(conduction, k) * (1 - 0.25 * s) for k, s in sides.items()})
    heart = engine.Heart(anatomy, conduction)
    traits = {
        "apd": rng.normal(278, 12),
        "transmural": rng.normal(36, 9),
        "apicobasal": rng.normal(13, 7),
        "gain": rng.lognormal(0, 0.2) * (0.9 if female else 1.05),
        "rr": np.clip(rng.normal(0.86, 0.13), 0.52, 1.3),
        "pr": np.clip(rng.normal(158, 16), 118, 198),
        "age": float(np.clip(rng.normal(52 + 22 * severity.max(), 15), 8, 95)),
        "female": female,
        "p_wave": rng.uniform(0.7, 1.4),
        "strain": rng.uniform(0, 1.4),
        "acute": rng.uniform(0.3, 1) * (rng.random() < 0.4),
    }
    return Patient(
        kinds,
        severity,
        int(rng.choice([1, 2, 3], p=[0.5, 0.3, 0.2])),
        heart,
        heart.edge_times(),
        engine.orientation(rng, 0.12),
        engine.electrodes(rng, jitter=11.0),
        rng.normal(0, 18, len(heart.points)),
        traits,
    )


def _region(heart, kind, size):
    """Share (0 to 1) to which nodes of the left ventricle belong to a territory; `size` from 0 to 1."""
    angle, height = _REGIONS[kind]
    x, y, z = heart.points.T
    turn = np.abs((np.degrees(np.arctan2(y, x)) - angle + 180) % 360 - 180) / (32 + 45 * size)
    return heart.left * np.clip(2 * (1 - np.hypot(turn, (z - height) / (18 + 28 * size))), 0, 1)


def _activation(who, level):
    """Activation times, ms, with the delays that the conduction of this record has."""
    delays = dict.fromkeys(engine.ROOTS, 0.0)
    for name, root in engine.ROOTS.items():
        delays[name] += 72 * level.get("CLBBB", 0.0) * (root.side == "left")
        delays[name] += 72 * level.get("CRBBB", 0.0) * (root.side == "right")
    for name in ("left anterior", "left lateral"):
        delays[name] += 60 * level.get("LAFB", 0.0)
    # One more node, tied to every root by its delay: a single search instead of one a root
    start = np.zeros(len(who.heart.points))
    start[[who.heart.roots[name] for name in engine.ROOTS]] = [1 + r.time + delays[n] for n, r in engine.ROOTS.items()]
    graph = sparse.bmat([[who.edges * (1 + 0.7 * level.get("IVCD", 0.0)), None], [sparse.csr_matrix(start), [[0]]]])
    times = dijkstra(graph.tocsr(), indices=len(start))[:-1]
    return np.minimum(times - times.min(), engine.BEAT / 2)


def _muscle(who, level, activation, rr):
    """Durations (ms), amplitudes and viability of all nodes."""
    heart, t = who.heart, who.traits
    flat = 1.5 * level.get("NDT", 0.0) + 1.0 * level.get("NST_", 0.0) + 1.1 * level.get("ISC_", 0.0)
    flat += 1.2 * level.get("LVH", 0.0) * t["strain"]
    gradients = {"transmural": t["transmural"] * (1 - flat), "apicobasal": t["apicobasal"], "coupling": 0.1}
    apd = float(engine.repolarisation(rr, t["apd"])) * (1 + 0.22 * level.get("LNGQT", 0.0))
    durations = heart.durations(activation, apd + who.scatter, **gradients)
    amplitude = 1 - 0.2 * level.get("ISC_", 0.0) * (heart.left & (heart.rho < 0.4))
    viable = np.ones(len(heart.points))
    for kind in _REGIONS.keys() & level.keys():
        region = _region(heart, kind, level[kind])
        viable -= (0.1 + 0.85 * level[kind]) * region * (heart.rho < 0.35 + 0.9 * level[kind])
        durations = durations + 65 * level[kind] * region
        amplitude = amplitude - t["acute"] * 0.55 * level[kind] * region
    # Classes of 8 ms are fine enough for neighbours that differ by more, and halve the work
    return 8 * np.rint(durations / 8), amplitude, viable


class _Record(NamedTuple):
    """One record as `record` returns it."""

    ecg: np.ndarray
    severity: np.ndarray
    statements: list
    noise: list
    age: float


def record(who, index, number, *, fs=100.0, duration=10.0, seed=0):
    """One record of a patient.

    Parameters
    ----------
    who : Patient
    index, number : int
        Which patient, and which of the patient's records: with the seed they determine everything.
    fs : float
        Hz, up to 1000.
    duration : float
        s.
    seed : int

    Returns
    -------
    NamedTuple
        ecg (12, n) float32, mV; severity (4,); statements and noise flags as lists of str; age (years).
    """
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(index, number)))
    severity = np.clip(who.severity + rng.normal(0, 0.05, 4) * (number > 0), 0, 1)
    rr = np.clip(who.traits["rr"] * rng.lognormal(0, 0.08), 0.48, 1.4)
    eight = _beats(rng, who, severity, rr, duration)
    eight = signal.resample_poly(eight, *_ratio(fs), axis=-1)[:, : round(duration * fs)]
    noise, flags = _noise(rng, eight.shape[1], fs)
    eight = _defect(rng, eight + noise, fs, flags)
    ecg = lead_algebra.twelve_from_eight(eight.astype(np.float32))
    return _Record(ecg, severity, _statements(rng, who, severity, rr), flags, who.traits["age"] + number)


def _ratio(fs):
    """Numerator and denominator of the change from the internal rate."""
    if not 100 <= fs <= _MS:
        raise ValueError(f"fs is {fs:g} Hz; records are simulated at 100 to {_MS} Hz")
    return int(fs), _MS


def _beats(rng, who, severity, rr, duration):
    """Eight leads without noise, mV every ms: all beats in their places, P waves included."""
    level = _levels(who.kinds, severity)
    activation = _activation(who, level)
    durations, amplitude, viable = _muscle(who, level, activation, rr)
    positions = who.positions + rng.normal(0, 5, who.positions.shape)
    breath = Rotation.from_rotvec(rng.normal(0, 0.05, 3)).as_matrix()
    fields = [who.heart.lead_field(positions, r, viable=viable) for r in (who.rotation, breath @ who.rotation)]
    field = who.traits["gain"] * np.concatenate([_LEADS @ f for f in fields])
    both = engine.surface_potentials(field, activation, durations, amplitude=amplitude).reshape(2, len(_LEADS), -1)
    p_wave = who.traits["gain"] * _p_wave(who, level, positions)
    pr = who.traits["pr"] + 130 * level.get("1AVB", 0.0)
    return _laid_out(rng, both, p_wave, pr, rr, duration)


def _p_wave(who, level, positions):
    """mV every ms, shape (8, 170): the left atrium's part grows and comes later when it is large."""
    large = level.get("LAO/LAE", 0.0)
    (right, t0, w0), (left, t1, w1) = engine.SINUS_ATRIAL_WAVES
    left = np.array(left) * (1 + 1.3 * large) + large * np.array([0.0, -2500.0, 0.0])
    waves = ((right, t0, w0), (left, t1 + 22 * large, w1 * (1 + 0.25 * large)))
    return who.traits["p_wave"] * _LEADS @ engine.atrial_potentials(positions, waves, duration=170)


def _laid_out(rng, both, p_wave, pr, rr, duration):
    """Beats one after the other, turned by breathing and a little different in height, (8, ms)."""
    breathing = rng.uniform(0.17, 0.3)
    count = int(duration / rr) + 4
    onsets = np.cumsum(engine.sinus_rhythm(rng, count, rr, breathing=breathing, jitter=0.012)) - rr * rng.uniform(1, 2)
    before = 400 + p_wave.shape[1]
    trace = np.zeros((len(_LEADS), before + int(_MS * duration) + engine.BEAT + 200))
    for onset, height in zip(onsets, rng.normal(1, 0.02, count), strict=True):
        start = before + round(_MS * onset)
        share = 0.5 + 0.5 * np.sin(2 * np.pi * breathing * onset)
        for first, wave in ((start, (1 - share) * both[0] + share * both[1]), (start - round(pr), p_wave)):
            stop = min(first + wave.shape[1], trace.shape[1])
            if first >= 0 and stop > first:
                trace[:, first:stop] += height * wave[:, : stop - first]
    return trace[:, before : before + int(_MS * duration)]


def _noise(rng, n, fs):
    """What electrodes and amplifier add to the eight leads, mV, and the flags that a reader would set."""
    time, flags = np.arange(n) / fs, []
    wander = rng.lognormal(np.log(0.035), 0.6)
    muscle = rng.lognormal(np.log(0.009), 0.55)
    knots = int(time[-1] * 0.5) + 5
    at = CubicSpline(np.arange(knots), rng.normal(size=(knots, len(_LEADS) + 1)))
    slow = wander * at(1 + 0.5 * time).T
    slow += 0.5 * wander * np.sin(2 * np.pi * 0.25 * time + rng.uniform(0, 2 * np.pi, (len(slow), 1)))
    slow += muscle * rng.normal(size=slow.shape)
    if rng.random() < 0.04:
        flags.append("burst")
        width = int(fs * rng.uniform(0.4, 1.5))
        start = rng.integers(0, max(1, n - width))
        shape = rng.uniform(0.1, 0.4) * np.hanning(width)[: n - start]
        slow[:, start : start + width] += shape * rng.normal(size=(len(slow), len(shape)))
    if wander > 0.075:
        flags.insert(0, "drift")
    if muscle > 0.018:
        flags.insert(len(flags) - ("burst" in flags), "static")
    return np.concatenate([slow[1:3] - slow[0], slow[3:9] - slow[:3].mean(0)]), flags


def _defect(rng, eight, fs, flags):
    """One record in forty has a chest electrode that came off, or drove its amplifier into saturation."""
    fate, lead = rng.random(), rng.integers(2, len(eight))
    start, width = rng.integers(0, max(1, eight.shape[1] // 2)), round(3 * fs)
    if fate < 0.025 and rng.random() < 0.5:
        flags.append("electrodes")
    if fate < 0.012:
        eight[lead, start:] = 0.0
    elif fate < 0.025:
        push = 6 * np.hanning(width)[: eight.shape[1] - start]
        eight[lead, start : start + width] += push
        eight[lead] = np.minimum(eight[lead], 3.0)
    return eight


def _statements(rng, who, severity, rr):
    """What a reader writes: unsure around the limit, and now and then wrong."""
    seen = severity + rng.normal(0, 0.06, 4) > PRESENT
    seen ^= rng.random(4) < np.where(seen, 0.03, 0.006)
    codes = []
    for name, severe, there in zip(who.kinds, severity, seen, strict=True):
        kind = who.kinds[name]
        codes += [INCOMPLETE.get(kind, kind) if severe < 0.65 else kind] * bool(there)
    codes = codes or ["NORM"] * bool(rng.random() < 0.97)
    return [*codes, "SBRAD" if rr > 1.0 else "STACH" if rr < 0.6 else "SR"]


def simulate(n_patients=300, *, fs=100.0, duration=10.0, folds=None, seed=0):
    """Records of simulated patients.

    Parameters
    ----------
    n_patients : int
        With one to three records each, 1.7 on average. Patient i is the same whatever their number.
    fs : float
        Hz, 100 to 1000.
    duration : float
        s.
    folds : sequence of int, optional
        Only patients of these folds out of 1 to 10.
    seed : int

    Returns
    -------
    dict of str to ndarray
        ecg (record, 12, n), mV, float32; record, patient (str: whole numbers), fold (1 to 10, by patient), age, sex,
        noise, statements (str) of each record; severity and true_label (record, 5), NORM first: its severity is 1 minus
        the largest of the others.

    Raises
    ------
    ValueError
        There is no patient, or no such fold, or the rate is not possible.
    """
    if n_patients < 1 or duration <= 0:
        raise ValueError(f"patients and duration must be positive, got {n_patients} and {duration}")
    wanted = set(range(1, 11)) if folds is None else {int(fold) for fold in folds}
    rows = {name: [] for name in ("ecg", "record", "patient", "fold", "age", "sex", "noise", "statements", "severity")}
    for index in (i for i in range(n_patients) if i % 10 + 1 in wanted):
        who = patient(index, seed)
        for number in range(who.records):
            made = record(who, index, number, fs=fs, duration=duration, seed=seed)
            rows["ecg"].append(made.ecg)
            rows["record"].append(str(3 * index + number + 1))
            rows["patient"].append(str(index + 1))
            rows["fold"].append(index % 10 + 1)
            rows["age"].append(made.age)
            rows["sex"].append("female" if who.traits["female"] else "male")
            rows["noise"].append(" ".join(made.noise))
            rows["statements"].append(" ".join(made.statements))
            rows["severity"].append([1 - made.severity.max(), *made.severity])
    if not rows["ecg"]:
        raise ValueError(f"no patient out of {n_patients} is in the folds {sorted(wanted)}; folds are 1 to 10")
    result = {name: np.stack(column) if name == "ecg" else np.array(column) for name, column in rows.items()}
    diseased = result["severity"][:, 1:] > PRESENT
    result["true_label"] = np.c_[~diseased.any(1), diseased]
    return result
