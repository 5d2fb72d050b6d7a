"""Twelve leads from a few: linear reconstruction, scores of hidden leads, shrinkage, bands, non-inferiority.

Voltages are mV, arrays are (record, 8, time) in the order of `lead_algebra.EIGHT`, and a set of leads is a mask of
eight or its name, such as "I+II+V3". The limb leads III, aVR, aVL, aVF follow from I and II and are no part of any
score: only *hidden* leads are scored. Introduced in chapter 11.

References
----------
Hoerl AE, Kennard RW (1970) Technometrics 12:55-67 (ridge). Dower GE, Machado HB, Osborne JA (1980) Clin Cardiol
3:87-95.
Kors JA et al. (1990) Eur Heart J 11:1083-1092. Romano Y, Patterson E, Candes E (2019) NeurIPS (conformalised quantile
regression). Piaggio G et al. (2012) JAMA 308:2594-2604 (non-inferiority).
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from cardio_utils import ecg, lead_algebra, signals
from cardio_utils.evaluation import Estimate, bootstrap
from cardio_utils.regression import conformal_margin

__all__ = [
    "BAND",
    "CHEST",
    "FS",
    "VALIDATED",
    "Gram",
    "NonInferiority",
    "Records",
    "all_sets",
    "area",
    "at_percentiles",
    "band_coverage",
    "band_factor",
    "classify",
    "clinical",
    "dower_weights",
    "draw",
    "every_fir",
    "filtered",
    "gram",
    "hidden",
    "kors_weights",
    "lead_network",
    "lead_set",
    "linear_weights",
    "macro_area",
    "mean_score",
    "name_of",
    "non_inferiority",
    "own_mask",
    "own_regression",
    "own_twelve",
    "reconstruct",
    "records",
    "scores",
    "second_opinion",
    "shrinkage",
    "subset_ranking",
    "summary",
    "train_classifier",
    "train_network",
    "waveform_loss",
    "widened",
    "write_wfdb",
]

FS = 100.0
"""Hz, of the networks."""

BAND = (0.5, 40.0)  # Hz: of diagnostic interest at 100 Hz
CHEST = slice(2, 8)
"""V1 to V6 among the eight independent leads."""

_FLAT = 0.005  # mV of standard deviation: a lead below it carries nothing that could be correlated with


# Sets of leads


def lead_set(name):
    """Mask (8,) bool of a set such as "I+II+V3"; a mask passes unchanged.

    Raises
    ------
    ValueError
        A lead that is not among the eight, none, or a mask of another length.
    """
    if not isinstance(name, str):
        mask = np.asarray(name)
        if mask.shape != (8,) or mask.dtype != bool or not mask.any():
            raise ValueError(f"a set of leads is eight truth values, at least one true, not {name!r}")
        return mask
    wanted = [part.strip().upper() for part in name.split("+")]
    unknown = [part for part in wanted if part not in lead_algebra.EIGHT]
    if unknown:
        raise ValueError(
            f"{name!r}: {', '.join(unknown)} is none of {', '.join(lead_algebra.EIGHT)}; "
            "III, aVR, aVL and aVF follow from any two limb leads: give I and II instead"
        )
    return np.isin(lead_algebra.EIGHT, wanted)


def name_of(mask):
    """ "I+II+V3" of a mask (8,)."""
    return "+".join(np.array(lead_algebra.EIGHT)[lead_set(mask)])


def hidden(name):
    """Positions of the chest leads that are not in a set: those that are scored."""
    mask = lead_set(name)
    return np.array([k for k in range(*CHEST.indices(8)) if not mask[k]], int)


def all_sets(most=8):
    """All sets of one to `most` leads, (n, 8) bool, small ones first: 255 of them for eight."""
    choices = [c for n in range(1, most + 1) for c in itertools.combinations(range(8), n)]
    return np.array([np.isin(np.arange(8), c) for c in choices])


def filtered(twelve, fs, band=BAND):
    """The eight independent leads between 0.5 and 40 Hz without a shift in time, float32.

    Parameters
    ----------
    twelve : (record, 12, time) array_like
        mV, in the order of `lead_algebra.TWELVE`.
    fs : float
        Hz.
    band : (float, float)
        Hz.
    """
    eight = lead_algebra.eight_leads(np.asarray(twelve, np.float32))
    return signals.bandpass(eight, fs, *band, order=3).astype(np.float32)


# Linear reconstruction


@dataclass(frozen=True, eq=False)
class Gram:
    """Sums of products of all leads at all lags: what every linear model of every set of leads needs to know.

    Attributes
    ----------
    matrix : (8, lag, 8, lag) ndarray
        mV squared, summed over records and time.
    """

    matrix: np.ndarray

    @property
    def lags(self):
        """Lags to either side."""
        return self.matrix.shape[1] // 2

    def at_once(self):
        """The same without lags."""
        middle = slice(self.lags, self.lags + 1)
        return Gram(self.matrix[:, middle, :, middle])


def _lagged(x, lags):
    """(record, lead, lag, time): at position l of the lags x(t + l - lags), 0 beyond the ends."""
    padded = np.pad(x, ((0, 0), (0, 0), (lags, lags)))
    return np.lib.stride_tricks.sliding_window_view(padded, x.shape[-1], axis=-1)


def gram(x, lags=4, block=64):
    """One pass over the data: the sums from which all linear models follow.

    Parameters
    ----------
    x : (record, 8, time) array_like
        mV.
    lags : int
        Samples to either side; 4 are 40 ms at 100 Hz.
    block : int
        Records at a time.

    Returns
    -------
    Gram
    """
    x = np.asarray(x, np.float32)
    n = 8 * (2 * lags + 1)
    total = np.zeros((n, n))
    for start in range(0, len(x), block):
        rows = _lagged(x[start : start + block], lags).transpose(1, 2, 0, 3).reshape(n, -1)
        total += rows @ rows.T
    return Gram(total.reshape(8, -1, 8, 2 * lags + 1))


def linear_weights(known, leads, ridge=1e-3):
    """Weights (8, 8, lag) that map the visible leads at all lags to every lead; ordinary least squares at `ridge` 0.

    Parameters
    ----------
    known : Gram
        Of the training records.
    leads : str or (8,) bool
    ridge : float
        Penalty in units of the mean diagonal of the visible part.

    Returns
    -------
    (8, 8, lag) ndarray
        [output, input, lag]; zero for inputs that are hidden, and a visible lead is itself.
    """
    mask = lead_set(leads)
    n_lags = known.matrix.shape[1]
    weights = np.zeros((8, 8, n_lags))
    weights[mask, mask, known.lags] = 1
    seen = np.flatnonzero(np.repeat(mask, n_lags))
    whole = known.matrix.reshape(8 * n_lags, -1)
    inner = whole[np.ix_(seen, seen)]
    target = known.matrix[:, known.lags].reshape(8, -1)[~mask][:, seen]
    penalty = ridge * np.trace(inner) / len(seen) * np.eye(len(seen))
    flat = weights.reshape(8, -1)
    if not mask.all():
        flat[np.ix_(~mask, seen)] = np.linalg.solve(inner + penalty, target.T).T
    return flat.reshape(weights.shape)


def every_fir(known, ridge=1e-3):
    """`linear_weights` of all sets, (256, 8, 8, lag) float32, at the position sum of 2^k over the visible leads k."""
    table = np.zeros((256, 8, 8, known.matrix.shape[1]), np.float32)
    for mask in all_sets():
        table[(mask << np.arange(8)).sum()] = linear_weights(known, mask, ridge)
    return table


def dower_weights(leads, ridge=0.2):
    """The way over the vectorcardiogram, fitted to nobody: visible leads to X, Y, Z to hidden leads.

    Parameters
    ----------
    leads : str or (8,) bool
    ridge : float
        In units of the mean diagonal; 0 for the pseudo-inverse, which some sets of leads leave ill-conditioned.
    """
    mask = lead_set(leads)
    rows = lead_algebra.DOWER[mask]
    inner = rows.T @ rows
    to_vector = np.linalg.pinv(inner + ridge * np.trace(inner) / 3 * np.eye(3)) @ rows.T
    return _through(lead_algebra.DOWER @ to_vector, mask)


def kors_weights(known, leads):
    """The way over the Frank leads of Kors: regression of X, Y, Z on the visible leads, then Dower's table."""
    mask = lead_set(leads)
    covariance = known.at_once().matrix[:, 0, :, 0]
    vector = lead_algebra.KORS @ covariance[:, mask]
    to_vector = np.linalg.solve(covariance[np.ix_(mask, mask)], vector.T).T
    return _through(lead_algebra.DOWER @ to_vector, mask)


def _through(matrix, mask):
    """Weights (8, 8, 1) from a matrix (8, visible)."""
    weights = np.zeros((8, 8, 1))
    weights[:, mask, 0] = matrix
    weights[mask] = np.eye(8)[mask][..., None]
    return weights


def reconstruct(weights, x, block=64):
    """All eight leads of records by linear weights; a lead that is given stays as it is, to the last bit.

    Parameters
    ----------
    weights : (8, 8, lag) array_like
        Of `linear_weights`, `dower_weights` or `kors_weights`.
    x : (record, 8, time) array_like
        mV; leads without weights are not looked at, whatever they hold.
    block : int
        Records at a time.

    Returns
    -------
    (record, 8, time) float32
    """
    weights, x = np.asarray(weights, np.float32), np.asarray(x, np.float32)
    given = np.abs(weights).sum((0, 2)) > 0
    inner = weights[~given][:, given].reshape((~given).sum(), -1)
    out = x.copy()
    for start in range(0, len(x), block):
        rows = slice(start, start + block)
        moved = _lagged(x[rows][:, given], weights.shape[2] // 2)
        out[rows, ~given] = inner @ moved.reshape(len(moved), inner.shape[1], -1)
    return out


def own_regression(x, leads, ridge=1e-3):
    """What a patient's own twelve leads would allow: regression on the first half of each record, drawn in the second.

    Parameters
    ----------
    x : (record, 8, time) array_like
        mV.
    leads : str or (8,) bool

    Returns
    -------
    truth, prediction : (record, 8, time // 2) float32
        The second halves.
    """
    x, half = np.asarray(x, np.float32), np.shape(x)[-1] // 2
    late = x[..., -half:]
    drawn = [reconstruct(linear_weights(gram(row[None, :, :half], 0), leads, ridge), after[None])[0]
             for row, after in zip(x, late, strict=True)]  # fmt: skip
    return late, np.stack(drawn)


def subset_ranking(known, tested=None, most=8, ridge=1e-3):
    """How well the linear model does from each set of leads, without looking at any signal again.

    Explained and total sums of squares of a linear model follow from sums of products alone: those of `known` give
    the weights, those of `tested` the error on other records.

    Parameters
    ----------
    known, tested : Gram
        Without `tested`, the fit to the training records themselves.
    most : int
        Leads in a set.
    ridge : float

    Returns
    -------
    DataFrame
        Best first. `leads`, `n`, `r2` (of all hidden chest leads and records together), `share` of their sum of
        squares that is missed, and one column `r2 V1` ... for each lead, NaN where it is visible. Sets that hide no
        chest lead are left out.
    """
    tested = known if tested is None else tested
    n = tested.matrix.shape[0] * tested.matrix.shape[1]
    whole, middle = tested.matrix.reshape(n, n), tested.lags
    total = np.diagonal(tested.matrix[:, middle, :, middle])
    rows = []
    for mask in all_sets(most):
        chest = hidden(mask)
        if not len(chest):
            continue
        weights = linear_weights(known, mask, ridge).reshape(8, -1)[chest]
        cross = tested.matrix[chest, middle].reshape(len(chest), -1)
        missed = total[chest] - 2 * (weights * cross).sum(1) + ((weights @ whole) * weights).sum(1)
        own = dict(zip((f"r2 {lead_algebra.EIGHT[k]}" for k in chest), 1 - missed / total[chest], strict=True))
        r2 = 1 - missed.sum() / total[chest].sum()
        rows.append({"leads": name_of(mask), "n": int(mask.sum()), "r2": r2, "share": 1 - r2} | own)
    columns = ["leads", "n", "r2", "share", *(f"r2 {name}" for name in lead_algebra.EIGHT[CHEST])]
    return pd.DataFrame(rows, columns=columns).sort_values("r2", ascending=False, ignore_index=True)


# Networks


@dataclass(frozen=True, eq=False)
class Records:
    """Records as networks take them.

    Attributes
    ----------
    x : (record, 8, time) float32
        mV, filtered.
    label : (record, class) bool
    patient, name : (record,) ndarray of str
    """

    x: np.ndarray
    label: np.ndarray
    patient: np.ndarray
    name: np.ndarray

    def __len__(self):
        return len(self.x)

    def at(self, rows):
        """Some of the records, by position or mask."""
        return Records(self.x[rows], self.label[rows], self.patient[rows], self.name[rows])


def records(dataset, band=BAND):
    """The eight leads of a data set of `data.twelve_lead`, filtered, with labels and patients."""
    x = filtered(dataset["ecg"].values, dataset.attrs["fs"], band)
    return Records(x, dataset["label"].values, dataset["patient"].values, dataset["record"].values)


def waveform_loss(ends=(0.05, 0.95), shape=1.0, alpha=1.0, critic=None):
    """What a reconstructor minimises: errors and 1 - r of hidden leads, and what a critic makes of the record.

    The middle curve is asked for the mean (squared error), the outer ones for quantiles (pinball loss). Errors are
    divided by the size of the *visible* leads: dividing by that of the hidden lead itself would make a tall wave count
    less than a low one that looks the same from outside, and so draw tall waves too low.
    ``alpha * waveform + (1 - alpha) * cross-entropy`` of the superclasses that a critic reads from the middle curves,
    all of whose leads it sees.

    Parameters
    ----------
    ends : (float, float)
        Levels of the outer curves, where the network has three.
    shape : float
        Weight of 1 - r of the middle curve.
    alpha : float
        1 leaves the critic out.
    critic : torch.nn.Module, optional
        Frozen from here on.

    Returns
    -------
    callable of the output of `LeadNet` and labels (record, class): a scalar in fp32.

    Raises
    ------
    ValueError
        `alpha` lies outside of 0 to 1, or is below 1 without a critic.
    """
    import torch
    from torch.nn.functional import binary_cross_entropy_with_logits

    if not 0 <= alpha <= 1 or (alpha < 1 and critic is None):
        raise ValueError(f"alpha={alpha} lies between 0 and 1, and below 1 a critic is needed")
    if critic is not None:
        critic = critic.eval().requires_grad_(False)

    def waveform(curves, x, mask):
        power = ((x**2).mean(-1) * mask).sum(1) / mask.sum(1)
        error = (x[:, None] - curves) / power.sqrt().clamp(min=0.05)[:, None, None, None]
        middle = curves.shape[1] // 2
        cost = 0.25 * (error[:, middle] ** 2).mean(-1)  # about as large as the rest
        if middle:
            for k, q in ((0, ends[0]), (2, ends[1])):
                cost = cost + torch.maximum(q * error[:, k], (q - 1) * error[:, k]).mean(-1)
        y, z = (a - a.mean(-1, keepdim=True) for a in (x, curves[:, middle]))
        r = (y * z).sum(-1) / ((y**2).sum(-1) * (z**2).sum(-1) + 1e-6).sqrt()
        unseen = 1 - mask
        return ((cost + shape * (1 - r)) * unseen).sum() / unseen.sum()

    def loss(output, label):
        curves, x, mask = (a.float() for a in output)
        value = waveform(curves, x, mask)
        if alpha == 1:
            return value
        logits = critic(curves[:, curves.shape[1] // 2], torch.ones_like(mask, dtype=torch.bool))
        return alpha * value + (1 - alpha) * binary_cross_entropy_with_logits(logits.float(), label.float())

    return loss


VALIDATED = ("I+II", "I+II+V2", "I+II+V3")
"""Sets of leads by which an epoch is chosen."""


def lead_network(known, seed=0, **arguments):
    """`models.leads.LeadNet` around the FIR ridge regression of a `Gram`; the caller's random state stays as it was."""
    import torch

    from cardio_utils.models.leads import LeadNet

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return LeadNet(every_fir(known), **arguments)


def _tiled(part, sets):
    """Inputs and labels of all records once for each set of leads."""
    masks = np.stack([lead_set(name) for name in sets])
    inputs = np.concatenate([part.x] * len(sets)), np.repeat(masks, len(part), axis=0)
    return inputs, np.concatenate([part.label.astype(np.float32)] * len(sets))


def train_network(
    network,
    fitting,
    validation,
    sets=None,
    *,
    alpha=1.0,
    critic=None,
    shape=1.0,
    epochs=25,
    seconds=10.0,
    seed=0,
    **options,
):
    """Fit a reconstructor; without `sets` it serves any set of leads.

    Parameters
    ----------
    network : torch.nn.Module
        `LeadNet` or `OriginalsLeadNet`.
    fitting, validation : Records
        The epoch is the one with the largest mean r of hidden chest leads on the validation records, over `sets` or,
        without them, `VALIDATED`; with a critic the one with the smallest loss.
    sets : sequence of str, optional
        Draw the visible leads from these sets only.
    alpha, critic, shape
        As for `waveform_loss`.
    seconds : float
        Length of the pieces of records that are learned from.
    epochs, seed : int
    **options
        Of `training.fit`.

    Returns
    -------
    training.Fit
    """
    from cardio_utils import training
    from cardio_utils.models.leads import RandomLeads

    shown = VALIDATED if sets is None else tuple(sets)

    def mean_r(_, output):
        curves, x, _ = output
        parts = zip(shown, np.split(x, len(shown)), np.split(curves[:, curves.shape[1] // 2], len(shown)), strict=True)
        return np.nanmean([scores(x, drawn, name).r.mean() for name, x, drawn in parts])

    given = dict(batch_size=32, learning_rate=2e-3, weight_decay=1e-2, patience=None) | options
    masks = None if sets is None else np.stack([lead_set(name) for name in sets])
    inputs, label = _tiled(fitting, VALIDATED[:1])
    return training.fit(
        network, (inputs, label), _tiled(validation, shown), epochs=epochs, seed=seed,
        augment=RandomLeads(masks, length=round(seconds * FS)),
        loss=waveform_loss(shape=shape, alpha=alpha, critic=critic), metric=mean_r if alpha == 1 else None, **given,
    )  # fmt: skip


def train_classifier(model, fitting, validation, sets=None, *, epochs=15, seconds=10.0, seed=0, smooth=0.05, **options):
    """Fit a network for the superclasses; without `sets` to any set of leads, half of the records complete.

    Parameters
    ----------
    model : torch.nn.Module
        `LeadCritic` or `LeadEvaluator`.
    fitting, validation : Records
        The epoch is the one with the largest macro AUC on the validation records: of `sets`, or of all eight leads.
    epochs, seconds, seed
        As for `train_network`.
    smooth : float
        Labels are drawn in from 0 and 1 by half of it.

    Returns
    -------
    training.Fit
    """
    import torch

    from cardio_utils import training
    from cardio_utils.models.leads import RandomLeads

    shown = ("+".join(lead_algebra.EIGHT),) if sets is None else tuple(sets)
    masks = None if sets is None else np.stack([lead_set(name) for name in sets])

    def loss(logits, label):
        soft = label * (1 - smooth) + smooth / 2
        return torch.nn.functional.binary_cross_entropy_with_logits(logits.float(), soft)

    def metric(label, logits):
        parts = zip(np.split(label > 0.5, len(shown)), np.split(logits, len(shown)), strict=True)
        return np.mean([macro_area(*part) for part in parts])

    given = dict(batch_size=32, learning_rate=2e-3, weight_decay=5e-2, patience=None) | options
    varied = RandomLeads(masks, complete=0.5 * (sets is None), noise=0.02, length=round(seconds * FS))
    inputs, label = _tiled(fitting, VALIDATED[:1])
    return training.fit(
        model, (inputs, label), _tiled(validation, shown), epochs=epochs, seed=seed, augment=varied, loss=loss,
        metric=metric, **given,
    )  # fmt: skip


def draw(networks, x, leads):
    """Curves (record, quantile, 8, time) of a reconstructor, or the mean of those of several.

    The visible leads are those of `x`, to the last bit.
    """
    x, mask = np.asarray(x, np.float32), lead_set(leads)
    curves = np.mean([_predicted(network, x, mask)[0] for network in _several(networks)], axis=0, dtype=np.float32)
    curves[:, :, mask] = x[:, None, mask]
    return curves


def classify(models, x, leads=None):
    """Logits (record, class) of a classifier, or the mean of those of several, from some leads or all eight."""
    mask = np.ones(8, bool) if leads is None else lead_set(leads)
    return np.mean([_predicted(model, np.asarray(x, np.float32), mask) for model in _several(models)], axis=0)


def _several(models):
    return models if isinstance(models, (list, tuple)) else [models]


def _predicted(model, x, mask, block=128):
    from cardio_utils import training

    blank = np.where(mask[:, None], x, 0)  # what is hidden may be missing
    return training.predict(model, (blank, np.repeat(mask[None], len(x), axis=0)), batch_size=block)


# Scores of hidden leads


def scores(truth, predicted, leads, patient=None):
    """Agreement of each hidden chest lead of each record.

    Parameters
    ----------
    truth, predicted : (record, 8, time) array_like
        mV.
    leads : str or (8,) bool
        Visible ones, which are not scored.
    patient : (record,) array_like, optional
        Whose record it is; each record its own patient if not given.

    Returns
    -------
    DataFrame
        `record` (position), `patient`, `lead`, `r`, `r2` (about the mean of that record and lead) and `rmse` (uV);
        NaN for a true lead that is flat, and `r` is 0 for a flat prediction.

    Raises
    ------
    ValueError
        Unequal shapes, or a set that hides no chest lead.
    """
    truth, predicted, chest = np.asarray(truth), np.asarray(predicted), hidden(leads)
    if truth.shape != predicted.shape or truth.ndim != 3 or truth.shape[1] != 8:
        raise ValueError(f"two arrays (record, 8, time) are needed, not {truth.shape} and {predicted.shape}")
    if not len(chest):
        raise ValueError(f"{name_of(lead_set(leads))} hides no chest lead: nothing to score")
    y, z = truth[:, chest].astype(float), predicted[:, chest].astype(float)
    error = ((y - z) ** 2).mean(-1)
    y, z = y - y.mean(-1, keepdims=True), z - z.mean(-1, keepdims=True)
    power, own = (y**2).mean(-1), (z**2).mean(-1)
    flat = power < _FLAT**2
    with np.errstate(divide="ignore", invalid="ignore"):
        r = np.where(own > 1e-12, (y * z).mean(-1) / np.sqrt(power * own), 0.0)
        found = {"r": r, "r2": 1 - error / power}
    found = {name: np.where(flat, np.nan, value).ravel() for name, value in found.items()}
    record = np.arange(len(y))
    who = record if patient is None else np.asarray(patient)
    where = {name: np.repeat(values, len(chest)) for name, values in (("record", record), ("patient", who))}
    where["lead"] = np.tile(np.array(lead_algebra.EIGHT)[chest], len(y))
    return pd.DataFrame({**where, **found, "rmse": 1000 * np.sqrt(error).ravel()})


def summary(table):
    """Of `scores`: medians over record x lead, mean r, share of negative R2, and how many flat leads were left out."""
    fine = table.dropna()
    return pd.Series(
        {
            "median r2": fine.r2.median(),
            "median r": fine.r.median(),
            "mean r": fine.r.mean(),
            "rmse (uV)": fine.rmse.median(),
            "r2 below 0": (fine.r2 < 0).mean(),
            "flat": len(table) - len(fine),
        }
    )


def mean_score(table, column="r", n_resamples=1000, seed=0):
    """Mean of a score over record x lead, with an interval from resampled patients: Estimate."""
    fine = table[table[column].notna()]
    values = fine[column].to_numpy()
    return bootstrap(lambda mean, _: mean.mean(), values, values, fine.patient.to_numpy(), n_resamples, seed)


def at_percentiles(table, percentiles=(0, 1, 5, 50), column="r"):
    """Positions of the records whose mean score over hidden leads lies at some percentiles.

    Parameters
    ----------
    table : DataFrame
        Of `scores`.
    percentiles : sequence of float
        0 is the worst record.
    column : str

    Returns
    -------
    dict of float to int
        Percentile -> position of the record; no record twice.
    """
    ranked = table.groupby("record")[column].mean().sort_values(kind="stable").index.to_numpy()
    place = np.unique(np.floor(np.array(sorted(percentiles)) / 100 * (len(ranked) - 1)).astype(int), return_index=True)
    return {sorted(percentiles)[first]: int(ranked[k]) for k, first in zip(*place, strict=True)}


def clinical(x, peaks, leads, fs=FS):
    """What is measured in the hidden chest leads of records: intervals from all of them together, heights of each.

    Parameters
    ----------
    x : (record, 8, time) array_like
        mV.
    peaks : sequence of int arrays
        R peaks of each record, from a visible lead, so that measured and drawn beats are the same ones.
    leads : str or (8,) bool
        The visible ones.
    fs : float
        Hz.

    Returns
    -------
    dict of str to ndarray
        Medians over the beats (`ecg.delineate`): `QRS` and `QT` (record,) in ms, `R` and `ST` (record, hidden lead) in
        mV; NaN where no beat could be measured.
    """
    found = {name: [] for name in ("QRS", "QT", "R", "ST")}
    for each, at in zip(np.asarray(x)[:, hidden(leads)], peaks, strict=True):
        waves = ecg.delineate(each, fs, at)
        found["QRS"].append(_median(1000 * (waves.qrs_offset - waves.qrs_onset)))
        found["QT"].append(_median(1000 * (waves.t_end - waves.qrs_onset)))
        found["R"].append(_median(waves.r))
        found["ST"].append(_median(waves.st))
    return {name: np.array(values) for name, values in found.items()}


def _median(values):
    """Median over beats, NaN where there is none."""
    values = np.asarray(values, float)
    if not len(values):
        return np.full(values.shape[1:], np.nan)
    none = np.isnan(values).all(axis=0)
    return np.where(none, np.nan, np.nanmedian(np.where(none, 0, values), axis=0))


def second_opinion(lead, peaks, fs=FS):
    """QRS and QT (ms) of one lead by neurokit2 (wavelets, Martinez 2004), medians over its beats.

    Parameters
    ----------
    lead : (time,) array_like
        mV.
    peaks : array_like of int
        R peaks.
    fs : float
        Hz; interpolated to 500 Hz.

    Returns
    -------
    dict
        NaN where it finds no beat.
    """
    import warnings

    import neurokit2

    finer = signals.resample(lead, fs, 500.0)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")  # of beats in which a wave is not found
        try:
            at = np.round(np.asarray(peaks) * 500.0 / fs).astype(int)
            _, waves = neurokit2.ecg_delineate(finer, at, sampling_rate=500, method="dwt")
        except (ValueError, IndexError, ZeroDivisionError):  # too few beats for its own rules
            return {"QRS": np.nan, "QT": np.nan}
        onset, offset, end = (np.array(waves[f"ECG_{name}"], float) for name in ("R_Onsets", "R_Offsets", "T_Offsets"))
        return {"QRS": float(np.nanmedian(2 * (offset - onset))), "QT": float(np.nanmedian(2 * (end - onset)))}


def shrinkage(truth, predicted):
    """Does a reconstruction shrink towards the mean? Slope on true values, and what is left of the largest.

    Parameters
    ----------
    truth, predicted : (record,) array_like
        Such as R heights of V4 (mV); NaN is left out.

    Returns
    -------
    dict
        `slope`, 1 without shrinkage, and `top`, the median of predicted / true in the uppermost fifth of true values.
    """
    truth, predicted = np.asarray(truth, float), np.asarray(predicted, float)
    fine = np.isfinite(truth) & np.isfinite(predicted)
    truth, predicted = truth[fine], predicted[fine]
    top = truth >= np.quantile(truth, 0.8)
    return {"slope": float(np.polyfit(truth, predicted, 1)[0]), "top": float(np.median(predicted[top] / truth[top]))}


# A recording of one's own


def own_mask(dataset):
    """Which of the eight leads a recording of one's own holds.

    Parameters
    ----------
    dataset : xarray.Dataset
        Of `data.twelve_lead.read_record`: one record, absent leads NaN.

    Returns
    -------
    (8,) bool

    Raises
    ------
    ValueError
        None of the eight leads is there, or a lead that is there has gaps.
    """
    missing = np.isnan(lead_algebra.eight_leads(dataset["ecg"].values)[0])
    mask = ~missing.all(-1)
    if not mask.any():
        raise ValueError("the recording has none of I, II, V1 to V6, nor two limb leads to compute I and II from")
    if missing[mask].any():
        gaps = [name for name, gap in zip(lead_algebra.EIGHT, missing.any(-1) & mask, strict=True) if gap]
        raise ValueError(f"samples are missing in {', '.join(gaps)}: cut the recording where all its leads are there")
    return mask


def own_twelve(dataset, networks, factor=None):
    """Twelve leads from the leads that one has.

    Parameters
    ----------
    dataset : xarray.Dataset
        Of `data.twelve_lead.read_record`: one record, absent leads NaN.
    networks
        As for `draw`.
    factor : (8,) array_like, optional
        Of `band_factor`.

    Returns
    -------
    (3, 12, time) float32
        Lower end, middle and upper end (mV) at the networks' 100 Hz, 0.5 to 40 Hz. The ends of a measured lead are the
        lead itself, and so are those of the limb leads where I and II are measured; otherwise the ends of III, aVR,
        aVL and aVF are NaN, since the band of a sum is not the sum of the bands.

    Raises
    ------
    ValueError
        As for `own_mask`.
    """
    visible, fs = own_mask(dataset), dataset.attrs["fs"]
    eight = lead_algebra.eight_leads(dataset["ecg"].values)[0]
    own = signals.bandpass(eight[visible], fs, *BAND, order=3)
    own = own if fs == FS else signals.resample(own, fs, FS)
    x = np.zeros((1, 8, own.shape[-1]), np.float32)
    x[0, visible] = own
    curves = draw(networks, x, visible)
    curves = curves if factor is None else widened(curves, factor)
    twelve = lead_algebra.twelve_from_eight(curves[0])
    if not visible[:2].all():
        twelve[[0, 2], 2:6] = np.nan
    else:
        twelve[[0, 2], :6] = twelve[1, :6]
    return twelve


def write_wfdb(name, twelve, folder="."):
    """Write twelve leads (12, time) at 100 Hz as a WFDB record of 1 uV a step: `name`.hea and `name`.dat."""
    import wfdb

    wfdb.wrsamp(
        name, fs=FS, units=["mV"] * 12, sig_name=list(lead_algebra.TWELVE), p_signal=np.asarray(twelve, float).T,
        fmt=["16"] * 12, adc_gain=[1000.0] * 12, baseline=[0] * 12, write_dir=str(folder),
    )  # fmt: skip


# Bands


def _halves(curves):
    """Lower and upper half of bands (record, 8, time), no thinner than 1 uV."""
    low, middle, high = np.moveaxis(np.asarray(curves, float), 1, 0)
    return np.maximum(middle - low, 1e-3), np.maximum(high - middle, 1e-3)


def band_factor(curves, truth, patient, coverage=0.9, every=7):
    """By how much the halves of raw bands must be multiplied to hold a share of the samples of a *new* patient.

    The score of a sample is its error in units of the half of the band it falls into (Sesia and Candes 2020); the
    factor is its conformal quantile, every patient counted the same (`regression.conformal_margin`).

    Parameters
    ----------
    curves : (record, 3, 8, time) array_like
        5 %, mean, 95 %, of records that the network has not seen.
    truth : (record, 8, time) array_like
    patient : (record,) array_like
    coverage : float
    every : int
        Samples between two that are looked at.

    Returns
    -------
    (8,) ndarray
        One a lead; 0 for a lead that is visible in all records.
    """
    curves, truth = np.asarray(curves)[..., ::every], np.asarray(truth, float)[..., ::every]
    down, up = _halves(curves)
    error = truth - curves[:, 1]
    score = np.abs(error) / np.where(error < 0, down, up)
    flat = np.moveaxis(score, 1, -1)
    return conformal_margin(flat.reshape(-1, 8), np.repeat(np.asarray(patient), flat.shape[1]), coverage)


def widened(curves, factor):
    """Bands whose halves are multiplied by `factor` (8,), float32."""
    down, up = _halves(curves)
    middle, factor = np.asarray(curves)[:, 1], np.asarray(factor)[:, None]
    return np.stack([middle - factor * down, middle, middle + factor * up], axis=1).astype(np.float32)


def band_coverage(curves, truth, leads):
    """Share of samples within the band (record, hidden lead), and its mean width (mV), of the same shape."""
    chest = hidden(leads)
    low, high, truth = (np.asarray(a)[:, chest] for a in (curves[:, 0], curves[:, 2], truth))
    return ((truth >= low) & (truth <= high)).mean(-1), (high - low).mean(-1)


# Classes


def area(positive, score):
    """Area under the receiver operating characteristic: the share of pairs that are ordered rightly, ties as halves.

    Raises
    ------
    ValueError
        Only one class.
    """
    positive = np.asarray(positive, bool)
    n = positive.sum()
    if not 0 < n < len(positive):
        raise ValueError("both classes are needed for an area")
    return float((stats.rankdata(score)[positive].mean() - (n + 1) / 2) / (len(positive) - n))


def macro_area(label, score):
    """Mean `area` over the classes: label and score (record, class)."""
    return float(np.mean([area(y, s) for y, s in zip(np.transpose(label), np.transpose(score), strict=True)]))


@dataclass(frozen=True, eq=False)
class NonInferiority:
    """Is one thing worse than another by less than a margin?

    Attributes
    ----------
    first, second, difference : Estimate
        `difference` is first - second, paired.
    margin : float
    """

    first: Estimate
    second: Estimate
    difference: Estimate
    margin: float

    @property
    def holds(self):
        """The whole interval of the difference lies above -margin."""
        return bool(self.difference.low > -self.margin)


def non_inferiority(score, reference, margin=0.02):
    """Is an area smaller than a reference by less than a margin, beyond doubt (Piaggio 2012)?

    Parameters
    ----------
    score, reference : Estimate
        Such as macro areas from drawn and from measured leads, of the same patients and resamples.
    margin : float
        Named beforehand: what one would give away.

    Returns
    -------
    NonInferiority
    """
    return NonInferiority(score, reference, score - reference, margin)
