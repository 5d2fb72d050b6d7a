"""Figures of how well a model does, and how sure one can be of that."""

import numpy as np
import pandas as pd

from .style import FAINT, INK, MUTED, PALETTE, new_axes

SERIES = [PALETTE[name] for name in ("blue", "vermilion", "green", "orange", "purple", "sky")]


def confusion(matrix, classes=None, ax=None):
    """Confusion matrix: counts, and the share of the true class as colour and percentage.

    Parameters
    ----------
    matrix : DataFrame or array (true, predicted)
        Such as `evaluation.confusion` returns.
    classes : sequence, optional
        Names, and with a DataFrame also the order.
    ax : Axes, optional

    Returns
    -------
    Axes
    """
    if isinstance(matrix, pd.DataFrame):
        classes = list(matrix.index) if classes is None else list(classes)
        matrix = matrix.loc[classes, classes]
    counts = np.asarray(matrix)
    classes = range(len(counts)) if classes is None else classes
    ax = new_axes(ax, size=(1.6 + 0.82 * len(counts), 1.0 + 0.66 * len(counts)))
    share = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    ax.imshow(share, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    for (row, column), count in np.ndenumerate(counts):
        text = f"{count:,}\n{100 * share[row, column]:.1f} %" if count else "0"
        colour = "white" if share[row, column] > 0.55 else INK if count else MUTED
        ax.text(column, row, text, ha="center", va="center", fontsize=9, color=colour)
    ax.set_xticks(range(len(counts)), classes)
    ax.set_yticks(range(len(counts)), classes)
    ax.set(xlabel="predicted class", ylabel="true class")
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    # White lines between the cells.
    ax.set_xticks(np.arange(len(counts) - 1) + 0.5, minor=True)
    ax.set_yticks(np.arange(len(counts) - 1) + 0.5, minor=True)
    ax.grid(which="minor", color="white", linewidth=2)
    ax.tick_params(which="minor", length=0)
    return ax


def metric_bars(estimates, xlabel="score", ax=None, highlight=None):
    """One metric of several models, each with its interval.

    Parameters
    ----------
    estimates : dict or Series of str to evaluation.Estimate
        From top to bottom.
    xlabel : str
        The metric, with its unit.
    ax : Axes, optional
    highlight : str, optional
        The row to draw in colour; all, if not given.

    Returns
    -------
    Axes
    """
    names, values = zip(*estimates.items(), strict=True)
    ax = new_axes(ax, size=(6.4, 0.9 + 0.42 * len(names)))
    for row, (name, estimate) in enumerate(zip(names, values, strict=True)):
        colour = PALETTE["blue"] if highlight in (None, name) else "#A9B7C2"
        ax.barh(row, estimate.value, height=0.58, color=colour, alpha=0.85)
        _interval(ax, estimate, row, INK)
        ax.annotate(
            f"{estimate.value:.3f}",
            (np.nanmax([estimate.value, estimate.high]), row),
            xytext=(6, 0),
            textcoords="offset points",
            va="center",
            fontsize=9.5,
        )
    _rows(ax, names)
    ax.set_xlabel(f"{xlabel}, 95 % interval")
    ends = [end for e in values for end in (e.value, e.low, e.high) if np.isfinite(end)]
    ax.set_xlim(1.15 * min(0, *ends), 1.15 * max(0, *ends))
    return ax


def gap(table, xlabel="score", ax=None):
    """The same models under two protocols, and the distance between the two.

    Parameters
    ----------
    table : DataFrame of evaluation.Estimate
        Index: models. Two columns: protocols, the more lenient first.
    xlabel : str
    ax : Axes, optional

    Returns
    -------
    Axes
    """
    ax = new_axes(ax, size=(6.8, 1.3 + 0.5 * len(table)))
    colours = (PALETTE["orange"], PALETTE["blue"])
    for row, (first, second) in enumerate(table.itertuples(index=False)):
        ax.plot([first.value, second.value], [row, row], color="#C9C9C9", linewidth=5, zorder=1)
        for estimate, colour in zip((first, second), colours, strict=True):
            _interval(ax, estimate, row, colour, width=1.6)
            ax.plot(estimate.value, row, "o", color=colour, markersize=9, markeredgecolor="white", zorder=3)
        ax.annotate(
            f"{second.value - first.value:+.2f}".replace("-", "−"),
            ((first.value + second.value) / 2, row),
            xytext=(0, 8),
            textcoords="offset points",
            ha="center",
            fontsize=9,
            color=MUTED,
        )
    for name, colour in zip(table.columns, colours, strict=True):
        ax.plot([], [], "o", color=colour, markersize=8, label=name)
    _rows(ax, list(table.index))
    ax.set_xlabel(f"{xlabel}, 95 % interval")
    ax.grid(axis="x")
    ax.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, borderaxespad=0.2, handletextpad=0.2)
    return ax


def roc_pr(curves, axes=None):
    """Receiver operating characteristic and precision-recall curve, each with its 95 % band.

    Parameters
    ----------
    curves : evaluation.Curves or dict of str to evaluation.Curves
    axes : two Axes, optional

    Returns
    -------
    ndarray of Axes
    """
    curves = curves if isinstance(curves, dict) else {"": curves}
    axes = np.ravel(new_axes(axes, 2, (8.0, 4.0 + 0.12 * len(curves))))
    kinds = (("roc", "tpr", "auroc", "AUROC"), ("pr", "precision", "average_precision", "AP"))
    for ax, (which, y, area, short) in zip(axes, kinds, strict=True):
        for (name, each), colour in zip(curves.items(), SERIES, strict=False):
            curve = getattr(each, which)
            ax.fill_between(curve.index, curve.low, curve.high, color=colour, alpha=0.16, linewidth=0)
            label = f"{name} {short} {getattr(each, area)}"
            ax.plot(curve.index, curve[y], color=colour, label=label.strip())
        ax.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.02), aspect="equal")
    chance = dict(color=MUTED, linewidth=1, linestyle=(0, (4, 3)), zorder=1)
    axes[0].plot([0, 1], [0, 1], **chance)
    axes[1].axhline(next(iter(curves.values())).prevalence, **chance)
    axes[0].set(xlabel="1 − specificity", ylabel="sensitivity")
    axes[1].set(xlabel="recall (sensitivity)", ylabel="precision (positive predictivity)")
    for ax in axes:
        ax.legend(loc="upper left", bbox_to_anchor=(-0.02, -0.16), handlelength=1.4, borderaxespad=0)
    return axes


def reliability(tables, ax=None):
    """What happened against what was said; grey bars: share of the samples in each bin.

    Parameters
    ----------
    tables : DataFrame or dict of str to DataFrame
        Such as `evaluation.calibration` returns.
    ax : Axes, optional

    Returns
    -------
    Axes
    """
    tables = tables if isinstance(tables, dict) else {"": tables}
    ax = new_axes(ax, size=(4.6, 4.3))
    ax.plot([0, 1], [0, 1], color=MUTED, linewidth=1, linestyle=(0, (4, 3)))
    last = next(reversed(tables.values()))
    share, width = last.n / last.n.sum(), last.right - last.left
    ax.bar(last.left, share, width, align="edge", color=FAINT, edgecolor="white")
    for (name, table), colour in zip(tables.items(), SERIES, strict=False):
        low, high = table.low.fillna(table.observed), table.high.fillna(table.observed)
        ax.vlines(table.predicted, low, high, color=colour, linewidth=1.4, alpha=0.8)
        ax.plot(table.predicted, table.observed, "o-", color=colour, ms=5.5, lw=1.6, label=name)
    ax.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), aspect="equal")
    ax.set(xlabel="predicted probability", ylabel="observed share, 95 % interval")
    if any(tables):
        ax.legend(loc="upper left")
    return ax


def history(table, best_epoch=None, axes=None, metric="validation metric"):
    """Losses, and the validation metric where there is one, after each epoch.

    Parameters
    ----------
    table : DataFrame
        `training.Fit.history`.
    best_epoch : int, optional
        Marked with a line.
    axes : one or two Axes, optional
    metric : str
        Name of the metric.

    Returns
    -------
    ndarray of Axes
    """
    panels = 2 if "metric" in table else 1
    axes = np.ravel(new_axes(axes, panels, (7.6 if panels == 2 else 4.6, 3.0)))
    axes[0].plot(table.index, table.train_loss, color=PALETTE["sky"], label="training")
    axes[0].plot(table.index, table.validation_loss, color=PALETTE["blue"], label="validation")
    axes[0].set(ylabel="loss", xlabel="epoch")
    axes[0].legend()
    if panels == 2:
        axes[1].plot(table.index, table.metric, color=PALETTE["blue"])
        axes[1].set(ylabel=metric, xlabel="epoch")
    for ax in axes:
        ax.xaxis.get_major_locator().set_params(integer=True)
        ax.grid(axis="y")
        if best_epoch is not None:
            ax.axvline(best_epoch, color=MUTED, linewidth=1, linestyle=(0, (4, 3)))
    if best_epoch is not None:
        text = dict(xycoords=("data", "axes fraction"), textcoords="offset points", color=MUTED, fontsize=9)
        axes[-1].annotate("best", (best_epoch, 0.02), xytext=(4, 0), **text)
    return axes


def per_group_bars(values, ylabel="score", overall=None, ax=None, highlight=()):
    """A metric within each group, worst first; a group where it is undefined is left out and counted.

    Parameters
    ----------
    values : Series
        Such as `evaluation.by_group` returns.
    ylabel : str
    overall : float or evaluation.Estimate, optional
        Value over all groups, drawn as a line.
    ax : Axes, optional
    highlight : collection of group names
        Drawn in another colour.

    Returns
    -------
    Axes
    """
    known = values.dropna().sort_values(kind="stable")
    ax = new_axes(ax, size=(8.0, 2.9))
    names = [str(name) for name in known.index]
    marked = {str(name) for name in highlight}
    colours = [PALETTE["vermilion"] if name in marked else PALETTE["blue"] for name in names]
    ax.bar(range(len(names)), known, color=colours, width=0.72)
    if overall is not None:
        ax.axhline(float(overall), color=INK, linewidth=1.2, linestyle=(0, (4, 3)))
        ax.annotate(
            f"all: {float(overall):.2f}",
            (1, float(overall)),
            xycoords=("axes fraction", "data"),
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
            fontsize=9.5,
        )
    ax.set_xticks(range(len(names)), names, rotation=90 if len(names) > 12 else 0)
    for tick, colour in zip(ax.get_xticklabels(), colours, strict=True):
        tick.set_color(colour if colour != PALETTE["blue"] else INK)
    missing = len(values) - len(known)
    note = f" ({missing} without such beats left out)" if missing else ""
    ax.set(xlabel=(values.index.name or "group") + note, ylabel=ylabel, xlim=(-0.6, len(names) - 0.4))
    ax.tick_params(axis="x", length=0)
    return ax


def burden(true, expected, least, limit, ax=None):
    """Expected against true share of irregular beats in each record, and the two lines that part verdicts.

    Parameters
    ----------
    true, expected : (n,) array of float
        Shares (0 to 1), one a record.
    least : float
        From this true share on a record is irregular.
    limit : float
        From this expected share on it is called irregular.
    ax : Axes, optional

    Returns
    -------
    Axes
    """
    true, expected = np.asarray(true), np.asarray(expected)
    ax = new_axes(ax, size=(5.0, 4.2))
    ax.plot([0, 100], [0, 100], color="#C9C9C9", linewidth=1.2)
    ax.axvline(100 * least, color=MUTED, linewidth=1, linestyle=(0, (4, 3)))
    ax.axhline(100 * limit, color=MUTED, linewidth=1, linestyle=(0, (4, 3)))
    right = (true >= least) == (expected >= limit)
    for chosen, colour, label in ((right, "blue", "right verdict"), (~right, "vermilion", "wrong verdict")):
        ax.plot(100 * true[chosen], 100 * expected[chosen], "o", color=PALETTE[colour], label=label, markersize=7)
    # Half of all records have next to no irregular beats: equal steps near zero, then equal factors.
    ax.set_xscale("symlog", linthresh=2)
    ax.set_yscale("symlog", linthresh=2)
    ticks = [0, 1, 2, 5, 10, 20, 50, 100]
    ax.set_xticks(ticks, ticks)
    ax.set_yticks(ticks, ticks)
    ax.minorticks_off()
    ax.set(xlabel="irregular beats of the record (%)", ylabel="expected by the network (%)")
    ax.set(xlim=(-0.2, 110), ylim=(-0.2, 110))
    ax.legend(loc="upper left")
    return ax


def deletion(curves, ax=None, ylabel="mean probability of the predicted class"):
    """How the decision fades as more and more of the signal is taken away.

    Parameters
    ----------
    curves : DataFrame
        Index: share of the signal removed. Columns `most`, `random`, `least`: the order of removal.
    ax : Axes, optional
    ylabel : str

    Returns
    -------
    Axes
    """
    ax = new_axes(ax, size=(5.4, 3.4))
    looks = {"least": PALETTE["blue"], "random": MUTED, "most": PALETTE["vermilion"]}
    words = {"least": "least important first", "random": "at random", "most": "most important first"}
    for name, colour in looks.items():
        if name in curves:
            dash = (0, (4, 2)) if name == "random" else "-"
            ax.plot(100 * curves.index, curves[name], color=colour, linestyle=dash, label=words[name])
    ax.set(xlabel="signal removed (%)", ylabel=ylabel, xlim=(0, 100 * curves.index.max()))
    ax.set_ylim(bottom=0, top=max(1.0, float(curves.max().max())) * 1.02)
    ax.grid(axis="y")
    ax.legend(loc="lower left")
    return ax


def _interval(ax, estimate, row, colour, width=2.0):
    if np.isfinite(estimate.low):
        ax.plot([estimate.low, estimate.high], [row, row], color=colour, linewidth=width, zorder=2)


def _rows(ax, names):
    ax.set_yticks(range(len(names)), names)
    ax.set_ylim(len(names) - 0.5, -0.5)
    ax.tick_params(axis="y", length=0)
