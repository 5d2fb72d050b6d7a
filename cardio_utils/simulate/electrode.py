"""What electrodes make of a membrane potential: junction, extracellular field, amplifier, pipette, clock.

Everything takes a true membrane potential Vm (mV) and returns what one stage of a measurement leaves of it; a
sensor is a chain of such stages. Parameters are plausible ranges, not fits to recordings. Chapters 01 and 02 explain
the junction, chapter 03 the extracellular terms.

Resistances are in MOhm and capacitances in pF, so that their product is in microseconds.

References
----------
Fromherz P (2003) in: Nanoelectronics and Information Technology, Wiley-VCH, 781-810 (the point-contact model).
Hai A, Shappir J, Spira ME (2010) J Neurophysiol 104:559-568 (engulfed electrodes, junctional conductance).
Spira ME, Hai A (2013) Nat Nanotechnol 8:83-94 (seal and junctional resistances of nanoelectrodes).
Plonsey R, Barr RC (2007) Bioelectricity, 3rd ed., Springer (field of a travelling action potential).
"""

from __future__ import annotations

from functools import cache

import numpy as np
from scipy import ndimage
from scipy import signal as sps

from cardio_utils import signals

__all__ = ["amplifier", "artefact", "extracellular", "junction", "on_clock", "patch_clamp"]


def _junction(vm, dt, intact, leak, cell, shunt, reference, onset, pore, fade):
    """Potential in the cleft at every sample, exact where Vm is a straight line between samples.

    Units: mV, microseconds, 1/MOhm, pF. `onset` holds the sample of each pulse, `pore` the conductance that it opens
    and `fade` what is left of it after one sample; between two samples the conductance is that half way.
    """
    out = np.empty(vm.size, np.float32)
    opened = np.zeros(onset.size)
    total = cell + shunt
    v = 0.0
    for i in range(vm.size):
        g = intact
        for k in range(onset.size):
            if i == max(onset[k] + 1, 0):
                opened[k] = pore[k] * fade[k] ** (i - onset[k] - 0.5)
            elif i > onset[k] + 1:
                opened[k] *= fade[k]
            g += opened[k]
        rate = (g + leak) / total
        if i == 0:
            v = g * (vm[0] - reference) / (g + leak)
        else:
            slope = (vm[i] - vm[i - 1]) / dt
            ramp = g * slope / (g + leak)  # slope of the solution once the transient is over
            level = (cell * slope + g * (vm[i - 1] - reference)) / (g + leak) - ramp / rate
            v = level + ramp * dt + (v - level) * np.exp(-rate * dt)
        out[i] = v
    return out


@cache
def _compiled():
    """The junction compiled by numba on first use; the machine code is kept on disk for the next process."""
    import numba

    try:
        return numba.njit(cache=True, nogil=True, error_model="numpy")(_junction)
    except RuntimeError:  # neither the package nor the home directory can be written: compile anew each time
        return numba.njit(nogil=True, error_model="numpy")(_junction)


def _trace(vm, fs):
    """One finite trace (n,) as float64 and a possible sampling rate, or a message what is wrong."""
    vm = np.asarray(vm, float)
    if vm.ndim != 1 or vm.size < 2:
        raise ValueError(f"one trace (n,) of two or more samples is needed, not {vm.shape}")
    if not np.isfinite(vm).all():
        raise ValueError("the trace has samples that are not finite")
    if not (np.isfinite(fs) and fs > 0):
        raise ValueError(f"a sampling rate of {fs} Hz is impossible")
    return vm


def _positive(**values):
    for name, value in values.items():
        if not (np.all(np.isfinite(value)) and np.all(np.asarray(value) > 0)):
            raise ValueError(f"{name} must be positive and finite, got {value}")


def junction(
    vm,
    fs,
    *,
    seal=10.0,
    pore=150.0,
    pulses=(0.0,),
    resealing=60.0,
    intact=50_000.0,
    cell_capacitance=1.0,
    electrode_capacitance=20.0,
    reference=-80.0,
):
    """Potential between a cell and the electrode it covers: extracellular or intracellular by one resistance.

    The patch of membrane over the electrode has the resistance Rj and the capacitance Cj, the cleft leaks to the bath
    through the seal Rs, and the electrode loads it with Cs (Fromherz 2003):

    ``(Cj + Cs) dVj/dt = Cj dVm/dt + (Vm - Vref) / Rj(t) - Vj (1 / Rj(t) + 1 / Rs)``

    ``1 / Rj(t) = 1 / Rj0 + sum_k exp(-(t - t_k) / tau_k) / Rp_k`` for t >= t_k

    Through intact membrane (Rj of many GOhm) only the capacitive current passes, proportional to dVm/dt: the
    extracellular signal. A poration pulse at t_k opens pores of resistance Rp, the divider of Rs and Rp shows Vm
    itself, and as the pores reseal with tau the amplitude decays back to the extracellular signal. Each sample is
    the exact solution for a Vm that is a straight line since the one before.

    Parameters
    ----------
    vm : (n,) array_like
        Membrane potential, mV.
    fs : float
        Sampling rate, Hz.
    seal : float
        Rs, MOhm; 5 to 50 for cells that engulf the electrode (Spira and Hai 2013).
    pore : float or sequence, one a pulse
        Rp right after the pulse, MOhm; 50 to 500.
    pulses : sequence of float
        Times of the poration pulses from the first sample, s; negative for one that came before. Empty: no pores.
    resealing : float or sequence, one a pulse
        tau, s; 30 to 300.
    intact : float
        Rj0, resistance of the intact membrane patch, MOhm; 10,000 to 100,000.
    cell_capacitance : float
        Cj, pF: 1 uF/cm2 over the covered area, 0.2 to 0.8 for a nanoelectrode (20 to 80 um2), 1 to 5 for larger ones.
    electrode_capacitance : float
        Cs, pF; 10 to 50.
    reference : float
        Vref, mV: the Vm that is seen as 0, about the resting potential.

    Returns
    -------
    (n,) float32
        mV, without noise and before the amplifier.

    Raises
    ------
    ValueError
        The trace is not one finite trace, or a constant is not positive.
    """
    vm = _trace(vm, fs)
    pulses = np.atleast_1d(np.asarray(pulses, float))
    pore, resealing = (np.broadcast_to(np.asarray(x, float), pulses.shape) for x in (pore, resealing))
    _positive(seal=seal, pore=pore, resealing=resealing, intact=intact)
    _positive(cell_capacitance=cell_capacitance, electrode_capacitance=electrode_capacitance)
    if not np.isfinite(pulses).all():
        raise ValueError("the times of the poration pulses must be finite")
    onset = np.round(pulses * fs).astype(np.int64)
    capacitances = float(cell_capacitance), float(electrode_capacitance)
    fade = np.exp(-1 / (resealing * fs))
    return _compiled()(
        vm, 1e6 / fs, 1 / float(intact), 1 / float(seal), *capacitances, float(reference), onset, 1 / pore, fade
    )


def extracellular(vm, fs, *, a, b, c, speed=0.15, height=50e-6, roughness=0.001, cutoff=200.0):
    """Potential at an electrode under intact membrane, as a wave of excitation travels past it.

    ``low_pass(a dV/dt + b (k * d2V/dt2) + c (V - mean V))``

    a: capacitive current of the membrane over the electrode. b: currents of the tissue around. A plane wave of speed
    s has the membrane current ``d2V/dt2 / (rho s**2)`` (Plonsey and Barr 2007), and each part of it is weighted by its
    distance, ``k(t) = 1 / sqrt((s t)**2 + height**2)``, fading to 0 within 10 ms (Hann window). No wave front is as
    even as a plane: k is blurred by a Gaussian, and scaled to sum 1. c: leak through the membrane, which shows the
    plateau and deepens the dip of repolarisation. The low-pass is that of seal and electrode capacitance; low values
    widen the spike. A linear reduction: nothing here says how a, b and c follow from the cell.

    Parameters
    ----------
    vm : (n,) array_like
        Membrane potential, mV.
    fs : float
        Sampling rate, Hz.
    a : float
        mV per V/s; 0 to 0.003.
    b : float
        mV per mV/ms2; 0.03 to 0.15.
    c : float
        mV per mV; 0 to 0.001.
    speed : float
        Conduction velocity, m/s; 0.10 to 0.25 in monolayers of stem-cell-derived cardiomyocytes.
    height : float
        Distance of the electrode from the sources, m; 20e-6 to 80e-6.
    roughness : float
        Standard deviation of the times at which cells are excited around those of the plane wave, s; 0 to 0.002.
    cutoff : float
        Corner of the low-pass (first order), Hz; 60 to 350.

    Returns
    -------
    (n,) float64
        mV, without noise and before the amplifier.

    Raises
    ------
    ValueError
        The trace is not one finite trace, a length is not positive, or the corner is beyond half the sampling rate.
    """
    vm = _trace(vm, fs)
    _positive(speed=speed, height=height)
    if not roughness >= 0:
        raise ValueError(f"roughness must not be negative, got {roughness} s")
    rate = fs / 1000  # samples a ms
    slope = np.gradient(vm) * rate
    reach = round(0.01 * fs)
    weight = np.hanning(2 * reach + 3)[1:-1] / np.hypot(speed * np.arange(-reach, reach + 1) / fs, height)
    weight = ndimage.gaussian_filter1d(weight, roughness * fs, mode="constant") if roughness > 0 else weight
    curvature = np.gradient(slope) * rate
    field = a * slope + b * sps.oaconvolve(curvature, weight / weight.sum(), mode="same") + c * (vm - vm.mean())
    return _first_order(field, fs, cutoff, "lowpass")


def _first_order(x, fs, corner, kind):
    """A causal filter of first order that was at rest before the trace: a high-pass at the mean of its first 5 s."""
    if not 0 < corner < fs / 2:
        raise ValueError(f"the corner {corner} Hz must lie between 0 and half the sampling rate ({fs / 2:g} Hz)")
    numerator, denominator = sps.butter(1, corner, kind, fs=fs)
    rest = sps.lfilter_zi(numerator, denominator) * (x[: round(5 * fs)].mean() if kind == "highpass" else x[0])
    return sps.lfilter(numerator, denominator, x, zi=rest)[0]


def amplifier(x, fs, seed, *, highpass=0.1, lowpass=2000.0, noise=0.01, mains=0.0, hum=60.0):
    """What an AC-coupled amplifier makes of the potential at its electrode.

    Both filters are causal and of first order. The high-pass is no detail: at 0.1 Hz a plateau sags with a time
    constant of 1.6 s, phase 4 tilts, and late durations of the action potential change with it.

    Parameters
    ----------
    x : (n,) array_like
        Potential at the electrode, mV.
    fs : float
        Sampling rate, Hz.
    seed : int, SeedSequence or numpy Generator
        For the noise.
    highpass, lowpass : float
        Corners, Hz.
    noise : float
        Standard deviation of the noise of electrode and amplifier at the output, mV; white, 0.002 to 0.05.
    mains : float
        Amplitude of the hum, mV.
    hum : float
        Its frequency, Hz (60, or 50).

    Returns
    -------
    (n,) float64
        mV.

    Raises
    ------
    ValueError
        The trace is not one finite trace, or a corner is beyond half the sampling rate.
    """
    x = _trace(x, fs)
    rng = np.random.default_rng(seed)
    y = _first_order(_first_order(x, fs, highpass, "highpass"), fs, lowpass, "lowpass")
    y += noise * rng.standard_normal(y.size)
    if mains:
        y += mains * np.sin(2 * np.pi * (hum * np.arange(y.size) / fs + rng.random()))
    return y


def artefact(n, fs, pulses, *, height=50.0, width=0.2, recovery=0.4):
    """What poration pulses leave in a recording: the amplifier saturates, swings over and recovers.

    Parameters
    ----------
    n : int
        Samples.
    fs : float
        Sampling rate, Hz.
    pulses : sequence of float
        Times from the first sample, s; negative ones leave at most their tail.
    height : float
        Where the amplifier saturates, mV.
    width : float
        Length of the pulse train, s.
    recovery : float
        Time constant of the return from a swing of the opposite sign, a quarter as high, s.

    Returns
    -------
    (n,) float64
        mV, to be added to the amplifier's output.
    """
    _positive(fs=fs, width=width, recovery=recovery)
    trace = np.zeros(n)
    length = round(8 * recovery * fs)
    tail = -0.25 * height * np.exp(-np.arange(length) / (recovery * fs))
    train = np.concatenate([np.full(round(width * fs), float(height)), tail])
    for begin in np.round(np.atleast_1d(np.asarray(pulses, float)) * fs).astype(np.int64):
        first, last = max(begin, 0), min(begin + train.size, n)
        if first < last:
            trace[first:last] += train[first - begin : last - begin]
    return trace


def patch_clamp(vm, fs, seed, *, access=15.0, capacitance=8.0, offset=0.0, drift=0.5, noise=0.2):
    """What a patch pipette in current clamp reports.

    Access resistance and the pipette's uncompensated capacitance make a low-pass of first order with its corner at
    ``1 / (2 pi access capacitance)``, 1.3 kHz for the defaults.

    Parameters
    ----------
    vm : (n,) array_like
        Membrane potential, mV.
    fs : float
        Sampling rate, Hz.
    seed : int, SeedSequence or numpy Generator
        For noise and drift.
    access : float
        MOhm; 5 to 30.
    capacitance : float
        pF; 3 to 12.
    offset : float
        Junction and electrode potential left uncorrected, mV; within 3 either way.
    drift : float
        Standard deviation of the offset's random walk after a minute, mV.
    noise : float
        Standard deviation of the white noise, mV; 0.1 to 0.3.

    Returns
    -------
    (n,) float64
        mV.

    Raises
    ------
    ValueError
        The trace is not one finite trace, or the corner is beyond half the sampling rate.
    """
    vm = _trace(vm, fs)
    _positive(access=access, capacitance=capacitance)
    rng = np.random.default_rng(seed)
    y = _first_order(vm, fs, 1e6 / (2 * np.pi * access * capacitance), "lowpass")
    y += offset + noise * rng.standard_normal(y.size)
    return y + drift / np.sqrt(60 * fs) * np.cumsum(rng.standard_normal(y.size))


def on_clock(x, fs, new_fs, n, *, lag=0.0, skew=0.0):
    """A trace as an instrument samples it whose clock reads ``lag + (1 + skew) t`` at the time t of the trace.

    The convention is that of `cardio_utils.action_potential.match_beats`, which recovers both numbers.

    Parameters
    ----------
    x : (k,) array_like
        Trace, any unit, its first sample at t = 0.
    fs : float
        Its sampling rate, Hz.
    new_fs : float
        Sampling rate of the instrument by its own clock, Hz.
    n : int
        Samples that it takes.
    lag : float
        Reading at t = 0, s: negative where the instrument was started later than the trace.
    skew : float
        How much faster the instrument's clock runs, as a fraction; 1e-5 to 5e-5 for crystals.

    Returns
    -------
    (n,) float32
        Unit of `x`. Nothing is extrapolated.

    Raises
    ------
    ValueError
        The instrument runs beyond the trace.
    """
    times = (np.arange(n) / new_fs - lag) / (1 + skew)
    if n < 1 or times[0] < -0.5 / fs or times[-1] > (len(x) - 0.5) / fs:
        raise ValueError(
            f"{n} samples at {new_fs:g} Hz with a lag of {lag:g} s need the trace from {times[0]:.3f} to "
            f"{times[-1]:.3f} s, and it lasts from 0 to {len(x) / fs:.3f} s"
            if n > 0
            else "the instrument takes no sample"
        )
    return signals.sample_at(x, fs, times, new_fs)
