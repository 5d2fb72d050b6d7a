"""Models of membrane and volume conductor: equations with their sources, arrays in, arrays out.

The human ventricular cell of ten Tusscher and Panfilov (2006); the human stem-cell-derived cardiomyocyte of Paci
et al. (2018), used by `cardio_utils.simulate.cells`; and the lead field of the pseudo-electrocardiogram (Gima and
Rudy 2002), which turns transmembrane potentials of a voxel heart into potentials at electrodes. The whole-heart
simulator `cardio_utils.simulate.heart` uses the first and the last.
"""

from concurrent.futures import ThreadPoolExecutor
from functools import cache
from math import exp, floor, log, sqrt

import numpy as np
from scipy.special import expit

__all__ = [
    "LEADS",
    "PACI_CURRENTS",
    "PACI_STATES",
    "lead_field",
    "paci_2018",
    "paci_2018_gates",
    "paci_2018_state",
    "ten_tusscher_2006",
    "twelve_leads",
]

LEADS = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
"""Names of the twelve standard leads, in the order of `twelve_leads`."""

CURRENTS = ("Na", "Kr", "Ks", "K1", "to", "CaL")
"""Maximal conductances that `ten_tusscher_2006` can scale."""

LAYERS = {"endo": 0, "epi": 1, "mid": 2}


def _ten_tusscher_2006(scale, potassium, layer, duration, start, period, dt, every):
    """One cell, forward Euler with exponential gates; compiled by `_compiled`. Units: ms, mV, mM, A/F."""
    rtf = 8.314472 * 310.0 / 96.4853415  # RT/F, mV
    faraday = 96.4853415  # C/mmol
    sodium_out, calcium_out = 140.0, 2.0
    v, ca, ca_sr, ca_ss, sodium, k_in = -85.23, 0.000126, 3.64, 0.00036, 8.604, 136.89
    m, h, j, xr1, xr2, xs = 0.00172, 0.7444, 0.7045, 0.00621, 0.4712, 0.0095
    r, s, d, f, f2, f_cass, release = 2.42e-8, 0.999998, 3.373e-5, 0.7888, 0.9755, 0.9953, 0.9073
    root_k = sqrt(potassium / 5.4)
    g_ks = 0.098 if layer == 2 else 0.392
    g_to = 0.073 if layer == 0 else 0.294
    membrane = 185.0 / (16404.0 * faraday)  # cell capacitance / (cytoplasmic volume * F)
    n_steps, first = round(duration / dt), round(start / dt)
    trace = np.empty((n_steps - first + every - 1) // every)
    for step in range(n_steps):
        if step >= first and (step - first) % every == 0:
            trace[(step - first) // every] = v
        e_k = rtf * log(potassium / k_in)
        e_na = rtf * log(sodium_out / sodium)
        e_ca = 0.5 * rtf * log(calcium_out / ca)
        e_ks = rtf * log((potassium + 0.03 * sodium_out) / (k_in + 0.03 * sodium))

        # Currents, A/F
        a = 0.1 / (1 + exp(0.06 * (v - e_k - 200)))
        b = (3 * exp(0.0002 * (v - e_k + 100)) + exp(0.1 * (v - e_k - 10))) / (1 + exp(-0.5 * (v - e_k)))
        i_k1 = scale[3] * 5.405 * root_k * a / (a + b) * (v - e_k)
        i_na = scale[0] * 14.838 * m * m * m * h * j * (v - e_na)
        i_kr = scale[1] * 0.153 * root_k * xr1 * xr2 * (v - e_k)
        i_ks = scale[2] * g_ks * xs * xs * (v - e_ks)
        i_to = scale[4] * g_to * r * s * (v - e_k)
        drive = v - 15.0
        if abs(drive) < 1e-6:  # the Goldman-Hodgkin-Katz form is 0/0 here, its limit is not
            drive = 1e-6
        boltzmann = exp(2 * drive / rtf)
        ghk = 4 * drive * (1000 * faraday / rtf) * (0.25 * ca_ss * boltzmann - calcium_out) / (boltzmann - 1)
        i_cal = scale[5] * 3.98e-5 * d * f * f2 * f_cass * ghk
        forward, backward = exp(0.35 * v / rtf), exp(-0.65 * v / rtf)
        i_naca = (
            1000.0
            * (forward * sodium**3 * calcium_out - backward * sodium_out**3 * ca * 2.5)
            / ((87.5**3 + sodium_out**3) * (1.38 + calcium_out) * (1 + 0.1 * backward))
        )
        i_nak = (
            2.724
            * potassium
            / (potassium + 1)
            * sodium
            / (sodium + 40)
            / (1 + 0.1245 * exp(-0.1 * v / rtf) + 0.0353 * exp(-v / rtf))
        )
        i_pca = 0.1238 * ca / (ca + 0.0005)
        i_pk = 0.0146 * (v - e_k) / (1 + exp((25 - v) / 5.98))
        i_bca = 0.000592 * (v - e_ca)
        i_bna = 0.00029 * (v - e_na)
        i_stim = -52.0 if (step * dt) % period < 1.0 else 0.0

        # Calcium release, uptake and buffers, mM/ms
        k_sr = 2.5 - 1.5 / (1 + (1.5 / ca_sr) ** 2)
        binding = 0.15 / k_sr * ca_ss * ca_ss
        opened = binding * release / (0.06 + binding)
        release += dt * (-0.045 * k_sr * ca_ss * release + 0.005 * (1 - release))
        j_rel = 0.102 * opened * (ca_sr - ca_ss)
        j_leak = 0.00036 * (ca_sr - ca)
        j_up = 0.006375 / (1 + 0.00025**2 / (ca * ca))
        j_xfer = 0.0038 * (ca_ss - ca)
        d_ca = -(i_bca + i_pca - 2 * i_naca) * membrane / 2 + (j_leak - j_up) * 1094 / 16404 + j_xfer
        d_ss = -i_cal * 185 / (2 * 54.68 * faraday) + j_rel * 1094 / 54.68 - j_xfer * 16404 / 54.68
        d_sr = j_up - j_rel - j_leak
        sodium -= dt * (i_na + i_bna + 3 * i_nak + 3 * i_naca) * membrane
        k_in -= dt * (i_k1 + i_to + i_kr + i_ks + i_pk + i_stim - 2 * i_nak) * membrane

        # Gates: exact step towards the steady state at the present voltage (Rush and Larsen 1978)
        x = 1 / (1 + exp((-56.86 - v) / 9.03)) ** 2
        tau = (0.1 / (1 + exp((v + 35) / 5)) + 0.1 / (1 + exp((v - 50) / 200))) / (1 + exp((-60 - v) / 5))
        m = x + (m - x) * exp(-dt / tau)
        x = 1 / (1 + exp((v + 71.55) / 7.43)) ** 2
        if v < -40:
            a_h = 0.057 * exp(-(v + 80) / 6.8)
            b_h = 2.7 * exp(0.079 * v) + 3.1e5 * exp(0.3485 * v)
            a_j = (
                (-25428 * exp(0.2444 * v) - 6.948e-6 * exp(-0.04391 * v)) * (v + 37.78) / (1 + exp(0.311 * (v + 79.23)))
            )
            b_j = 0.02424 * exp(-0.01052 * v) / (1 + exp(-0.1378 * (v + 40.14)))
        else:
            a_h, a_j = 0.0, 0.0
            b_h = 0.77 / (0.13 * (1 + exp((v + 10.66) / -11.1)))
            b_j = 0.6 * exp(0.057 * v) / (1 + exp(-0.1 * (v + 32)))
        h = x + (h - x) * exp(-dt * (a_h + b_h))
        j = x + (j - x) * exp(-dt * (a_j + b_j))
        x = 1 / (1 + exp((-26 - v) / 7))
        tau = 450 / (1 + exp((-45 - v) / 10)) * 6 / (1 + exp((v + 30) / 11.5))
        xr1 = x + (xr1 - x) * exp(-dt / tau)
        x = 1 / (1 + exp((v + 88) / 24))
        tau = 3 / (1 + exp((-60 - v) / 20)) * 1.12 / (1 + exp((v - 60) / 20))
        xr2 = x + (xr2 - x) * exp(-dt / tau)
        x = 1 / (1 + exp((-5 - v) / 14))
        tau = 1400 / sqrt(1 + exp((5 - v) / 6)) / (1 + exp((v - 35) / 15)) + 80
        xs = x + (xs - x) * exp(-dt / tau)
        x = 1 / (1 + exp((20 - v) / 6))
        tau = 9.5 * exp(-((v + 40) ** 2) / 1800) + 0.8
        r = x + (r - x) * exp(-dt / tau)
        if layer == 0:
            x = 1 / (1 + exp((v + 28) / 5))
            tau = 1000 * exp(-((v + 67) ** 2) / 1000) + 8
        else:
            x = 1 / (1 + exp((v + 20) / 5))
            tau = 85 * exp(-((v + 45) ** 2) / 320) + 5 / (1 + exp((v - 20) / 5)) + 3
        s = x + (s - x) * exp(-dt / tau)
        x = 1 / (1 + exp((-8 - v) / 7.5))
        tau = (1.4 / (1 + exp((-35 - v) / 13)) + 0.25) * 1.4 / (1 + exp((v + 5) / 5)) + 1 / (1 + exp((50 - v) / 20))
        d = x + (d - x) * exp(-dt / tau)
        x = 1 / (1 + exp((v + 20) / 7))
        tau = (
            1102.5 * exp(-((v + 27) ** 2) / 225) + 200 / (1 + exp((13 - v) / 10)) + 180 / (1 + exp((v + 30) / 10)) + 20
        )
        f = x + (f - x) * exp(-dt / tau)
        x = 0.67 / (1 + exp((v + 35) / 7)) + 0.33
        tau = 562 * exp(-((v + 27) ** 2) / 240) + 31 / (1 + exp((25 - v) / 10)) + 80 / (1 + exp((v + 30) / 10))
        f2 = x + (f2 - x) * exp(-dt / tau)
        ratio = (ca_ss / 0.05) ** 2
        x = 0.6 / (1 + ratio) + 0.4
        f_cass = x + (f_cass - x) * exp(-dt / (80 / (1 + ratio) + 2))

        ca += dt * d_ca / (1 + 0.2 * 0.001 / (ca + 0.001) ** 2)
        ca_ss += dt * d_ss / (1 + 0.4 * 0.00025 / (ca_ss + 0.00025) ** 2)
        ca_sr += dt * d_sr / (1 + 10 * 0.3 / (ca_sr + 0.3) ** 2)
        v -= dt * (i_na + i_k1 + i_kr + i_ks + i_to + i_cal + i_nak + i_naca + i_pca + i_pk + i_bca + i_bna + i_stim)
    return trace


@cache
def _compiled(kernel):
    """A cell compiled by numba on first use; the machine code is kept on disk for the next process."""
    import numba

    options = {"fastmath": True, "error_model": "numpy", "nogil": True}
    try:
        return numba.njit(cache=True, **options)(kernel)
    except RuntimeError:  # neither the package nor the home directory can be written: compile anew each time
        return numba.njit(**options)(kernel)


def ten_tusscher_2006(
    duration,
    *,
    layer="epi",
    potassium=5.4,
    scale=None,
    period=1000.0,
    start=0.0,
    dt=0.02,
    every=0.1,
):
    """Action potentials of a human ventricular cell that is paced at a constant rate.

    Nineteen state variables, integrated with forward Euler and exponential gates (Rush and Larsen 1978).

    Parameters
    ----------
    duration : float
        Time simulated, ms. The first stimulus (1 ms, -52 A/F) is at 0.
    layer : {"epi", "mid", "endo"}
        Transmural type: conductances of I_to and I_Ks, kinetics of I_to.
    potassium : float
        Extracellular potassium, mM.
    scale : dict of str to float, optional
        Factors on maximal conductances, keys out of ``CURRENTS``, e.g. ``{"Kr": 0.5}`` for half of I_Kr.
    period : float
        Interval between stimuli, ms.
    start : float
        Only what comes after this time is returned, ms.
    dt, every : float
        Step of the integration and of the returned trace, ms; `every` is rounded to whole steps.

    Returns
    -------
    ndarray, shape (round((duration - start) / every),)
        Transmembrane potential, mV.

    Raises
    ------
    ValueError
        If the layer or a conductance is unknown, potassium is not positive, or `start` is not before the end.

    References
    ----------
    ten Tusscher KHWJ, Panfilov AV (2006) Am J Physiol Heart Circ Physiol 291:H1088-H1100.
    Rush S, Larsen H (1978) IEEE Trans Biomed Eng 25:389-392.
    """
    if layer not in LAYERS:
        raise ValueError(f"layer {layer!r} is not one of {sorted(LAYERS)}")
    unknown = set(scale or {}) - set(CURRENTS)
    if unknown:
        raise ValueError(f"no conductance named {sorted(unknown)}; known are {list(CURRENTS)}")
    if not potassium > 0:
        raise ValueError(f"extracellular potassium must be positive, got {potassium} mM")
    if not 0 <= start < duration:
        raise ValueError(f"start ({start} ms) must lie between 0 and duration ({duration} ms)")
    factors = np.array([(scale or {}).get(name, 1.0) for name in CURRENTS])
    times = (float(t) for t in (duration, start, period, dt))
    return _compiled(_ten_tusscher_2006)(factors, float(potassium), LAYERS[layer], *times, max(1, round(every / dt)))


PACI_CURRENTS = ("Na", "NaL", "CaL", "Kr", "Ks", "K1", "to", "f", "NaCa", "NaK", "rel", "up")
"""Currents and fluxes that `paci_2018` can scale: channels, exchanger, pump, release from and uptake into the store."""

PACI_STATES = (
    *("V", "Ca_SR", "Ca_i", "Na_i"),  # mV, mM
    *("d", "f2", "Xr1", "Xr2", "Xs", "Xf", "q", "r", "m", "h", "j", "mL", "hL"),  # gates that depend on V alone
    *("f1", "fCa", "RyR_a", "RyR_o", "RyR_c"),  # gates that depend on calcium too
    "time",  # s
)
"""Columns of the state of `paci_2018`."""

_V_LOW, _V_STEP, _V_COUNT = -120.0, 0.1, 2001  # voltage table, mV
_CA_LOW, _CA_STEP, _CA_COUNT = log(1e-6), 0.0025, 4201  # calcium table, log of mM: 1e-6 to 0.036 mM
_RTF = 8.314472 * 310.0 / 96.4853415  # RT/F at 37 degrees, mV
_PACI_NA, _PACI_K, _PACI_K_IN, _PACI_CA = 151.0, 5.4, 150.0, 1.8  # outside sodium, potassium; inside potassium; mM
_E_K = _RTF * log(_PACI_K / _PACI_K_IN)  # mV

# A control cell, 800 s after the published initial values, 0.4 s before its next upstroke
_PACI_START = (
    *(-72.0822, 0.0946258, 1.64422e-05, 8.65312),
    *(0.000123603, 0.999972, 0.0034115, 0.42115, 0.0369702, 0.106466, 0.814643, 0.00645997),
    *(0.116898, 0.725815, 0.269197, 0.00385961, 0.133786),
    *(0.986797, 0.99902, 0.0324455, 0.000138735, 0.963353),
)


def paci_2018_gates(v):
    """Steady state and time constant of the gates of Paci et al. (2018) that depend on the voltage.

    Parameters
    ----------
    v : ndarray
        Membrane potential, mV.

    Returns
    -------
    dict of str to (ndarray, ndarray)
        Name of the gate -> steady state and time constant (ms). That of `f1` holds while the gate closes.
    """
    exp, tau_m = np.exp, expit((v + 60) / 5) * (0.1 * expit(-(v + 35) / 5) + 0.1 * expit((50 - v) / 200))
    half = -_RTF / 2.3 * log((1 + _PACI_CA / 2.6) ** 4 / (0.025 * (1 + _PACI_CA / 0.58) ** 4)) - 19
    h_inf = np.sqrt(expit(-(v + 72.1) / 5.7))
    low = np.minimum(v, -38.5)
    tau_h = np.where(
        v < -38.5, 1 / (0.057 * exp(-(low + 80) / 6.8) + 2.7 * exp(0.079 * low) + 3.1e5 * exp(0.3485 * low)), 1.6947
    )
    low = np.minimum(v, -40)
    opening = -(25428 * exp(0.2444 * low) + 6.948e-6 * exp(-0.04391 * low)) * (low + 37.78)
    rate_j = np.where(
        v < -40,
        opening * expit(-0.311 * (low + 79.23)) + 0.02424 * exp(-0.01052 * low) * expit(0.1378 * (low + 40.14)),
        0.6 * exp(0.057 * v) * expit(0.1 * (v + 32)),
    )
    return {
        # L-type calcium: activation d, voltage inactivation f1 and f2
        "d": (
            expit((v + 9.1) / 7),
            (0.25 + 1.4 * expit((v + 35) / 13)) * 1.4 * expit(-(v + 5) / 5) + expit((v - 50) / 20),
        ),
        "f2": (
            0.33 + 0.67 * expit(-(v + 32) / 4),
            600 * exp(-((v + 25) ** 2) / 170) + 31 * expit((v - 25) / 10) + 16 * expit(-(v + 30) / 10),
        ),
        "f1": (
            expit(-(v + 26) / 3),
            20 + 1102.5 * exp(-(((v + 27) ** 2 / 15) ** 2)) + 200 * expit((v - 13) / 10) + 180 * expit(-(v + 30) / 10),
        ),
        # Rapid delayed rectifier: activation Xr1, inactivation Xr2
        "Xr1": (expit((v - half) / 4.9), 450 * expit((v + 45) / 10) * 6 * expit(-(v + 30) / 11.5)),
        "Xr2": (expit(-(v + 88) / 50), 3 * expit((v + 60) / 20) * 1.12 * expit((60 - v) / 20)),
        # Slow delayed rectifier
        "Xs": (expit((v + 20) / 16), 1100 * np.sqrt(expit((v + 10) / 6)) * expit((60 - v) / 20)),
        # Funny current
        "Xf": (expit(-(v + 77.85) / 5), 1900 * expit(-(v + 15) / 10)),
        # Transient outward: inactivation q, activation r
        "q": (
            expit(-(v + 53) / 13),
            6.06 + 39.102 / (0.57 * exp(-0.08 * (v + 44)) + 0.065 * exp(0.1 * (v + 45.93))),
        ),
        "r": (
            expit((v - 22.3) / 18.75),
            2.75352 + 14.40516 / (1.037 * exp(0.09 * (v + 30.61)) + 0.369 * exp(-0.12 * (v + 23.84))),
        ),
        # Sodium: activation m, inactivation h and j; late sodium: mL, hL
        "m": (expit((v + 34.1) / 5.9) ** (1 / 3), tau_m),
        "h": (h_inf, 1.5 * tau_h),
        "j": (h_inf, 7 / rate_j),
        "mL": (expit((v + 42.85) / 5.264), tau_m),
        "hL": (expit(-(v + 87.61) / 7.488), np.full_like(v, 200.0)),
    }


def _goldman(u):
    """u / (exp(u) - 1), which is 1 at u = 0."""
    safe = np.where(np.abs(u) < 1e-9, 1.0, u)
    return np.where(np.abs(u) < 1e-9, 1.0, safe / np.expm1(safe))


@cache
def _paci_tables(dt):
    """Whatever depends on the voltage alone, and on calcium alone, for a step of `dt` ms.

    Returns (voltage, 34) with the steady states of the 13 gates of `PACI_STATES` and of f1, the share of the way
    to them that one step goes (Rush and Larsen 1978; for f1 dt/tau), and six factors of currents; and
    (calcium, 6) with the steady state of fCa, the factor of I_Ks, E_Ca, the steady state of RyR_a, the uptake
    and I_pCa (A/F).
    """
    v = _V_LOW + _V_STEP * np.arange(_V_COUNT)
    gates = paci_2018_gates(v)
    names = [name for name in PACI_STATES if name in gates]  # f1 is the last
    share = [-np.expm1(-dt / gates[name][1]) for name in names[:-1]] + [dt / gates["f1"][1]]
    u = v / _RTF
    above = v - _E_K
    opening = 3.91 * expit(-0.5942 * (above - 200))
    closing = (-1.509 * np.exp(0.0002 * (above + 100)) + np.exp(0.5886 * (above - 10))) * expit(-0.4547 * above)
    exchange = 3917.0463 / ((87.5**3 + _PACI_NA**3) * (1.38 + _PACI_CA) * (1 + 0.1 * np.exp(-0.65 * u)))
    voltage = [
        2 * 96485.3415 * _goldman(-2 * u),  # I_CaL: inward rectification, factor of calcium inside
        2 * 96485.3415 * 0.341 * _PACI_CA * _goldman(2 * u),  # and the part of calcium outside
        0.0281492 * opening / (opening + closing) * above,  # I_K1
        exchange * np.exp(0.35 * u) * _PACI_CA,  # I_NaCa: factor of sodium inside, cubed
        exchange * np.exp(-0.65 * u) * _PACI_NA**3 * 2.5371,  # and of calcium inside
        2.6351 * _PACI_K / (_PACI_K + 1) / (1 + 0.1245 * np.exp(-0.1 * u) + 0.0353 * np.exp(-u)),  # I_NaK
    ]
    ca = np.exp(_CA_LOW + _CA_STEP * np.arange(_CA_COUNT))
    calcium = [
        (1 / (1 + (ca / 6e-4) ** 8) + 0.1 * expit((9e-4 - ca) / 1e-4) + 0.3 * expit((7.5e-4 - ca) / 8e-4)) / 1.3156,
        1 + 0.6 / (1 + (3.8e-5 / ca) ** 1.4),
        0.5 * _RTF * np.log(_PACI_CA / ca),
        0.05354 - 0.0488 * expit((0.02427 - 1000 * ca) / 0.0082),
        5.113e-4 / (1 + (3.1928e-4 / ca) ** 2),
        0.4125 * ca / (ca + 0.0005),
    ]
    steady = [gates[name][0] for name in names]
    return np.stack(steady + share + voltage, axis=1), np.stack(calcium, axis=1)


def _paci_2018(state, scale, dose, onset, wash_in, voltage, calcium, pacing, hurry, first, dt, skip, every, trace):
    """One cell over `trace`, in place; compiled by `_compiled`. Units: ms, mV, mM, A/F.

    `first` is the number of the first step since time 0; a sample is written after `skip` steps and then at each
    `every`-th. `dose` holds the change of the blocked share of each current at each `onset`.
    """
    v, ca_sr, ca, sodium = state[0], state[1], state[2], state[3]
    gate = state[4:17].copy()
    f1, f_ca, ryr_a, ryr_o, ryr_c = state[17], state[18], state[19], state[20], state[21]
    g = scale.copy()
    row, store = np.empty(voltage.shape[1]), np.empty(calcium.shape[1])
    period, delay, stimulus = pacing
    membrane = 98.7109 / (8.8 * 96485.3415)  # cell capacitance / (cytoplasmic volume * F)
    e_ks_0 = _RTF * log((_PACI_K + 0.03 * _PACI_NA) / _PACI_K_IN)  # without sodium inside
    opens, shuts = 1 - exp(-dt / 18.75), 1 - exp(-dt / 1.875)
    recovers, inactivates = 1 - exp(-dt / 175.0), 1 - exp(-dt / 87.5)
    binds = 1 - exp(-dt / 2.0)
    update = max(1, round(5.0 / dt))  # the block changes slowly: it is renewed each 5 ms
    sample, renewal = skip, 0
    for n in range(skip + every * trace.size):
        step = first + n
        if n == sample:
            trace[(n - skip) // every] = v
            sample += every
        if n == renewal:
            renewal += update - step % update
            t = (step - step % update) * dt
            g[:] = scale
            for k in range(dose.shape[0]):
                if t >= onset[k]:
                    g -= scale * dose[k] * (1 - exp(-(t - onset[k]) / wash_in) if wash_in > 0 else 1.0)

        # What depends on voltage alone and on calcium alone, between two rows of the tables
        x = (v - _V_LOW) / _V_STEP
        i = min(max(int(x), 0), _V_COUNT - 2)
        x -= i
        for k in range(row.size):
            row[k] = voltage[i, k] + x * (voltage[i + 1, k] - voltage[i, k])
        x = (log(ca) - _CA_LOW) / _CA_STEP
        i = min(max(int(x), 0), _CA_COUNT - 2)
        x -= i
        for k in range(store.size):
            store[k] = calcium[i, k] + x * (calcium[i + 1, k] - calcium[i, k])

        # Gates: exact step towards the steady state at the present voltage (Rush and Larsen 1978)
        for k in range(13):
            gate[k] += (row[k] - gate[k]) * row[14 + k]
        d, f2, xr1, xr2, xs, xf = gate[0], gate[1], gate[2], gate[3], gate[4], gate[5]
        q, r, m, h, j, m_late, h_late = gate[6], gate[7], gate[8], gate[9], gate[10], gate[11], gate[12]
        slower = 1 + 1433 * (ca - 50e-6) if row[13] > f1 else 1.0  # calcium delays recovery
        x = row[27] / slower
        f1 += (row[13] - f1) * x * (1 - x / 2 * (1 - x / 3))  # 1 - exp(-x): tau is above 20 ms, x far below 1
        if not (v > -60 and store[0] > f_ca):  # no recovery while depolarised
            f_ca += (store[0] - f_ca) * binds

        # Currents, A/F
        e_na = _RTF * log(_PACI_NA / sodium)
        x = 0.03 / _PACI_K_IN * sodium
        e_ks = e_ks_0 - _RTF * x * (1 - x / 2 * (1 - x / 1.5))  # log(1 + x) to 1e-11, x is about 0.002
        i_na = g[0] * 3.6712302 * m * m * m * h * j * (v - e_na)
        i_nal = g[1] * 2.3e-3 * 7.5 * m_late * m_late * m_late * h_late * (v - e_na)
        i_cal = g[2] * 8.635702e-5 * d * f1 * f2 * f_ca * (ca * row[28] - row[29])
        i_kr = g[3] * 0.0298667 * xr1 * xr2 * (v - _E_K)
        i_ks = g[4] * 0.002041 * xs * xs * store[1] * (v - e_ks)
        i_k1 = g[5] * row[30]
        i_to = g[6] * 0.0299038 * q * r * (v - _E_K)
        i_f = g[7] * 0.03010312 * xf * (v + 17)
        i_f_na = g[7] * 0.42 * 0.03010312 * xf * (v - e_na)  # the part of I_f that carries sodium
        i_naca = g[8] * (row[31] * sodium * sodium * sodium - row[32] * ca)
        i_nak = g[9] * row[33] * sodium / (sodium + 40)
        i_pca = store[5]
        i_bca = 7.27272e-4 * (v - store[2])
        i_bna = 9.5e-4 * (v - e_na)
        i_stim = 0.0
        if period > 0:  # the share of this step that lies within the 5 ms of a stimulus
            phase = step * dt - delay
            phase -= period * floor(phase / period)
            i_stim = stimulus * (max(0.0, min(phase + dt, 5.0) - phase) + max(0.0, phase + dt - period)) / dt

        # Calcium: ryanodine receptor, uptake, leak; buffers
        ryr_a += (store[3] - ryr_a) * dt / 1000
        rise = exp((1000 * ca - ryr_a) / 0.003)
        x = 1 / (1 + exp(0.01042 / 0.003) / rise)
        ryr_o += (x - ryr_o) * (opens if x > ryr_o else shuts)
        x = 1 / (1 + rise * rise * rise * exp(-0.00144 / 0.001))
        ryr_c += (x - ryr_c) * (recovers if x > ryr_c else inactivates)
        release = g[10] * 0.0625434 / (1 + exp((0.3 - ca_sr) / 0.1)) * ryr_o * ryr_c * (ca_sr - ca)
        to_store = g[11] * store[4] - release - 4.7279e-7 * (ca_sr - ca)
        d_ca = -to_store - (i_cal + i_bca + i_pca - 2 * i_naca) * membrane / 2
        ca_sr += dt * (8.8 / 0.58373) * to_store / (1 + 10 * 0.3 / (ca_sr + 0.3) ** 2)
        ca += dt * d_ca / (1 + 0.25 * 0.001 / (ca + 0.001) ** 2)
        sodium -= hurry * dt * (i_na + i_nal + i_bna + 3 * i_nak + 3 * i_naca + i_f_na) * membrane
        v -= dt * (
            i_na + i_nal + i_cal + i_kr + i_ks + i_k1 + i_to + i_f + i_naca + i_nak + i_pca + i_bca + i_bna + i_stim
        )
    state[0], state[1], state[2], state[3] = v, ca_sr, ca, sodium
    state[4:17] = gate
    state[17], state[18], state[19], state[20], state[21] = f1, f_ca, ryr_a, ryr_o, ryr_c
    state[22] = (first + skip + every * trace.size) * dt / 1000


def paci_2018_state(cells, time=0.0):
    """The state in which `paci_2018` starts by default: a control cell in the pause between two beats.

    Parameters
    ----------
    cells : int
        Number of cells.
    time : float
        Time at which they stand, s; negative for a run-in that ends at 0.

    Returns
    -------
    ndarray, shape (cells, 23)
        Columns as in `PACI_STATES`.
    """
    return np.tile([*_PACI_START, float(time)], (cells, 1))


def _by_cell(value, cells, name, *, least=-np.inf):
    """One finite value a cell, as float64 (cell,), from a number or an array of that length."""
    value = np.asarray(value, float)
    if value.shape not in ((), (cells,)):
        raise ValueError(f"{name} must be one number or one a cell ({cells}), got shape {value.shape}")
    if not (np.isfinite(value).all() and (value >= least).all()):
        raise ValueError(f"{name} must be finite" + (f" and at least {least:g}" if np.isfinite(least) else ""))
    return np.broadcast_to(value, cells)


def _scales(conductances):
    """Factors (cell, current) out of an array or a dict, checked."""
    if isinstance(conductances, dict):
        unknown = set(conductances) - set(PACI_CURRENTS)
        if unknown:
            raise ValueError(f"no current named {sorted(unknown)}; known are {list(PACI_CURRENTS)}")
        columns = [np.asarray(conductances.get(name, 1.0), float) for name in PACI_CURRENTS]
        try:
            conductances = np.stack(np.broadcast_arrays(*np.atleast_1d(*columns)), axis=1)
        except ValueError:
            sizes = {name: np.shape(value) for name, value in conductances.items()}
            raise ValueError(f"the currents have different numbers of cells: {sizes}") from None
    scales = np.atleast_2d(np.asarray(conductances, float))
    if scales.ndim != 2 or scales.shape[1] != len(PACI_CURRENTS) or not scales.size:
        raise ValueError(f"conductances must be (cell, {len(PACI_CURRENTS)}), got shape {scales.shape}")
    if not (np.isfinite(scales).all() and (scales >= 0).all()):
        raise ValueError("conductances are factors: finite and not negative")
    return scales


def _doses(block, onset, cells):
    """Change of the blocked shares at each dose (dose, cell, current) and its time (dose, cell) in s, checked."""
    if block is None:
        return np.zeros((0, cells, len(PACI_CURRENTS))), np.zeros((0, cells))
    block, onset = np.asarray(block, float), np.asarray(onset, float)
    if block.ndim == 3 and onset.ndim == 1:
        onset = onset[:, None]
    block = block.reshape((1,) * (3 - block.ndim) + block.shape)
    try:
        block = np.broadcast_to(block, (len(block), cells, len(PACI_CURRENTS)))
        onset = np.broadcast_to(onset, block.shape[:2])
    except ValueError:
        raise ValueError(
            f"block {block.shape} and onset {onset.shape} must be (dose, cell, {len(PACI_CURRENTS)}) and (dose, cell) "
            f"for {cells} cells, or as much of that as differs"
        ) from None
    if not ((block >= 0) & (block <= 1)).all():
        raise ValueError("block is the blocked share of each current, between 0 and 1")
    if not np.isfinite(onset).all() or (np.diff(onset, axis=0) < 0).any():
        raise ValueError("onset must be finite times (s) in the order of the doses")
    return np.diff(block, axis=0, prepend=0.0), onset


def paci_2018(
    conductances,
    duration,
    *,
    start=0.0,
    fs=5000.0,
    period=0.0,
    delay=0.0,
    stimulus=-7.6,
    block=None,
    onset=0.0,
    wash_in=0.0,
    dt=1e-4,
    state=None,
    hurry=1.0,
):
    """Membrane potential of human stem-cell-derived cardiomyocytes, beating by themselves or paced.

    Twenty-two state variables at 37 degrees, 5.4 mM potassium and 1.8 mM calcium, integrated with forward Euler
    and exponential gates (Rush and Larsen 1978); terms of the voltage alone or of calcium alone are interpolated
    in tables (0.1 mV; 0.25 % of calcium). Cells are computed in the threads that numba may use; each is the same
    whatever their number.

    A drug takes away a share of each conductance. After each onset the share goes to its new value with the time
    constant `wash_in`; a later dose, or one of zeros (wash-out), continues from the share reached.

    Parameters
    ----------
    conductances : ndarray, shape (cell, 12), or dict of str to float or ndarray (cell,)
        Factors on the currents and fluxes named in `PACI_CURRENTS`; what a dict leaves out is 1.
    duration : float
        Time simulated, s.
    start : float
        What comes before this time of the call is simulated and not returned, s.
    fs : float
        Sampling rate of the result, Hz: 1/dt or a whole fraction of it.
    period, delay : float or ndarray, shape (cell,)
        Stimuli of 5 ms begin at ``delay + k period`` for every integer k, s. A period of 0 leaves a cell
        to its own rhythm. Neither needs to be a multiple of `dt`.
    stimulus : float
        Current of a stimulus, A/F (negative depolarises).
    block : ndarray, shape (12,), (cell, 12) or (dose, cell, 12), optional
        Blocked share of each current after each dose, 0 to 1.
    onset : float or ndarray
        Time of each dose, s: (dose, cell), (dose,) for the same in all cells, or for a single dose (cell,).
    wash_in : float or ndarray, shape (cell,)
        Time constant of the block, s. The block is renewed every 5 ms.
    dt : float
        Step of the integration, s.
    state : ndarray, shape (cell, 23), optional
        State to start from (`paci_2018_state`, or what an earlier call returned), with the time it stands at:
        stimuli and doses count from time 0, so that a recording made in pieces is the one made at once.
    hurry : float
        Factor on the rate of change of sodium, which otherwise takes minutes to settle and takes the duration
        of the action potential with it. For a run-in that ends at the same steady rhythm, not for recordings.

    Returns
    -------
    vm : ndarray, shape (cell, sample), float32
        Membrane potential at ``start, start + 1/fs, ...`` (mV).
    state : ndarray, shape (cell, 23)
        The state after `duration`; returned only if a state was given.

    Raises
    ------
    ValueError
        If a current is unknown, a shape does not fit, a value is impossible, or `fs` does not divide ``1/dt``.
    FloatingPointError
        If a cell became unstable.

    References
    ----------
    Paci M et al. (2018) Front Physiol 9:709. Rush S, Larsen H (1978) IEEE Trans Biomed Eng 25:389-392.
    """
    scales = _scales(conductances)
    cells = len(scales)
    if not (np.isfinite(dt) and dt > 0 and np.isfinite(fs) and fs > 0):
        raise ValueError(f"fs ({fs} Hz) and dt ({dt} s) must be positive")
    every = round(1 / (fs * dt))
    if every < 1 or abs(every * fs * dt - 1) > 1e-9:
        raise ValueError(f"fs = {fs:g} Hz does not divide the {1 / dt:g} steps a second of dt = {dt:g} s")
    if not 0 <= start < duration < np.inf:
        raise ValueError(f"start ({start} s) must lie between 0 and duration ({duration} s)")
    period = _by_cell(period, cells, "period (s)", least=0)
    if ((period > 0) & (period < 0.01)).any():
        raise ValueError("a period must be 0 (not paced) or at least 0.01 s: is it in s?")
    delay = _by_cell(delay, cells, "delay (s)")
    if not 0 < hurry < np.inf:
        raise ValueError(f"hurry must be positive, got {hurry}")
    dose, onset = _doses(block, onset, cells)
    wash_in = _by_cell(wash_in, cells, "wash_in (s)", least=0)
    now = paci_2018_state(cells) if state is None else np.array(state, float)
    if now.shape != (cells, len(PACI_STATES)) or not np.isfinite(now).all():
        raise ValueError(f"state must be finite and of shape {(cells, len(PACI_STATES))}, got {now.shape}")

    step = round(1000 * dt, 12)
    skip = round(start * fs) * every
    vm = np.empty((cells, round(duration * fs) - round(start * fs)), np.float32)
    kernel, tables = _compiled(_paci_2018), _paci_tables(step)

    def simulate(c):
        pacing = (1000 * period[c], 1000 * delay[c], float(stimulus))
        first = round(1000 * now[c, -1] / step)
        doses = np.ascontiguousarray(dose[:, c]), 1000 * onset[:, c], 1000 * wash_in[c]
        kernel(now[c], scales[c], *doses, *tables, pacing, float(hurry), first, step, skip, every, vm[c])

    _each(simulate, cells)
    broken = np.flatnonzero(~np.isfinite(now).all(axis=1) | (np.abs(now[:, 0]) > 200))
    if broken.size:
        raise FloatingPointError(f"cells {broken[:8].tolist()} became unstable: shorten dt or check conductances")
    return vm if state is None else (vm, now)


def _each(work, count):
    """`work(i)` for all i below `count`, in the threads that numba may use."""
    import numba

    if count == 1 or numba.get_num_threads() == 1:
        for i in range(count):
            work(i)
    else:
        with ThreadPoolExecutor(numba.get_num_threads()) as pool:
            list(pool.map(work, range(count)))


def lead_field(positions, neighbours, electrodes, *, spacing, coupling=0.2, viable=None):
    """Weights that turn transmembrane potentials of a voxel heart into electrode potentials.

    The pseudo-electrocardiogram in an unbounded conductor is
    ``phi_e = -K integral grad V . grad(1/r_e) dv`` (Gima and Rudy 2002). On a voxel grid with faces between
    neighbours i, j this is ``-K h sum_(i,j) (V_i - V_j)(1/r_ei - 1/r_ej)``, hence linear in V, and summing
    by node instead of by face gives one weight a node: the lead field (Potse 2018; Pezzuto 2017). No flux
    crosses the surface of the tissue or of a scar, since only faces between two viable voxels count.

    Parameters
    ----------
    positions : ndarray, shape (node, 3)
        Voxel centres, mm.
    neighbours : sparse matrix, shape (node, node)
        Symmetric, 1 where two voxels share a face.
    electrodes : ndarray, shape (electrode, 3)
        Electrode positions in the same frame, mm.
    spacing : float
        Edge of a voxel h, mm.
    coupling : float
        K = intracellular conductivity / (4 pi conductivity of the torso), without unit. The default stands
        for a ratio of 2.5, which makes the R wave of lead II about 0.8 mV in a normal heart.
    viable : ndarray, shape (node,), optional
        1 for tissue, 0 for scar (no potential and no current), default all 1.

    Returns
    -------
    ndarray, shape (electrode, node)
        mV at the electrode per mV at the node. Rows sum to zero: a uniform potential is not seen.

    References
    ----------
    Gima K, Rudy Y (2002) Circ Res 90:889-896. Pezzuto S et al. (2017) Front Physiol 8:265.
    Potse M (2018) Front Physiol 9:370.
    """
    positions, electrodes = np.asarray(positions, float), np.asarray(electrodes, float)
    mask = np.ones(len(positions)) if viable is None else np.asarray(viable, float)
    reciprocal = 1.0 / np.linalg.norm(electrodes[:, None] - positions[None], axis=2)
    inflow = (neighbours @ (reciprocal * mask).T).T
    return -coupling * spacing * mask * ((neighbours @ mask) * reciprocal - inflow)


def twelve_leads(potentials):
    """The twelve standard leads from nine electrodes (Einthoven, Goldberger, Wilson).

    Parameters
    ----------
    potentials : ndarray, shape (electrode, ...)
        Potentials of RA, LA, LL, RL, V1, ..., V6 in this order. RL is the ground and is not used.

    Returns
    -------
    ndarray, shape (12, ...)
        Leads in the order of `LEADS`, in the unit of the potentials. The matrix has rank 8: III, aVR, aVL and
        aVF follow from I and II.

    Raises
    ------
    ValueError
        If the first axis does not hold ten electrodes.
    """
    potentials = np.asarray(potentials)
    if potentials.shape[0] != 10:
        raise ValueError(f"ten electrodes expected along the first axis, got shape {potentials.shape}")
    ra, la, ll, _, *chest = potentials
    limb = [la - ra, ll - ra, ll - la, ra - (la + ll) / 2, la - (ra + ll) / 2, ll - (ra + la) / 2]
    terminal = (ra + la + ll) / 3
    return np.stack(limb + [v - terminal for v in chest])
