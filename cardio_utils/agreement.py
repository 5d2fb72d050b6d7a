"""Do two measurements agree, and from which signal quality on: statistics for beats that belong to cells.

Beats of one cell resemble each other, so limits of agreement need two variances, between cells and within
them (Bland and Altman 2007), and every interval counts cells. Introduced in chapters 01 and 02.

References
----------
Bland JM, Altman DG (2007) J Biopharm Stat 17:571-582. Zou GY (2013) Stat Methods Med Res 22:630-642.
Laird NM, Ware JH (1982) Biometrics 38:963-974 (mixed models). Barlow RE et al. (1972) Statistical inference
under order restrictions (isotonic regression).
"""

import dataclasses
import warnings
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import sparse, stats

from cardio_utils.action_potential import scale
from cardio_utils.evaluation import LEVEL, Estimate, bootstrap

__all__ = [
    "BlandAltman",
    "Threshold",
    "WaveformAgreement",
    "bland_altman",
    "mean_of_others",
    "mean_over_groups",
    "threshold",
    "variance_components",
    "waveform_agreement",
]


class WaveformAgreement(NamedTuple):
    """How alike two waveforms are; shapes are the leading shape of the input, NaN where not comparable.

    Attributes
    ----------
    mae : float64
        Mean absolute difference of the two, each scaled from 0 to 1 by its own smallest and largest value.
    r : float64
        Pearson correlation: blind to offset and gain.
    r2 : float64
        Coefficient of determination of the scaled waveforms, 1 - residual / total sum of squares about the
        mean of the reference: at most 1, negative where a constant would do better. Not the square of `r`.
    """

    mae: np.ndarray
    r: np.ndarray
    r2: np.ndarray


def waveform_agreement(x, reference):
    """Agreement in shape of windows of one beat each.

    Parameters
    ----------
    x, reference : (..., n) array_like
        Waveforms in any unit, time along the last axis, of shapes that broadcast. Samples that either lacks
        (NaN) are left out of both.

    Returns
    -------
    WaveformAgreement
        NaN where fewer than half of the samples are shared or either waveform is constant.

    Raises
    ------
    ValueError
        The windows are empty or have unequal lengths.
    """
    x, reference = np.asarray(x, float), np.asarray(reference, float)
    if x.ndim == 0 or x.shape[-1:] != reference.shape[-1:] or x.shape[-1] == 0:
        raise ValueError(f"windows of equal length are needed, not of shapes {x.shape} and {reference.shape}")
    x, y = np.broadcast_arrays(x, reference)
    shared = np.isfinite(x) & np.isfinite(y)
    if shared.all():
        x, y = scale(x, convention="minmax"), scale(y, convention="minmax")
    else:
        x, y = _scaled_where(x, shared), _scaled_where(y, shared)
    n = shared.sum(-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        n = np.where(2 * n >= x.shape[-1], n, np.nan)
        difference = x - y
        x = np.where(shared, x - (x.sum(-1) / n)[..., None], 0)
        y = np.where(shared, y - (y.sum(-1) / n)[..., None], 0)
        total = (y**2).sum(-1)
        r = (x * y).sum(-1) / np.sqrt((x**2).sum(-1) * total)
        mae = np.abs(difference).sum(-1) / n
        return WaveformAgreement(mae, r, 1 - (difference**2).sum(-1) / total)


def _scaled_where(x, shared):
    """Waveforms scaled from 0 to 1 on the samples of the mask, 0 elsewhere; NaN where constant."""
    low = np.where(shared, x, np.inf).min(-1, keepdims=True)
    span = np.where(shared, x, -np.inf).max(-1, keepdims=True) - low
    with np.errstate(invalid="ignore"):
        return np.where(shared, (x - low) / np.where(span > 0, span, np.nan), 0 * span)


# Means that count groups


def mean_over_groups(values, group, n_resamples=1000, seed=0):
    """Mean over groups of the mean within each, with an interval from resampled groups.

    Every group counts the same, however many beats it holds.

    Parameters
    ----------
    values : (n,) array_like
        One a beat; NaN is left out, and so is a group that holds nothing else.
    group : (n,) array_like
    n_resamples, seed : int

    Returns
    -------
    Estimate

    Raises
    ------
    ValueError
        Unequal lengths, or no finite value.
    """
    values, _, code, names = _finite_rows(values, group)
    means = np.bincount(code, values) / np.bincount(code)
    return bootstrap(lambda mean, _: mean.mean(), means, means, names, n_resamples, seed)


def mean_of_others(values, group):
    """The guess that knows nothing of a beat but what it is a beat of: the mean over the other groups.

    Parameters
    ----------
    values : (n,) array_like
        NaN is left out of the means.
    group : (n,) array_like

    Returns
    -------
    (n,) float64
        For each beat, the mean over all groups but its own of their means.

    Raises
    ------
    ValueError
        Unequal lengths, or fewer than two groups with a finite value.
    """
    group = np.asarray(group)
    values, _, code, names = _finite_rows(values, group)
    if len(names) < 2:
        raise ValueError("one group has no others: at least two with a finite value are needed")
    means = pd.Series(np.bincount(code, values) / np.bincount(code), index=names)
    others = (means.sum() - means) / (len(means) - 1)
    return others.reindex(group).fillna(means.mean()).to_numpy()


def _finite_rows(values, group):
    """Finite values, the mask of them, the position of the group of each, and the sorted names of those groups."""
    values, group = np.asarray(values, float), np.asarray(group)
    if values.ndim != 1 or values.shape != group.shape:
        raise ValueError(f"one value and one group a beat are needed, not shapes {values.shape} and {group.shape}")
    fine = np.isfinite(values)
    if not fine.any():
        raise ValueError("no finite value: there is nothing to average")
    names, code = np.unique(group[fine], return_inverse=True)
    return values[fine], fine, code, names


# Mixed models


def variance_components(values, n_resamples=0, seed=0, **groups):
    """Split the variance of values among factors, nested or crossed, by a linear mixed model.

    ``value = mean + sum over factors of an effect of its level + residual``, all effects normal and
    independent, fitted by restricted maximum likelihood (Laird and Ware 1982; statsmodels' `MixedLM`). For
    balanced data and positive estimates it equals the analysis of variance.

    Parameters
    ----------
    values : (n,) array_like
        Rows that are not finite are left out.
    n_resamples : int
        Data sets that are simulated from the fitted model and fitted anew for intervals (parametric
        bootstrap); 0 for no intervals. A fit takes 0.03 s for 20 groups, 1 s for two crossed factors of 32
        and 200 levels.
    seed : int
        Of the simulated data sets.
    **groups : (n,) array_like
        Level of each factor by its name, as in ``variance_components(apd, pair=pair, electrode=electrode)``.
        Levels of equal name are the same level: electrode "23" of two arrays needs two names.

    Returns
    -------
    DataFrame
        Index: the factors, then ``residual``. Columns `variance`, `low`, `high` (its 95 % interval), `sd`,
        `share` (of the sum of the variances) and `levels` (rows for the residual). ``attrs["mean"]`` is the
        mean of the model and ``attrs["standard_error"]`` its standard error.

    Raises
    ------
    ValueError
        No factor, unequal lengths, a factor of one level, or one with as many levels as there are values,
        which cannot be told from the residual.
    """
    y, factors = _factors(values, groups)
    fitted = _fit(y, factors)
    table = pd.DataFrame({"variance": fitted.variances}, index=pd.Index([*factors, "residual"], name="source"))
    table["low"] = table["high"] = np.nan
    if n_resamples:
        streams = np.random.SeedSequence(seed).spawn(n_resamples)
        redone = [_fit(_simulated(fitted, factors, np.random.default_rng(s)), factors).variances for s in streams]
        table["low"], table["high"] = np.quantile(redone, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
    table["sd"] = np.sqrt(table.variance)
    table["share"] = table.variance / table.variance.sum()
    table["levels"] = [*(code.max() + 1 for code in factors.values()), len(y)]
    table.attrs |= {"mean": fitted.mean, "standard_error": fitted.standard_error}
    return table


class _Fitted(NamedTuple):
    mean: float
    standard_error: float
    variances: np.ndarray  # of each factor, then of the residual


def _factors(values, groups):
    """Finite values, and for each factor the position of the level of each of them."""
    values = np.asarray(values, float)
    fine = np.isfinite(values)
    if not groups:
        raise ValueError("at least one factor is needed, such as cell=cells")
    factors = {}
    for name, group in groups.items():
        group = np.asarray(group)
        if values.ndim != 1 or group.shape != values.shape:
            raise ValueError(f"{name}: one level a value is needed, not shapes {values.shape} and {group.shape}")
        factors[name] = np.unique(group[fine], return_inverse=True)[1]
        levels = len(np.unique(factors[name]))
        if levels < 2:
            raise ValueError(f"{name}: {levels} level(s): a variance between levels needs at least 2")
        if levels == fine.sum():
            raise ValueError(f"{name}: every level holds one value, which the residual cannot be told from")
    return values[fine], factors


def _blocks(factors):
    """Independent parts of the data: rows that share a level, directly or through others, have one number."""
    offset, nodes = 0, []
    for code in factors.values():
        nodes.append(code + offset)
        offset += code.max() + 1
    first = np.concatenate([nodes[0]] * len(nodes))
    graph = sparse.coo_array((np.ones(first.size), (first, np.concatenate(nodes))), (offset, offset))
    return sparse.csgraph.connected_components(graph, directed=False)[1][nodes[0]]


def _fit(y, factors):
    """REML estimates of the model of `variance_components`; values are scaled so that the optimiser starts near."""
    from statsmodels.regression.mixed_linear_model import MixedLM, VCSpec

    unit = y.std()
    if unit == 0:
        return _Fitted(float(y[0]), 0.0, np.zeros(len(factors) + 1))
    block = _blocks(factors)
    columns, matrices = [], []
    for name, code in factors.items():
        levels = [np.unique(code[block == b], return_inverse=True) for b in np.unique(block)]
        columns.append([[f"{name} {level}" for level in known] for known, _ in levels])
        matrices.append([np.eye(len(known))[position] for known, position in levels])
    components = VCSpec(list(factors), columns, matrices)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a variance of zero lies on the border of what is allowed
        model = MixedLM((y - y.mean()) / unit, np.ones((len(y), 1)), block, exog_vc=components)
        result = model.fit(reml=True)
    variances = np.append(result.vcomp, result.scale) * unit**2
    mean, error = float(result.fe_params[0]), float(np.sqrt(result.cov_params()[0, 0]))
    return _Fitted(y.mean() + unit * mean, unit * error, variances)


def _simulated(fitted, factors, rng):
    """Values drawn from a fitted model."""
    *between, residual = np.sqrt(fitted.variances)
    n = len(next(iter(factors.values())))
    y = fitted.mean + rng.normal(0, residual, n)
    for code, sd in zip(factors.values(), between, strict=True):
        y += rng.normal(0, sd, code.max() + 1)[code]
    return y


@dataclasses.dataclass(frozen=True, eq=False)
class BlandAltman:
    """Bias and 95 % limits of agreement of two measurements of the same beats.

    Attributes
    ----------
    bias : Estimate
        Mean difference, first - second.
    lower, upper : Estimate
        Between them lie 95 % of the differences of a beat of a new cell: bias -/+ 1.96 standard deviations.
    between, within : float
        Standard deviations of the differences between cells and within a cell.
    n : int
        Beats.
    """

    bias: Estimate
    lower: Estimate
    upper: Estimate
    between: float
    within: float
    n: int


def bland_altman(first, second, group):
    """Limits of agreement for beats nested in cells, whose true value varies from beat to beat.

    The difference of a beat is ``bias + cell + beat``, both random; the mixed model gives the bias and the two
    variances (Bland and Altman 2007, section 3). Intervals recover variance estimates (MOVER, Zou 2013), with
    Student's t for the bias: those of the limits widen with few cells, however many beats.

    Parameters
    ----------
    first, second : (n,) array_like
        The two measurements of each beat, in one unit; rows that either lacks are left out.
    group : (n,) array_like
        Cell of each beat.

    Returns
    -------
    BlandAltman
        Its estimates have intervals and no replicates: they do not come from resamples.

    Raises
    ------
    ValueError
        Unequal lengths, fewer than two cells, or no cell with two beats.
    """
    first, second = np.asarray(first, float), np.asarray(second, float)
    if first.shape != second.shape:
        raise ValueError(f"two measurements of the same beats are needed, not shapes {first.shape} and {second.shape}")
    y, factors = _factors(first - second, {"group": group})
    fitted = _fit(y, factors)
    between, within = fitted.variances
    beats = np.bincount(factors["group"])
    cells, total = len(beats), between + within
    low, high = _total_variance_interval(between, within, beats)
    side = stats.norm.ppf((1 + LEVEL) / 2)
    bias_error = stats.t.ppf((1 + LEVEL) / 2, cells - 1) * fitted.standard_error
    wide = np.hypot(bias_error, side * (np.sqrt(high) - np.sqrt(total)))
    narrow = np.hypot(bias_error, side * (np.sqrt(total) - np.sqrt(low)))
    reach = side * np.sqrt(total)

    def estimate(value, below, above):
        return Estimate(float(value), float(value - below), float(value + above), cells, np.empty(0), "not resampled")

    return BlandAltman(
        estimate(fitted.mean, bias_error, bias_error),
        estimate(fitted.mean - reach, wide, narrow),
        estimate(fitted.mean + reach, narrow, wide),
        float(np.sqrt(between)),
        float(np.sqrt(within)),
        len(y),
    )


def _total_variance_interval(between, within, beats):
    """Interval of the variance of a single difference, for cells with the given numbers of beats (Zou 2013)."""
    cells, n = len(beats), beats.sum()
    harmonic = cells / (1 / beats).sum()
    parts = np.array([between + within / harmonic, (1 - 1 / harmonic) * within])
    freedom = np.array([cells - 1, n - cells])
    lower, upper = (stats.chi2.ppf(p, freedom) for p in ((1 - LEVEL) / 2, (1 + LEVEL) / 2))
    total = between + within
    low = total - np.linalg.norm(parts * (1 - freedom / upper))
    high = total + np.linalg.norm(parts * (freedom / lower - 1))
    return max(low, 0.0), high


# Error against signal quality


@dataclasses.dataclass(frozen=True, eq=False)
class Threshold:
    """The SNR from which on the fitted error is within a tolerance.

    Attributes
    ----------
    value, low, high : float
        dB, with the 95 % interval over resampled groups. -inf: the error is within the tolerance wherever it
        was measured; inf: nowhere.
    reached : float
        Share of the resamples in which the tolerance is reached within the measured range.
    tolerance : float
    curve : DataFrame
        Index `snr`; fitted `error`, and `low`, `high` of its pointwise 95 % band.
    n : int
        Groups.
    """

    value: float
    low: float
    high: float
    reached: float
    tolerance: float
    curve: pd.DataFrame
    n: int

    def __float__(self):
        return self.value


def threshold(error, snr, tolerance, group, n_resamples=500, seed=0):
    """From which signal-to-noise ratio on is the mean error within a tolerance?

    The mean absolute error is fitted as any function that never rises with the SNR (isotonic regression,
    Barlow 1972), each group with the same total weight. The threshold is where the fit falls to the
    tolerance; groups are resampled for the interval.

    Parameters
    ----------
    error : (n,) array_like
        Of each beat; its absolute value is taken. Rows that are not finite are left out.
    snr : (n,) array_like
        dB.
    tolerance : float
        In the unit of the error.
    group : (n,) array_like
        Cell of each beat.
    n_resamples, seed : int

    Returns
    -------
    Threshold

    Raises
    ------
    ValueError
        Unequal lengths, fewer than 10 finite rows, fewer than two groups, or a tolerance that is not positive.
    """
    error, snr, group = np.abs(np.asarray(error, float)), np.asarray(snr, float), np.asarray(group)
    if not (error.ndim == 1 and error.shape == snr.shape == group.shape):
        raise ValueError(f"one error, SNR and group a beat: shapes {error.shape}, {snr.shape} and {group.shape}")
    if not tolerance > 0:
        raise ValueError(f"the tolerance must be positive, not {tolerance}")
    fine = np.isfinite(error) & np.isfinite(snr)
    names, code = np.unique(group[fine], return_inverse=True)
    if fine.sum() < 10 or len(names) < 2:
        raise ValueError(f"{fine.sum()} finite rows of {len(names)} group(s): at least 10 of 2 groups are needed")
    error, snr = error[fine], snr[fine]
    weight = 1 / np.bincount(code)[code]
    grid = np.linspace(snr.min(), snr.max(), 101)
    whole, value = _falling(snr, error, weight, tolerance, grid)
    rng = np.random.default_rng(seed)
    draws = [np.bincount(rng.integers(0, len(names), len(names)), minlength=len(names)) for _ in range(n_resamples)]
    bands, found = zip(*(_falling(snr, error, weight * times[code], tolerance, grid) for times in draws), strict=True)
    tails = (1 - LEVEL) / 2, (1 + LEVEL) / 2
    # No interpolation between resamples, since a limit may be infinite.
    low, high = np.quantile(found, tails[0], method="lower"), np.quantile(found, tails[1], method="higher")
    curve = pd.DataFrame({"error": whole}, index=pd.Index(grid, name="snr"))
    curve["low"], curve["high"] = np.nanquantile(bands, tails, axis=0)
    reached = float(np.isfinite(found).mean())
    return Threshold(value, float(low), float(high), reached, float(tolerance), curve, len(names))


def _falling(snr, error, weight, tolerance, grid):
    """Weighted isotonic fit on a grid, NaN outside of the rows with weight, and where it falls to the tolerance."""
    from sklearn.isotonic import IsotonicRegression

    used = weight > 0
    fit = IsotonicRegression(increasing=False).fit(snr[used], error[used], weight[used])
    x, y = fit.X_thresholds_, fit.y_thresholds_
    curve = np.interp(grid, x, y, left=np.nan, right=np.nan)
    if y[0] <= tolerance:
        return curve, -np.inf
    if y[-1] > tolerance:
        return curve, np.inf
    k = int(np.argmax(y <= tolerance))
    share = (y[k - 1] - tolerance) / (y[k - 1] - y[k])
    return curve, float(x[k - 1] + share * (x[k] - x[k - 1]))
