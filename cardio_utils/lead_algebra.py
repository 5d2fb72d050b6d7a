"""What twelve leads owe each other: exact algebra, vectorcardiograms, and electrodes that changed places.

Nine electrodes give eight independent voltages. Arrays of leads have them on the axis before the last, in the order
of `TWELVE` or `EIGHT`, and time on the last; any axes may stand in front. Units are kept (mV throughout this
package).

Frame of vectorcardiograms: X to the patient's left, Y to the feet, Z to the back.

References
----------
Einthoven W (1908); Goldberger E (1942) Am Heart J 23:483-492 (the limb leads).
Dower GE, Machado HB, Osborne JA (1980) Clin Cardiol 3:87-95. doi:10.1002/clc.1980.3.2.87
Edenbrandt L, Pahlm O (1988) J Electrocardiol 21:361-367. doi:10.1016/0022-0736(88)90113-6
Kors JA, van Herpen G, Sittig AC, van Bemmel JH (1990) Eur Heart J 11:1083-1092.
doi:10.1093/oxfordjournals.eurheartj.a059647
"""

from __future__ import annotations

import numpy as np

__all__ = [
    "DOWER",
    "EIGHT",
    "INVERSE_DOWER",
    "KORS",
    "LIMB",
    "SWAPS",
    "TWELVE",
    "eight_leads",
    "einthoven_residual",
    "limb_from_two",
    "limb_leads",
    "swap_electrodes",
    "twelve_from_eight",
]

LIMB = ("I", "II", "III", "aVR", "aVL", "aVF")
"""The six leads of three limb electrodes; any two of them give the others."""

TWELVE = (*LIMB, "V1", "V2", "V3", "V4", "V5", "V6")
"""The usual order (that of PTB-XL). Hospital exports may have aVL before aVR: read names, not positions."""

EIGHT = ("I", "II", "V1", "V2", "V3", "V4", "V5", "V6")
"""Leads of which none follows from the others."""

_FROM_I_II = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, 1.0], [-0.5, -0.5], [1.0, -0.5], [-0.5, 1.0]])

DOWER = np.array(
    [
        [0.632, -0.235, 0.059],
        [0.235, 1.066, -0.132],
        [-0.515, 0.157, -0.917],
        [0.044, 0.164, -1.387],
        [0.882, 0.098, -1.277],
        [1.213, 0.127, -0.601],
        [1.125, 0.127, -0.086],
        [0.831, 0.076, 0.230],
    ]
)
"""From the Frank vectorcardiogram X, Y, Z to the eight leads of `EIGHT` (Dower 1980), shape (8, 3)."""

INVERSE_DOWER = np.array(
    [
        [0.156, -0.010, -0.172, -0.074, 0.122, 0.231, 0.239, 0.194],
        [-0.227, 0.887, 0.057, -0.019, -0.106, -0.022, 0.041, 0.048],
        [0.022, 0.102, -0.229, -0.310, -0.246, -0.063, 0.055, 0.108],
    ]
)
"""From the eight leads of `EIGHT` to X, Y, Z: the pseudo-inverse of `DOWER` (Edenbrandt 1988), shape (3, 8)."""

KORS = np.array(
    [
        [0.38, -0.07, -0.13, 0.05, -0.01, 0.14, 0.06, 0.54],
        [-0.07, 0.93, 0.06, -0.02, -0.05, 0.06, -0.17, 0.13],
        [0.11, -0.23, -0.43, -0.06, -0.14, -0.20, -0.11, 0.31],
    ]
)
"""From the eight leads of `EIGHT` to X, Y, Z, fitted to measured Frank leads (Kors 1990), shape (3, 8)."""


def _leads(x, count):
    x = np.asarray(x)
    if x.ndim < 2 or x.shape[-2] != count:
        raise ValueError(f"{count} leads are needed on the axis before the last, not an array of shape {x.shape}")
    return x


def _floating(x):
    return x.astype(np.result_type(x.dtype, np.float32), copy=False)


def eight_leads(x):
    """The independent leads out of twelve.

    Parameters
    ----------
    x : (..., 12, n) array_like

    Returns
    -------
    (..., 8, n) ndarray

    Raises
    ------
    ValueError
        There are not twelve leads.
    """
    return _leads(x, 12)[..., [0, 1, 6, 7, 8, 9, 10, 11], :]


def twelve_from_eight(x):
    """All twelve leads, exactly, from the eight independent ones, which pass unchanged.

    Parameters
    ----------
    x : (..., 8, n) array_like

    Returns
    -------
    (..., 12, n) ndarray
        The floating type of `x`.

    Raises
    ------
    ValueError
        There are not eight leads.
    """
    x = _floating(_leads(x, 8))
    return np.concatenate([limb_leads(x[..., 0, :], x[..., 1, :]), x[..., 2:, :]], axis=-2)


def limb_leads(first, second):
    """The six limb leads from leads I and II.

    III = II - I, aVR = -(I + II) / 2, aVL = I - II / 2, aVF = II - I / 2.

    Parameters
    ----------
    first, second : (..., n) array_like
        Lead I and lead II.

    Returns
    -------
    (..., 6, n) ndarray
        In the order of `LIMB`.
    """
    first, second = _floating(np.asarray(first)), _floating(np.asarray(second))
    third, right = second - first, -(first + second) / 2
    return np.stack([first, second, third, right, first - second / 2, second - first / 2], axis=-2)


def limb_from_two(leads):
    """The six limb leads from any two of them.

    Parameters
    ----------
    leads : dict of str to (..., n) array_like
        Two entries, named as in `LIMB`.

    Returns
    -------
    (..., 6, n) ndarray

    Raises
    ------
    ValueError
        There are not two limb leads.
    """
    if len(leads) != 2 or not set(leads) <= set(LIMB):
        raise ValueError(f"two of the leads {', '.join(LIMB)} are needed, not {', '.join(leads) or 'none'}")
    inverse = np.linalg.inv(_FROM_I_II[[LIMB.index(name) for name in leads]]).tolist()
    one, other = (_floating(np.asarray(x)) for x in leads.values())
    result = limb_leads(*(a * one + b * other for a, b in inverse))
    for name, given in leads.items():
        result[..., LIMB.index(name), :] = given  # to the last bit
    return result


def einthoven_residual(x):
    """How far twelve leads are from obeying their identities.

    Recorded leads obey them to the rounding of the file (0.5 uV RMS for steps of 1 uV); more means that leads were
    mixed up, filtered one by one, or clipped.

    Parameters
    ----------
    x : (..., 12, n) array_like
        In the order of `TWELVE`.

    Returns
    -------
    (...,) ndarray
        Root mean square, over time, of the worst of the four derived leads minus what I and II say; unit of `x`.

    Raises
    ------
    ValueError
        There are not twelve leads.
    """
    x = _leads(x, 12)
    difference = x[..., :6, :] - limb_leads(x[..., 0, :], x[..., 1, :])
    return np.sqrt(np.mean(np.square(difference, dtype=float), axis=-1)).max(-1)


SWAPS = ("LA-RA", "RA-LL", "LA-LL")
"""Pairs of limb electrodes: left arm, right arm, left leg."""


def swap_electrodes(x, pair):
    """What twelve leads look like with two limb electrodes exchanged; a second exchange undoes it.

    Parameters
    ----------
    x : (..., 12, n) array_like
    pair : {'LA-RA', 'RA-LL', 'LA-LL', ''}
        '' changes nothing.

    Returns
    -------
    (..., 12, n) ndarray
        V1 to V6 unchanged: the mean of the three electrodes is the same.

    Raises
    ------
    ValueError
        The pair is unknown, or there are not twelve leads.
    """
    x = _floating(_leads(x, 12))
    first, second = x[..., 0, :], x[..., 1, :]
    exchanged = {
        "": (first, second),
        "LA-RA": (-first, second - first),
        "RA-LL": (first - second, -second),
        "LA-LL": (second, first),
    }
    if pair not in exchanged:
        raise ValueError(f"the pair must be one of {', '.join(SWAPS)}, not {pair!r}")
    return np.concatenate([limb_leads(*exchanged[pair]), x[..., 6:, :]], axis=-2)
