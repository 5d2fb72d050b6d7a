"""Potassium from the electrocardiogram: codes, one distribution for every question, features, baselines, promises.

A *distribution* here is an array (record, 60) of probabilities that potassium is at least 1.6, 1.7, ... 7.5 mmol/L.
It never rises along the bins. Expected value, class probabilities and intervals all follow from it, and so cannot
contradict each other. Introduced in chapter 12.

References
----------
Attia ZI et al. (2016) J Am Heart Assoc 5:e002746 and Corsi C et al. (2017) Sci Rep 7:42492 (slope over root of T).
Menon AK et al. (2021) ICLR (logit adjustment). Vovk V (2012) Proc Mach Learn Res 25:475-490 (conformal sets by class).
Guo C et al. (2017) ICML (temperature).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import ndimage, optimize, special

from cardio_utils import agreement, ecg, evaluation, lead_algebra, signals
from cardio_utils.data.potassium import CLASSES, LIMITS, check_potassium, encode_k_class
from cardio_utils.lead_algebra import EIGHT

__all__ = [
    "CLASSES",
    "IMBALANCE",
    "LIMITS",
    "NATURAL",
    "N_BINS",
    "REAL_MEDIANS",
    "Beats",
    "Context",
    "Prediction",
    "at_least",
    "at_most",
    "balanced_rows",
    "base_rates",
    "beats",
    "check_potassium",
    "class_medians",
    "class_probabilities",
    "class_table",
    "conformal_limits",
    "conformal_sets",
    "cooled",
    "coverage",
    "decode_k_class",
    "decode_k_concentration",
    "delineated_features",
    "distribution",
    "encode_k_class",
    "encode_k_concentration",
    "expected",
    "extra_trees",
    "lead_deletion",
    "levels",
    "limits_of_agreement",
    "of_distribution",
    "ordinal_loss",
    "own_beats",
    "prediction_table",
    "predictive_values",
    "reweighted",
    "ridge",
    "root_slope",
    "scores",
    "temperature",
    "threshold_at",
    "train_network",
    "training_mean",
    "tune",
]

N_BINS = 60
NATURAL = {"K >= 5.5": 0.02, "K <= 3.5": 0.22}
"""Share of patients of an emergency department (Lin 2020)."""

IMBALANCE = ("none", "sampler", "weights", "adjustment")
"""Ways to make rare classes count, of which exactly one is used at a time."""

_FS = 100.0  # Hz, of median beats
_BEFORE, _AFTER = 0.30, 0.66  # s, window of a median beat
_LOWEST = 15  # tenths of a mmol/L


# Codes


def _tenths(potassium):
    """Whole tenths of a mmol/L, halves upwards."""
    return np.floor(10 * np.asarray(potassium, float) + 0.5 + 1e-6).astype(np.int64)


def encode_k_concentration(potassium):
    """Cumulative code of concentrations: bin k is 1 from 1.6 + 0.1 k mmol/L on.

    Parameters
    ----------
    potassium : array_like
        mmol/L; rounded to tenths, in whole numbers, so that each tenth from 1.5 to 7.5 comes back exactly.

    Returns
    -------
    code : (..., 60) float32
        Ones, then zeros.
    outside : (...) bool
        Where the value is below 1.5 or above 7.5 and was clipped to it.

    Raises
    ------
    ValueError
        A value is missing.
    """
    potassium = np.asarray(potassium, float)
    if not np.isfinite(potassium).all():
        raise ValueError("a potassium value is missing (NaN): it has no code")
    count = _tenths(potassium) - _LOWEST
    code = np.arange(N_BINS) < np.clip(count, 0, N_BINS)[..., None]
    return code.astype(np.float32), (count < 0) | (count > N_BINS)


def decode_k_concentration(code):
    """mmol/L (...) of a cumulative code, or the expected value of a distribution (..., 60): 1.5 + 0.1 times its sum.

    Raises
    ------
    ValueError
        There are not 60 bins, a value is not between 0 and 1, or they rise along the bins.
    """
    code = np.asarray(code, float)
    if code.shape[-1:] != (N_BINS,):
        raise ValueError(f"{N_BINS} bins are needed, not an array of shape {code.shape}")
    if code.size and (code.min() < 0 or code.max() > 1 or (np.diff(code, axis=-1) > 1e-6).any()):
        raise ValueError("a cumulative code lies between 0 and 1 and never rises along the bins")
    return (_LOWEST + code.sum(-1)) / 10


def decode_k_class(k_class):
    """Limits (..., 2) in mmol/L of classes 0 to 4, infinite at the ends; which class a limit itself belongs to, says
    `encode_k_class`.

    Raises
    ------
    ValueError
        There is no such class.
    """
    k_class = np.asarray(k_class)
    if k_class.dtype.kind not in "iu" or (k_class.size and not (0 <= k_class.min() and k_class.max() < len(CLASSES))):
        raise ValueError(f"classes are whole numbers from 0 to {len(CLASSES) - 1}")
    edges = np.array([-np.inf, *LIMITS, np.inf])
    return np.stack([edges[k_class], edges[k_class + 1]], axis=-1)


# One distribution


_LEVELS = (_LOWEST + np.arange(N_BINS + 1)) / 10
_CLASS_OF_LEVEL = encode_k_class(_LEVELS)


def levels(cumulative):
    """Probabilities (..., 61) of 1.5, 1.6, ... 7.5 mmol/L."""
    cumulative = np.asarray(cumulative, float)
    one, none = np.ones_like(cumulative[..., :1]), np.zeros_like(cumulative[..., :1])
    return -np.diff(np.concatenate([one, cumulative, none], axis=-1), axis=-1)


def expected(cumulative):
    """Expected value (...), mmol/L."""
    return decode_k_concentration(cumulative)


def class_probabilities(cumulative):
    """Probabilities (..., 5) of the classes."""
    each = levels(cumulative)
    return np.stack([each[..., k == _CLASS_OF_LEVEL].sum(-1) for k in range(len(CLASSES))], axis=-1)


def at_least(cumulative, limit):
    """Probability (...) of at least so many mmol/L: of the tenth itself or more."""
    return levels(cumulative)[..., _LEVELS >= limit - 1e-9].sum(-1)


def at_most(cumulative, limit):
    """Probability (...) of at most so many mmol/L."""
    return levels(cumulative)[..., _LEVELS <= limit + 1e-9].sum(-1)


def _cumulative(probabilities):
    """The distribution (..., 60) of probabilities (..., 61) of the levels."""
    return np.clip(probabilities[..., :0:-1].cumsum(-1)[..., ::-1], 0, 1)


def reweighted(cumulative, old, new):
    """A distribution for other shares of the classes: Bayes' rule, from the training to the natural ones, say.

    Parameters
    ----------
    cumulative : (..., 60) array_like
    old, new : (5,) array_like
        Shares of the classes, before and after.

    Returns
    -------
    (..., 60) ndarray
    """
    old, new = (np.asarray(share, float) / np.sum(share) for share in (old, new))
    each = levels(cumulative) * (new / np.maximum(old, 1e-12))[_CLASS_OF_LEVEL]
    return _cumulative(each / each.sum(-1, keepdims=True))


def cooled(cumulative, heat):
    """The distribution with the log-odds of every bin divided by a temperature; still ordered."""
    odds = special.logit(np.clip(cumulative, 1e-6, 1 - 1e-6))
    return special.expit(odds / heat)


def temperature(cumulative, potassium):
    """The temperature, 0.05 to 20, with which measured concentrations of validation records are most likely.

    Bins are judged one by one (the mean log loss of all thresholds), so that a miss by one tenth costs little.
    """
    code, _ = encode_k_concentration(potassium)

    def loss(log_heat):
        p = np.clip(cooled(cumulative, np.exp(log_heat)), 1e-7, 1 - 1e-7)
        return -np.mean(np.where(code > 0, np.log(p), np.log1p(-p)))

    return float(np.exp(optimize.minimize_scalar(loss, bounds=np.log([0.05, 20]), method="bounded").x))


class Prediction(NamedTuple):
    """What a model says of each record.

    Attributes
    ----------
    value : (record,) ndarray
        mmol/L.
    high, low : (record,) ndarray
        Scores for K >= 5.5 and for K <= 2.5, larger for yes; probabilities where the model has them.
    """

    value: np.ndarray
    high: np.ndarray
    low: np.ndarray


def of_distribution(cumulative):
    """The `Prediction` that follows from a distribution."""
    return Prediction(expected(cumulative), at_least(cumulative, 5.5), at_most(cumulative, 2.5))


# Records as models see them


class Beats(NamedTuple):
    """Median beats and what they tell.

    Attributes
    ----------
    x : (record, 8, 96) float32
        mV at 100 Hz from 0.3 s before to 0.66 s after R, 0.5 to 40 Hz.
    table : DataFrame
        `delineated_features`, one row a record.
    """

    x: np.ndarray
    table: pd.DataFrame


def beats(dataset):
    """Median beats and features of all records.

    Parameters
    ----------
    dataset : xarray.Dataset
        From `data.potassium.load`.

    Returns
    -------
    Beats

    Raises
    ------
    ValueError
        A record has no whole beat: the message names it.
    """
    fs = float(dataset.attrs["fs"])
    x, rows = np.empty((dataset.sizes["record"], len(EIGHT), round((_BEFORE + _AFTER) * _FS)), np.float32), []
    for k, each in enumerate(dataset["ecg"].values):
        try:
            x[k], row = _read_beat(lead_algebra.eight_leads(each), fs)
        except ValueError as error:
            raise ValueError(f"record {dataset['record'].values[k]}: {error}") from error
        rows.append(row)
    return Beats(x, pd.DataFrame(rows, index=dataset["record"].values).astype(np.float32))


def _read_beat(eight, fs):
    x = signals.bandpass(np.asarray(eight, float), fs, 0.5, min(40, 0.4 * fs))
    if fs != _FS:
        x = signals.resample(x, fs, _FS)
    peaks = ecg.find_r_peaks(x, _FS)
    beat = ecg.mean_beat(x, _FS, peaks, before=_BEFORE, after=_AFTER)
    return beat, delineated_features(beat, ecg.delineate(x, _FS, peaks))


def own_beats(dataset):
    """Median beat and features of a recording of one's own, with the leads that it has.

    Parameters
    ----------
    dataset : xarray.Dataset
        From `data.twelve_lead.read_record`.

    Returns
    -------
    Beats
        One record; 0 in leads that are missing, NaN in their features.
    list of str
        The leads out of `lead_algebra.EIGHT` that are there.

    Raises
    ------
    ValueError
        None of the eight is there, or no beat is whole.
    """
    eight = lead_algebra.eight_leads(dataset["ecg"].values[0])
    there = np.isfinite(eight).all(axis=1)
    if not there.any():
        raise ValueError(f"the recording has none of the leads {', '.join(EIGHT)} without missing samples")
    x, row = _read_beat(np.where(there[:, None], eight, 0), float(dataset.attrs["fs"]))
    absent = tuple(f"{name}_" for name, present in zip(EIGHT, there, strict=True) if not present)
    row = {name: np.nan if name.startswith(absent) else value for name, value in row.items()} if absent else row
    return Beats(x[None].astype(np.float32), pd.DataFrame([row])), [n for n, p in zip(EIGHT, there, strict=True) if p]


def delineated_features(beat, waves):
    """Hand-made features of one record.

    Parameters
    ----------
    beat : (8, 96) array_like
        Its median beat, see `Beats`.
    waves : ecg.Delineation

    Returns
    -------
    dict of str to float
        NaN where something cannot be measured.

        ============================  =================================================================================
        rate, qrs, qt, qtc, t_time    beats a minute; ms; ms by Fridericia; s from R to the peak of T (all leads)
        of each lead, `lead name_`    r, s, st, t (mV, with sign), t_width (ms at half height), t_slope (steepest
                                      descent, mV/s), t_root_slope (that over the root of the height), t_r (T over R),
                                      p (largest deflection before QRS, mV)
        ============================  =================================================================================
    """
    middle = {name: _median(getattr(waves, name)) for name in ("r", "s", "st", "t")}
    bounds = (waves.qrs_onset, waves.qrs_offset, waves.t_end)
    onset, offset, end = (float(_median(bound - waves.peak)) for bound in bounds)
    rr = float(np.median(np.diff(waves.peak))) if len(waves.peak) > 1 else np.nan
    fine = signals.resample(np.asarray(beat, float), _FS, 5 * _FS)
    time = np.arange(fine.shape[1]) / (5 * _FS) - _BEFORE
    before = (time > onset - 0.04) & (time < onset - 0.005)
    fine = fine - (fine[:, before].mean(1, keepdims=True) if before.any() else 0)
    end = end if np.isfinite(end) else min(0.5, _AFTER)
    on_t = (time > offset + 0.06) & (time < end + 0.08)
    size = np.where(on_t, np.square(fine).sum(0), -1)
    row = {"rate": 60 / rr, "qrs": 1000 * (offset - onset), "qt": 1000 * (end - onset)}
    row |= {"qtc": row["qt"] / np.cbrt(rr), "t_time": time[size.argmax()] if on_t.any() else np.nan}
    on_p = (time > onset - 0.22) & (time < onset - 0.03)
    for k, lead in enumerate(EIGHT):
        own = {name: float(values[k]) for name, values in middle.items()} | _t_wave(fine[k], time, on_t)
        own["p"] = float(np.abs(fine[k, on_p]).max()) if on_p.any() else np.nan
        own["t_r"] = own["t"] / own["r"] if own["r"] > 0.05 else np.nan
        row |= {f"{lead}_{name}": value for name, value in own.items()}
    return row


def _median(values):
    """Median over beats; NaN where no beat has a value."""
    values = np.asarray(values, float)
    some = np.isfinite(values).any(axis=0)
    return np.where(some, np.nanmedian(np.where(some, values, 0.0), axis=0), np.nan)


def _t_wave(x, time, on_t):
    """Width and slopes of the T wave of one lead."""
    unknown = dict.fromkeys(("t_width", "t_slope", "t_root_slope"), np.nan)
    if not on_t.any():
        return unknown
    peak = int(np.where(on_t, np.abs(x), -1).argmax())
    height = abs(x[peak])
    if height < 0.03:  # mV; a flat T wave has no width
        return unknown
    upright = x * np.sign(x[peak])
    below = upright < height / 2
    left, right = np.flatnonzero(below[:peak]), np.flatnonzero(below[peak:])
    falling = np.gradient(upright, time)[peak : peak + max(2, int(0.15 / (time[1] - time[0])))]
    slope = -float(falling.min())
    found = {"t_width": np.nan, "t_slope": slope, "t_root_slope": slope / np.sqrt(height)}
    if left.size and right.size:
        found["t_width"] = 1000 * (time[peak + right[0]] - time[left[-1]])
    return found


@dataclass(frozen=True)
class Context:
    """Age, sex, rate and intervals as a network takes them: standardised on training records, 0 and a flag if missing.

    Attributes
    ----------
    names : tuple of str
    mean, sd : ndarray
    """

    names: tuple
    mean: np.ndarray
    sd: np.ndarray

    @classmethod
    def fit(cls, dataset, table):
        """Means and standard deviations of some records and their features."""
        raw = _context(dataset, table)
        mean, sd = raw.mean().fillna(0), raw.std().fillna(1)
        return cls(tuple(raw), mean.to_numpy(), np.where(sd > 0, sd, 1).astype(float))

    def __call__(self, dataset, table):
        """(record, 2 x name) float32: values, then flags of those that are missing."""
        raw = (_context(dataset, table).to_numpy(float) - self.mean) / self.sd
        missing = ~np.isfinite(raw)
        return np.concatenate([np.where(missing, 0, raw).clip(-4, 4), missing], axis=1).astype(np.float32)

    def __len__(self):
        return 2 * len(self.names)


def _context(dataset, table):
    sex = dataset["sex"].values
    raw = {"age": dataset["age"].values.astype(float), "female": np.where(sex == "", np.nan, sex == "female")}
    raw |= {name: table[name].to_numpy(float) for name in ("rate", "qrs", "qt", "t_time")}
    return pd.DataFrame(raw, dtype=float)


# Baselines: each takes features and concentrations of training records, and returns a function of features


def training_mean(table, potassium):
    """The mean concentration, whatever the features say."""
    mean = float(np.mean(potassium))
    return lambda rows: Prediction(np.full(len(rows), mean), np.zeros(len(rows)), np.zeros(len(rows)))


def _imputed(*steps):
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline

    return make_pipeline(SimpleImputer(strategy="median", keep_empty_features=True), *steps)


def ridge(table, potassium, alpha=30.0):
    """Ridge regression on standardised features (Hoerl and Kennard 1970)."""
    from sklearn.linear_model import Ridge
    from sklearn.preprocessing import StandardScaler

    model = _imputed(StandardScaler(), Ridge(alpha)).fit(table, potassium)

    def predict(rows):
        value = np.clip(model.predict(rows), 1.5, 9.0)
        return Prediction(value, value, -value)

    return predict


def extra_trees(table, potassium, n_trees=400, seed=0):
    """Extremely randomised trees (Geurts 2006) for the five classes; the value is the mean over classes."""
    from sklearn.ensemble import ExtraTreesClassifier

    k_class = encode_k_class(potassium)
    forest = ExtraTreesClassifier(
        n_trees, min_samples_leaf=3, max_features=0.2, class_weight="balanced", random_state=seed
    )
    model = _imputed(forest).fit(table, k_class)
    known = forest.classes_
    typical = np.array([np.mean(np.asarray(potassium)[k_class == k]) for k in known])

    def predict(rows):
        p = model.predict_proba(rows)
        return Prediction(p @ typical, p[:, known >= 3].sum(1), p[:, known == 0].sum(1))

    return predict


def root_slope(table, potassium, leads=("V3", "V4", "V5")):
    """A line on the slope of T over the root of its height, mean over some leads (Attia 2016)."""
    from sklearn.linear_model import LinearRegression

    def one(rows):
        values = rows[[f"{lead}_t_root_slope" for lead in leads]].to_numpy(float)
        count = np.isfinite(values).sum(1)
        return np.where(count, np.nansum(values, axis=1) / np.maximum(count, 1), np.nan)[:, None]

    model = _imputed(LinearRegression()).fit(one(table), potassium)

    def predict(rows):
        value = model.predict(one(rows))
        return Prediction(value, value, -value)

    return predict


# Networks


def base_rates(potassium):
    """Share of records at or above each bin, (60,), smoothed over 0.2 mmol/L: where cut-points of a network begin."""
    return ndimage.gaussian_filter1d(encode_k_concentration(potassium)[0].mean(0), 2, mode="nearest")


def balanced_rows(k_class, seed=0):
    """As many rows as there are, drawn so that each class that occurs has the same share: the *sampler*.

    Every row of a class is taken as often as every other, to within one.
    """
    k_class = np.asarray(k_class)
    rng = np.random.default_rng(seed)
    present = np.unique(k_class)
    wanted = -(-len(k_class) // len(present))
    rows = []
    for k in present:
        own = np.flatnonzero(k_class == k)
        whole, rest = divmod(wanted, len(own))
        rows += [np.tile(own, whole), rng.permutation(own)[:rest]]
    return rng.permutation(np.concatenate(rows))


def ordinal_loss(imbalance="none", k_class=None):
    """Mean log loss over the 60 thresholds, with one way, or none, to make rare classes count.

    'weights': each record by the inverse frequency of its class. 'adjustment': while training, the distribution is
    reweighted by the training shares of the classes, so that the bare network fits equal shares (Menon 2021). 'none'
    and 'sampler' (`balanced_rows`, before training) leave the loss as it is.

    Parameters
    ----------
    imbalance : {'none', 'sampler', 'weights', 'adjustment'}
    k_class : (record,) array_like
        Classes of the training records, for 'weights' and 'adjustment'.

    Returns
    -------
    callable(output, target) -> scalar tensor
        Output (logits (record, 60), attention); target the cumulative code (record, 60).

    Raises
    ------
    ValueError
        The way is unknown (two cannot be named), or the classes are missing.
    """
    import torch
    from torch.nn.functional import binary_cross_entropy_with_logits as log_loss

    if imbalance not in IMBALANCE:
        raise ValueError(f"imbalance is one of {', '.join(IMBALANCE)}, not {imbalance!r}: they are not combined")
    if imbalance in ("none", "sampler"):
        return lambda output, target: log_loss(output[0].float(), target)
    if k_class is None:
        raise ValueError(f"imbalance={imbalance!r} needs the classes of the training records")
    count = np.maximum(np.bincount(np.asarray(k_class), minlength=len(CLASSES)), 1)
    share = torch.tensor(count / count.sum(), dtype=torch.float32)
    of_level = torch.tensor(_CLASS_OF_LEVEL)

    def weighted(output, target):
        logits = output[0].float()
        weight = (1 / (share * len(CLASSES))).to(logits.device)[of_level.to(logits.device)[target.sum(1).long()]]
        return (weight[:, None] * log_loss(logits, target, reduction="none")).mean() / weight.mean()

    def adjusted(output, target):
        p = torch.sigmoid(output[0].float())
        each = -torch.diff(torch.cat([torch.ones_like(p[:, :1]), p, torch.zeros_like(p[:, :1])], 1))
        each = each.clamp(min=1e-7) * share.to(p.device)[of_level.to(p.device)]
        p = (each.flip(1).cumsum(1).flip(1) / each.sum(1, keepdim=True))[:, 1:].clamp(1e-6, 1 - 1e-6)
        return log_loss(torch.logit(p), target)

    return weighted if imbalance == "weights" else adjusted


def _inputs(x, context, leads=None):
    """Inputs of a network; `leads`: names of those that are there."""
    x = np.asarray(x, np.float32)
    names = EIGHT if x.shape[1] == len(EIGHT) else lead_algebra.TWELVE
    there = np.ones(len(names), bool) if leads is None else np.isin(names, list(leads))
    if leads is not None and there.sum() != len(set(leads)):
        raise ValueError(f"leads are out of {', '.join(names)}, not {', '.join(leads)}")
    mask = np.repeat(there[None], len(x), axis=0)
    return np.where(mask[..., None], x, 0), mask, np.asarray(context, np.float32)


def train_network(
    network, fitting, validation, *, imbalance="none", epochs=20, seed=0, fs=_FS, augment=True, **options
):
    """Fit a network and keep the epoch with the smallest validation loss.

    Parameters
    ----------
    network : torch.nn.Module
        Of `models.potassium`.
    fitting, validation : (x, context, potassium)
        Leads (record, lead, time) in mV, context (record, value), mmol/L (record,).
    imbalance : str
        One of `IMBALANCE`. Validation records are judged by the same loss, as they come.
    epochs, seed : int
    fs : float
        Hz, of the leads.
    augment : bool
        Whether records are varied while training (`models.potassium.Augment`).
    **options
        Of `training.fit`: `checkpoint` resumes an interrupted run, `schedule` is the course of the learning rate.

    Returns
    -------
    training.Fit
    """
    from cardio_utils import training
    from cardio_utils.models.potassium import Augment

    loss = ordinal_loss(imbalance, encode_k_class(fitting[2]))
    if imbalance == "sampler":
        rows = balanced_rows(encode_k_class(fitting[2]), seed)
        fitting = tuple(np.asarray(part)[rows] for part in fitting)
    sets = [(_inputs(x, context), encode_k_concentration(k)[0]) for x, context, k in (fitting, validation)]
    given = dict(batch_size=64, learning_rate=2e-3, weight_decay=1e-2, patience=None) | options
    return training.fit(
        network, *sets, loss=loss, epochs=epochs, seed=seed, augment=Augment(fs) if augment else None, **given
    )


def distribution(networks, x, context, leads=None):
    """What a network, or several together (the mean), say: distribution (record, 60) and attention (record, lead).

    Parameters
    ----------
    networks : torch.nn.Module or sequence of them
    x : (record, lead, time) array_like
        mV, eight leads or twelve.
    context : (record, value) array_like
    leads : sequence of str, optional
        The leads that are there.

    Raises
    ------
    ValueError
        A lead is unknown.
    """
    from cardio_utils import training

    networks = networks if isinstance(networks, (list, tuple)) else [networks]
    inputs = _inputs(x, context, leads)
    parts = [training.predict(network, inputs, batch_size=256) for network in networks]
    return np.mean([special.expit(p[0].astype(float)) for p in parts], axis=0), np.mean([p[1] for p in parts], axis=0)


def tune(make, fitting, group, *, space=None, n_trials=20, epochs=8, seed=0, **options):
    """Search hyperparameters of a network by the loss on patients left out (optuna, Akiba 2019).

    Parameters
    ----------
    make : callable(**parameters) -> torch.nn.Module
    fitting : (x, context, potassium)
        Training records; a fifth of the patients is left out to judge.
    group : (record,) array_like
        Patients.
    space : dict, optional
        Name -> (smallest, largest, 'log' or 'linear'); `learning_rate` and `weight_decay` go to the training, the rest
        to `make`.
    n_trials : int
        At most 20.
    epochs, seed : int
    **options
        Of `train_network`.

    Returns
    -------
    dict
        The best parameters.
    DataFrame
        One row a trial: its parameters and `score`.

    Raises
    ------
    ValueError
        More than 20 trials: with so few patients the best of many is chance.
    """
    if not 1 <= n_trials <= 20:
        raise ValueError(f"1 to 20 trials, not {n_trials}: the best of many is chance")
    import optuna

    default = {
        "learning_rate": (5e-4, 5e-3, "log"),
        "weight_decay": (1e-3, 1e-1, "log"),
        "dropout": (0.1, 0.5, "linear"),
    }
    space = default if space is None else space
    known, held = evaluation.group_split(group, (0.8, 0.2), seed=seed, stratify=encode_k_class(fitting[2]))
    parts = [tuple(np.asarray(part)[rows] for part in fitting) for rows in (known, held)]
    optuna.logging.set_verbosity(optuna.logging.ERROR)

    def score(trial):
        chosen = {
            name: trial.suggest_float(name, low, high, log=scale == "log") for name, (low, high, scale) in space.items()
        }
        own = {name: chosen.pop(name) for name in ("learning_rate", "weight_decay") if name in chosen}
        fit = train_network(make(**chosen), *parts, epochs=epochs, seed=seed, **(options | own))
        return float(fit.history["validation_loss"].min())

    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=seed))
    study.optimize(score, n_trials=n_trials)
    return study.best_params, pd.DataFrame([{**t.params, "score": t.value} for t in study.trials])


def lead_deletion(networks, x, context, positive, attention, seed=0):
    """How the area for K >= 5.5 falls as leads are taken away: most attended first, at random, least attended first.

    If attention said what the network relies on, the first curve would fall fastest.

    Parameters
    ----------
    networks, x, context
        As for `distribution`.
    positive : (record,) array_like of bool
    attention : (record, lead) array_like
    seed : int

    Returns
    -------
    DataFrame
        Index: share of the leads removed; columns `most`, `random`, `least` (areas).
    """
    from cardio_utils import training

    networks = networks if isinstance(networks, (list, tuple)) else [networks]
    attention = np.asarray(attention)
    n = attention.shape[1]
    noise = np.random.default_rng(seed).random(attention.shape)
    orders = {"most": -attention, "random": noise, "least": attention}
    found = pd.DataFrame(index=pd.Index(np.arange(n) / n, name="removed"), columns=list(orders), dtype=float)
    for name, key in orders.items():
        rank = key.argsort(1).argsort(1)
        for count in range(n):
            mask = rank >= count
            inputs = (np.where(mask[..., None], x, 0).astype(np.float32), mask, np.asarray(context, np.float32))
            p = np.mean(
                [special.expit(training.predict(net, inputs, 256)[0].astype(float)) for net in networks], axis=0
            )
            found.loc[count / n, name] = _area(positive, at_least(p, 5.5))
    return found


def _area(positive, score):
    """Area under the ROC curve (ties count half); NaN where a class is absent."""
    from scipy.stats import rankdata

    positive = np.asarray(positive, bool)
    n = positive.sum()
    if not 0 < n < len(positive):
        return np.nan
    return float((rankdata(score)[positive].mean() - (n + 1) / 2) / (len(positive) - n))


# Scores


def scores(prediction, potassium, patient, n_resamples=500):
    """How good a prediction is, with intervals over patients.

    Parameters
    ----------
    prediction : Prediction
    potassium : (record,) array_like
        mmol/L.
    patient : (record,) array_like
    n_resamples : int

    Returns
    -------
    dict of str to evaluation.Estimate
        mae (mmol/L), macro_mae (mean over classes of the mae within each), slope (of predicted on measured; 1 is
        perfect, 0 a constant), auc_high (K >= 5.5), auc_low (K <= 2.5; areas 0.5 for a constant).
    """
    potassium = np.asarray(potassium, float)
    k_class = encode_k_class(potassium)
    pairs = np.column_stack([potassium, k_class])
    guess = np.column_stack(prediction)
    metrics = {
        "mae": lambda true, said: np.abs(said[:, 0] - true[:, 0]).mean(),
        "macro_mae": lambda true, said: _macro(np.abs(said[:, 0] - true[:, 0]), true[:, 1]),
        "slope": lambda true, said: np.cov(true[:, 0], said[:, 0])[0, 1] / np.var(true[:, 0], ddof=1),
        "auc_high": lambda true, said: _area(true[:, 1] >= 3, said[:, 1]),
        "auc_low": lambda true, said: _area(true[:, 1] == 0, said[:, 2]),
    }
    return {name: evaluation.bootstrap(f, pairs, guess, patient, n_resamples) for name, f in metrics.items()}


def _macro(values, k_class):
    count = np.bincount(k_class.astype(int), minlength=len(CLASSES))
    return (np.bincount(k_class.astype(int), values, len(CLASSES))[count > 0] / count[count > 0]).mean()


def class_table(predictions, potassium):
    """Mean absolute error (mmol/L) within each class: DataFrame (class, model) of a dict of predictions."""
    names = pd.Index(CLASSES, name="class")
    k_class = encode_k_class(potassium)
    errors = {name: np.abs(p.value - potassium) for name, p in predictions.items()}
    return (
        pd.DataFrame({name: pd.Series(e).groupby(k_class).mean() for name, e in errors.items()})
        .reindex(range(len(CLASSES)))
        .set_axis(names)
    )


def class_medians(table, k_class, features=("t_width", "V4_t")):
    """Medians of features in each class relative to the class 3.5 - 5.5: DataFrame (class, feature).

    `t_width` is the median over II and V2 to V5, as published for real patients; any other is a column of the table.
    """
    table = table.assign(t_width=table[[f"{lead}_t_width" for lead in ("II", "V2", "V3", "V4", "V5")]].median(axis=1))
    found = table[list(features)].groupby(np.asarray(k_class)).median().reindex(range(len(CLASSES)))
    return (found / found.loc[2]).set_axis(pd.Index(CLASSES, name="class"))


REAL_MEDIANS = pd.DataFrame(
    {"t_width": [1.39, 1.09, 1.0, 0.82, 0.89], "V4_t": [0.65, 0.88, 1.0, 1.19, 1.20]},
    index=pd.Index(CLASSES, name="class"),
)
"""The same of 299 public records of real patients (0.5 to 40 Hz)."""


def limits_of_agreement(predicted, measured, patient, n_resamples=500):
    """Bias and 95 % limits of predicted minus measured concentrations, with intervals from resampled patients.

    Where each patient has been given all classes, patients hardly differ in their mean error, and a mixed model
    (`agreement.bland_altman`) finds nothing to part.

    Parameters
    ----------
    predicted, measured : (record,) array_like
        mmol/L.
    patient : (record,) array_like
    n_resamples : int

    Returns
    -------
    agreement.BlandAltman
        `between` is 0, and `within` the standard deviation of the differences.
    """
    error = np.asarray(predicted, float) - np.asarray(measured, float)

    def end(side):
        return evaluation.bootstrap(
            lambda e, _: e.mean() + side * 1.96 * e.std(ddof=1), error, error, patient, n_resamples
        )

    ends = [end(side) for side in (0, -1, 1)]
    return agreement.BlandAltman(*ends, 0.0, float(error.std(ddof=1)), len(error))


def threshold_at(positive, score, sensitivity=0.9):
    """The highest threshold t of `score >= t` that finds such a share of the positives of validation records.

    Raises
    ------
    ValueError
        There is no positive record.
    """
    own = np.sort(np.asarray(score)[np.asarray(positive, bool)])
    if not own.size:
        raise ValueError("there is no positive record to choose a threshold on")
    return float(own[int(np.floor((1 - sensitivity) * own.size + 1e-9))])


def predictive_values(sensitivity, specificity, prevalence):
    """What a positive and a negative answer are worth where the condition is so frequent (Bayes' rule).

    Parameters
    ----------
    sensitivity, specificity, prevalence : float or array_like
        Shares.

    Returns
    -------
    ppv, npv : ndarray
        NaN where there is no positive, or no negative, answer.
    """
    sensitivity, specificity, prevalence = (np.asarray(v, float) for v in (sensitivity, specificity, prevalence))
    true_positive, false_positive = sensitivity * prevalence, (1 - specificity) * (1 - prevalence)
    true_negative, false_negative = specificity * (1 - prevalence), (1 - sensitivity) * prevalence
    with np.errstate(invalid="ignore", divide="ignore"):
        return true_positive / (true_positive + false_positive), true_negative / (true_negative + false_negative)


# Intervals


def _outlyingness(cumulative):
    """How far each level (record, 61) lies in a tail: the larger of the probabilities below and above it."""
    each = levels(cumulative)
    below = each.cumsum(-1) - each
    return np.maximum(below, 1 - below - each)


def conformal_limits(cumulative, potassium, share=0.9, by_class=True):
    """How outlying a level may be to belong to a set that holds such a share of new records.

    Parameters
    ----------
    cumulative : (record, 60) array_like
        Of validation records, which the network did not learn from.
    potassium : (record,) array_like
        mmol/L.
    share : float
    by_class : bool
        Keep the promise within each class (Vovk 2012), rather than on average: an interval that holds all normal
        records and no other keeps the average promise in a clinic.

    Returns
    -------
    (5,) ndarray
        Limit of the levels of each class, infinite for a class with too few records to promise anything.
    """
    code, _ = encode_k_concentration(potassium)
    level = code.sum(1).astype(int)
    score = np.take_along_axis(_outlyingness(cumulative), level[:, None], 1)[:, 0]
    k_class = encode_k_class(_LEVELS[level])
    parts = [score[k_class == k] for k in range(len(CLASSES))] if by_class else [score] * len(CLASSES)
    return np.array([_upper(part, share) for part in parts])


def _upper(values, share):
    rank = int(np.ceil(share * (len(values) + 1)))
    return np.inf if rank > len(values) else np.sort(values)[rank - 1]


def conformal_sets(cumulative, limits):
    """Levels (record, 61) of 1.5, 1.6, ... 7.5 mmol/L that belong to the set of each record, bool."""
    return _outlyingness(cumulative) <= np.asarray(limits)[_CLASS_OF_LEVEL]


def coverage(sets, potassium):
    """Whether the set of each record (record, 61) holds its measured level, (record,) bool."""
    level = encode_k_concentration(potassium)[0].sum(1).astype(int)
    return np.take_along_axis(sets, level[:, None], 1)[:, 0]


def prediction_table(dataset, cumulative):
    """Predictions for an external test set as a table to be written: one row a record.

    Parameters
    ----------
    dataset : xarray.Dataset
    cumulative : (record, 60) array_like

    Returns
    -------
    DataFrame
        Index `record`: class, potassium (mmol/L, NaN where unknown), expected, and the probability of each class.
    """
    p = pd.DataFrame(class_probabilities(cumulative), columns=[f"P({name})" for name in CLASSES])
    facts = {"class": np.array(CLASSES)[dataset["k_class"].values], "potassium": dataset["potassium"].values}
    table = pd.DataFrame(facts | {"expected": expected(cumulative)}).join(p)
    return table.set_axis(pd.Index(dataset["record"].values, name="record"))
