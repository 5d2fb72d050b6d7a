"""Honest numbers: splits by group, metrics with intervals from resampled groups, curves and calibration.

Beats of one patient resemble each other, so patients, not beats, are what an interval may count. Every
interval here is the percentile interval of a bootstrap that draws whole groups with replacement (Efron and
Tibshirani 1993, chapters 8 and 13). The draws depend on the groups, their number and the seed only: two
estimates on the same groups share their resamples, and `a - b` is the paired difference.
"""

import dataclasses
import warnings
import zlib

import numpy as np
import pandas as pd
from scipy import optimize, sparse, special

LEVEL = 0.95


@dataclasses.dataclass(frozen=True, eq=False)
class Estimate:
    """A number with its 95 % interval.

    Attributes
    ----------
    value : float
        On all the data. NaN where the metric is undefined.
    low, high : float
        Percentiles 2.5 and 97.5 of the replicates. NaN with fewer than two groups: one group says nothing
        about the spread between groups.
    n : int
        Number of groups that were resampled.
    replicates : ndarray of shape (n_resamples,)
        The metric in each resample; NaN where it is undefined there (a class is absent). Those are left out.
    resampling : str
        Names the groups and the seed; equal for estimates that can be subtracted.
    """

    value: float
    low: float
    high: float
    n: int
    replicates: np.ndarray = dataclasses.field(repr=False)
    resampling: str = dataclasses.field(default="", repr=False)

    @property
    def valid(self):
        """Number of resamples in which the metric is defined."""
        return int(np.isfinite(self.replicates).sum())

    def __sub__(self, other):
        """Paired difference, resample by resample.

        Raises
        ------
        ValueError
            The two were not computed on the same groups with the same seed.
        """
        if not isinstance(other, Estimate):
            return NotImplemented
        if self.resampling != other.resampling or self.replicates.shape != other.replicates.shape:
            raise ValueError("not paired: both estimates need the same groups, seed and number of resamples")
        difference = self.replicates - other.replicates
        return _estimate(self.value - other.value, difference, self.n, self.resampling)

    def __float__(self):
        return float(self.value)

    def __format__(self, spec):
        spec = spec or f".{self._decimals()}f"
        if np.isnan(self.low):
            return f"{self.value:{spec}}"
        return f"{self.value:{spec}} ({self.low:{spec}}, {self.high:{spec}})"

    def __str__(self):
        return format(self)

    def _decimals(self):
        """Two digits of the interval's width, at most three decimals."""
        width = self.high - self.low
        return 3 if not width > 0 else int(np.clip(1 - np.floor(np.log10(width)), 0, 3))


# Splits


def group_split(groups, fractions=(0.6, 0.2, 0.2), seed=0, stratify=None):
    """Split whole groups into parts of about the given sizes, with about equal shares of every label.

    Groups are dealt one by one, those with the largest share of any label first, each to the part where it
    most reduces the distance between wanted and dealt shares of samples, groups and labels.

    Parameters
    ----------
    groups : array of shape (n,)
    fractions : sequence of float
        Sizes of the parts, positive, with sum 1.
    seed : int
        Varies the order in which groups are dealt.
    stratify : array of shape (n,), optional
        Labels to balance.

    Returns
    -------
    tuple of int arrays
        Sorted indices of the samples of each part.

    Raises
    ------
    ValueError
        Fractions that are not positive or do not sum to 1, or fewer groups than parts.
    """
    fractions = np.asarray(fractions, float)
    if (fractions <= 0).any() or not np.isclose(fractions.sum(), 1):
        raise ValueError(f"fractions must be positive and sum to 1, not {fractions.tolist()}")
    names, code = _groups(groups)
    if len(names) < len(fractions):
        raise ValueError(f"{len(names)} groups cannot fill {len(fractions)} parts")
    shares = [np.bincount(code) / len(code), np.full(len(names), 1 / len(names))]
    if stratify is not None:
        labels, label = np.unique(_same_length(stratify, code), return_inverse=True)
        table = _count_table(code, label, len(names), len(labels))
        shares += list((table / table.sum(0)).T)
    part = _deal(np.stack(shares, axis=1), fractions, np.random.default_rng(seed))
    return tuple(np.flatnonzero(part[code] == p) for p in range(len(fractions)))


def _deal(shares, fractions, rng):
    """The part of each group, for the shares (group, quantity) that it holds of each quantity."""
    order = np.argsort(-shares.max(1) * rng.uniform(0.5, 1.0, len(shares)), kind="stable")
    dealt = np.zeros((len(fractions), shares.shape[1]))
    part = np.empty(len(shares), int)
    for position, group in enumerate(order):
        # Growth of the sum over parts and quantities of (dealt - wanted)^2 / wanted, up to a constant.
        growth = ((2 * dealt + shares[group]) * shares[group]).sum(1) / fractions
        empty = dealt.sum(1) == 0
        if empty.sum() == len(order) - position:
            growth[~empty] = np.inf
        part[group] = growth.argmin()
        dealt[part[group]] += shares[group]
    return part


def grouped_folds(groups, labels, n_folds=5, seed=0):
    """Folds for cross-validation that never part a group and balance the labels.

    Parameters
    ----------
    groups, labels : array of shape (n,)
    n_folds, seed : int

    Returns
    -------
    list of (train, validation)
        Index arrays, one pair a fold; every sample is in one validation set.

    Raises
    ------
    ValueError
        Fewer groups than folds.
    """
    from sklearn.model_selection import StratifiedGroupKFold

    names, code = _groups(groups)
    if len(names) < n_folds:
        raise ValueError(f"{len(names)} groups cannot fill {n_folds} folds")
    splitter = StratifiedGroupKFold(n_folds, shuffle=True, random_state=seed)
    return list(splitter.split(np.zeros(len(code)), _same_length(labels, code), code))


# Metrics of labels


def bootstrap(metric, y_true, y_pred, group, n_resamples=1000, seed=0, classes=None):
    """A metric with its interval from resampled groups.

    Parameters
    ----------
    metric : str or callable(y_true, y_pred) -> float
        A name that `score` knows (fast: computed from one confusion matrix a group), or any function of the
        resampled rows, where a ValueError counts as undefined.
    y_true, y_pred : array of shape (n, ...)
        Labels for a name; whatever the function takes otherwise.
    group : array of shape (n,)
    n_resamples, seed : int
    classes : sequence, optional
        Labels that may occur, where some do not.

    Returns
    -------
    Estimate

    Raises
    ------
    ValueError
        Empty or unequal lengths, or a name that is not known.
    """
    names, code = _groups(group)
    y_true, y_pred = _same_length(y_true, code), _same_length(y_pred, code)
    if callable(metric):
        value = float(metric(y_true, y_pred))
        replicates = _resampled_calls(metric, y_true, y_pred, code, len(names), n_resamples, seed)
    else:
        known, matrices = _confusions(y_true, y_pred, code, len(names), classes)
        whole = matrices.sum(0)
        value = float(_from_confusion(metric, whole, whole, known))
        resampled = _resampled_sums(matrices, n_resamples, seed)
        replicates = _from_confusion(metric, resampled, whole, known)
    return _estimate(value, replicates, len(names), _resampling(names, n_resamples, seed))


def score(metric, y_true, y_pred, classes=None):
    """A metric of labels by name.

    Parameters
    ----------
    metric : str
        "accuracy", "balanced_accuracy", "mcc", "macro_f1", "macro_f1/NSVF" (the mean over some classes;
        longer names with commas), or of one class "sensitivity/V", "specificity/V", "ppv/V", "f1/V".
    y_true, y_pred : array of shape (n,)
        Labels of any kind.
    classes : sequence, optional
        Labels that may occur, where some do not.

    Returns
    -------
    float
        NaN where undefined: the sensitivity to a class that is absent, the predictivity of one never
        predicted. `macro_f1`, `balanced_accuracy` and `mcc` agree with scikit-learn.

    Raises
    ------
    ValueError
        Empty or unequal lengths, or a name that is not known.
    """
    whole = confusion(y_true, y_pred, classes)
    return float(_from_confusion(metric, whole.to_numpy(), whole.to_numpy(), whole.index.to_numpy()))


def by_group(metric, y_true, y_pred, group, classes=None):
    """A metric within each group, of the classes that occur there: Series with the group as index; NaN where it is
    undefined."""
    names, code = _groups(group)
    known, matrices = _confusions(_same_length(y_true, code), _same_length(y_pred, code), code, len(names), classes)
    values = [float(_from_confusion(metric, matrix, matrix, known)) for matrix in matrices]
    return pd.Series(values, index=pd.Index(names, name="group"), name=metric)


def confusion(y_true, y_pred, classes=None):
    """Counts: DataFrame with the true class as index `true` and the predicted one as columns `predicted`."""
    _, code = _groups(np.zeros(len(np.asarray(y_true))))
    known, matrices = _confusions(np.asarray(y_true), _same_length(y_pred, code), code, 1, classes)
    index, columns = pd.Index(known, name="true"), pd.Index(known, name="predicted")
    return pd.DataFrame(matrices[0].astype(int), index=index, columns=columns)


def class_table(y_true, y_pred, group, classes=None, n_resamples=1000, seed=0):
    """Sensitivity, predictivity, specificity and F1 of each class.

    Returns
    -------
    DataFrame
        Index: class. `n` samples and `groups` of that class in truth; `sensitivity`, `ppv`, `specificity`,
        `f1` hold an `Estimate` each: they print as text and `float(table.loc["V", "ppv"])` is the number.
    """
    names, code = _groups(group)
    y_true, y_pred = _same_length(y_true, code), _same_length(y_pred, code)
    known, matrices = _confusions(y_true, y_pred, code, len(names), classes)
    members = matrices.sum(2)
    whole, resampled = matrices.sum(0), _resampled_sums(matrices, n_resamples, seed)
    resampling = _resampling(names, n_resamples, seed)
    rows = known if classes is None else np.asarray(classes)
    table = pd.DataFrame(index=pd.Index(rows, name="class"))
    position = [list(known).index(c) for c in rows]
    table["n"] = members.sum(0).astype(int)[position]
    table["groups"] = (members > 0).sum(0)[position]
    for name in ("sensitivity", "ppv", "specificity", "f1"):
        table[name] = [
            _estimate(
                float(_from_confusion(f"{name}/{c}", whole, whole, known)),
                _from_confusion(f"{name}/{c}", resampled, whole, known),
                len(names),
                resampling,
            )
            for c in rows
        ]
    return table


def _from_confusion(metric, matrix, whole, classes):
    """A named metric of confusion matrices (..., true, predicted); `whole` tells which classes ever occur."""
    kind, _, which = metric.partition("/")
    hit = np.diagonal(matrix, axis1=-2, axis2=-1)
    true, predicted = matrix.sum(-1), matrix.sum(-2)
    total = true.sum(-1, keepdims=True)
    occurs = whole.sum(-1) > 0
    with np.errstate(divide="ignore", invalid="ignore"):
        f1 = 2 * hit / (true + predicted)
        # A class that the data hold and this resample lacks leaves F1 undefined; one that they never hold
        # and a model predicts all the same has none.
        f1 = np.where(occurs, np.where(true > 0, f1, np.nan), np.nan_to_num(f1))
        per_class = {
            "sensitivity": hit / true,
            "ppv": hit / predicted,
            "specificity": (total - true - predicted + hit) / (total - true),
            "f1": np.where(whole.sum(-1) + whole.sum(-2) > 0, f1, np.nan),
        }
        if kind in per_class and which:
            chosen = _chosen(metric, which, classes)
            if len(chosen) > 1:
                raise ValueError(f"metric {metric!r}: one class is needed after the slash")
            return per_class[kind][..., chosen[0]]
        if kind == "macro_f1":
            chosen = _chosen(metric, which, classes) if which else (whole.sum(-1) + whole.sum(-2)) > 0
            return per_class["f1"][..., chosen].mean(-1)
        if kind == "accuracy" and not which:
            return hit.sum(-1) / total[..., 0]
        if kind == "balanced_accuracy" and not which:
            return per_class["sensitivity"][..., occurs].mean(-1)
        if kind == "mcc" and not which:
            # Gorodkin 2004; 0 where truth or prediction is constant, as in scikit-learn.
            n = total[..., 0]
            covariance = hit.sum(-1) * n - (true * predicted).sum(-1)
            spread = (n**2 - (true**2).sum(-1)) * (n**2 - (predicted**2).sum(-1))
            return np.where(spread > 0, covariance / np.sqrt(spread), 0.0)
    raise ValueError(
        f"metric {metric!r} is not known: accuracy, balanced_accuracy, mcc, macro_f1, macro_f1/NSVF,"
        " sensitivity/V, specificity/V, ppv/V or f1/V"
    )


def _chosen(metric, which, classes):
    """Positions of the classes that the end of a metric's name lists."""
    known = [str(c) for c in classes]
    wanted = [which] if which in known else which.split(",") if "," in which else list(which)
    missing = [c for c in wanted if c not in known]
    if missing:
        raise ValueError(f"metric {metric!r}: no class {', '.join(missing)} among {', '.join(known)}")
    return [known.index(c) for c in wanted]


def _confusions(y_true, y_pred, code, n_groups, classes):
    """Sorted classes, and one confusion matrix a group (group, true, predicted)."""
    known, position = np.unique(np.concatenate([y_true, y_pred]), return_inverse=True)
    if classes is not None:
        every = np.unique(np.concatenate([known, np.asarray(classes)]))
        position = np.searchsorted(every, known)[position]
        known = every
    n, k = len(y_true), len(known)
    cell = (code * k + position[:n]) * k + position[n:]
    return known, np.bincount(cell, minlength=n_groups * k * k).reshape(n_groups, k, k).astype(float)


# Resamples of groups


def _multiplicities(n_groups, n_resamples, seed):
    """How often each group was drawn: blocks of shape (some resamples, n_groups)."""
    rng = np.random.default_rng(seed)
    block = max(1, 4_000_000 // n_groups)
    for start in range(0, n_resamples, block):
        rows = min(block, n_resamples - start)
        drawn = rng.integers(0, n_groups, (rows, n_groups)) + n_groups * np.arange(rows)[:, None]
        yield np.bincount(drawn.ravel(), minlength=rows * n_groups).reshape(rows, n_groups)


def _resampled_sums(parts, n_resamples, seed):
    """Sums over the drawn groups of (group, ...) arrays: (resample, ...)."""
    flat = parts.reshape(len(parts), -1)
    sums = [weights.astype(float) @ flat for weights in _multiplicities(len(parts), n_resamples, seed)]
    return np.concatenate(sums).reshape(n_resamples, *parts.shape[1:])


def _resampled_calls(metric, y_true, y_pred, code, n_groups, n_resamples, seed):
    rows, replicates = np.arange(len(code)), []
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")  # undefined in a resample: counted, not warned of a thousand times
        for weights in _multiplicities(n_groups, n_resamples, seed):
            for weight in weights:
                drawn = np.repeat(rows, weight[code])
                try:
                    replicates.append(float(metric(y_true[drawn], y_pred[drawn])))
                except ValueError:
                    replicates.append(np.nan)
    return np.array(replicates)


def _resampling(names, n_resamples, seed):
    return f"{len(names)} groups {zlib.crc32(','.join(map(str, names)).encode())}, {n_resamples}, seed {seed}"


def _estimate(value, replicates, n_groups, resampling):
    defined = replicates[np.isfinite(replicates)]
    low = high = np.nan
    if n_groups > 1 and len(defined) and np.isfinite(value):
        low, high = np.quantile(defined, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Estimate(float(value), float(low), float(high), n_groups, replicates, resampling)


def _groups(group):
    """Sorted names of the groups, and the position of each sample's group among them."""
    group = np.asarray(group)
    if group.ndim != 1 or len(group) == 0:
        raise ValueError("one group a sample is needed, and at least one sample")
    return np.unique(group, return_inverse=True)


def _same_length(values, code):
    values = np.asarray(values)
    if values.ndim == 0 or len(values) != len(code):
        raise ValueError(f"{len(code)} samples, but an array of shape {values.shape}")
    return values


def _count_table(row, column, n_rows, n_columns):
    return np.bincount(row * n_columns + column, minlength=n_rows * n_columns).reshape(n_rows, n_columns)


# Scores: curves and thresholds


@dataclasses.dataclass(frozen=True, eq=False)
class Curves:
    """Receiver operating characteristic and precision-recall curve, each with a pointwise 95 % band.

    Attributes
    ----------
    roc : DataFrame
        Index `fpr` (0 to 1 in steps of 0.01); `tpr`, `low`, `high`.
    pr : DataFrame
        Index `recall`; `precision` (at the highest threshold that reaches the recall), `low`, `high`.
    auroc, average_precision : Estimate
    prevalence : float
        Share of positives: the precision of guessing.
    """

    roc: pd.DataFrame
    pr: pd.DataFrame
    auroc: Estimate
    average_precision: Estimate
    prevalence: float


def roc_pr(y_true, score, group, n_resamples=1000, seed=0):
    """Both curves of a score, with areas and bands from resampled groups.

    Parameters
    ----------
    y_true : array of shape (n,), bool or 0/1
    score : array of shape (n,)
        Larger for the positive class; ties are handled exactly.
    group : array of shape (n,)
    n_resamples, seed : int

    Returns
    -------
    Curves

    Raises
    ------
    ValueError
        Unequal lengths, a score that is not finite, targets that are not binary, or only one class.
    """
    names, code = _groups(group)
    positive, score = _binary(_same_length(y_true, code)), _finite("score", _same_length(score, code))
    if positive.all() or not positive.any():
        raise ValueError("both classes are needed for a curve")
    level = np.unique(-score, return_inverse=True)[1]
    areas, roc, pr = _curves(*_counts(positive, level, np.zeros_like(code), 1))
    hits, false = _counts(positive, _coarser(level, positive), code, len(names))
    blocks = [
        _curves((hits.T @ weights.T).T, (false.T @ weights.T).T)
        for weights in _multiplicities(len(names), n_resamples, seed)
    ]
    replicates, rocs, prs = (np.concatenate(part) for part in zip(*blocks, strict=True))
    resampling = _resampling(names, n_resamples, seed)
    estimates = [_estimate(areas[0, k], replicates[:, k], len(names), resampling) for k in (0, 1)]
    return Curves(
        _band("fpr", "tpr", roc[0], rocs, len(names)),
        _band("recall", "precision", pr[0], prs, len(names)),
        *estimates,
        float(positive.mean()),
    )


GRID = np.linspace(0, 1, 101)
MAX_LEVELS = 4000


def _coarser(level, positive):
    """At most MAX_LEVELS levels of score, each with about the same share of positives and of negatives.

    The value on all data is exact. A thousand resamples at every distinct score of 100,000 beats take 10 s;
    here they take half a second and the areas stay within 0.0005.
    """
    if level.max() < MAX_LEVELS:
        return level
    share = np.bincount(level, positive / positive.sum() + ~positive / (~positive).sum()) / 2
    coarse = np.minimum((share.cumsum() - share / 2) * MAX_LEVELS, MAX_LEVELS - 1).astype(int)
    return coarse[level]


def _counts(positive, level, code, n_groups):
    """Positives and negatives of each group at each level of score: two sparse arrays (group, level)."""
    shape = (n_groups, level.max() + 1)
    return [sparse.coo_array((kind.astype(float), (code, level)), shape).tocsr() for kind in (positive, ~positive)]


def _curves(hits, false):
    """Areas (auroc, average precision) and curves on GRID from counts (resample, level), best level first."""
    hits, false = (np.cumsum(c.toarray() if sparse.issparse(c) else c, axis=1) for c in (hits, false))
    with np.errstate(invalid="ignore", divide="ignore"):
        tpr, fpr = hits / hits[:, -1:], false / false[:, -1:]
        precision = hits / (hits + false)
    tpr, fpr = (np.pad(rate, ((0, 0), (1, 0))) for rate in (tpr, fpr))
    gained = np.diff(tpr)
    # Levels that a resample does not hold before its first sample have no precision, and gain nothing.
    average_precision = (gained * np.where(gained > 0, precision, 0)).sum(1)
    areas = np.stack([np.trapezoid(tpr, fpr, axis=1), average_precision], axis=1)
    areas[np.isnan(tpr[:, -1]) | np.isnan(fpr[:, -1])] = np.nan
    roc, pr = np.full((2, len(areas), len(GRID)), np.nan)
    for row in np.flatnonzero(np.isfinite(areas[:, 0])):
        roc[row] = np.interp(GRID, fpr[row], tpr[row])
        reached = np.searchsorted(tpr[row, 1:], np.maximum(GRID, tpr[row][tpr[row] > 0][0]) - 1e-12)
        pr[row] = precision[row, reached]
    return areas, roc, pr


def _band(x, y, value, replicates, n_groups):
    low, high = np.full((2, len(value)), np.nan)
    if n_groups > 1:
        low, high = np.nanquantile(replicates, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
    return pd.DataFrame({y: value, "low": low, "high": high}, index=pd.Index(GRID, name=x))


def choose_threshold(y_true, score, objective="balanced"):
    """The threshold t of the rule `score >= t` that is best on validation data.

    Parameters
    ----------
    y_true : array of shape (n,), bool or 0/1
    score : array of shape (n,)
    objective : {"balanced", "f1"}
        Mean of sensitivity and specificity (the same threshold as Youden 1950), or F1 of the positive class.

    Returns
    -------
    float
        Midway between the two scores that it parts. Where several are equally good, the middle one.

    Raises
    ------
    ValueError
        Unequal lengths, a score that is not finite, only one class, or an unknown objective.
    """
    score = np.asarray(score)
    positive, score = _binary(_same_length(y_true, score)), _finite("score", score)
    if positive.all() or not positive.any():
        raise ValueError("both classes are needed to choose a threshold")
    levels, position = np.unique(score, return_inverse=True)
    tp = np.bincount(position, positive)[::-1].cumsum()[::-1]
    fp = np.bincount(position, ~positive)[::-1].cumsum()[::-1]
    if objective == "balanced":
        gain = tp / positive.sum() - fp / (~positive).sum()
    elif objective == "f1":
        gain = 2 * tp / (tp + fp + positive.sum())
    else:
        raise ValueError(f"objective {objective!r} is not known: balanced or f1")
    best = np.flatnonzero(gain >= gain.max() - 1e-12)
    k = best[len(best) // 2]
    return float(levels[k] if k == 0 else (levels[k - 1] + levels[k]) / 2)


# Calibration


def calibration(prob, correct, group=None, bins=10, n_resamples=1000, seed=0):
    """How often an event happened, by the probability that was said (equal-width bins).

    Parameters
    ----------
    prob : array of shape (n,)
        Probability of the event, 0 to 1; for several classes the probability of the predicted class.
    correct : array of shape (n,), bool or 0/1
        Whether it happened; for several classes whether the prediction was right.
    group : array of shape (n,), optional
        For intervals from resampled groups; without it they are NaN.
    bins : int

    Returns
    -------
    DataFrame
        One row a bin that holds samples: `left`, `right`, `n`, `predicted` (mean), `observed` (share), `low`,
        `high` (of the observed share).

    Raises
    ------
    ValueError
        Unequal lengths, or probabilities outside 0 to 1.
    """
    names, sums = _bin_sums(prob, correct, group, bins)
    whole, resampled = sums.sum(0), _resampled_sums(sums, n_resamples, seed)
    edges = np.linspace(0, 1, bins + 1)
    filled = whole[:, 0] > 0
    count, said, happened = whole[filled].T
    low = high = np.full(int(filled.sum()), np.nan)
    if len(names) > 1:
        with np.errstate(invalid="ignore"):
            share = resampled[:, filled, 2] / resampled[:, filled, 0]
        low, high = np.nanquantile(share, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
    columns = {"left": edges[:-1][filled], "right": edges[1:][filled], "n": count.astype(int)}
    columns |= {"predicted": said / count, "observed": happened / count, "low": low, "high": high}
    return pd.DataFrame(columns)


def expected_calibration_error(prob, correct, group=None, bins=15, n_resamples=1000, seed=0):
    """Mean distance between said probability and observed share over equal-width bins (Guo 2017).

    Resampling adds noise to every bin, so replicates lie somewhat above the value; take the interval as a
    cautious one. Parameters as for `calibration`. Returns an Estimate, without an interval where `group` is
    None.
    """
    names, sums = _bin_sums(prob, correct, group, bins)

    def distance(s):
        return np.abs(s[..., 1] - s[..., 2]).sum(-1) / s[..., 0].sum(-1)

    replicates = distance(_resampled_sums(sums, n_resamples, seed))
    return _estimate(distance(sums.sum(0)), replicates, len(names), _resampling(names, n_resamples, seed))


def _bin_sums(prob, correct, group, bins):
    """Names of the groups, and per group and bin: number, sum of probabilities, number of events."""
    prob = _finite("probabilities", prob)
    names, code = _groups(np.zeros(len(prob)) if group is None else group)
    prob, correct = _same_length(prob, code), _binary(_same_length(correct, code))
    if prob.min() < 0 or prob.max() > 1:
        raise ValueError("probabilities must lie between 0 and 1")
    cell = code * bins + np.clip(np.ceil(prob * bins).astype(int) - 1, 0, bins - 1)
    columns = [np.bincount(cell, w, minlength=len(names) * bins) for w in (None, prob, correct)]
    return names, np.stack(columns, axis=-1).reshape(len(names), bins, 3).astype(float)


def temperature(logits, y):
    """The temperature T that makes `softmax(logits / T)` most likely on validation data (Guo 2017).

    Parameters
    ----------
    logits : array of shape (n, classes), or (n,) or (n, 1) for the log-odds of a binary outcome
    y : int array of shape (n,)
        Column of the true class, or 0/1.

    Returns
    -------
    float
        Between 0.05 and 20; above 1 where the model was too sure.

    Raises
    ------
    ValueError
        Unequal lengths, or logits that are not finite.
    """
    logits = _finite("logits", logits)
    y = _same_length(y, logits).astype(int)
    if logits.ndim == 1 or logits.shape[1] == 1:
        logits = np.stack([np.zeros(len(y)), logits.ravel()], axis=1)
    own = logits[np.arange(len(y)), y]

    def negative_log_likelihood(log_t):
        beta = np.exp(-log_t)
        return (special.logsumexp(beta * logits, axis=1) - beta * own).mean()

    found = optimize.minimize_scalar(negative_log_likelihood, bounds=np.log([0.05, 20]), method="bounded")
    return float(np.exp(found.x))


def _binary(values):
    values = np.asarray(values)
    if values.dtype.kind not in "biuf" or not np.isin(values, (0, 1)).all():
        raise ValueError("a binary array (bool, or 0 and 1) is needed")
    return values.astype(bool)


def _finite(name, values):
    values = np.asarray(values, float)
    if values.ndim == 0 or values.size == 0 or not np.isfinite(values).all():
        raise ValueError(f"{name}: finite numbers are needed, and at least one")
    return values


# Correlations


@dataclasses.dataclass(frozen=True, eq=False)
class Correlation:
    """Pearson correlations and their intervals: DataFrames with the columns of `x` as rows, those of `y` as columns."""

    value: pd.DataFrame
    low: pd.DataFrame
    high: pd.DataFrame


def correlation(x, y, group, within=False, n_resamples=1000, seed=0):
    """Pearson correlation of every column of one table with every column of another.

    Parameters
    ----------
    x, y : DataFrame (sample, ...)
        Rows in which either misses a value are left out.
    group : array of shape (sample,)
        Resampled for the intervals.
    within : bool
        Subtract the mean of its group from every value first: how two quantities move together inside a group,
        whatever sets the groups apart.
    n_resamples, seed : int

    Returns
    -------
    Correlation
        NaN where a column is constant, and intervals NaN with fewer than two groups.

    Raises
    ------
    ValueError
        Unequal lengths, or no complete row.
    """
    columns = list(x.columns), list(y.columns)
    both = np.hstack([x.to_numpy(float), _same_length(y.to_numpy(float), x)])
    complete = np.isfinite(both).all(axis=1)
    names, code = _groups(_same_length(group, both)[complete])
    both = both[complete] - both[complete].mean(axis=0)
    one = np.ones((len(both), 1))
    if within:
        means = np.stack([np.bincount(code, c) for c in both.T], axis=1) / np.bincount(code)[:, None]
        both, one = both - means[code], np.zeros_like(one)
    p = len(columns[0])
    moments = np.stack([_moments(both[code == g], one[code == g]) for g in range(len(names))])
    value = _pearson(moments.sum(axis=0), p)
    low = high = np.full_like(value, np.nan)
    if len(names) > 1:
        sums = _resampled_sums(moments, n_resamples, seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a constant column has no correlation in any resample
            low, high = np.nanquantile(_pearson(sums, p), [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
    return Correlation(*(pd.DataFrame(table, *columns) for table in (value, low, high)))


def _moments(rows, one):
    """Sums of products of all pairs of columns, the constant 1 being the last."""
    rows = np.hstack([rows, one])
    return rows.T @ rows


def _pearson(moments, p):
    """Correlations (..., p, rest) of the first p with the remaining quantities from sums of products."""
    total, n = moments[..., :-1, -1], moments[..., -1:, -1:]
    with np.errstate(invalid="ignore", divide="ignore"):
        mean_product = np.where(n > 0, total[..., :, None] * total[..., None, :] / n, 0)
        spread = moments[..., :-1, :-1] - mean_product
        variance = np.diagonal(spread, axis1=-2, axis2=-1)
        variance = np.where(variance > 1e-12 * np.diagonal(moments, axis1=-2, axis2=-1)[..., :-1], variance, np.nan)
        r = spread / np.sqrt(variance[..., :, None] * variance[..., None, :])
    return np.clip(r[..., :p, p:], -1, 1)
