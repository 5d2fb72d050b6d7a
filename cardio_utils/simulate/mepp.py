"""Miniature end-plate potentials: what a sharp electrode in a resting muscle fibre records, and the true events.

Quanta of transmitter that a nerve ending lets go by chance depolarise the end-plate by about 0.5 mV (Fatt and Katz
1952). Draws are nested as experiments are: a day (one muscle), 3 fibres of it, 2 recordings of each, and the events
of a recording. Every item has its own random stream, so a stretch of a larger set holds the same recordings, and the
animals are the same in all tiers of one seed: split by day. Streams of events, noise and artefacts are parted, so
that other conditions (more hum, slower kinetics) meet the same events. Chapter 13 uses this module.

Amplitudes and times of the published experiments vary widely; the ranges here are plausible ones, not fits.

References
----------
Fatt P, Katz B (1951) J Physiol 115:320-370 (end-plate potential, its spread along the fibre).
Fatt P, Katz B (1952) J Physiol 117:109-128 (miniatures: amplitudes, intervals).
Boyd IA, Martin AR (1956) J Physiol 132:74-91 (amplitude distribution in mammalian muscle).
Lowen SB, Cash SS, Poo M, Teich MC (1997) J Neurosci 17:5666-5677 (rates that wander).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import xarray as xr
from scipy import fft

__all__ = ["FS", "TIERS", "Conditions", "shape", "simulate", "time_to_peak"]

FS = 10_000.0
"""Sampling rate (Hz), that of the originals' recordings."""

_FIBRES, _RECORDINGS = 3, 2  # fibres a day, recordings a fibre
_OVERLAP = 0.010  # s between onsets: three time constants of the decay, a twentieth of the first event is left

_AMPLITUDE = 0.7  # mV, median over days; the originals' tables show 0.36 to 1.0, mouse muscle 0.6 to 1.5
_AMPLITUDE_SPREAD = (0.15, 0.35)  # SD of the logarithm between days, and between fibres: a factor of 2 to 3 in all
_RISE = 0.5e-3  # s, time constant: 0.9 to 1.2 ms from onset to peak, 10-90 % in 0.5 to 0.8 ms as published
_DECAY = 3.5e-3  # s, time constant of the fibre's resistance and capacitance; 2 to 8 by species and temperature
_KINETICS_SPREAD = (0.12, 0.15)  # SD of the logarithm between days (temperature) and fibres
_DISTANCE = 0.15  # mean distance of electrode and end-plate in space constants: attenuates, and slows both phases
_RATE_SPREAD = (0.2, 0.45, 0.2)  # SD of the logarithm between days, fibres, recordings; all of them 0.3 to 3 Hz
_RESTING = (-72.0, 4.0)  # mV, mean and SD over fibres (mouse -60 to -80, frog -80 to -95)
_GIANT = (2.0, 5.0)  # amplitude in ordinary ones, uniform
_SLOW = (0.6, 3.0, 1.6)  # factors on amplitude, rise and decay: an event far from the electrode
_CLOSE = (0.002, 0.010)  # s between the onsets of a summed pair, uniform

_LOWPASS = 2000.0  # Hz, fourth order: the amplifier; 1 to 3 kHz is usual. Events are slower and not filtered
_SLOW_SHARE = (0.3, 0.8)  # share of the noise's variance that is slow: as large as the events in the originals' plots
_CORNER = (5.0, 40.0)  # Hz, where the slow noise begins to fall
_EXPONENT = (1.0, 2.0)  # with which power of the frequency it falls
_STEPS = (0.00305, 0.02775)  # mV, of the converter: 16 bits at a gain of 100, and the step in the originals' tables
_MAINS = (50.0, 60.0)  # Hz
_HARMONICS = {1: 1.0, 3: 0.3, 5: 0.15}  # of the mains, amplitude of each in that of the first


class Conditions(NamedTuple):
    """What shapes the recordings of a tier, and what may be asked for instead.

    Attributes
    ----------
    snr : (float, float)
        Range of the fibre's mean amplitude over the standard deviation of the noise, log-uniform over recordings.
    rate : float
        Median rate of the events (Hz).
    modulation : float
        Standard deviation of the logarithm of the rate, wandering over about 5 s; 0: a Poisson process.
    kinetics : float
        Factor on both time constants.
    amplitude_cv, kinetics_cv : float
        Coefficient of variation within a fibre (0.2 to 0.4 for amplitudes).
    giant, slow, double : float
        Share of giant events, of slow and small ones, and of those that a second one follows within 2 to 10 ms.
    hum : float
        Typical amplitude of the mains in standard deviations of the noise.
    settling, walk, wander : float
        Drift of the resting potential: fall after impalement (mV), random walk (mV in a minute), waves of 0.1 to
        1 Hz (mV, standard deviation).
    noise_drift : float
        Standard deviation of the logarithm of the noise level within a recording.
    ends : float
        Factor on the noise of the first 0.3 s and the last 2.5 s, where electrodes come and go.
    spikes, pops, waves, steps, bursts : float
        Artefacts a minute: 1 to 3 samples; a jump that fades within 5 to 100 ms; a movement of 50 to 500 ms; a jump
        that stays; noise three times as large for 20 to 100 ms. Heights are those of events, of both signs.
    """

    snr: tuple = (6.0, 14.0)
    rate: float = 1.0
    modulation: float = 0.0
    kinetics: float = 1.0
    amplitude_cv: float = 0.3
    kinetics_cv: float = 0.2
    giant: float = 0.01
    slow: float = 0.02
    double: float = 0.0
    hum: float = 0.1
    settling: float = 0.5
    walk: float = 0.3
    wander: float = 0.0
    noise_drift: float = 0.1
    ends: float = 1.0
    spikes: float = 0.0
    pops: float = 0.0
    waves: float = 0.0
    steps: float = 0.0
    bursts: float = 0.0


_ROUGH = dict(hum=0.5, settling=3.0, walk=1.5, wander=0.2, noise_drift=0.25, ends=1.6)
_ARTEFACTS = dict(spikes=5.0, pops=3.0, waves=2.0, steps=0.5, bursts=1.0)

TIERS = {
    "normal": Conditions(),
    "hard": Conditions(
        snr=(2.0, 6.0), modulation=0.4, kinetics_cv=0.3, giant=0.04, slow=0.08, double=0.08, **_ROUGH, **_ARTEFACTS
    ),
    "empty": Conditions(snr=(2.0, 14.0), rate=0.0, **_ROUGH),
    "artefact": Conditions(
        snr=(2.0, 14.0), rate=0.0, **_ROUGH, **{name: 3 * value for name, value in _ARTEFACTS.items()}
    ),
}
"""Tier -> its conditions: clean; low SNR with summed, slow and giant events, hum, drift and artefacts; no events
(a blocked end-plate); no events and three times the artefacts."""


class _Recording(NamedTuple):
    vm: np.ndarray
    about: dict
    events: dict
    artefacts: list


def time_to_peak(tau_rise, tau_decay):
    """Time from onset to peak of `shape`, in the unit of the time constants."""
    return tau_rise * np.log1p(tau_decay / tau_rise)


def shape(t, tau_rise, tau_decay):
    """An event of peak 1: ``(1 - exp(-t / tau_rise)) exp(-t / tau_decay)``, scaled; 0 before its onset at t = 0.

    Parameters
    ----------
    t, tau_rise, tau_decay : array_like
        Times in one unit; they broadcast.

    Returns
    -------
    ndarray
    """
    t = np.maximum(t, 0)
    peak = time_to_peak(tau_rise, tau_decay)
    return _raw(t, tau_rise, tau_decay) / _raw(peak, tau_rise, tau_decay)


def _raw(t, tau_rise, tau_decay):
    return -np.expm1(-t / tau_rise) * np.exp(-t / tau_decay)


def _stream(seed, *key):
    return np.random.SeedSequence(seed, spawn_key=key)


def _lognormal(rng, cv, size=None):
    """Draws of mean 1 and the coefficient of variation `cv`."""
    s = np.sqrt(np.log1p(cv**2))
    return np.exp(s * rng.standard_normal(size) - s**2 / 2)


def _fibre(seed, day, fibre):
    """Mean amplitude (mV), time constants (s), rate in the tier's, resting potential (mV) of one fibre; and its mains
    and converter, which are those of the day."""
    muscle = np.random.default_rng(_stream(seed, 0, day))
    rng = np.random.default_rng(_stream(seed, 1, day, fibre))
    amplitude, kinetics, rate = (
        np.exp(s[0] * muscle.standard_normal() + s[1] * rng.standard_normal())
        for s in (_AMPLITUDE_SPREAD, _KINETICS_SPREAD, _RATE_SPREAD)
    )
    distance = rng.exponential(_DISTANCE)
    return {
        "amplitude": _AMPLITUDE * amplitude * np.exp(-distance),
        "tau_rise": _RISE * kinetics * (1 + distance),
        "tau_decay": _DECAY * kinetics * (1 + 0.5 * distance),
        "rate": rate,
        "resting": _RESTING[0] + _RESTING[1] * rng.standard_normal(),
        "mains": muscle.choice(_MAINS),
        "step": muscle.choice(_STEPS),
    }


def _onsets(rng, rate, modulation, duration):
    """Onsets (s) of a Poisson process whose rate wanders; none in the first 10 ms and the last 30 ms."""
    grid = np.linspace(0.01, duration - 0.03, max(2, int(10 * duration)))
    wandering = _wandering(rng, grid.size, 50) * modulation
    grown = np.concatenate([[0.0], np.cumsum(np.exp(wandering[1:] - modulation**2 / 2) * np.diff(grid) * rate)])
    return np.interp(np.sort(rng.uniform(0, grown[-1], rng.poisson(grown[-1]))), grown, grid)


def _wandering(rng, n, memory):
    """n draws of variance 1 whose correlation falls to 1 / e within `memory` of them."""
    from scipy.signal import lfilter

    keep = np.exp(-1 / memory)
    white = rng.standard_normal(n)
    white[1:] *= np.sqrt(1 - keep**2)
    return lfilter([1.0], [1.0, -keep], white)


def _events(rng, fibre, rate, duration, c):
    """Table of the true events of one recording, sorted by onset: column -> values."""
    onset = _onsets(rng, rate, c.modulation, duration)
    lot, n = rng.random(onset.size), onset.size
    kind = np.select([lot < c.giant, lot < c.giant + c.slow], ["giant", "slow"], "mepp").astype("<U6")
    follows = rng.random(n) < c.double
    second = onset + rng.uniform(*_CLOSE, n)
    follows &= second < duration - 0.03
    onset = np.concatenate([onset, second[follows]])
    kind = np.concatenate([kind, np.full(follows.sum(), "double", "<U6")])
    n = onset.size
    amplitude = fibre["amplitude"] * _lognormal(rng, c.amplitude_cv, n)
    # Both phases slow down together where an event arises further from the electrode.
    common, rise, decay = (_lognormal(rng, c.kinetics_cv / np.sqrt(2), n) for _ in range(3))
    tau_rise = c.kinetics * fibre["tau_rise"] * common * rise
    tau_decay = c.kinetics * fibre["tau_decay"] * common * decay
    giant, slow = kind == "giant", kind == "slow"
    amplitude *= np.where(giant, rng.uniform(*_GIANT, n), np.where(slow, _SLOW[0], 1.0))
    tau_rise *= np.where(giant, rng.uniform(1.0, 3.0, n), np.where(slow, _SLOW[1], 1.0))
    tau_decay *= np.where(slow, _SLOW[2], 1.0)
    peak = onset + time_to_peak(tau_rise, tau_decay)
    order = np.argsort(onset, kind="stable")
    gap = np.diff(onset[order], prepend=-np.inf, append=np.inf)
    columns = dict(onset=onset, peak=peak, amplitude=amplitude, tau_rise=tau_rise, tau_decay=tau_decay, kind=kind)
    return {name: values[order] for name, values in columns.items()} | {
        "overlap": np.minimum(gap[:-1], gap[1:]) < _OVERLAP
    }


def _add_events(x, events):
    """Add every event to the trace `x`, down to a thousandth of its height."""
    columns = [events[name] for name in ("onset", "amplitude", "tau_rise", "tau_decay")]
    for onset, amplitude, rise, decay in zip(*columns, strict=True):
        first = int(np.ceil(onset * FS))
        last = min(x.size, first + int(7 * (decay + rise) * FS))
        x[first:last] += amplitude * shape(np.arange(first, last) / FS - onset, rise, decay)


def _noise(rng, n):
    """Stationary noise of standard deviation 1 (n,) float32: white and slow, both through the amplifier."""
    share, exponent = rng.uniform(*_SLOW_SHARE), rng.uniform(*_EXPONENT)
    corner = np.exp(rng.uniform(*np.log(_CORNER)))
    size = fft.next_fast_len(n, real=True)
    f = np.arange(size // 2 + 1, dtype=np.float32) * np.float32(FS / size)
    amplifier = 1 / (1 + (f / np.float32(_LOWPASS)) ** 8)
    slow = amplifier / (1 + (f / np.float32(corner)) ** np.float32(exponent))
    power = share * slow / slow.sum() + (1 - share) * amplifier / amplifier.sum()
    power[0] = 0
    spectrum = fft.rfft(rng.standard_normal(size, dtype=np.float32)) * np.sqrt(power)
    x = fft.irfft(spectrum, size)[:n]
    return (x / x.std()).astype(np.float32)


def _level(rng, n, c):
    """Noise level along the recording, mean square 1: (n,)."""
    grid = np.arange(0, n + FS, FS)  # one point a second
    level = np.exp(c.noise_drift * _wandering(rng, grid.size, 10))
    level = np.interp(np.arange(n), grid, level)
    level[: int(0.3 * FS)] *= c.ends
    level[max(n - int(2.5 * FS), 0) :] *= c.ends
    return level / np.sqrt(np.mean(level**2))


def _hum(rng, n, mains, amplitude):
    """The mains and its odd harmonics, whose strength differs between recordings: (n,)."""
    phase = 2 * np.pi * (mains + 0.02 * rng.standard_normal()) * np.arange(n) / FS
    strength = amplitude * rng.uniform(0.5, 1.5)
    # Odd multiples follow from one sine and cosine (de Moivre), cheaper than a sine each.
    z = np.exp(1j * phase)
    return sum(strength * part * np.imag(z**k * np.exp(2j * np.pi * rng.random())) for k, part in _HARMONICS.items())


def _drift(rng, n, c):
    """Slow change of the resting potential (n,), mV."""
    grid = np.arange(0, n + FS / 50, FS / 50) / FS
    walk = c.walk * np.sqrt(1 / (50 * 60)) * np.cumsum(rng.standard_normal(grid.size))
    settling = c.settling * rng.uniform(-1, 1) * np.exp(-grid / rng.uniform(3, 15))
    wander = c.wander * np.sqrt(2) * np.sin(2 * np.pi * (rng.uniform(0.1, 1.0) * grid + rng.random()))
    return np.interp(np.arange(n) / FS, grid, walk - walk[0] + settling + wander)


def _add_artefacts(x, stream, amplitude, noise_sd, c):
    """Add artefacts to the trace `x` (mV), each kind from a stream of its own; sorted list of (time in s, kind)."""
    added = []
    kinds = ("spike", "pop", "wave", "step", "burst")
    for kind, rng in zip(kinds, map(np.random.default_rng, stream.spawn(len(kinds))), strict=True):
        for time in rng.uniform(0, x.size / FS, rng.poisson(getattr(c, f"{kind}s") * x.size / FS / 60)):
            height = amplitude * rng.choice([-1, 1]) * np.exp(np.log(1.5) + 0.5 * rng.standard_normal())
            piece = _artefact(rng, kind, height, noise_sd, x.size)
            first = int(time * FS)
            x[first : first + piece.size] += piece[: x.size - first]
            added.append((first / FS, kind))
    return sorted(added)


def _artefact(rng, kind, height, noise_sd, n):
    if kind == "spike":
        return np.full(rng.integers(1, 4), 2 * height)
    if kind == "step":
        return np.full(n, height)
    if kind == "pop":
        tau = np.exp(rng.uniform(np.log(0.005), np.log(0.1))) * FS
        return height * np.exp(-np.arange(int(7 * tau)) / tau)
    if kind == "wave":
        return height * np.hanning(int(rng.uniform(0.05, 0.5) * FS))
    size = int(rng.uniform(0.02, 0.1) * FS)
    return 3 * noise_sd * np.hanning(size) * rng.standard_normal(size)


def _recording(index, tier, duration, snr, seed, c):
    """One recording; its day and fibre follow from its index."""
    day, rest = divmod(index, _FIBRES * _RECORDINGS)
    fibre, number = divmod(rest, _RECORDINGS)
    of_fibre = _fibre(seed, day, fibre)
    # The tier is part of the key: the same fibre is recorded anew.
    own = _stream(seed, 2, list(TIERS).index(tier), index)
    *streams, artefacts = own.spawn(5)
    general, events, noise, level = map(np.random.default_rng, streams)
    rate = c.rate * of_fibre["rate"] * np.exp(_RATE_SPREAD[2] * general.standard_normal())
    drawn = np.exp(general.uniform(*np.log(c.snr)))
    snr = drawn if snr is None else snr
    noise_sd = of_fibre["amplitude"] / snr
    n = round(duration * FS)
    table = _events(events, of_fibre, rate, duration, c)
    x = _noise(noise, n) * _level(level, n, c)
    x = noise_sd * (x + _hum(level, n, of_fibre["mains"], c.hum))
    _add_events(x, table)
    x += _drift(level, n, c)
    found = _add_artefacts(x, artefacts, of_fibre["amplitude"], noise_sd, c)
    step = of_fibre["step"]
    vm = (np.round((x + of_fibre["resting"]) / step) * step).astype(np.float32)
    name = f"D{day + 1:02d}F{fibre + 1}"
    about = {
        "recording": f"{tier}_{name}R{number + 1}",
        "day": name[:3],
        "fibre": name,
        "tier": tier,
        "noise_sd": noise_sd,
        "mean_amplitude": of_fibre["amplitude"],
        "recording_snr": snr,
        "rate": rate,
        "resting": of_fibre["resting"],
        "mains": of_fibre["mains"],
        "step": step,
    }
    return _Recording(vm, about, table | {"snr": table["amplitude"] / noise_sd}, found)


_UNITS = {
    **dict.fromkeys(("noise_sd", "mean_amplitude", "resting", "step", "amplitude"), "mV"),
    **dict.fromkeys(("rate", "mains"), "Hz"),
    **dict.fromkeys(("onset", "peak", "tau_rise", "tau_decay", "artefact_time"), "s"),
}


def simulate(tier="normal", n_recordings=12, duration=60.0, *, snr=None, seed=0, first=0, **conditions):
    """Recordings of one tier with their true events.

    Parameters
    ----------
    tier : {'normal', 'hard', 'empty', 'artefact'}
        See `TIERS`.
    n_recordings : int
        6 a day: 3 fibres, 2 recordings of each.
    duration : float
        Length of each (s).
    snr : float or sequence of float, optional
        Fibre's mean amplitude over the noise's standard deviation; recording i gets ``snr[i % len(snr)]``. Default:
        drawn from the tier's range.
    seed, first : int
        Seed, and index of the first recording: a stretch holds what the whole set holds.
    **conditions
        In place of the tier's: the fields of `Conditions`. Those of noise, drift and artefacts leave the events, and
        each other, as they were; `kinetics` slows the same events down.

    Returns
    -------
    xarray.Dataset
        `vm` (recording, time) float32, mV, at `FS`; coordinates as `cardio_utils.data.mepp.load` says.

    Raises
    ------
    ValueError
        Tier or condition are unknown, or a number is impossible.
    """
    c = _conditions(tier, conditions)
    if n_recordings < 1 or first < 0 or not 0.2 <= duration <= 4 * 3600:
        raise ValueError(
            f"{n_recordings} recordings of {duration:g} s from number {first} on are impossible: at least one, of "
            "0.2 s to 4 hours"
        )
    wanted = [None] if snr is None else np.atleast_1d(np.asarray(snr, float)).tolist()
    if any(value is not None and not value > 0 for value in wanted):
        raise ValueError(f"snr must be positive, not {snr}")
    indices = range(first, first + n_recordings)
    made = [_recording(i, tier, duration, wanted[i % len(wanted)], seed, c) for i in indices]
    return _dataset(made)


def _conditions(tier, changed):
    if tier not in TIERS:
        raise ValueError(f"tier must be one of {', '.join(TIERS)}, not {tier!r}")
    if unknown := set(changed) - set(Conditions._fields):
        raise ValueError(f"unknown condition(s) {', '.join(sorted(unknown))}: {', '.join(Conditions._fields)}")
    if any(np.any(np.asarray(value) < 0) for value in changed.values()):
        raise ValueError(f"conditions must not be negative: {changed}")
    return TIERS[tier]._replace(**changed)


def _dataset(made):
    coords = {"time": ("time", np.arange(made[0].vm.size) / FS)}
    coords |= {name: ("recording", np.array([one.about[name] for one in made])) for name in made[0].about}
    number = [np.full(len(one.events["onset"]), i) for i, one in enumerate(made)]
    coords["event_recording"] = ("event", np.concatenate(number))
    for name in made[0].events:
        coords[name] = ("event", np.concatenate([one.events[name] for one in made]))
    artefacts = [(i, *one) for i, recording in enumerate(made) for one in recording.artefacts]
    columns = {"artefact_recording": (0, int), "artefact_time": (1, float), "artefact_kind": (2, "<U5")}
    coords |= {name: ("artefact", np.array([row[k] for row in artefacts], t)) for name, (k, t) in columns.items()}
    attrs = {
        "source": "simulated",
        "fs": FS,
        "groups": "day",
        "licence": "MIT",
        "citation": "simulated by cardio_utils.simulate.mepp",
    }
    vm = np.stack([one.vm for one in made])
    dataset = xr.Dataset({"vm": (("recording", "time"), vm, {"units": "mV"})}, coords, attrs)
    for name, unit in ({"time": "s"} | _UNITS).items():
        dataset[name].attrs["units"] = unit
    return dataset
