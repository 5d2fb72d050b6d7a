"""What is in a labelled set of twelve-lead records: classes, their overlap, unfit records, honest parts.

Data sets are those of `cardio_utils.data.twelve_lead.load`. A *label table* has one row a record and one column a
label, bool. Every interval resamples patients.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
import xarray as xr
from scipy import ndimage

from cardio_utils import ecg, evaluation, lead_algebra

__all__ = [
    "FAULTS",
    "Processed",
    "analyse",
    "clean",
    "co_occurrence",
    "explore",
    "faults",
    "generate",
    "process",
    "process_class",
    "shared_patients",
    "table",
]

FAULTS = ("missing", "flat", "clipped", "amplitude", "algebra", "flagged", "under age", "swapped")
"""Reasons to leave a record out, in the order in which they are looked for; a record has the first that applies."""

_FLAT = 0.01, 2.0  # mV that a lead stays within, for s
_HELD = 0.04  # s that a lead holds its extreme value when its amplifier is saturated
_BEYOND = 10.0  # mV
_INCONSISTENT = 0.02  # mV, RMS


def table(dataset, least=1):
    """Labels of all records: the superclasses, and every statement that is frequent enough.

    Parameters
    ----------
    dataset : xarray.Dataset
    least : int
        Records that a statement must have to become a column.

    Returns
    -------
    DataFrame
        bool, index `record`; superclasses first, then statements by falling frequency. NORM is the superclass.
    """
    result = pd.DataFrame(dataset["label"].values, dataset["record"].values, dataset["class"].values.tolist())
    codes = pd.Series(dataset["statements"].values, result.index).str.get_dummies(sep=" ").astype(bool)
    codes = codes.drop(columns=[name for name in result if name in codes])
    count = codes.sum().sort_values(ascending=False, kind="stable")
    return result.join(codes[count.index[count >= least]]).rename_axis("record")


def explore(dataset, labels=None):
    """How many records and patients each label has, and who they are.

    Parameters
    ----------
    dataset : xarray.Dataset
    labels : DataFrame, optional
        Label table; default the superclasses.

    Returns
    -------
    DataFrame
        One row a label, and the rows `none` (no label of the table) and `all`: records, patients, share of the records,
        alone (share of its records that have no other label), age (median), women (share of those whose sex is known),
        flagged (share with a noise flag), rate (median of the beats a minute), voltage (median over records of the
        largest span of a lead, mV).
    """
    labels = table(dataset).iloc[:, :5] if labels is None else labels
    sex = dataset["sex"].values
    x = dataset["ecg"].values
    facts = pd.DataFrame(
        {
            "patient": dataset["patient"].values,
            "alone": labels.sum(axis=1).to_numpy() == 1,
            "age": dataset["age"].values,
            "women": np.where(sex == "", np.nan, sex == "female").astype(float),
            "flagged": dataset["noise"].values != "",
            "rate": [_rate(lead, dataset.attrs["fs"]) for lead in x[:, 1]],
            "voltage": (np.fmax.reduce(x, axis=-1) - np.fmin.reduce(x, axis=-1)).max(-1),
        }
    )
    rows = {name: facts[labels[name].to_numpy()] for name in labels}
    rows |= {"none": facts[~labels.any(axis=1).to_numpy()], "all": facts}
    return pd.DataFrame({name: _facts(part, len(facts)) for name, part in rows.items()}).T


def _rate(lead, fs):
    peaks = ecg.find_r_peaks(np.nan_to_num(lead), fs)
    return 60 * fs / np.median(np.diff(peaks)) if len(peaks) > 2 else np.nan


def _facts(part, total):
    counts = {"records": len(part), "patients": part["patient"].nunique(), "share": len(part) / total}
    means = part[["alone", "women", "flagged"]].astype(float).mean()
    return pd.Series(counts | means.to_dict() | part[["age", "rate", "voltage"]].median().to_dict())


def co_occurrence(labels):
    """How many records have two labels at once.

    Parameters
    ----------
    labels : DataFrame
        Label table.

    Returns
    -------
    DataFrame of int
        Symmetric; on the diagonal how many have the label.
    """
    members = labels.to_numpy(int)
    return pd.DataFrame(members.T @ members, labels.columns, labels.columns)


# Records


def faults(dataset, *, flags=("burst", "electrodes"), youngest=18.0, swaps=False):
    """Why each record is unfit, by rule.

    ===========  ======================================================================================================
    missing      a sample is missing
    flat         a lead stays within 0.01 mV for two seconds
    clipped      a lead holds its highest or lowest value, 0.5 mV or more from its median, for 40 ms
    amplitude    a value is beyond 10 mV
    algebra      III, aVR, aVL or aVF differs from what I and II say by more than 0.02 mV RMS
    flagged      a reader has set one of `flags`
    under age    the patient is younger than `youngest` years; an unknown age passes
    swapped      limb electrodes seem exchanged (`ecg.lead_swap`); one or two in a hundred are named wrongly
    ===========  ======================================================================================================

    Parameters
    ----------
    dataset : xarray.Dataset
    flags : sequence of str
        Out of `data.twelve_lead.NOISE`.
    youngest : float
        Years.
    swaps : bool
        Look for exchanged electrodes, which takes some ms a record.

    Returns
    -------
    Series of str
        Index `record`; '' for a record that is fit, otherwise one of `FAULTS`.
    """
    x, fs = dataset["ecg"].values, dataset.attrs["fs"]
    reason = pd.Series("", dataset["record"].values, dtype=object).rename_axis("record")
    noise = [set(text.split()) for text in dataset["noise"].values.tolist()]
    wrong = {
        "missing": ~np.isfinite(x).all(axis=(1, 2)),
        "flat": _flat(x, fs),
        "clipped": _clipped(x, fs),
        "amplitude": (np.abs(x) > _BEYOND).any(axis=(1, 2)),
        "algebra": lead_algebra.einthoven_residual(x) > _INCONSISTENT,
        "flagged": np.array([bool(found & set(flags)) for found in noise]),
        "under age": dataset["age"].values < youngest,
    }
    for name, rows in wrong.items():
        reason[rows & (reason == "").to_numpy()] = name
    if swaps:
        fit = np.flatnonzero(reason == "")
        reason.iloc[[k for k in fit if ecg.lead_swap(x[k], fs)]] = "swapped"
    return reason


def _flat(x, fs):
    span, length = _FLAT
    size = round(length * fs)
    high, low = (f(x, size, axis=-1) for f in (ndimage.maximum_filter1d, ndimage.minimum_filter1d))
    whole = slice(size // 2, x.shape[-1] - (size - 1) // 2)
    return ((high - low)[..., whole] < span).any(axis=(1, 2))


def _clipped(x, fs):
    size = max(3, round(_HELD * fs))
    middle = np.median(x, axis=-1, keepdims=True)
    result = np.zeros(len(x), bool)
    for extreme in (x.max(-1, keepdims=True), x.min(-1, keepdims=True)):
        held = (x == extreme) & (np.abs(extreme - middle) > 0.5)
        result |= ndimage.minimum_filter1d(held, size, axis=-1).any(axis=(1, 2))
    return result


class Processed(NamedTuple):
    """What `process` returns.

    Attributes
    ----------
    dataset : xarray.Dataset
        The fit records, with the coordinate `role`: 'train', 'validation' or 'test'.
    reason : Series of str
        As from `faults`, of all records.
    """

    dataset: xr.Dataset
    reason: pd.Series


def process(dataset, *, fractions=None, seed=0, **rules):
    """Leave unfit records out and give each patient one role.

    Parameters
    ----------
    dataset : xarray.Dataset
    fractions : (float, float, float), optional
        Shares of training, validation and test, dealt by patient with about equal shares of the first label; default
        the folds: 1 to 8, 9, 10.
    seed : int
        Of the dealing.
    **rules
        Of `faults`.

    Returns
    -------
    Processed
    """
    reason = faults(dataset, **rules)
    fit = dataset.isel(record=np.flatnonzero(reason == ""))
    role = np.where(fit["fold"] == 10, "test", np.where(fit["fold"] == 9, "validation", "train"))
    if fractions is not None:
        first = fit["label"].values.argmax(1) - ~fit["label"].values.any(1)
        parts = evaluation.group_split(fit["patient"].values, fractions, seed, stratify=first)
        for name, rows in zip(("train", "validation", "test"), parts, strict=True):
            role[rows] = name
    return Processed(fit.assign_coords(role=("record", role)), reason)


def shared_patients(patient, role):
    """How many patients two parts have in common: zero everywhere but on the diagonal, or the split leaks.

    Parameters
    ----------
    patient, role : (record,) array_like of str

    Returns
    -------
    DataFrame of int
        On the diagonal the patients of a part.
    """
    members = {name: set(np.asarray(patient)[np.asarray(role) == name]) for name in dict.fromkeys(np.asarray(role))}
    return pd.DataFrame({a: {b: len(members[a] & members[b]) for b in members} for a in members})


# Classes


def generate(labels, *, union=(), intersection=(), without=()):
    """A new class out of labels.

    Parameters
    ----------
    labels : DataFrame
        Label table.
    union : sequence of str
        The class has what has any of them (default: everything),
    intersection : sequence of str
        and all of these,
    without : sequence of str
        and none of these.

    Returns
    -------
    Series of bool
        Index `record`.

    Raises
    ------
    ValueError
        A label is not in the table, or nothing is asked for.
    """
    asked = [*union, *intersection, *without]
    if not asked or isinstance(union, str) or isinstance(intersection, str) or isinstance(without, str):
        raise ValueError("give labels as sequences of names: union, intersection or without")
    if gone := [name for name in asked if name not in labels]:
        raise ValueError(f"there is no label {', '.join(gone)}; known are {', '.join(labels)}")
    member = labels[list(union)].any(axis=1) if len(union) else pd.Series(True, labels.index)
    return member & labels[list(intersection)].all(axis=1) & ~labels[list(without)].any(axis=1)


def clean(dataset, member, reason):
    """The fit and the unfit records of a class, side by side: does leaving some out change what the class is?

    Parameters
    ----------
    dataset : xarray.Dataset
    member : (record,) Series or array of bool
        The class.
    reason : (record,) Series of str
        From `faults`.

    Returns
    -------
    fit : (record,) ndarray of bool
        Fit members of the class.
    comparison : DataFrame
        Columns `clean`, `corrupted`, each with one row a superclass (share that has it) and the rows of `explore`;
        and `p`: of the hypothesis that both come from one population (Fisher's exact test for shares, Mann-Whitney's
        for age, rate and voltage), NaN where it cannot be tested.
    """
    member, reason = np.asarray(member, bool), np.asarray(reason)
    parts = {"clean": member & (reason == ""), "corrupted": member & (reason != "")}
    sides = {name: _side(dataset.isel(record=np.flatnonzero(rows))) for name, rows in parts.items()}
    comparison = pd.DataFrame(
        {name: {k: np.mean(v) if len(v) else np.nan for k, v in side.items()} for name, side in sides.items()}
    )
    comparison["p"] = [_difference(sides["clean"][name], sides["corrupted"][name]) for name in comparison.index]
    count = pd.DataFrame({name: [rows.sum()] for name, rows in parts.items()}, index=["records"], dtype=float)
    return parts["clean"], pd.concat([count, comparison])


def _side(part):
    """Values of one side of the comparison by name; bool for shares."""
    sex, x = part["sex"].values, part["ecg"].values
    rate = np.array([_rate(lead, part.attrs["fs"]) for lead in x[:, 1]])
    age, span = part["age"].values, (np.fmax.reduce(x, axis=-1) - np.fmin.reduce(x, axis=-1)).max(-1)
    sides = {name: part["label"].values[:, k] for k, name in enumerate(part["class"].values.tolist())}
    sides |= {"women": (sex == "female")[sex != ""], "age": age, "rate": rate, "voltage": span}
    return {name: values[np.isfinite(values)] for name, values in sides.items()}


def _difference(one, other):
    from scipy import stats

    if min(len(one), len(other)) < 2:
        return np.nan
    if one.dtype == bool:
        return stats.fisher_exact([[one.sum(), (~one).sum()], [other.sum(), (~other).sum()]]).pvalue
    return stats.mannwhitneyu(one, other).pvalue


def analyse(labels, member, patient, *, n_resamples=1000, seed=0):
    """How probable every label is in a class, compared with all records.

    Parameters
    ----------
    labels : DataFrame
        Label table.
    member : (record,) Series or array of bool
        The class.
    patient : (record,) array_like
        Resampled for the intervals.
    n_resamples, seed : int

    Returns
    -------
    DataFrame
        One row a label: `records` (that have both), `probability` given the class with its interval `low`, `high`,
        `overall` (share among all records), `lift` (their ratio). Rows fall with the probability.

    Raises
    ------
    ValueError
        The class is empty.
    """
    member = np.asarray(member, bool)
    if not member.any():
        raise ValueError("the class has no record")
    rows = {}
    for name in labels:
        has = labels[name].to_numpy()
        # The share of the class that has the label is the sensitivity of the label for the class
        found = evaluation.bootstrap("sensitivity/True", member, has, patient, n_resamples, seed, classes=[False, True])
        rows[name] = {
            "records": int((member & has).sum()),
            **{"probability": found.value, "low": found.low, "high": found.high, "overall": has.mean()},
            "lift": found.value / has.mean() if has.any() else np.nan,
        }
    result = pd.DataFrame(rows).T.sort_values("probability", ascending=False, kind="stable")
    return result.astype({"records": int})


def process_class(dataset, labels, member, reason, **options):
    """Clean a class, then analyse what is left of it.

    Parameters
    ----------
    dataset : xarray.Dataset
    labels : DataFrame
        Label table of the same records.
    member : (record,) Series or array of bool
    reason : (record,) Series of str
        From `faults`.
    **options
        Of `analyse`.

    Returns
    -------
    fit : (record,) ndarray of bool
    comparison, analysis : DataFrame
        As from `clean` and `analyse`; the latter among fit records only.
    """
    fit, comparison = clean(dataset, member, reason)
    among = np.asarray(reason) == ""
    analysis = analyse(labels[among], fit[among], dataset["patient"].values[among], **options)
    return fit, comparison, analysis
