"""Annotated one-lead recordings of arrhythmic patients, in the shape of the MIT-BIH Arrhythmia Database.

Every patient is a heart of its own (`cardio_utils.simulate.heart`): anatomy, orientation, electrodes,
conduction, ectopic foci, and a rhythm. All beats of a patient come from that heart, so beats of one patient
resemble each other more than beats of one class do, and a split that parts a patient's beats is answered by
memory.

=====  ================================================================================================
class  how a beat comes about
=====  ================================================================================================
N      The sinus impulse, by the Purkinje roots. Symbol N, or L and R in patients with bundle-branch block.
S      A premature atrial (A) or nodal (J) impulse, with another P wave or none; the ventricles conduct it
       like a sinus beat, or, early and in some patients, with bundle-branch block (a). It resets the
       sinus node, so that the pause after it is incomplete.
V      A patient's own focus in the ventricular wall, without the fast roots. The sinus node goes on: the
       pause after it is fully compensatory, or there is none (interpolated).
F      Fusion: the focus fires 15 to 45 ms ahead of the sinus impulse; each node follows whoever is first.
Q      Pacing of the right ventricle on demand (/), and its fusion with the patient's own beats (f).
=====  ================================================================================================

Intervals between beats tell premature beats only in part, as in life: sinus arrhythmia, pauses and atrial
fibrillation (irregular beats without P wave that are N by definition) have early normal beats, and ectopic
beats come as couplets and runs, late, or barely early.

References
----------
Moody GB, Mark RG (2001) IEEE Eng Med Biol Mag 20(3):45-50 (the database, its lead, its symbols).
ANSI/AAMI EC57 (the five classes). Kachuee M et al. (2018) IEEE ICHI:443-444 (beats cut from such records).
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy import fft, signal
from scipy.interpolate import CubicSpline
from scipy.spatial.transform import Rotation

from cardio_utils.ecg import Recording
from cardio_utils.simulate import heart as engine

__all__ = ["FS", "recording_noise", "simulate", "write_wfdb"]

FS = 360.0
"""Sampling rate of a recording, Hz."""

GAIN = 200.0
"""Steps of the analogue-digital converter per mV; the recordings are rounded to them."""

BLOCK = 16
"""Patients are drawn in blocks: each block of 16 has the same make-up of rhythms and burdens of ectopy."""

# Rhythm and whether a bundle branch is blocked (18 % of patients), one entry for each patient of a block
_ROLES = (
    [("paced", False)] * 3
    + [("fibrillation", False), ("fibrillation", True)]
    + [("arrhythmia", False)] * 3
    + [("sinus", True)] * 2
    + [("sinus", False)] * 6
)

# Limb electrodes of the modified lead II, on the trunk (mm, torso frame)
_MLII = np.array([[-110.0, 90.0, 150.0], [110.0, 80.0, -170.0]])
_FUSION_LEADS = (15.0, 25.0, 33.0, 40.0, 45.0)  # ms from the focus to the sinus impulse
_REFRACTORY = 0.36  # s after a beat in which nothing excites the ventricles


class _Profile(NamedTuple):
    """What distinguishes one patient's rhythm; times in s, probabilities a beat."""

    rhythm: str  # "sinus", "arrhythmia", "fibrillation" or "paced"
    block: str  # "", "left" or "right"
    ventricular: float
    supraventricular: float
    fusion: float
    rr: float
    pr: float
    coupling_v: float  # ventricular premature beat, relative to the sinus interval
    coupling_s: float
    aberrant: bool
    nodal: bool
    interpolated: float


class _Beat(NamedTuple):
    """Onset of the ventricles (s; NaN if blocked), symbol, shape, kind and onset (s) of the P wave."""

    onset: float
    symbol: str
    shape: tuple
    atrial: str
    p_onset: float


def simulate(n_patients=48, beats=240, seed=0):
    """Recordings of simulated patients with annotated beats.

    Parameters
    ----------
    n_patients : int
        One recording each. Patient i is the same whatever their number.
    beats : int
        Annotated beats of each recording; about 0.8 s each.
    seed : int
        Everything is drawn from it, by patient.

    Returns
    -------
    list of cardio_utils.ecg.Recording
        Names and patients "sim000", "sim001", ...; `signal` in mV at 360 Hz, one lead (MLII), rounded to the
        steps of the converter; `samples` at the largest deflection of each QRS complex.

    Raises
    ------
    ValueError
        If a number is not positive.
    """
    if n_patients < 1 or beats < 1:
        raise ValueError(f"patients and beats must be positive, got {n_patients} and {beats}")
    return [_record(index, beats, seed) for index in range(n_patients)]


def _record(index, beats, seed):
    blocks, patients = np.random.SeedSequence(seed).spawn(2)
    rng = np.random.default_rng(patients.spawn(index + 1)[index])
    stratum = _stratum(blocks.spawn(index // BLOCK + 1)[-1])
    profile = _profile(rng, stratum[index % BLOCK])
    rhythm = _rhythm(rng, profile, beats)
    trace, peaks = _trace(rng, _Ventricles(rng, profile), profile, rhythm)
    name = f"sim{index:03d}"
    symbols = np.array([beat.symbol for beat in rhythm if beat.symbol])
    return Recording(name, name, trace, FS, peaks, symbols)


def _stratum(sequence):
    """A Latin hypercube: in each of four columns every sixteenth of [0, 1) is hit once, shape (16, 4)."""
    rng = np.random.default_rng(sequence)
    return np.stack([(rng.permutation(BLOCK) + rng.random(BLOCK)) / BLOCK for _ in range(4)], 1)


def _profile(rng, u):
    """A patient at one point of the hypercube: a role, and three burdens of ectopy."""
    rhythm, blocked = _ROLES[int(BLOCK * u[0])]
    block = ("left", "right")[rng.integers(2)] if blocked else ""
    burdens = 0.45 * u[1] ** 2.2, 0.34 * u[2] ** 4, 0.26 * u[3] ** 4
    rare = rhythm in ("paced", "fibrillation")
    return _Profile(
        rhythm=rhythm,
        block=block,
        ventricular=burdens[0] * (0.5 if rhythm == "paced" else 1),
        supraventricular=0.0 if rare else burdens[1],
        fusion=0.0 if rare else burdens[2],
        rr=np.clip(rng.normal(0.82, 0.11), 0.58, 1.15),
        pr=np.clip(rng.normal(0.160, 0.018), 0.12, 0.22),
        coupling_v=rng.uniform(0.48, 0.85),
        coupling_s=rng.uniform(0.52, 0.84),
        aberrant=not block and rng.random() < 0.25,
        nodal=rng.random() < 0.2,
        interpolated=rng.choice([0.0, 0.5], p=[0.8, 0.2]),
    )


def _intervals(rng, profile, n):
    """Intervals between the impulses that reach the ventricles from above, s, shape (n,)."""
    if profile.rhythm == "fibrillation":
        return np.maximum(profile.rr * (0.55 + rng.gamma(4, 0.1125, n)), 0.36)
    strong = profile.rhythm == "arrhythmia"
    rr = engine.sinus_rhythm(
        rng,
        n,
        profile.rr,
        respiratory=rng.uniform(0.05, 0.11) if strong else rng.uniform(0.01, 0.04),
        breathing=rng.uniform(0.17, 0.3),
        mayer=rng.uniform(0.01, 0.04),
        jitter=rng.uniform(0.015, 0.04) if strong else rng.uniform(0.005, 0.02),
        wander=rng.uniform(0.04, 0.08) if profile.rhythm == "paced" else rng.uniform(0.02, 0.08),
    )
    pauses = rng.random(n) < (0.02 if strong else 0.002)
    return rr * np.where(pauses, rng.uniform(1.3, 1.8, n), 1.0)


def _rhythm(rng, profile, n):
    """Beats in order of time until `n` of them have excited the ventricles."""
    machine = _Machine(rng, profile, n)
    while machine.count < n:
        machine.step()
    return machine.beats[: [i for i, beat in enumerate(machine.beats) if beat.symbol][n - 1] + 1]


class _Machine:
    """Sinus node, ectopic foci and pacemaker, each with its own clock, competing for the ventricles."""

    def __init__(self, rng, profile, n):
        self.rng, self.profile = rng, profile
        self.intervals = iter(_intervals(rng, profile, 8 * n + 64))
        # Ectopy comes in bouts: one factor on its probabilities for every 20 beats
        self.bouts = np.repeat(rng.gamma(1.2, 1 / 1.2, n // 20 + 2), 20)
        self.beats, self.count, self.recovering = [], 0, False
        self.last, self.interval = 0.2, next(self.intervals)
        self.due = 0.2 + self.interval  # when the next impulse from above would excite the ventricles
        self.plain = {"": "N", "left": "L", "right": "R"}[profile.block]
        self.escape = profile.rr * rng.uniform(1.03, 1.11)

    def step(self):
        """Let whichever clock is next excite the ventricles."""
        p, bout = self.profile, self.bouts[min(self.count, len(self.bouts) - 1)]
        v, s, f = (min(0.45, bout * rate) for rate in (p.ventricular, p.supraventricular, p.fusion))
        # After an ectopic beat or run comes one beat of another origin: more in a row are drawn as runs
        u = 1.0 if self.recovering else self.rng.random()
        self.recovering = u < v + s
        if u < v:
            self._ventricular()
        elif u < v + s:
            self._supraventricular()
        elif u < v + s + f:
            self._fusion()
        elif p.rhythm == "paced" and self.due > self.last + self.escape + 0.015:
            self._paced()
        else:
            self._conducted()

    def _conducted(self):
        self._add(self.due, self.plain, ("N",), self._sinus_p())
        self._next_impulse()

    def _sinus_p(self):
        return ("", 0.0) if self.profile.rhythm == "fibrillation" else ("sinus", self.profile.pr)

    def _add(self, onset, symbol, shape, atrial):
        kind, pr = atrial
        self.beats.append(_Beat(onset, symbol, shape, kind, onset - pr))
        self.count += 1
        self.last = onset

    def _next_impulse(self, since=None):
        self.interval = next(self.intervals)
        self.due = (self.due if since is None else since) + self.interval

    def _skip_blocked(self):
        """Impulses from above that find the ventricles refractory leave a P wave and nothing else."""
        while self.due < self.last + _REFRACTORY:
            if self.profile.rhythm != "fibrillation":
                self.beats.append(_Beat(np.nan, "", (), "sinus", self.due - self.profile.pr))
            self._next_impulse()

    def _ventricular(self):
        rng, p = self.rng, self.profile
        onset = self.last + max(self.interval * rng.normal(p.coupling_v, 0.04), _REFRACTORY + 0.02)
        if onset > self.due - 0.06:  # the impulse from above is faster
            return self._conducted()
        focus = int(rng.random() < 0.25)
        early = self.due - onset
        self._add(onset, "V", ("V", focus, int(rng.integers(3))), ("", 0.0))
        while rng.random() < 0.12:  # couplets and runs
            self._add(self.last + rng.uniform(0.38, 0.55), "V", ("V", focus, int(rng.integers(3))), ("", 0.0))
        if early > _REFRACTORY and rng.random() < p.interpolated:
            self.due += 0.04  # concealed conduction delays the next sinus beat a little
        elif p.rhythm == "fibrillation":
            self._next_impulse(since=self.last + 0.15)
        else:
            # The sinus impulse of this cycle meets refractory muscle; its successor comes in time
            self.beats.append(_Beat(np.nan, "", (), "sinus", self.due - p.pr))
            self._next_impulse()
        self._skip_blocked()

    def _supraventricular(self):
        rng, p = self.rng, self.profile
        length = 1 + (rng.geometric(0.45) if rng.random() < 0.25 else 0)
        for _ in range(length):
            coupling = min(rng.normal(p.coupling_s, 0.05), 0.95)
            onset = self.last + max(self.interval * coupling, 0.40)
            if onset > self.due - 0.02:
                return self._conducted()
            aberrant = p.aberrant and coupling < 0.76
            atrial = ("", 0.0) if p.nodal else ("ectopic", p.pr * 0.9)
            symbol = "a" if aberrant else "J" if p.nodal else "A"
            self._add(onset, symbol, ("a",) if aberrant else ("N",), atrial)
            # The sinus node is reset, and a little slower than before (overdrive)
            self.due = onset + self.interval * rng.uniform(1.0, 1.18)

    def _fusion(self):
        lead = int(self.rng.integers(len(_FUSION_LEADS)))
        kind, pr = self._sinus_p()
        ahead = _FUSION_LEADS[lead] / 1000
        self._add(self.due - ahead, "F", ("F", lead), (kind, pr - ahead))
        self.due = self.last + ahead
        self._next_impulse()

    def _paced(self):
        onset = self.last + self.escape
        p_onset = self.due - self.profile.pr
        early = self.due - onset
        if early < 0.05:
            self._add(onset, "f", ("f", round(100 * early)), ("", 0.0))
        else:
            self._add(onset, "/", ("/",), ("", 0.0))
        if early < _REFRACTORY:  # the atria beat on, unheard
            self.beats.append(_Beat(np.nan, "", (), "sinus", p_onset))
            self._next_impulse()


class _Ventricles:
    """The shapes of one patient's beats in the lead, computed when first needed.

    Each shape is a pair (expiration, inspiration), mV every ms: breathing turns the heart in the chest.
    """

    def __init__(self, rng, profile):
        self.profile = profile
        self._activations = {}
        self.heart = engine.Heart(engine.Anatomy.draw(rng), engine.Conduction.draw(rng))
        self.apd = rng.normal(278, 14)
        self.gradients = {"transmural": rng.normal(36, 9), "apicobasal": rng.normal(12, 7), "coupling": 0.1}
        # Neighbours differ, which a formula of position leaves out; it makes T waves as smooth as they are
        self.scatter = rng.normal(0, 18, len(self.heart.points))
        self.slowing = rng.uniform(0.95, 1.12)
        self.aberrancy = rng.choice(["left", "right"], p=[0.25, 0.75])
        layers = np.flatnonzero(self.heart.layer_left | self.heart.layer_right)
        self.foci = rng.choice(layers, 2)
        self.exit = {"layer": rng.uniform(0.75, 1.0), "slowing": rng.uniform(1.1, 1.35)}
        apex = np.array([-30.0, 0.0, -52.0]) + rng.normal(0, 6, 3)
        self.electrode = self.heart.nearest(apex, self.heart.layer_right)
        rotation = engine.orientation(rng, 0.07)
        self.positions = self._place(rng, rotation)
        breath = Rotation.from_rotvec(rng.normal(0, 0.06, 3)).as_matrix()
        fields = [self.heart.lead_field(self.positions, r) for r in (rotation, breath @ rotation)]
        self.scale = 0.75 * rng.lognormal(0, 0.2)
        self.field = self.scale * np.stack([self._lead(field) for field in fields])
        self._shapes = {}

    def _place(self, rng, rotation):
        """Electrode positions, mm, shape (2, 3): like a technician, the first trial with clear QRS complexes.

        Each kind of beat must rise by 0.35 mV in 20 ms and 45 % as steeply as the steepest one. Trials go
        further and further from the standard places; in one patient of ten the first one does.
        """
        spread = np.linspace(35 if rng.random() < 0.1 else 8, 50, 24)
        trials = _MLII * rng.uniform(0.92, 1.1) + spread[:, None, None] * rng.normal(size=(24, 2, 3))
        field = self.heart.lead_field(trials.reshape(-1, 3), rotation).reshape(24, 2, -1)
        kinds = [("N",), ("V", 0, 1)] + [("/",)] * (self.profile.rhythm == "paced")
        waves = np.stack([self._potentials(field[:, 1] - field[:, 0], kind, self.apd) for kind in kinds])
        rise = np.abs(waves[..., 20:] - waves[..., :-20])  # mV in 20 ms
        qrs = rise[..., :180].max(2)
        clarity = np.minimum(qrs.min(0) / 0.35, qrs.min(0) / (0.45 * rise.max((0, 2))))
        return trials[(clarity > 1).argmax() if clarity.max() > 1 else clarity.argmax()]

    def _potentials(self, field, shape, apd):
        activation = self.activation(shape)
        durations = self.heart.durations(activation, apd + self.scatter, **self.gradients)
        return engine.surface_potentials(field, activation, durations)

    @staticmethod
    def _lead(electrode_values):
        return electrode_values[1] - electrode_values[0]

    def p_wave(self, waves):
        """mV every ms, shape (140,)."""
        return self.scale * self._lead(engine.atrial_potentials(self.positions, waves))

    def activation(self, shape):
        """Activation times of a beat, ms, shape (node,)."""
        if shape not in self._activations:
            self._activations[shape] = self._activate(*shape)
        return self._activations[shape]

    def _activate(self, kind, *variant):
        if kind == "N":
            return self.heart.sinus(self.profile.block, slowing=self.slowing)
        if kind == "a":
            return self.heart.sinus(self.profile.block or self.aberrancy, slowing=self.slowing)
        if kind == "V":
            focus, exit_ = variant
            return self.activation(("focus", int(self.foci[focus]))) * (0.94 + 0.06 * exit_)
        if kind == "focus":
            return self.heart.focus(variant[0], **self.exit)
        if kind == "/":
            return self.activation(("focus", int(self.electrode)))
        if kind == "F":
            site, lead = self.foci[0], _FUSION_LEADS[variant[0]]
        else:
            site, lead = self.electrode, 10.0 * variant[0]
        both = np.stack([self.activation(("focus", int(site))), self.activation(("N",))])
        return engine.first_arrival(both, [0.0, lead])

    def shape(self, shape, rr):
        """Potentials, shape (2, 600), at a cycle length (s), and the time of the largest deflection, ms."""
        apd = 8.0 * round(float(engine.repolarisation(rr, self.apd)) / 8)
        if (shape, apd) not in self._shapes:
            wave = self._potentials(self.field, shape, apd)
            end = int(min(self.activation(shape).max() + 10, 220))
            self._shapes[shape, apd] = wave, int(np.abs(wave.mean(0)[:end]).argmax())
        return self._shapes[shape, apd]


def _trace(rng, ventricles, profile, rhythm):
    """The recording (mV, at `FS`) of a rhythm and the samples of its R peaks."""
    breathing = rng.uniform(0.18, 0.3)
    trace = _atria(rng, ventricles, profile, rhythm)
    peaks = _add_ventricles(trace, rng, ventricles, rhythm, breathing)
    trace = signal.resample_poly(trace[: -engine.BEAT], 9, 25)  # 1000 to 360 Hz
    trace *= 1 + 0.04 * _slow(rng, len(trace), FS, 0.02)
    trace += recording_noise(rng, len(trace), FS, breathing)
    digital = np.clip(np.rint(trace * GAIN), -1024, 1023)
    return (digital / GAIN).astype(np.float32), np.rint(peaks * FS / 1000).astype(np.int64)


def _atria(rng, ventricles, profile, rhythm):
    """What the atria contribute, mV every ms, with 1.2 s and the length of a beat after the last beat."""
    last = max(beat.onset for beat in rhythm if beat.symbol)
    trace = np.zeros(int(1000 * (last + 1.2)) + engine.BEAT)
    if profile.rhythm == "fibrillation":
        return trace + _fibrillatory_waves(rng, len(trace))
    ectopic = tuple((rng.normal([0, 0, -800], 2200), t, w) for t, w in ((42.0, 15.0), (68.0, 17.0)))
    p_waves = {"sinus": ventricles.p_wave(engine.SINUS_ATRIAL_WAVES), "ectopic": ventricles.p_wave(ectopic)}
    for beat in rhythm:
        start = int(1000 * beat.p_onset)
        if beat.atrial and start >= 0:
            trace[start : start + 140] += p_waves[beat.atrial][: len(trace) - start]
    return trace


def _add_ventricles(trace, rng, ventricles, rhythm, breathing):
    """Add the ventricular beats to a trace (mV every ms) and return the times of their R peaks, ms."""
    beats = [beat for beat in rhythm if beat.symbol]
    spike = rng.uniform(0.3, 1.0)
    peaks, previous, cycle = [], beats[0].onset - 0.8, 0.8
    for beat in beats:
        # The action potential follows the cycle length with memory: half of it is the history
        cycle = 0.5 * cycle + 0.5 * np.clip(beat.onset - previous, 0.35, 1.3)
        previous = beat.onset
        (out, breath), peak = ventricles.shape(beat.shape, cycle)
        share = 0.5 + 0.5 * np.sin(2 * np.pi * breathing * beat.onset)
        start = int(1000 * beat.onset)
        trace[start : start + engine.BEAT] += ((1 - share) * out + share * breath) * rng.normal(1, 0.02)
        if beat.symbol in "/f":
            trace[start - 3 : start - 1] += spike
        peaks.append(start + peak)
    return np.array(peaks)


def _fibrillatory_waves(rng, n):
    """Coarse to fine f waves of atrial fibrillation, mV every ms: 4.5 to 6.5 Hz with a wandering phase."""
    phase = 2 * np.pi * rng.uniform(4.5, 6.5) * np.arange(n) / 1000 + 3 * _slow(rng, n, 1000.0, 0.3)
    return rng.uniform(0.02, 0.09) * (np.sin(phase) + 0.3 * np.sin(2 * phase + 1))


def _slow(rng, n, fs, rate):
    """A smooth random course of unit variance with `rate` independent values a second, shape (n,)."""
    knots = rng.normal(size=int(n / fs * rate) + 4)
    return CubicSpline(np.arange(len(knots)), knots)(1 + np.arange(n) * rate / fs)


def _band_noise(rng, n, fs, low, high):
    """Gaussian noise of unit variance between two frequencies (Hz), shape (n,)."""
    size = fft.next_fast_len(n, real=True)
    spectrum = fft.rfft(rng.normal(size=size))
    frequency = fft.rfftfreq(size, 1 / fs)
    spectrum[(frequency < low) | (frequency > high)] = 0
    noise = fft.irfft(spectrum, size)[:n]
    return noise / noise.std()


def recording_noise(rng, n, fs, breathing=0.25):
    """What an ambulatory recorder adds to a lead: wander, muscle, mains and motion.

    Parameters
    ----------
    rng : numpy.random.Generator
        Draws the noise and how much of each kind this recording has.
    n : int
        Samples.
    fs : float
        Hz.
    breathing : float
        Hz; part of the baseline wander follows it.

    Returns
    -------
    ndarray, shape (n,)
        mV.
    """
    time = np.arange(n) / fs
    wander = rng.uniform(0, 0.10) * np.sin(2 * np.pi * breathing * time + rng.uniform(0, 2 * np.pi))
    wander += rng.lognormal(np.log(0.05), 0.5) * _slow(rng, n, fs, 0.4)
    tension = np.exp(0.5 * _slow(rng, n, fs, 0.2))
    muscle = rng.lognormal(np.log(0.012), 0.6) * tension * _band_noise(rng, n, fs, 15, 120)
    mains = rng.exponential(0.004) * np.sin(2 * np.pi * 60 * time)
    motion = np.zeros(n)
    for _ in range(rng.poisson(n / fs / 40)):
        width = int(fs * rng.uniform(0.5, 3))
        start = rng.integers(max(1, n - width))
        burst = motion[start : start + width]
        burst += rng.uniform(0.1, 0.5) * np.hanning(width)[: len(burst)]
    return wander + muscle + mains + motion * _band_noise(rng, n, fs, 0.7, 12)


def write_wfdb(recordings, folder):
    """Write recordings in the layout of the MIT-BIH Arrhythmia Database.

    Each one becomes three files: NAME.hea, NAME.dat (format 212, 200 steps per mV) and NAME.atr, in which a
    rhythm label precedes the beats as it does there.

    Parameters
    ----------
    recordings : iterable of cardio_utils.ecg.Recording
        Signals between -5.12 and 5.11 mV, one lead, which is named MLII.
    folder : path
        Made if it does not exist.

    Returns
    -------
    list of str
        Names of the records, as in the database's own file RECORDS, which is written too.
    """
    import wfdb

    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    names = []
    for name, patient, trace, fs, samples, symbols in recordings:
        digital = np.rint(np.asarray(trace, float) * GAIN).astype(np.int64) + 1024
        wfdb.wrsamp(
            name,
            fs=fs,
            units=["mV"],
            sig_name=["MLII"],
            d_signal=digital[:, None],
            fmt=["212"],
            adc_gain=[GAIN],
            baseline=[1024],
            comments=[f"patient {patient}", "simulated"],
            write_dir=str(folder),
        )
        first = max(0, int(samples[0]) - int(0.3 * fs))
        wfdb.wrann(
            name,
            "atr",
            np.r_[first, samples],
            symbol=["+", *symbols],
            aux_note=["(N\x00"] + [""] * len(symbols),
            fs=fs,
            write_dir=str(folder),
        )
        names.append(name)
    (folder / "RECORDS").write_text("".join(f"{name}\n" for name in names))
    return names
