"""Figures of leads that were reconstructed from others: boxes a lead, sets of leads, shrinkage, routes to a class."""

import numpy as np

from .scores import SERIES
from .style import FAINT, INK, MUTED, PALETTE, new_axes

__all__ = ["areas_by_set", "failures", "lead_boxes", "lead_sets", "shrinkage", "trade_off"]

_DASHED = (0, (4, 3))


def lead_boxes(tables, column="r", ylabel="correlation r", wanted=None, limits=None, ax=None):
    """A score of each hidden lead over records, one box a model: quartiles, and whiskers from 5 % to 95 %.

    Parameters
    ----------
    tables : dict of str to DataFrame
        Model -> table with a column `lead` and the score, such as `leads.scores` gives.
    column, ylabel : str
    wanted : float, optional
        Drawn as a dashed line.
    limits : (float, float), optional
        Of the axis.
    ax : Axes, optional

    Returns
    -------
    Axes
    """
    leads = list(dict.fromkeys(next(iter(tables.values())).lead))
    ax = new_axes(ax, size=(7.6, 3.6))
    step = 0.8 / len(tables)
    for k, (name, table) in enumerate(tables.items()):
        colour = SERIES[k % len(SERIES)]
        place = np.arange(len(leads)) + step * (k - (len(tables) - 1) / 2)
        values = [table.loc[(table.lead == lead) & table[column].notna(), column] for lead in leads]
        ax.boxplot(
            values, positions=place, widths=0.8 * step, whis=(5, 95), showfliers=False, patch_artist=True,
            boxprops=dict(facecolor=colour, alpha=0.45, edgecolor=colour), medianprops=dict(color=INK, linewidth=1.6),
            whiskerprops=dict(color=colour), capprops=dict(color=colour),
        )  # fmt: skip
        ax.plot([], [], "s", color=colour, alpha=0.6, markersize=8, label=name)
    if wanted is not None:
        ax.axhline(wanted, color=MUTED, linewidth=1.2, linestyle=_DASHED, zorder=0)
    ax.set_xticks(range(len(leads)), leads)
    ax.set(xlabel="hidden lead", ylabel=ylabel)
    if limits is not None:
        ax.set_ylim(*limits)
    ax.grid(axis="y")
    ax.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=min(4, len(tables)), borderaxespad=0.2)
    return ax


def lead_sets(ranking, best=5, axes=None):
    """The best sets of one, two and three leads, and where all others of that size lie.

    Parameters
    ----------
    ranking : DataFrame
        Of `leads.subset_ranking`: `leads`, `n`, `r2`.
    best : int
        Sets of each size that are named.
    axes : array of Axes, optional
        One a size.

    Returns
    -------
    ndarray of Axes
    """
    sizes = sorted(ranking.n.unique())
    axes = np.ravel(new_axes(axes, len(sizes), (8.0, 1.3 + 0.3 * best), squeeze=False, sharex=True))
    for ax, size in zip(axes, sizes, strict=True):
        own = ranking[ranking.n == size].sort_values("r2", ascending=False)
        named = own.head(best)
        place = np.arange(len(named))
        ax.barh(place, named.r2, color=PALETTE["blue"], alpha=0.85, height=0.62)
        ax.plot(own.r2.clip(lower=0), np.full(len(own), -0.9), "|", color=MUTED, markersize=9)
        ax.set_yticks([-0.9, *place], ["all", *named.leads])
        ax.set_ylim(len(named) - 0.4, -1.5)
        ax.set_xlim(0, 1)
        ax.tick_params(axis="y", length=0, labelsize=8.5)
        ax.set_title(f"{size} lead{'s' if size > 1 else ''}")
        ax.set_xlabel("R² of hidden chest leads", fontsize=9)
        ax.grid(axis="x")
    return axes


def shrinkage(truth, predicted, what="R of V4", unit="mV", axes=None):
    """Reconstructed against true heights, one panel a model: a line flatter than the dashed one shrinks.

    Parameters
    ----------
    truth : (record,) array_like
    predicted : dict of str to (record,) array_like
    what, unit : str
    axes : array of Axes, optional

    Returns
    -------
    ndarray of Axes
    """
    truth = np.asarray(truth, float)
    axes = np.ravel(new_axes(axes, len(predicted), (min(8.0, 3.0 * len(predicted)), 3.2), sharey=True, squeeze=False))
    for k, (ax, (name, values)) in enumerate(zip(axes, predicted.items(), strict=True)):
        values = np.asarray(values, float)
        fine = np.isfinite(truth) & np.isfinite(values)
        ends = np.quantile(truth[fine], [0, 1])
        slope, offset = np.polyfit(truth[fine], values[fine], 1)
        ax.plot(ends, ends, color=MUTED, linewidth=1.2, linestyle=_DASHED)
        ax.plot(truth[fine], values[fine], "o", color=SERIES[k % len(SERIES)], markersize=3, alpha=0.5, mew=0)
        ax.plot(ends, slope * ends + offset, color=INK, linewidth=1.6)
        ax.set_title(f"{name}: slope {slope:.2f}", fontsize=9.5)
        ax.set_xlabel(f"true {what} ({unit})")
    axes[0].set_ylabel(f"reconstructed ({unit})")
    return axes


def areas_by_set(areas, reference=None, xlabel="macro AUC of five superclasses", ax=None):
    """Area under the curve of each route from a set of leads to the classes, with intervals.

    Parameters
    ----------
    areas : DataFrame of evaluation.Estimate
        Index: sets of leads. Columns: routes.
    reference : evaluation.Estimate, optional
        From all measured leads: line and band.
    xlabel : str
    ax : Axes, optional

    Returns
    -------
    Axes
    """
    ax = new_axes(ax, size=(6.8, 1.3 + 0.55 * len(areas)))
    step = 0.7 / areas.shape[1]
    for k, (name, column) in enumerate(areas.items()):
        place = np.arange(len(areas)) + step * (k - (areas.shape[1] - 1) / 2)
        colour = SERIES[k % len(SERIES)]
        ax.hlines(place, [e.low for e in column], [e.high for e in column], color=colour, linewidth=1.8)
        ax.plot([e.value for e in column], place, "o", color=colour, markersize=6, label=name)
    if reference is not None:
        ax.axvspan(reference.low, reference.high, color=FAINT, linewidth=0, zorder=0)
        ax.axvline(reference.value, color=INK, linewidth=1.2, label="twelve measured leads")
    ax.set_yticks(range(len(areas)), list(areas.index))
    ax.set_ylim(len(areas) - 0.5, -0.5)
    ax.tick_params(axis="y", length=0)
    ax.set_xlabel(f"{xlabel}, 95 % interval")
    ax.grid(axis="x")
    ax.legend(loc="lower left", bbox_to_anchor=(-0.12, 1), ncols=2, borderaxespad=0.2)
    return ax


def trade_off(table, ax=None):
    """What the waveform pays for the class: a point a weight alpha, joined in the order of alpha.

    Parameters
    ----------
    table : DataFrame
        Columns `network` (name of the line), `alpha`, `r` (mean correlation of hidden leads), `auc`.
    ax : Axes, optional

    Returns
    -------
    Axes
    """
    ax = new_axes(ax, size=(5.8, 3.8))
    for k, (name, rows) in enumerate(table.groupby("network", sort=False)):
        rows = rows.sort_values("alpha")
        colour = SERIES[k % len(SERIES)]
        ax.plot(rows.r, rows.auc, "o-", color=colour, linewidth=1.6, markersize=6, label=name)
        for row in rows.itertuples():
            text = dict(xytext=(6, 4), textcoords="offset points", fontsize=8.5, color=colour)
            ax.annotate(f"α = {row.alpha:g}", (row.r, row.auc), **text)
    ax.margins(0.15)
    ax.set(xlabel="mean r of hidden leads", ylabel="macro AUC by the evaluator")
    ax.grid()
    ax.legend(fontsize=9)
    return ax


def failures(truth, curves, fs, leads, titles=None, seconds=2.5, axes=None):
    """Hidden leads of some records, measured and reconstructed with a band; a column a record, a row a lead.

    Parameters
    ----------
    truth : (record, 8, time) array_like
        mV; at most four records.
    curves : (record, 3, 8, time) array_like
    fs : float
        Hz.
    leads : dict of str to int
        Name -> position of the leads that are drawn.
    titles : sequence of str, optional
    seconds : float
        From the middle of the record.
    axes : (lead, record) array of Axes, optional

    Returns
    -------
    (lead, record) ndarray of Axes
    """
    import matplotlib.pyplot as plt

    truth, curves = np.asarray(truth), np.asarray(curves)
    if axes is None:
        options = dict(figsize=(8.0, 0.7 + 0.95 * len(leads)), sharex=True, squeeze=False, layout="constrained")
        axes = plt.subplots(len(leads), len(truth), **options)[1]
    start = (truth.shape[-1] - round(seconds * fs)) // 2
    part = slice(start, start + round(seconds * fs))
    time = np.arange(part.stop - part.start) / fs
    for k in range(len(truth)):
        for ax, (name, position) in zip(axes[:, k], leads.items(), strict=True):
            low, middle, high = curves[k, :, position, part]
            ax.fill_between(time, low, high, color=PALETTE["vermilion"], alpha=0.22, linewidth=0, label="90 % band")
            ax.plot(time, truth[k, position, part], color=INK, linewidth=1.2, label="measured")
            ax.plot(time, middle, color=PALETTE["vermilion"], linewidth=1.1, label="reconstructed")
            ax.set_ylabel(f"{name} (mV)" if k == 0 else "", fontsize=9)
            ax.tick_params(labelsize=8)
        axes[0, k].set_title("" if titles is None else titles[k], fontsize=9)
        axes[-1, k].set_xlabel("time (s)", fontsize=9)
    axes[0, 0].figure.legend(*axes[0, 0].get_legend_handles_labels(), ncols=3, loc="outside lower center", fontsize=9)
    return axes
