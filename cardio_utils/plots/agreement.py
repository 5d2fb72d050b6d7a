"""Figures of agreement between two measurements of the same beats."""

import numpy as np

from .style import FAINT, INK, MUTED, PALETTE, new_axes

_DASHED = (0, (4, 3))


def bland_altman(first, second, group, result, unit="ms", ax=None):
    """Difference against mean of two measurements, one colour a cell, with bias, limits and their intervals.

    Parameters
    ----------
    first, second : (n,) array_like
    group : (n,) array_like
        Cell of each beat.
    result : agreement.BlandAltman
        Of the same beats.
    unit : str
    ax : Axes, optional

    Returns
    -------
    Axes
    """
    first, second = np.asarray(first, float), np.asarray(second, float)
    ax = new_axes(ax, size=(5.6, 3.5))
    _by_group(ax, (first + second) / 2, first - second, group)
    for estimate, name in ((result.upper, "upper limit"), (result.bias, "bias"), (result.lower, "lower limit")):
        dash = "-" if name == "bias" else _DASHED
        ax.axhspan(estimate.low, estimate.high, color=FAINT, alpha=0.7, linewidth=0, zorder=0)
        ax.axhline(estimate.value, color=INK, linewidth=1.3, linestyle=dash)
        _beside(ax, f"{name}\n{estimate.value:+.1f} {unit}".replace("-", "−"), estimate.value)
    ax.axhline(0, color=MUTED, linewidth=0.8, zorder=1)
    ax.set(xlabel=f"mean of both ({unit})", ylabel=f"difference ({unit})")
    return ax


def error_against_snr(snr, error, group, threshold, unit="ms", ax=None, xlabel="signal-to-noise ratio (dB)"):
    """Absolute errors against signal quality, the fit that never rises, the tolerance and the threshold's interval.

    Parameters
    ----------
    snr, error : (n,) array_like
    group : (n,) array_like
        Cell of each beat.
    threshold : agreement.Threshold
        Of the same beats.
    unit, xlabel : str
    ax : Axes, optional

    Returns
    -------
    Axes
    """
    ax = new_axes(ax, size=(6.4, 3.9))
    error = np.abs(np.asarray(error, float))
    floor = 0.5 * np.quantile(error[error > 0], 0.01)
    _by_group(ax, np.asarray(snr, float), np.maximum(error, floor), group)
    curve = threshold.curve
    ax.fill_between(curve.index, curve.low, curve.high, color=INK, alpha=0.18, linewidth=0)
    ax.plot(curve.index, curve.error, color=INK, label="fitted mean error, 95 % band")
    tolerance = f"tolerance, {threshold.tolerance:g} {unit}"
    ax.axhline(threshold.tolerance, color=MUTED, linewidth=1.2, linestyle=_DASHED, label=tolerance)
    if np.isfinite(threshold.value):
        left, right = np.clip([threshold.low, threshold.high], curve.index[0], curve.index[-1])
        ax.axvspan(left, right, color=PALETTE["sky"], alpha=0.28, linewidth=0, zorder=0)
        label = f"threshold {threshold.value:.1f} dB"
        ax.axvline(threshold.value, color=PALETTE["blue"], linewidth=1.6, label=label)
    ax.set_yscale("log")
    ax.yaxis.set_major_formatter("{x:g}")
    ax.set(xlabel=xlabel, ylabel=f"absolute error ({unit})")
    ax.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, borderaxespad=0.2)
    return ax


def error_by_level(series, ax=None, ylabel="mean absolute error (ms)"):
    """An error at each level of repolarisation, with its interval over cells, on a logarithmic scale.

    Parameters
    ----------
    series : dict of str to dict or Series of float to evaluation.Estimate
        Name -> level (%) -> error.
    ax : Axes, optional
    ylabel : str

    Returns
    -------
    Axes
    """
    ax = new_axes(ax, size=(6.4, 3.7))
    colours = [PALETTE[c] for c in ("black", "vermilion", "blue", "green")]
    shift = np.linspace(-1.2, 1.2, len(series)) if len(series) > 1 else [0]
    for (name, errors), colour, aside in zip(series.items(), colours, shift, strict=False):
        level = np.array(list(errors.keys()), float) + aside
        value, low, high = (np.array([getattr(e, what) for e in errors.values()]) for what in ("value", "low", "high"))
        ax.vlines(level, low, high, color=colour, linewidth=1.5, alpha=0.8)
        ax.plot(level, value, "o-", color=colour, markersize=5, linewidth=1.2, label=name)
    ax.set_xticks(list(next(iter(series.values())).keys()))
    ax.set_yscale("log")  # sensors differ by factors, and the last level would hide all others
    ax.yaxis.set_major_formatter("{x:g}")
    ax.set(xlabel="level of repolarisation (%)", ylabel=ylabel)
    ax.grid(axis="y")
    ax.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, borderaxespad=0.2)
    return ax


def by_cell(values, group, order=None, ax=None, ylabel="error (ms)", xlabel="cell"):
    """Every beat of every cell, with the median of the cell.

    Parameters
    ----------
    values : (n,) array_like
        NaN is left out.
    group : (n,) array_like
    order : mapping of group to number, optional
        Cells are drawn by it, smallest first; by their median, if not given.
    ax : Axes, optional
    ylabel, xlabel : str

    Returns
    -------
    Axes
    """
    values, group = np.asarray(values, float), np.asarray(group)
    ax = new_axes(ax, size=(8.0, 3.0))
    own = {name: values[(group == name) & np.isfinite(values)] for name in np.unique(group)}
    own = {name: v for name, v in own.items() if len(v)}
    place = {name: float(np.median(v)) for name, v in own.items()} if order is None else order
    names = sorted(own, key=lambda name: place[name])
    for x, name in enumerate(names):
        spread = 0.28 * np.linspace(-1, 1, len(own[name])) if len(own[name]) > 1 else [0]
        ax.plot(x + np.asarray(spread), own[name], "o", color=PALETTE["blue"], markersize=2.6, alpha=0.5, mew=0)
        ax.plot([x - 0.36, x + 0.36], 2 * [np.median(own[name])], color=INK)
    ax.axhline(0, color=MUTED, linewidth=0.8, zorder=0)
    ax.set_xticks(range(len(names)), [str(n) for n in names], rotation=90 if len(names) > 10 else 0)
    ax.set(xlabel=xlabel, ylabel=ylabel, xlim=(-0.7, len(names) - 0.3))
    ax.grid(axis="y")
    return ax


def against_truth(truth, sensors, ax=None, unit="ms", what="APD90", how="measured"):
    """What sensors measured, or models predicted, against the truth, with the line of equality.

    Parameters
    ----------
    truth : (n,) array_like
    sensors : dict of str to (n,) array_like
    ax : Axes, optional
    unit, what, how : str
        For the names of the axes.

    Returns
    -------
    Axes
    """
    truth = np.asarray(truth, float)
    ax = new_axes(ax, size=(4.6, 4.2))
    colours = [PALETTE[c] for c in ("vermilion", "blue", "green")]
    for (name, values), colour in zip(sensors.items(), colours, strict=False):
        ax.plot(truth, values, "o", color=colour, markersize=3.2, alpha=0.45, markeredgewidth=0, label=name)
    ends = np.nanquantile(truth, [0, 1])
    ax.plot(ends, ends, color=INK, linewidth=1, linestyle=_DASHED)
    ax.set(xlabel=f"true {what} ({unit})", ylabel=f"{how} {what} ({unit})")
    for handle in ax.legend(loc="upper left", markerscale=1.8).legend_handles:
        handle.set_alpha(1)
    return ax


def _by_group(ax, x, y, group):
    """Points, one colour a group: neighbours in a sorted list of groups differ in hue."""
    group = np.asarray(group)
    colours = [c for name, c in PALETTE.items() if name != "black"]
    for k, name in enumerate(np.unique(group)):
        own = group == name
        ax.plot(x[own], y[own], "o", color=colours[k % len(colours)], markersize=3, alpha=0.5, markeredgewidth=0)


def _beside(ax, text, y):
    """Words right of the panel at a height of the data."""
    where = dict(xycoords=("axes fraction", "data"), textcoords="offset points", va="center", fontsize=9)
    ax.annotate(text, (1, y), xytext=(5, 0), **where)
