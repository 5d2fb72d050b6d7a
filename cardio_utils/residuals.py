"""Two-variable models of excitation: forward solvers, and how far a waveform is from being a solution.

The models of Aliev and Panfilov (1996), with the two recovery rates of Nash and Panfilov (2004), and of Rogers and
McCulloch (1994), in one notation. u is the scaled potential (0 at rest, about 1 on the plateau), w = v/k the
recovery variable v divided by the excitation rate k, so that both lie between 0 and 1::

    T u' = k u [(1 - u)(u - a) - w]
    T w' = e(u) (u - w),   e = x where u >= a, 1 - x below      Aliev-Panfilov
    T w' = e (u/k - g w)                                        Rogers-McCulloch

Rates are in 1/s; the time scale T (no unit) stretches a solution, T = 1 gives the equations of the originals.
Residuals and losses take torch tensors and keep their gradients; solvers and masks take NumPy arrays.
Introduced in chapter 04.
"""

import numpy as np

from cardio_utils import action_potential as ap

__all__ = [
    "MAPPING",
    "RANGES",
    "aliev_panfilov",
    "aliev_panfilov_residual",
    "beat_mask",
    "derivative",
    "eliminated_residual",
    "log1p_cost",
    "originals_cost",
    "originals_loss",
    "physics_loss",
    "rogers_mcculloch",
    "rogers_mcculloch_residual",
]

RANGES = {
    "aliev_panfilov": {"a": (0.01, 0.2), "k": (100.0, 1000.0), "x": (0.4, 0.9), "time_scale": (0.5, 2.0)},
    "rogers_mcculloch": {"a": (0.001, 0.1), "k": (100.0, 1000.0), "e": (0.005, 0.1), "g": (0.5, 2.0)},
    "originals": {"a": (0.001, 0.1), "k": (100.0, 1000.0), "x": (0.4, 0.9)},
}
"""Equations -> parameter -> bounds. Those of Rogers-McCulloch are the ones published with a later network for
the same task; none of their solutions repolarises within 1.6 s (a test shows it). In seconds, the parameters of
Rogers and McCulloch (1994) are a 0.13, k 260, e 1300, g 0.01. "originals" is the eliminated second-order form."""

MAPPING = {"gain": (0.8, 1.25), "offset": (-0.1, 0.1)}
"""Bounds of the affine map from a target y to the model's own rest and plateau: u = (y - offset) / gain."""

_SWITCH = 1000.0  # steepness of the recovery rate's step at u = a, as in the originals


def _integrate(slope, start, kick, recovery, duration, fs, n):
    """Fourth-order Runge-Kutta at two steps a sample; before `start` the potential rests at 0."""
    n_time, first = round(duration * fs), round(start * fs)
    if not 0 <= first < n_time:
        raise ValueError(f"the stimulus at {start} s lies outside the {duration} s to compute")
    state = np.stack([np.full(n, float(kick)), np.broadcast_to(np.asarray(recovery, float), n)])
    out = np.zeros((2, n, n_time))
    out[1, :, :first] = state[1][:, None]
    h = 0.5 / fs
    for sample in range(first, n_time):
        out[:, :, sample] = state
        for _ in range(2):
            k1 = slope(*state)
            k2 = slope(*(state + h / 2 * k1))
            k3 = slope(*(state + h / 2 * k2))
            state = state + h / 6 * (k1 + 2 * k2 + 2 * k3 + slope(*(state + h * k3)))
    return out[0], out[1]


def _columns(**parameters):
    """The parameters as (beat,) arrays of one length, and that length."""
    arrays = np.broadcast_arrays(*(np.atleast_1d(np.asarray(p, float)) for p in parameters.values()))
    if arrays[0].ndim != 1:
        raise ValueError(f"{', '.join(parameters)} are numbers or (beat,) arrays")
    return *arrays, len(arrays[0])


def aliev_panfilov(
    a=0.1, k=500.0, x=0.6, time_scale=1.0, *, duration=1.6, fs=5000.0, start=0.17, kick=0.5, recovery=0.0
):
    """Action potentials of the Aliev-Panfilov model, one for each set of parameters.

    Parameters
    ----------
    a, k, x, time_scale : float or (beat,) array_like
        Threshold, excitation rate (1/s), recovery rate above the threshold (1/s; 1 - x below it), time scale.
    duration, start : float
        Length of the window and time of the stimulus (s).
    fs : float
        Sampling rate (Hz); the step of the solver is half a sample.
    kick : float
        Potential to which the stimulus lifts u; above `a` + w it excites.
    recovery : float or (beat,) array_like
        w at the stimulus, and before it.

    Returns
    -------
    u, w : (beat, time) float64

    Raises
    ------
    ValueError
        The stimulus lies outside the window, or the parameters are not numbers or vectors.
    """
    a, k, x, time_scale, n = _columns(a=a, k=k, x=x, time_scale=time_scale)

    def slope(u, w):
        rate = 1 - x + (2 * x - 1) / (1 + np.exp(-np.clip(_SWITCH * (u - a), -500, 500)))
        return np.stack([k * u * ((1 - u) * (u - a) - w), rate * (u - w)]) / time_scale

    return _integrate(slope, start, kick, recovery, duration, fs, n)


def rogers_mcculloch(
    a=0.13, k=260.0, e=1300.0, g=0.01, time_scale=1.0, *, duration=1.6, fs=5000.0, start=0.17, kick=0.5, recovery=0.0
):
    """Action potentials of the Rogers-McCulloch model; `e` in 1/s^2 and `g` in s, otherwise as `aliev_panfilov`."""
    a, k, e, g, time_scale, n = _columns(a=a, k=k, e=e, g=g, time_scale=time_scale)

    def slope(u, w):
        return np.stack([k * u * ((1 - u) * (u - a) - w), e * (u / k - g * w)]) / time_scale

    return _integrate(slope, start, kick, recovery, duration, fs, n)


def beat_mask(iap, fs, *, after=0.02, before=0.05):
    """Samples at which an autonomous model can be asked to hold: the first beat without its upstroke.

    The stimulus, or the current from neighbouring cells, is no term of the model: the upstroke is left out,
    and so is what precedes it (the model has no pacemaker) and everything from a second upstroke on.

    Parameters
    ----------
    iap : (..., time) array_like
        Measured or simulated action potentials, any unit: the targets, not a network's output.
    fs : float
        Sampling rate (Hz).
    after : float
        From the largest dV/dt to the first sample kept (s).
    before : float
        From the last sample kept to the rise of a second beat (s).

    Returns
    -------
    (..., time) bool
        False throughout where a trace has no upstroke or holds NaN.
    """
    iap = np.asarray(iap)
    time = np.arange(iap.shape[-1]) / fs
    first = ap.upstroke(iap, fs).time[..., None] / 1000 + after
    second = ap.apd(iap, fs, 50).next_beat[..., None] / 1000 - before
    return (time >= first) & ~(time >= second)


def derivative(x, fs, sigma=0.002, every=10):
    """Smoothed values and time derivatives of traces, by convolution with a Gaussian and its derivative.

    Only places where the kernel (4 sigma to either side) lies within the window are returned, so no padding
    bends them. Computed in float32 or better.

    Parameters
    ----------
    x : (beat, time) tensor
    fs : float
        Sampling rate (Hz).
    sigma : float
        Standard deviation of the Gaussian (s).
    every : int
        Distance between the places (samples).

    Returns
    -------
    smooth, slope : (beat, place) tensors
        `slope` in units of x per s.
    places : slice
        Which samples of the last axis the places are.

    Raises
    ------
    ValueError
        The window is shorter than the kernel.
    """
    import torch

    half = max(1, round(4 * sigma * fs))
    n_time = x.shape[-1]
    if n_time <= 2 * half:
        raise ValueError(f"a window of {n_time} samples is shorter than the derivative's kernel of {2 * half + 1}")
    dtype = x.dtype if x.dtype == torch.float64 else torch.float32
    lag = torch.arange(-half, half + 1, device=x.device, dtype=dtype)
    bell = torch.exp(-0.5 * (lag / (sigma * fs)) ** 2)
    # Both kernels are exact where it matters: a constant keeps its value and a straight line its slope.
    kernels = torch.stack([bell / bell.sum(), fs * lag * bell / (lag**2 * bell).sum()])
    y = torch.nn.functional.conv1d(x.to(dtype)[:, None], kernels[:, None], stride=every)
    return y[:, 0], y[:, 1], slice(half, n_time - half, every)


def _rows(*values):
    """Per-beat parameters (beat,) as columns that broadcast along time; numbers stay."""
    return tuple(v[:, None] if getattr(v, "ndim", 0) == 1 else v for v in values)


def _excitation(u, du, w, a, k, time_scale):
    return time_scale / k * du - u * ((1 - u) * (u - a) - w)


def aliev_panfilov_residual(u, du, w, dw, a, k, x, time_scale=1.0):
    """What is left of the two Aliev-Panfilov equations, without unit; no division by u.

    Parameters
    ----------
    u, du, w, dw : (beat, place) tensors
        Potential, recovery variable and their time derivatives (1/s), as of `derivative`.
    a, k, x, time_scale : float or (beat,) tensors

    Returns
    -------
    excitation, recovery : (beat, place) tensors
        (T/k) u' - u [(1 - u)(u - a) - w], which an error of u enters about once, and T w' - e(u) (u - w).
    """
    import torch

    a, k, x, time_scale = _rows(a, k, x, time_scale)
    rate = 1 - x + (2 * x - 1) * torch.sigmoid(_SWITCH * (u - a))
    return _excitation(u, du, w, a, k, time_scale), time_scale * dw - rate * (u - w)


def rogers_mcculloch_residual(u, du, w, dw, a, k, e, g, time_scale=1.0):
    """What is left of the two Rogers-McCulloch equations; otherwise as `aliev_panfilov_residual`."""
    a, k, e, g, time_scale = _rows(a, k, e, g, time_scale)
    return _excitation(u, du, w, a, k, time_scale), time_scale * dw - e * (u / k - g * w)


_RESIDUALS = {"aliev_panfilov": aliev_panfilov_residual, "rogers_mcculloch": rogers_mcculloch_residual}


def log1p_cost(residual, scale):
    """log(1 + (r / scale)^2): 0 at 0, quadratic below `scale`, grows with |r| but without limit to no outlier."""
    return ((residual / scale) ** 2).log1p()


def physics_loss(u, w, parameters, mask, fs, *, equations="aliev_panfilov", sigma=0.002, every=10, scales=(0.02, 0.05)):
    """How far waveforms and their recovery variables are from a beat of the model; 0 for an exact one.

    Mean `log1p_cost` of both residuals over the places of the mask. A flat line at rest solves the equations
    too, so the first place after the upstroke must in addition lie on the excited branch, above (1 + a)/2,
    where (1 - u)(u - a) is largest; the shortfall costs like a residual.

    Parameters
    ----------
    u, w : (beat, time) tensors
        Potential, mapped to the model's own rest and plateau, and recovery variable.
    parameters : dict of str -> float or (beat,) tensor
        Those of the equations, see `RANGES`; others are ignored.
    mask : (beat, time) bool tensor
        As of `beat_mask`. A beat without any place has no part in the mean; u and w may be NaN outside.
    fs : float
        Sampling rate (Hz).
    equations : {"aliev_panfilov", "rogers_mcculloch"}
    sigma, every
        As for `derivative`.
    scales : (float, float)
        Residuals of excitation and recovery that count as large.

    Returns
    -------
    scalar tensor, float32 or float64

    Raises
    ------
    ValueError
        Unknown equations, or a window shorter than the derivative's kernel.
    """
    if equations not in _RESIDUALS:
        raise ValueError(f"equations={equations!r} is not known; one of {', '.join(_RESIDUALS)}")
    u, du, places = derivative(u, fs, sigma, every)
    w, dw, _ = derivative(w, fs, sigma, every)
    mask = mask[:, places]
    # Zeros take the place of what is masked, since NaN times zero is NaN, in gradients too.
    u, du, w, dw = (v.where(mask, v.new_zeros(())) for v in (u, du, w, dw))
    own = {name: parameters[name] for name in RANGES[equations]}
    if "time_scale" in parameters:
        own["time_scale"] = parameters["time_scale"]
    residuals = _RESIDUALS[equations](u, du, w, dw, **own)
    cost = sum(log1p_cost(r, scale) for r, scale in zip(residuals, scales, strict=True))
    count = mask.sum(1)
    (threshold,) = _rows(own["a"])
    onset = u.gather(1, mask.float().argmax(1, keepdim=True))
    excited = log1p_cost(((1 + threshold) / 2 - onset).relu(), scales[0])[:, 0]
    each = (cost * mask).sum(1) / count.clamp(min=1) + excited
    return (each * (count > 0)).sum() / (count > 0).sum().clamp(min=1)


def eliminated_residual(u, fs, a, k, x):
    """The Aliev-Panfilov equations with v eliminated, as the originals have them (T = 1), in 1/s^2.

    k u u' (1 - 2u + a) + u'^2/u - u'' - e(u) [k u (u^2 + a - a u) + u'] by differences over one sample; u = 0
    is replaced by 0.001 in the divisor only.

    Parameters
    ----------
    u : (beat, time) tensor
    fs : float
        Sampling rate (Hz).
    a, k, x : float or (beat,) tensors

    Returns
    -------
    (beat, time - 2) tensor
    """
    import torch

    a, k, x = _rows(a, k, x)
    du = (u[:, 2:] - u[:, :-2]) * (fs / 2)
    ddu = (u[:, 2:] - 2 * u[:, 1:-1] + u[:, :-2]) * fs**2
    u = u[:, 1:-1]
    rate = 1 - x + (2 * x - 1) * torch.sigmoid(_SWITCH * (u - a))
    divisor = u.where(u != 0, u.new_full((), 1e-3))
    return k * u * du * (1 - 2 * u + a) + du**2 / divisor - ddu - rate * (k * u * (u**2 + a - a * u) + du)


def originals_cost(residual):
    """|log(r^2 + 1e-5)|: the originals' cost. Smallest at |r| = 1, and 11.5 at r = 0: it rewards no solution."""
    return (residual**2 + 1e-5).log().abs()


def originals_loss(u, parameters, fs=5000.0, sigma=0.006):
    """The originals' physics loss, kept to be compared with: mean `originals_cost` of `eliminated_residual`.

    Parameters
    ----------
    u : (beat, 8000) tensor
        Smoothed here by a zero-padded Gaussian. Samples 100 to 949 and 1050 to 7899 count.
    parameters : dict of str -> float or (beat,) tensor
        `a`, `k` and `x`; others are ignored.
    fs : float
        Sampling rate (Hz).
    sigma : float
        Standard deviation of the Gaussian (s).

    Returns
    -------
    scalar tensor

    Raises
    ------
    ValueError
        The window has another length: the samples that count are counted from its start.
    """
    import torch

    if u.shape[-1] != 8000:
        raise ValueError(f"the originals' loss counts samples of windows of 8000, not of {u.shape[-1]}")
    half = round(6 * sigma * fs)
    lag = torch.arange(-half, half + 1, device=u.device, dtype=u.dtype)
    bell = torch.exp(-0.5 * (lag / (sigma * fs)) ** 2)
    smooth = torch.nn.functional.conv1d(u[:, None], (bell / bell.sum())[None, None], padding=half)[:, 0]
    residual = eliminated_residual(smooth, fs, *(parameters[name] for name in RANGES["originals"]))
    kept = torch.cat([residual[:, 99:949], residual[:, 1049:7899]], dim=1)
    return originals_cost(kept).mean()
