"""Figures of extracellular features and the durations predicted from them (chapter 03)."""

import numpy as np
import pandas as pd

from .scores import SERIES
from .style import FAINT, HEAT, INK, MUTED, PALETTE, new_axes

_POINTS = ("onset", "peak", "trough", "end", "dip")


def eap_landmarks(trace, fs, row, axes=None):
    """Where the features of an extracellular action potential are measured: its spike, and the whole beat.

    Parameters
    ----------
    trace : array of shape (n,)
        mV, one beat.
    fs : float
        Hz.
    row : Series
        The beat's row of `action_potential.eap_features`.
    axes : two Axes, optional

    Returns
    -------
    ndarray of Axes
    """
    axes = np.ravel(new_axes(axes, 2, (8.0, 3.6), width_ratios=(1, 1.25)))
    trace = np.asarray(trace, float) - np.mean(trace[: max(1, round(0.02 * fs))])
    ms = 1000 * np.arange(len(trace)) / fs
    at = {name: (row[f"{name}_time"], row[f"{name}_value"]) for name in (*_POINTS, "fall1", "fall2")}
    for ax in axes:
        ax.plot(ms, trace, color=INK, linewidth=1.2)
        ax.set(xlabel="time (ms)", ylabel="eAP (mV)")
        for name in _POINTS:
            ax.plot(*at[name], "o", color=PALETTE["vermilion"], markersize=5, zorder=3)
    _spike(axes[0], at)
    _slow(axes[1], at, row, trace, ms)
    return axes


def _spike(ax, at):
    (start, _), (stop, _) = at["onset"], at["end"]
    width, top, low = stop - start, at["peak"][1], at["trough"][1]
    span = top - low
    ax.set(xlim=(start - 0.9 * width, stop + 1.1 * width), ylim=(low - 0.62 * span, top + 0.2 * span))
    level = low - 0.12 * span
    for name, begin, end, color in (
        ("t1", start, at["fall1"][0], "sky"),
        ("t2", at["fall2"][0], stop, "sky"),
        ("ts", start, stop, "blue"),
        ("t1_alt", start, at["peak"][0], "green"),
        ("ts_alt", start, at["trough"][0], "green"),
        ("t2_alt", at["trough"][0], stop, "green"),
    ):
        level -= 0.075 * span
        _width(ax, begin, end, level, name, PALETTE[color])
    _height(ax, start - 0.35 * width, at["onset"][1], top, "v1")
    _height(ax, stop + 0.3 * width, low, at["end"][1], "v2")
    _names(ax, at, {"onset": (-4, 6), "peak": (0, 6), "trough": (-20, -4), "end": (4, 6)})
    ax.set_title("the spike")


def _slow(ax, at, row, trace, ms):
    (stop, height), (dip, low) = at["end"], at["dip"]
    span = height - low
    ax.set(ylim=(low - 2.4 * span, height + 3.2 * span), xlim=(ms[0], ms[-1]))
    _width(ax, stop, dip, low - 0.75 * span, "td", PALETTE["blue"])
    _width(ax, at["onset"][0], dip, low - 1.35 * span, "t_total", PALETTE["blue"])
    _height(ax, dip + 60, low, height, "vd")
    ax.plot([stop, dip + 60], [height, height], color=MUTED, linewidth=0.8, linestyle=(0, (4, 3)))
    later, dr, ir = stop + 20, row["dr"] / 1000, row["ir"] / 1000  # mV per ms
    ax.plot([later, dip], [low + dr * (dip - later), low], color=PALETTE["orange"], linewidth=2.2)
    ax.annotate(
        "dr", (0.7 * later + 0.3 * dip, low + 0.7 * dr * (dip - later)), (0, 16), **_LABEL, color=PALETTE["orange"]
    )
    if np.isfinite(ir):
        ax.plot([dip, dip + 200], [low, low + 200 * ir], color=PALETTE["purple"], linewidth=2.2)
        ax.annotate("ir", (dip + 200, low + 200 * ir), (8, 8), **_LABEL, color=PALETTE["purple"])
    ax.axvspan(ms[-1] - 600, ms[-1], ymax=0.05, color=FAINT)
    ax.annotate("noise of s_n", (ms[-1] - 230, low - 2.4 * span), (0, 16), **_LABEL, color=MUTED)
    _names(ax, at, {"dip": (0, -12)})
    ax.set_title("the whole beat, spike cut off")


def _grid(axes, rows, columns, size, **options):
    """The given Axes, or a grid of new ones, as one row."""
    import matplotlib.pyplot as plt

    if axes is None:
        axes = plt.subplots(rows, columns, figsize=size, layout="constrained", squeeze=False, **options)[1]
    return np.ravel(axes)


_LABEL = dict(textcoords="offset points", ha="center", fontsize=9)


def _width(ax, begin, end, level, name, color):
    ax.annotate(
        "", (begin, level), (end, level), arrowprops=dict(arrowstyle="<|-|>", color=color, shrinkA=0, shrinkB=0)
    )
    ax.annotate(name, (end, level), (4, -3), textcoords="offset points", fontsize=9, color=color)


def _height(ax, place, begin, end, name):
    color = PALETTE["vermilion"]
    arrow = dict(arrowstyle="<|-|>", color=color, shrinkA=0, shrinkB=0)
    ax.annotate("", (place, begin), (place, end), arrowprops=arrow)
    ax.annotate(name, (place, (begin + end) / 2), (5, -3), textcoords="offset points", fontsize=9, color=color)


def _names(ax, at, where):
    for name, shift in where.items():
        ax.annotate(name, at[name], shift, **_LABEL, color=INK)


def feature_violins(table, features, parts, units=None, axes=None):
    """Distribution of each feature in each part of the data, one small panel a feature.

    Parameters
    ----------
    table : DataFrame (beat, feature)
    features : sequence of str
    parts : array of shape (beat,)
        Name of the part that each beat belongs to; drawn in order of appearance.
    units : dict of str to str, optional
        Of the features.
    axes : array of Axes, optional

    Returns
    -------
    ndarray of Axes
        Panels clip the outermost 1 % of values on each side.
    """
    parts = np.asarray(parts).astype(str)
    names = list(dict.fromkeys(parts.tolist()))
    rows = -(-len(features) // 4)
    axes = _grid(axes, rows, 4, (8.0, 1.55 * rows + 0.5))
    for ax, feature in zip(axes, features, strict=False):
        values = table[feature].to_numpy(float)
        low, high = np.nanquantile(values, [0.01, 0.99])
        for k, name in enumerate(names):
            part = values[(parts == name) & np.isfinite(values)]
            _violin(ax, np.clip(part, low, high), k, SERIES[k % len(SERIES)])
        unit = (units or {}).get(feature, "1")
        ax.set_title(feature if unit == "1" else f"{feature} ({unit})", fontsize=10)
        ax.set_xticks(range(len(names)), names, fontsize=8.5)
        ax.tick_params(axis="y", labelsize=8.5)
        ax.grid(axis="y")
    for ax in axes[len(features) :]:
        ax.set_axis_off()
    return axes


def _violin(ax, values, place, color, width=0.8):
    """One violin with its median and quartiles; points where there are too few values or no spread."""
    if len(values) < 5 or np.ptp(values) == 0:
        ax.plot(np.full(len(values), place), values, "o", color=color, markersize=4)
        return
    body = ax.violinplot(values, [place], widths=width, showextrema=False)["bodies"][0]
    body.set(facecolor=color, alpha=0.45, edgecolor="none")
    low, middle, high = np.quantile(values, [0.25, 0.5, 0.75])
    ax.plot([place, place], [low, high], color=color, linewidth=3)
    ax.plot(place, middle, "o", color="white", markeredgecolor=color, markersize=4)


def correlation_map(value, low, high, xlabel="", ylabel="", ax=None):
    """Correlations as colours and numbers; grey numbers where the interval holds zero.

    Parameters
    ----------
    value, low, high : DataFrame (row, column)
        Correlation and its interval, such as `evaluation.correlation` returns.
    xlabel, ylabel : str
    ax : Axes, optional

    Returns
    -------
    Axes
    """
    rows, columns = value.shape
    ax = new_axes(ax, size=(min(8.0, 1.4 + 0.56 * columns), 0.9 + 0.34 * rows))
    image = ax.imshow(value, cmap="RdBu_r", vmin=-1, vmax=1, aspect="auto")
    sure, size = (low > 0) | (high < 0), 6.5 if columns > 15 else 8
    for (i, j), r in np.ndenumerate(value.to_numpy()):
        pale, dark, strong = ("white", INK, 0.5) if sure.iloc[i, j] else ("#DCDCDC", "#9A9A9A", 0.35)
        text = "" if np.isnan(r) else f"{r:.2f}".replace("-", "−").replace("0.", ".")
        ax.text(j, i, text, ha="center", va="center", fontsize=size, color=pale if abs(r) > strong else dark)
    ax.set_xticks(range(columns), value.columns, rotation=90 if max(len(str(c)) for c in value) > 6 else 0)
    ax.set_yticks(range(rows), value.index)
    ax.set(xlabel=xlabel, ylabel=ylabel)
    ax.tick_params(length=0, labelsize=8.5)
    ax.spines[:].set_visible(False)
    bar = ax.figure.colorbar(image, ax=ax, pad=0.02, aspect=24)
    bar.set_label("Pearson r")
    bar.outline.set_visible(False)
    return ax


def recording_lines(x, y, group, xlabel="", ylabel="", pooled=True, ax=None):
    """Two quantities of every beat, one colour and one straight line a recording, and the line through all.

    Parameters
    ----------
    x, y : array of shape (beat,)
    group : array of shape (beat,)
        Recordings.
    xlabel, ylabel : str
    pooled : bool
        Also draw the least-squares line through all beats.
    ax : Axes, optional

    Returns
    -------
    Axes
    """
    x, y, group = np.asarray(x, float), np.asarray(y, float), np.asarray(group)
    names = np.unique(group)
    ax = new_axes(ax, size=(6.8, 4.4))
    for k, name in enumerate(names):
        mine, colour = group == name, SERIES[k % len(SERIES)]
        marker = "os^Dv"[k // len(SERIES) % 5]
        ax.plot(x[mine], y[mine], marker, color=colour, markersize=3, alpha=0.35, markeredgewidth=0)
        slope, height = np.polyfit(x[mine], y[mine], 1) if np.ptp(x[mine]) > 0 else (0.0, y[mine].mean())
        ends = np.quantile(x[mine], [0.02, 0.98])
        ax.plot(ends, slope * ends + height, color=colour, linewidth=1.8)
        ax.plot([], [], marker, color=colour, markersize=5, label=name)
    if pooled:
        ends = np.quantile(x, [0.005, 0.995])
        ax.plot(
            ends,
            np.polyval(np.polyfit(x, y, 1), ends),
            color=INK,
            linewidth=2,
            linestyle=(0, (4, 3)),
            label="all beats",
        )
    ax.set(xlabel=xlabel, ylabel=ylabel)
    ax.legend(loc="upper left", bbox_to_anchor=(1.0, 1.02), fontsize=7.5, handletextpad=0.3)
    return ax


def level_errors(tables, ylabel="mean |error| (ms)", ax=None):
    """The error at each level of repolarisation, one line with its interval a model.

    Parameters
    ----------
    tables : DataFrame (level, model) of evaluation.Estimate
        The index holds the levels (%).
    ylabel : str
    ax : Axes, optional

    Returns
    -------
    Axes
    """
    ax = new_axes(ax, size=(6.8, 3.6))
    for k, (name, estimates) in enumerate(tables.items()):
        place = np.asarray(estimates.index, float) + 0.8 * (k - (len(tables) - 1) / 2)
        value, low, high = (np.array([getattr(e, end) for e in estimates]) for end in ("value", "low", "high"))
        colour = MUTED if k == 0 else SERIES[(k - 1) % len(SERIES)]
        ax.vlines(place, low, high, color=colour, linewidth=1.4, alpha=0.7)
        ax.plot(place, value, "o-", color=colour, markersize=4.5, linewidth=1.6, label=name)
    ax.set(xlabel="repolarisation (%)", ylabel=f"{ylabel}, 95 % interval")
    ax.set_ylim(bottom=0)
    ax.set_xticks(estimates.index, [f"{level:g}" for level in estimates.index])
    ax.grid(axis="y")
    ax.legend(ncols=2, loc="upper left", bbox_to_anchor=(0, -0.2), borderaxespad=0)
    return ax


def error_violins(error, levels, parts=None, ylabel="prediction − measurement (ms)", ax=None):
    """Distribution of signed errors at each level, for one or several parts of the data.

    Parameters
    ----------
    error : array of shape (beat, level)
    levels : sequence of float
        %.
    parts : array of shape (beat,), optional
        Two or three names at most read well.
    ylabel : str
    ax : Axes, optional

    Returns
    -------
    Axes
    """
    ax = new_axes(ax, size=(8.0, 3.6))
    error = np.asarray(error, float)
    parts = np.full(len(error), "") if parts is None else np.asarray(parts).astype(str)
    names = list(dict.fromkeys(parts.tolist()))
    step = 0.84 / len(names)
    ax.axhline(0, color=MUTED, linewidth=1)
    for p, name in enumerate(names):
        colour = SERIES[p % len(SERIES)]
        for k in range(len(levels)):
            place = k + step * (p - (len(names) - 1) / 2)
            _violin(ax, error[parts == name, k], place, colour, width=0.94 * step)
        ax.plot([], [], "o", color=colour, label=name)
    ax.set_xticks(range(len(levels)), [f"APD{level:g}" for level in levels])
    ax.set(ylabel=ylabel)
    ax.grid(axis="y")
    if any(names):
        ax.legend(ncols=len(names), loc="lower left", bbox_to_anchor=(0, 1), borderaxespad=0.2, handletextpad=0.2)
    return ax


def shap_bars(importance, unit="ms", ax=None):
    """Mean size of each feature's contribution, one colour a level, stacked; the largest at the top.

    Parameters
    ----------
    importance : DataFrame (feature, level)
        Such as `explain.mean_size` returns.
    unit : str
    ax : Axes, optional

    Returns
    -------
    Axes
    """
    table = importance.loc[importance.sum(axis=1).sort_values(ascending=False).index]
    ax = new_axes(ax, size=(6.8, 1.2 + 0.3 * len(table)))
    left = np.zeros(len(table))
    for level, colour in zip(table.columns, SERIES, strict=False):
        ax.barh(range(len(table)), table[level], left=left, color=colour, height=0.66, label=f"APD{level:g}")
        left += table[level].to_numpy()
    ax.set_yticks(range(len(table)), table.index)
    ax.set(ylim=(len(table) - 0.5, -0.5), xlabel=f"mean |SHAP| ({unit}), stacked over levels")
    ax.tick_params(axis="y", length=0)
    ax.legend(loc="lower right")
    return ax


def beeswarms(shap, x, n_features=4, unit="ms", seed=0, axes=None):
    """Contribution of the largest features to each beat's prediction, coloured by the feature's value.

    Parameters
    ----------
    shap : dict of str to DataFrame (beat, feature)
        Title -> contributions to one output; one panel each.
    x : DataFrame (beat, feature)
        The features; colours show the rank of a value among the beats.
    n_features : int
        In each panel, ranked by the mean *size* of the contributions.
    unit : str
    seed : int
        Of the beats that are drawn, at most 500, and of nothing else.
    axes : array of Axes, optional

    Returns
    -------
    ndarray of Axes
    """
    rows = -(-len(shap) // 2)
    axes = _grid(axes, rows, min(len(shap), 2), (8.0, 0.6 + rows * (0.7 + 0.38 * n_features)), sharex=True)
    some = np.random.default_rng(seed).permutation(len(x))[:500]
    for ax, (title, table) in zip(axes, shap.items(), strict=False):
        order = table.abs().mean().sort_values(ascending=False).index[:n_features]
        for row, name in enumerate(order):
            value, rank = table[name].to_numpy()[some], x[name].rank(pct=True).to_numpy()[some]
            dots = ax.scatter(value, row + _swarm(value), c=rank, cmap=HEAT, vmin=0, vmax=1, s=6, linewidths=0)
        ax.axvline(0, color=MUTED, linewidth=1, zorder=0)
        ax.set_yticks(range(len(order)), order)
        ax.set(ylim=(len(order) - 0.5, -0.5), title=title)
        ax.tick_params(axis="y", length=0)
    for ax in axes[-2:]:
        ax.set_xlabel(f"SHAP ({unit})")
    bar = axes[0].figure.colorbar(dots, ax=list(axes), pad=0.01, aspect=26, ticks=[0, 1])
    bar.set_ticklabels(["low", "high"])
    bar.set_label("value of the feature (rank)")
    bar.outline.set_visible(False)
    return axes


def _swarm(value, bins=60, most=0.38):
    """Offsets across a row, so that dots of like value lie side by side and not upon each other."""
    code = pd.cut(value, bins, labels=False) if np.ptp(value) > 0 else np.zeros(len(value), int)
    place = pd.Series(code).groupby(code).cumcount()
    count = pd.Series(code).groupby(code).transform("size")
    side = (place + 1) // 2 * np.where(place % 2, 1, -1)
    return (side * 2 * most / max(count.max(), 8)).to_numpy()


def interval_coverage(share, wanted, ax=None):
    """Share of beats inside their interval in each group, before and after calibration.

    Parameters
    ----------
    share : DataFrame (group, method)
        Shares, 0 to 1.
    wanted : float
    ax : Axes, optional

    Returns
    -------
    Axes
        Groups in order of the first method.
    """
    share = share.sort_values(share.columns[0], kind="stable")
    ax = new_axes(ax, size=(7.0, 1.2 + 0.27 * len(share)))
    for name, colour in zip(share, (PALETTE["orange"], PALETTE["blue"], PALETTE["green"]), strict=False):
        ax.plot(100 * share[name], range(len(share)), "o", color=colour, markersize=7, label=name)
    ax.axvline(100 * wanted, color=INK, linewidth=1.2, linestyle=(0, (4, 3)), label=f"wanted: {100 * wanted:g} %")
    ax.set_yticks(range(len(share)), share.index, fontsize=8)
    ax.set(xlabel="durations inside their interval (%)", xlim=(-3, 103), ylim=(len(share) - 0.5, -0.5))
    ax.grid(axis="x")
    ax.legend(ncols=3, loc="lower left", bbox_to_anchor=(0, 1), borderaxespad=0.2, handletextpad=0.2)
    return ax


def duration_ladder(levels, truth, low, median, high, titles=None, axes=None):
    """Measured durations of some beats, and the predicted ones with their interval, as a ladder of levels.

    Parameters
    ----------
    levels : sequence of float
        %.
    truth : array of shape (beat, level), or None
        ms; None where nothing was measured.
    low, median, high : arrays of the same shape
        ms.
    titles : sequence of str, optional
    axes : array of Axes, optional
        One a beat.

    Returns
    -------
    ndarray of Axes
    """
    n = len(median)
    axes = np.ravel(new_axes(axes, n, (min(8.0, 1.0 + 2.3 * n), 3.2), sharex=True, sharey=True, squeeze=False))
    levels = np.asarray(levels, float)
    for k, ax in enumerate(axes):
        ax.fill_betweenx(levels, low[k], high[k], color=PALETTE["sky"], alpha=0.35, linewidth=0, label="interval")
        ax.plot(median[k], levels, "o-", color=PALETTE["blue"], markersize=4, linewidth=1.5, label="predicted")
        if truth is not None:
            ax.plot(truth[k], levels, "D", color=PALETTE["vermilion"], markersize=4.5, label="measured")
        ax.set(xlabel="duration (ms)", title="" if titles is None else titles[k])
        ax.title.set_fontsize(8.5)
        ax.grid(axis="x")
    axes[0].set(ylabel="repolarisation (%)", ylim=(levels.max() + 5, levels.min() - 5))
    axes[-1].legend(loc="upper right", fontsize=8)
    return axes
