"""Models of membrane and volume conductor: equations with their sources, arrays in, arrays out.

Two subjects so far: the human ventricular cell of ten Tusscher and Panfilov (2006), and the lead field of the
pseudo-electrocardiogram (Gima and Rudy 2002), which turns transmembrane potentials of a voxel heart into
potentials at electrodes. The whole-heart simulator that uses both is `cardio_utils.simulate.heart`.
"""

from functools import cache
from math import exp, log, sqrt

import numpy as np

__all__ = ["LEADS", "lead_field", "ten_tusscher_2006", "twelve_leads"]

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
def _compiled():
    """The cell compiled by numba on first use; the machine code is kept on disk for the next process."""
    import numba

    options = {"fastmath": True, "error_model": "numpy", "nogil": True}
    try:
        return numba.njit(cache=True, **options)(_ten_tusscher_2006)
    except RuntimeError:  # neither the package nor the home directory can be written: compile anew each time
        return numba.njit(**options)(_ten_tusscher_2006)


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
    return _compiled()(factors, float(potassium), LAYERS[layer], *times, max(1, round(every / dt)))


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
