"""From features of a beat to its durations: lines, ridge, boosted trees, their tuning, and intervals that hold.

Every model is made by a function `make(x, y, group, **parameters)` of a table of features, targets (beat, level)
in ms and the recording of each beat, and returns something with `predict(x)`. So one function leaves groups out
and one tunes, whatever the model. Explained in chapter 03.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from cardio_utils import action_potential

__all__ = [
    "BOOSTING",
    "RIDGE",
    "CrossFit",
    "Intervals",
    "Tuned",
    "best_inside",
    "boosting",
    "conformal_intervals",
    "conformal_margin",
    "crossfit",
    "equal_weights",
    "group_mae",
    "leave_one_out",
    "line",
    "line_and_boosting",
    "line_and_ridge",
    "own_features",
    "quantile_boosting",
    "ridge",
    "robust_line",
    "training_mean",
    "tune",
]

BOOSTING = {
    "n_estimators": (20, 150, "log"),
    "learning_rate": (0.02, 0.3, "log"),
    "max_depth": (1, 6),
    "min_child_weight": (1.0, 100.0, "log"),
    "gamma": (0.01, 1e4, "log"),
    "reg_lambda": (0.01, 100.0, "log"),
    "reg_alpha": (0.01, 100.0, "log"),
    "subsample": (0.4, 1.0),
    "colsample_bytree": (0.3, 1.0),
}
"""Hyperparameter of `boosting` -> smallest and largest value, and whether it is searched on a log scale."""

RIDGE = {"alpha": (1.0, 3000.0, "log")}
"""The same of `ridge` and `line_and_ridge`; features have unit variance."""


def equal_weights(group):
    """Weights (n,) of mean 1 with which every group counts the same, however many beats it holds."""
    _, code, count = np.unique(np.asarray(group), return_inverse=True, return_counts=True)
    return len(code) / (len(count) * count[code])


def group_mae(y_true, y_pred, group):
    """Mean over groups of the mean absolute error over their beats and all levels (the unit of the targets)."""
    error = np.abs(np.asarray(y_true, float) - y_pred).mean(axis=1)
    return float(pd.Series(error).groupby(np.asarray(group)).mean().mean())


def own_features(x, fs, used):
    """Features of the beats of an extracellular trace of one's own.

    Parameters
    ----------
    x : (n,) array_like
        mV.
    fs : float
        Sampling rate (Hz).
    used : sequence of str
        The features that a model needs.

    Returns
    -------
    DataFrame
        One row a beat: beat_time (s) and the columns of `action_potential.eap_features`; `reason` also says where a
        feature in use is missing.

    Raises
    ------
    ValueError
        No beat has all the features: the message counts the reasons.
    """
    samples = action_potential.find_beats(x, fs, sensor="eap")
    windows, kept = action_potential.cut_beats(x, fs, samples)
    if not len(kept):
        raise ValueError(f"{len(samples)} beat(s) found, none with 0.2 s before and 1.4 s after it within the trace")
    table = action_potential.eap_features(windows, fs)
    missing = (table["reason"] == "") & table[list(used)].isna().any(axis=1)
    table["reason"] = table["reason"].mask(missing, "a feature is missing: the window ends too early for it")
    if (table["reason"] != "").all():
        counts = "; ".join(f"{n} x {reason}" for reason, n in table["reason"].value_counts().items())
        raise ValueError(
            f"none of {len(table)} beats has all features ({counts}): is it an extracellular trace, its spike upwards "
            "first, its sampling rate right, and its slow part not filtered away?"
        )
    table.insert(0, "beat_time", np.asarray(samples)[kept] / fs)
    return table


# Models


def training_mean(x, y, group, balanced=False):
    """The mean of the training beats, or (`balanced`) of the training recordings, whatever the features say."""
    from sklearn.dummy import DummyRegressor

    return DummyRegressor().fit(x, y, equal_weights(group) if balanced else None)


def line(x, y, group, feature="td", balanced=False):
    """A straight line on one feature for each level, by least squares.

    Parameters
    ----------
    x : DataFrame (beat, feature)
    y : (beat, level) array_like
    group : (beat,) array_like
        Recording of each beat.
    feature : str
    balanced : bool
        Count every recording, rather than every beat, the same.
    """
    from sklearn.linear_model import LinearRegression
    from sklearn.pipeline import make_pipeline

    weights = equal_weights(group) if balanced else None
    return make_pipeline(_only(feature), LinearRegression()).fit(x, y, linearregression__sample_weight=weights)


def robust_line(x, y, group, feature="td"):
    """`line` with Huber's loss (Huber 1964), recordings counted the same; far beats pull less."""
    from sklearn.linear_model import HuberRegressor
    from sklearn.multioutput import MultiOutputRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = make_pipeline(_only(feature), StandardScaler(), MultiOutputRegressor(HuberRegressor(max_iter=500)))
    return model.fit(x, y, multioutputregressor__sample_weight=equal_weights(group))


def ridge(x, y, group, alpha=10.0, feature=None, balanced=True):
    """Ridge regression (Hoerl and Kennard 1970) on standardised features, or on one: a line of smaller slope."""
    from sklearn.linear_model import Ridge
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    first = [] if feature is None else [_only(feature)]
    weights = equal_weights(group) if balanced else None
    return make_pipeline(*first, StandardScaler(), Ridge(alpha)).fit(x, y, ridge__sample_weight=weights)


def boosting(x, y, group, seed=0, monotone=None, **parameters):
    """Gradient-boosted trees of all levels (XGBoost, Chen and Guestrin 2016), recordings counted the same.

    Parameters
    ----------
    x, y, group
        As for `line`.
    seed : int
    monotone : str, optional
        A feature with which no prediction may fall.
    **parameters
        Of `xgboost.XGBRegressor`, such as those of `BOOSTING`.
    """
    from xgboost import XGBRegressor

    constraint = {} if monotone is None else {"monotone_constraints": {monotone: 1}}
    model = XGBRegressor(**constraint, tree_method="hist", max_bin=64, n_jobs=1, random_state=seed, **parameters)
    return model.fit(x, y, sample_weight=equal_weights(group))


def line_and_boosting(x, y, group, feature="td", **parameters):
    """A balanced `line`, and `boosting` of what it leaves: trees bend the line but cannot lose it."""
    first = line(x, y, group, feature, balanced=True)
    return _Sum(first, boosting(x, y - first.predict(x), group, **parameters))


def line_and_ridge(x, y, group, alpha=10.0, feature="td"):
    """A balanced `line`, and `ridge` on all features of what it leaves."""
    first = line(x, y, group, feature, balanced=True)
    return _Sum(first, ridge(x, y - first.predict(x), group, alpha))


@dataclass(frozen=True)
class _Sum:
    first: object
    second: object

    def predict(self, x):
        first = self.first.predict(x)
        return first + self.second.predict(x).reshape(first.shape)  # trees of one level give (beat,)


def _only(feature):
    from sklearn.compose import make_column_transformer

    return make_column_transformer(("passthrough", [feature]))


# Leaving groups out


@dataclass(frozen=True, eq=False)
class CrossFit:
    """Predictions for each beat by a model that saw neither it nor its group.

    Attributes
    ----------
    prediction : (beat, level) ndarray
    models : list
        One a fold.
    folds : list of (train, test)
        Positions of beats.
    """

    prediction: np.ndarray
    models: list = field(repr=False)
    folds: list = field(repr=False)

    def predict(self, x):
        """Predict another version of the same table, each beat by the model that did not see it."""
        out = np.full(self.prediction.shape, np.nan)
        for model, (_, test) in zip(self.models, self.folds, strict=True):
            out[test] = model.predict(x.iloc[test]).reshape(len(test), -1)
        return out


def leave_one_out(group):
    """Folds (train, test), one a group."""
    from sklearn.model_selection import LeaveOneGroupOut

    group = np.asarray(group)
    if len(np.unique(group)) < 2:
        raise ValueError(f"one group, {group[:1]}, cannot be left out: at least two recordings are needed")
    return list(LeaveOneGroupOut().split(group, groups=group))


def crossfit(make, x, y, group, folds=None):
    """Fit a model on the training beats of each fold and predict its test beats.

    Parameters
    ----------
    make : callable(x, y, group) -> object with predict(x)
    x : DataFrame (beat, feature)
    y : (beat, level) array_like
    group : (beat,) array_like
        Passed on to `make`, for weights and inner folds.
    folds : list of (train, test), optional
        Positions; one fold a group if not given.

    Returns
    -------
    CrossFit
        NaN where a beat is in no test part.

    Raises
    ------
    ValueError
        Lengths differ, a value is missing, or there is but one group.
    """
    y, group = _checked(x, y, group)
    folds = leave_one_out(group) if folds is None else list(folds)
    models = [make(x.iloc[train], y[train], group[train]) for train, _ in folds]
    empty = CrossFit(np.full(y.shape, np.nan), models, folds)
    return CrossFit(empty.predict(x), models, folds)


def _checked(x, y, group):
    """Targets and groups as arrays; refuses what a fold could not use."""
    y, group = np.asarray(y, float), np.asarray(group)
    if not len(x) == len(y) == len(group) or y.ndim != 2:
        raise ValueError(f"{len(x)} rows of features, targets of shape {y.shape} and {len(group)} groups do not fit")
    missing = [str(name) for name in x.columns[x.isna().any()]]
    if missing or not np.isfinite(y).all():
        what = ", ".join(missing) if missing else "the targets"
        raise ValueError(f"values are missing in {what}: leave such beats out first, and count them")
    return y, group


# Tuning


@dataclass(frozen=True, eq=False)
class Tuned:
    """A model with the hyperparameters that did best on groups left out, fitted to all the data it was given.

    Attributes
    ----------
    model : object with predict(x)
    parameters : dict
    score : float
        `group_mae` of the best trial: lower than what a new group will see, since the best was picked.
    trials : DataFrame
        One row a trial: its hyperparameters and `score`.
    name : str
        Of the candidate, where one was chosen (`best_inside`).
    """

    model: object
    parameters: dict
    score: float
    trials: pd.DataFrame = field(repr=False)
    name: str = ""

    def predict(self, x):
        return self.model.predict(x)


def tune(make, x, y, group, space, n_trials=30, n_folds=None, seed=0):
    """Choose hyperparameters on groups left out (optuna, Akiba 2019), then fit with them.

    Parameters
    ----------
    make : callable(x, y, group, **parameters)
    x, y, group
        Training data only.
    space : dict
        As `BOOSTING`; integers where both ends are. An empty one asks for no more than the score.
    n_trials, seed : int
    n_folds : int, optional
        Number of grouped folds; one a group if not given or if there are fewer groups.

    Returns
    -------
    Tuned
    """
    y, group = _checked(x, y, group)
    folds = _inner_folds(group, n_folds)

    def score(parameters):
        found = crossfit(lambda *data: make(*data, **parameters), x, y, group, folds)
        return group_mae(y, found.prediction, group)

    trials = _search(score, space, n_trials, seed) if space else pd.DataFrame({"score": [score({})]})
    best = trials.loc[trials["score"].idxmin()]
    parameters = {name: trials[name].dtype.type(best[name]).item() for name in space}
    return Tuned(make(x, y, group, **parameters), parameters, float(best["score"]), trials)


def _inner_folds(group, n_folds):
    from sklearn.model_selection import GroupKFold

    if n_folds is None or n_folds >= len(np.unique(group)):
        return leave_one_out(group)
    return list(GroupKFold(n_folds).split(group, groups=group))


def _search(score, space, n_trials, seed):
    """Trials of a tree-structured Parzen estimator, DataFrame."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its progress bars ask for notebook widgets, which nobody needs here
        import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)

    def suggested(trial):
        return {name: _suggest(trial, name, *limits) for name, limits in space.items()}

    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=seed))
    study.optimize(lambda trial: score(suggested(trial)), n_trials=n_trials)
    return pd.DataFrame([{**trial.params, "score": trial.value} for trial in study.trials])


def _suggest(trial, name, low, high, scale="linear"):
    suggest = trial.suggest_int if isinstance(low, int) and isinstance(high, int) else trial.suggest_float
    return suggest(name, low, high, log=scale == "log")


def best_inside(found):
    """In each fold, the model that scored best on the *training* groups: what a choice by cross-validation is worth.

    Parameters
    ----------
    found : dict of str to CrossFit
        Of `Tuned` models on the same folds.

    Returns
    -------
    CrossFit
        Its models are those that were chosen, each with its `name`.
    """
    names, fits = list(found), list(found.values())
    folds = fits[0].folds
    models, prediction = [], np.full(fits[0].prediction.shape, np.nan)
    for k, (_, test) in enumerate(folds):
        best = min(range(len(fits)), key=lambda i: fits[i].models[k].score)
        models.append(replace(fits[best].models[k], name=names[best]))
        prediction[test] = fits[best].prediction[test]
    return CrossFit(prediction, models, folds)


# Intervals


def quantile_boosting(x, y, group, quantiles=(0.1, 0.5, 0.9), seed=0, **parameters):
    """Boosted trees of quantiles, one model a level (pinball loss, Koenker and Bassett 1978).

    Parameters
    ----------
    x, y, group
        As for `line`.
    quantiles : sequence of float
    **parameters
        Of `xgboost.XGBRegressor`.

    Returns
    -------
    object with predict(x) -> (beat, level, quantile)
        Sorted along the quantiles, so that none cross (Chernozhukov 2010).
    """
    from xgboost import XGBRegressor

    options = dict(n_estimators=60, max_depth=3, learning_rate=0.1, min_child_weight=5, subsample=0.8) | parameters
    options |= dict(objective="reg:quantileerror", quantile_alpha=list(quantiles), max_bin=64, n_jobs=1)
    weights = equal_weights(group)
    models = [XGBRegressor(**options, random_state=seed).fit(x, column, sample_weight=weights) for column in y.T]
    return _Quantiles(models)


@dataclass(frozen=True)
class _Quantiles:
    models: list

    def predict(self, x):
        return np.sort(np.stack([model.predict(x) for model in self.models], axis=1), axis=2)


def conformal_margin(score, group, coverage=0.8):
    """By how much intervals must grow to hold a share of the beats of a *new* group.

    The quantile of scores of groups that the model did not see, every group counted the same, one more group of
    infinite scores standing for the new one (Dunn 2023; Lee 2023). Exact if groups are exchangeable.

    Parameters
    ----------
    score : (beat, level) array_like
        How far each target lies outside its interval, negative inside (Romano 2019).
    group : (beat,) array_like
    coverage : float
        At most G / (G + 1) for G groups.

    Returns
    -------
    (level,) ndarray

    Raises
    ------
    ValueError
        There are too few groups for the coverage.
    """
    score, (names, code) = np.asarray(score, float), np.unique(np.asarray(group), return_inverse=True)
    if not 0 < coverage <= len(names) / (len(names) + 1):
        raise ValueError(
            f"{len(names)} groups can promise a coverage of at most {len(names) / (len(names) + 1):.2f}, "
            f"not {coverage}: ask for less, or measure more recordings"
        )
    weight = equal_weights(code) * len(names) / (len(names) + 1) / len(code)
    order = np.argsort(score, axis=0, kind="stable")
    mass = np.cumsum(weight[order], axis=0)
    first = (mass >= coverage - 1e-12).argmax(axis=0)
    return np.take_along_axis(score, np.take_along_axis(order, first[None], axis=0), axis=0)[0]


@dataclass(frozen=True, eq=False)
class Intervals:
    """Intervals of durations, before and after calibration; arrays (beat, level) in the unit of the targets.

    Attributes
    ----------
    low, median, high : ndarray
        Calibrated.
    raw_low, raw_high : ndarray
        As the quantile model gave them.
    score : ndarray
        How far each target lies outside its raw interval: calibrates a model that is fitted to all beats.
    coverage : float
        What was asked for.
    """

    low: np.ndarray
    median: np.ndarray
    high: np.ndarray
    raw_low: np.ndarray
    raw_high: np.ndarray
    score: np.ndarray
    coverage: float


def conformal_intervals(make, x, y, group, folds=None, coverage=0.8, **parameters):
    """Conformalised quantile regression (Romano 2019) for groups that were left out.

    The beats of a fold get the quantiles of a model that saw all other folds, and a margin from the scores of
    those, each by a model that saw neither it nor the fold in question: nothing of a test group enters.

    Parameters
    ----------
    make : callable(x, y, group, quantiles=...), such as `quantile_boosting`
    x, y, group
        As for `crossfit`; the groups count in the margin.
    folds : list of (train, test), optional
        Test parts must share no group; one a group if not given.
    coverage : float
        The quantiles cut off half of the rest on each side.
    **parameters
        Passed on to `make`.

    Returns
    -------
    Intervals
    """
    y, group = _checked(x, y, group)
    tests = [test for _, test in (leave_one_out(group) if folds is None else folds)]
    quantiles = ((1 - coverage) / 2, 0.5, (1 + coverage) / 2)

    def quantiles_without(*left_out):
        train = np.setdiff1d(np.arange(len(y)), np.concatenate([tests[k] for k in left_out]))
        model = make(x.iloc[train], y[train], group[train], quantiles=quantiles, **parameters)
        return [model.predict(x.iloc[tests[k]]) for k in left_out]

    raw = np.empty((*y.shape, 3))
    outside = np.full((len(tests), *y.shape), np.nan)  # scores of the others, by models without this fold
    for a, test in enumerate(tests):
        raw[test] = quantiles_without(a)[0]
        for b in range(a):
            of_a, of_b = quantiles_without(a, b)
            outside[b, test], outside[a, tests[b]] = _outside(y[test], of_a), _outside(y[tests[b]], of_b)
    margin = np.empty(y.shape)
    for a, test in enumerate(tests):
        others = np.concatenate([t for b, t in enumerate(tests) if b != a])
        margin[test] = conformal_margin(outside[a, others], group[others], coverage)
    low, median, high = np.moveaxis(raw, 2, 0)
    grown = np.minimum(low - margin, median), np.maximum(high + margin, median)
    return Intervals(grown[0], median, grown[1], low, high, _outside(y, raw), coverage)


def _outside(y, quantiles):
    return np.maximum(quantiles[..., 0] - y, y - quantiles[..., -1])
