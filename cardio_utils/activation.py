"""Activation maps from leads of the electrocardiogram: simple models, errors, intervals, what counts, what disturbs.

A map is the activation times (ms) of the 75 sites of `data.intracardiac`, an array (case, site). Leads are arrays
(case, lead, time) in mV, one sample a ms, of the eight leads that determine all twelve: I, II, V1 to V6. Introduced in
chapter 08.

References
----------
Landajuela M et al. (2022) Comput Cardiol 49, doi:10.22489/CinC.2022.026 (the task).
Romano Y, Patterson E, Candes E (2019) NeurIPS; Dunn R et al. (2023) J Am Stat Assoc 118:2491 (intervals).
Sundararajan M, Taly A, Yan Q (2017) ICML (integrated gradients).
"""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd

from cardio_utils import evaluation
from cardio_utils.data import intracardiac
from cardio_utils.lead_algebra import EIGHT, eight_leads, twelve_from_eight
from cardio_utils.simulate import intracardiac as simulator

__all__ = [
    "EIGHT",
    "assess",
    "attribution",
    "baselines",
    "beat_of_record",
    "by_segment",
    "calibrate",
    "case_errors",
    "complete",
    "displaced",
    "lead_importance",
    "leads",
    "noisy",
    "swapped",
    "train",
    "unit_leads",
    "widen",
]


def leads(potentials):
    """The eight independent leads of cases, mV.

    Parameters
    ----------
    potentials : xarray.DataArray
        (case, electrode, time), as `data.intracardiac.load` gives them.

    Returns
    -------
    (case, 8, time) float32 ndarray
    """
    twelve = intracardiac.twelve_leads(potentials).transpose("case", "lead", "time")
    return np.ascontiguousarray(eight_leads(twelve.values), np.float32)


def complete(dataset):
    """Cases in which every site was activated; the others have no whole map.

    Parameters
    ----------
    dataset : xarray.Dataset
        With `activation`.

    Returns
    -------
    xarray.Dataset
    """
    return dataset.isel(case=np.isfinite(dataset["activation"].values).all(axis=1))


def unit_leads(x):
    """Twelve leads, each divided by its own range, as the originals have them; their ratio is lost.

    Parameters
    ----------
    x : (case, 8, time) array_like

    Returns
    -------
    (case, 12, time) float32 ndarray
    """
    twelve = twelve_from_eight(np.asarray(x, np.float32))
    return twelve / np.maximum(np.ptp(twelve, axis=-1, keepdims=True), 1e-6)


# Models


def baselines(x, y, parts, n_components=150, seed=0):
    """Maps that simple models predict for the test cases.

    Parameters
    ----------
    x : (case, lead, time) array_like
        mV.
    y : (case, site) array_like
        ms.
    parts : data.intracardiac.Split
        Models are fitted on `train`; the penalty of ridge is chosen on `validation`.
    n_components : int
        Principal components of all leads together, of which ridge and neighbours are computed.
    seed : int

    Returns
    -------
    dict of str to (test case, site) ndarray
        "mean map": the mean of training. "ridge": linear in the components (Hoerl and Kennard 1970). "nearest
        neighbour": the map of the training case whose ECG is closest.
    """
    from sklearn.decomposition import PCA
    from sklearn.linear_model import Ridge
    from sklearn.neighbors import KNeighborsRegressor

    flat, y = np.asarray(x).reshape(len(x), -1), np.asarray(y)
    pca = PCA(min(n_components, len(parts.train)), svd_solver="randomized", random_state=seed).fit(flat[parts.train])
    known, held, test = (pca.transform(flat[rows]) for rows in parts)
    target = y[parts.train]
    lines = [Ridge(alpha).fit(known, target) for alpha in (0.1, 1.0, 10.0, 100.0, 1000.0)]
    best = min(lines, key=lambda line: np.abs(line.predict(held) - y[parts.validation]).mean())
    return {
        "mean map": np.tile(target.mean(0), (len(parts.test), 1)),
        "ridge": best.predict(test),
        "nearest neighbour": KNeighborsRegressor(1).fit(known, target).predict(test),
    }


def train(network, x, y, parts, *, seed=0, **options):
    """Train a network for maps; the epoch is chosen by the error on the validation cases.

    Parameters
    ----------
    network : models.activation.ActivationNet, or a module (case, lead, time) -> (case, site)
        The first learns quantiles from beats of which some begin late (`models.activation.delayed`), any other the
        mean, by the squared error, as the originals did; its last layer starts out at the mean of training.
    x : (case, lead, time) array_like
    y : (case, site) array_like
    parts : data.intracardiac.Split
    seed : int
    **options
        Of `training.fit`, in place of those chosen here.

    Returns
    -------
    training.Fit
    """
    import torch

    from cardio_utils import losses, training
    from cardio_utils.models import activation as models

    ours = isinstance(network, models.ActivationNet)
    chosen = {
        "loss": losses.pinball(models.QUANTILES) if ours else torch.nn.MSELoss(),
        "augment": models.delayed if ours else None,
        "batch_size": 32,
        "learning_rate": 2e-3 if ours else 1e-3,
        "weight_decay": 1e-2 if ours else 0.0,
    }
    if not ours:
        last = [layer for layer in network.modules() if isinstance(layer, (torch.nn.Linear, torch.nn.Conv1d))][-1]
        last.bias.data = torch.tensor(y[parts.train].mean(axis=0))
    known, held = (
        ((x[rows], np.zeros(len(rows), np.float32)) if ours else x[rows], y[rows])
        for rows in (parts.train, parts.validation)
    )

    def error(target, output):
        return float(np.abs((output[:, 1] if ours else output) - target).mean())

    return training.fit(network, known, held, metric=error, mode="min", seed=seed, **chosen | options)


# Errors


def case_errors(true, predicted, positions):
    """How far the map of each case is off.

    Parameters
    ----------
    true, predicted : (case, site) array_like
        ms.
    positions : (site, 3) array_like
        mm.

    Returns
    -------
    DataFrame
        mae (ms), rmse (ms), correlation of the two maps over the sites (NaN where one is constant), earliest (mm
        between the site that is first in truth and the one that is first in the prediction) and total (ms, absolute
        error of the time from the first to the last site).
    """
    true, predicted, positions = (np.asarray(a, float) for a in (true, predicted, positions))
    if true.shape != predicted.shape or positions.shape != (true.shape[1], 3):
        raise ValueError(
            f"maps of shapes {true.shape} and {predicted.shape} and positions {positions.shape} do not fit"
        )
    error = predicted - true
    a, b = (m - m.mean(axis=1, keepdims=True) for m in (true, predicted))
    with np.errstate(invalid="ignore"):
        r = (a * b).sum(1) / np.sqrt((a**2).sum(1) * (b**2).sum(1))
    apart = positions[true.argmin(1)] - positions[predicted.argmin(1)]
    columns = {
        "mae": np.abs(error).mean(1),
        "rmse": np.sqrt((error**2).mean(1)),
        "correlation": r,
        "earliest": np.linalg.norm(apart, axis=1),
        "total": np.abs(np.ptp(predicted, axis=1) - np.ptp(true, axis=1)),
    }
    return pd.DataFrame(columns)


def assess(true, predicted, positions, heart, n_resamples=1000, seed=0):
    """Errors over all cases, with intervals from resampled hearts.

    Parameters
    ----------
    true, predicted, positions
        As for `case_errors`.
    heart : (case,) array_like
        Resampled for the intervals.
    n_resamples, seed : int
        A tenth as many for p95, which takes long.

    Returns
    -------
    dict of str to evaluation.Estimate
        mae, rmse and p95 (95th percentile of the absolute error) over cases and sites, ms; the mean over cases of
        correlation, earliest (mm) and total (ms). Those of two models on the same cases can be subtracted.
    """
    table = case_errors(true, predicted, positions)
    error = np.abs(np.asarray(predicted, float) - np.asarray(true, float))
    table["correlation"] = table["correlation"].fillna(0.0)

    def over(metric, values, n=n_resamples):
        return evaluation.bootstrap(lambda v, _: metric(v), values, values, heart, n, seed)

    means = {name: over(np.mean, table[name].to_numpy()) for name in ("mae", "correlation", "earliest", "total")}
    return means | {
        "rmse": over(lambda v: np.sqrt((v**2).mean()), table["rmse"].to_numpy()),
        "p95": over(lambda v: np.quantile(v, 0.95), error, n_resamples // 10),
    }


def by_segment(true, predicted, dataset):
    """Mean absolute error of each segment of the wall, ms.

    Parameters
    ----------
    true, predicted : (case, site) array_like
    dataset : xarray.Dataset
        Its coordinate `segment` says through which of 25 segments each site lies: 17 of the left ventricle (AHA01 to
        AHA17) and 8 of the right one's free wall.

    Returns
    -------
    Series
        Index: segment.
    """
    error = np.abs(np.asarray(predicted) - np.asarray(true)).mean(axis=0)
    return pd.Series(error).groupby(dataset["segment"].values).mean().rename_axis("segment").rename("mae")


# Intervals


def calibrate(quantiles, true, heart, coverage=0.9):
    """By how much each site's interval must grow to hold its time in a heart that nothing has seen.

    Parameters
    ----------
    quantiles : (case, 3, site) array_like
        Of cases that the network has not been trained on.
    true : (case, site) array_like
    heart : (case,) array_like
        Every heart counts the same, and hearts, not cases, are what may be exchanged.
    coverage : float
        At most G / (G + 1) for G hearts.

    Returns
    -------
    (site,) ndarray
        ms, negative where intervals are too wide; see `regression.conformal_margin`.
    """
    from cardio_utils.regression import conformal_margin

    low, _, high = np.moveaxis(np.asarray(quantiles, float), 1, 0)
    true = np.asarray(true, float)
    return conformal_margin(np.maximum(low - true, true - high), heart, coverage)


def widen(quantiles, margin):
    """Quantiles (case, 3, site) whose outer ones lie `margin` (site,) further out; the median stays between them."""
    low, median, high = np.moveaxis(np.asarray(quantiles, float), 1, 0)
    return np.stack([np.minimum(low - margin, median), median, np.maximum(high + margin, median)], axis=1)


# What the model looks at


def lead_importance(predict, x, true, heart, usual, n_resamples=1000, seed=0):
    """How much the error grows when one lead shows what it shows on average.

    Parameters
    ----------
    predict : callable(x) -> (case, site) ndarray
    x : (case, 8, time) array_like
    true : (case, site) array_like
    heart : (case,) array_like
    usual : (8, time) array_like
        Mean leads of training, which take the place of the lead.

    Returns
    -------
    dict of str to evaluation.Estimate
        ms of mean absolute error, by lead.
    """

    def mae(x):
        error = np.abs(predict(x) - true).mean(axis=1)
        return evaluation.bootstrap(lambda v, _: v.mean(), error, error, heart, n_resamples, seed)

    whole, found = mae(x), {}
    for k, name in enumerate(EIGHT):
        without = np.array(x)
        without[:, k] = usual[k]
        found[name] = mae(without) - whole
    return found


def attribution(network, x, sites, usual, steps=32):
    """What each sample of each lead adds to the estimated time of some sites (integrated gradients, by captum).

    Parameters
    ----------
    network : models.activation.ActivationNet
    x : (case, 8, time) array_like
    sites : int or sequence of int
        Their mean time is explained.
    usual : (8, time) array_like
        The reference: mean leads of training.
    steps : int
        Points on the way from the reference to the case.

    Returns
    -------
    (case, 8, time) ndarray
        ms; the sum over leads and time is the estimate minus the estimate for the reference, but for the error of
        the sum over few steps.
    """
    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # captum's progress bars ask for notebook widgets, which nobody needs here
        from captum.attr import IntegratedGradients

    x = torch.as_tensor(np.asarray(x, np.float32))
    reference = torch.as_tensor(np.asarray(usual, np.float32))[None].expand_as(x)
    columns = np.atleast_1d(sites).tolist()
    network.eval()
    method = IntegratedGradients(lambda leads: network(leads)[:, 1, columns].mean(1))
    return method.attribute(x, reference, n_steps=steps, internal_batch_size=256).detach().numpy()


# What disturbs it


def noisy(x, snr, seed=0):
    """Leads with white noise, each case with its own random stream.

    Parameters
    ----------
    x : (case, 8, time) array_like
    snr : float
        dB: 10 log10 of the power of the case over that of the noise, which is the same in all leads.
    seed : int

    Returns
    -------
    (case, 8, time) float32 ndarray
    """
    x = np.asarray(x, np.float32)
    sd = np.sqrt((x**2).mean(axis=(1, 2)) / 10 ** (snr / 10))
    streams = np.random.SeedSequence(seed).spawn(len(x))
    noise = np.stack([np.random.default_rng(s).standard_normal(x.shape[1:], np.float32) for s in streams])
    return x + sd[:, None, None] * noise


def swapped(potentials, first, second):
    """Potentials as two electrodes connected the wrong way round record them; the other leads change with them.

    Parameters
    ----------
    potentials : xarray.DataArray
        With the dimension electrode.
    first, second : str
        Such as "RA" and "LA".

    Returns
    -------
    xarray.DataArray
    """
    names = potentials["electrode"].values.tolist()
    if not {first, second} <= set(names):
        raise ValueError(f"electrodes are {', '.join(names)}, not {first} and {second}")
    exchanged = [{first: second, second: first}.get(name, name) for name in names]
    return potentials.sel(electrode=exchanged).assign_coords(electrode=names)


def displaced(dataset, distance, *, seed=0, hearts_seed=0, spacing=3.0):
    """Potentials of simulated cases with every electrode moved: simulated again, not interpolated.

    Parameters
    ----------
    dataset : xarray.Dataset
        Simulated; its cases say what to simulate.
    distance : float
        Root mean square displacement of an electrode, mm, normally distributed; the same within a heart.
    seed : int
        Of the displacement.
    hearts_seed, spacing
        Those with which the cases were loaded.

    Returns
    -------
    xarray.DataArray
        (case, electrode, time), mV.

    Raises
    ------
    ValueError
        The cases are not simulated ones.
    """
    if dataset.attrs.get("source") != "simulated":
        raise ValueError("only simulated cases can be simulated again; their source is " + str(dataset.attrs["source"]))
    cases = [intracardiac.parse_name(name) for name in dataset["case"].values.tolist()]
    result = np.empty((len(cases), len(simulator.ELECTRODES), simulator.SAMPLES), np.float32)
    for volunteer in dict.fromkeys(case.volunteer for case in cases):
        rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(int(volunteer[1:]),)))
        steps = rng.normal(0, distance / np.sqrt(3), (len(simulator.ELECTRODES), 3))
        body = simulator.subject(volunteer, seed=hearts_seed, spacing=spacing).with_electrodes_moved(steps)
        for row, case in enumerate(cases):
            if case.volunteer == volunteer:
                result[row] = body.potentials(case)[0].T
    return dataset["potentials"].copy(data=result)


# One's own beat

_HELD = 5  # samples before the QRS complex
_QUIET = 0.12  # of the largest slope: below, nothing is activated


def beat_of_record(signal, fs):
    """The usual beat of a recorded ECG, cut as the simulated ones: from the beginning of the QRS complex on.

    The median over beats, aligned by their R peaks, at 1 kHz; 5 ms before the slope of all leads together first
    exceeds 12 % of its largest value, each lead is set to 0 mV, and held there before: no P wave is left.

    Parameters
    ----------
    signal : (12, n) array_like
        mV, in the order of `physics.LEADS`.
    fs : float
        Hz.

    Returns
    -------
    beat : (8, 500) float32 ndarray
        mV; its QRS complex begins at sample 5.
    count : int
        Number of beats.

    Raises
    ------
    ValueError
        There are not twelve leads, values are missing, or fewer than three beats are found.
    """
    from cardio_utils import ecg, signals

    signal = np.asarray(signal, float)
    if signal.ndim != 2 or len(signal) != 12 or not np.isfinite(signal).all():
        raise ValueError(f"twelve leads (12, n) without missing values are needed, not an array {signal.shape}")
    eight = signals.resample(signals.bandpass(eight_leads(signal), fs, 0.5, min(100.0, 0.4 * fs)), fs, 1000.0)
    peaks = ecg.find_r_peaks(eight[np.ptp(eight, axis=1).argmax()], 1000.0)
    peaks = peaks[(peaks >= 150) & (peaks + 600 <= eight.shape[1])]
    if len(peaks) < 3:
        raise ValueError(f"{len(peaks)} whole beat(s) found; at least three are needed for a usual one")
    beat = np.median([eight[:, k - 150 : k + 600] for k in peaks], axis=0)
    slope = np.sqrt((np.gradient(signals.lowpass(beat, 1000.0, 40.0), axis=1) ** 2).sum(0))
    fast = slope[60:260] > _QUIET * slope[60:260].max()
    start = 60 + int(fast.argmax()) - _HELD
    beat = beat[:, start : start + simulator.SAMPLES] - beat[:, start, None]
    return beat.astype(np.float32), len(peaks)
